//! Words and numbers in plots: how wide they are, cut and written.

use crate::number::group;

/// The size of text, in pixels of a plot that is [`super::canvas::WIDTH`] wide.
pub(super) const SIZE: f64 = 15.0;

/// The greatest amount that a plot tells apart; data beyond it is drawn as this.
const MOST: f64 = 1e12;

/// Letters of a file name; with the hash and the ending, any file system takes it.
const SLUG_LETTERS: usize = 120;

/// A number that can be drawn; none for what is no number. Amounts beyond any measurement are
/// brought back to the edge, so that no sum overflows.
pub(super) fn sane(value: f64) -> Option<f64> {
    value.is_finite().then(|| value.clamp(-MOST, MOST))
}

/// About how wide a text is, in pixels: rather too much than too little. The reader's fonts are
/// not known; DejaVu Sans, the widest of the usual ones, is what this was measured on.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | '\'' | ':' | ';' | '|' | ' ' | '!' => 0.33,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '-' | '/' => 0.42,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' | '×' | '—' | '>' | '<' | '=' | '+' | '△' => {
            0.98
        }
        'A'..='Z' => 0.74,
        ' '..='~' => 0.64,
        // Letters of other scripts are up to a square wide.
        _ => 1.1,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// A text that is no wider than `most` pixels, cut with … where it was longer. Characters that
/// XML cannot hold and line breaks become spaces.
pub(super) fn fit(text: &str, size: f64, most: f64) -> String {
    let clean = |c: char| match c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') {
        true => ' ',
        false => c,
    };
    // No more than could be shown is looked at.
    let mut short: String = text.chars().take(400).map(clean).collect();
    let whole = short.chars().count() == text.chars().count();
    if whole && width(&short, size) <= most {
        return short;
    }
    while !short.is_empty() && width(&short, size) + width("…", size) > most {
        short.pop();
    }
    short.truncate(short.trim_end().len());
    short + "…"
}

/// A text inside an XML element or attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A number with `decimals`, thousands grouped: `12,500`, `-0.25`; very large and very small
/// ones as powers of ten: `1e12`.
pub(super) fn decimal(value: f64, decimals: usize) -> String {
    let size = value.abs();
    if size >= 1e9 || (size > 0.0 && size < 1e-4) {
        return format!("{value:e}");
    }
    let text = group(&format!("{size:.decimals$}"));
    match value < 0.0 && text.contains(|c: char| c.is_ascii_digit() && c != '0') {
        true => format!("−{text}"),
        false => text,
    }
}

/// A measurement in a sentence, three significant digits.
pub(super) fn figure(value: f64) -> String {
    match sane(value) {
        None => "unknown".to_owned(),
        Some(value) if value.abs() >= 1e9 => format!("{value:.2e}"),
        Some(value) if value < 0.0 => format!("−{}", crate::number::sig3(-value)),
        Some(value) => crate::number::sig3(value),
    }
}

/// Several things in a sentence: the first `most` of them, and how many more there are.
pub(super) fn list(items: &[String], most: usize) -> String {
    let mut text = items[..items.len().min(most)].join("; ");
    if items.len() > most {
        text += &format!("; and {} more", items.len() - most);
    }
    text
}

/// A file name in plain ASCII: lower-case letters, digits, `_` and dashes. Of another name or a
/// longer one, what is left of it and a hash of the whole.
pub(super) fn slug(name: &str) -> String {
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
    if !name.is_empty() && name.len() <= SLUG_LETTERS && name.chars().all(plain) {
        return name.to_owned();
    }
    let mut slug = String::new();
    for c in name.chars().take(SLUG_LETTERS) {
        match c.to_ascii_lowercase() {
            c if plain(c) && c != '-' => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    let slug = match slug.trim_end_matches('-') {
        "" => "plot",
        slug => slug,
    };
    format!("{slug}-{:08x}", fnv1a(name.as_bytes()))
}

/// The hash FNV-1a of 32 bits. (Fowler, Noll, Vo and Eastlake, RFC 9923, section 2.)
fn fnv1a(bytes: &[u8]) -> u32 {
    let add = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, add)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_are_grouped_and_signed() {
        for (value, decimals, text) in [
            (12_500.0, 0, "12,500"),
            (0.25, 2, "0.25"),
            (-1_000.0, 0, "−1,000"),
            (-0.001, 1, "0.0"),
            (0.0, 0, "0"),
            (1e12, 0, "1e12"),
        ] {
            assert_eq!(decimal(value, decimals), text);
        }
        assert_eq!(figure(f64::NAN), "unknown");
        assert_eq!(figure(1e300), "1.00e12");
    }

    #[test]
    fn texts_fit_and_are_escaped() {
        assert_eq!(fit("short", SIZE, 100.0), "short");
        let long = fit(&"wide ".repeat(200), SIZE, 100.0);
        assert!(long.ends_with('…') && width(&long, SIZE) <= 100.0);
        assert_eq!(fit("a\nb\u{0}c", SIZE, 100.0), "a b c");
        assert_eq!(escape("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
    }

    #[test]
    fn different_names_have_different_files() {
        // The test vectors of FNV's authors.
        assert_eq!(fnv1a(b""), 0x811c_9dc5);
        assert_eq!(fnv1a(b"a"), 0xe40c_292c);
        assert_eq!(fnv1a(b"foobar"), 0xbf9c_f968);
        assert_eq!(slug("lag-telegraft-3-a_b-t1"), "lag-telegraft-3-a_b-t1");
        let other = slug("Write-Heavy ×3 / p99");
        assert_eq!(
            other,
            format!(
                "write-heavy-3-p99-{:08x}",
                fnv1a("Write-Heavy ×3 / p99".as_bytes())
            )
        );
        let long = "x".repeat(SLUG_LETTERS);
        let mut names = vec![long.clone() + "y", long.clone() + "z", long];
        let short = ["…", "", "-", "a", "A", "a.b", "a b", "a-b", "a_b", "ä", "ö"];
        names.extend(short.map(str::to_owned));
        let slugs: BTreeSet<String> = names.iter().map(|name| slug(name)).collect();
        assert_eq!(slugs.len(), names.len(), "{slugs:?}");
        assert!(slugs.iter().all(|slug| slug.len() <= SLUG_LETTERS + 9));
    }
}
