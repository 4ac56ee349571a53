//! What can be done to a cluster: kinds of faults, and whom they hit.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::values::duration_text;

/// A kind of fault, as `--faults` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// kill -9, and started again.
    Kill,
    /// SIGSTOP for longer than a lease and an election timeout, then SIGCONT.
    Pause,
    /// SIGTERM, and started again.
    Restart,
    /// Replicas that do not hear each other.
    Partition,
    /// Frames between replicas that arrive late.
    Delay,
    /// Links with little bandwidth.
    Throttle,
    /// Frames that never arrive.
    Loss,
    /// Frames that arrive twice.
    Duplicate,
    /// Frames that overtake each other.
    Reorder,
    /// Disks without room.
    DiskFull,
}

impl FaultKind {
    /// All of them, in the order in which they are told of.
    pub const ALL: [FaultKind; 10] = [
        FaultKind::Kill,
        FaultKind::Pause,
        FaultKind::Restart,
        FaultKind::Partition,
        FaultKind::Delay,
        FaultKind::Throttle,
        FaultKind::Loss,
        FaultKind::Duplicate,
        FaultKind::Reorder,
        FaultKind::DiskFull,
    ];

    /// As `--faults` has it.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Kill => "kill",
            FaultKind::Pause => "pause",
            FaultKind::Restart => "restart",
            FaultKind::Partition => "partition",
            FaultKind::Delay => "delay",
            FaultKind::Throttle => "throttle",
            FaultKind::Loss => "loss",
            FaultKind::Duplicate => "duplicate",
            FaultKind::Reorder => "reorder",
            FaultKind::DiskFull => "disk-full",
        }
    }

    /// What the end of such a fault is called in the history and in `events.csv`.
    pub fn end_name(self) -> &'static str {
        match self {
            FaultKind::Kill | FaultKind::Restart => "start",
            FaultKind::Pause => "resume",
            FaultKind::DiskFull => "free",
            _ => "mend",
        }
    }

    /// Whether it is done to links, not to replicas.
    pub fn is_of_links(self) -> bool {
        matches!(
            self,
            FaultKind::Partition
                | FaultKind::Delay
                | FaultKind::Throttle
                | FaultKind::Loss
                | FaultKind::Duplicate
                | FaultKind::Reorder
        )
    }

    /// How long one lasts: the shortest and the longest. A pause outlasts the election timeout
    /// (0.6 to 1.2 s) and the lease, which is shorter; a full disk is noticed only when the
    /// segments that were allocated before are used up.
    pub(super) fn lengths(self) -> (Duration, Duration) {
        let (shortest, longest) = match self {
            FaultKind::Kill => (800, 4_000),
            FaultKind::Pause => (1_500, 4_000),
            FaultKind::Restart => (1_000, 1_000),
            FaultKind::DiskFull => (5_000, 8_000),
            _ => (1_500, 6_000),
        };
        (
            Duration::from_millis(shortest),
            Duration::from_millis(longest),
        )
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = FaultKind::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| {
            let names = FaultKind::ALL.map(FaultKind::name).join(", ");
            format!("{text:?} is no kind of fault: there are {names}")
        })
    }
}

/// Which replicas are hit, told at the moment when they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Who leads then.
    Leader,
    /// One that does not.
    Follower,
    /// As many as the cluster can do without, but more than one.
    Minority,
    /// One more than that.
    Majority,
    /// Every one.
    All,
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Whom::Leader => "the leader",
            Whom::Follower => "a follower",
            Whom::Minority => "a minority",
            Whom::Majority => "a majority",
            Whom::All => "all replicas",
        })
    }
}

/// Which links are worse than they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every one, both ways.
    All,
    /// The leader's, both ways.
    OfLeader,
    /// The one between the leader and one follower, both ways.
    One,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Which::All => "all links",
            Which::OfLeader => "the leader's links",
            Which::One => "one of the leader's links",
        })
    }
}

/// Who does not hear whom in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The leader and nobody.
    LeaderAlone,
    /// Two parts; the leader is in the smaller one.
    LeaderInMinority,
    /// Two parts; the leader is in the larger one.
    LeaderInMajority,
    /// Each hears two neighbours: everyone a majority, and no two the same.
    Ring,
    /// Two parts, and one replica that hears both.
    Bridge,
    /// The leader hears all, and nobody hears it.
    LeaderUnheard,
    /// All hear the leader, and it hears nobody.
    LeaderDeaf,
    /// One link, between the leader and a follower: both hear all others.
    OneLink,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::LeaderAlone => "the leader alone",
            Shape::LeaderInMinority => "two parts, the leader in the smaller",
            Shape::LeaderInMajority => "two parts, the leader in the larger",
            Shape::Ring => "a ring",
            Shape::Bridge => "two parts with a bridge",
            Shape::LeaderUnheard => "one way, nobody hears the leader",
            Shape::LeaderDeaf => "one way, the leader hears nobody",
            Shape::OneLink => "one of the leader's links",
        })
    }
}

/// How a link is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Connections break, and new ones are refused.
    Reset,
    /// Everything vanishes.
    Silent,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// kill -9.
    Kill(Whom),
    /// SIGSTOP.
    Pause(Whom),
    /// SIGTERM.
    Restart(Whom),
    /// Links are cut.
    Partition {
        /// Which.
        shape: Shape,
        /// How.
        style: Style,
    },
    /// Every frame arrives so much later.
    Delay {
        /// Which links.
        on: Which,
        /// At least.
        delay: Duration,
        /// Up to so much more.
        jitter: Duration,
    },
    /// Links carry no more than this.
    Throttle {
        /// Which links.
        on: Which,
        /// Bytes a second.
        bytes_per_s: u64,
    },
    /// Frames are lost with this probability.
    Loss {
        /// Which links.
        on: Which,
        /// From 0 to 1.
        share: f64,
    },
    /// Frames arrive twice with this probability.
    Duplicate {
        /// Which links.
        on: Which,
        /// From 0 to 1.
        share: f64,
    },
    /// Frames overtake others with this probability.
    Reorder {
        /// Which links.
        on: Which,
        /// From 0 to 1.
        share: f64,
    },
    /// Disks have no room.
    DiskFull(Whom),
}

impl Action {
    /// What kind of fault it is.
    pub fn kind(&self) -> FaultKind {
        match self {
            Action::Kill(_) => FaultKind::Kill,
            Action::Pause(_) => FaultKind::Pause,
            Action::Restart(_) => FaultKind::Restart,
            Action::Partition { .. } => FaultKind::Partition,
            Action::Delay { .. } => FaultKind::Delay,
            Action::Throttle { .. } => FaultKind::Throttle,
            Action::Loss { .. } => FaultKind::Loss,
            Action::Duplicate { .. } => FaultKind::Duplicate,
            Action::Reorder { .. } => FaultKind::Reorder,
            Action::DiskFull(_) => FaultKind::DiskFull,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_cent = |share: f64| share * 100.0;
        match self {
            Action::Kill(whom) => write!(f, "kill -9 of {whom}"),
            Action::Pause(whom) => write!(f, "pause of {whom}"),
            Action::Restart(whom) => write!(f, "restart of {whom}"),
            Action::Partition { shape, style } => {
                let how = match style {
                    Style::Reset => "connections reset",
                    Style::Silent => "in silence",
                };
                write!(f, "partition: {shape}, {how}")
            }
            Action::Delay { on, delay, jitter } => write!(
                f,
                "delay of {on}: {} and up to {} more",
                duration_text(*delay),
                duration_text(*jitter)
            ),
            Action::Throttle { on, bytes_per_s } => {
                write!(f, "throttle of {on}: {} KiB/s", bytes_per_s >> 10)
            }
            Action::Loss { on, share } => write!(f, "loss on {on}: {:.0} %", per_cent(*share)),
            Action::Duplicate { on, share } => {
                write!(f, "duplicates on {on}: {:.0} %", per_cent(*share))
            }
            Action::Reorder { on, share } => {
                write!(f, "reordering on {on}: {:.0} %", per_cent(*share))
            }
            Action::DiskFull(whom) => write!(f, "full disk of {whom}"),
        }
    }
}
