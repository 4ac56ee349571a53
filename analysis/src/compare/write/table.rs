//! The table of a comparison.

use super::super::rows::{Outcome, Row, Sample};
use super::super::{Comparison, What};
use crate::number::{Number, plain};
use crate::report::table::{Cell, Column, Table};
use crate::report::text::Text;
use crate::stats::{ALPHA, CONFIDENCE, Estimate, MIN_TRIALS};

/// p-values are not told more exactly than this.
const LEAST_P: f64 = 0.0001;

/// Digits behind the point that percents have at most: less than a tenth is less than any two
/// runs differ by.
const PERCENT_DECIMALS: i32 = 1;

impl Comparison {
    /// `terse`: what reads as in the row above is left out in the first columns.
    pub(super) fn table(&self, terse: bool) -> Table {
        let columns = [
            Column::text("workload", "workload"),
            Column::text("system", "system"),
            Column::text("op", "op"),
            Column::text("measure", "measure"),
            Column::number("trials", "trials", "").page_only(),
            Column::number("a", "A", ""),
            Column::number("b", "B", ""),
            Column::number("change_percent", "Δ", "%"),
            Column::interval("interval_percent", "95 % interval", "%"),
            Column::number("p_adjusted", "p", ""),
            Column::text("verdict", "verdict"),
        ];
        let mut table = Table::new("comparison", self.caption(), &columns);
        let mut above: Option<&Row> = None;
        for row in &self.rows {
            let same = above.filter(|above| {
                terse && above.workload == row.workload && above.system == row.system
            });
            let [workload, system, op] = match same {
                None => [row.workload.as_str(), &row.system, &row.op],
                Some(above) if above.op == row.op => [""; 3],
                Some(_) => ["", "", &row.op],
            };
            let mut cells: Vec<Cell> = [workload, system, op].map(Cell::text).to_vec();
            cells.extend(numbers(row));
            table.row(cells);
            above = Some(row);
        }
        table
    }

    fn caption(&self) -> Text {
        let sides = match self.what {
            What::Sides => "A and B".to_owned(),
            What::Setting(setting) => format!("A and B, which differ in `{}`", setting.name()),
            What::Halves => "odd (A) and even (B) trials".to_owned(),
        };
        Text::parse(&format!(
            "Typical trials (geometric means) of {sides}; Δ: the change of B against A, their ratio less 1, with its {} % \
             interval; p: Welch's test on the logarithms, over trials, adjusted by Holm over all \
             rows. A difference is seen where p < {ALPHA}; it is within noise where the whole \
             interval lies within {} %. Fewer than {MIN_TRIALS} trials on a side are not tested. \
             Throughput is that of closed loops: open ones do what they are offered.",
            plain(CONFIDENCE * 100.0),
            plain(self.noise * 100.0),
        ))
    }
}

/// What follows after the operation.
fn numbers(row: &Row) -> Vec<Cell> {
    let [a, b] = &row.sides;
    let (change, interval) = change(row.ratio);
    vec![
        Cell::text(row.metric.shown()),
        Cell::text(match a.count() == b.count() {
            true => a.count().to_string(),
            false => format!("{}, {}", a.count(), b.count()),
        }),
        side(row, a),
        side(row, b),
        change,
        interval,
        p(row.adjusted_p),
        Cell::text(match &row.outcome {
            Outcome::Judged(verdict) => verdict.to_string(),
            Outcome::Untestable(why) => why.clone(),
        }),
    ]
}

fn side(row: &Row, sample: &Sample) -> Cell {
    if sample.beyond_timeout > 0 {
        return Cell::BeyondTimeout;
    }
    let Some(typical) = sample.typical else {
        return Cell::Unknown;
    };
    let shown = |value| row.metric.in_shown_unit(value);
    let value = shown(typical.value);
    let number = match typical.interval {
        Some(i) => Number::with_interval(value, shown(i.low), shown(i.high))[0],
        None => Number::sig3(value),
    };
    // What varies little has no more digits than are read.
    let short = Number::sig3(value);
    Cell::Number(match number.decimals > short.decimals + 1 {
        true => short,
        false => number,
    })
}

/// In percent, and its interval.
fn change(ratio: Option<Estimate>) -> (Cell, Cell) {
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    let Some(ratio) = ratio else {
        return (Cell::Unknown, Cell::Unknown);
    };
    let change = percent(ratio.value);
    let Some(interval) = ratio.interval else {
        return (Cell::text(signed(Number::sig3(change))), Cell::Unknown);
    };
    let (low, high) = (percent(interval.low), percent(interval.high));
    let [change, low, high] = Number::with_interval(change, low, high).map(signed);
    (Cell::text(change), Cell::text(format!("{low} to {high}")))
}

/// Percents with their sign, unless they are rounded to nothing.
fn signed(number: Number) -> String {
    let text = Number {
        value: number.value,
        decimals: number.decimals.min(PERCENT_DECIMALS),
    }
    .to_string();
    let nothing = !text.contains(|c: char| matches!(c, '1'..='9'));
    match number.value > 0.0 && !nothing && number.value.is_finite() {
        true => format!("+{text}"),
        false => text,
    }
}

fn p(p: Option<f64>) -> Cell {
    match p {
        None => Cell::Unknown,
        Some(p) if p < LEAST_P => Cell::text(format!("<{LEAST_P}")),
        Some(p) if p >= 0.9995 => Cell::text("1"),
        Some(p) => Cell::Number(Number {
            value: p,
            decimals: if p < 0.01 { 4 } else { 3 },
        }),
    }
}
