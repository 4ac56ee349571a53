//! A table as JSON.
//!
//! ```json
//! {
//!   "caption": "Response times …",
//!   "columns": [{"key": "p99_ms", "head": "p99", "unit": "ms", "kind": "number"}],
//!   "rows": [{"workload": "chat", "p99_ms": 4.21, "p99_95_ms": {"low": 4.02, "high": 4.4}}],
//!   "notes": ["…"]
//! }
//! ```
//!
//! A cell is a string, a number with the digits that were measured (nine at most), an object
//! with `low` and `high`, `null` where nothing is known, or `">timeout"`.

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::csv::measured;
use super::{BEYOND_TIMEOUT, Cell, Column, Kind, Table};
use crate::number::Number;

/// See the module.
#[derive(Debug, Serialize)]
pub(crate) struct TableJson<'a> {
    caption: String,
    columns: Vec<ColumnJson>,
    rows: Vec<RowJson<'a>>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ColumnJson {
    key: &'static str,
    head: &'static str,
    /// Null where the cells have none.
    unit: Option<&'static str>,
    kind: &'static str,
}

/// Cells by their columns' keys, in the order of the columns.
#[derive(Debug)]
struct RowJson<'a> {
    columns: &'a [Column],
    cells: &'a [Cell],
}

impl Table {
    /// The table, its caption and notes without signs.
    pub(crate) fn json(&self) -> TableJson<'_> {
        let column = |column: &Column| ColumnJson {
            key: column.key,
            head: column.head,
            unit: (!column.unit.is_empty()).then_some(column.unit),
            kind: match column.kind {
                Kind::Text => "text",
                Kind::Number => "number",
                Kind::Interval => "interval",
            },
        };
        let row = |cells| RowJson {
            columns: &self.columns,
            cells,
        };
        TableJson {
            caption: self.caption.terminal(),
            columns: self.columns.iter().map(column).collect(),
            rows: self.rows.iter().map(|cells| row(cells)).collect(),
            notes: self.notes.iter().map(|note| note.terminal()).collect(),
        }
    }
}

impl Serialize for RowJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.cells.len()))?;
        for (column, cell) in self.columns.iter().zip(self.cells) {
            map.serialize_entry(column.key, cell)?;
        }
        map.end()
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Text(text) => serializer.serialize_str(text),
            Cell::Number(number) => JsonNumber(*number).serialize(serializer),
            Cell::Interval(low, high) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("low", &JsonNumber(*low))?;
                map.serialize_entry("high", &JsonNumber(*high))?;
                map.end()
            }
            Cell::BeyondTimeout => serializer.serialize_str(BEYOND_TIMEOUT),
            Cell::Unknown => serializer.serialize_none(),
        }
    }
}

struct JsonNumber(Number);

impl Serialize for JsonNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Below it, every whole number is one of floating point, and of JSON everywhere.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match measured(self.0) {
            None => serializer.serialize_none(),
            // `12`, not `12.0`.
            #[allow(
                clippy::cast_possible_truncation,
                reason = "it is whole and below 2^53"
            )]
            Some(value) if value.fract() == 0.0 && value.abs() < EXACT => {
                serializer.serialize_i64(value as i64)
            }
            Some(value) => serializer.serialize_f64(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::Text;

    #[test]
    fn cells_are_values_and_columns_keep_their_order() {
        let columns = [
            Column::text("workload", "workload"),
            Column::number("p99_ms", "p99", "ms"),
            Column::interval("of_null_95", "95 %", ""),
        ];
        let mut table = Table::new("t", Text::parse("*Pooled* `x`"), &columns);
        let [share, low, high] = Number::with_interval(0.5, 0.25, 0.75);
        table.row(vec![
            Cell::text("chat"),
            Cell::count(12),
            Cell::Interval(low, high),
        ]);
        table.row(vec![
            Cell::Unknown,
            Cell::BeyondTimeout,
            Cell::Number(share),
        ]);
        table.row(vec![
            Cell::Unknown,
            Cell::number(Some(f64::NAN)),
            Cell::Unknown,
        ]);
        let json = serde_json::to_string(&table.json()).expect("it is JSON");
        assert_eq!(
            json,
            "{\"caption\":\"Pooled x\",\"columns\":[\
             {\"key\":\"workload\",\"head\":\"workload\",\"unit\":null,\"kind\":\"text\"},\
             {\"key\":\"p99_ms\",\"head\":\"p99\",\"unit\":\"ms\",\"kind\":\"number\"},\
             {\"key\":\"of_null_95\",\"head\":\"95 %\",\"unit\":null,\"kind\":\"interval\"}],\
             \"rows\":[{\"workload\":\"chat\",\"p99_ms\":12,\
             \"of_null_95\":{\"low\":0.25,\"high\":0.75}},\
             {\"workload\":null,\"p99_ms\":\">timeout\",\"of_null_95\":0.5},\
             {\"workload\":null,\"p99_ms\":null,\"of_null_95\":null}],\"notes\":[]}"
        );
    }
}
