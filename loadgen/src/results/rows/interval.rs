//! `intervals.csv`.

use serde::{Deserialize, Serialize};

use crate::results::SCHEMA_VERSION;
use crate::results::stream::{Fields, Scan};
use crate::results::table::{Row, is_plain_name, plain_name};

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

/// An [`IntervalRow`] whose text is borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntervalRef<'a> {
    /// The run.
    pub run_id: &'a str,
    /// The interval's start, in seconds since measuring began.
    pub second: u32,
    /// `send`, `read`, …
    pub op: &'a str,
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
    pub failures: &'a str,
    /// Operations that were due in it and not completed when the run drained. Files without
    /// this column and the ones below are read too.
    pub unfinished: u64,
    /// Retries.
    pub retries: u64,
    /// Median service time, from sending.
    pub service_p50_us: Option<u64>,
    /// 99th percentile of service time.
    pub service_p99_us: Option<u64>,
    /// Operations that were due and not yet taken up at its end.
    pub queued: Option<u64>,
}

impl Scan for IntervalRow {
    type Ref<'a> = IntervalRef<'a>;

    fn scan<'a>(fields: &mut Fields<'a, '_>) -> Option<IntervalRef<'a>> {
        if fields.number::<u32>()? > SCHEMA_VERSION {
            return None;
        }
        let row = IntervalRef {
            run_id: fields.text()?,
            second: fields.number()?,
            op: fields.text()?,
            ok: fields.number()?,
            failed: fields.number()?,
            unknown: fields.number()?,
            response_p50_us: fields.optional()?,
            response_p99_us: fields.optional()?,
            response_max_us: fields.optional()?,
            failures: fields.text()?,
            unfinished: fields.number_or_lacking()?,
            retries: fields.number_or_lacking()?,
            service_p50_us: fields.optional()?,
            service_p99_us: fields.optional()?,
            queued: fields.optional()?,
        };
        (is_plain_name(row.run_id) && is_plain_name(row.op)).then_some(row)
    }

    fn borrowed(&self) -> IntervalRef<'_> {
        IntervalRef {
            run_id: &self.run_id,
            second: self.second,
            op: &self.op,
            ok: self.ok,
            failed: self.failed,
            unknown: self.unknown,
            response_p50_us: self.response_p50_us,
            response_p99_us: self.response_p99_us,
            response_max_us: self.response_max_us,
            failures: &self.failures,
            unfinished: self.unfinished,
            retries: self.retries,
            service_p50_us: self.service_p50_us,
            service_p99_us: self.service_p99_us,
            queued: self.queued,
        }
    }
}
