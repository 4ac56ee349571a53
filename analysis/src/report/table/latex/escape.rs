//! Text as LaTeX sets it, whatever stands in it.
//!
//! Plain pdfLaTeX with the input encoding utf8 (its default since 2018) takes what comes out,
//! in both font encodings OT1 and T1, also with babel's shorthands: no character of the source
//! reaches TeX that means something to it, forms a ligature or has no glyph.

use std::fmt::Write as _;

use crate::report::text::{Span, Text, one_line};

/// Letters without a place to break after which one is made.
const RUN: usize = 16;

/// Letters of a name after which `/` and the like are a place to break.
const SHORT_RUN: usize = 4;

/// What accents are in TeX, over which letters, and the same as one character.
const ACCENTS: [(&str, &str, &str); 8] = [
    ("\\`", "AEIOUaeiou", "ÀÈÌÒÙàèìòù"),
    ("\\'", "AEIOUYaeiouycnszCNSZ", "ÁÉÍÓÚÝáéíóúýćńśźĆŃŚŹ"),
    ("\\^", "AEOUaeou", "ÂÊÔÛâêôû"),
    ("\\\"", "AEIOUaeiouy", "ÄËÏÖÜäëïöüÿ"),
    ("\\~", "ANOano", "ÃÑÕãñõ"),
    ("\\c", "CcSs", "ÇçŞş"),
    ("\\v", "CSZRENcszren", "ČŠŽŘĚŇčšžřěň"),
    ("\\r", "AaUu", "ÅåŮů"),
];

/// A text with code as `\texttt` and emphasis as `\emph`.
pub(super) fn text(text: &Text) -> String {
    let span = |span: &Span| match span {
        Span::Plain(text) => escape(text),
        Span::Code(text) => format!("\\texttt{{{}}}", code(text)),
        Span::Emphasis(text) => format!("\\emph{{{}}}", escape(text)),
    };
    text.spans().iter().map(span).collect()
}

/// Text that TeX takes for nothing else. Words that are too long for a column can be broken.
pub(super) fn escape(text: &str) -> String {
    set(text, false)
}

/// The same for a typewriter font, in which a hyphen is no place to break.
fn code(text: &str) -> String {
    set(text, true)
}

fn set(text: &str, code: bool) -> String {
    let text = one_line(text);
    let mut set = String::new();
    let mut run = 0;
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        // Two of them would be a dash or a quotation mark.
        if before == Some(c) && matches!(c, '-' | '\'' | ',') {
            set.push_str("{}");
        }
        before = Some(c);
        match (c, chars.peek()) {
            // A number and its sign are not parted.
            (' ', Some('%')) if set.ends_with(|c: char| c.is_ascii_digit()) => {
                set.push_str("\\,");
                continue;
            }
            // A mark and what it marks.
            ('⚠', Some(' ')) if set.is_empty() => {
                set.push_str("$\\dagger$\\,");
                chars.next();
                continue;
            }
            _ => put(&mut set, c),
        }
        run = match c {
            ' ' | '–' | '—' => 0,
            '-' if !code => 0,
            _ => run + 1,
        };
        let place = matches!(c, '-' | '/' | '_' | '.' | ':' | ';' | ',' | '=' | '+' | '@');
        let inside = chars.peek().is_some_and(|next| *next != ' ');
        if inside && (run >= RUN || place && run >= SHORT_RUN) {
            set.push_str("\\allowbreak{}");
            run = 0;
        }
    }
    set
}

fn put(set: &mut String, c: char) {
    let known = match c {
        '#' => "\\#",
        '$' => "\\$",
        '%' => "\\%",
        '&' => "\\&",
        '_' => "\\_",
        '{' => "\\{",
        '}' => "\\}",
        '~' => "\\textasciitilde{}",
        '^' => "\\textasciicircum{}",
        '\\' => "\\textbackslash{}",
        '<' => "\\textless{}",
        '>' => "\\textgreater{}",
        '|' => "\\textbar{}",
        '`' => "\\textasciigrave{}",
        // A letter of babel's shorthands.
        '"' => "{\\char34}",
        // Options of a row's end or a rule, when they come first in a row.
        '[' => "{[}",
        ']' => "{]}",
        '*' => "{*}",
        ' '..='~' => {
            set.push(c);
            return;
        }
        '–' => "--",
        '—' => "---",
        '−' => "$-$",
        '×' => "$\\times$",
        '·' => "$\\cdot$",
        '±' => "$\\pm$",
        '≤' => "$\\leq$",
        '≥' => "$\\geq$",
        '≠' => "$\\neq$",
        '≈' => "$\\approx$",
        '∞' => "$\\infty$",
        '→' => "$\\rightarrow$",
        '←' => "$\\leftarrow$",
        'µ' | 'μ' => "$\\mu$",
        'σ' => "$\\sigma$",
        '°' => "$^{\\circ}$",
        '²' => "$^{2}$",
        '³' => "$^{3}$",
        '⁻' => "$^{-}$",
        '¹' => "$^{1}$",
        '⚠' => "$\\dagger$",
        '…' => "\\dots{}",
        '§' => "\\S{}",
        '‘' => "\\textquoteleft{}",
        '’' => "\\textquoteright{}",
        '“' => "\\textquotedblleft{}",
        '”' => "\\textquotedblright{}",
        '\u{a0}' | '\u{202f}' => "~",
        'ß' => "\\ss{}",
        'æ' => "\\ae{}",
        'Æ' => "\\AE{}",
        'œ' => "\\oe{}",
        'Œ' => "\\OE{}",
        'ø' => "\\o{}",
        'Ø' => "\\O{}",
        'ł' => "\\l{}",
        'Ł' => "\\L{}",
        _ => return put_other(set, c),
    };
    set.push_str(known);
}

/// An accented letter, or the number of a character that has no glyph for sure.
fn put_other(set: &mut String, c: char) {
    for (accent, letters, composed) in ACCENTS {
        let at = composed.chars().position(|known| known == c);
        if let Some(letter) = at.and_then(|at| letters.chars().nth(at)) {
            let _ = match letter {
                'i' => write!(set, "{accent}{{\\i}}"),
                _ => write!(set, "{accent}{{{letter}}}"),
            };
            return;
        }
    }
    let _ = write!(set, "{{[}}U+{:04X}{{]}}", u32::from(c));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_means_something_to_tex() {
        assert_eq!(
            escape(r"#$%&_{}~^\<>|`*[x]"),
            "\\#\\$\\%\\&\\_\\allowbreak{}\\{\\}\\textasciitilde{}\\textasciicircum{}\
             \\textbackslash{}\\textless{}\\textgreater{}\\textbar{}\\textasciigrave{}\
             {*}{[}x{]}"
        );
        assert_eq!(escape("a -- b ''"), "a -{}- b '{}'");
        assert_eq!(escape("say \"a"), "say {\\char34}a");
        assert_eq!(escape("a\nb\u{1b}c"), "a b c");
    }

    #[test]
    fn what_has_no_glyph_is_told_by_its_number() {
        assert_eq!(
            escape("3–5 ×3 µs ⚠ x"),
            "3--5 $\\times$3 $\\mu$s $\\dagger$ x"
        );
        assert_eq!(
            escape("Zoë í ï Šø"),
            "Zo\\\"{e} \\'{\\i} \\\"{\\i} \\v{S}\\o{}"
        );
        assert_eq!(escape("中\u{202e}"), "{[}U+4E2D{]}{[}U+202E{]}");
    }

    #[test]
    fn long_words_can_be_broken_and_others_are_not() {
        assert_eq!(escape("linearizability"), "linearizability");
        assert_eq!(
            escape("x/y results/of_all"),
            "x/y results/\\allowbreak{}of\\_all"
        );
        let long = escape(&"x".repeat(40));
        assert_eq!(long.matches("\\allowbreak{}").count(), 2);
        let text = text(&Text::parse("by `--out_dir now`, *typical*, 95 %"));
        assert_eq!(
            text,
            "by \\texttt{-{}-out\\_\\allowbreak{}dir now}, \\emph{typical}, 95\\,\\%"
        );
    }

    #[test]
    fn every_accent_has_its_letter() {
        for (accent, letters, composed) in ACCENTS {
            assert_eq!(
                letters.chars().count(),
                composed.chars().count(),
                "{accent}"
            );
        }
    }
}
