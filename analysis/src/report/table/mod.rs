//! A table: what its cells are, whatever it is written as.
//!
//! | file | written as |
//! |---|---|
//! | `terminal.rs` | text of 110 columns |
//! | `markdown.rs` | Markdown |
//! | `csv.rs` | CSV, numbers with all digits that were measured |
//! | `latex.rs` | LaTeX, with booktabs and siunitx |

mod csv;
mod files;
mod json;
mod latex;
mod markdown;
#[cfg(test)]
mod samples;
mod terminal;

pub(crate) use files::files;
pub(crate) use json::TableJson;

use super::text::Text;
use crate::number::Number;

/// A table. Each row has one cell for each column.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The name of its files in `tables/`, and its place in a page.
    pub(crate) name: &'static str,
    /// What it shows, and under which conditions.
    pub(crate) caption: Text,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// What signs in it stand for.
    pub(crate) notes: Vec<Text>,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// What CSV calls it, with the unit at its end: `p99_ms`.
    pub(crate) key: &'static str,
    pub(crate) head: &'static str,
    /// Of the numbers in it; empty when they have none.
    pub(crate) unit: &'static str,
    pub(crate) kind: Kind,
    /// Whether a terminal, which has no room for it, leaves it out.
    pub(crate) page_only: bool,
}

/// What a column's cells are, unless there is nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    /// Two numbers.
    Interval,
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    Number(Number),
    /// From, to.
    Interval(Number, Number),
    /// A percentile that too many operations without an answer hide.
    BeyondTimeout,
    /// Nothing is known.
    Unknown,
}

/// What stands where nothing is known.
pub(crate) const UNKNOWN: &str = "–";

/// What stands where a percentile cannot be known.
pub(crate) const BEYOND_TIMEOUT: &str = ">timeout";

/// Before everything that must not be overlooked.
pub(crate) const MARK: &str = "⚠";

impl Column {
    const fn new(key: &'static str, head: &'static str, unit: &'static str, kind: Kind) -> Self {
        Column {
            key,
            head,
            unit,
            kind,
            page_only: false,
        }
    }

    pub(crate) const fn text(key: &'static str, head: &'static str) -> Self {
        Column::new(key, head, "", Kind::Text)
    }

    pub(crate) const fn number(key: &'static str, head: &'static str, unit: &'static str) -> Self {
        Column::new(key, head, unit, Kind::Number)
    }

    pub(crate) const fn interval(
        key: &'static str,
        head: &'static str,
        unit: &'static str,
    ) -> Self {
        Column::new(key, head, unit, Kind::Interval)
    }

    /// Left out in a terminal.
    pub(crate) const fn page_only(self) -> Self {
        Column {
            page_only: true,
            ..self
        }
    }

    /// `p99 (ms)`.
    pub(crate) fn title(&self) -> String {
        match self.unit {
            "" => self.head.to_owned(),
            unit => format!("{} ({unit})", self.head),
        }
    }
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Cell::Text(text.into())
    }

    /// With three significant digits.
    pub(crate) fn number(value: Option<f64>) -> Self {
        value.map_or(Cell::Unknown, |value| Cell::Number(Number::sig3(value)))
    }

    /// A whole number.
    pub(crate) fn count(value: u64) -> Self {
        Cell::Number(Number::count(value))
    }

    /// What a reader sees.
    pub(crate) fn shown(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => number.to_string(),
            Cell::Interval(low, high) => format!("{low}–{high}"),
            Cell::BeyondTimeout => BEYOND_TIMEOUT.to_owned(),
            Cell::Unknown => UNKNOWN.to_owned(),
        }
    }
}

impl Table {
    pub(crate) fn new(name: &'static str, caption: Text, columns: &[Column]) -> Self {
        Table {
            name,
            caption,
            columns: columns.to_vec(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row, one cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "in {}", self.name);
        self.rows.push(cells);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Without the columns in which nothing is known.
    pub(crate) fn without_empty_columns(mut self) -> Self {
        let known = |at: usize| self.rows.iter().any(|row| row[at] != Cell::Unknown);
        let keep: Vec<bool> = (0..self.columns.len()).map(known).collect();
        let kept = |at: usize| keep.get(at).copied().unwrap_or(true);
        let mut at = 0..;
        self.columns.retain(|_| at.next().is_some_and(kept));
        for row in &mut self.rows {
            let mut at = 0..;
            row.retain(|_| at.next().is_some_and(kept));
        }
        self
    }
}
