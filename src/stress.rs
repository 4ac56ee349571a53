//! `telegraft stress`: real processes under real faults, and a verdict.

use std::path::PathBuf;
use std::time::Duration;

use telegraft_loadgen::stress::{self, FaultKind, Job, Judgement, Outcome, StressError};
use telegraft_loadgen::values::parse_duration;

use crate::args::{self, Format, MailboxArg};
use crate::exit::{Exit, Failure};
use crate::report;
use crate::runtime::{self, Interrupts};
use crate::tracing_setup;

const EXAMPLE: &str = "\
Examples:
  telegraft stress
  telegraft stress --replicas 5 --duration 10m --seed 7
  telegraft stress --faults kill,pause,partition --duration 20s
  telegraft stress --duration 1m --seed 7 --explain

Kinds of faults: kill, pause, restart, partition, delay, throttle, loss, duplicate, reorder,
disk-full (needs the right to mount a tmpfs). Each that was asked for happens, or the run fails.

Exit codes: 0 consistent; 3 a promise was broken; 1 it failed, did not heal, a kind of fault that was
asked for never had an effect, or nothing was recorded of what is to be checked; 105 interrupted. The
first Ctrl-C ends the load, and what was recorded is checked; one during the check, or a second one,
ends everything at once, and the history is kept.
`telegraft check DIR/history/RUN.jsonl` judges a history again.";

/// Run a cluster of real processes under faults, record every operation, and check the history.
///
/// Replicas are killed, paused, restarted, cut off from each other, their links made slow and
/// faulty and their disks full, by a schedule that follows from the seed, while clients write
/// and read at all of them. At the end everything is healed and every room read from every
/// replica; then the whole history is checked against what the cluster promises.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// How many replicas.
    #[arg(long, value_name = "N", default_value = "5", value_parser = args::replicas)]
    replicas: usize,
    /// How long load and faults go on: 30s, 10m.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_duration)]
    duration: Duration,
    /// The seed of schedule, links and clients [default: a new one, which is printed].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Kinds of faults [default: all that this machine allows].
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    faults: Option<Vec<FaultKind>>,
    /// Clients, each with one operation open at a time.
    #[arg(long, value_name = "N", default_value = "30", value_parser = args::count)]
    clients: usize,
    /// Rooms that they write to.
    #[arg(long, value_name = "N", default_value = "8", value_parser = args::count)]
    rooms: usize,
    /// How the consensus actors take their messages.
    #[arg(long, value_enum, default_value = "lanes")]
    mailbox: MailboxArg,
    /// Each replica in a network namespace of its own, instead of proxies between them (as root;
    /// links can only be cut then; by nftables, which counts what meets a cut. Where that cannot be
    /// had, a run with partitions is inconclusive at best).
    #[arg(long)]
    netns: bool,
    /// Print the schedule, and do nothing.
    #[arg(long)]
    explain: bool,
    /// The result directory [default: results/TIME-stress].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How the verdict is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// No progress on stderr.
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    tracing_setup::init("warn")?;
    let (format, explains) = (args.format, args.explain);
    let job = args.job()?;
    if explains {
        print!("{}", stress::explain(job).map_err(failure)?);
        return Ok(Exit::Done);
    }
    let runtime = runtime::stress()?;
    let outcome = runtime.block_on(async {
        let mut interrupts = Interrupts::new()?;
        let interrupt = async || interrupts.next().await;
        stress::run(job, interrupt).await.map_err(failure)
    })?;
    match format {
        Format::Text => println!("{}", outcome.summary),
        Format::Json => {
            let verdict = serde_json::to_string(&outcome.verdict);
            println!("{}", verdict.map_err(Failure::failed)?);
        }
    }
    // The verdict is what is printed; the report stands in the result directory beside it.
    let reported = report::write(&outcome.directory, true);
    exit(&outcome).unless_unreported(reported)
}

fn exit(outcome: &Outcome) -> Exit {
    match outcome.verdict.judgement {
        Judgement::Violated => Exit::Inconsistent,
        Judgement::Interrupted => Exit::Interrupted,
        Judgement::Failed | Judgement::Inconclusive => Exit::Failed,
        Judgement::Consistent => Exit::Done,
    }
}

fn failure(error: StressError) -> Failure {
    let exit = match error {
        StressError::Usage(_) => Exit::Usage,
        StressError::Interrupted | StressError::Unchecked(_) => Exit::Interrupted,
        StressError::Failed(_) | StressError::Results(_) => Exit::Failed,
    };
    Failure {
        exit,
        text: error.to_string(),
    }
}

impl Args {
    fn job(self) -> Result<Job, Failure> {
        Ok(Job {
            replicas: self.replicas,
            duration: self.duration,
            seed: self.seed,
            faults: self.faults,
            clients: self.clients,
            rooms: self.rooms,
            mailbox: self.mailbox.into(),
            namespaces: self.netns,
            out: self.out,
            binary: args::binary()?,
            build: args::build(),
            quiet: self.quiet,
        })
    }
}
