//! What clients do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use telegraft_cluster::http::Consistency;

use super::Targets;
use crate::plan::Kind;

/// A workload: who is there, what they do, when, and what happens meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Workload {
    /// Its name: its file's, without the ending.
    #[serde(skip)]
    pub name: String,
    /// What it stands for.
    pub description: String,
    /// How fresh reads must be.
    pub consistency: Consistency,
    /// Which replicas the clients talk to.
    pub targets: Targets,
    /// Bytes of a message's body.
    pub message_bytes: Sizes,
    /// Of the operations that were due, the share that may fail, stay unknown or unfinished
    /// before the run is `invalid:errors`. None (no matter how many) is the default with faults,
    /// which make some fail on purpose; without, it is one in a hundred.
    pub max_errors: Option<f64>,
    /// Who is there before the load begins.
    pub population: Population,
    /// When operations are due.
    pub arrival: Arrival,
    /// What is done, and how often.
    pub operations: Operations,
    /// Reads of inboxes at set times, beside the arrivals.
    pub polling: Option<Polling>,
    /// What the run must reach, by operation (`all`: together).
    pub slo: BTreeMap<String, Slo>,
    /// What happens to the cluster meanwhile, in the order of time.
    pub faults: Vec<Fault>,
}

impl Workload {
    /// How many connections it has at most open at a time: its clients, of a closed loop.
    pub fn connections(&self) -> usize {
        match &self.arrival {
            Arrival::Closed { clients, .. } => *clients,
            Arrival::Open { connections, .. } | Arrival::Trace { connections, .. } => *connections,
        }
    }

    /// The same without what says nothing of what is done: its description, and where a recording
    /// lies, which differs from machine to machine.
    pub fn essence(&self) -> Workload {
        let mut workload = self.clone();
        workload.description.clear();
        if let Arrival::Trace { file, .. } = &mut workload.arrival {
            file.clear();
        }
        workload
    }

    /// Whether its clients begin the next operation when one is done.
    pub fn is_closed(&self) -> bool {
        matches!(self.arrival, Arrival::Closed { .. })
    }

    /// The kinds of operations that it has, in the order of [`Kind::ALL`].
    pub fn kinds(&self) -> Vec<Kind> {
        let inboxes = self.operations.inbox.is_some() || self.polling.is_some();
        let has = |kind: &Kind| match kind {
            Kind::Send => self.operations.send.is_some(),
            Kind::Read => self.operations.read.is_some(),
            Kind::Inbox => inboxes,
            Kind::Join => self.operations.join.is_some(),
            Kind::CreateRoom => self.operations.create_room.is_some(),
        };
        Kind::ALL.into_iter().filter(has).collect()
    }
}

/// Bytes of a message's body.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Sizes {
    /// All the same.
    Fixed(usize),
    /// Every size from the first to the second as likely.
    Uniform(usize, usize),
    /// Log-normal, as the lengths of what people write are. What would be shorter than
    /// [`MIN_BYTES`](crate::body::MIN_BYTES) has that many.
    LogNormal {
        /// Half of them are shorter.
        median: usize,
        /// The standard deviation of the logarithm.
        sigma: f64,
        /// What would be longer has this.
        max: usize,
    },
    /// Sizes with weights.
    Table(Vec<(usize, f64)>),
}

impl Sizes {
    /// A size that stands for all: the median, of those that have one.
    pub fn typical(&self) -> usize {
        match self {
            Sizes::Fixed(bytes) => *bytes,
            Sizes::Uniform(least, most) => usize::midpoint(*least, *most),
            Sizes::LogNormal { median, .. } => *median,
            Sizes::Table(table) => {
                let mut sorted = table.clone();
                sorted.sort_unstable_by_key(|(bytes, _)| *bytes);
                let half = sorted.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
                let mut sum = 0.0;
                let reaches = |(_, weight): &&(usize, f64)| {
                    sum += weight;
                    sum >= half
                };
                sorted.iter().find(reaches).map_or(0, |(bytes, _)| *bytes)
            }
        }
    }
}

/// Which rooms are large, or busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub enum Popularity {
    /// All alike.
    #[default]
    Uniform,
    /// The k-th room as k to the power of minus this.
    Zipf(f64),
    /// A share of all goes to the first few rooms.
    Hot {
        /// How many rooms are hot.
        rooms: usize,
        /// The share of what happens that happens in them, from 0 to 1.
        share: f64,
    },
    /// What was written to last is written to next: rooms by how recently they were drawn, the
    /// k-th of them as k to the power of minus this.
    Latest(f64),
}

/// Who is there before the load begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Population {
    /// Users.
    pub users: usize,
    /// Rooms.
    pub rooms: usize,
    /// How many rooms each user is a member of.
    pub rooms_per_user: usize,
    /// How many members rooms have: alike, or by rank. (`Latest` makes no sense here.)
    pub room_sizes: Popularity,
    /// How busy rooms are.
    pub popularity: Popularity,
    /// Messages in each room before the load begins.
    pub prefill: usize,
}

/// When operations are due.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Arrival {
    /// Each client begins the next operation when the one before is done and it has thought.
    Closed {
        /// Each has one operation open at a time, on a connection of its own.
        clients: usize,
        /// Between the answer and the next operation.
        think: Think,
    },
    /// Operations are due at times of their own, however long others take.
    Open {
        /// At most so many operations are open; more that are due wait.
        connections: usize,
        /// How far apart.
        spacing: Spacing,
        /// How many, one stage after the other from the moment that measuring begins. The
        /// warm-up has the first one's first rate; after the end the last one's last holds.
        stages: Vec<Stage>,
    },
    /// Operations are due when they were in a recording.
    Trace {
        /// The recording.
        file: PathBuf,
        /// Two: twice as fast as recorded.
        speed: f64,
        /// As for `Open`.
        connections: usize,
    },
}

impl Arrival {
    /// Its name in `runs.csv`.
    pub fn name(&self) -> &'static str {
        match self {
            Arrival::Closed { .. } => "closed",
            Arrival::Open { .. } => "open",
            Arrival::Trace { .. } => "trace",
        }
    }

    /// The highest rate that it comes to, in arrivals a second, if it has rates.
    pub fn peak(&self) -> Option<f64> {
        let Arrival::Open { stages, .. } = self else {
            return None;
        };
        let rates = stages.iter().flat_map(|stage| [Some(stage.rate), stage.to]);
        Some(rates.flatten().fold(0.0, f64::max))
    }
}

/// How a client passes the time between an answer and its next operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Think {
    /// Not at all.
    #[default]
    None,
    /// Always as long.
    Fixed(Duration),
    /// From the first to the second, every length as likely.
    Uniform(Duration, Duration),
    /// Exponential with this mean.
    Exponential(Duration),
}

/// How far apart arrivals are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Spacing {
    /// A Poisson process: as many independent users arrive.
    #[default]
    Poisson,
    /// Evenly.
    Constant,
}

/// A time with a rate, or with one that rises or falls evenly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// Arrivals a second at its beginning.
    pub rate: f64,
    /// Arrivals a second at its end; as at its beginning, if none.
    pub to: Option<f64>,
    /// How long it is; the last one may have no end.
    pub length: Option<Duration>,
}

/// What is done. Weights are relative to one another.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Operations {
    /// Instead of weights: every user (or client, in a closed loop) does these in turn.
    pub sequence: Vec<Kind>,
    /// Sends a message to a room, as one of its members.
    pub send: Option<Weight>,
    /// Reads a room, as one of its members.
    pub read: Option<Read>,
    /// Reads what is new in all of a user's rooms.
    pub inbox: Option<Inbox>,
    /// Becomes a member of a room.
    pub join: Option<Weight>,
    /// Creates a room.
    pub create_room: Option<Weight>,
}

/// How often, relative to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Weight {
    /// How often, relative to the others.
    pub weight: u32,
}

/// Reads of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Read {
    /// How often, relative to the others.
    pub weight: u32,
    /// Which page.
    pub page: ReadPage,
    /// Messages of a page, at most.
    pub limit: usize,
}

/// Which page of a room is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ReadPage {
    /// The last messages.
    Latest,
    /// What came since this user last read the room.
    SinceLastSeen,
}

/// Reads of an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Inbox {
    /// How often, relative to the others.
    pub weight: u32,
    /// Messages of an answer, at most.
    pub limit: usize,
}

/// Every online user reads its inbox at set times: the many small periodic reads of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Polling {
    /// How often each user does; when its first time is, is drawn.
    pub every: Duration,
    /// How many users are online: the first of them; all, if none.
    pub users: Option<usize>,
    /// Messages of an answer, at most.
    pub limit: usize,
}

impl Polling {
    /// Polls a second, of all users who are online.
    pub fn rate(&self, population: &Population) -> f64 {
        self.users.unwrap_or(population.users) as f64 / self.every.as_secs_f64()
    }
}

/// What operations must reach; those that did not succeed count as slower than all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Slo {
    /// Response time percentiles, at most.
    pub response_p50: Option<Duration>,
    /// 90th.
    pub response_p90: Option<Duration>,
    /// 95th.
    pub response_p95: Option<Duration>,
    /// 99th.
    pub response_p99: Option<Duration>,
    /// 99.9th.
    pub response_p999: Option<Duration>,
    /// The longest.
    pub response_max: Option<Duration>,
    /// Of the operations that were due, the share that may fail, stay unknown or unfinished.
    pub failed: Option<f64>,
    /// Successful operations a second, at least.
    pub ok_per_s: Option<f64>,
}

impl Slo {
    /// The response times with their names in files, in order.
    pub fn responses(&self) -> [(&'static str, Option<Duration>); 6] {
        [
            ("response_p50", self.response_p50),
            ("response_p90", self.response_p90),
            ("response_p95", self.response_p95),
            ("response_p99", self.response_p99),
            ("response_p999", self.response_p999),
            ("response_max", self.response_max),
        ]
    }
}

/// Something that happens to the cluster under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// When, from the moment that measuring begins.
    pub at: Duration,
    /// What happens.
    pub action: FaultAction,
    /// To whom.
    pub to: FaultTarget,
    /// How long it lasts: then a paused replica goes on, and a killed one is started again.
    /// None: until the load is over.
    pub lasts: Option<Duration>,
}

/// What happens to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FaultAction {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, later SIGCONT.
    Pause,
    /// SIGTERM, waited for, and started again at once.
    Restart,
}

/// To which replica it happens, as they are at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FaultTarget {
    /// The replica that leads.
    Leader,
    /// The first of the others.
    Follower,
}
