//! A history in memory, without texts: what the judges look at.
//!
//! Lines count from 1 and stand for events. Rooms, users, replicas and messages have small numbers
//! here, in the order of their first mention.

use crate::entry::Value;
use crate::line::Fault;
use crate::op::Consistency;
use crate::rule::Rule;

/// No message, send or line.
pub(crate) const NONE: u32 = u32::MAX;

/// The order of events: by time, and by line where times are equal.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The time of each line, in nanoseconds; the first is of no line.
    pub(crate) times: Vec<u64>,
    /// Where the lines are not in the order of their times: the lines in order, and each line's
    /// place among them.
    shuffled: Option<(Vec<u32>, Vec<u32>)>,
}

impl Clock {
    pub(crate) fn new(times: Vec<u64>) -> Self {
        let lines = u32::try_from(times.len()).expect("lines are counted in 32 bits");
        let shuffled = (!times[1..].is_sorted()).then(|| {
            let mut order: Vec<u32> = (0..lines).collect();
            // Stable: lines of one time keep their order.
            order[1..].sort_by_key(|&line| times[line as usize]);
            let mut rank = vec![0; times.len()];
            for (place, &line) in (0..lines).zip(&order) {
                rank[line as usize] = place;
            }
            (order, rank)
        });
        Clock { times, shuffled }
    }

    /// The place of a line among all, in the order of events.
    pub(crate) fn rank(&self, line: u32) -> u32 {
        match &self.shuffled {
            None => line,
            Some((_, rank)) => rank[line as usize],
        }
    }

    /// The line at a place.
    pub(crate) fn line(&self, rank: u32) -> u32 {
        match &self.shuffled {
            None => rank,
            Some((order, _)) => order[rank as usize],
        }
    }

    /// Whether what `a` tells was over when what `b` tells happened.
    pub(crate) fn before(&self, a: u32, b: u32) -> bool {
        self.rank(a) < self.rank(b)
    }

    pub(crate) fn time(&self, line: u32) -> u64 {
        self.times[line as usize]
    }

    /// The number of lines.
    pub(crate) fn lines(&self) -> u32 {
        u32::try_from(self.times.len() - 1).expect("lines are counted in 32 bits")
    }
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Acknowledged,
    Failed,
    Unknown,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Send {
    pub(crate) message: u32,
    pub(crate) room: u32,
    /// 0 unless it was acknowledged.
    pub(crate) seq: u64,
    /// 0 unless it was acknowledged.
    pub(crate) log_index: u64,
    pub(crate) invoke: u32,
    /// [`NONE`] if it was open at the end.
    pub(crate) complete: u32,
    pub(crate) ending: Ending,
}

/// An answered read of a room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) room: u32,
    pub(crate) replica: u32,
    pub(crate) after: u64,
    pub(crate) applied_index: u64,
    pub(crate) min_index: u64,
    /// Its first in [`Store::values`].
    pub(crate) values_at: usize,
    /// How many: the seqs from `after + 1` on.
    pub(crate) count: u32,
    pub(crate) limit: u32,
    pub(crate) invoke: u32,
    pub(crate) complete: u32,
    pub(crate) consistency: Consistency,
    /// Its page is no section of a room, and not looked at further.
    pub(crate) irregular: bool,
}

impl Read {
    /// The last seq that it shows, or the one after which it shows nothing.
    pub(crate) fn last(&self) -> u64 {
        self.after.saturating_add(self.count.into())
    }

    /// Whether it claims that nothing follows in the state that it was answered from.
    pub(crate) fn is_short(&self) -> bool {
        self.count < self.limit
    }
}

/// An answered inbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inbox {
    pub(crate) user: u32,
    pub(crate) replica: u32,
    pub(crate) after: u64,
    pub(crate) cursor: u64,
    pub(crate) applied_index: u64,
    /// Its first in [`Store::inbox_values`].
    pub(crate) values_at: usize,
    pub(crate) count: u32,
    pub(crate) limit: u32,
    pub(crate) invoke: u32,
    pub(crate) complete: u32,
    pub(crate) consistency: Consistency,
}

impl Inbox {
    /// The log index up to which it claims to be complete.
    pub(crate) fn end(&self) -> u64 {
        if self.count < self.limit {
            self.applied_index.max(self.cursor)
        } else {
            self.cursor
        }
    }
}

/// One message of an inbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InboxValue {
    pub(crate) room: u32,
    pub(crate) message: u32,
    pub(crate) seq: u64,
}

#[derive(Debug)]
pub(crate) struct User {
    pub(crate) name: u64,
    pub(crate) rooms: Vec<u32>,
}

#[derive(Debug)]
pub(crate) struct Digest {
    pub(crate) log_index: u64,
    pub(crate) replica: u64,
    pub(crate) value: u128,
    pub(crate) line: u32,
}

/// What a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Nothing,
    Send(u32),
    Read(u32),
    Inbox(u32),
    Fault(u32),
    Digest(u32),
}

const KIND_BITS: u32 = 3;
/// Operations of one kind that a line can name.
pub(crate) const MAX_OPERATIONS: usize = 1 << (32 - KIND_BITS);

/// An [`Of`] in 32 bits: what it is in the lowest 3.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedOf(u32);

impl From<Of> for PackedOf {
    fn from(of: Of) -> Self {
        let (kind, number) = match of {
            Of::Nothing => (0, 0),
            Of::Send(number) => (1, number),
            Of::Read(number) => (2, number),
            Of::Inbox(number) => (3, number),
            Of::Fault(number) => (4, number),
            Of::Digest(number) => (5, number),
        };
        PackedOf(number << KIND_BITS | kind)
    }
}

impl From<PackedOf> for Of {
    fn from(PackedOf(bits): PackedOf) -> Self {
        let number = bits >> KIND_BITS;
        match bits & ((1 << KIND_BITS) - 1) {
            1 => Of::Send(number),
            2 => Of::Read(number),
            3 => Of::Inbox(number),
            4 => Of::Fault(number),
            5 => Of::Digest(number),
            _ => Of::Nothing,
        }
    }
}

/// Operations of one kind by outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    pub(crate) unknown: u64,
}

/// A page that is no section of its room's messages.
#[derive(Debug)]
pub(crate) struct Irregular {
    pub(crate) read: u32,
    pub(crate) rule: Rule,
    pub(crate) why: String,
}

/// All of a history.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) clock: Clock,
    /// What each line belongs to; the first is no line.
    pub(crate) of_line: Vec<PackedOf>,
    /// In the order of the lines that invoke them.
    pub(crate) sends: Vec<Send>,
    /// In the order of the lines that answer them.
    pub(crate) reads: Vec<Read>,
    pub(crate) values: Vec<u32>,
    pub(crate) inboxes: Vec<Inbox>,
    pub(crate) inbox_values: Vec<InboxValue>,
    /// Of each message the send, or [`NONE`].
    pub(crate) sent_by: Vec<u32>,
    pub(crate) rooms: Vec<u64>,
    /// How many messages were sent to each room, whatever came of it.
    pub(crate) sends_to: Vec<u32>,
    pub(crate) users: Vec<User>,
    pub(crate) replicas: Vec<u64>,
    pub(crate) faults: Vec<(u32, Fault)>,
    pub(crate) digests: Vec<Digest>,
    pub(crate) irregular: Vec<Irregular>,
    /// By kind and consistency: see `load::counter`.
    pub(crate) outcomes: [Outcomes; 7],
    /// Lines and the bytes that they begin at, every block.
    pub(crate) offsets: Vec<(u32, u64)>,
    pub(crate) notes: Vec<String>,
}

impl Store {
    pub(crate) fn of(&self, line: u32) -> Of {
        self.of_line[line as usize].into()
    }

    pub(crate) fn shown(&self, read: &Read) -> &[u32] {
        &self.values[read.values_at..][..read.count as usize]
    }

    pub(crate) fn shown_in_inbox(&self, inbox: &Inbox) -> &[InboxValue] {
        &self.inbox_values[inbox.values_at..][..inbox.count as usize]
    }

    /// The lines of the operation that a line belongs to, or the line alone.
    pub(crate) fn lines_of(&self, line: u32) -> Vec<u32> {
        let (invoke, complete) = match self.of(line) {
            Of::Send(send) => {
                let send = &self.sends[send as usize];
                (send.invoke, send.complete)
            }
            Of::Read(read) => {
                let read = &self.reads[read as usize];
                (read.invoke, read.complete)
            }
            Of::Inbox(inbox) => {
                let inbox = &self.inboxes[inbox as usize];
                (inbox.invoke, inbox.complete)
            }
            Of::Fault(_) | Of::Digest(_) | Of::Nothing => (line, NONE),
        };
        [invoke, complete]
            .into_iter()
            .filter(|&line| line != NONE)
            .collect()
    }
}

/// Why a page of `values` is no section of a room's messages above `after`, if it is none.
pub(crate) fn irregular(after: u64, limit: u32, values: &[Value]) -> Option<(Rule, String)> {
    let mut expected = after.saturating_add(1);
    let mut last: Option<&Value> = None;
    for value in values {
        let seq = value.seq;
        if seq != expected {
            return Some(match last {
                Some(last) if last.seq == seq && last.id == value.id => {
                    (Rule::Duplicate, format!("A page shows seq {seq} twice."))
                }
                Some(last) if last.seq == seq => (
                    Rule::OrderConflict,
                    format!("A page shows two messages at seq {seq}."),
                ),
                _ if seq > expected => (
                    Rule::Gap,
                    format!("A page shows seq {seq}, but not seq {expected} below it."),
                ),
                _ => (
                    Rule::NotAPrefix,
                    format!("A page shows seq {seq} where seq {expected} must follow."),
                ),
            });
        }
        expected = seq.saturating_add(1);
        last = Some(value);
    }
    (values.len() > limit as usize).then(|| {
        let text = format!("A page of at most {limit} messages has {}.", values.len());
        (Rule::PageLong, text)
    })
}
