//! The tests of all pairs, corrected over the whole table.

use super::pairs::Pair;
use super::trial::{Metric, Trial, Value};
use crate::data::ALL;
use crate::stats::{Estimate, Verdict, holm, judge, ratio, typical, welch};

/// One number of one operation, on both sides.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) workload: String,
    /// The system, with what tells the pair from others.
    pub(super) system: String,
    pub(super) op: String,
    pub(super) metric: Metric,
    pub(super) sides: [Sample; 2],
    /// The second side over the first.
    pub(super) ratio: Option<Estimate>,
    /// Welch's; none where there are too few trials, or none that can be tested.
    pub(super) p: Option<f64>,
    /// The same, adjusted over the table.
    pub(super) adjusted_p: Option<f64>,
    /// The noise threshold: what was asked for, or the step in which the number is recorded,
    /// whichever is more.
    pub(super) noise: f64,
    pub(super) outcome: Outcome,
}

/// The trials of one side.
#[derive(Debug)]
pub(super) struct Sample {
    trials: Vec<f64>,
    /// Trials whose percentile is not known.
    pub(super) beyond_timeout: usize,
    /// Of the typical trial; none where some trial has no number above 0.
    pub(super) typical: Option<Estimate>,
}

/// What came of a row.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Judged(Verdict),
    /// Why it cannot be tested.
    Untestable(String),
}

/// How far two numbers may be apart, as a share, that would be equal if they were not rounded.
const ROUNDING: f64 = 1e-9;

/// What the sides are called.
pub(super) const SIDES: [&str; 2] = ["A", "B"];

/// All rows of all pairs.
pub(super) fn rows(pairs: &[Pair], noise: f64) -> Vec<Row> {
    let mut rows: Vec<Row> = pairs.iter().flat_map(|pair| of_pair(pair, noise)).collect();
    let tested: Vec<f64> = rows.iter().filter_map(|row| row.p).collect();
    let adjusted = holm(&tested);
    let with_p = rows.iter_mut().filter(|row| row.p.is_some());
    for (row, p) in with_p.zip(adjusted) {
        row.adjusted_p = Some(p);
    }
    for row in &mut rows {
        if let (Some(ratio), Outcome::Judged(verdict)) = (&row.ratio, &mut row.outcome) {
            *verdict = judge(ratio, row.adjusted_p, row.metric.better(), row.noise);
        }
    }
    rows
}

fn of_pair(pair: &Pair, noise: f64) -> Vec<Row> {
    let mut keys: Vec<(&str, Metric)> = Vec::new();
    for reading in pair.sides.iter().flatten().flatten() {
        let key = (reading.op.as_str(), reading.metric);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort_by_key(|(op, _)| *op == ALL);
    let row = |(op, metric)| {
        let sides = [0, 1].map(|side| Sample::of(&pair.sides[side], op, metric));
        row(pair, op, metric, sides, noise)
    };
    keys.into_iter().map(row).collect()
}

fn row(pair: &Pair, op: &str, metric: Metric, sides: [Sample; 2], noise: f64) -> Row {
    let outcome = match untestable(&sides) {
        Some(why) => Outcome::Untestable(why),
        None => Outcome::Judged(Verdict::TooFewTrials),
    };
    let testable = matches!(outcome, Outcome::Judged(_));
    let [a, b] = &sides;
    let ratio = ratio(&b.trials, &a.trials).filter(|_| testable);
    let enough = ratio.is_some_and(|ratio| ratio.interval.is_some());
    let typical = sides.iter().filter_map(|side| Some(side.typical?.value));
    let least = typical.clone().fold(f64::INFINITY, f64::min);
    // The wider of two neighbouring buckets, and the error of rounding of the ratio.
    let step = metric.step(typical.fold(0.0, f64::max)) / least * (1.0 + ROUNDING);
    Row {
        workload: pair.workload.clone(),
        system: pair.system.clone(),
        op: op.to_owned(),
        metric,
        ratio,
        p: welch(&b.trials, &a.trials)
            .filter(|_| enough)
            .map(|found| found.p),
        adjusted_p: None,
        noise: noise.max(step),
        outcome,
        sides,
    }
}

/// Why the two cannot be tested, if that is so.
fn untestable(sides: &[Sample; 2]) -> Option<String> {
    let found = sides.iter().zip(SIDES);
    let missing = found.clone().find(|(sample, _)| sample.count() == 0);
    if let Some((_, name)) = missing {
        return Some(format!("not in {name}"));
    }
    let beyond: Vec<String> = found
        .clone()
        .filter(|(sample, _)| sample.beyond_timeout > 0)
        .map(|(sample, name)| {
            format!(
                ">timeout in {} of {} of {name}",
                sample.beyond_timeout,
                sample.count()
            )
        })
        .collect();
    if !beyond.is_empty() {
        return Some(beyond.join(", "));
    }
    let empty = found.clone().find(|(sample, _)| sample.typical.is_none());
    empty.map(|(_, name)| format!("a trial of {name} has none"))
}

impl Sample {
    fn of(trials: &[Trial], op: &str, metric: Metric) -> Sample {
        let readings = trials.iter().flatten();
        let (mut known, mut beyond_timeout) = (Vec::new(), 0);
        for reading in readings.filter(|r| r.op == op && r.metric == metric) {
            match reading.value {
                Value::Known(value) => known.push(value),
                Value::BeyondTimeout => beyond_timeout += 1,
            }
        }
        Sample {
            typical: typical(&known).filter(|_| beyond_timeout == 0),
            trials: known,
            beyond_timeout,
        }
    }

    /// How many trials there are.
    pub(super) fn count(&self) -> usize {
        self.trials.len() + self.beyond_timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::trial::Reading;
    use telegraft_loadgen::results::latency_histogram;

    /// Of five trials on each side that do not vary, with no noise threshold.
    #[allow(clippy::cast_precision_loss, reason = "they are far below 2^52")]
    fn outcome(a_us: u64, b_us: u64) -> Outcome {
        let side = |us: u64| {
            let reading = Reading {
                op: "send".to_owned(),
                metric: Metric::P99,
                value: Value::Known(us as f64),
            };
            vec![vec![reading]; 5]
        };
        let pair = Pair {
            workload: "chat".to_owned(),
            system: "telegraft ×3".to_owned(),
            sides: [side(a_us), side(b_us)],
            apart: true,
        };
        rows(&[pair], 0.0).remove(0).outcome
    }

    /// The latency itself may have moved by next to nothing.
    #[test]
    fn neighbouring_buckets_are_no_difference() {
        let histogram = latency_histogram();
        for us in [3, 2_046, 2_047, 4_095, 5_000, 131_071, 1_000_003, 9_000_001] {
            let one = histogram.highest_equivalent(us);
            let next = histogram.highest_equivalent(one + 1);
            let farther = histogram.highest_equivalent(next + 1);
            for (from, to, verdict) in [
                (one, next, Verdict::WithinNoise),
                (next, one, Verdict::WithinNoise),
                (one, farther, Verdict::Slower),
                (farther, one, Verdict::Faster),
            ] {
                assert_eq!(outcome(from, to), Outcome::Judged(verdict), "{from} {to}");
            }
        }
    }
}
