//! The files of a result directory: what a row is, how it is written and read.
//!
//! The formats are the interface to the analysis, which needs these files alone.

use serde::{Deserialize, Serialize};

/// The version of every file's format here; a reader refuses newer ones.
pub const SCHEMA_VERSION: u32 = 1;

/// A latency percentile, in microseconds, or the fact that too many operations never
/// completed for it to be known (printed as `>timeout`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyUs {
    /// Known.
    Known(u64),
    /// (failed + unknown + unfinished) / due ≥ 1 − q: it lies beyond the time-out.
    BeyondTimeout,
    /// Nothing was measured (no operation of that kind was due).
    None,
}

impl Serialize for LatencyUs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            LatencyUs::Known(us) => serializer.serialize_u64(*us),
            LatencyUs::BeyondTimeout => serializer.serialize_str(">timeout"),
            LatencyUs::None => serializer.serialize_str(""),
        }
    }
}

impl<'de> Deserialize<'de> for LatencyUs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "" => Ok(LatencyUs::None),
            ">timeout" => Ok(LatencyUs::BeyondTimeout),
            number => number
                .parse()
                .map(LatencyUs::Known)
                .map_err(|_| serde::de::Error::custom(format!("{number:?} is no latency"))),
        }
    }
}

/// One row of `runs.csv`: a run and one of its operations (`all`: together).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Unique in its directory, as `telegraft-3-write-heavy-t1`.
    pub run_id: String,
    /// Equal for runs of one configuration (all but trial, seed and time).
    pub config_hash: String,
    /// The suite's name.
    pub suite: String,
    /// The workload's name.
    pub workload: String,
    /// `telegraft`, `null`, …
    pub system: String,
    /// How many replicas; 0 for `null`, which has none.
    pub replicas: usize,
    /// `fsync`, `fsync(tmpfs)` or `none`; `-` for `null`.
    pub durability: String,
    /// `linearizable`, `lease` or `local`.
    pub consistency: String,
    /// `lanes` or `fifo`; `-` for `null`.
    pub mailbox: String,
    /// `leader`, `any` or `round-robin`.
    pub targets: String,
    /// `closed` or `open`.
    pub arrival: String,
    /// Closed-loop clients.
    pub clients: usize,
    /// Connections.
    pub connections: usize,
    /// Bytes of a message's body.
    pub message_bytes: usize,
    /// The arrival rate, of an open loop.
    pub target_rate_per_s: Option<f64>,
    /// 1, 2, 3…
    pub trial: u32,
    /// The seed of the workload's plan.
    pub seed: u64,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Seconds before anything counted.
    pub warmup_s: f64,
    /// Seconds that counted.
    pub duration_s: f64,
    /// `send`, `read`, …, `all`.
    pub op: String,
    /// Requests sent, retries included.
    pub attempts: u64,
    /// Of these, retries.
    pub retries: u64,
    /// Operations that succeeded.
    pub ok: u64,
    /// Operations that surely had no effect.
    pub failed: u64,
    /// Operations of which nobody knows what came.
    pub unknown: u64,
    /// Operations that were due and not completed when the run drained.
    pub unfinished: u64,
    /// `ok` over `duration_s`.
    pub ok_per_s: f64,
    /// Mean response time, from the due moment.
    pub response_mean_us: Option<f64>,
    /// Response time percentiles.
    pub response_p50_us: LatencyUs,
    /// 90th.
    pub response_p90_us: LatencyUs,
    /// 95th.
    pub response_p95_us: LatencyUs,
    /// 99th.
    pub response_p99_us: LatencyUs,
    /// 99.9th.
    pub response_p999_us: LatencyUs,
    /// The longest.
    pub response_max_us: LatencyUs,
    /// Service time percentiles, from sending.
    pub service_p50_us: LatencyUs,
    /// 99th.
    pub service_p99_us: LatencyUs,
    /// 99.9th.
    pub service_p999_us: LatencyUs,
    /// CPU that the generator used, in cores.
    pub generator_cpu_cores: f64,
    /// CPU that the cluster's processes used, in cores.
    pub cluster_cpu_cores: f64,
    /// How late operations were released, of an open loop.
    pub schedule_lag_p99_us: Option<u64>,
    /// `ok`, `skipped` or what is wrong.
    pub audit: String,
    /// `valid` or `invalid:<why>`.
    pub verdict: String,
}

/// One row of `intervals.csv`: one second of a run, and one operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalRow {
    /// [`SCHEMA_VERSION`].
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
}

/// Percentiles of the time that one fdatasync takes, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncTimes {
    /// How many were timed.
    pub samples: u64,
    /// Median.
    pub p50_us: f64,
    /// 90th percentile.
    pub p90_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
}

/// `environment.json`: what the numbers were measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// The host's name.
    pub host: String,
    /// The processor's name.
    pub cpu: String,
    /// Processors that this process may use.
    pub cpus: usize,
    /// Main memory, in bytes.
    pub memory_bytes: u64,
    /// The kernel's name and release.
    pub kernel: String,
    /// The type of the file system that the data directories are on, as `ext4`.
    pub file_system: String,
    /// fdatasync of 4 KiB into a preallocated file there, with nothing else going on.
    pub fdatasync: SyncTimes,
    /// This program's version.
    pub version: String,
    /// The git revision that it was built from, if that is known.
    pub git_revision: Option<String>,
    /// The compiler that built it.
    pub rustc: String,
    /// `release` or `debug`.
    pub profile: String,
}
