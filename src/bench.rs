//! `telegraft bench`: the main job.

use std::path::PathBuf;

use telegraft_loadgen::bench::{self, Job, Outcome};
use telegraft_loadgen::suite::{Overrides, System};

use crate::args::{self, DurabilityArg, LoadArgs, MailboxArg};
use crate::exit::{Exit, Failure};
use crate::report;
use crate::runtime;
use crate::tracing_setup;

const EXAMPLE: &str = "\
Examples:
  telegraft bench
  telegraft bench --workload write-heavy --replicas 3,5 --duration 30s --trials 3
  telegraft bench --systems telegraft,null --clients 1 --targets leader --out results/one-client

  telegraft bench full --explain
  telegraft bench original --replicas 3
  telegraft bench --replay day.csv --speed 2 --replicas 1,3,5

Ctrl-C ends it early; what was measured until then is kept and marked (exit code 105), and
`telegraft bench --resume results/DIR` runs what is missing. An SLO that was missed is exit code
99. An audit that finds an acknowledged message lost, altered or doubled ends it with exit code 3.";

/// Load fresh clusters of real processes, audit them, and report.
///
/// For each system, replica count, workload and trial of the suite, a fresh cluster is started on
/// loopback, loaded, audited and stopped; in turn with them, so is what the suite's file has beside
/// them (its `also` tables), unless --systems, --replicas, --workload or --replay ask for a product of their
/// own. The report is printed, and stands in the result directory beside the files that it is made
/// from.
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
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = args::replicas)]
    replicas: Option<Vec<usize>>,
    /// Workloads: built-in names, or files.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    workload: Option<Vec<String>>,
    /// How often everything is run, in turn.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    trials: Option<u32>,
    /// Whether a write is synced before it is acknowledged.
    #[arg(long, value_enum)]
    durability: Option<DurabilityArg>,
    /// How the consensus actors take their messages.
    #[arg(long, value_enum)]
    mailbox: Option<MailboxArg>,
    #[command(flatten)]
    load: LoadArgs,
    /// Print what the suite will run, and how long that takes, and do nothing.
    #[arg(long)]
    explain: bool,
    /// Record the operations of a single run, to be replayed.
    #[arg(long, value_name = "FILE.csv")]
    record: Option<PathBuf>,
    /// Go on with the suite of a result directory that was interrupted: run what is missing.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = [
            "suite", "systems", "replicas", "workload", "trials", "durability", "mailbox",
            "LoadArgs", "RunArgs", "explain", "record", "out",
        ]
    )]
    resume: Option<PathBuf>,
    /// The result directory [default: results/TIME-SUITE].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// No progress on stderr.
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    tracing_setup::init("warn")?;
    let (quiet, explains) = (args.quiet, args.explain);
    let job = args.job()?;
    if explains {
        let text = bench::explain(&job.suite, &job.overrides).map_err(runtime::failure)?;
        print!("{text}");
        return Ok(Exit::Done);
    }
    let runtime = runtime::launcher()?;
    let outcome = runtime.block_on(async {
        let interrupt = runtime::interrupt()?;
        bench::run(job, interrupt).await.map_err(runtime::failure)
    })?;
    let reported = report::write(&outcome.directory, false);
    // Notes and place are no part of the report: they go where the progress went.
    for note in &outcome.notes {
        eprintln!("{note}");
    }
    if !quiet {
        match (outcome.resumed, outcome.runs + outcome.failed) {
            (0, _) => {}
            (there, 0) if !outcome.interrupted => {
                eprintln!("Nothing was missing: all {there} runs were there already.");
            }
            (there, made) => eprintln!("{there} runs were there already, {made} were missing."),
        }
        let place = outcome.directory.display();
        eprintln!("Results: {place}");
        if outcome.interrupted {
            eprintln!("What is missing: telegraft bench --resume {place}");
        }
    }
    exit(&outcome).unless_unreported(reported)
}

/// The worst of what came of it.
fn exit(outcome: &Outcome) -> Exit {
    if outcome.violated > 0 {
        Exit::Inconsistent
    } else if outcome.interrupted {
        Exit::Interrupted
    } else if outcome.not_audited + outcome.failed > 0 {
        Exit::Failed
    } else if outcome.slo_missed > 0 {
        Exit::SloMissed
    } else {
        Exit::Done
    }
}

impl Args {
    fn job(self) -> Result<Job, Failure> {
        Ok(Job {
            suite: self.suite,
            overrides: Overrides {
                systems: self.systems,
                replicas: self.replicas,
                workloads: self.workload,
                trials: self.trials,
                durability: self.durability.map(Into::into),
                mailbox: self.mailbox.map(Into::into),
                ..self.load.overrides()
            },
            out: self.out,
            resume: self.resume,
            record: self.record,
            binary: args::binary()?,
            build: args::build(),
            quiet: self.quiet,
        })
    }
}
