//! `telegraft find-max`: the highest rate that still meets the SLO.

use std::path::PathBuf;
use std::time::Duration;

use telegraft_loadgen::find_max::Limit;
use telegraft_loadgen::find_max::job::{self, Job, Outcome};
use telegraft_loadgen::suite::{Overrides, System};
use telegraft_loadgen::values::parse_duration;

use crate::args::{self, DurabilityArg, Format, MailboxArg, RunArgs};
use crate::exit::{Exit, Failure};
use crate::runtime;
use crate::tracing_setup;

const EXAMPLE: &str = "\
Examples:
  telegraft find-max chat
  telegraft find-max write-heavy --slo-p99 20ms --replicas 5 --duration 10s
  telegraft find-max chat --target http://10.0.0.7:8351,http://10.0.0.8:8351 --max-rate 5000

A probe is a run of 5 s after a warm-up of 1 s, unless --duration and --warmup say otherwise. Longer
ones find less of what a queue bears for a moment, and need as much more time. Every probe is
audited, and is a run in the result directory; find-max.csv there has them in a row each.

Exit code 99: even the lowest rate misses the SLO. An audit that finds something is 3, an
interruption 105; what was probed until then is kept.";

/// Search the highest arrival rate that still meets the workload's SLO.
///
/// The workload is made open-loop at one rate after the other: twice the last until the SLO is
/// missed, then between the two until they are near enough; and all that again from near the
/// answer, so that it is confirmed. A workload's stages are left out, and so is what its SLO says
/// of ok_per_s. Polling keeps its own rate, and is a part of the load beside the rate that is
/// searched.
///
/// Each probe has a fresh cluster of real processes on loopback, or all have the one that --target
/// names. The answer is printed with the curve of the rate against response times.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The workload: a built-in name, or a file as workloads/README.md describes it.
    workload: String,
    /// The 99th percentile of the response time that every operation must meet. (Needed when the
    /// workload has no SLO.)
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    slo_p99: Option<Duration>,
    /// Replicas of each fresh cluster.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = args::replicas)]
    #[arg(conflicts_with = "target")]
    replicas: usize,
    /// The URLs of a cluster that is up already.
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    target: Vec<String>,
    /// What is loaded: telegraft, null.
    #[arg(long, value_name = "NAME", default_value = "telegraft")]
    system: System,
    /// The first probe's arrivals a second [default: the workload's own highest, or 500].
    #[arg(long, value_name = "PER_SECOND", value_parser = args::rate)]
    start_rate: Option<f64>,
    /// Arrivals a second above which nothing is searched.
    #[arg(long, value_name = "PER_SECOND", value_parser = args::rate)]
    max_rate: Option<f64>,
    /// Estimates that are made, one after the other.
    #[arg(long, value_name = "N", default_value_t = 3)]
    repeats: usize,
    /// How near an estimate is: the lowest rate that missed is above the highest that met by this
    /// share at most.
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    precision: f64,
    #[command(flatten)]
    run: RunArgs,
    /// Whether a write is synced before it is acknowledged.
    #[arg(long, value_enum, conflicts_with = "target")]
    durability: Option<DurabilityArg>,
    /// How the consensus actors take their messages.
    #[arg(long, value_enum, conflicts_with = "target")]
    mailbox: Option<MailboxArg>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The result directory [default: results/TIME-find-max-WORKLOAD].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// No progress on stderr.
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    tracing_setup::init("warn")?;
    let (quiet, format) = (args.quiet, args.format);
    let job = args.job()?;
    let outcome = runtime::launcher()?.block_on(async {
        let interrupt = runtime::interrupt()?;
        job::run(job, interrupt).await.map_err(runtime::failure)
    })?;
    match format {
        Format::Text => print!("{}", outcome.text()),
        Format::Json => println!("{}", outcome.json()),
    }
    for note in &outcome.notes {
        eprintln!("{note}");
    }
    if !quiet {
        eprintln!("Results: {}", outcome.directory.display());
    }
    Ok(exit(&outcome))
}

/// The worst of what came of it.
fn exit(outcome: &Outcome) -> Exit {
    match &outcome.found {
        _ if outcome.violated => Exit::Inconsistent,
        _ if outcome.interrupted => Exit::Interrupted,
        _ if outcome.not_audited > 0 => Exit::Failed,
        Some(found) if found.max_rate > 0.0 => Exit::Done,
        Some(found) if found.limited_by == Limit::MinRate => Exit::SloMissed,
        // The generator had no rate at which it kept up: nobody knows.
        _ => Exit::Failed,
    }
}

impl Args {
    fn job(self) -> Result<Job, Failure> {
        Ok(Job {
            workload: self.workload,
            overrides: Overrides {
                durability: self.durability.map(Into::into),
                mailbox: self.mailbox.map(Into::into),
                ..self.run.overrides()
            },
            slo_p99: self.slo_p99,
            start_per_s: self.start_rate,
            max_per_s: self.max_rate,
            precision: self.precision,
            repeats: self.repeats,
            system: self.system,
            targets: self.target,
            replicas: self.replicas,
            binary: args::binary()?,
            out: self.out,
            build: args::build(),
            quiet: self.quiet,
        })
    }
}
