//! The main job: every run of a suite, each on a fresh cluster, loaded, audited and recorded.

use std::future::Future;
use std::path::PathBuf;

use crate::suite::{Overrides, SuiteError};

/// What this program was built from, for `environment.json`.
#[derive(Clone, Debug)]
pub struct BuildInfo {
    /// The program's version.
    pub version: String,
    /// The git revision, if it is known.
    pub git_revision: Option<String>,
    /// The compiler, as `rustc 1.93.0`.
    pub rustc: String,
    /// `release` or `debug`.
    pub profile: String,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Job {
    /// The suite: a built-in name (`default`) or a file.
    pub suite: String,
    /// What the caller wants otherwise.
    pub overrides: Overrides,
    /// The result directory; by default `results/<UTC yyyymmddThhmmssZ>-<suite>`.
    pub out: Option<PathBuf>,
    /// The `telegraft` binary that the replicas run.
    pub binary: PathBuf,
    /// What it was built from.
    pub build: BuildInfo,
    /// No progress on stderr.
    pub quiet: bool,
}

/// What came of it. The rows are in the result directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The result directory.
    pub directory: PathBuf,
    /// Runs that were recorded.
    pub runs: usize,
    /// Of these, runs whose audit found an acknowledged message lost, altered or doubled, or
    /// replicas that differ: exit code 3.
    pub violated: usize,
    /// Of these, runs whose audit could not be made at all: exit code 1.
    pub not_audited: usize,
    /// It was interrupted: exit code 105. What was measured until then is kept and marked.
    pub interrupted: bool,
    /// Lines for the terminal, beyond what the report says (fail-over times, findings of audits).
    pub notes: Vec<String>,
}

/// Why the job could not be done.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The suite or a workload is wrong.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// A result file could not be written.
    #[error("{0}")]
    Results(String),
    /// A cluster could not be started or steered, or a run could not be set up.
    #[error("{run_id}: {reason}")]
    Run {
        /// The run.
        run_id: String,
        /// What went wrong.
        reason: String,
    },
}

/// Does the job. When `interrupt` completes, the run that is open ends early.
///
/// # Errors
/// When the job cannot be done. Findings of audits are no errors; the [`Outcome`] has them.
#[allow(
    clippy::todo,
    clippy::unused_async,
    reason = "the load loop comes next"
)]
pub async fn run(
    job: Job,
    interrupt: impl Future<Output = ()> + Send,
) -> Result<Outcome, BenchError> {
    let _ = (job, interrupt);
    todo!()
}
