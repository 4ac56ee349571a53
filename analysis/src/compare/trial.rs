//! The numbers that a trial gives.

use telegraft_loadgen::results::{LatencyUs, RunRow};

use crate::data::{ALL, Run, missed};
use crate::stats::Better;
use crate::summary::CLOSED;

/// What is compared of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    /// Successful operations per second.
    OkPerS,
    /// The median response time, in microseconds.
    P50,
    /// The 99th percentile of response times, in microseconds.
    P99,
}

/// Below twice this, in microseconds, each has a bucket of its own.
const FINE_US: f64 = 1_024.0;

/// A number of a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Known(f64),
    /// Too many operations have no answer for the percentile to be known.
    BeyondTimeout,
}

/// One number of one operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) op: String,
    pub(super) metric: Metric,
    pub(super) value: Value,
}

/// All of one trial.
pub(super) type Trial = Vec<Reading>;

impl Metric {
    /// With its unit, as in `runs.csv`.
    pub(super) fn key(self) -> &'static str {
        match self {
            Metric::OkPerS => "ok_per_s",
            Metric::P50 => "response_p50_us",
            Metric::P99 => "response_p99_us",
        }
    }

    /// With its unit, for a reader.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Metric::OkPerS => "ok/s",
            Metric::P50 => "p50 ms",
            Metric::P99 => "p99 ms",
        }
    }

    /// `value` in the unit that a reader sees.
    pub(super) fn in_shown_unit(self, value: f64) -> f64 {
        match self {
            Metric::OkPerS => value,
            Metric::P50 | Metric::P99 => value / 1000.0,
        }
    }

    pub(super) fn better(self) -> Better {
        match self {
            Metric::OkPerS => Better::Higher,
            Metric::P50 | Metric::P99 => Better::Lower,
        }
    }

    /// What is recorded in steps of this where it is `value`; 0 where there are none. Latencies are
    /// whole microseconds up to 2,048, and half as fine from each doubling on: the buckets of a
    /// histogram of three digits (HdrHistogram).
    pub(super) fn step(self, value: f64) -> f64 {
        match self {
            Metric::OkPerS => 0.0,
            Metric::P50 | Metric::P99 => (value / FINE_US).log2().floor().max(0.0).exp2(),
        }
    }
}

/// What a run gives. Throughput is a result of a closed loop alone: an open one does what it is
/// offered.
pub(super) fn of_run(run: &Run) -> Trial {
    let mut operations: Vec<&str> = run.operations().map(|row| &*row.op).collect();
    if operations.len() > 1 {
        operations.push(ALL);
    }
    let mut trial = Trial::new();
    for op in operations {
        let row = run.row(op);
        let mut add = |metric, value: Option<Value>| {
            trial.extend(value.map(|value| Reading {
                op: op.to_owned(),
                metric,
                value,
            }));
        };
        if run.any().arrival == CLOSED {
            let ok_per_s = row.map_or_else(|| run.ok_per_s(), |row| row.ok_per_s);
            add(Metric::OkPerS, Some(Value::Known(ok_per_s)));
        }
        add(Metric::P50, percentile(run, op, 500, |r| r.response_p50_us));
        add(Metric::P99, percentile(run, op, 990, |r| r.response_p99_us));
    }
    trial
}

/// A row's percentile, or that of all operations together where there is no such row.
fn percentile(
    run: &Run,
    op: &str,
    per_mille: u64,
    of_row: impl Fn(&RunRow) -> LatencyUs,
) -> Option<Value> {
    let found = match run.row(op) {
        Some(row) => of_row(row),
        None => run.latencies_of(op, "")?.at(per_mille, run.total(missed)),
    };
    match found {
        #[allow(clippy::cast_precision_loss, reason = "latencies stay below 2^52 µs")]
        LatencyUs::Known(us) => Some(Value::Known(us as f64)),
        LatencyUs::BeyondTimeout => Some(Value::BeyondTimeout),
        LatencyUs::None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telegraft_loadgen::results::latency_histogram;

    #[test]
    #[allow(clippy::cast_precision_loss, reason = "they are far below 2^52")]
    fn a_step_is_as_wide_as_the_bucket() {
        let histogram = latency_histogram();
        let doublings = (10..32).map(|power| 1_u64 << power);
        for edge in doublings {
            for us in [edge - 1, edge, edge + edge / 3] {
                let width = histogram.highest_equivalent(us) - histogram.lowest_equivalent(us) + 1;
                for of_bucket in [
                    histogram.lowest_equivalent(us),
                    histogram.highest_equivalent(us),
                ] {
                    let step = Metric::P99.step(of_bucket as f64);
                    assert!((step - width as f64).abs() < 1e-9, "{us}: {step} {width}");
                }
            }
        }
        assert!((Metric::P50.step(1.0) - 1.0).abs() < 1e-9);
        assert!(Metric::OkPerS.step(5_000.0).abs() < 1e-9);
    }
}
