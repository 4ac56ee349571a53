//! Real processes under real faults, a recorded history, and a verdict.
//!
//! | file | subject |
//! |---|---|
//! | `fault.rs` | kinds of faults, and whom they hit by role |
//! | `schedule.rs` | when which fault happens: drawn from a seed |
//! | `plan.rs`, `config.rs` | what a run is, and `suite.toml` |
//! | `one.rs`, `place.rs` | a run from its beginning to its verdict |
//! | `world.rs`, `client.rs`, `pages.rs` | who talks to the cluster, and what of that is told |
//! | `nemesis.rs`, `targets.rs`, `tally.rs` | faults carried out, on whom, and whether they had an effect |
//! | `lookout.rs` | who leads, and whether the replicas' digests agree |
//! | `journal.rs` | the history, as it is written |
//! | `keep.rs` | the replicas' data, where it would be gone |
//! | `settle.rs` | after the faults: all is well again, and everything is read |
//! | `checked.rs` | whether enough was recorded for a verdict |
//! | `verdict.rs`, `rows.rs`, `summary.rs` | `verdict.json`, rows, and what is printed |
//! | `board.rs`, `progress.rs` | what all parts tell each other, and the terminal |

mod board;
mod checked;
mod client;
mod config;
mod fault;
mod journal;
mod keep;
mod lookout;
mod nemesis;
mod one;
mod pages;
mod place;
mod plan;
mod progress;
mod rows;
mod schedule;
#[cfg(test)]
mod schedule_tests;
mod settle;
mod summary;
mod tally;
mod targets;
mod verdict;
mod world;

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use telegraft_cluster::node::Mailbox;

pub use fault::{Action, FaultKind, Shape, Style, Which, Whom};
use plan::Plan;
pub use schedule::{Fault, Request, Schedule, shortest};
pub use tally::{Tallies, Tally};
pub use verdict::{Judgement, LinkTotals, StressVerdict};

use crate::engine::Stop;
use crate::results::{BuildInfo, ResultsError};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Job {
    /// How many replicas.
    pub replicas: usize,
    /// How long faults and load go on.
    pub duration: Duration,
    /// What the schedule is drawn from; one that nobody chose by default.
    pub seed: Option<u64>,
    /// What is to happen; by default all that this machine allows.
    pub faults: Option<Vec<FaultKind>>,
    /// Clients, each with one operation open at a time.
    pub clients: usize,
    /// Rooms that they write to.
    pub rooms: usize,
    /// How the replicas' consensus actors take their messages.
    pub mailbox: Mailbox,
    /// Each replica in a network namespace of its own, instead of proxies between them.
    pub namespaces: bool,
    /// The result directory; by default `results/<UTC yyyymmddThhmmssZ>-stress`.
    pub out: Option<PathBuf>,
    /// The `telegraft` binary that the replicas run.
    pub binary: PathBuf,
    /// What it was built from.
    pub build: BuildInfo,
    /// No progress on stderr.
    pub quiet: bool,
}

/// What came of it. The files are in the result directory.
#[derive(Debug)]
pub struct Outcome {
    /// The result directory.
    pub directory: PathBuf,
    /// What stands in its `verdict/<run_id>.json`.
    pub verdict: StressVerdict,
    /// The same, for people.
    pub summary: String,
}

/// Why the job could not be done.
#[derive(Debug, thiserror::Error)]
pub enum StressError {
    /// What was asked for makes no sense, or cannot be had on this machine.
    #[error("{0}")]
    Usage(String),
    /// A cluster could not be started or steered, or a run could not be set up.
    #[error("{0}")]
    Failed(String),
    /// It was interrupted before anything was recorded.
    #[error("interrupted before the load began")]
    Interrupted,
    /// It was interrupted while the history was checked, or twice; what was recorded.
    #[error("interrupted before the history was checked: `telegraft check {}` judges it", .0.display())]
    Unchecked(PathBuf),
    /// A result file could not be written.
    #[error(transparent)]
    Results(#[from] ResultsError),
}

/// Does the job. When `interrupt` completes the first time, the load ends early, and what was recorded
/// is checked; while that is checked, or the second time, everything ends at once. Whatever was
/// started is gone afterwards.
///
/// # Errors
/// When the job cannot be done. Violations are no errors; the [`Outcome`] has them.
pub async fn run(job: Job, mut interrupt: impl AsyncFnMut()) -> Result<Outcome, StressError> {
    plan::check(&job)?;
    let plan = Plan::new(job)?;
    let place = place::prepare(&plan)?;
    let history = place.history.clone();
    let stop = Stop::default();
    let mut work = pin!(one::run(plan, place, stop.clone()));
    tokio::select! {
        outcome = &mut work => return outcome,
        () = interrupt() => stop.stop(),
    }
    tokio::select! {
        outcome = work => outcome,
        // What it has started goes when it is dropped.
        () = interrupt() => Err(StressError::Unchecked(history)),
    }
}

/// The schedule for people, without doing anything.
///
/// # Errors
/// What was asked for makes no sense, or cannot be had on this machine.
pub fn explain(job: Job) -> Result<String, StressError> {
    plan::check(&job)?;
    Ok(Plan::new(job)?.text())
}
