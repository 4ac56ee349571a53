//! The output of other load generators: YCSB's text, and that of etcd's `benchmark`.

use std::fs;
use std::path::{Path, PathBuf};

use telegraft_loadgen::results::ResultsError;

use super::pairs::Configuration;
use super::trial::{Metric, Reading, Trial, Value};
use super::unreadable;
use crate::AnalysisError;
use crate::data::ALL;

/// Of one tool on both sides: its output does not say when it ran, or with which options.
pub(super) const SAME_TOOL: &str = "when and with which options the tool ran is not in its output: \
     what else differed, and what changed on the machine in between (drift), is a part of every \
     change";

/// What files of one tool hold, a trial each.
pub(super) struct Output {
    /// The files' names.
    pub(super) name: String,
    tool: Tool,
    trials: Vec<Trial>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Ycsb,
    EtcdBenchmark,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Tool::Ycsb => "YCSB",
            Tool::EtcdBenchmark => "etcd benchmark",
        }
    }
}

impl Output {
    pub(super) fn read(files: &[&PathBuf]) -> Result<Output, AnalysisError> {
        let mut found: Vec<(Tool, Trial)> = Vec::new();
        for file in files {
            let bytes = fs::read(file).map_err(|source| ResultsError::Io {
                action: "read",
                path: (*file).clone(),
                source,
            })?;
            let read = parse(&String::from_utf8_lossy(&bytes))
                .map_err(|(line, reason)| unreadable(file, line, &reason))?;
            if found.first().is_some_and(|(tool, _)| *tool != read.0) {
                let reason = format!("it is of {}, and others are not", read.0.name());
                return Err(unreadable(file, None, &reason));
            }
            found.push(read);
        }
        let tool = found.first().map_or(Tool::Ycsb, |(tool, _)| *tool);
        let name = |file: &&PathBuf| {
            let name = Path::file_name(file).unwrap_or(file.as_os_str());
            name.to_string_lossy().into_owned()
        };
        let names: Vec<String> = files.iter().map(name).collect();
        Ok(Output {
            name: names.join(", "),
            tool,
            trials: found.into_iter().map(|(_, trial)| trial).collect(),
        })
    }

    /// Whether both are of one tool.
    pub(super) fn is_like(&self, other: &Output) -> bool {
        self.tool == other.tool
    }

    pub(super) fn configuration(&self) -> Configuration {
        let name = self.tool.name();
        Configuration::foreign(name, name, self.trials.clone())
    }
}

type Unreadable = (Option<u64>, String);

fn parse(text: &str) -> Result<(Tool, Trial), Unreadable> {
    let (tool, trial) = match text.contains("[OVERALL]") {
        true => (Tool::Ycsb, ycsb(text)?),
        false => (Tool::EtcdBenchmark, etcd_benchmark(text)?),
    };
    match trial.is_empty() {
        true => Err((
            None,
            "it is no result directory, and no output of YCSB or etcd's benchmark: no throughput \
             and no percentile was found"
                .to_owned(),
        )),
        false => Ok((tool, trial)),
    }
}

/// Lines as `[READ], 99thPercentileLatency(us), 812`.
fn ycsb(text: &str) -> Result<Trial, Unreadable> {
    let mut trial = Trial::new();
    for (line, content) in (1..).zip(text.lines()) {
        let fields: Vec<&str> = content.split(',').map(str::trim).collect();
        let [section, name, value] = fields[..] else {
            continue;
        };
        let Some(op) = section.strip_prefix('[').and_then(|s| s.strip_suffix(']')) else {
            continue;
        };
        // Housekeeping of the client, and what did not succeed.
        if op == "CLEANUP" || op.ends_with("-FAILED") {
            continue;
        }
        let (op, metric) = match (op, name) {
            ("OVERALL", "Throughput(ops/sec)") => (ALL.to_owned(), Metric::OkPerS),
            (op, "50thPercentileLatency(us)") => (op.to_lowercase(), Metric::P50),
            (op, "99thPercentileLatency(us)") => (op.to_lowercase(), Metric::P99),
            _ => continue,
        };
        let value = Value::Known(number(value, line)?);
        trial.push(Reading { op, metric, value });
    }
    Ok(trial)
}

/// Lines as `Requests/sec: 812.3` and `99% in 0.0251 secs.`.
fn etcd_benchmark(text: &str) -> Result<Trial, Unreadable> {
    let mut trial = Trial::new();
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.trim();
        let percentile = |percent: &str| {
            let rest = content.strip_prefix(percent)?.strip_prefix("% in ")?;
            rest.trim_end_matches('.').strip_suffix(" secs")
        };
        let (metric, value, factor) = if let Some(text) = content.strip_prefix("Requests/sec:") {
            (Metric::OkPerS, text, 1.0)
        } else if let Some(text) = percentile("50") {
            (Metric::P50, text, 1e6)
        } else if let Some(text) = percentile("99") {
            (Metric::P99, text, 1e6)
        } else {
            continue;
        };
        trial.push(Reading {
            op: ALL.to_owned(),
            metric,
            value: Value::Known(number(value, line)? * factor),
        });
    }
    Ok(trial)
}

fn number(text: &str, line: u64) -> Result<f64, Unreadable> {
    let number = text.trim().parse::<f64>().ok();
    number
        .filter(|number| number.is_finite())
        .ok_or_else(|| (Some(line), format!("{:?} is no number", text.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(trial: &Trial) -> Vec<(&str, Metric, f64)> {
        let of = |reading: &Reading| match reading.value {
            Value::Known(value) => value,
            Value::BeyondTimeout => f64::INFINITY,
        };
        trial.iter().map(|r| (&*r.op, r.metric, of(r))).collect()
    }

    #[test]
    fn ycsb_is_read() {
        let text = "[OVERALL], RunTime(ms), 10110\n\
                    [OVERALL], Throughput(ops/sec), 98.91\n\
                    [CLEANUP], 99thPercentileLatency(us), 1\n\
                    [READ], Operations, 498\n\
                    [READ], 95thPercentileLatency(us), 1500\n\
                    [READ], 99thPercentileLatency(us), 2500\n\
                    [READ-FAILED], 99thPercentileLatency(us), 9\n\
                    [UPDATE], 50thPercentileLatency(us), 812\n";
        let (tool, trial) = parse(text).unwrap();
        assert_eq!(tool, Tool::Ycsb);
        assert_eq!(
            known(&trial),
            [
                ("all", Metric::OkPerS, 98.91),
                ("read", Metric::P99, 2500.0),
                ("update", Metric::P50, 812.0)
            ]
        );
        let bad = "x\n[OVERALL], Throughput(ops/sec), fast\n";
        assert_eq!(
            parse(bad),
            Err((Some(2), "\"fast\" is no number".to_owned()))
        );
    }

    #[test]
    fn etcd_benchmark_is_read() {
        let text = "\nSummary:\n  Total:\t1.2345 secs.\n  Requests/sec:\t8100.5\n\n\
                    Latency distribution:\n  10% in 0.0012 secs.\n  50% in 0.0044 secs.\n  \
                    99% in 0.0251 secs.\n  99.9% in 0.0301 secs.\n";
        let (tool, trial) = parse(text).unwrap();
        assert_eq!(tool, Tool::EtcdBenchmark);
        let found = known(&trial);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], ("all", Metric::OkPerS, 8100.5));
        assert!((found[1].2 - 4400.0).abs() < 1e-6 && (found[2].2 - 25_100.0).abs() < 1e-6);
        assert!(parse("Hello").is_err());
        assert!(parse("  99% in NaN secs.").is_err());
    }
}
