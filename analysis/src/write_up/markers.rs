//! Finds the markers of a Markdown file.

use super::Trouble;

/// What a marker asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Table,
    Figure,
    Findings,
    Value,
}

/// By the names that markers have for them.
pub(super) const KINDS: [(&str, Kind); 4] = [
    ("table", Kind::Table),
    ("figure", Kind::Figure),
    ("findings", Kind::Findings),
    ("value", Kind::Value),
];

const OPEN: &str = "<!--";
const CLOSE: &str = "-->";
const END: &str = "/telegraft";
const PREFIX: &str = "telegraft:";

/// A piece of a file.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// That stays.
    Text(&'a str),
    Marked(Marked<'a>),
}

/// From a marker to its end.
#[derive(Debug)]
pub(super) struct Marked<'a> {
    /// Of the first marker, from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
    pub(super) name: &'a str,
    /// Both markers as they stand there.
    begin: &'a str,
    end: &'a str,
    /// As the file's lines end.
    line_end: &'static str,
}

impl Marked<'_> {
    /// The markers with new content between them: a value in its line, all else in lines of its
    /// own.
    pub(super) fn write(&self, content: &str, text: &mut String) {
        // Content that held a marker would end it when it is read again.
        let content = content.replace("\\<!--", "<!--").replace("<!--", "&lt;!--");
        text.push_str(self.begin);
        if self.kind == Kind::Value {
            text.push_str(content.trim());
        } else {
            let (end, content) = (self.line_end, content.trim_matches('\n'));
            text.push_str(end);
            for line in content.lines() {
                text.push_str(end);
                text.push_str(line);
            }
            text.push_str(&end.repeat(2));
        }
        text.push_str(self.end);
    }
}

/// A comment of HTML in Markdown.
struct Comment<'a> {
    at: usize,
    whole: &'a str,
    inside: &'a str,
}

impl Comment<'_> {
    /// A marker stands in one line and holds none: what a later `-->` closes is another one.
    fn is_unclosed(&self) -> bool {
        !self.whole.ends_with(CLOSE)
            || self.inside.contains(['\n', '\r'])
            || self.inside.contains(OPEN)
    }
}

/// The file in pieces, and what is wrong with its markers.
pub(super) fn parts(source: &str) -> (Vec<Part<'_>>, Vec<Trouble>) {
    let mut parts = Vec::new();
    let mut troubles = Vec::new();
    let line_end = match source.find('\n') {
        Some(at) if source[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    };
    let line_of = |at: usize| source[..at].matches('\n').count() + 1;
    let mut tell = |at: usize, reason: String| {
        troubles.push(Trouble {
            line: line_of(at),
            reason,
        });
    };
    // The marker whose end is looked for, and where text that stays begins.
    let mut open: Option<Comment<'_>> = None;
    let (mut kept, mut from) = (0, 0);
    while let Some(comment) = next(source, from, open.is_some()) {
        from = comment.at + comment.whole.len();
        let is_end = comment.inside == END;
        if !is_end && !comment.inside.starts_with(PREFIX) {
            continue;
        }
        if comment.is_unclosed() {
            tell(comment.at, format!("the marker has no `{CLOSE}`"));
            from = comment.at + OPEN.len();
            // The end that comes is its own, or its outer one's.
            open = Some(comment);
            continue;
        }
        match (open.take(), is_end) {
            (Some(first), true) if first.is_unclosed() => {}
            (Some(first), false) if first.is_unclosed() => open = Some(comment),
            (None, true) => tell(comment.at, "this marker ends nothing".to_owned()),
            (None, false) => open = Some(comment),
            (Some(first), true) => match marker(first.inside) {
                Ok((kind, name)) => {
                    parts.push(Part::Text(&source[kept..first.at]));
                    parts.push(Part::Marked(Marked {
                        line: line_of(first.at),
                        kind,
                        name,
                        begin: first.whole,
                        end: comment.whole,
                        line_end,
                    }));
                    kept = from;
                }
                Err(reason) => tell(first.at, reason),
            },
            (Some(first), false) => {
                tell(
                    comment.at,
                    format!(
                        "`{}` begins before the one of line {} ends",
                        comment.inside,
                        line_of(first.at)
                    ),
                );
                // The end that comes is the inner one's.
                open = Some(comment);
            }
        }
    }
    if let Some(first) = open.filter(|first| !first.is_unclosed()) {
        tell(
            first.at,
            format!("`{}` has no `{OPEN} {END} {CLOSE}`", first.inside),
        );
    }
    parts.push(Part::Text(&source[kept..]));
    (parts, troubles)
}

/// What a marker asks for, and of which name.
fn marker(inside: &str) -> Result<(Kind, &str), String> {
    let asked = inside.strip_prefix(PREFIX).unwrap_or(inside);
    let (word, name) = asked.split_once(char::is_whitespace).unwrap_or((asked, ""));
    let name = name.trim();
    match KINDS.iter().find(|(known, _)| *known == word) {
        Some(_) if name.is_empty() => Err(format!("`{inside}` names nothing")),
        Some((_, kind)) => Ok((*kind, name)),
        None => {
            let known = KINDS.map(|(known, _)| known).join(", ");
            Err(format!("there is no `{PREFIX}{word}`; known are {known}"))
        }
    }
}

/// The next comment from `from` on. Outside of markers, fenced code holds none, and neither
/// does code that begins with it.
fn next(source: &str, from: usize, marked: bool) -> Option<Comment<'_>> {
    let mut from = from;
    loop {
        let at = from + source[from..].find(OPEN)?;
        if let (false, Some(end)) = (marked, end_of_code(source, from, at)) {
            from = end;
            continue;
        }
        let rest = &source[at..];
        if !marked && source[..at].ends_with('`') {
            from = at + OPEN.len();
            continue;
        }
        let end = rest[OPEN.len()..].find(CLOSE);
        let whole = end.map_or(rest, |end| &rest[..OPEN.len() + end + CLOSE.len()]);
        let inside = whole.strip_prefix(OPEN).unwrap_or(whole);
        return Some(Comment {
            at,
            whole,
            inside: inside.strip_suffix(CLOSE).unwrap_or(inside).trim(),
        });
    }
}

/// Where the fenced code ends that `at` stands in, if it does: fences are looked for from the
/// line of `from` on, which is in none. (CommonMark 0.31.2, section 4.5.)
fn end_of_code(source: &str, from: usize, at: usize) -> Option<usize> {
    let mut fence: Option<(char, usize)> = None;
    let mut line_start = from;
    // What stands before `from` in its line is no fence, so neither is what follows.
    let mut whole_line = from == 0 || source[..from].ends_with('\n');
    for line in source[from..].split_inclusive('\n') {
        if line_start > at && fence.is_none() {
            return None;
        }
        let bare = line.trim_start_matches(' ');
        let indented = line.len() - bare.len();
        let sign = bare.chars().next().filter(|c| matches!(c, '`' | '~'));
        let run = sign.map_or(0, |sign| bare.len() - bare.trim_start_matches(sign).len());
        let rest = &bare[run..];
        if let (true, true, Some(sign)) = (whole_line && indented <= 3, run >= 3, sign) {
            fence = match fence {
                None if sign == '`' && rest.contains('`') => None,
                None => Some((sign, run)),
                Some((same, least)) if same == sign && run >= least && rest.trim().is_empty() => {
                    if line_start > at {
                        return Some(line_start + line.len());
                    }
                    None
                }
                still => still,
            };
        }
        whole_line = true;
        line_start += line.len();
    }
    fence.map(|_| source.len())
}
