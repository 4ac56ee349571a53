//! `stages.csv`.

use serde::{Deserialize, Serialize};

use crate::results::table::{Row, finite, plain_name};

/// One row of `stages.csv`: one stage of one replica, over all of a run that counts.
///
/// It is the difference of the replica's own histograms between the first scrape of the window
/// and the last, so that a replica that did not answer in between is known nevertheless. Where
/// its process was another one meanwhile, what is known of each is added: all that the new one
/// counted, and of the old one what it had told; its last second, up to the scrape that it did
/// not answer, is missing. Of a replica that did not answer at first, what was before its first
/// answer is. The part of a second at the end of a window of no whole seconds is, too.
///
/// A stage that nothing passed (on a follower: `commit` and `apply`) has a row with `count` 0. A
/// replica that never answered twice has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRow {
    /// [`SCHEMA_VERSION`](crate::results::SCHEMA_VERSION).
    pub schema_version: u32,
    /// The run.
    pub run_id: String,
    /// The replica's id.
    pub replica: u64,
    /// As in [`ClusterRow`](super::ClusterRow): `queue` (from the client mailbox to the
    /// proposal), `log_write` (from the hand-over to the log writer until it is durable, an
    /// append each), `commit` (from the proposal until it is committed), `apply` (from committed
    /// to applied). And `log_sync`: one write to the log with its fdatasync, a batch each.
    pub stage: String,
    /// How often it was passed.
    pub count: u64,
    /// Their mean, from the exact sum, in microseconds; none if `count` is 0.
    pub mean_us: Option<f64>,
    /// The median, interpolated within a bucket of the replica's histogram: bounds are a factor
    /// of 1.6 from each other.
    pub p50_us: Option<u64>,
    /// 90th percentile, likewise.
    pub p90_us: Option<u64>,
    /// 99th percentile, likewise.
    pub p99_us: Option<u64>,
}

impl Row for StageRow {
    const FILE: &'static str = "stages.csv";
    const COLUMNS: &'static [&'static str] = &[
        "schema_version",
        "run_id",
        "replica",
        "stage",
        "count",
        "mean_us",
        "p50_us",
        "p90_us",
        "p99_us",
    ];
    const OPTIONAL: &'static [&'static str] = &[];

    fn check(&self) -> Result<(), String> {
        plain_name("run_id", &self.run_id)?;
        plain_name("stage", &self.stage)?;
        finite("mean_us", self.mean_us)?;
        let percentiles = [self.p50_us, self.p90_us, self.p99_us];
        let known: Vec<u64> = percentiles.into_iter().flatten().collect();
        if self.count == 0 && (self.mean_us.is_some() || !known.is_empty()) {
            return Err("count is 0, and there are times".to_owned());
        }
        if !known.is_sorted() {
            return Err(format!("percentiles {known:?} do not ascend"));
        }
        Ok(())
    }
}
