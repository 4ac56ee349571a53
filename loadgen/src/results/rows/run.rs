//! `runs.csv`, and what a latency percentile is.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::results::table::{Row, finite, plain_name};

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

impl LatencyUs {
    /// The `per_mille`th thousandth of the operations that were due: the latencies in
    /// `completed`, in microseconds, and `missed` operations that failed, whose outcome is
    /// unknown or that never finished. These count as slower than all others, so that a
    /// percentile never looks better for what is missing from it. 1000 is the longest.
    pub fn at(completed: &Histogram<u64>, per_mille: u64, missed: u64) -> LatencyUs {
        let due = completed.len() + missed;
        if due == 0 {
            return LatencyUs::None;
        }
        if per_mille >= 1000 {
            return if missed == 0 {
                LatencyUs::Known(completed.max())
            } else {
                LatencyUs::BeyondTimeout
            };
        }
        // missed / due < 1 − q, without rounding.
        if u128::from(missed) * 1000 >= u128::from(due) * u128::from(1000 - per_mille) {
            return LatencyUs::BeyondTimeout;
        }
        let rank = (u128::from(due) * u128::from(per_mille)).div_ceil(1000);
        let mut counted = 0;
        for step in completed.iter_recorded() {
            counted += u128::from(step.count_since_last_iteration());
            if counted >= rank {
                return LatencyUs::Known(completed.highest_equivalent(step.value_iterated_to()));
            }
        }
        // Not reached: rank ≤ due − missed by the rule above.
        LatencyUs::BeyondTimeout
    }
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
    /// [`SCHEMA_VERSION`](crate::results::SCHEMA_VERSION).
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
    /// `closed`, `open` or `trace`.
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
    /// `send`, `read`, `inbox`, `join`, `create-room` or `all`.
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
    /// `valid` or `invalid:<why>`: `generator-saturated`, `schedule-missed`, `not-steady`,
    /// `errors`, `audit` or `interrupted`.
    pub verdict: String,
    /// Of a run with faults: milliseconds from the loss of the leader to the first write that
    /// was acknowledged after it, the longest of them. Files without the column are read too.
    #[serde(default)]
    pub failover_ms: Option<f64>,
    /// `2/4` for the second of four generators that shared the load; empty for one alone. The
    /// configuration in its row (clients, connections, rate) is that of all together. Files
    /// without this column and the ones below are read too.
    #[serde(default)]
    pub shard: String,
    /// How long operations that were due waited for a connection: 99th percentile.
    #[serde(default)]
    pub queue_p99_us: Option<u64>,
    /// How late the generator's own runtime was: 99th percentile.
    #[serde(default)]
    pub generator_delay_p99_us: Option<u64>,
    /// `steady`, `not judged: …`, or what is wrong; empty where nobody looked.
    #[serde(default)]
    pub steady: String,
    /// Empty where no SLO was asked for, `met`, or
    /// `missed: send response_p99 31.2 ms > 20 ms (1.56 x)`; several joined with `; `.
    #[serde(default)]
    pub slo: String,
}

impl Row for RunRow {
    const FILE: &'static str = "runs.csv";
    const COLUMNS: &'static [&'static str] = &[
        "schema_version",
        "run_id",
        "config_hash",
        "suite",
        "workload",
        "system",
        "replicas",
        "durability",
        "consistency",
        "mailbox",
        "targets",
        "arrival",
        "clients",
        "connections",
        "message_bytes",
        "target_rate_per_s",
        "trial",
        "seed",
        "started_at",
        "warmup_s",
        "duration_s",
        "op",
        "attempts",
        "retries",
        "ok",
        "failed",
        "unknown",
        "unfinished",
        "ok_per_s",
        "response_mean_us",
        "response_p50_us",
        "response_p90_us",
        "response_p95_us",
        "response_p99_us",
        "response_p999_us",
        "response_max_us",
        "service_p50_us",
        "service_p99_us",
        "service_p999_us",
        "generator_cpu_cores",
        "cluster_cpu_cores",
        "schedule_lag_p99_us",
        "audit",
        "verdict",
        "failover_ms",
        "shard",
        "queue_p99_us",
        "generator_delay_p99_us",
        "steady",
        "slo",
    ];
    const OPTIONAL: &'static [&'static str] = &[
        "failover_ms",
        "shard",
        "queue_p99_us",
        "generator_delay_p99_us",
        "steady",
        "slo",
    ];

    fn check(&self) -> Result<(), String> {
        plain_name("run_id", &self.run_id)?;
        plain_name("op", &self.op)?;
        finite("warmup_s", Some(self.warmup_s))?;
        finite("duration_s", Some(self.duration_s))?;
        finite("target_rate_per_s", self.target_rate_per_s)?;
        finite("ok_per_s", Some(self.ok_per_s))?;
        finite("response_mean_us", self.response_mean_us)?;
        finite("generator_cpu_cores", Some(self.generator_cpu_cores))?;
        finite("cluster_cpu_cores", Some(self.cluster_cpu_cores))?;
        finite("failover_ms", self.failover_ms)
    }
}
