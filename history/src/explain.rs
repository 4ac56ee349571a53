//! Explains violations in words: the lines that contradict each other, read again from the
//! history.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use crate::MAX_LINE_BYTES;
use crate::found::Raw;
use crate::line::{Event, Line, parse_line};
use crate::op::{Completion, Op};
use crate::store::{NONE, Of, Store};
use crate::verdict::{Excerpt, Violation};

/// Faults that an excerpt has at most: the last ones before what went wrong.
const MAX_FAULTS: usize = 20;

/// Of a page, so many values are told from its beginning, and from its end.
const TOLD_VALUES: usize = 3;

pub(crate) fn explain(
    store: &Store,
    source: &mut (impl Read + Seek),
    found: Vec<Raw>,
) -> io::Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for raw in found {
        let mut lines = raw.lines.clone();
        lines.extend(faults_between(store, &raw.lines));
        lines.sort_by_key(|&line| store.clock.rank(line));
        let mut excerpt = Vec::new();
        for line in lines {
            excerpt.push(told(store, line, read_line(store, source, line)?));
        }
        violations.push(Violation {
            rule: raw.rule.name().to_owned(),
            text: text(&raw.why, &excerpt),
            lines: raw.lines.iter().map(|&line| line as usize).collect(),
            excerpt,
        });
    }
    Ok(violations)
}

/// The lines of the faults between the first and the last of `lines`, which are in order.
fn faults_between(store: &Store, lines: &[u32]) -> Vec<u32> {
    let (Some(&first), Some(&last)) = (lines.first(), lines.last()) else {
        return Vec::new();
    };
    let mut between: Vec<u32> = store
        .faults
        .iter()
        .map(|&(line, _)| line)
        .filter(|&line| store.clock.before(first, line) && store.clock.before(line, last))
        .collect();
    between.drain(..between.len().saturating_sub(MAX_FAULTS));
    between
}

/// Reads one line again.
fn read_line(store: &Store, source: &mut (impl Read + Seek), line: u32) -> io::Result<Line> {
    let block = store.offsets.partition_point(|&(first, _)| first <= line);
    let (first, offset) = store.offsets[block - 1];
    source.seek(SeekFrom::Start(offset))?;
    let mut reader = BufReader::new(source.by_ref());
    let mut bytes = Vec::new();
    for _ in first..=line {
        bytes.clear();
        let most = MAX_LINE_BYTES as u64 + 1;
        reader.by_ref().take(most).read_until(b'\n', &mut bytes)?;
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    parse_line(&bytes).map_err(|why| {
        let text = format!("line {line} has changed since it was read: {why}");
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

fn told(store: &Store, number: u32, line: Line) -> Excerpt {
    let (process, kind, text) = match line.event {
        Event::Invoke { process, op } => {
            let mut text = asked(&op);
            if let Of::Send(send) = store.of(number)
                && store.sends[send as usize].complete == NONE
            {
                text.push_str("; no answer is recorded");
            }
            (Some(process), "invoke", text)
        }
        Event::Complete {
            process,
            completion,
            ..
        } => {
            let kind = match completion {
                Completion::Fail => "fail",
                Completion::Unknown => "info",
                _ => "ok",
            };
            (Some(process), kind, answered(&completion))
        }
        Event::Nemesis(fault) => {
            let mut text = fault.f;
            if let Some(replica) = fault.replica {
                text.push_str(&format!(" replica {replica}"));
            }
            if !fault.detail.is_empty() {
                text.push_str(": ");
                text.push_str(&fault.detail);
            }
            (None, "fault", text)
        }
        Event::Member { room, user } => {
            let text = format!("user {user} is a member of room {room}");
            (None, "ok", text)
        }
        Event::Digest {
            replica,
            log_index,
            value,
        } => {
            let text = format!("replica {replica} has digest {value} at log index {log_index}");
            (None, "ok", text)
        }
    };
    let start = store.clock.time(store.clock.line(1));
    // The first line has the least time.
    let at_ns = i64::try_from(line.time_ns.saturating_sub(start)).unwrap_or(i64::MAX);
    Excerpt {
        line: number as usize,
        at_ns,
        process,
        kind: kind.to_owned(),
        text,
    }
}

fn asked(op: &Op) -> String {
    let on = |replica: u64| match replica {
        0 => String::new(),
        replica => format!(" of replica {replica}"),
    };
    match op {
        Op::Send { room, id } => format!("sends {id:?} to room {room}"),
        Op::Read {
            room,
            after,
            limit,
            consistency,
            replica,
            min_index,
        } => {
            let mut text = format!(
                "asks for room {room} after {after}, at most {limit}, {consistency}{}",
                on(*replica)
            );
            if *min_index > 0 {
                text.push_str(&format!(", from log index {min_index} on"));
            }
            text
        }
        Op::Inbox {
            user,
            after,
            limit,
            consistency,
            replica,
        } => format!(
            "asks for the inbox of user {user} from cursor {after}, at most {limit}, \
             {consistency}{}",
            on(*replica)
        ),
    }
}

fn answered(completion: &Completion) -> String {
    match completion {
        Completion::Sent { seq, log_index, .. } => {
            format!("is acknowledged: seq {seq}, log index {log_index}")
        }
        Completion::Read {
            values,
            applied_index,
        } => {
            let values = values.iter().map(|(seq, id)| format!("{seq} {id:?}"));
            format!("gets {} at applied index {applied_index}", list(values))
        }
        Completion::Inbox {
            values,
            applied_index,
            cursor,
        } => {
            let values = values
                .iter()
                .map(|(room, seq, id)| format!("{room}/{seq} {id:?}"));
            format!(
                "gets {} at applied index {applied_index}, cursor {cursor}",
                list(values)
            )
        }
        Completion::Fail => "fails: it surely did not happen".to_owned(),
        Completion::Unknown => "gives up: nobody knows what came of it".to_owned(),
    }
}

/// The first and the last few.
fn list(values: impl ExactSizeIterator<Item = String>) -> String {
    let count = values.len();
    if count == 0 {
        return "nothing".to_owned();
    }
    let mut told: Vec<String> = Vec::new();
    for (at, value) in values.enumerate() {
        if at < TOLD_VALUES || at + TOLD_VALUES >= count {
            told.push(value);
        } else if at == TOLD_VALUES {
            told.push(format!("… {} more …", count - 2 * TOLD_VALUES));
        }
    }
    told.join(", ")
}

/// What is wrong, and then line by line.
fn text(why: &str, excerpt: &[Excerpt]) -> String {
    let mut text = why.to_owned();
    let width = |of: &dyn Fn(&Excerpt) -> usize| excerpt.iter().map(of).max().unwrap_or(0);
    let lines = width(&|line| line.line.to_string().len());
    let times = width(&|line| milliseconds(line.at_ns).len());
    let whos = width(&|line| who(line).len());
    for line in excerpt {
        text.push_str(&format!(
            "\n  line {:>lines$}  {:>times$} ms  {:<whos$}  {}",
            line.line,
            milliseconds(line.at_ns),
            who(line),
            line.text
        ));
    }
    text
}

fn who(line: &Excerpt) -> String {
    match (line.process, &*line.kind) {
        (Some(process), _) => format!("process {process}"),
        (None, "fault") => "fault".to_owned(),
        (None, _) => "observer".to_owned(),
    }
}

/// Nanoseconds as milliseconds.
pub(crate) fn milliseconds(ns: i64) -> String {
    format!("{}.{:03}", ns / 1_000_000, ns % 1_000_000 / 1000)
}
