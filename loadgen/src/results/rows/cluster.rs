//! `cluster.csv`.

use serde::{Deserialize, Serialize};

use crate::results::SCHEMA_VERSION;
use crate::results::stream::{Fields, Scan};
use crate::results::table::{Row, finite, is_plain_name, plain_name};

/// One row of `cluster.csv`: one second of a run, and one replica.
///
/// Role, term and indexes are as at the second's end, rates and percentiles of what happened
/// in it. A field is empty where that is not known: of a replica that did not answer, in the
/// second of a restart, and of a stage that nothing passed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterRow {
    /// [`SCHEMA_VERSION`](crate::results::SCHEMA_VERSION).
    pub schema_version: u32,
    /// The run.
    pub run_id: String,
    /// The second's start, in seconds since measuring began.
    pub second: u32,
    /// The replica's id.
    pub replica: u64,
    /// `leader`, `follower`, `candidate`, `learner`, or `unreachable` when it did not answer.
    pub role: String,
    /// Its term.
    pub term: Option<u64>,
    /// Its commit index.
    pub commit_index: Option<u64>,
    /// The last entry that its state machine has applied.
    pub applied_index: Option<u64>,
    /// The last entry in its log.
    pub last_index: Option<u64>,
    /// Entries that it is behind the highest `last_index` of the same second.
    pub lag_entries: Option<u64>,
    /// CPU that its process used, in cores.
    pub cpu_cores: Option<f64>,
    /// Memory of its process that no file stands behind, in bytes.
    pub anon_bytes: Option<u64>,
    /// Bytes written to its log, per second.
    pub log_bytes_per_s: Option<f64>,
    /// fdatasyncs of its log, per second.
    pub fdatasyncs_per_s: Option<f64>,
    /// From the client mailbox to the proposal: the median.
    pub queue_p50_us: Option<u64>,
    /// 99th percentile.
    pub queue_p99_us: Option<u64>,
    /// From the hand-over to the log writer until it is durable: the median.
    pub log_write_p50_us: Option<u64>,
    /// 99th percentile.
    pub log_write_p99_us: Option<u64>,
    /// From the proposal until it is committed: the median. Only a leader has it.
    pub commit_p50_us: Option<u64>,
    /// 99th percentile.
    pub commit_p99_us: Option<u64>,
    /// From committed to applied: the median. Only a leader has it.
    pub apply_p50_us: Option<u64>,
    /// 99th percentile.
    pub apply_p99_us: Option<u64>,
}

impl Row for ClusterRow {
    const FILE: &'static str = "cluster.csv";
    const COLUMNS: &'static [&'static str] = &[
        "schema_version",
        "run_id",
        "second",
        "replica",
        "role",
        "term",
        "commit_index",
        "applied_index",
        "last_index",
        "lag_entries",
        "cpu_cores",
        "anon_bytes",
        "log_bytes_per_s",
        "fdatasyncs_per_s",
        "queue_p50_us",
        "queue_p99_us",
        "log_write_p50_us",
        "log_write_p99_us",
        "commit_p50_us",
        "commit_p99_us",
        "apply_p50_us",
        "apply_p99_us",
    ];
    const OPTIONAL: &'static [&'static str] = &[];

    fn check(&self) -> Result<(), String> {
        plain_name("run_id", &self.run_id)?;
        plain_name("role", &self.role)?;
        finite("cpu_cores", self.cpu_cores)?;
        finite("log_bytes_per_s", self.log_bytes_per_s)?;
        finite("fdatasyncs_per_s", self.fdatasyncs_per_s)
    }
}

/// A [`ClusterRow`] whose text is borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClusterRef<'a> {
    /// The run.
    pub run_id: &'a str,
    /// The second's start, in seconds since measuring began.
    pub second: u32,
    /// The replica's id.
    pub replica: u64,
    /// `leader`, `follower`, `candidate`, `learner`, or `unreachable` when it did not answer.
    pub role: &'a str,
    /// Its term.
    pub term: Option<u64>,
    /// Its commit index.
    pub commit_index: Option<u64>,
    /// The last entry that its state machine has applied.
    pub applied_index: Option<u64>,
    /// The last entry in its log.
    pub last_index: Option<u64>,
    /// Entries that it is behind the highest `last_index` of the same second.
    pub lag_entries: Option<u64>,
    /// CPU that its process used, in cores.
    pub cpu_cores: Option<f64>,
    /// Memory of its process that no file stands behind, in bytes.
    pub anon_bytes: Option<u64>,
    /// Bytes written to its log, per second.
    pub log_bytes_per_s: Option<f64>,
    /// fdatasyncs of its log, per second.
    pub fdatasyncs_per_s: Option<f64>,
    /// From the client mailbox to the proposal: the median.
    pub queue_p50_us: Option<u64>,
    /// 99th percentile.
    pub queue_p99_us: Option<u64>,
    /// From the hand-over to the log writer until it is durable: the median.
    pub log_write_p50_us: Option<u64>,
    /// 99th percentile.
    pub log_write_p99_us: Option<u64>,
    /// From the proposal until it is committed: the median. Only a leader has it.
    pub commit_p50_us: Option<u64>,
    /// 99th percentile.
    pub commit_p99_us: Option<u64>,
    /// From committed to applied: the median. Only a leader has it.
    pub apply_p50_us: Option<u64>,
    /// 99th percentile.
    pub apply_p99_us: Option<u64>,
}

impl Scan for ClusterRow {
    type Ref<'a> = ClusterRef<'a>;

    fn scan<'a>(fields: &mut Fields<'a, '_>) -> Option<ClusterRef<'a>> {
        if fields.number::<u32>()? > SCHEMA_VERSION {
            return None;
        }
        let row = ClusterRef {
            run_id: fields.text()?,
            second: fields.number()?,
            replica: fields.number()?,
            role: fields.text()?,
            term: fields.optional()?,
            commit_index: fields.optional()?,
            applied_index: fields.optional()?,
            last_index: fields.optional()?,
            lag_entries: fields.optional()?,
            cpu_cores: fields.measured()?,
            anon_bytes: fields.optional()?,
            log_bytes_per_s: fields.measured()?,
            fdatasyncs_per_s: fields.measured()?,
            queue_p50_us: fields.optional()?,
            queue_p99_us: fields.optional()?,
            log_write_p50_us: fields.optional()?,
            log_write_p99_us: fields.optional()?,
            commit_p50_us: fields.optional()?,
            commit_p99_us: fields.optional()?,
            apply_p50_us: fields.optional()?,
            apply_p99_us: fields.optional()?,
        };
        (is_plain_name(row.run_id) && is_plain_name(row.role)).then_some(row)
    }

    fn borrowed(&self) -> ClusterRef<'_> {
        ClusterRef {
            run_id: &self.run_id,
            second: self.second,
            replica: self.replica,
            role: &self.role,
            term: self.term,
            commit_index: self.commit_index,
            applied_index: self.applied_index,
            last_index: self.last_index,
            lag_entries: self.lag_entries,
            cpu_cores: self.cpu_cores,
            anon_bytes: self.anon_bytes,
            log_bytes_per_s: self.log_bytes_per_s,
            fdatasyncs_per_s: self.fdatasyncs_per_s,
            queue_p50_us: self.queue_p50_us,
            queue_p99_us: self.queue_p99_us,
            log_write_p50_us: self.log_write_p50_us,
            log_write_p99_us: self.log_write_p99_us,
            commit_p50_us: self.commit_p50_us,
            commit_p99_us: self.commit_p99_us,
            apply_p50_us: self.apply_p50_us,
            apply_p99_us: self.apply_p99_us,
        }
    }
}
