//! All that one seed decides beforehand: the cluster, its settings and the faults.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::time::Duration;
use telegraft_cluster::raft::{Config, Configuration, NodeId};

/// Nanoseconds of the world's clock.
pub(crate) type Nanos = u64;

/// One millisecond.
pub(crate) const MS: Nanos = 1_000_000;

/// How far a node's clock may run ahead or behind, in parts per million. Real clocks stay
/// within 200; the core's lease leaves a margin of 10 % for two that run apart.
const DRIFT_PPM: i64 = 40_000;

/// Whom a fault befalls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Who leads the newest term at that moment.
    Leader,
    /// This node.
    Node(NodeId),
}

/// Which way an isolated node's messages are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Both,
    In,
    Out,
}

/// One thing that goes wrong, for a while.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Cut off from all others.
    Isolate(Target, Way),
    /// Those in the mask (bit `id`) and the rest do not hear each other.
    Split(u8),
    /// Two sides that only one node sees both of.
    Bridge(NodeId),
    /// Each sees its two neighbours only.
    Ring,
    /// No messages from one node to another.
    OneLink(NodeId, NodeId),
    /// The process dies, and starts again at the end.
    Crash(Target),
    /// Every process dies.
    CrashAll,
    /// The process stops (its clock runs on), and goes on at the end.
    Pause(Target),
    /// Stops, and is cut off meanwhile and for as long again.
    PauseAndIsolate(Target),
    /// The disk takes this much longer.
    SlowDisk(Target, Nanos),
    /// The disk takes this much longer, clients write, and it is cut off for the time of the
    /// fault: what it wrote is superseded before it is durable.
    SlowDiskAndIsolate(Target, Nanos),
    /// The disk is full.
    FullDisk(Target),
    /// Many messages are lost, doubled or late.
    BadNetwork,
    /// All that this node is sent, or says, takes this much longer.
    Lag(Target, Way, Nanos),
    /// The leader hands over to this node.
    Transfer(NodeId),
    /// The leader hands over, and is cut off this long afterwards; clients read at it.
    TransferAndIsolate(NodeId, Nanos),
}

/// A fault, when, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) at: Nanos,
    pub(crate) lasts: Nanos,
    pub(crate) fault: Fault,
}

/// One schedule.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) configuration: Configuration,
    /// Entries of term 1 that all nodes hold, and have applied, at the start.
    pub(crate) genesis: u64,
    /// Per node: the index before the first entry that it keeps.
    pub(crate) bases: Vec<u64>,
    /// Of every node; its id is filled in.
    pub(crate) config: Config,
    /// Per node: clock origin, and drift in parts per million.
    pub(crate) clocks: Vec<(Nanos, i64)>,
    /// Shortest and longest way of a message.
    pub(crate) latency: (Nanos, Nanos),
    /// Shares of messages.
    pub(crate) lost: f64,
    pub(crate) doubled: f64,
    pub(crate) late: f64,
    /// AppendEntries keep their order on a link, as on a connection.
    pub(crate) ordered: bool,
    /// Shortest and longest write and sync.
    pub(crate) sync: (Nanos, Nanos),
    /// A wake-up drains what came within this time.
    pub(crate) drain: Nanos,
    /// Timeouts are judged after the peers' messages and before the clients'; else last.
    pub(crate) prioritised: bool,
    /// A process that was stopped waits before it judges timeouts.
    pub(crate) grace: Option<Duration>,
    /// Mean time between clients' requests.
    pub(crate) client_gap: Nanos,
    /// Share of reads.
    pub(crate) reads: f64,
    pub(crate) faults: Vec<Planned>,
    /// When all faults end.
    pub(crate) calm_at: Nanos,
}

impl Plan {
    /// The schedule of this seed, with all its faults or with those kept only.
    pub(crate) fn new(seed: u64, keep: Option<&BTreeSet<usize>>) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let (voters, learners) = match rng.random_range(0..20) {
            0..9 => (3, 0),
            9..16 => (5, 0),
            16..18 => (3, 1),
            18 => (2, rng.random_range(0..=1)),
            _ => (1, rng.random_range(0..=1)),
        };
        let members = voters + learners;
        let address = |id| (id, format!("n{id}:1"));
        let configuration = Configuration {
            voters: (1..=voters).map(address).collect(),
            learners: (voters + 1..=members).map(address).collect(),
        };
        let genesis = if rng.random_bool(0.2) {
            rng.random_range(1..=12)
        } else {
            0
        };
        let timeout = rng.random_range(60..=160) * MS;
        let pick =
            |rng: &mut StdRng, choices: &[usize]| choices[rng.random_range(0..choices.len())];
        let config = Config {
            id: 0,
            election_timeout: Duration::from_nanos(timeout),
            heartbeat_interval: Duration::from_nanos(timeout / rng.random_range(4..=10)),
            max_append_bytes: pick(rng, &[60, 150, 400, 4_000]),
            max_inflight_appends: pick(rng, &[1, 2, 4, 16]),
            max_open_bytes: pick(rng, &[300, 2_000, 20_000]),
            tail_bytes: pick(rng, &[0, 100, 600, 20_000]),
            max_pending_reads: pick(rng, &[1, 8, 64]),
        };
        let fast = rng.random_bool(0.6);
        let longest_way = if fast { 2 * MS } else { timeout / 8 };
        let sync_longest = if rng.random_bool(0.7) {
            3 * MS
        } else {
            timeout / 4
        };
        let calm_at = timeout * rng.random_range(10..=36);
        let rough = rng.random_bool(0.7);
        let mut plan = Plan {
            seed,
            configuration,
            genesis,
            bases: (0..members)
                .map(|_| rng.random_range(0..=genesis))
                .collect(),
            config,
            clocks: (0..members)
                .map(|_| {
                    (
                        rng.random_range(0..1_000_000 * MS),
                        rng.random_range(-DRIFT_PPM..=DRIFT_PPM),
                    )
                })
                .collect(),
            latency: (MS / 10, longest_way),
            lost: if rough {
                rng.random_range(0.0..0.1)
            } else {
                0.0
            },
            doubled: if rough {
                rng.random_range(0.0..0.1)
            } else {
                0.0
            },
            late: if rough {
                rng.random_range(0.0..0.05)
            } else {
                0.0
            },
            ordered: rng.random_bool(0.5),
            sync: (MS / 5, sync_longest),
            drain: if rng.random_bool(0.5) { 0 } else { MS },
            prioritised: rng.random_bool(0.7),
            grace: rng
                .random_bool(0.5)
                .then(|| Duration::from_nanos(timeout / 10)),
            client_gap: timeout / rng.random_range(8..=24),
            reads: rng.random_range(0.2..0.6),
            faults: Vec::new(),
            calm_at,
        };
        let mut at = timeout * rng.random_range(2..=4);
        while at < calm_at {
            let fault = plan.fault(rng, members, timeout);
            let mut lasts = rng.random_range(timeout / 10..=timeout * 3);
            if matches!(fault, Fault::Crash(_)) && rng.random_bool(0.5) {
                lasts = rng.random_range(MS..=timeout / 4);
            }
            plan.faults.push(Planned { at, lasts, fault });
            at += rng.random_range(timeout / 20..=timeout * 2);
        }
        if let Some(keep) = keep {
            let mut number = 0..;
            plan.faults
                .retain(|_| number.next().is_some_and(|number| keep.contains(&number)));
        }
        plan
    }

    fn fault(&self, rng: &mut StdRng, members: u64, timeout: Nanos) -> Fault {
        let node = rng.random_range(1..=members);
        let other = rng.random_range(1..=members);
        let target = if rng.random_bool(0.5) {
            Target::Leader
        } else {
            Target::Node(node)
        };
        let way = [Way::Both, Way::In, Way::Out][rng.random_range(0..3)];
        match rng.random_range(0..30) {
            0..3 => Fault::Isolate(target, way),
            3..5 => Fault::Split(rng.random()),
            5 => Fault::Bridge(node),
            6 => Fault::Ring,
            7 => Fault::OneLink(node, other),
            8..12 => Fault::Crash(target),
            12 => Fault::CrashAll,
            13 => Fault::Pause(target),
            14..17 => Fault::PauseAndIsolate(target),
            17..20 => Fault::SlowDisk(target, rng.random_range(timeout / 4..=timeout * 2)),
            20..22 => Fault::SlowDiskAndIsolate(
                Target::Leader,
                rng.random_range(timeout * 2..=timeout * 5),
            ),
            22..24 => Fault::FullDisk(target),
            24 => Fault::BadNetwork,
            25..27 => Fault::Lag(target, way, rng.random_range(timeout / 4..=timeout)),
            27 => Fault::Transfer(node),
            _ => Fault::TransferAndIsolate(node, rng.random_range(0..=timeout / 8)),
        }
    }
}
