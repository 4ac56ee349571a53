//! The text format of Prometheus and OpenMetrics, as far as it has samples: both write them in
//! the same way. (<https://prometheus.io/docs/instrumenting/exposition_formats/>)

use std::borrow::Cow;

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample<'a> {
    /// The metric's name, with `_total`, `_bucket`, ….
    pub(super) name: &'a str,
    labels: Vec<(&'a str, Cow<'a, str>)>,
    /// Any number; also an infinite one, or none.
    pub(super) value: f64,
}

impl Sample<'_> {
    /// The value of a label.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        let mut labels = self.labels.iter();
        labels.find_map(|(key, value)| (*key == name).then_some(value.as_ref()))
    }
}

/// The samples of a text. Comments are passed over, and lines that are no samples: the others
/// are still worth something.
pub(super) fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter_map(sample)
}

/// `name{label="value",…} value`; a timestamp and an exemplar may follow.
fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim_ascii();
    let (name, rest) = line.split_at(line.find(['{', ' ', '\t'])?);
    if !is_name(name) {
        return None;
    }
    let (labels, rest) = match rest.trim_ascii_start().strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name,
        labels,
        value,
    })
}

fn is_name(text: &str) -> bool {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | ':');
    !text.is_empty() && !text.starts_with(|char: char| char.is_ascii_digit()) && {
        text.chars().all(plain)
    }
}

type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// The labels up to the brace that closes them, and what follows it.
fn labels(mut rest: &str) -> Option<(Labels<'_>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_ascii_end();
        if !is_name(name) {
            return None;
        }
        let (value, after) = quoted(after.trim_ascii_start())?;
        labels.push((name, value));
        let after = after.trim_ascii_start();
        rest = match after.strip_prefix(',') {
            Some(after) => after,
            None if after.starts_with('}') => after,
            None => return None,
        };
    }
}

/// A text in quotes, in which a backslash stands before a quote, a backslash and the `n` of a
/// line's end; and what follows it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let text = text.strip_prefix('"')?;
    let plain = text.find(['"', '\\'])?;
    if text[plain..].starts_with('"') {
        return Some((Cow::Borrowed(&text[..plain]), &text[plain + 1..]));
    }
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (end, '"') => return Some((Cow::Owned(value), &text[end + 1..])),
            (_, '\\') => value.push(match chars.next()?.1 {
                'n' => '\n',
                char @ ('"' | '\\') => char,
                _ => return None,
            }),
            (_, char) => value.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, labels and value, as `name|a=x|1`.
    fn shown(text: &str) -> Vec<String> {
        samples(text)
            .map(|sample| {
                let labels = sample.labels.iter();
                let labels: String = labels
                    .map(|(key, value)| format!("{key}={value}|"))
                    .collect();
                format!("{}|{labels}{}", sample.name, sample.value)
            })
            .collect()
    }

    #[test]
    fn samples_are_found_among_comments_timestamps_and_exemplars() {
        let text = "# HELP x Counts.\n# TYPE x counter\nx_total 3\n\
                    h_bucket{le=\"0.5\",stage=\"queue\"} 1 # {id=\"42\"} 1.0 2.5\r\n\
                    h_bucket{stage=\"queue\",le=\"+Inf\"} 2e3 1395066363000\n\
                    \n  a:b { } -0.25\n tab\t{\ta\t=\t\"x\"\t,\t}\t1\nbig +Inf\n# EOF\n";
        assert_eq!(
            shown(text),
            [
                "x_total|3",
                "h_bucket|le=0.5|stage=queue|1",
                "h_bucket|stage=queue|le=+Inf|2000",
                "a:b|-0.25",
                "tab|a=x|1",
                "big|inf",
            ]
        );
        let first = samples(text).nth(1).expect("there are four");
        assert_eq!(first.label("stage"), Some("queue"));
        assert_eq!(first.label("stag"), None);
        assert_eq!(shown("x{ a = \"1\" , b=\"2\" } 1"), ["x|a=1|b=2|1"]);
    }

    #[test]
    fn values_of_labels_are_unescaped() {
        let text = r#"x{a="a \"b\" \\ c\nd",b="}é😀{,=",c=""} 1"#;
        let sample = samples(text).next().expect("it is a sample");
        assert_eq!(sample.label("a"), Some("a \"b\" \\ c\nd"));
        assert_eq!(sample.label("b"), Some("}é😀{,="));
        assert_eq!(sample.label("c"), Some(""));
    }

    #[test]
    fn lines_that_are_no_samples_are_passed_over() {
        for line in [
            "",
            " ",
            "x",
            "x ",
            "x y",
            "x 1,5",
            "x 0x10",
            "{} 1",
            "{a=\"b\"} 1",
            "1x 1",
            "x-y 1",
            "é 1",
            "x{ 1",
            "x{} ",
            "x{}1",
            "x} 1",
            "x{a} 1",
            "x{a=} 1",
            "x{=\"b\"} 1",
            "x{a=b} 1",
            "x{a=\"b} 1",
            "x{a=\"b\" 1",
            "x{a=\"b\"c=\"d\"} 1",
            "x{a=\"b\",,} 1",
            "x{a=\"b\\\"} 1",
            "x{a=\"b\\",
            "x{a=\"\\x\"} 1",
            "x{a-b=\"c\"} 1",
            "\u{0} 1",
            "<html><body>502 Bad Gateway</body></html>",
        ] {
            assert_eq!(shown(line), [""; 0], "{line:?}");
            assert_eq!(shown(&format!("{line}\ngood 1")), ["good|1"], "{line:?}");
        }
        // Nothing that is cut off anywhere is a panic.
        let whole = "h_bucket{le=\"0.5\",stage=\"é\\\"\\n\"} 12 # {id=\"42\"} 1.0";
        for end in (0..=whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            assert!(samples(&whole[..end]).count() <= 1);
            assert!(samples(&whole[end..]).count() <= 1);
        }
        let long = format!("x{{{}", "a=\"\",".repeat(100_000));
        assert_eq!(samples(&long).count(), 0);
    }
}
