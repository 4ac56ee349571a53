//! Large good histories: a replicated log, replicas that lag and restart, clients that send, page
//! through rooms and ask for their inboxes, and observers that compare digests.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use telegraft_history::{Completion, Consistency, Op};

use crate::story::{Line, Story};

/// How large a world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) operations: usize,
    pub(crate) rooms: u64,
    pub(crate) clients: u64,
    pub(crate) replicas: u64,
    /// Whether clients now and then read a whole room, beside the reads in the end (what is shown
    /// grows with the square of the operations then), and long pages.
    pub(crate) whole_reads: bool,
}

impl Size {
    /// A few hundred to a few thousand operations.
    pub(crate) fn drawn(seed: u64, operations: usize) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        Self {
            operations,
            rooms: rng.random_range(2..=6),
            clients: rng.random_range(6..=24),
            replicas: rng.random_range(3..=5),
            whole_reads: true,
        }
    }
}

/// Users; user `u` belongs to the rooms for which `room % USERS != u`.
const USERS: u64 = 4;
/// A limit that no room or inbox reaches.
pub(crate) const WHOLE: u32 = 1_000_000;

enum Stage {
    Idle,
    Open(Op),
    Decided(Op, Completion),
}

struct Client {
    process: u64,
    stage: Stage,
    /// Where it goes on reading each room, and its inbox.
    cursors: BTreeMap<u64, u64>,
    inbox: u64,
    /// The log index of its last acknowledged send: it can ask to see its own writes.
    own: u64,
}

impl Client {
    fn new(process: u64) -> Self {
        Self {
            process,
            stage: Stage::Idle,
            cursors: BTreeMap::new(),
            inbox: 0,
            own: 0,
        }
    }
}

struct World {
    rng: StdRng,
    size: Size,
    story: Story,
    last_index: u64,
    applied: Vec<u64>,
    clients: Vec<Client>,
    next_process: u64,
    next_id: u64,
    invoked: usize,
    late: Vec<(u64, String)>,
}

/// Lets a cluster and its clients live for as many operations as asked, and reads everything from
/// every replica in the end.
pub(crate) fn good(seed: u64, size: Size) -> Story {
    let mut world = World {
        rng: StdRng::seed_from_u64(seed),
        size,
        story: Story::default(),
        last_index: 0,
        applied: vec![0; size.replicas as usize],
        clients: (0..size.clients).map(Client::new).collect(),
        next_process: size.clients,
        next_id: 0,
        invoked: 0,
        late: Vec::new(),
    };
    for user in 0..USERS {
        for room in rooms_of(user, size) {
            world.story.lines.push(Line::Member { room, user });
        }
    }
    while world.step() {}
    world.settle();
    world.story
}

fn rooms_of(user: u64, size: Size) -> impl Iterator<Item = u64> {
    (0..size.rooms).filter(move |room| room % USERS != user)
}

impl World {
    /// One event; `false` when there is nothing left to do.
    fn step(&mut self) -> bool {
        for replica in 0..self.applied.len() {
            if self.rng.random_bool(0.3) {
                let applied = self.applied[replica];
                self.applied[replica] = self.rng.random_range(applied..=self.last_index);
            }
        }
        if self.rng.random_bool(0.003) {
            self.restart();
        }
        if self.rng.random_bool(0.01) {
            let replica = self.rng.random_range(0..self.applied.len());
            self.digest(replica);
        }
        if !self.late.is_empty() && self.rng.random_bool(0.02) {
            let (room, id) = self.late.swap_remove(0);
            self.append(room, id);
        }
        let chosen = self.rng.random_range(0..self.clients.len());
        let stage = std::mem::replace(&mut self.clients[chosen].stage, Stage::Idle);
        let process = self.clients[chosen].process;
        let next = match stage {
            Stage::Idle if self.invoked < self.size.operations => {
                self.invoked += 1;
                let op = self.ask(chosen);
                self.story.lines.push(Line::Invoke {
                    process,
                    op: op.clone(),
                });
                Stage::Open(op)
            }
            Stage::Idle => {
                return self
                    .clients
                    .iter()
                    .any(|client| !matches!(client.stage, Stage::Idle));
            }
            Stage::Open(op) => {
                let completion = self.decide(&op);
                Stage::Decided(op, completion)
            }
            Stage::Decided(op, completion) => {
                self.learn(chosen, &op, &completion);
                self.story.lines.push(Line::Complete {
                    process,
                    op,
                    completion,
                });
                Stage::Idle
            }
        };
        self.clients[chosen].stage = next;
        true
    }

    fn append(&mut self, room: u64, id: String) -> Completion {
        self.last_index += if self.rng.random_bool(0.1) { 2 } else { 1 };
        Completion::Sent {
            seq: self.story.append(room, self.last_index, id),
            log_index: self.last_index,
            term: 1,
        }
    }

    /// A replica is killed and comes back: it applies its log again, from somewhere before.
    fn restart(&mut self) {
        let replica = self.rng.random_range(1..=self.size.replicas);
        for f in ["kill", "start"] {
            self.story.lines.push(Line::Nemesis {
                f,
                replica: Some(replica),
            });
        }
        let applied = &mut self.applied[replica as usize - 1];
        *applied = self.rng.random_range(0..=*applied);
    }

    fn digest(&mut self, replica: usize) {
        let log_index = self.applied[replica];
        let mut hasher = DefaultHasher::new();
        log_index.hash(&mut hasher);
        // The last entry stands for all before it: the log is the same for everyone.
        let last = self.story.log.partition_point(|m| m.log_index <= log_index);
        last.hash(&mut hasher);
        self.story.lines.push(Line::Digest {
            replica: replica as u64 + 1,
            log_index,
            value: format!("{:032x}", hasher.finish()),
        });
    }

    fn ask(&mut self, chosen: usize) -> Op {
        let room = self.rng.random_range(0..self.size.rooms);
        let replica = self.rng.random_range(1..=self.size.replicas);
        let consistency = match self.rng.random_range(0..10) {
            0..4 => Consistency::Linearizable,
            4..6 => Consistency::Lease,
            _ => Consistency::Local,
        };
        let client = &self.clients[chosen];
        match self.rng.random_range(0..100) {
            0..45 => {
                self.next_id += 1;
                let id = format!("m{}", self.next_id);
                Op::Send { room, id }
            }
            45..85 => {
                let known = client.cursors.get(&room).copied().unwrap_or_default();
                let after = match self.rng.random_range(0..20) {
                    0..15 => known,
                    15..19 => self.rng.random_range(0..=known),
                    _ => 0,
                };
                let limit = match self.rng.random_range(0..20) {
                    0..15 if self.size.whole_reads => 50,
                    0..15 => 10,
                    19 if self.size.whole_reads => WHOLE,
                    _ => self.rng.random_range(1..=5),
                };
                let own = consistency == Consistency::Local && self.rng.random_bool(0.3);
                Op::Read {
                    room,
                    after,
                    limit,
                    consistency,
                    replica,
                    min_index: if own { client.own } else { 0 },
                }
            }
            _ => Op::Inbox {
                // A client asks for one user's inbox only: the cursor belongs to a user.
                user: client.process % USERS,
                after: client.inbox,
                limit: self.rng.random_range(1..=30),
                consistency,
                replica,
            },
        }
    }

    /// The moment at which an operation takes effect, or shows that it will not.
    fn decide(&mut self, op: &Op) -> Completion {
        let draw = self.rng.random_range(0..100);
        match op {
            Op::Send { room, id } => match draw {
                0..3 => Completion::Fail,
                3..7 => {
                    match draw {
                        3 | 4 => drop(self.append(*room, id.clone())),
                        5 => self.late.push((*room, id.clone())),
                        _ => {}
                    }
                    Completion::Unknown
                }
                _ => self.append(*room, id.clone()),
            },
            Op::Read { .. } | Op::Inbox { .. } if draw == 0 => Completion::Fail,
            Op::Read { .. } | Op::Inbox { .. } if draw == 1 => Completion::Unknown,
            Op::Read {
                room,
                after,
                limit,
                consistency,
                replica,
                min_index,
            } => {
                let at = self.read_index(*consistency, *replica, *min_index);
                Completion::Read {
                    values: self.story.page(*room, *after, *limit, at),
                    applied_index: at,
                }
            }
            Op::Inbox {
                user,
                after,
                limit,
                consistency,
                replica,
            } => {
                let at = self.read_index(*consistency, *replica, 0);
                self.inbox(*user, *after, *limit, at)
            }
        }
    }

    fn inbox(&self, user: u64, after: u64, limit: u32, at: u64) -> Completion {
        let rooms: Vec<u64> = rooms_of(user, self.size).collect();
        let (values, last) = self.story.inbox(&rooms, after, limit, at);
        let full = values.len() == limit as usize;
        Completion::Inbox {
            values,
            applied_index: at,
            cursor: if full { last } else { after.max(at) },
        }
    }

    fn read_index(&mut self, consistency: Consistency, replica: u64, min_index: u64) -> u64 {
        let applied = &mut self.applied[replica as usize - 1];
        if consistency == Consistency::Local {
            *applied = (*applied).max(min_index);
        } else {
            // A replica answers when it has applied the read index; it may be further on.
            *applied = self.last_index;
        }
        *applied
    }

    fn learn(&mut self, chosen: usize, op: &Op, completion: &Completion) {
        let client = &mut self.clients[chosen];
        match (op, completion) {
            (_, Completion::Sent { log_index, .. }) => client.own = *log_index,
            (Op::Read { room, .. }, Completion::Read { values, .. }) => {
                if let Some((seq, _)) = values.last() {
                    let cursor = client.cursors.entry(*room).or_default();
                    *cursor = (*cursor).max(*seq);
                }
            }
            (_, Completion::Inbox { cursor, .. }) => client.inbox = *cursor,
            (_, Completion::Unknown) => {
                *client = Client::new(self.next_process);
                self.next_process += 1;
            }
            _ => {}
        }
    }

    /// Everything is healed: every replica has everything, and tells it.
    fn settle(&mut self) {
        for (room, id) in std::mem::take(&mut self.late) {
            if self.rng.random() {
                self.append(room, id);
            }
        }
        self.applied.fill(self.last_index);
        for replica in 0..self.applied.len() {
            self.digest(replica);
            for room in 0..self.size.rooms {
                for consistency in [Consistency::Local, Consistency::Linearizable] {
                    self.alone(Op::Read {
                        room,
                        after: 0,
                        limit: WHOLE,
                        consistency,
                        replica: replica as u64 + 1,
                        min_index: 0,
                    });
                }
            }
            for user in 0..USERS {
                self.alone(Op::Inbox {
                    user,
                    after: 0,
                    limit: WHOLE,
                    consistency: Consistency::Linearizable,
                    replica: replica as u64 + 1,
                });
            }
        }
    }

    /// A read by a process of its own, with nothing beside it.
    fn alone(&mut self, op: Op) {
        let process = self.next_process;
        self.next_process += 1;
        let completion = match &op {
            Op::Read { room, .. } => Completion::Read {
                values: self.story.page(*room, 0, WHOLE, self.last_index),
                applied_index: self.last_index,
            },
            Op::Inbox { user, .. } => self.inbox(*user, 0, WHOLE, self.last_index),
            Op::Send { .. } => unreachable!("only reads are done alone"),
        };
        let lines = &mut self.story.lines;
        lines.push(Line::Invoke {
            process,
            op: op.clone(),
        });
        lines.push(Line::Complete {
            process,
            op,
            completion,
        });
    }
}
