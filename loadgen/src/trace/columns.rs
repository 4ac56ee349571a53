//! What stands in the columns: read, and written.

use telegraft_cluster::http::MAX_LIMIT;

use super::{MAX_OFFSET_S, MAX_SEND_BYTES};
use crate::plan::{Kind, Step};

/// The columns, in the order in which they are written.
pub(super) const COLUMNS: [&str; 5] = ["offset", "user", "operation", "room", "size"];

/// Names of operations, with whether a read is of the latest page.
const OPERATIONS: [(&str, Kind, bool); 6] = [
    ("send", Kind::Send, false),
    ("read", Kind::Read, false),
    ("read-latest", Kind::Read, true),
    ("inbox", Kind::Inbox, false),
    ("join", Kind::Join, false),
    ("create-room", Kind::CreateRoom, false),
];

const NANOS_PER_S: u64 = 1_000_000_000;

/// Seconds with up to nine decimals, in nanoseconds.
pub(super) fn offset(text: &[u8]) -> Result<u64, String> {
    let wrong = |what: &str| {
        Err(format!(
            "{:?} {what}: an offset is the seconds from the beginning, 0 to {MAX_OFFSET_S}, with \
             up to 9 decimals",
            String::from_utf8_lossy(text)
        ))
    };
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &b"0"[..]),
    };
    let Some(seconds) = number(whole).filter(|_| number(fraction).is_some()) else {
        let negative = text.len() > 1 && text[0] == b'-' && offset(&text[1..]).is_ok();
        let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
        let long = !whole.is_empty() && digits(whole) && digits(fraction);
        return wrong(match () {
            () if text.is_empty() => "is empty",
            () if negative => "is negative",
            () if long && fraction.len() > 9 => "has more decimals",
            () if long && !fraction.is_empty() => "is too late",
            () => "is no number",
        });
    };
    if fraction.len() > 9 {
        return wrong("has more decimals");
    }
    let nanos = fraction
        .iter()
        .chain(std::iter::repeat(&b'0'))
        .take(9)
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    let most = MAX_OFFSET_S * NANOS_PER_S;
    match seconds.checked_mul(NANOS_PER_S) {
        Some(whole) if whole <= most && whole + nanos <= most => Ok(whole + nanos),
        _ => wrong("is too late"),
    }
}

/// Digits, and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let mut sum: u64 = 0;
    for byte in text {
        sum = sum.checked_mul(10)?.checked_add(digit(byte)?)?;
    }
    (!text.is_empty()).then_some(sum)
}

/// An operation, and whether it reads the latest page.
pub(super) fn operation(text: &[u8]) -> Result<(Kind, bool), String> {
    let known = OPERATIONS
        .iter()
        .find(|(name, _, _)| name.as_bytes() == text);
    known
        .map(|(_, kind, latest)| (*kind, *latest))
        .ok_or_else(|| {
            let text = String::from_utf8_lossy(text);
            let names: Vec<&str> = OPERATIONS.iter().map(|(name, _, _)| *name).collect();
            format!(
                "{text:?} is no operation{}: there are {}",
                nearest(&text, &names),
                names.join(", ")
            )
        })
}

/// ` (did you mean …?)`, when there is one that the writer may have meant.
fn nearest(text: &str, names: &[&str]) -> String {
    // Longer ones are none of ours, and need not be compared.
    const MAX_CHARS: usize = 24;
    let text: Vec<char> = text.to_lowercase().chars().take(MAX_CHARS).collect();
    let distances = names.iter().map(|name| (distance(&text, name), name));
    match distances.min() {
        Some((edits, name)) if edits <= 3 && edits < name.len() => {
            format!(" (did you mean {name:?}?)")
        }
        _ => String::new(),
    }
}

/// How many characters must be put in, taken out or changed (Levenshtein).
fn distance(from: &[char], to: &str) -> usize {
    let mut row: Vec<usize> = (0..=from.len()).collect();
    for (nth, wanted) in to.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = nth + 1;
        for at in 0..from.len() {
            let changed = diagonal + usize::from(from[at] != wanted);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[from.len()]
}

/// A size that is not empty: bytes of a send, messages of a page of reads, else 0.
pub(super) fn size(kind: Kind, text: &[u8]) -> Result<u32, String> {
    let most_of_page = u32::try_from(MAX_LIMIT).expect("a page is small");
    let (what, least, most) = match kind {
        Kind::Send => ("a send has bytes from", 0, MAX_SEND_BYTES),
        Kind::Read | Kind::Inbox => ("a page has messages from", 1, most_of_page),
        // It means nothing there.
        Kind::Join | Kind::CreateRoom => return Ok(0),
    };
    number(text)
        .and_then(|size| u32::try_from(size).ok())
        .filter(|size| (least..=most).contains(size))
        .ok_or_else(|| {
            let text = String::from_utf8_lossy(text);
            format!("{text:?} is no size: {what} {least} to {most}, or it is left empty")
        })
}

/// What `operation` reads as the step's.
pub(super) fn operation_name(step: &Step) -> &'static str {
    let latest = step.kind == Kind::Read && step.latest;
    let (name, _, _) = OPERATIONS
        .iter()
        .find(|(_, kind, of_latest)| *kind == step.kind && *of_latest == latest)
        .expect("every kind has a name");
    name
}

/// Seconds with six decimals, rounded down.
pub(super) fn write_offset(out: &mut String, due_ns: u64) {
    use std::fmt::Write as _;
    let micros = due_ns / 1_000;
    write!(out, "{}.{:06}", micros / 1_000_000, micros % 1_000_000).expect("a string takes it");
}

/// The size as it is written: nothing where it means nothing.
pub(super) fn write_size(out: &mut String, step: &Step) {
    use std::fmt::Write as _;
    match step.kind {
        Kind::Send | Kind::Read | Kind::Inbox => {
            write!(out, "{}", step.size).expect("a string takes it");
        }
        Kind::Join | Kind::CreateRoom => {}
    }
}
