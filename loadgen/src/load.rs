//! One run against a cluster that is up already, anywhere; alone, or as one of several machines
//! that share a workload.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use telegraft_cluster::http::{Consistency, NodeStatus};
use tokio::time::{Instant, timeout};
use xxhash_rust::xxh3::xxh3_64;

use crate::audit;
use crate::bench::progress::Progress;
use crate::bench::{BenchError, RESULTS, environment, new_nonce};
use crate::call::{cause, connections};
use crate::engine::{DRAIN, Stop};
use crate::plan::Share;
use crate::results::{BuildInfo, ResultDir};
use crate::routes::Routes;
use crate::run::{
    Beside, Done, Judgement, LEAD, Place, Run, RunError, Scenario, scraped_cpu_s, summary,
};
use crate::suite::{self, MAX_DURATION, Overrides, Suite, System, Targets, Workload};
use crate::world::Checks;

/// A replica answers by then how it is.
const STATUS: Duration = Duration::from_secs(5);

/// Until the moment that shards have agreed on: a later one is a slip.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Job {
    /// The workload: a name or a file.
    pub workload: String,
    /// What the caller wants otherwise.
    pub overrides: Overrides,
    /// The replicas' URLs.
    pub targets: Vec<String>,
    /// What they are, as it stands in the results.
    pub system: System,
    /// When the run begins, warm-up included; as soon as everything is set up, if none.
    pub start_at: Option<SystemTime>,
    /// Which of the machines that share the workload this is.
    pub share: Share,
    /// A file that the operations are recorded in.
    pub record: Option<PathBuf>,
    /// Whether the replicas are read afterwards.
    pub audited: bool,
    /// The result directory; by default `results/<UTC yyyymmddThhmmssZ>-load-<workload>`.
    pub out: Option<PathBuf>,
    /// What this program was built from.
    pub build: BuildInfo,
    /// No progress on stderr.
    pub quiet: bool,
}

/// What came of it. The rows are in the result directory.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The result directory.
    pub directory: PathBuf,
    /// What the audit found; none when it was interrupted before the load.
    pub audit: Option<audit::Verdict>,
    /// What is to be thought of it.
    pub judgement: Option<Judgement>,
    /// It was interrupted.
    pub interrupted: bool,
    /// Lines for the terminal, beyond what the report says.
    pub notes: Vec<String>,
}

/// How long a run takes.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    /// Before anything counts.
    pub warmup: Duration,
    /// What counts.
    pub duration: Duration,
}

/// A cluster that somebody else has started.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) urls: Vec<String>,
    pub(crate) system: System,
    /// As it tells.
    pub(crate) replicas: usize,
}

impl Standing {
    /// Asks the cluster how large it is.
    pub(crate) async fn ask(urls: &[String], system: System) -> Result<Self, String> {
        // What is no URL is told before anybody is asked.
        Routes::new(urls, Targets::default())?;
        let http = connections()?;
        let mut troubles = Vec::new();
        for url in urls {
            let asked = async {
                let url = format!("{}/v1/status", url.trim_end_matches('/'));
                let answer = http.get(url).send().await?.error_for_status()?;
                answer.bytes().await
            };
            let trouble = match timeout(STATUS, asked).await {
                Err(_) => format!("no answer within {} s", STATUS.as_secs()),
                Ok(Err(error)) => cause(&error),
                Ok(Ok(bytes)) => match serde_json::from_slice::<NodeStatus>(&bytes) {
                    Ok(status) => {
                        let urls = urls.to_vec();
                        let replicas = match system {
                            System::Telegraft => status.members.len(),
                            System::Null => 0,
                        };
                        return Ok(Standing {
                            urls,
                            system,
                            replicas,
                        });
                    }
                    Err(error) => format!("its status cannot be read: {error}"),
                },
            };
            troubles.push(format!("{url}: {trouble}"));
        }
        Err(format!("no target can be used: {}", troubles.join("; ")))
    }

    /// A whole run of `workload` on it, as `suite` says.
    pub(crate) fn run(&self, suite: &Suite, id: String, nonce: String, workload: &Workload) -> Run {
        let unknown = || "unknown".to_owned();
        Run {
            id,
            suite: suite.name.clone(),
            system: self.system.name().to_owned(),
            replicas: self.replicas,
            durability: unknown(),
            mailbox: unknown(),
            trial: 1,
            seed: suite.seed,
            warmup: suite.warmup,
            duration: suite.duration,
            drain: DRAIN,
            nonce,
            share: Share::WHOLE,
            checks: self.checks(workload),
        }
    }

    fn checks(&self, workload: &Workload) -> Checks {
        match (self.system, workload.consistency) {
            (System::Null, _) => Checks::Shape,
            (System::Telegraft, Consistency::Local) => Checks::MayBeStale,
            (System::Telegraft, _) => Checks::Full,
        }
    }

    pub(crate) fn place<'a>(&'a self, results: &'a ResultDir, stop: &'a Stop) -> Place<'a> {
        Place {
            urls: &self.urls,
            scraped: self.system == System::Telegraft,
            results,
            stop,
        }
    }
}

/// The suite that stands for one run of a workload, in its result directory.
///
/// # Errors
/// What is wrong with the workload or the overrides.
pub fn alone(name: &str, overrides: &Overrides) -> Result<Suite, suite::SuiteError> {
    let mut suite = suite::load_alone(name, overrides)?;
    suite.name = format!("load-{}", suite.name);
    suite.description.clear();
    Ok(suite)
}

/// How long a run of `scenario` takes: as asked for, or a recording's own length.
///
/// # Errors
/// A recording is longer than a run may be.
pub fn lengths(
    scenario: &Scenario,
    overrides: &Overrides,
    suite: &Suite,
) -> Result<Lengths, BenchError> {
    let Some(length) = scenario.length() else {
        return Ok(Lengths {
            warmup: suite.warmup,
            duration: suite.duration,
        });
    };
    let warmup = overrides.warmup.unwrap_or_default();
    let left = length.saturating_sub(warmup).max(Duration::from_millis(1));
    let duration = overrides.duration.unwrap_or(left);
    if duration > MAX_DURATION {
        return Err(BenchError::Trace(format!(
            "the recording takes {:.2} hours, and a run counts for one at most: say --duration, or \
             a higher --speed",
            duration.as_secs_f64() / 3600.0
        )));
    }
    Ok(Lengths { warmup, duration })
}

/// Does the job. When `interrupt` completes, the run ends early.
///
/// # Errors
/// When it cannot be done. Findings of the audit are no errors; the [`Outcome`] has them.
pub async fn run(
    job: Job,
    interrupt: impl Future<Output = ()> + Send,
) -> Result<Outcome, BenchError> {
    let stop = Stop::default();
    stop.on(interrupt, one(job, stop.clone())).await
}

async fn one(job: Job, stop: Stop) -> Result<Outcome, BenchError> {
    let mut suite = alone(&job.workload, &job.overrides)?;
    let workload = suite.workloads[0].clone();
    if !workload.faults.is_empty() {
        return Err(BenchError::Faults(workload.name));
    }
    let trace = Scenario::read_trace(&workload).map_err(BenchError::Trace)?;
    let scenario = Scenario::new(workload.clone(), suite.seed, trace).map_err(BenchError::Trace)?;
    let lengths = lengths(&scenario, &job.overrides, &suite)?;
    (suite.warmup, suite.duration) = (lengths.warmup, lengths.duration);
    let id = format!("load-{}-t1", workload.name);
    let failed = |reason: String| BenchError::Run {
        run_id: id.clone(),
        reason,
    };
    let standing = Standing::ask(&job.targets, job.system)
        .await
        .map_err(failed)?;
    suite.systems = vec![job.system];
    suite.replicas = vec![standing.replicas.max(1)];

    let nonce = match (job.share, job.start_at) {
        (Share::WHOLE, _) => new_nonce()?,
        // All shards find the same without a word between them, and another run finds another.
        (_, at) => shared_nonce(&workload, suite.seed, at),
    };
    let results = directory(&job, &suite.name)?;
    let environment = environment(results.path(), &job.build).await?;
    results.write_suite(&suite::resolved_text(&suite, &nonce))?;
    results.write_environment(&environment)?;

    let run = Run {
        share: job.share,
        ..standing.run(&suite, id.clone(), nonce, &workload)
    };
    let mut outcome = Outcome {
        directory: results.path().to_owned(),
        audit: None,
        judgement: None,
        interrupted: false,
        notes: Vec::new(),
    };
    let mut progress = Progress::new(job.quiet, &suite, 0, Some(1));
    progress.begin(&run.id);
    let place = standing.place(&results, &stop);
    let done = on(&job, &run, &scenario, &place, &mut progress).await;
    progress.finish();
    let done = done.map_err(|error| match error {
        RunError::Failed(reason) => failed(reason),
        RunError::Results(error) => BenchError::Results(error),
    })?;
    outcome.interrupted = stop.is_stopped();
    if let Some(done) = done {
        outcome.notes.extend(done.notes);
        let misses = done.judgement.misses.iter();
        let missed = misses.map(|miss| format!("SLO missed: {miss}"));
        outcome.notes.extend(missed);
        outcome.audit = Some(done.beside.audit);
        outcome.judgement = Some(done.judgement);
    }
    Ok(outcome)
}

/// Sets up, loads, audits and records; none when that was interrupted before the load.
async fn on(
    job: &Job,
    run: &Run,
    scenario: &Scenario,
    place: &Place<'_>,
    progress: &mut Progress,
) -> Result<Option<Done>, RunError> {
    let start_at = match job.start_at {
        Some(at) => Some(moment(at)?),
        None => None,
    };
    on_standing(
        run,
        scenario,
        place,
        progress,
        Options {
            start_at,
            record: job.record.as_deref(),
            audited: job.audited,
        },
    )
    .await
}

/// How a run on a standing cluster goes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options<'a> {
    pub(crate) start_at: Option<Instant>,
    pub(crate) record: Option<&'a Path>,
    pub(crate) audited: bool,
}

/// Sets up, loads, audits and records; none when that was interrupted before the load.
pub(crate) async fn on_standing(
    run: &Run,
    scenario: &Scenario,
    place: &Place<'_>,
    progress: &mut Progress,
    options: Options<'_>,
) -> Result<Option<Done>, RunError> {
    progress.stage("setting up users, rooms and sessions");
    let deadline = options.start_at.unwrap_or_else(Instant::now);
    let setting_up = run.set_up(scenario, place, deadline);
    let clients = tokio::select! {
        clients = setting_up => clients?,
        () = place.stop.stopped() => return Ok(None),
    };
    let start = match options.start_at {
        None => Instant::now() + LEAD,
        Some(at) if Instant::now() <= at => at,
        Some(at) => {
            let late = Instant::now().saturating_duration_since(at).as_secs_f64();
            return Err(RunError::Failed(format!(
                "setting up took until {late:.1} s after --start-at: give it more time"
            )));
        }
    };
    progress.stage("warming up");
    let loading = run.load(
        scenario,
        place,
        clients,
        start,
        options.record,
        |tick, leader| {
            progress.tick(&tick, leader);
        },
    );
    let measured = loading.await?;
    let audit = if options.audited {
        progress.stage("auditing");
        run.audit(&measured, place).await
    } else {
        run.without_audit(&measured, audit::Verdict::Skipped)
    };
    let beside = Beside {
        cluster_cpu_s: scraped_cpu_s(&measured.scraped.cluster),
        events: Vec::new(),
        faults: Vec::new(),
        audit,
    };
    let judgement = run.write(scenario, place, &measured, &beside)?;
    progress.done(&summary(run, &measured, &beside, &judgement));
    let mut notes = match &beside.audit {
        audit::Verdict::Violated(findings) => findings.examples().to_vec(),
        audit::Verdict::Impossible(why) => vec![format!("the audit was not possible: {why}")],
        _ => Vec::new(),
    };
    notes.extend_from_slice(&measured.notes);
    Ok(Some(Done {
        measured,
        beside,
        judgement,
        stopped: true,
        notes,
    }))
}

/// The same moment by the monotonic clock.
fn moment(at: SystemTime) -> Result<Instant, String> {
    match at.duration_since(SystemTime::now()) {
        Ok(left) if left > LONGEST_WAIT => Err(format!(
            "--start-at is {:.1} hours from now: at most {} hours are waited for",
            left.as_secs_f64() / 3600.0,
            LONGEST_WAIT.as_secs() / 3600
        )),
        Ok(left) => Ok(Instant::now() + left),
        Err(past) => Err(format!(
            "--start-at was {:.1} s ago: all shards must set up before it",
            past.duration().as_secs_f64()
        )),
    }
}

fn shared_nonce(workload: &Workload, seed: u64, start_at: Option<SystemTime>) -> String {
    let since = start_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let text = serde_json::to_string(&(
        workload.essence(),
        seed,
        since.unwrap_or_default().as_millis(),
    ))
    .expect("names and numbers have a JSON form");
    // Eight digits, as every nonce.
    format!("{:08x}", xxh3_64(text.as_bytes()) >> 32)
}

fn directory(job: &Job, suite: &str) -> Result<ResultDir, BenchError> {
    let share = match job.share {
        Share::WHOLE => String::new(),
        Share { nth, of } => format!("-shard-{}-of-{of}", nth + 1),
    };
    Ok(match &job.out {
        Some(path) => ResultDir::create_at(path)?,
        None => {
            let name = format!("{suite}{share}");
            ResultDir::create(Path::new(RESULTS), &name, SystemTime::now())?
        }
    })
}
