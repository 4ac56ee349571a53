//! What goes wrong: the kinds of faults, and whom they hit.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use telegraft_cluster::env::{Cut, LinkFaults};
use telegraft_cluster::raft::NodeId;

/// Whom a fault hits; settled when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Who leads then, or anyone.
    Leader,
    /// Somebody else than the leader.
    Follower,
    /// Anyone.
    Any,
}

/// Whose disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disks {
    /// One node's.
    One(Target),
    /// Everyone's.
    All,
}

/// How a partition runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Two sides; the smaller one has as many nodes as fit.
    Halves,
    /// The leader alone.
    LeaderIsolated,
    /// Each node reaches its two neighbours in a ring.
    Ring,
    /// Two sides, and one node that reaches both.
    Bridge,
    /// The leader speaks and hears nothing.
    DeafLeader,
    /// The leader hears and cannot speak.
    MuteLeader,
    /// Links in one direction, here and there.
    OneWay,
    /// Links in both directions, here and there.
    Partial,
}

/// A kind of fault, with what makes it more or less bad.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Links are cut.
    Partition {
        /// Which.
        shape: Shape,
        /// How.
        cut: Cut,
    },
    /// Frames are lost, duplicated, reordered, delayed, on some links or all.
    Frames {
        /// How badly.
        faults: LinkFaults,
        /// Whether on all links.
        everywhere: bool,
    },
    /// Connections break once.
    BreakConnections,
    /// SIGSTOP, and SIGCONT at the end.
    Pause(Target),
    /// The process stands still in the middle of something, at its n-th next look at the clock.
    StopInside(Target, u32),
    /// kill -9; started again at the end.
    Kill(Target),
    /// The power goes; back at the end.
    Power(Target),
    /// The power goes after this many more effects on the disk.
    PowerAtEffect(Target, u64),
    /// All are killed.
    KillAll,
    /// The power goes for all.
    PowerAll,
    /// The next sync fails.
    FailSync(Target),
    /// Writes take up to so long.
    SlowDisk(Disks, Duration),
    /// One write hangs for the fault's length.
    HangSync(Target),
    /// A node is killed, a bit of its log is flipped, and it is started again.
    Flip,
    /// Bits of a running node's log flip all over, but for its end.
    FlipRunning(Target),
    /// A node loses its data directory, and comes back with a new one.
    Wipe,
    /// No more room than this many bytes.
    FullDisk(Disks, u64),
    /// The wall clock jumps, by milliseconds.
    StepClock(Target, i64),
    /// The clock runs fast or slow, in millionths.
    Drift(Target, i64),
    /// A clean stop: leadership is handed over first.
    Stop(Target),
}

impl Fault {
    /// Its kind's name, kebab-case.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Partition { shape, .. } => match shape {
                Shape::Halves => "partition-halves",
                Shape::LeaderIsolated => "partition-leader",
                Shape::Ring => "partition-ring",
                Shape::Bridge => "partition-bridge",
                Shape::DeafLeader => "partition-deaf-leader",
                Shape::MuteLeader => "partition-mute-leader",
                Shape::OneWay => "partition-one-way",
                Shape::Partial => "partition-partial",
            },
            Fault::Frames { .. } => "frames",
            Fault::BreakConnections => "connections-break",
            Fault::Pause(_) => "pause",
            Fault::StopInside(..) => "stop-inside",
            Fault::Kill(_) => "kill",
            Fault::Power(_) => "power",
            Fault::PowerAtEffect(..) => "power-at-effect",
            Fault::KillAll => "kill-all",
            Fault::PowerAll => "power-all",
            Fault::FailSync(_) => "failed-sync",
            Fault::SlowDisk(..) => "slow-disk",
            Fault::HangSync(_) => "hanging-sync",
            Fault::Flip => "flipped-bit",
            Fault::FlipRunning(_) => "flipped-running",
            Fault::Wipe => "lost-directory",
            Fault::FullDisk(..) => "full-disk",
            Fault::StepClock(..) => "clock-step",
            Fault::Drift(..) => "clock-drift",
            Fault::Stop(_) => "clean-stop",
        }
    }

    /// A fault of any kind.
    pub fn draw(rng: &mut StdRng) -> Fault {
        let target = |rng: &mut StdRng| match rng.random_range(0..4) {
            0 => Target::Any,
            1 => Target::Follower,
            _ => Target::Leader,
        };
        let disks = |rng: &mut StdRng| {
            if rng.random_bool(0.25) {
                Disks::All
            } else {
                Disks::One(target(rng))
            }
        };
        match rng.random_range(0..30) {
            0..=7 => Fault::Partition {
                shape: *pick(
                    rng,
                    &[
                        Shape::Halves,
                        Shape::LeaderIsolated,
                        Shape::Ring,
                        Shape::Bridge,
                        Shape::DeafLeader,
                        Shape::MuteLeader,
                        Shape::OneWay,
                        Shape::Partial,
                    ],
                ),
                cut: if rng.random_bool(0.5) {
                    Cut::Reset
                } else {
                    Cut::Silent
                },
            },
            8 | 9 => Fault::Frames {
                faults: draw_frames(rng),
                everywhere: rng.random_bool(0.5),
            },
            10 => Fault::BreakConnections,
            11 | 12 => Fault::Pause(target(rng)),
            13 | 14 => Fault::StopInside(target(rng), rng.random_range(1..60)),
            15 | 16 => Fault::Kill(target(rng)),
            17 => Fault::Power(target(rng)),
            18 | 19 => Fault::PowerAtEffect(target(rng), rng.random_range(1..12)),
            20 => {
                if rng.random_bool(0.5) {
                    Fault::KillAll
                } else {
                    Fault::PowerAll
                }
            }
            21 => Fault::FailSync(target(rng)),
            22 => {
                let most = Duration::from_millis(rng.random_range(20..400));
                Fault::SlowDisk(disks(rng), most)
            }
            23 => Fault::HangSync(target(rng)),
            24 => match rng.random_range(0..4) {
                0 | 1 => Fault::Flip,
                2 => Fault::FlipRunning(target(rng)),
                _ => Fault::Wipe,
            },
            25 | 26 => {
                let disks = disks(rng);
                Fault::FullDisk(disks, rng.random_range(0..3000))
            }
            27 => {
                let target = target(rng);
                Fault::StepClock(target, rng.random_range(-3_600_000..3_600_000))
            }
            28 => {
                let target = target(rng);
                // Two clocks may run 10 % apart by the lease's margin; each gets 4 % at most.
                Fault::Drift(target, rng.random_range(-40_000..40_000))
            }
            _ => Fault::Stop(target(rng)),
        }
    }

    /// How long it lasts.
    pub fn draw_length(&self, rng: &mut StdRng) -> Duration {
        let millis = match self {
            Fault::HangSync(_) if rng.random_bool(0.5) => 10_000,
            Fault::HangSync(_) => rng.random_range(500..5_000),
            Fault::BreakConnections | Fault::StepClock(..) | Fault::FailSync(_) => 100,
            Fault::StopInside(..) if rng.random_bool(0.4) => rng.random_range(50..2_500),
            // Around an election timeout or two: others may lead when it goes on, or not yet.
            Fault::StopInside(..) => rng.random_range(500..1_600),
            Fault::Pause(_) if rng.random_bool(0.6) => rng.random_range(500..1_600),
            Fault::Pause(_) => rng.random_range(200..3_500),
            Fault::Drift(..) => rng.random_range(2_000..12_000),
            Fault::Kill(_)
            | Fault::Power(_)
            | Fault::PowerAtEffect(..)
            | Fault::KillAll
            | Fault::PowerAll => rng.random_range(10..2_500),
            _ => rng.random_range(500..4_500),
        };
        Duration::from_millis(millis)
    }
}

fn draw_frames(rng: &mut StdRng) -> LinkFaults {
    let mut some = |most: f64| {
        if rng.random_bool(0.6) {
            rng.random_range(0.0..most)
        } else {
            0.0
        }
    };
    let (loss, duplicate, reorder) = (some(0.3), some(0.3), some(0.3));
    let longest = if rng.random_bool(0.4) {
        rng.random_range(1..200)
    } else {
        0
    };
    LinkFaults {
        loss,
        duplicate,
        reorder,
        delay: (Duration::ZERO, Duration::from_millis(longest)),
    }
}

fn pick<'a, T>(rng: &mut StdRng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}

impl Target {
    /// Who that is among nodes 1 to `nodes`.
    pub fn settle(self, nodes: u64, leader: Option<NodeId>, rng: &mut StdRng) -> NodeId {
        match (self, leader) {
            (Target::Leader, Some(leader)) => leader,
            (Target::Follower, Some(leader)) if nodes > 1 => {
                let other = rng.random_range(1..nodes);
                if other >= leader { other + 1 } else { other }
            }
            _ => rng.random_range(1..=nodes),
        }
    }
}

impl Shape {
    /// The directions that are cut among nodes 1 to `nodes`.
    pub fn links(self, nodes: u64, leader: Option<NodeId>, seed: u64) -> Vec<(NodeId, NodeId)> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut order: Vec<NodeId> = (1..=nodes).collect();
        order.shuffle(&mut rng);
        let leader = leader.unwrap_or(order[0]);
        let both = |a: NodeId, b: NodeId| [(a, b), (b, a)];
        let between = |left: &[NodeId], right: &[NodeId]| {
            let pairs = left
                .iter()
                .flat_map(|a| right.iter().map(move |b| (*a, *b)));
            pairs.flat_map(|(a, b)| both(a, b)).collect::<Vec<_>>()
        };
        let others: Vec<NodeId> = order.iter().copied().filter(|id| *id != leader).collect();
        let half = order.len() / 2;
        match self {
            Shape::Halves => between(&order[..half], &order[half..]),
            Shape::LeaderIsolated => between(&[leader], &others),
            Shape::Bridge => between(&order[..half], &order[half + 1..]),
            Shape::DeafLeader => others.iter().map(|other| (*other, leader)).collect(),
            Shape::MuteLeader => others.iter().map(|other| (leader, *other)).collect(),
            Shape::Ring if order.len() == 3 => both(order[0], order[1]).to_vec(),
            Shape::Ring => {
                let mut cut = Vec::new();
                for (at, a) in order.iter().enumerate() {
                    for (other, b) in order.iter().enumerate() {
                        let apart = at.abs_diff(other);
                        if apart > 1 && apart < order.len() - 1 {
                            cut.push((*a, *b));
                        }
                    }
                }
                cut
            }
            Shape::OneWay | Shape::Partial => {
                let mut cut = Vec::new();
                for a in 1..=nodes {
                    for b in a + 1..=nodes {
                        if rng.random_bool(0.4) {
                            match self {
                                Shape::Partial => cut.extend(both(a, b)),
                                _ if rng.random_bool(0.5) => cut.push((a, b)),
                                _ => cut.push((b, a)),
                            }
                        }
                    }
                }
                cut
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())?;
        match self {
            Fault::Partition { cut, .. } => write!(f, " ({cut:?})"),
            Fault::Frames { faults, everywhere } => {
                let place = if *everywhere {
                    "all links"
                } else {
                    "some links"
                };
                write!(
                    f,
                    " (on {place}: lost {:.2}, duplicated {:.2}, reordered {:.2}, late up to {:?})",
                    faults.loss, faults.duplicate, faults.reorder, faults.delay.1
                )
            }
            Fault::StopInside(_, reads) => write!(f, " (at look {reads} at the clock)"),
            Fault::PowerAtEffect(_, effects) => write!(f, " (effect {effects})"),
            Fault::SlowDisk(_, most) => write!(f, " (up to {most:?})"),
            Fault::FullDisk(disks, bytes) => write!(f, " ({disks:?}, {bytes} bytes left)"),
            Fault::StepClock(_, millis) => write!(f, " ({millis} ms)"),
            Fault::Drift(_, ppm) => write!(f, " ({ppm} ppm)"),
            _ => Ok(()),
        }
    }
}
