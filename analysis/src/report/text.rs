//! Text of a report: plain, code and emphasis, as each kind of output writes them.

/// A line of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(Vec<Span>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Plain(String),
    Code(String),
    Emphasis(String),
}

impl Text {
    /// From a text of ours: what stands between backticks is code, between asterisks emphasis.
    /// A sign without its partner is a sign.
    pub(crate) fn parse(source: &str) -> Self {
        let mut spans = Vec::new();
        let mut rest = source;
        let mut plain = String::new();
        while let Some(at) = rest.find(['`', '*']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            let (sign, inside) = from.split_at(1);
            match inside.split_once(sign) {
                Some((inside, after)) if !inside.is_empty() => {
                    if !plain.is_empty() {
                        spans.push(Span::Plain(std::mem::take(&mut plain)));
                    }
                    spans.push(match sign {
                        "`" => Span::Code(inside.to_owned()),
                        _ => Span::Emphasis(inside.to_owned()),
                    });
                    rest = after;
                }
                _ => {
                    plain.push_str(sign);
                    rest = inside;
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            spans.push(Span::Plain(plain));
        }
        Text(spans)
    }

    /// From a file's content: nothing in it is a sign.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Text(vec![Span::Plain(text.into())])
    }

    /// A name of a file and the like.
    pub(crate) fn code(text: impl Into<String>) -> Self {
        Text(vec![Span::Code(text.into())])
    }

    /// With more behind it.
    pub(crate) fn then(mut self, more: Text) -> Self {
        self.0.extend(more.0);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn spans(&self) -> &[Span] {
        &self.0
    }

    pub(crate) fn markdown(&self) -> String {
        let span = |span: &Span| match span {
            Span::Plain(text) => escape(text),
            // A backtick would end it, and code has no escapes.
            Span::Code(text) => format!("`{}`", one_line(text).replace('`', "'")),
            Span::Emphasis(text) => format!("*{}*", escape(text)),
        };
        self.0.iter().map(span).collect()
    }

    /// Without signs.
    pub(crate) fn terminal(&self) -> String {
        let span = |span: &Span| match span {
            Span::Plain(text) | Span::Code(text) | Span::Emphasis(text) => one_line(text),
        };
        self.0.iter().map(span).collect()
    }
}

/// Text that Markdown takes for nothing else, as GitHub reads it too: with formulas (`$`) and what
/// is struck out (`~`).
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in one_line(text).chars() {
        if matches!(
            c,
            '|' | '<' | '*' | '_' | '`' | '[' | '\\' | '&' | '~' | '$'
        ) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Text without line breaks and other characters that steer a terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_ours_are_signs_and_those_of_files_are_not() {
        let text = Text::parse("the share `of null`, *typical*, 2 * 3").then(Text::plain("*x*|"));
        assert_eq!(
            text.markdown(),
            "the share `of null`, *typical*, 2 \\* 3\\*x\\*\\|"
        );
        assert_eq!(text.terminal(), "the share of null, typical, 2 * 3*x*|");
        assert_eq!(Text::parse("a ` b").markdown(), "a \\` b");
        assert_eq!(Text::parse("**").markdown(), "\\*\\*");
        let signs = Text::plain("&lt; ~~no~~ $x$ a\\b");
        assert_eq!(signs.markdown(), "\\&lt; \\~\\~no\\~\\~ \\$x\\$ a\\\\b");
    }
}
