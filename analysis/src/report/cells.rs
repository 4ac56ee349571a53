//! Cells that several tables have.

use telegraft_loadgen::results::LatencyUs;

use super::table::{Cell, MARK};
use super::text::Text;
use crate::data::Run;
use crate::number::{Number, spread};
use crate::stats::{Estimate, Interval};
use crate::summary::{Group, Pooled};

/// A group's system, marked where some of its trials do not count.
pub(super) fn system(group: &Group<'_>) -> Cell {
    Cell::text(match group.runs.iter().all(|run| run.valid()) {
        true => group.system(),
        false => format!("{MARK} {}", group.system()),
    })
}

/// What a run is called, with a mark if it does not count.
pub(super) fn marked(run: &Run) -> String {
    if run.valid() {
        run.name.clone()
    } else {
        format!("{MARK} {}", run.name)
    }
}

/// How many trials count, of how many there are.
pub(super) fn trials(group: &Group<'_>) -> Cell {
    trials_of(group.valid().count(), group)
}

/// How many trials are in a number, of how many there are.
pub(super) fn trials_of(counted: usize, group: &Group<'_>) -> Cell {
    let all = group.runs.len();
    Cell::text(if counted == all {
        all.to_string()
    } else {
        format!("{MARK} {counted}/{all}")
    })
}

/// A percentile in milliseconds.
pub(super) fn latency(latency: LatencyUs) -> Cell {
    match latency {
        LatencyUs::Known(us) => Cell::number(Some(ms(us))),
        LatencyUs::BeyondTimeout => Cell::BeyondTimeout,
        LatencyUs::None => Cell::Unknown,
    }
}

/// A percentile of trials counted together, marked where some of them are not in it.
pub(super) fn pooled(pooled: Option<&Pooled>, per_mille: u64) -> Cell {
    let Some(pooled) = pooled else {
        return Cell::Unknown;
    };
    match (latency(pooled.at(per_mille)), pooled.left_out) {
        (cell, 0) | (cell @ Cell::Unknown, _) => cell,
        (cell, _) => Cell::text(format!("{MARK} {}", cell.shown())),
    }
}

/// What a mark at a percentile stands for.
pub(super) fn left_out_note(lacking: bool) -> Option<Text> {
    lacking.then(|| {
        Text::plain(format!(
            "{MARK} A number so marked lacks trials whose histograms are missing or bad."
        ))
    })
}

/// An estimate of a latency is known no better than the histograms' buckets: 1 in 1024 of it, and
/// a microsecond.
pub(super) fn as_recorded(estimate: Estimate, share: f64) -> Estimate {
    let interval = estimate.interval.map(|interval| Interval {
        low: interval.low.min(estimate.value * (1.0 - share)),
        high: interval.high.max(estimate.value * (1.0 + share)),
    });
    Estimate {
        interval,
        ..estimate
    }
}

/// How wide a bucket of a histogram is, as a share of what is in it: three significant digits.
pub(super) const BUCKET: f64 = 1.0 / 1024.0;

/// A value and its interval.
pub(super) fn estimate(estimate: Option<Estimate>) -> [Cell; 2] {
    let Some(estimate) = estimate else {
        return [Cell::Unknown, Cell::Unknown];
    };
    match estimate.interval {
        Some(interval) => {
            let [value, low, high] =
                Number::with_interval(estimate.value, interval.low, interval.high);
            [Cell::Number(value), Cell::Interval(low, high)]
        }
        None => [Cell::number(Some(estimate.value)), Cell::Unknown],
    }
}

/// `0.71 [0.68, 0.74]`, or `0.712` where there is no interval.
pub(super) fn estimate_text(estimate: Estimate) -> String {
    match estimate.interval {
        Some(interval) => {
            let [value, low, high] =
                Number::with_interval(estimate.value, interval.low, interval.high);
            format!("{value} [{low}, {high}]")
        }
        None => Number::sig3(estimate.value).to_string(),
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "latencies stay far below 2^52 microseconds"
)]
pub(super) fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// The least and the greatest of the trials' values, where there are several.
pub(super) fn range(values: &[f64]) -> Cell {
    match spread(values.iter().copied()) {
        Some(spread) if values.len() > 1 => {
            Cell::Interval(Number::sig3(spread.min), Number::sig3(spread.max))
        }
        _ => Cell::Unknown,
    }
}

/// The mean; nothing of nothing.
pub(super) fn mean(values: &[f64]) -> Cell {
    let count = values.iter().map(|_| 1.0).sum::<f64>();
    Cell::number((count > 0.0).then(|| values.iter().sum::<f64>() / count))
}
