//! What becomes of a table's columns in LaTeX: alignment, heads and cells.

use super::escape::escape;
use super::width::width;
use crate::number::Number;
use crate::report::table::{Cell, Column, Kind, MARK, Table, UNKNOWN};

/// Digits of a number that a column is made wide for; what is longer is written with an
/// exponent.
const WIDE: usize = 14;

/// Points of a text at 10 pt that is long enough for a paragraph: some twenty letters.
const LONG: f64 = 100.0;

/// A column.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) align: Align,
    /// The head's lines as they are.
    pub(super) head: Vec<String>,
    /// The unit in LaTeX, if there is one.
    pub(super) unit: Option<String>,
    /// The cells in LaTeX.
    pub(super) cells: Vec<String>,
    /// What of them is seen.
    pub(super) shown: Vec<String>,
    /// The widest cell at 10 pt, in points.
    pub(super) content: f64,
    /// The widest piece that cannot be broken, at 10 pt, in points.
    pub(super) widest_piece: f64,
    /// The width of its unit, which stands below the head and is not broken.
    pub(super) unit_width: f64,
    /// Whether it may be set in paragraphs.
    pub(super) wraps: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
    /// At the point, with siunitx's `table-format`.
    Point(String),
}

impl Set {
    /// The `at`th column of `table`.
    pub(super) fn new(table: &Table, at: usize) -> Set {
        let column = &table.columns[at];
        let cells: Vec<&Cell> = table.rows.iter().map(|row| &row[at]).collect();
        let format = (column.kind == Kind::Number)
            .then(|| table_format(&cells))
            .flatten();
        let align = match (&format, column.kind) {
            (Some(format), _) => Align::Point(format.clone()),
            (None, Kind::Number | Kind::Interval) => Align::Right,
            (None, Kind::Text) if cells.iter().all(|cell| is_count(cell)) => Align::Right,
            (None, Kind::Text) => Align::Left,
        };
        let shown: Vec<String> = cells.iter().map(|cell| shown(cell)).collect();
        let widest = shown.iter().map(|text| width(text)).fold(0.0, f64::max);
        // A column that is aligned at the point holds the widest of either side.
        let content = format
            .map_or(0.0, |format| format_width(&format))
            .max(widest);
        let unit = unit(column);
        let head = head_lines(column.head, content);
        Set {
            cells: cells.iter().map(|cell| latex(cell, &align)).collect(),
            widest_piece: Set::widest_piece_of(&head, &shown).max(width(column.unit)),
            unit_width: width(column.unit),
            wraps: align == Align::Left && content > LONG,
            align,
            head,
            unit,
            shown,
            content,
        }
    }
}

/// A head in two lines where it is wider than what stands below it.
fn head_lines(head: &str, content: f64) -> Vec<String> {
    if width(head) <= content {
        return vec![head.to_owned()];
    }
    let breaks = head
        .match_indices(' ')
        .filter(|(at, _)| !head[at + 1..].starts_with('%'));
    let halves = breaks.map(|(at, _)| (&head[..at], &head[at + 1..]));
    let wider = |(a, b): &(&str, &str)| width(a).max(width(b));
    match halves.min_by(|a, b| wider(a).total_cmp(&wider(b))) {
        Some((first, second)) => vec![first.to_owned(), second.to_owned()],
        None => vec![head.to_owned()],
    }
}

/// A unit as siunitx knows it, and as text where it does not.
fn unit(column: &Column) -> Option<String> {
    let known = match column.unit {
        "" => return None,
        "ns" => "\\nano\\second",
        "µs" | "us" => "\\micro\\second",
        "ms" => "\\milli\\second",
        "s" => "\\second",
        "min" => "\\minute",
        "ops/s" | "/s" | "1/s" => "\\per\\second",
        "%" => "\\percent",
        "B" => "\\byte",
        "kB" => "\\kilo\\byte",
        "MB" => "\\mega\\byte",
        "KiB" => "\\kibi\\byte",
        "MiB" => "\\mebi\\byte",
        "GiB" => "\\gibi\\byte",
        "B/s" => "\\byte\\per\\second",
        "KiB/s" => "\\kibi\\byte\\per\\second",
        "MiB/s" => "\\mebi\\byte\\per\\second",
        other => return Some(escape(other)),
    };
    Some(format!("\\unit{{{known}}}"))
}

/// Whether it is a count as text, perhaps with a mark, or nothing.
fn is_count(cell: &Cell) -> bool {
    let text = match cell {
        Cell::Text(text) => text.trim_start_matches(MARK).trim_start(),
        Cell::Unknown => return true,
        _ => return false,
    };
    text == UNKNOWN
        || text.starts_with(|c: char| c.is_ascii_digit())
            && text
                .chars()
                .all(|c| c.is_ascii_digit() || ",./".contains(c))
}

/// siunitx's `table-format` for all numbers of a column; none when there is no number.
fn table_format(cells: &[&Cell]) -> Option<String> {
    let mut format: Option<(usize, usize, bool)> = None;
    for cell in cells {
        let Cell::Number(number) = cell else { continue };
        let Some(digits) = digits(*number) else {
            continue;
        };
        let bare = digits.trim_start_matches('-');
        let (whole, decimals) = bare.split_once('.').unwrap_or((bare, ""));
        let (w, d, sign) = format.unwrap_or((1, 0, false));
        format = Some((
            w.max(whole.len()),
            d.max(decimals.len()),
            sign || digits.starts_with('-'),
        ));
    }
    let (whole, decimals, sign) = format?;
    let sign = if sign { "-" } else { "" };
    Some(match decimals {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{decimals}"),
    })
}

/// The width of what a `table-format` has room for, at 10 pt.
fn format_width(format: &str) -> f64 {
    let parts: Vec<u8> = format
        .trim_start_matches('-')
        .split('.')
        .map(|part| part.parse().unwrap_or(0))
        .collect();
    // At most WIDE of them, and a thin space before every third.
    let digits = |n: &u8| 5.0 * f64::from(*n) + 1.7 * f64::from(n.saturating_sub(1) / 3);
    let point = if parts.len() > 1 { 2.8 } else { 0.0 };
    let sign = if format.starts_with('-') { 7.8 } else { 0.0 };
    parts.iter().map(digits).sum::<f64>() + point + sign
}

/// The digits of a number that a column can be aligned by.
fn digits(number: Number) -> Option<String> {
    let digits = number.digits();
    (number.value.is_finite() && digits.len() <= WIDE).then_some(digits)
}

/// A number in LaTeX.
fn num(number: Number) -> String {
    match digits(number) {
        Some(digits) => format!("\\num{{{digits}}}"),
        None if number.value.is_nan() => "--".to_owned(),
        None if number.value.is_infinite() && number.value < 0.0 => "$-\\infty$".to_owned(),
        None if number.value.is_infinite() => "$\\infty$".to_owned(),
        None => format!("\\num{{{:.2e}}}", number.value),
    }
}

/// A cell in LaTeX. What is no number is in braces, or siunitx would read it as one.
fn latex(cell: &Cell, align: &Align) -> String {
    let text = match cell {
        Cell::Number(number) => match (align, digits(*number)) {
            (Align::Point(_), Some(digits)) => return digits,
            _ => num(*number),
        },
        Cell::Text(text) => escape(text),
        Cell::Interval(low, high) => format!("{{[}}{}, {}{{]}}", num(*low), num(*high)),
        Cell::BeyondTimeout => "$>$timeout".to_owned(),
        Cell::Unknown => "--".to_owned(),
    };
    match align {
        Align::Point(_) => format!("{{{text}}}"),
        Align::Left | Align::Right => text,
    }
}

/// What of a cell is seen, as far as its width goes.
fn shown(cell: &Cell) -> String {
    let shown = |number: &Number| match digits(*number) {
        Some(_) => number.to_string(),
        None => "1.00 × 10000".to_owned(),
    };
    match cell {
        Cell::Number(number) => shown(number),
        Cell::Interval(low, high) => format!("[{}, {}]", shown(low), shown(high)),
        other => other.shown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::Text;

    fn column(cells: Vec<Cell>, kind: Column) -> Set {
        let mut table = Table::new("t", Text::default(), &[kind]);
        for cell in cells {
            table.row(vec![cell]);
        }
        Set::new(&table, 0)
    }

    #[test]
    fn a_format_has_room_for_every_number() {
        let of = |values: &[f64]| {
            let cells = values.iter().map(|v| Cell::number(Some(*v))).collect();
            column(cells, Column::number("n", "n", "ms"))
        };
        assert_eq!(of(&[12_345.0, 0.123]).align, Align::Point("5.3".to_owned()));
        assert_eq!(of(&[-0.5, 12.0]).align, Align::Point("-2.3".to_owned()));
        assert_eq!(of(&[100.0]).align, Align::Point("3".to_owned()));
        assert_eq!(of(&[]).align, Align::Right);
        let wild = of(&[1e-300, 1.0, f64::INFINITY]);
        assert_eq!(wild.align, Align::Point("1.2".to_owned()));
        assert_eq!(wild.cells, ["{\\num{1.00e-300}}", "1.00", "{$\\infty$}"]);
    }

    #[test]
    fn what_is_no_number_is_in_braces_among_numbers() {
        let cells = vec![
            Cell::number(Some(4.2)),
            Cell::BeyondTimeout,
            Cell::Unknown,
            Cell::text("⚠ none"),
        ];
        let set = column(cells, Column::number("n", "n", "ms"));
        assert_eq!(
            set.cells,
            ["4.20", "{$>$timeout}", "{--}", "{$\\dagger$\\,none}"]
        );
        assert_eq!(set.unit.as_deref(), Some("\\unit{\\milli\\second}"));
    }

    #[test]
    fn counts_with_marks_stand_right_and_heads_break() {
        let counts = vec![Cell::text("1,234"), Cell::text("⚠ 2/3"), Cell::Unknown];
        let set = column(counts, Column::text("c", "valid trials"));
        assert_eq!(set.align, Align::Right);
        assert_eq!(set.head, ["valid", "trials"]);
        let set = column(
            vec![Cell::text("3 of 4")],
            Column::text("c", "95 % interval"),
        );
        assert_eq!(set.align, Align::Left);
        assert_eq!(set.head, ["95 %", "interval"]);
    }
}
