//! Small histories that are good: what a cluster that keeps its promises shows to a handful of
//! clients, with every operation taking effect at one random instant of its own.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use telegraft_history::Consistency;

use crate::case::{Ack, Case, Operation, Outcome, Page, What};

/// Replicas that local reads go to.
const REPLICAS: usize = 3;
/// Time between two events, so that a breaker finds room between them.
const STEP: u64 = 10;

/// The cluster: one list of messages per room, and the log that they all stand in.
struct Cluster {
    lists: Vec<Vec<(u64, u64)>>,
    last_index: u64,
    /// How far each replica has applied.
    applied: [u64; REPLICAS],
}

impl Cluster {
    fn append(&mut self, room: u64, id: u64, rng: &mut StdRng) -> Ack {
        // Other rooms' joins and empty entries stand in the log too.
        self.last_index += rng.random_range(1..=3);
        let list = &mut self.lists[room as usize];
        list.push((id, self.last_index));
        Ack {
            seq: list.len() as u64,
            log_index: self.last_index,
        }
    }

    /// The page of a room as it stood at an index.
    fn page(&self, room: u64, after: u64, limit: u32, at: u64) -> Page {
        let values = (1..)
            .zip(&self.lists[room as usize])
            .skip(after as usize)
            .take_while(|(_, (_, index))| *index <= at)
            .take(limit as usize)
            .map(|(seq, (id, _))| (seq, *id))
            .collect();
        Page {
            values,
            applied_index: at,
        }
    }
}

/// How far the operation of one client has come.
enum Stage {
    Idle,
    /// Asked for, with no effect yet.
    Open(usize),
    /// It has had its effect, or never will; what is open is the answer.
    Decided(usize),
}

/// One good history.
pub(crate) fn good(seed: u64) -> Case {
    let rng = &mut StdRng::seed_from_u64(seed);
    let rooms = rng.random_range(1..=2);
    let count = rng.random_range(4..=14);
    // How many of the sends fail, and how many end unknown, is drawn per history: some have none.
    let failing = [0.0, 0.1, 0.2][rng.random_range(0..3)];
    let unknown = [0.0, 0.2, 0.4][rng.random_range(0..3)];
    let sends = rng.random_range(0.35..0.75);
    let mut cluster = Cluster {
        lists: vec![Vec::new(); rooms],
        last_index: 0,
        applied: [0; REPLICAS],
    };
    let mut clients: Vec<(u64, Stage)> = (0..rng.random_range(2..=5))
        .map(|process| (process, Stage::Idle))
        .collect();
    let mut next_process = clients.len() as u64;
    let mut operations: Vec<Operation> = Vec::new();
    // Sends that ended unknown and may take effect later.
    let mut late: Vec<usize> = Vec::new();
    let mut time = 0;
    loop {
        time += STEP;
        for applied in &mut cluster.applied {
            if rng.random_bool(0.3) {
                *applied = rng.random_range(*applied..=cluster.last_index);
            }
        }
        if !late.is_empty() && rng.random_bool(0.15) {
            let operation = late.swap_remove(rng.random_range(0..late.len()));
            let o = &operations[operation];
            let (room, id) = (o.room, o.sent().expect("only sends are late"));
            cluster.append(room, id, rng);
            continue;
        }
        let busy = clients.iter().any(|(_, s)| !matches!(s, Stage::Idle));
        if operations.len() == count && !busy {
            break;
        }
        let chosen = rng.random_range(0..clients.len());
        let (process, stage) = &mut clients[chosen];
        match *stage {
            Stage::Idle if operations.len() < count => {
                let room = rng.random_range(0..rooms as u64);
                let length = cluster.lists[room as usize].len() as u64;
                let id = operations.len() as u64 + 1;
                let what = if rng.random_bool(sends) {
                    What::Send {
                        id,
                        outcome: Outcome::Unknown,
                    }
                } else {
                    ask(length, rng)
                };
                operations.push(Operation {
                    process: *process,
                    room,
                    invoked: time,
                    completed: u64::MAX,
                    what,
                });
                *stage = Stage::Open(operations.len() - 1);
            }
            Stage::Idle => {}
            Stage::Open(operation) => {
                let o = &mut operations[operation];
                match &mut o.what {
                    What::Send { id, outcome } => {
                        let draw = rng.random::<f64>();
                        if draw < failing {
                            *outcome = Outcome::Fail;
                        } else if draw < failing + unknown {
                            // Its effect comes now, later, or never.
                            match rng.random_range(0..3) {
                                0 => drop(cluster.append(o.room, *id, rng)),
                                1 => late.push(operation),
                                _ => {}
                            }
                        } else {
                            *outcome = Outcome::Ok(cluster.append(o.room, *id, rng));
                        }
                    }
                    What::Read {
                        after,
                        limit,
                        consistency,
                        replica,
                        outcome,
                    } => {
                        let at = match consistency {
                            Consistency::Local => cluster.applied[*replica as usize - 1],
                            Consistency::Linearizable | Consistency::Lease => cluster.last_index,
                        };
                        *outcome = match rng.random_range(0..20) {
                            0 => Outcome::Fail,
                            1 => Outcome::Unknown,
                            _ => Outcome::Ok(cluster.page(o.room, *after, *limit, at)),
                        };
                    }
                }
                *stage = Stage::Decided(operation);
            }
            Stage::Decided(operation) => {
                operations[operation].completed = time;
                *stage = Stage::Idle;
                let unknown = match &operations[operation].what {
                    What::Send { outcome, .. } => *outcome == Outcome::Unknown,
                    What::Read { outcome, .. } => *outcome == Outcome::Unknown,
                };
                if unknown {
                    *process = next_process;
                    next_process += 1;
                }
            }
        }
    }
    let lists = cluster.lists.iter();
    Case {
        operations,
        lists: lists
            .map(|list| list.iter().map(|(id, _)| *id).collect())
            .collect(),
    }
}

/// A read of a room that is so long: mostly the whole, sometimes a page.
fn ask(length: u64, rng: &mut StdRng) -> What {
    let (after, limit) = match rng.random_range(0..10) {
        0..5 => (0, 100),
        5..7 => (0, rng.random_range(1..=4)),
        7..9 => (rng.random_range(0..=length), 100),
        _ => (rng.random_range(0..=length + 1), rng.random_range(1..=3)),
    };
    let consistency = match rng.random_range(0..10) {
        0..5 => Consistency::Linearizable,
        5..8 => Consistency::Lease,
        _ => Consistency::Local,
    };
    What::Read {
        after,
        limit,
        consistency,
        replica: rng.random_range(1..=REPLICAS as u64),
        outcome: Outcome::Unknown,
    }
}
