//! The main job: every run of a suite, each on a fresh cluster, loaded, audited and recorded.

mod one;
mod progress;
mod rows;
mod steer;

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::SystemTime;

use rand::TryRng as _;
use rand::rngs::SysRng;

use crate::audit;
use crate::closed::Stop;
pub use crate::results::BuildInfo;
use crate::results::{Environment, ResultDir, ResultsError};
use crate::suite::{self, Overrides, Suite, SuiteError, System, Workload};
use one::{Bench, Ended};
use progress::Progress;

/// Where result directories are made.
const RESULTS: &str = "results";

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
    /// Runs that could not be done; the notes say why.
    pub failed: usize,
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
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The system has no randomness for the nonce.
    #[error("the system gives no random numbers: {reason}")]
    Random {
        /// Why not.
        reason: String,
    },
    /// A cluster could not be started or steered, or a run could not be set up.
    #[error("{run_id}: {reason}")]
    Run {
        /// The run.
        run_id: String,
        /// What went wrong.
        reason: String,
    },
}

/// One run of a suite.
#[derive(Clone, Debug)]
struct Run {
    /// Unique in the suite, as `telegraft-3-write-heavy-t1`.
    id: String,
    system: System,
    /// 0 when the system has none.
    replicas: usize,
    workload: Workload,
    trial: u32,
    seed: u64,
}

/// The runs of a suite. Trials come in turn, so that what changes on the machine meanwhile
/// meets all systems alike.
fn runs(suite: &Suite) -> Vec<Run> {
    let mut runs = Vec::new();
    for trial in 1..=suite.trials {
        for workload in &suite.workloads {
            for system in &suite.systems {
                // Systems without replicas run once, and there is nobody to kill.
                let counts: &[usize] = match system {
                    System::Telegraft => &suite.replicas,
                    System::Null if workload.faults.is_empty() => &[0],
                    System::Null => &[],
                };
                for replicas in counts {
                    let size = match system {
                        System::Telegraft => format!("-{replicas}"),
                        System::Null => String::new(),
                    };
                    runs.push(Run {
                        id: format!("{system}{size}-{}-t{trial}", workload.name),
                        system: *system,
                        replicas: *replicas,
                        workload: workload.clone(),
                        trial,
                        seed: suite.seed.wrapping_add(u64::from(trial) - 1),
                    });
                }
            }
        }
    }
    runs
}

/// Does the job. When `interrupt` completes, the run that is open ends early.
///
/// # Errors
/// When the job cannot be done. Findings of audits are no errors; the [`Outcome`] has them.
pub async fn run(
    job: Job,
    interrupt: impl Future<Output = ()> + Send,
) -> Result<Outcome, BenchError> {
    let suite = suite::load(&job.suite, &job.overrides)?;
    let nonce = SysRng.try_next_u32().map_err(|error| BenchError::Random {
        reason: error.to_string(),
    })?;
    let nonce = format!("{nonce:08x}");
    let stop = Stop::default();
    let mut work = pin!(all(job, suite, nonce, stop.clone()));
    tokio::select! {
        outcome = &mut work => return outcome,
        () = interrupt => stop.stop(),
    }
    work.await
}

async fn all(job: Job, suite: Suite, nonce: String, stop: Stop) -> Result<Outcome, BenchError> {
    let results = match &job.out {
        Some(path) => ResultDir::create_at(path)?,
        None => ResultDir::create(Path::new(RESULTS), &suite.name, SystemTime::now())?,
    };
    // Beside the results, because that is a real file system more often than the system's
    // directory for temporary files is.
    let data_dir = results.path().join("data");
    fs::create_dir(&data_dir).map_err(|source| ResultsError::Io {
        action: "make",
        path: data_dir.clone(),
        source,
    })?;
    let environment = {
        let (directory, build) = (data_dir.clone(), job.build.clone());
        let probed = tokio::task::spawn_blocking(move || Environment::probe(&directory, &build));
        probed.await.expect("the probe does not panic")?
    };
    results.write_suite(&suite::resolved_text(&suite, &nonce))?;
    results.write_environment(&environment)?;

    let runs = runs(&suite);
    let mut progress = Progress::new(job.quiet, &suite, runs.len());
    let mut outcome = Outcome {
        directory: results.path().to_owned(),
        runs: 0,
        violated: 0,
        not_audited: 0,
        failed: 0,
        interrupted: false,
        notes: Vec::new(),
    };
    let bench = Bench {
        binary: job.binary,
        suite,
        nonce,
        data_dir: data_dir.clone(),
        results,
        file_system: environment.file_system,
        stop,
    };
    for run in &runs {
        progress.begin(run);
        let ended = match bench.one(run, &mut progress).await {
            // The others may well be possible, and what is measured already is kept.
            Err(error @ BenchError::Run { .. }) => {
                outcome.failed += 1;
                outcome.notes.push(error.to_string());
                continue;
            }
            ended => ended?,
        };
        match ended {
            Ended::BeforeLoad => outcome.interrupted = true,
            Ended::Recorded {
                audit,
                interrupted,
                notes,
            } => {
                outcome.runs += 1;
                outcome.interrupted |= interrupted;
                match audit {
                    audit::Verdict::Violated(_) => outcome.violated += 1,
                    audit::Verdict::Impossible(_) => outcome.not_audited += 1,
                    audit::Verdict::Ok | audit::Verdict::Skipped => {}
                }
                outcome.notes.extend(notes);
            }
        }
        if outcome.interrupted {
            break;
        }
    }
    progress.finish();
    // It stays when there is something in it that somebody will want to look at.
    let _ = fs::remove_dir(&data_dir);
    Ok(outcome)
}
