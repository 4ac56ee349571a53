//! Which message is at which place of its room: what acknowledgements and pages witness.

use std::collections::HashMap;

use crate::found::Found;
use crate::rule::Rule;
use crate::store::{Ending, NONE, Store};

/// A place in a room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// The message, or [`NONE`] while nobody witnesses one.
    pub(crate) message: u32,
    /// The line that witnesses it first.
    pub(crate) line: u32,
    /// Its log index, if its send was acknowledged; else 0.
    pub(crate) log_index: u64,
}

const EMPTY: Slot = Slot {
    message: NONE,
    line: NONE,
    log_index: 0,
};

/// A room's messages by seq.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// The place of seq n is at n − 1. There are as many as messages that were sent to the room.
    pub(crate) slots: Vec<Slot>,
    /// At n, the least log index that was acknowledged of a seq above n; `u64::MAX` if none was.
    /// It never falls with n.
    least_index: Vec<u64>,
    /// At n, the rank of the first acknowledgement of a seq above n; [`NONE`] if none came. It
    /// never falls with n.
    first_ack: Vec<u32>,
}

impl Room {
    pub(crate) fn slot(&self, seq: u64) -> Option<&Slot> {
        let at = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.slots.get(at)
    }

    /// The least acknowledged log index above a seq; `u64::MAX` if there is none.
    pub(crate) fn least_index(&self, seq: u64) -> u64 {
        usize::try_from(seq)
            .ok()
            .and_then(|seq| self.least_index.get(seq))
            .map_or(u64::MAX, |&index| index)
    }

    /// The rank of the first acknowledgement above a seq; [`NONE`] if there is none.
    pub(crate) fn first_ack(&self, seq: u64) -> u32 {
        usize::try_from(seq)
            .ok()
            .and_then(|seq| self.first_ack.get(seq))
            .map_or(NONE, |&rank| rank)
    }

    /// The highest seq that was acknowledged with a log index of at most this; 0 if none was.
    pub(crate) fn applied_at(&self, log_index: u64) -> u64 {
        self.least_index
            .partition_point(|&least| least <= log_index) as u64
    }

    /// The lowest seq above `seq` that was acknowledged with a log index of at most `log_index`.
    pub(crate) fn first_applied(&self, seq: u64, log_index: u64) -> Option<(u64, &Slot)> {
        let at = usize::try_from(seq).ok()?;
        (seq + 1..)
            .zip(self.slots.get(at..)?)
            .find(|(_, slot)| slot.log_index > 0 && slot.log_index <= log_index)
    }

    fn sum_up(&mut self, store: &Store) {
        let count = self.slots.len();
        self.least_index = vec![u64::MAX; count];
        self.first_ack = vec![NONE; count];
        let (mut least, mut first) = (u64::MAX, NONE);
        for (at, slot) in self.slots.iter().enumerate().rev() {
            if slot.log_index > 0 {
                least = least.min(slot.log_index);
                let send = &store.sends[store.sent_by[slot.message as usize] as usize];
                first = first.min(store.clock.rank(send.complete));
            }
            self.least_index[at] = least;
            self.first_ack[at] = first;
        }
    }
}

/// Two messages at one place.
#[derive(Debug)]
struct Conflict {
    room: u32,
    seq: u64,
    messages: [u32; 2],
    lines: [u32; 2],
}

#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) rooms: Vec<Room>,
    /// Of each message its seq, 0 while it has no place.
    pub(crate) seq_of: Vec<u32>,
    /// Whether any page shows a message.
    pub(crate) seen: Vec<bool>,
    conflicts: HashMap<(u32, u64, u32), Conflict>,
}

impl Places {
    /// The places that acknowledgements witness.
    pub(crate) fn of_acknowledged(store: &Store, found: &mut Found) -> Self {
        let rooms = store.sends_to.iter().map(|&sends| Room {
            slots: vec![EMPTY; sends as usize],
            ..Room::default()
        });
        let mut places = Places {
            rooms: rooms.collect(),
            seq_of: vec![0; store.sent_by.len()],
            seen: vec![false; store.sent_by.len()],
            conflicts: HashMap::new(),
        };
        for send in &store.sends {
            if send.ending != Ending::Acknowledged {
                continue;
            }
            if places.put(
                store,
                found,
                send.room,
                send.seq,
                send.message,
                send.complete,
            ) {
                let at = send.seq as usize - 1;
                places.rooms[send.room as usize].slots[at].log_index = send.log_index;
            }
        }
        places
    }

    /// A line witnesses a message at a place. Whether it may be there, as far as is known yet.
    pub(crate) fn put(
        &mut self,
        store: &Store,
        found: &mut Found,
        room: u32,
        seq: u64,
        message: u32,
        line: u32,
    ) -> bool {
        let name = store.rooms[room as usize];
        let at = u64::from(self.seq_of[message as usize]);
        if at == seq {
            return true;
        }
        let slots = &mut self.rooms[room as usize].slots;
        if at != 0 {
            let first = slots[at as usize - 1].line;
            let sent = store.sends[store.sent_by[message as usize] as usize].invoke;
            found.once(Rule::Duplicate, message, &[sent, first, line], || {
                format!("A message is in room {name} twice: at seq {at} and at seq {seq}.")
            });
            return false;
        }
        let sends = slots.len();
        let slot = usize::try_from(seq)
            .ok()
            .and_then(|seq| slots.get_mut(seq.checked_sub(1)?));
        let Some(slot) = slot else {
            found.once(Rule::Gap, message, &[line], || {
                format!(
                    "Seq {seq} of room {name} is there, but the history has no more than {sends} \
                     sends to it: seqs count from 1 without gaps."
                )
            });
            return false;
        };
        if slot.message != NONE {
            let conflict = Conflict {
                room,
                seq,
                messages: [slot.message, message],
                lines: [slot.line, line],
            };
            self.conflicts
                .entry((room, seq, message))
                .or_insert(conflict);
            return false;
        }
        slot.message = message;
        slot.line = line;
        // A room has fewer messages than a history has lines.
        self.seq_of[message as usize] = seq as u32;
        true
    }

    /// All witnesses are heard: tells which contradict each other, and sums up.
    pub(crate) fn settle(&mut self, store: &Store, found: &mut Found) {
        let mut conflicts: Vec<Conflict> = self.conflicts.drain().map(|(_, c)| c).collect();
        conflicts.sort_by_key(|conflict| (conflict.room, conflict.seq, conflict.lines));
        for conflict in conflicts {
            let Conflict {
                room,
                seq,
                messages,
                lines,
            } = conflict;
            let name = store.rooms[room as usize];
            let acknowledged = |message: u32| {
                let send = store.sent_by[message as usize];
                send != NONE && store.sends[send as usize].ending == Ending::Acknowledged
            };
            let gone = |n: usize| {
                acknowledged(messages[n])
                    && !self.seen[messages[n] as usize]
                    && self.seen[messages[1 - n] as usize]
            };
            if let Some(n) = [0, 1].into_iter().find(|&n| gone(n)) {
                found.once(Rule::Lost, messages[n], &lines, || {
                    format!(
                        "A message was acknowledged at seq {seq} of room {name}, but no read shows \
                         it: another one is there."
                    )
                });
            } else {
                found.add(Rule::OrderConflict, &lines, || {
                    format!("Two messages are at seq {seq} of room {name}.")
                });
            }
        }
        for room in &mut self.rooms {
            room.sum_up(store);
        }
    }
}

/// What is wrong with a page's message, whatever its place: whether it may be shown there.
pub(crate) fn may_show(
    store: &Store,
    found: &mut Found,
    room: u32,
    message: u32,
    (invoke, complete): (u32, u32),
) -> bool {
    let name = store.rooms[room as usize];
    let sent_by = store.sent_by[message as usize];
    if sent_by == NONE {
        found.once(Rule::Phantom, message, &[complete], || {
            format!("A page shows a message in room {name} that nobody ever sent.")
        });
        return false;
    }
    let send = &store.sends[sent_by as usize];
    if send.room != room {
        found.once(Rule::Phantom, message, &[send.invoke, complete], || {
            let other = store.rooms[send.room as usize];
            format!("A page shows a message in room {name} that was sent to room {other}.")
        });
        return false;
    }
    if send.ending == Ending::Failed {
        found.once(
            Rule::FailedAppeared,
            message,
            &[send.invoke, complete],
            || format!("A page of room {name} shows a message whose send surely failed."),
        );
        return false;
    }
    if store.clock.before(complete, send.invoke) {
        found.once(Rule::FutureRead, message, &[invoke, send.invoke], || {
            format!("A page of room {name} shows a message that was sent after it was answered.")
        });
        return false;
    }
    true
}
