//! Lines without texts: what is kept of them.

use xxhash_rust::xxh3::xxh3_128;

use crate::line::{Event, Fault, Line, parse_line};
use crate::op::{Completion, Consistency, Kind, Op};

/// An id's stand-in: its XXH3 hash of 128 bits. Among n ids, two differing ones have the same with
/// a probability below n²/2¹²⁹: 10⁻²⁴ for ten million.
pub(crate) type Id = u128;

pub(crate) fn id_of(text: &[u8]) -> Id {
    xxh3_128(text)
}

/// One value of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    /// 0 in a read of one room.
    pub(crate) room: u64,
    pub(crate) seq: u64,
    pub(crate) id: Id,
}

/// A line without texts. The values of a page are beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) index: Option<u64>,
    pub(crate) time_ns: u64,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Send {
        process: u64,
        room: u64,
        id: Id,
    },
    Page {
        process: u64,
        ask: Ask,
    },
    Complete {
        process: u64,
        kind: Kind,
        room: Option<u64>,
        id: Option<Id>,
        outcome: Outcome,
    },
    Fault(Fault),
    Member {
        room: u64,
        user: u64,
    },
    Digest {
        replica: u64,
        log_index: u64,
        value: Id,
    },
}

/// What a read or an inbox asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Of a read, else of an inbox.
    pub(crate) is_read: bool,
    /// The room, or the user.
    pub(crate) of: u64,
    pub(crate) after: u64,
    pub(crate) limit: u32,
    pub(crate) consistency: Consistency,
    pub(crate) replica: u64,
    pub(crate) min_index: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sent {
        seq: u64,
        log_index: u64,
    },
    /// The last `values` of the pool are its page.
    Page {
        values: usize,
        applied_index: u64,
        /// Of an inbox.
        cursor: u64,
    },
    Fail,
    Unknown,
}

/// Reads any line, without its line end.
pub(crate) fn any_line(line: &[u8], pool: &mut Vec<Value>) -> Result<Entry, String> {
    parse_line(line).map(|line| without_texts(line, pool))
}

fn without_texts(line: Line, pool: &mut Vec<Value>) -> Entry {
    let what = match line.event {
        Event::Invoke { process, op } => match op {
            Op::Send { room, id } => What::Send {
                process,
                room,
                id: id_of(id.as_bytes()),
            },
            Op::Read {
                room,
                after,
                limit,
                consistency,
                replica,
                min_index,
            } => What::Page {
                process,
                ask: Ask {
                    is_read: true,
                    of: room,
                    after,
                    limit,
                    consistency,
                    replica,
                    min_index,
                },
            },
            Op::Inbox {
                user,
                after,
                limit,
                consistency,
                replica,
            } => What::Page {
                process,
                ask: Ask {
                    is_read: false,
                    of: user,
                    after,
                    limit,
                    consistency,
                    replica,
                    min_index: 0,
                },
            },
        },
        Event::Complete {
            process,
            kind,
            room,
            id,
            completion,
        } => What::Complete {
            process,
            kind,
            room,
            id: id.map(|id| id_of(id.as_bytes())),
            outcome: outcome(completion, pool),
        },
        Event::Nemesis(fault) => What::Fault(fault),
        Event::Member { room, user } => What::Member { room, user },
        Event::Digest {
            replica,
            log_index,
            value,
        } => What::Digest {
            replica,
            log_index,
            value: id_of(value.as_bytes()),
        },
    };
    Entry {
        index: line.index,
        time_ns: line.time_ns,
        what,
    }
}

fn outcome(completion: Completion, pool: &mut Vec<Value>) -> Outcome {
    let (values, applied_index, cursor) = match completion {
        Completion::Sent { seq, log_index, .. } => return Outcome::Sent { seq, log_index },
        Completion::Fail => return Outcome::Fail,
        Completion::Unknown => return Outcome::Unknown,
        Completion::Read {
            values,
            applied_index,
        } => {
            pool.extend(values.iter().map(|(seq, id)| Value {
                room: 0,
                seq: *seq,
                id: id_of(id.as_bytes()),
            }));
            (values.len(), applied_index, 0)
        }
        Completion::Inbox {
            values,
            applied_index,
            cursor,
        } => {
            pool.extend(values.iter().map(|(room, seq, id)| Value {
                room: *room,
                seq: *seq,
                id: id_of(id.as_bytes()),
            }));
            (values.len(), applied_index, cursor)
        }
    };
    Outcome::Page {
        values,
        applied_index,
        cursor,
    }
}
