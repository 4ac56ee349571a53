//! What happens in a run: a function of the seed, and a thing that can be made smaller.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use telegraft_cluster::chat::SessionLimits;
use telegraft_cluster::env::Cut;
use telegraft_cluster::node::{Limits, Mailbox};

use crate::fault::{Disks, Fault, Shape, Target};

/// A run goes on for this long at least, in virtual time.
const LENGTH: Duration = Duration::from_secs(30);
/// And until the clients have done so much.
const OPERATIONS: u64 = 2_000;
/// Faults begin after this, when there is something to break.
const FIRST_FAULT: Duration = Duration::from_millis(700);

/// One fault of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub length: Duration,
    /// What it is.
    pub fault: Fault,
    /// What it draws whom it hits from.
    pub seed: u64,
}

/// One client of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPlan {
    /// Its number: its messages are named after it.
    pub number: usize,
    /// What it draws its operations from.
    pub seed: u64,
    /// The longest pause between two operations.
    pub think: Duration,
    /// Operations after which it stops; 0 for none.
    pub most: u64,
}

/// What happens in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its seed.
    pub seed: u64,
    /// How many nodes.
    pub nodes: u64,
    /// Their mailboxes.
    pub mailbox: Mailbox,
    /// The size of a log segment, in bytes.
    pub segment_bytes: u64,
    /// What the nodes keep and remember.
    pub raft_tail_bytes: usize,
    /// What they keep to answer reads from.
    pub applier_tail_bytes: usize,
    /// What sessions remember.
    pub window: u64,
    /// How many sessions are open.
    pub sessions: usize,
    /// After how many entries an idle one expires.
    pub idle_entries: u64,
    /// The shortest and longest time of a frame on its way.
    pub latency: (Duration, Duration),
    /// The shortest and longest time of a write.
    pub write_latency: (Duration, Duration),
    /// The clients.
    pub clients: Vec<ClientPlan>,
    /// The faults, in the order of their times.
    pub faults: Vec<Due>,
    /// How long the faulty part takes at least.
    pub length: Duration,
    /// How many operations the clients do at least.
    pub operations: u64,
}

impl Plan {
    /// The plan of a seed, for that many nodes.
    pub fn draw(seed: u64, nodes: u64) -> Plan {
        let mut rng = StdRng::seed_from_u64(seed);
        let millis = Duration::from_millis;
        let clients = rng.random_range(10..=16);
        let clients = (1..=clients).map(|number| ClientPlan {
            number,
            seed: rng.random(),
            think: millis(rng.random_range(150..440)),
            most: 0,
        });
        let clients = clients.collect();
        let count = rng.random_range(13..=19);
        let mut faults: Vec<Due> = (0..count)
            .map(|_| {
                let fault = Fault::draw(&mut rng);
                let length = fault.draw_length(&mut rng);
                Due {
                    at: rng.random_range(FIRST_FAULT..LENGTH - length),
                    length,
                    fault,
                    seed: rng.random(),
                }
            })
            .collect();
        faults.extend(draw_sequence(&mut rng));
        faults.sort_by_key(|due| due.at);
        Plan {
            seed,
            nodes,
            mailbox: if rng.random_bool(0.8) {
                Mailbox::Lanes
            } else {
                Mailbox::Fifo
            },
            segment_bytes: 1 << rng.random_range(13..17),
            raft_tail_bytes: 1 << rng.random_range(11..18),
            applier_tail_bytes: 1 << rng.random_range(12..19),
            window: rng.random_range(6..24),
            sessions: rng.random_range(18..32),
            idle_entries: rng.random_range(150..900),
            latency: (Duration::from_micros(50), millis(rng.random_range(1..4))),
            write_latency: (Duration::from_micros(100), millis(rng.random_range(1..6))),
            clients,
            faults,
            length: LENGTH,
            operations: OPERATIONS,
        }
    }

    /// The nodes' limits.
    pub fn limits(&self) -> Limits {
        Limits {
            raft_tail_bytes: self.raft_tail_bytes,
            applier_tail_bytes: self.applier_tail_bytes,
            sessions: SessionLimits {
                window: self.window,
                sessions: self.sessions,
                // So that this bound is the one that counts, now and then.
                outcomes: self.sessions * usize::try_from(self.window).unwrap_or(1) * 3 / 4,
                idle_entries: self.idle_entries,
            },
        }
    }
}

/// Faults that follow each other as no chance brings them about often enough, or none.
fn draw_sequence(rng: &mut StdRng) -> Vec<Due> {
    let millis = Duration::from_millis;
    let begin = rng.random_range(FIRST_FAULT..LENGTH - millis(8_000));
    let seeds: [u64; 2] = rng.random();
    let mut after = |range: std::ops::Range<u64>| millis(rng.random_range(range));
    let due = |at, length, fault, seed| Due {
        at,
        length,
        fault,
        seed,
    };
    let isolated = |cut| Fault::Partition {
        shape: Shape::LeaderIsolated,
        cut,
    };
    match after(0..8).as_millis() {
        // A leader that is cut off writes what nobody else gets, so slowly that the next leader's
        // entries take its place before it is done.
        0 => {
            let partition = isolated(Cut::Silent);
            let hang = Fault::HangSync(Target::Leader);
            vec![
                due(begin, after(900..2_000), partition, seeds[0]),
                due(begin + after(30..400), after(1_500..4_000), hang, seeds[1]),
            ]
        }
        // A leader hands over while disks are slow: the other is long in taking over, and in
        // committing its first entry.
        1 => {
            let slow = Fault::SlowDisk(Disks::All, after(100..400));
            let stop = Fault::Stop(Target::Leader);
            vec![
                due(begin, after(1_500..3_000), slow, seeds[0]),
                due(begin + after(300..1_000), after(500..2_000), stop, seeds[1]),
            ]
        }
        // A leader stands still for about as long as its lease, and another does after it: what
        // waited meanwhile is taken in at once.
        2 | 3 => {
            let first = Fault::StopInside(Target::Leader, 3);
            let second = Fault::Pause(Target::Leader);
            let then = begin + after(2_500..4_000);
            vec![
                due(begin, after(500..1_300), first, seeds[0]),
                due(then, after(500..1_300), second, seeds[1]),
            ]
        }
        // A leader stands still, and wakes up while it is cut off from all who know better.
        4 | 5 => {
            let partition = isolated(Cut::Silent);
            let looks = 1 + (seeds[0] % 8) as u32;
            let stop = Fault::StopInside(Target::Leader, looks);
            vec![
                due(begin, after(5_500..6_500), partition, seeds[0]),
                due(begin + after(20..300), after(1_500..5_000), stop, seeds[1]),
            ]
        }
        _ => Vec::new(),
    }
}
