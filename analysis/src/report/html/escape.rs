//! Text inside a page: nothing in it is markup.

use crate::report::table::MARK;
use crate::report::text::{Span, Text, one_line};

/// The mark, drawn as a sign and not as a picture, and read out as a word.
pub(super) fn mark() -> String {
    format!(
        "<span class=\"mark\" aria-hidden=\"true\">{MARK}\u{fe0e}</span>\
         <span class=\"unseen\">Warning:</span>"
    )
}

/// A text of spans.
pub(super) fn text(text: &Text) -> String {
    let span = |span: &Span| match span {
        Span::Plain(text) => content(text),
        Span::Code(text) => format!("<code>{}</code>", marked(text)),
        Span::Emphasis(text) => format!("<em>{}</em>", content(text)),
    };
    text.spans().iter().map(span).collect()
}

/// One line inside an element.
pub(super) fn content(text: &str) -> String {
    // A number keeps its sign beside it.
    marked(&text.replace(" %", "\u{a0}%"))
}

fn marked(text: &str) -> String {
    attribute(text).replace(MARK, &mark())
}

/// One line inside an attribute with quotes.
pub(super) fn attribute(text: &str) -> String {
    escape(&one_line(text))
}

/// Lines inside an element that keeps white space.
pub(super) fn lines(text: &str) -> String {
    let line = |line: &str| escape(&one_line(&line.replace('\t', "    ")));
    let lines: Vec<String> = text.trim_end().lines().map(line).collect();
    lines.join("\n")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // They turn the order of what follows around, until the end of the paragraph.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
