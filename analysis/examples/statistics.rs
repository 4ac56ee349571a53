//! Answers questions to [`telegraft_analysis::stats`], so that another implementation can check
//! it (`scripts/check-statistics`): JSON lines on stdin, one JSON line for each on stdout.
//!
//! ```console
//! $ echo '{"welch":{"a":[1.0,2.0,3.0],"b":[2.0,4.0,6.0]}}' |
//!       cargo run --quiet -p telegraft-analysis --example statistics
//! ```

use std::io::{self, BufRead as _, BufWriter, Write as _};
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Value, json};
use telegraft_analysis::stats::{Estimate, holm, ratio, student, typical, welch};
use telegraft_loadgen::results::{LatencyUs, add, latency_histogram};

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Question {
    /// The test for a difference between two samples.
    Welch { a: Vec<f64>, b: Vec<f64> },
    /// The geometric mean of a sample.
    Typical(Vec<f64>),
    /// The ratio of the geometric means of two samples.
    Ratio { of: Vec<f64>, to: Vec<f64> },
    /// The adjusted p-values of a table.
    Holm(Vec<f64>),
    /// The two-sided p-value of a statistic.
    TwoSided { t: f64, df: f64 },
    /// A quantile of Student's distribution.
    Quantile { p: f64, df: f64 },
    /// Percentiles, in microseconds, of latencies that are recorded in several histograms.
    Percentiles {
        parts: Vec<Vec<u64>>,
        per_mille: Vec<u64>,
    },
}

fn main() -> ExitCode {
    match answer_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("statistics: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer_all() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let question = serde_json::from_str(&line?)?;
        writeln!(out, "{}", answer(question))?;
    }
    out.flush()
}

/// Null where there is no answer.
fn answer(question: Question) -> Value {
    match question {
        Question::Welch { a, b } => match welch(&a, &b) {
            Some(found) => json!({"t": found.t, "df": found.df, "p": found.p}),
            None => Value::Null,
        },
        Question::Typical(trials) => estimate(typical(&trials)),
        Question::Ratio { of, to } => estimate(ratio(&of, &to)),
        Question::Holm(p) => json!(holm(&p)),
        Question::TwoSided { t, df } => json!(student::two_sided(t, df)),
        Question::Quantile { p, df } => json!(student::quantile(p, df)),
        Question::Percentiles { parts, per_mille } => percentiles(&parts, &per_mille),
    }
}

fn estimate(found: Option<Estimate>) -> Value {
    let Some(found) = found else {
        return Value::Null;
    };
    let (low, high) = match found.interval {
        Some(interval) => (Some(interval.low), Some(interval.high)),
        None => (None, None),
    };
    json!({"value": found.value, "low": low, "high": high, "trials": found.trials})
}

fn percentiles(parts: &[Vec<u64>], per_mille: &[u64]) -> Value {
    let mut sum = latency_histogram();
    for part in parts {
        let mut histogram = latency_histogram();
        for us in part {
            histogram.saturating_record(*us);
        }
        add(&mut sum, &histogram);
    }
    let at = |q: &u64| match LatencyUs::at(&sum, *q, 0) {
        LatencyUs::Known(us) => Some(us),
        LatencyUs::BeyondTimeout | LatencyUs::None => None,
    };
    json!(per_mille.iter().map(at).collect::<Vec<Option<u64>>>())
}
