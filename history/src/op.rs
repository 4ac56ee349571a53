//! Operations and what came of them, as recorders tell them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a read was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// It sees everything that was acknowledged, or seen by anybody, before it began.
    Linearizable,
    /// The same promise, kept by the leader's lease.
    Lease,
    /// It sees a state that was true once: a prefix of the log.
    Local,
}

impl Consistency {
    /// All of them.
    pub const ALL: [Consistency; 3] = [
        Consistency::Linearizable,
        Consistency::Lease,
        Consistency::Local,
    ];

    /// Its name in a history.
    pub const fn name(self) -> &'static str {
        match self {
            Consistency::Linearizable => "linearizable",
            Consistency::Lease => "lease",
            Consistency::Local => "local",
        }
    }

    /// Whether it must see what was acknowledged before it began.
    pub const fn is_fresh(self) -> bool {
        !matches!(self, Consistency::Local)
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A message is sent to a room.
    Send,
    /// A page of a room is read.
    Read,
    /// A page of a user's inbox is read: messages of all its rooms, in log order.
    Inbox,
}

impl Kind {
    /// Its name in a history, the field `f`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Send => "send",
            Kind::Read => "read",
            Kind::Inbox => "inbox",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a process asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Send a message.
    Send {
        /// The room.
        room: u64,
        /// The message's id, which stands in its body too. Unique over the history.
        id: String,
    },
    /// Read the first messages of a room above a seq.
    Read {
        /// The room.
        room: u64,
        /// Only messages with a higher seq.
        after: u64,
        /// At most so many, at least 1.
        limit: u32,
        /// What is promised.
        consistency: Consistency,
        /// The replica that is asked; 0 where that is not told.
        replica: u64,
        /// The answer's applied index is at least this; 0 asks for nothing.
        min_index: u64,
    },
    /// Read a user's inbox from a cursor on.
    Inbox {
        /// The user.
        user: u64,
        /// Only messages with a higher log index: a cursor of an earlier answer, or 0.
        after: u64,
        /// At most so many, at least 1.
        limit: u32,
        /// What is promised.
        consistency: Consistency,
        /// The replica that is asked; 0 where that is not told.
        replica: u64,
    },
}

impl Op {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Op::Send { .. } => Kind::Send,
            Op::Read { .. } => Kind::Read,
            Op::Inbox { .. } => Kind::Inbox,
        }
    }
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// A send was acknowledged.
    Sent {
        /// The message's number in its room, from 1.
        seq: u64,
        /// Its index in the log.
        log_index: u64,
        /// Its term.
        term: u64,
    },
    /// A read was answered.
    Read {
        /// Seqs and ids, oldest first.
        values: Vec<(u64, String)>,
        /// The log index that the answer's state had applied: exactly the messages up to it are
        /// in that state.
        applied_index: u64,
    },
    /// An inbox was answered.
    Inbox {
        /// Rooms, seqs and ids, in log order.
        values: Vec<(u64, u64, String)>,
        /// The log index that the answer's state had applied.
        applied_index: u64,
        /// The log index up to which the inbox is read now.
        cursor: u64,
    },
    /// It surely did not happen and never will.
    Fail,
    /// Nobody knows: it may have happened, or happen later, once. The process ends with it.
    Unknown,
}
