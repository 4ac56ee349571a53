//! Suites and workloads: what is run, from TOML files.
//!
//! A workload says what clients do; a suite says which systems do it, how often and how long.
//! `workloads/README.md` explains the files to their writers.

mod bounds;
mod design;
mod document;
mod explain;
mod forecast;
mod listed;
mod load;
mod names;
mod outline;
mod overrides;
mod parts;
mod read;
mod sizes;
mod source;
mod workload;
mod write;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telegraft_cluster::http::Consistency;
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;

pub(crate) use bounds::MAX_DURATION;
pub(crate) use design::configuration_name;
pub use design::{Configuration, Part, in_turn};
pub use explain::explain;
pub(crate) use explain::goals;
pub use load::{load, load_alone, load_with_note, load_workload};
pub use outline::outline;
pub use workload::{
    Arrival, Fault, FaultAction, FaultTarget, Inbox, Operations, Polling, Popularity, Population,
    Read, ReadPage, Sizes, Slo, Spacing, Stage, Think, Weight, Workload,
};
pub use write::resolved_text;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    /// A cluster of this program's replicas.
    Telegraft,
    /// The same HTTP server with nothing behind it: the ceiling.
    Null,
}

impl System {
    /// Every system.
    pub const ALL: [System; 2] = [System::Telegraft, System::Null];

    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            System::Telegraft => "telegraft",
            System::Null => "null",
        }
    }
}

/// Which replicas the clients talk to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// The leader, as its cluster names it.
    #[default]
    Leader,
    /// Each client talks to one replica, the clients spread evenly.
    Any,
    /// Each client goes from replica to replica with every operation.
    RoundRobin,
}

impl Targets {
    /// Every choice.
    pub const ALL: [Targets; 3] = [Targets::Leader, Targets::Any, Targets::RoundRobin];

    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Targets::Leader => "leader",
            Targets::Any => "any",
            Targets::RoundRobin => "round-robin",
        }
    }
}

/// The value of `all` that `text` names.
fn named<T: Copy>(text: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, String> {
    let found = all.iter().find(|value| name(**value) == text);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|value| name(*value)).collect();
        let near = names::did_you_mean(text, names.iter().copied());
        format!("{text:?} is none of {}{near}", names.join(", "))
    })
}

impl FromStr for System {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(text, &System::ALL, System::name)
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Targets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(text, &Targets::ALL, Targets::name)
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the caller wants otherwise than the files say; `None` leaves it as it is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Systems.
    pub systems: Option<Vec<System>>,
    /// Replica counts.
    pub replicas: Option<Vec<usize>>,
    /// Workloads: names or files.
    pub workloads: Option<Vec<String>>,
    /// How long each run counts.
    pub duration: Option<Duration>,
    /// How long each run goes before it counts.
    pub warmup: Option<Duration>,
    /// Clients of every closed loop, connections of every other workload.
    pub clients: Option<usize>,
    /// Arrivals a second: makes every workload an open loop with this rate. One that is open
    /// keeps its spacing and connections; a closed loop has as many connections as it had clients.
    pub rate: Option<f64>,
    /// A recording: it is the only workload, named after its file. (Relative to where the caller
    /// is.)
    pub trace: Option<PathBuf>,
    /// How many times faster than recorded every trace is.
    pub speed: Option<f64>,
    /// How often everything is run.
    pub trials: Option<u32>,
    /// The first trial's seed.
    pub seed: Option<u64>,
    /// How fresh the reads of every workload must be.
    pub consistency: Option<Consistency>,
    /// Whether writes are synced.
    pub durability: Option<Durability>,
    /// The replicas' mailbox.
    pub mailbox: Option<Mailbox>,
    /// Which replicas the clients of every workload talk to.
    pub targets: Option<Targets>,
}

impl Overrides {
    /// Those of them, as options of the command line, that ask for a product of their own: what a
    /// suite runs beside its own is left out then.
    fn product(&self) -> Vec<&'static str> {
        let asked = [
            ("--systems", self.systems.is_some()),
            ("--replicas", self.replicas.is_some()),
            ("--workload", self.workloads.is_some()),
            ("--replay", self.trace.is_some()),
        ];
        let asked = asked.into_iter().filter(|(_, is_some)| *is_some);
        asked.map(|(option, _)| option).collect()
    }
}

/// A suite, resolved: files read, overrides applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// Its name: its file's, without the ending.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The systems.
    pub systems: Vec<System>,
    /// The replica counts of those that have replicas.
    pub replicas: Vec<usize>,
    /// The workloads, in order.
    pub workloads: Vec<Workload>,
    /// How long each run goes before it counts.
    pub warmup: Duration,
    /// How long each run counts.
    pub duration: Duration,
    /// How often everything is run, in turn.
    pub trials: u32,
    /// The seed of the first trial's plan; the next trial's is one higher.
    pub seed: u64,
    /// Whether writes are synced.
    pub durability: Durability,
    /// The replicas' mailbox.
    pub mailbox: Mailbox,
    /// What is run beside the product of the above.
    pub also: Vec<Part>,
}

/// What is wrong with a suite or a workload.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuiteError {
    /// There is no such file, and nothing of that name is built in.
    #[error(
        "there is no {what} {name:?}: neither a file nor built in{} (there are {})",
        names::did_you_mean(name, known.iter().map(String::as_str)),
        known.join(", ")
    )]
    NotFound {
        /// `suite` or `workload`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// What is built in.
        known: Vec<String>,
    },
    /// It cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is wrong.
    #[error("{origin}:{line}: {message}")]
    Wrong {
        /// The file, or the built-in's name.
        origin: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// An override is wrong.
    #[error("{0}")]
    Override(String),
}
