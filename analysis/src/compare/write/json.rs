//! A comparison for programs.

use serde_json::{Value, json};

use super::super::rows::{Outcome, Row, SIDES, Sample};
use super::super::{Comparison, What};
use crate::stats::{ALPHA, CONFIDENCE, Estimate, Verdict};

/// Of what is written here.
const SCHEMA_VERSION: u32 = 1;

impl Comparison {
    /// One JSON object, in one line: `rows` with `ok_per_s` (operations a second) and
    /// `response_p50_us`, `response_p99_us` (microseconds) of each operation on both sides,
    /// their ratio B/A, its interval, p before and after the correction, and the verdict.
    pub fn json(&self) -> String {
        let (compared, setting) = match self.what {
            What::Sides => ("sides", None),
            What::Setting(setting) => ("setting", Some(setting.name())),
            What::Halves => ("halves", None),
        };
        let sides = SIDES.into_iter().zip(&self.unpaired).zip(&self.invalid);
        let unpaired: Vec<Value> = sides
            .clone()
            .flat_map(|((side, names), _)| {
                let of = move |name| json!({"side": side, "configuration": name});
                names.iter().map(of)
            })
            .collect();
        let invalid: Vec<Value> = sides
            .flat_map(|((side, _), runs)| {
                let of = move |(run, why)| json!({"side": side, "run": run, "why": why});
                runs.iter().map(|(run, why)| (run, why)).map(of)
            })
            .collect();
        let problem = |problem: &telegraft_loadgen::results::Problem| json!({"file": problem.file, "line": problem.line, "reason": problem.reason});
        json!({
            "schema_version": SCHEMA_VERSION,
            "compared": compared,
            "setting": setting,
            "a": self.sides[0],
            "b": self.sides[1],
            "confidence": CONFIDENCE,
            "alpha": ALPHA,
            "noise": self.noise,
            "rows": self.rows.iter().map(row).collect::<Vec<Value>>(),
            "warnings": self.warnings,
            "differs": self.differs,
            "unpaired": unpaired,
            "invalid": invalid,
            "problems": self.problems.iter().map(problem).collect::<Vec<Value>>(),
        })
        .to_string()
    }
}

fn row(row: &Row) -> Value {
    let (verdict, why) = match &row.outcome {
        Outcome::Judged(verdict) => (key(*verdict), None),
        Outcome::Untestable(why) => ("untestable", Some(why)),
    };
    let [a, b] = &row.sides;
    json!({
        "workload": row.workload,
        "system": row.system,
        "op": row.op,
        "metric": row.metric.key(),
        "a": side(a),
        "b": side(b),
        "ratio": row.ratio.map(estimate),
        "p": row.p,
        "p_adjusted": row.adjusted_p,
        "noise": row.noise,
        "verdict": verdict,
        "why": why,
    })
}

fn key(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::NoDifferenceSeen => "no-difference-seen",
        Verdict::WithinNoise => "within-noise",
        Verdict::TooFewTrials => "too-few-trials",
    }
}

fn side(sample: &Sample) -> Value {
    let mut value = sample
        .typical
        .map_or_else(|| json!({"value": null}), estimate);
    value["trials"] = json!(sample.count());
    value["trials_beyond_timeout"] = json!(sample.beyond_timeout);
    value
}

fn estimate(estimate: Estimate) -> Value {
    json!({
        "value": estimate.value,
        "low": estimate.interval.map(|interval| interval.low),
        "high": estimate.interval.map(|interval| interval.high),
        "trials": estimate.trials,
    })
}
