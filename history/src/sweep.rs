//! Goes through the events in order and holds what each operation claims of the log's length
//! against what was known before it began.

use std::collections::HashMap;

use crate::found::Found;
use crate::op::Consistency;
use crate::pages::{capital, fresh};
use crate::places::Places;
use crate::rule::Rule;
use crate::store::{Ending, NONE, Of, Read, Send, Store};
use crate::verdict::{Percentiles, Staleness};

/// Faults after which another process may answer for a replica, so that what it has applied may
/// be behind what it had.
pub const RESTARTS: [&str; 5] = ["kill", "start", "restart", "crash", "stop"];
/// What ends a fault, and is none itself.
pub const ENDS: [&str; 5] = ["start", "resume", "mend", "free", "heal"];

/// A claim of the log's length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) log_index: u64,
    pub(crate) line: u32,
}

const NOTHING: Claim = Claim {
    log_index: 0,
    line: NONE,
};

impl Claim {
    fn raise(&mut self, log_index: u64, line: u32) {
        if log_index > self.log_index {
            *self = Claim { log_index, line };
        }
    }
}

/// What the sweep finds out beside violations.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    /// For each send of unknown outcome the greatest log index that was claimed before it began.
    pub(crate) before: HashMap<u32, Claim>,
    pub(crate) staleness: Staleness,
    pub(crate) longest_outage_ns: u64,
}

/// An answered read or inbox, as far as the log is concerned.
struct Page {
    number: u32,
    is_read: bool,
    replica: u32,
    applied_index: u64,
    invoke: u32,
    complete: u32,
    consistency: Consistency,
}

/// What a replica's local reads have shown since it was started last.
#[derive(Clone, Copy, Debug)]
struct Replica {
    starts: u32,
    shown: Claim,
}

struct Sweep<'a> {
    store: &'a Store,
    places: &'a Places,
    found: &'a mut Found,
    sent: Claim,
    read: Claim,
    digest: Claim,
    replicas: Vec<Replica>,
    /// Of local reads and inboxes that are open, what their replica was when they began.
    open: HashMap<(bool, u32), Replica>,
    /// Of each room the highest seq that was acknowledged so far.
    acknowledged: Vec<u64>,
    before: HashMap<u32, Claim>,
    behind: [Vec<u32>; 3],
    outage: Outage,
}

pub(crate) fn sweep(store: &Store, places: &Places, found: &mut Found) -> Swept {
    let replica = Replica {
        starts: 0,
        shown: NOTHING,
    };
    let mut sweep = Sweep {
        store,
        places,
        found,
        sent: NOTHING,
        read: NOTHING,
        digest: NOTHING,
        replicas: vec![replica; store.replicas.len()],
        open: HashMap::new(),
        acknowledged: vec![0; store.rooms.len()],
        before: HashMap::new(),
        behind: Default::default(),
        outage: Outage::default(),
    };
    for rank in 1..=store.clock.lines() {
        let line = store.clock.line(rank);
        match store.of(line) {
            Of::Nothing => {}
            Of::Send(number) => sweep.send(number, line),
            Of::Read(number) => {
                let read = &store.reads[number as usize];
                if line == read.invoke && read.consistency == Consistency::Local {
                    sweep.staleness(read);
                }
                let page = Page {
                    number,
                    is_read: true,
                    replica: read.replica,
                    applied_index: read.applied_index,
                    invoke: read.invoke,
                    complete: read.complete,
                    consistency: read.consistency,
                };
                sweep.page(&page, line);
            }
            Of::Inbox(number) => {
                let inbox = &store.inboxes[number as usize];
                let page = Page {
                    number,
                    is_read: false,
                    replica: inbox.replica,
                    applied_index: inbox.applied_index,
                    invoke: inbox.invoke,
                    complete: inbox.complete,
                    consistency: inbox.consistency,
                };
                sweep.page(&page, line);
            }
            Of::Fault(number) => {
                let (_, fault) = &store.faults[number as usize];
                if RESTARTS.contains(&&*fault.f) {
                    sweep.restart(fault.replica);
                }
            }
            Of::Digest(number) => {
                let index = store.digests[number as usize].log_index;
                sweep.digest.raise(index, line);
            }
        }
    }
    let [messages, log_entries, milliseconds] = sweep.behind;
    Swept {
        before: sweep.before,
        staleness: Staleness {
            reads: messages.len() as u64,
            messages: percentiles(messages),
            log_entries: percentiles(log_entries),
            milliseconds: percentiles(milliseconds),
        },
        longest_outage_ns: sweep.outage.longest_ns,
    }
}

impl Sweep<'_> {
    fn send(&mut self, number: u32, line: u32) {
        let send = &self.store.sends[number as usize];
        let now = self.store.clock.time(line);
        if line != send.invoke {
            let acknowledged = send.ending == Ending::Acknowledged;
            self.outage.ended(now, acknowledged);
            if acknowledged {
                self.sent.raise(send.log_index, line);
                let highest = &mut self.acknowledged[send.room as usize];
                *highest = send.seq.max(*highest);
            }
            return;
        }
        self.outage.began(now);
        match send.ending {
            Ending::Acknowledged => self.acknowledged(send),
            Ending::Failed => {}
            Ending::Unknown => {
                let claims = [self.sent, self.read, self.digest];
                let greatest = claims.into_iter().max_by_key(|claim| claim.log_index);
                self.before.insert(number, greatest.unwrap_or(NOTHING));
            }
        }
    }

    /// A send that will be acknowledged begins: its entry comes after all that is known.
    fn acknowledged(&mut self, send: &Send) {
        let room = self.store.rooms[send.room as usize];
        let (seq, index) = (send.seq, send.log_index);
        if self.sent.log_index > index {
            let Claim { log_index, line } = self.sent;
            self.found
                .add(Rule::RealTimeOrder, &[line, send.invoke], || {
                    format!(
                        "Seq {seq} of room {room} is at log index {index}, before a message at log \
                         index {log_index} that was acknowledged before it was sent."
                    )
                });
        } else if self.read.log_index >= index {
            let Claim { log_index, line } = self.read;
            self.found
                .once(Rule::FutureRead, send.message, &[line, send.invoke], || {
                    format!(
                        "Seq {seq} of room {room} is at log index {index}, but a read was answered \
                         at applied index {log_index} before it was sent."
                    )
                });
        } else if self.digest.log_index >= index {
            let Claim { log_index, line } = self.digest;
            self.found
                .add(Rule::AppliedIndex, &[line, send.invoke], || {
                    format!(
                        "Seq {seq} of room {room} is at log index {index}, but a replica had \
                         applied log index {log_index} before it was sent."
                    )
                });
        }
    }

    fn page(&mut self, page: &Page, line: u32) {
        let local = page.consistency == Consistency::Local;
        let key = (page.is_read, page.number);
        if line == page.invoke {
            if local {
                self.open.insert(key, self.replicas[page.replica as usize]);
            } else if !(page.is_read && self.found.wrong_reads.contains(&page.number)) {
                self.fresh(page);
            }
            return;
        }
        self.read.raise(page.applied_index, line);
        let Some(began) = self.open.remove(&key) else {
            return;
        };
        let name = self.store.replicas[page.replica as usize];
        let replica = &mut self.replicas[page.replica as usize];
        // 0: nobody tells which one it was.
        if name == 0 || replica.starts != began.starts {
            return;
        }
        replica.shown.raise(page.applied_index, line);
        let Claim { log_index, line } = began.shown;
        if page.applied_index < log_index {
            let applied = page.applied_index;
            self.found
                .add(Rule::BackwardsRead, &[line, page.complete], || {
                    format!(
                        "Replica {name} answers a local read at applied index {applied}, after it \
                         had answered one at {log_index}, and was not started anew between them."
                    )
                });
        }
    }

    /// A linearizable or lease read begins: it sees all that is known.
    fn fresh(&mut self, page: &Page) {
        let applied = page.applied_index;
        let what = || capital(fresh(page.consistency));
        if applied < self.sent.log_index {
            let Claim { log_index, line } = self.sent;
            self.found
                .add(Rule::AppliedIndex, &[line, page.complete], || {
                    format!(
                        "{} is answered at applied index {applied}, but log index {log_index} was \
                         acknowledged before it began.",
                        what()
                    )
                });
        } else if applied < self.read.log_index {
            let Claim { log_index, line } = self.read;
            self.found
                .add(Rule::BackwardsRead, &[line, page.complete], || {
                    format!(
                        "{} is answered at applied index {applied}, but another read was answered \
                         at {log_index} before it began.",
                        what()
                    )
                });
        } else if applied < self.digest.log_index {
            let Claim { log_index, line } = self.digest;
            self.found
                .add(Rule::AppliedIndex, &[line, page.complete], || {
                    format!(
                        "{} is answered at applied index {applied}, but a replica had applied log \
                         index {log_index} before it began.",
                        what()
                    )
                });
        }
    }

    fn restart(&mut self, name: Option<u64>) {
        for (replica, &is) in self.replicas.iter_mut().zip(&self.store.replicas) {
            if name.is_none_or(|name| name == is) {
                replica.starts += 1;
                replica.shown = NOTHING;
            }
        }
    }

    fn staleness(&mut self, read: &Read) {
        let room = &self.places.rooms[read.room as usize];
        let shown = if read.count > 0 { read.last() } else { 0 };
        let visible = room.applied_at(read.applied_index).max(shown);
        let (now, rank) = (
            self.store.clock.time(read.invoke),
            self.store.clock.rank(read.invoke),
        );
        let missing = self.acknowledged[read.room as usize].saturating_sub(visible);
        let entries = self.sent.log_index.saturating_sub(read.applied_index);
        let acked = room.first_ack(visible);
        let since = match acked < rank {
            true => now - self.store.clock.time(self.store.clock.line(acked)),
            false => 0,
        };
        for (all, behind) in self
            .behind
            .iter_mut()
            .zip([missing, entries, since / 1_000_000])
        {
            all.push(u32::try_from(behind).unwrap_or(u32::MAX));
        }
    }
}

/// Finds the longest time in which no send succeeded. It runs while sends are open, and goes on
/// when they fail; when the last open one succeeds, nobody waits.
#[derive(Debug, Default)]
struct Outage {
    open: u64,
    since: Option<u64>,
    longest_ns: u64,
}

impl Outage {
    fn began(&mut self, now: u64) {
        self.open += 1;
        self.since.get_or_insert(now);
    }

    fn ended(&mut self, now: u64, acknowledged: bool) {
        if let Some(since) = self.since {
            self.longest_ns = self.longest_ns.max(now - since);
        }
        self.open -= 1;
        if acknowledged {
            self.since = (self.open > 0).then_some(now);
        }
    }
}

fn percentiles(mut all: Vec<u32>) -> Percentiles {
    all.sort_unstable();
    let at = |percent: usize| {
        let rank = (all.len() * percent).div_ceil(100).max(1);
        all.get(rank - 1).map_or(0, |&value| u64::from(value))
    };
    Percentiles {
        p50: at(50),
        p90: at(90),
        p99: at(99),
        max: at(100),
    }
}
