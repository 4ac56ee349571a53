//! The main job: every run of a suite, each on a fresh cluster, loaded, audited and recorded.

pub(crate) mod one;
mod plan;
pub(crate) mod progress;
pub(crate) mod steer;

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rand::TryRng as _;
use rand::rngs::SysRng;

use crate::audit;
use crate::engine::{DRAIN, Stop};
use crate::load::lengths;
pub use crate::results::BuildInfo;
use crate::results::{Environment, ResultDir, ResultsError, Row as _, RunRow};
use crate::run::Scenario;
use crate::suite::{self, Overrides, Suite, SuiteError};
use one::{Bench, Planned};
use plan::plan;
use progress::Progress;

/// Where result directories are made.
pub(crate) const RESULTS: &str = "results";
/// The resolved configuration in a result directory.
const SUITE_FILE: &str = "suite.toml";
/// The machine that it was begun on.
const ENVIRONMENT_FILE: &str = "environment.json";

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
    /// A result directory whose suite is gone on with: what is missing in it is run. `suite`,
    /// `overrides` and `out` count for nothing then.
    pub resume: Option<PathBuf>,
    /// A file that the operations of the suite's only run are recorded in.
    pub record: Option<PathBuf>,
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
    /// Runs that could not be done, or whose replicas did not end cleanly; the notes say why.
    pub failed: usize,
    /// Runs that missed an SLO of their workload: exit code 99.
    pub slo_missed: usize,
    /// Runs that were there already.
    pub resumed: usize,
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
    /// A suite cannot be gone on with.
    #[error("{} cannot be gone on with: {reason}", directory.display())]
    Resume {
        /// Its result directory.
        directory: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The system has no randomness for the nonce.
    #[error("the system gives no random numbers: {reason}")]
    Random {
        /// Why not.
        reason: String,
    },
    /// The recording that a workload replays is wrong.
    #[error("{0}")]
    Trace(String),
    /// A workload has faults, and the cluster is not ours.
    #[error(
        "workload {0} has faults: only `telegraft bench`, which starts its own clusters, has the means"
    )]
    Faults(String),
    /// One recording is to be made of several runs.
    #[error(
        "one run can be recorded, and these are {runs}: ask for one system, workload, replica count and trial"
    )]
    Record {
        /// How many runs there are.
        runs: usize,
    },
    /// No highest rate can be searched with what was asked for.
    #[error("{0}")]
    Search(String),
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
pub async fn run(
    job: Job,
    interrupt: impl Future<Output = ()> + Send,
) -> Result<Outcome, BenchError> {
    let (suite, nonce) = match &job.resume {
        None => (loaded(&job.suite, &job.overrides)?, new_nonce()?),
        Some(directory) => {
            let nonce = nonce_of(directory)?;
            let path = directory.join(SUITE_FILE);
            let suite = suite::load(&path.to_string_lossy(), &Overrides::default())?;
            (suite, nonce)
        }
    };
    let stop = Stop::default();
    let work = all(job, suite, nonce, stop.clone());
    stop.on(interrupt, work).await
}

/// The suite; what of it the overrides leave out is said at once, not after all that is run.
fn loaded(name: &str, overrides: &Overrides) -> Result<Suite, SuiteError> {
    let (suite, note) = suite::load_with_note(name, overrides)?;
    if let Some(note) = note {
        eprintln!("{note}");
    }
    Ok(suite)
}

/// Says what the suite would run, and how long that takes, without doing it.
///
/// # Errors
/// What is wrong with the suite, a workload or the overrides.
pub fn explain(name: &str, overrides: &Overrides) -> Result<String, BenchError> {
    let mut suite = loaded(name, overrides)?;
    let runs = plan(&suite)?;
    fit_recording(&mut suite, &runs, overrides)?;
    Ok(suite::outline(&suite)?)
}

/// A recording that replaces the workloads is as long as it is: the suite's lengths are those of
/// its own workloads.
fn fit_recording(
    suite: &mut Suite,
    runs: &[Planned],
    overrides: &Overrides,
) -> Result<(), BenchError> {
    if overrides.trace.is_some()
        && let Some(run) = runs.first()
    {
        let scenario = Scenario::new(run.workload.clone(), run.seed, run.trace.clone());
        let scenario = scenario.map_err(BenchError::Trace)?;
        let lengths = lengths(&scenario, overrides, suite)?;
        (suite.warmup, suite.duration) = (lengths.warmup, lengths.duration);
    }
    Ok(())
}

/// Tells this run's names and messages from those of all others.
///
/// # Errors
/// When the system gives no random numbers.
pub fn new_nonce() -> Result<String, BenchError> {
    let nonce = SysRng.try_next_u32().map_err(|error| BenchError::Random {
        reason: error.to_string(),
    })?;
    Ok(format!("{nonce:08x}"))
}

/// The nonce of a suite that was begun.
fn nonce_of(directory: &Path) -> Result<String, BenchError> {
    let refused = |reason: String| BenchError::Resume {
        directory: directory.to_owned(),
        reason,
    };
    let suite = ResultDir::open(directory).and_then(|results| results.read_suite());
    let text = suite.map_err(|error| refused(error.to_string()))?;
    let table: Option<toml::Table> = toml::from_str(&text).ok();
    let nonce = table
        .as_ref()
        .and_then(|table| table.get("nonce")?.as_str());
    nonce.map(str::to_owned).ok_or_else(|| {
        refused(format!(
            "there is no nonce in its {SUITE_FILE}, so no suite was begun here"
        ))
    })
}

/// Looks at the machine, and at the disk under `directory`.
///
/// # Errors
/// When the disk cannot be written to.
pub(crate) async fn environment(
    directory: &Path,
    build: &BuildInfo,
) -> Result<Environment, ResultsError> {
    let (directory, build) = (directory.to_owned(), build.clone());
    let probed = tokio::task::spawn_blocking(move || Environment::probe(&directory, &build));
    probed.await.expect("the probe does not panic")
}

/// The runs of a result directory that are whole. What there is of others is left out of its
/// files from now on.
fn whole_runs(results: &ResultDir) -> Result<BTreeSet<String>, ResultsError> {
    // A line that was never finished is none.
    results.retain_runs(|_| true)?;
    let whole: BTreeSet<String> = match results.path().join(RunRow::FILE).is_file() {
        false => BTreeSet::new(),
        true => {
            let rows = results.read_runs()?.rows.into_iter().map(|(_, row)| row);
            // The row of all operations is a run's last.
            rows.filter(|row| row.op == "all" && row.verdict != "invalid:interrupted")
                .map(|row| row.run_id)
                .collect()
        }
    };
    results.retain_runs(|run| whole.contains(run))?;
    Ok(whole)
}

/// The directory for the replicas' data. It is beside the results, because that is a real file
/// system more often than the system's directory for temporary files is. What runs that were
/// interrupted left there is of no use, but for `whole` ones it was kept on purpose.
///
/// # Errors
/// When it cannot be made or cleared.
pub(crate) fn data_directory(
    results: &ResultDir,
    whole: &BTreeSet<String>,
) -> Result<PathBuf, ResultsError> {
    let path = results.path().join("data");
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| ResultsError::Io {
            action,
            path,
            source,
        }
    };
    fs::create_dir_all(&path).map_err(io("make", &path))?;
    for entry in fs::read_dir(&path).map_err(io("read", &path))? {
        let entry = entry.map_err(io("read", &path))?;
        let kept = entry
            .file_name()
            .to_str()
            .is_some_and(|run| whole.contains(run));
        if !kept {
            let left = entry.path();
            fs::remove_dir_all(&left).map_err(io("remove", &left))?;
        }
    }
    Ok(path)
}

async fn all(job: Job, mut suite: Suite, nonce: String, stop: Stop) -> Result<Outcome, BenchError> {
    let runs = plan(&suite)?;
    fit_recording(&mut suite, &runs, &job.overrides)?;
    if job.record.is_some() && runs.len() != 1 {
        return Err(BenchError::Record { runs: runs.len() });
    }
    let results = match (&job.resume, &job.out) {
        (Some(path), _) => ResultDir::open(path)?,
        (None, Some(path)) => ResultDir::create_at(path)?,
        (None, None) => ResultDir::create(Path::new(RESULTS), &suite.name, SystemTime::now())?,
    };
    let there = match job.resume {
        Some(_) => whole_runs(&results)?,
        None => BTreeSet::new(),
    };
    let data_dir = data_directory(&results, &there)?;
    let environment = environment(&data_dir, &job.build).await?;
    if job.resume.is_none() {
        results.write_suite(&suite::resolved_text(&suite, &nonce))?;
    }
    if !results.path().join(ENVIRONMENT_FILE).is_file() {
        results.write_environment(&environment)?;
    }
    let (done, runs): (Vec<Planned>, Vec<Planned>) =
        runs.into_iter().partition(|run| there.contains(&run.id));
    let mut progress = Progress::new(job.quiet, &suite, done.len(), Some(runs.len()));
    let mut outcome = Outcome {
        directory: results.path().to_owned(),
        runs: 0,
        violated: 0,
        not_audited: 0,
        failed: 0,
        slo_missed: 0,
        resumed: done.len(),
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
        drain: DRAIN,
        record: job.record,
    };
    for run in &runs {
        progress.begin(&run.id);
        let ended = match bench.one(run, &mut progress).await {
            // The others may well be possible, and what is measured already is kept.
            Err(error @ BenchError::Run { .. }) => {
                outcome.failed += 1;
                outcome.notes.push(error.to_string());
                outcome.interrupted |= bench.stop.is_stopped();
                continue;
            }
            ended => ended?,
        };
        match ended {
            None => outcome.interrupted = true,
            Some(done) => {
                outcome.runs += 1;
                outcome.failed += usize::from(!done.stopped);
                outcome.interrupted |= bench.stop.is_stopped();
                outcome.slo_missed += usize::from(!done.judgement.misses.is_empty());
                match done.beside.audit {
                    audit::Verdict::Violated(_) => outcome.violated += 1,
                    audit::Verdict::Impossible(_) => outcome.not_audited += 1,
                    audit::Verdict::Ok | audit::Verdict::Skipped => {}
                }
                outcome.notes.extend(done.notes);
                let misses = done.judgement.misses.iter();
                let missed = misses.map(|miss| format!("{}: SLO missed: {miss}", run.id));
                outcome.notes.extend(missed);
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
