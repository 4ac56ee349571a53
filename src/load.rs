//! `telegraft load`: one run against a cluster that is up.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use telegraft_loadgen::audit;
use telegraft_loadgen::load::{self, Job, Outcome};
use telegraft_loadgen::plan::Share;
use telegraft_loadgen::results::utc;
use telegraft_loadgen::run::Scenario;
use telegraft_loadgen::suite::{self, System};

use crate::args::{self, LoadArgs};
use crate::exit::{Exit, Failure};
use crate::report;
use crate::runtime;
use crate::tracing_setup;

const EXAMPLE: &str = "\
Examples:
  telegraft load chat --target http://127.0.0.1:8351,http://127.0.0.1:8352
  telegraft load chat --explain
  telegraft load write-heavy --rate 2000 --duration 1m --record day.csv --target http://10.0.0.7:8351
  telegraft load --replay day.csv --speed 2 --target http://10.0.0.7:8351

Several generators share one workload: started anywhere, each with its own --shard and all with the
same workload, --seed and --start-at. `telegraft report DIR DIR…` puts their results together.
  telegraft load chat --target URL --shard 1/2 --start-at 2026-03-01T12:00:00Z
  telegraft load chat --target URL --shard 2/2 --start-at 2026-03-01T12:00:00Z

An SLO that was missed is exit code 99, an audit that finds something 3, an interruption 105.";

/// Load a cluster that is up already, anywhere, audit it, and report.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The workload: a built-in name, or a file as workloads/README.md describes it.
    #[arg(required_unless_present = "replay", conflicts_with = "replay")]
    workload: Option<String>,
    /// The replicas' URLs.
    #[arg(
        long,
        value_name = "URL,…",
        value_delimiter = ',',
        required_unless_present = "explain"
    )]
    target: Vec<String>,
    /// Print what the workload will do, and do nothing.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    load: LoadArgs,
    /// What is loaded, as it stands in the results: telegraft, null.
    #[arg(long, value_name = "NAME", default_value = "telegraft")]
    system: System,
    /// Record the operations, to be replayed.
    #[arg(long, value_name = "FILE.csv")]
    record: Option<PathBuf>,
    /// Begin at a moment, warm-up included: RFC 3339 in UTC, or seconds since the epoch.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start_at: Option<SystemTime>,
    /// Which of several generators this is, as 2/4.
    #[arg(long, value_name = "K/N", value_parser = shard, requires = "start_at")]
    shard: Option<Share>,
    /// Do not read the replicas afterwards.
    #[arg(long)]
    no_audit: bool,
    /// The result directory [default: results/TIME-load-WORKLOAD].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// No progress on stderr.
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    tracing_setup::init("warn")?;
    let overrides = args.load.overrides();
    // A recording stands in for every workload that could be named.
    let workload = args.workload.unwrap_or_else(|| "write-heavy".to_owned());
    if args.explain {
        let suite = load::alone(&workload, &overrides).map_err(Failure::usage)?;
        let workload = suite.workloads[0].clone();
        let trace = Scenario::read_trace(&workload).map_err(Failure::usage)?;
        let scenario = Scenario::new(workload, suite.seed, trace).map_err(Failure::usage)?;
        let lengths = load::lengths(&scenario, &overrides, &suite).map_err(runtime::failure)?;
        let text = suite::explain(scenario.workload(), lengths.warmup, lengths.duration);
        print!("{text}");
        if let Some(trace) = scenario.trace() {
            println!(
                "The recording has {} operations of {} users in {} rooms.",
                trace.steps.len(),
                trace.users.len(),
                trace.rooms.len()
            );
        }
        return Ok(Exit::Done);
    }
    let quiet = args.quiet;
    let job = Job {
        workload,
        overrides,
        targets: args.target,
        system: args.system,
        start_at: args.start_at,
        share: args.shard.unwrap_or(Share::WHOLE),
        record: args.record,
        audited: !args.no_audit,
        out: args.out,
        build: args::build(),
        quiet,
    };
    let outcome = runtime::launcher()?.block_on(async {
        let interrupt = runtime::interrupt()?;
        load::run(job, interrupt).await.map_err(runtime::failure)
    })?;
    let reported = report::write(&outcome.directory, false);
    for note in &outcome.notes {
        eprintln!("{note}");
    }
    if !quiet {
        eprintln!("Results: {}", outcome.directory.display());
    }
    exit(&outcome).unless_unreported(reported)
}

/// The worst of what came of it.
fn exit(outcome: &Outcome) -> Exit {
    let missed = outcome
        .judgement
        .as_ref()
        .is_some_and(|j| !j.misses.is_empty());
    match &outcome.audit {
        Some(audit::Verdict::Violated(_)) => Exit::Inconsistent,
        _ if outcome.interrupted => Exit::Interrupted,
        Some(audit::Verdict::Impossible(_)) => Exit::Failed,
        _ if missed => Exit::SloMissed,
        _ => Exit::Done,
    }
}

/// RFC 3339 in UTC, or seconds since the epoch.
fn moment(text: &str) -> Result<SystemTime, String> {
    if let Ok(seconds) = text.parse::<f64>()
        && let Ok(since) = Duration::try_from_secs_f64(seconds)
        && let Some(moment) = UNIX_EPOCH.checked_add(since)
    {
        return Ok(moment);
    }
    utc::parse(text).ok_or_else(|| {
        format!("{text:?} is no moment: write it as 2026-03-01T12:00:00Z, or in seconds since 1970")
    })
}

/// `2/4`: the second of four.
fn shard(text: &str) -> Result<Share, String> {
    let parsed = text.split_once('/').and_then(|(nth, of)| {
        let (nth, of): (u32, u32) = (nth.parse().ok()?, of.parse().ok()?);
        (1..=of).contains(&nth).then(|| Share { nth: nth - 1, of })
    });
    parsed
        .filter(|share| share.of <= MAX_SHARDS)
        .ok_or_else(|| format!("{text:?} is no shard: write 2/4 for the second of four"))
}

/// Each has a connection at least, and a workload has ten thousand.
const MAX_SHARDS: u32 = 1000;
