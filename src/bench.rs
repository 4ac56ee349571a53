//! `telegraft bench`: the main job.

use std::path::PathBuf;
use std::time::Duration;

use telegraft_cluster::http::Consistency;
use telegraft_loadgen::bench::{self, BenchError, BuildInfo, Job, Outcome};
use telegraft_loadgen::suite::{Overrides, System, Targets};
use telegraft_loadgen::values::{parse_count, parse_duration};

use crate::args::{ConsistencyArg, DurabilityArg, MailboxArg};
use crate::exit::{Exit, Failure};
use crate::report;
use crate::runtime::{self, Interrupts};
use crate::tracing_setup;

const EXAMPLE: &str = "\
Examples:
  telegraft bench
  telegraft bench --workload write-heavy --replicas 3,5 --duration 30s --trials 3
  telegraft bench --systems telegraft,null --clients 1 --targets leader --out results/one-client

Ctrl-C ends it early; what was measured until then is kept and marked (exit code 105). An audit
that finds an acknowledged message lost, altered or doubled ends it with exit code 3.";

/// Load fresh clusters of real processes, audit them, and report.
///
/// For each system, replica count, workload and trial of the suite, a fresh cluster is started on
/// loopback, loaded, audited and stopped. The report is printed, and stands in the result
/// directory beside the files that it is made from.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The suite: `default`, or a file as workloads/README.md describes it.
    #[arg(default_value = "default")]
    suite: String,
    /// What is measured: telegraft, null.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    systems: Option<Vec<System>>,
    /// Replica counts.
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = replicas)]
    replicas: Option<Vec<usize>>,
    /// Workloads: built-in names, or files.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    workload: Option<Vec<String>>,
    /// How long each run counts: 500ms, 10s, 2m.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// How long each run goes before it counts.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    warmup: Option<Duration>,
    /// Clients, each with one request open at a time.
    #[arg(long, value_name = "COUNT", value_parser = count)]
    clients: Option<usize>,
    /// How often everything is run.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    trials: Option<u32>,
    /// The seed of the first trial.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How fresh reads must be.
    #[arg(long, value_enum)]
    consistency: Option<ConsistencyArg>,
    /// Whether a write is synced before it is acknowledged.
    #[arg(long, value_enum)]
    durability: Option<DurabilityArg>,
    /// How the consensus actors take their messages.
    #[arg(long, value_enum)]
    mailbox: Option<MailboxArg>,
    /// Which replicas the clients talk to: leader, any, round-robin.
    #[arg(long, value_name = "WHICH")]
    targets: Option<Targets>,
    /// The result directory [default: results/TIME-SUITE].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// No progress on stderr.
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    tracing_setup::init("warn")?;
    let quiet = args.quiet;
    let job = args.job()?;
    let runtime = runtime::launcher()?;
    let outcome = runtime.block_on(async {
        let mut interrupts = Interrupts::new()?;
        let interrupt = async {
            interrupts.next().await;
            // Whoever asks twice does not want to wait. The replicas go with this process.
            tokio::spawn(async move {
                interrupts.next().await;
                std::process::exit(Exit::Interrupted as i32);
            });
        };
        bench::run(job, interrupt)
            .await
            .map_err(|error| match error {
                BenchError::Suite(_) => Failure::usage(error),
                _ => Failure::failed(error),
            })
    })?;
    let reported = report::write(&outcome.directory, false);
    // Notes and place are no part of the report: they go where the progress went.
    for note in &outcome.notes {
        eprintln!("{note}");
    }
    if !quiet {
        eprintln!("Results: {}", outcome.directory.display());
    }
    match (reported, exit(&outcome)) {
        (Err(failure), Exit::Done) => Err(failure),
        // What was found counts for more than a report that could not be written.
        (Err(failure), exit) => {
            eprintln!("telegraft: {}", failure.text);
            Ok(exit)
        }
        (Ok(()), exit) => Ok(exit),
    }
}

/// The worst of what came of it.
fn exit(outcome: &Outcome) -> Exit {
    if outcome.violated > 0 {
        Exit::Inconsistent
    } else if outcome.interrupted {
        Exit::Interrupted
    } else if outcome.not_audited + outcome.failed > 0 {
        Exit::Failed
    } else {
        Exit::Done
    }
}

impl Args {
    fn job(self) -> Result<Job, Failure> {
        let binary = std::env::current_exe()
            .map_err(|error| Failure::failed(format!("where this program is: {error}")))?;
        let profile = if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        };
        Ok(Job {
            suite: self.suite,
            overrides: Overrides {
                systems: self.systems,
                replicas: self.replicas,
                workloads: self.workload,
                duration: self.duration,
                warmup: self.warmup,
                clients: self.clients,
                trials: self.trials,
                seed: self.seed,
                consistency: self.consistency.map(Consistency::from),
                durability: self.durability.map(Into::into),
                mailbox: self.mailbox.map(Into::into),
                targets: self.targets,
            },
            out: self.out,
            binary,
            build: BuildInfo {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                git_revision: Some(env!("TELEGRAFT_GIT_REVISION"))
                    .filter(|revision| *revision != "unknown")
                    .map(str::to_owned),
                rustc: env!("TELEGRAFT_RUSTC").to_owned(),
                profile: profile.to_owned(),
            },
            quiet: self.quiet,
        })
    }
}

/// A count of at least one.
fn count(text: &str) -> Result<usize, String> {
    match parse_count(text)? {
        0 => Err("at least one is needed".to_owned()),
        count => usize::try_from(count).map_err(|_| format!("{text:?} is too large")),
    }
}

/// How many replicas a cluster has: odd numbers make sense, others are allowed.
fn replicas(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=99) => Ok(count),
        _ => Err(format!("{text:?} is not a number from 1 to 99")),
    }
}
