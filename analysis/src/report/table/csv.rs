//! A table as CSV (RFC 4180, with the line ends of our other files).
//!
//! - The heads are the columns' keys. An interval is two columns: `low` and `high` stand before
//!   the unit, which stays at the end, so `p99_95_ms` becomes `p99_95_low_ms` and
//!   `p99_95_high_ms`, and `of_null_95` becomes `of_null_95_low` and `of_null_95_high`.
//! - Numbers have the digits that were measured, nine at most, and no separators. What is not
//!   known is empty, and a percentile beyond the time-out is `>timeout`.
//! - Text is as it is.

use super::{BEYOND_TIMEOUT, Cell, Column, Kind, Table};
use crate::number::Number;

/// How keys end that have a unit.
const UNITS: [&str; 14] = [
    "_per_cpu_s",
    "_mib_per_s",
    "_per_s",
    "_cores",
    "_percent",
    "_mib",
    "_kib",
    "_bytes",
    "_min",
    "_ms",
    "_us",
    "_ns",
    "_s",
    "_b",
];

/// Digits of a number that count.
const DIGITS: usize = 9;

impl Table {
    /// The table alone, without caption and notes.
    pub(crate) fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut put = |record: Vec<String>| {
            let written = writer.write_record(record);
            written.expect("rows have a cell for each column, and memory takes all of them");
        };
        put(self.columns.iter().flat_map(heads).collect());
        for row in &self.rows {
            let cells = self.columns.iter().zip(row);
            put(cells
                .flat_map(|(column, cell)| fields(column, cell))
                .collect());
        }
        let bytes = writer.into_inner().expect("memory takes all of them");
        String::from_utf8(bytes).expect("it is made of text")
    }
}

/// What a column is called, or the two that it becomes.
fn heads(column: &Column) -> Vec<String> {
    match column.kind {
        Kind::Text | Kind::Number => vec![column.key.to_owned()],
        Kind::Interval => vec![bound_key(column.key, "low"), bound_key(column.key, "high")],
    }
}

/// A key with a word before its unit.
fn bound_key(key: &str, bound: &str) -> String {
    let unit = UNITS.iter().find(|unit| key.ends_with(*unit));
    let unit = unit.copied().unwrap_or("");
    match key.strip_suffix(unit) {
        Some(name) => format!("{name}_{bound}{unit}"),
        None => format!("{key}_{bound}"),
    }
}

/// As many fields as the column has heads.
fn fields(column: &Column, cell: &Cell) -> Vec<String> {
    let field = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        Cell::Number(number) => plain(*number),
        Cell::Interval(low, high) => format!("{}–{}", plain(*low), plain(*high)),
        Cell::BeyondTimeout => BEYOND_TIMEOUT.to_owned(),
        Cell::Unknown => String::new(),
    };
    match (column.kind, cell) {
        (Kind::Interval, Cell::Interval(low, high)) => vec![plain(*low), plain(*high)],
        // Of both bounds the same.
        (Kind::Interval, cell) => vec![field(cell), field(cell)],
        (Kind::Text | Kind::Number, cell) => vec![field(cell)],
    }
}

/// The number in plain notation; nothing of what is no number.
fn plain(number: Number) -> String {
    measured(number).map_or(String::new(), |value| value.to_string())
}

/// A number with the digits that count; none of what is infinite or no number.
pub(super) fn measured(number: Number) -> Option<f64> {
    let text = format!("{:.*e}", DIGITS - 1, number.value);
    let value: f64 = text.parse().ok()?;
    // Zero has no sign.
    value.is_finite().then_some(value + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::Text;

    #[test]
    fn the_unit_stays_at_the_end_of_a_key() {
        for (key, low) in [
            ("p99_95_ms", "p99_95_low_ms"),
            ("typical_95_per_s", "typical_95_low_per_s"),
            ("of_null_95", "of_null_95_low"),
            ("ops", "ops_low"),
            ("writes_mib_per_s", "writes_low_mib_per_s"),
        ] {
            assert_eq!(bound_key(key, "low"), low);
        }
    }

    #[test]
    fn numbers_have_the_digits_that_were_measured() {
        for (value, text) in [
            (30_466.123_456_78, "30466.1235"),
            (0.1 + 0.2, "0.3"),
            (1e-7, "0.0000001"),
            (1.5e12, "1500000000000"),
            (-0.0, "0"),
            (-2.5, "-2.5"),
            (f64::NAN, ""),
            (f64::INFINITY, ""),
        ] {
            assert_eq!(plain(Number::sig3(value)), text);
        }
    }

    #[test]
    fn text_is_quoted_where_it_must_be() {
        let columns = [
            Column::text("run", "run"),
            Column::number("p99_ms", "p99", "ms"),
            Column::interval("p99_95_ms", "95 %", "ms"),
        ];
        let mut table = Table::new("t", Text::default(), &columns);
        let [value, low, high] = Number::with_interval(1234.567, 1200.0, 1300.25);
        table.row(vec![
            Cell::text("a, \"b\"\n⚠"),
            Cell::Number(value),
            Cell::Interval(low, high),
        ]);
        table.row(vec![Cell::text("-"), Cell::BeyondTimeout, Cell::Unknown]);
        assert_eq!(
            table.csv(),
            "run,p99_ms,p99_95_low_ms,p99_95_high_ms\n\
             \"a, \"\"b\"\"\n⚠\",1234.567,1200,1300.25\n\
             -,>timeout,,\n"
        );
    }
}
