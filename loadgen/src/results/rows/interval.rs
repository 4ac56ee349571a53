//! `intervals.csv`.

use serde::{Deserialize, Serialize};

use crate::results::table::{Row, plain_name};

/// One row of `intervals.csv`: one second of a run, and one operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalRow {
    /// [`SCHEMA_VERSION`](crate::results::SCHEMA_VERSION).
    pub schema_version: u32,
    /// The run.
    pub run_id: String,
    /// The interval's start, in seconds since measuring began.
    pub second: u32,
    /// `send`, `read`, …
    pub op: String,
    /// Operations that succeeded in it.
    pub ok: u64,
    /// That surely had no effect.
    pub failed: u64,
    /// Of which nobody knows what came.
    pub unknown: u64,
    /// Median response time.
    pub response_p50_us: Option<u64>,
    /// 99th percentile of response time.
    pub response_p99_us: Option<u64>,
    /// The longest response time.
    pub response_max_us: Option<u64>,
    /// Failures by kind, as `503:12 timeout:1`; empty when there are none.
    pub failures: String,
    /// Operations that were due in it and not completed when the run drained. Files without
    /// this column and the ones below are read too.
    #[serde(default)]
    pub unfinished: u64,
    /// Retries.
    #[serde(default)]
    pub retries: u64,
    /// Median service time, from sending.
    #[serde(default)]
    pub service_p50_us: Option<u64>,
    /// 99th percentile of service time.
    #[serde(default)]
    pub service_p99_us: Option<u64>,
    /// Operations that were due and not yet taken up at its end.
    #[serde(default)]
    pub queued: Option<u64>,
}

impl Row for IntervalRow {
    const FILE: &'static str = "intervals.csv";
    const COLUMNS: &'static [&'static str] = &[
        "schema_version",
        "run_id",
        "second",
        "op",
        "ok",
        "failed",
        "unknown",
        "response_p50_us",
        "response_p99_us",
        "response_max_us",
        "failures",
        "unfinished",
        "retries",
        "service_p50_us",
        "service_p99_us",
        "queued",
    ];
    const OPTIONAL: &'static [&'static str] = &[
        "unfinished",
        "retries",
        "service_p50_us",
        "service_p99_us",
        "queued",
    ];

    fn check(&self) -> Result<(), String> {
        plain_name("run_id", &self.run_id)?;
        plain_name("op", &self.op)
    }
}
