//! Values of arguments that several subcommands take.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use telegraft_cluster::http::Consistency;
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;
use telegraft_loadgen::results::BuildInfo;
use telegraft_loadgen::suite::{Overrides, Targets};
use telegraft_loadgen::values::{parse_count, parse_duration};

use crate::exit::Failure;

/// What is written in a workload's file, otherwise, whatever its rate is. (What belongs to a suite
/// alone stands with `bench`.)
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// How long a run counts: 500ms, 10s, 2m.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// How long a run goes before it counts.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) warmup: Option<Duration>,
    /// Clients of a closed loop, each with one request open at a time; connections of an open one.
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub(crate) clients: Option<usize>,
    /// The seed of the plan (of the first trial, the next has the next one).
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How fresh reads must be.
    #[arg(long, value_enum)]
    pub(crate) consistency: Option<ConsistencyArg>,
    /// Which replicas the clients talk to: leader, any, round-robin.
    #[arg(long, value_name = "WHICH")]
    pub(crate) targets: Option<Targets>,
}

impl RunArgs {
    pub(crate) fn overrides(self) -> Overrides {
        Overrides {
            duration: self.duration,
            warmup: self.warmup,
            clients: self.clients,
            seed: self.seed,
            consistency: self.consistency.map(Consistency::from),
            targets: self.targets,
            ..Overrides::default()
        }
    }
}

/// The same, and when operations are due.
#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Arrivals a second, however long answers take: makes the workload open-loop.
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Replay a recording (offset,user,operation,room,size) instead of a workload.
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) replay: Option<PathBuf>,
    /// How much faster than recorded.
    #[arg(long, value_name = "FACTOR")]
    pub(crate) speed: Option<f64>,
}

impl LoadArgs {
    pub(crate) fn overrides(self) -> Overrides {
        Overrides {
            rate: self.rate,
            trace: self.replay,
            speed: self.speed,
            ..self.run.overrides()
        }
    }
}

/// A count of at least one.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    match parse_count(text)? {
        0 => Err("at least one is needed".to_owned()),
        count => usize::try_from(count).map_err(|_| format!("{text:?} is too large")),
    }
}

/// A rate above zero.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let rate = match text.parse::<f64>() {
        Ok(rate) => rate,
        Err(_) => parse_count(text)? as f64,
    };
    if rate.is_finite() && rate > 0.0 {
        Ok(rate)
    } else {
        Err(format!("{text:?} is no rate above zero"))
    }
}

/// How many replicas a cluster has: odd numbers make sense, others are allowed.
pub(crate) fn replicas(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=99) => Ok(count),
        _ => Err(format!("{text:?} is not a number from 1 to 99")),
    }
}

/// This program's own file, which replicas run.
pub(crate) fn binary() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::failed(format!("where this program is: {error}")))
}

/// What this program was built from.
pub(crate) fn build() -> BuildInfo {
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    BuildInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git_revision: Some(env!("TELEGRAFT_GIT_REVISION"))
            .filter(|revision| *revision != "unknown")
            .map(str::to_owned),
        rustc: env!("TELEGRAFT_RUSTC").to_owned(),
        profile: profile.to_owned(),
    }
}

/// How a replica's consensus actor takes its messages.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MailboxArg {
    /// Lanes with priority: timers and peers before clients.
    Lanes,
    /// One plain queue.
    Fifo,
}

impl From<MailboxArg> for Mailbox {
    fn from(arg: MailboxArg) -> Mailbox {
        match arg {
            MailboxArg::Lanes => Mailbox::Lanes,
            MailboxArg::Fifo => Mailbox::Fifo,
        }
    }
}

/// Whether a write is waited for until it is on stable storage.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DurabilityArg {
    /// fdatasync before a write is acknowledged.
    Fsync,
    /// Written, not synced: survives a killed process, not a power cut.
    None,
}

impl From<DurabilityArg> for Durability {
    fn from(arg: DurabilityArg) -> Durability {
        match arg {
            DurabilityArg::Fsync => Durability::Fsync,
            DurabilityArg::None => Durability::None,
        }
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ConsistencyArg {
    /// Sees every write acknowledged before it began.
    Linearizable,
    /// The same, on the word of the leader's lease.
    Lease,
    /// Whatever the replica asked has applied.
    Local,
}

impl From<ConsistencyArg> for Consistency {
    fn from(arg: ConsistencyArg) -> Consistency {
        match arg {
            ConsistencyArg::Linearizable => Consistency::Linearizable,
            ConsistencyArg::Lease => Consistency::Lease,
            ConsistencyArg::Local => Consistency::Local,
        }
    }
}
