//! The job: probes that are runs, each on a fresh cluster or all on one that is up already.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use super::outcome::Outcome;
use super::outcome::title;
use super::{MAX_RATE_PER_S, MIN_RATE_PER_S, Options, Probe, ProbeRow, search};
use crate::audit;
use crate::bench::one::{Bench, Planned};
use crate::bench::progress::Progress;
use crate::bench::{BenchError, RESULTS, data_directory, environment, new_nonce};
use crate::engine::Stop;
use crate::load::{self, Standing, on_standing};
use crate::plan::Kind;
use crate::results::{BuildInfo, LatencyUs, ResultDir};
use crate::run::{Done, Run, RunError, Scenario, all};
use crate::suite::{self, Arrival, Overrides, Slo, Suite, System, Workload, configuration_name};

/// How long a probe counts, if nobody says.
pub const DURATION: Duration = Duration::from_secs(5);
/// How long a probe goes before it counts, if nobody says.
pub const WARMUP: Duration = Duration::from_secs(1);
/// Operations a second of the first probe, if neither the caller nor the workload says.
pub const START_PER_S: f64 = 500.0;
/// How long operations may take after a probe's window: with a backlog of this length the SLO is
/// missed whatever becomes of it, and a probe above the highest rate always has one.
const DRAIN: Duration = Duration::from_secs(2);

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Job {
    /// The workload: a name or a file.
    pub workload: String,
    /// What the caller wants otherwise. (The rate is what is searched, and the replicas stand
    /// below.)
    pub overrides: Overrides,
    /// The 99th percentile of the response time that every operation of the workload must meet,
    /// whatever its own SLO says of that.
    pub slo_p99: Option<Duration>,
    /// Operations a second of the first probe.
    pub start_per_s: Option<f64>,
    /// Operations a second above which nothing is searched.
    pub max_per_s: Option<f64>,
    /// As in [`Options`].
    pub precision: f64,
    /// As in [`Options`].
    pub repeats: usize,
    /// What is measured.
    pub system: System,
    /// The URLs of a cluster that is up; none: each probe has a fresh one.
    pub targets: Vec<String>,
    /// Replicas of a fresh cluster.
    pub replicas: usize,
    /// The `telegraft` binary that the replicas of fresh clusters run.
    pub binary: PathBuf,
    /// The result directory; by default `results/<UTC yyyymmddThhmmssZ>-find-max-<workload>`.
    pub out: Option<PathBuf>,
    /// What this program was built from.
    pub build: BuildInfo,
    /// No progress on stderr.
    pub quiet: bool,
}

/// Does the job. When `interrupt` completes, the probe that is open ends early, and the search
/// with it.
///
/// # Errors
/// When it cannot be done. That no rate meets the SLO, and findings of an audit, are no errors;
/// the [`Outcome`] has them.
pub async fn run(
    job: Job,
    interrupt: impl Future<Output = ()> + Send,
) -> Result<Outcome, BenchError> {
    let stop = Stop::default();
    stop.on(interrupt, find(job, stop.clone())).await
}

/// The suite that stands for the probes in the result directory, and how to search.
fn prepared(job: &Job) -> Result<(Suite, Options), BenchError> {
    let mut overrides = Overrides {
        duration: job.overrides.duration.or(Some(DURATION)),
        warmup: job.overrides.warmup.or(Some(WARMUP)),
        replicas: Some(vec![job.replicas]),
        systems: Some(vec![job.system]),
        rate: None,
        ..job.overrides.clone()
    };
    let own = suite::load_workload(&job.workload, &overrides)?;
    let name = &own.name;
    if matches!(own.arrival, Arrival::Trace { .. }) {
        return Err(BenchError::Search(format!(
            "workload {name} is a recording, which has its own times: name one that has rates"
        )));
    }
    if !own.faults.is_empty() {
        return Err(BenchError::Search(format!(
            "workload {name} has faults: a rate that meets an SLO is searched without any"
        )));
    }
    let max_per_s = job.max_per_s.unwrap_or(MAX_RATE_PER_S);
    let start_per_s = match job.start_per_s {
        Some(start) => start,
        None => {
            let start = own.arrival.peak().unwrap_or(START_PER_S);
            start.max(MIN_RATE_PER_S).min(max_per_s)
        }
    };
    let options = Options {
        start_per_s,
        max_per_s,
        precision: job.precision,
        repeats: job.repeats,
    };
    options.check().map_err(BenchError::Search)?;
    overrides.rate = Some(start_per_s);
    let mut suite = load::alone(&job.workload, &overrides)?;
    let workload = &mut suite.workloads[0];
    for slo in workload.slo.values_mut() {
        // The rate is what is searched: at a lower one this must be missed.
        slo.ok_per_s = None;
    }
    if job.slo_p99.is_some() {
        for kind in workload.kinds() {
            let slo = workload.slo.entry(kind.name().to_owned()).or_default();
            slo.response_p99 = job.slo_p99;
        }
    }
    workload.slo.retain(|_, slo| *slo != Slo::default());
    if workload.slo.is_empty() {
        return Err(BenchError::Search(format!(
            "workload {} has no SLO that a rate could miss: give one (--slo-p99 20ms), or write it \
             into the workload's file, as workloads/README.md says",
            workload.name
        )));
    }
    suite.name = format!("find-max-{}", workload.name);
    Ok((suite, options))
}

async fn find(job: Job, stop: Stop) -> Result<Outcome, BenchError> {
    let (mut suite, options) = prepared(&job)?;
    let workload = suite.workloads[0].clone();
    let standing = match job.targets.as_slice() {
        [] => None,
        urls => {
            let asked = Standing::ask(urls, job.system).await;
            let run_id = || suite.name.clone();
            Some(asked.map_err(|reason| BenchError::Run {
                run_id: run_id(),
                reason,
            })?)
        }
    };
    let replicas = match (&standing, job.system) {
        (_, System::Null) => 0,
        (Some(standing), _) => standing.replicas,
        (None, _) => job.replicas,
    };
    suite.replicas = vec![replicas.max(1)];
    let nonce = new_nonce()?;
    let results = match &job.out {
        Some(path) => ResultDir::create_at(path)?,
        None => ResultDir::create(Path::new(RESULTS), &suite.name, SystemTime::now())?,
    };
    results.write_suite(&suite::resolved_text(&suite, &nonce))?;
    let place = match standing {
        Some(standing) => {
            let environment = environment(results.path(), &job.build).await?;
            results.write_environment(&environment)?;
            On::Standing { standing, nonce }
        }
        None => {
            let data_dir = data_directory(&results, &BTreeSet::new())?;
            let environment = environment(&data_dir, &job.build).await?;
            results.write_environment(&environment)?;
            On::Fresh(Box::new(Bench {
                binary: job.binary,
                suite: suite.clone(),
                nonce,
                data_dir,
                results: results.clone(),
                file_system: environment.file_system,
                stop: stop.clone(),
                drain: DRAIN,
                record: None,
            }))
        }
    };
    let mut prober = Prober {
        progress: Progress::new(job.quiet, &suite, 0, None),
        title: title(&suite, job.system, replicas),
        suite,
        workload,
        system: job.system,
        replicas,
        on: place,
        results,
        stop,
        probes: Vec::new(),
        not_audited: 0,
        notes: Vec::new(),
    };
    let searched = search(
        options,
        async |rate, nth| prober.probe(rate, nth).await,
        |_| {},
    )
    .await;
    prober.progress.finish();
    if let On::Fresh(bench) = &prober.on {
        // It stays when there is something in it that somebody will want to look at.
        let _ = fs::remove_dir(&bench.data_dir);
    }
    let (found, violated, interrupted) = match searched {
        Ok(found) => (Some(found), false, false),
        Err(End::Violated) => (None, true, prober.stop.is_stopped()),
        Err(End::Interrupted) => (None, false, true),
        Err(End::Failed(error)) => return Err(error),
    };
    Ok(Outcome {
        directory: prober.results.path().to_owned(),
        title: prober.title,
        workload: prober.workload.name,
        system: prober.system,
        replicas,
        found,
        probes: prober.probes,
        violated,
        not_audited: prober.not_audited,
        interrupted,
        notes: prober.notes,
    })
}

/// Where the probes run.
enum On {
    Fresh(Box<Bench>),
    Standing { standing: Standing, nonce: String },
}

/// Why a search ends before it has found anything.
enum End {
    Interrupted,
    Violated,
    Failed(BenchError),
}

impl From<BenchError> for End {
    fn from(error: BenchError) -> Self {
        End::Failed(error)
    }
}

/// What makes the probes, and keeps what came of them.
struct Prober {
    suite: Suite,
    title: String,
    workload: Workload,
    system: System,
    replicas: usize,
    on: On,
    results: ResultDir,
    stop: Stop,
    progress: Progress,
    probes: Vec<Probe>,
    not_audited: usize,
    notes: Vec<String>,
}

impl Prober {
    /// One run at `rate`.
    async fn probe(&mut self, rate: f64, nth: usize) -> Result<Probe, End> {
        if self.stop.is_stopped() {
            return Err(End::Interrupted);
        }
        let mut workload = self.workload.clone();
        if let Arrival::Open { stages, .. } = &mut workload.arrival {
            for stage in stages {
                stage.rate = rate;
            }
        }
        let number = u32::try_from(nth).expect("probes are few");
        let planned = Planned {
            id: format!(
                "{}-p{nth:02}",
                configuration_name(self.system, self.replicas, &workload.name, None)
            ),
            system: self.system,
            replicas: self.replicas,
            durability: self.suite.durability,
            mailbox: self.suite.mailbox,
            workload,
            trace: None,
            trial: number,
            // Another plan each time: what is found is not one plan's luck.
            seed: self.suite.seed.wrapping_add(u64::from(number) - 1),
        };
        self.progress.begin(&format!("{} at {rate}/s", planned.id));
        let done = match &self.on {
            On::Fresh(bench) => bench.one(&planned, &mut self.progress).await?,
            On::Standing { standing, nonce } => {
                let nonce = nth_nonce(nonce, number);
                self.standing(standing.clone(), nonce, &planned).await?
            }
        };
        let Some(done) = done else {
            return Err(End::Interrupted);
        };
        let violated = matches!(done.beside.audit, audit::Verdict::Violated(_));
        let impossible = matches!(done.beside.audit, audit::Verdict::Impossible(_));
        if self.stop.is_stopped() && !violated {
            return Err(End::Interrupted);
        }
        let probe = decided(rate, &done);
        let row = ProbeRow::new(nth, &probe);
        self.results.append_probe(&row).map_err(BenchError::from)?;
        self.progress.done(&decision(&probe));
        self.probes.push(probe.clone());
        self.not_audited += usize::from(impossible);
        if violated || impossible {
            self.notes.extend(done.notes);
        }
        if violated {
            return Err(End::Violated);
        }
        Ok(probe)
    }

    /// A run on a cluster that is up.
    async fn standing(
        &mut self,
        standing: Standing,
        nonce: String,
        planned: &Planned,
    ) -> Result<Option<Done>, BenchError> {
        let failed = |reason: String| BenchError::Run {
            run_id: planned.id.clone(),
            reason,
        };
        let scenario = Scenario::new(planned.workload.clone(), planned.seed, None);
        let scenario = scenario.map_err(failed)?;
        let run = Run {
            trial: planned.trial,
            seed: planned.seed,
            drain: DRAIN,
            ..standing.run(&self.suite, planned.id.clone(), nonce, &planned.workload)
        };
        let place = standing.place(&self.results, &self.stop);
        let options = load::Options {
            audited: true,
            ..load::Options::default()
        };
        let done = on_standing(&run, &scenario, &place, &mut self.progress, options).await;
        done.map_err(|error| match error {
            RunError::Failed(reason) => failed(reason),
            RunError::Results(error) => BenchError::Results(error),
        })
    }
}

/// The nonce of the `nth` probe, from 1: on one cluster each needs names of its own, and the
/// result directory has the first.
fn nth_nonce(first: &str, nth: u32) -> String {
    let first = u32::from_str_radix(first, 16).expect("a nonce is eight hexadecimal digits");
    format!("{:08x}", first.wrapping_add(nth - 1))
}

/// What a run says of its rate.
fn decided(rate: f64, done: &Done) -> Probe {
    let judgement = &done.judgement;
    let counts = all(&done.measured.collected.total);
    let seconds = done.measured.window.length().as_secs_f64().max(1e-3);
    let at = |per_mille| LatencyUs::at(&counts.response, per_mille, counts.missed());
    // What else a run may be invalid for is no matter of the rate: a short one is not steady.
    let invalid = |why: &str| judgement.verdict == format!("invalid:{why}");
    let kept_up = !invalid("generator-saturated") && !invalid("schedule-missed");
    let wrong = invalid("errors") || invalid("audit");
    // A short probe may have none of a rare operation, which says nothing of the rate.
    let total = &done.measured.collected.total;
    let absent = |kind: &Kind| total[kind.index()].due() == 0;
    let is_of = |miss: &str, kind: &Kind| miss.starts_with(&format!("{}: ", kind.name()));
    let of_absent = |miss: &str| (Kind::ALL.iter()).any(|kind| absent(kind) && is_of(miss, kind));
    let misses = judgement.misses.iter().filter(|miss| !of_absent(miss));
    let mut why: Vec<String> = misses.cloned().collect();
    let meets = why.is_empty() && !wrong;
    if wrong || !kept_up {
        why.insert(0, judgement.reason.clone());
    }
    Probe {
        rate,
        achieved_per_s: counts.ok as f64 / seconds,
        p50_us: at(500),
        p99_us: at(990),
        p999_us: at(999),
        meets,
        // Response times count from the due moment: where they are short enough with what the
        // generator added, they are without it.
        valid: kept_up || meets,
        why: why.join("; "),
    }
}

/// What a probe decides, in a line.
fn decision(probe: &Probe) -> String {
    let Probe { rate, why, .. } = probe;
    match (probe.valid, probe.meets) {
        (true, true) => format!("  {rate}/s meets the SLO"),
        (true, false) => format!("  {rate}/s misses the SLO: {why}"),
        (false, _) => format!("  {rate}/s says nothing: {why}"),
    }
}
