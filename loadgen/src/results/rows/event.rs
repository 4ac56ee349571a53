//! `events.csv`.

use serde::{Deserialize, Serialize};

use crate::results::table::{Row, finite, plain_name};

/// One row of `events.csv`: something that happened to a replica while a run counted, in the
/// order of time within the run.
///
/// Faults, and what ends them, stand at the moment at which they were done, which is later than
/// the workload's where there was no leader to be hit. A replica that is down at the end is
/// started again for the audit, after the window: of that there is no row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// [`SCHEMA_VERSION`](crate::results::SCHEMA_VERSION).
    pub schema_version: u32,
    /// The run.
    pub run_id: String,
    /// Seconds since measuring began.
    pub at_s: f64,
    /// - `kill`: SIGKILL is sent.
    /// - `pause`: SIGSTOP is sent; `resume`: SIGCONT was.
    /// - `restart`: SIGTERM is sent, and the replica is started again when it has ended.
    /// - `start`: its process was started again, after `kill` or `restart`. It does not serve yet.
    /// - `died`: it ended though nobody had ended it, and was started again.
    /// - Of `stress`, also `partition`, `delay`, `throttle`, `loss`, `duplicate` and `reorder` of
    ///   links and their end, `mend`; `disk-full` and its end, `free`. Of links there is one row,
    ///   of replicas that are hit together one each.
    /// - `leader`: a scrape told another leader than the one before, or the same in a higher
    ///   term. Scrapes are a second from each other: it was elected up to a second before, and
    ///   one that led for less may have no row. The leader that the first scrape tells is no
    ///   change.
    pub event: String,
    /// To which replica; of `leader` the new one; 0 of what is done to links.
    pub replica: u64,
    /// Of `kill`, `pause` and `restart` what it was, `leader` or `follower`; of `leader` its term,
    /// as `term 5`; else empty. Of `stress`, what a fault is, whom it hits and who led then:
    /// `partition: a ring, in silence: 1–3 2–4 (2 leads)`.
    pub detail: String,
}

impl Row for EventRow {
    const FILE: &'static str = "events.csv";
    const COLUMNS: &'static [&'static str] = &[
        "schema_version",
        "run_id",
        "at_s",
        "event",
        "replica",
        "detail",
    ];
    const OPTIONAL: &'static [&'static str] = &[];

    fn check(&self) -> Result<(), String> {
        plain_name("run_id", &self.run_id)?;
        plain_name("event", &self.event)?;
        finite("at_s", Some(self.at_s))
    }
}
