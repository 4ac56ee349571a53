//! The chat: a deterministic state machine over the log.

mod types;

pub use types::{
    Action, Answer, ChatMessage, Command, Found, MessageRef, Outcome, Page, Query, QueryError,
    SessionKey, WriteError,
};

use crate::codec::DecodeError;
use crate::raft::{Entry, LogIndex};
use bytes::Bytes;

/// A chained hash over everything applied and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub u128);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What is known of the digest at an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestAt {
    /// It is this.
    Known(Digest),
    /// That index is not applied yet.
    NotYet,
    /// That index is older than what is kept.
    Forgotten {
        /// The oldest index that is kept.
        oldest: LogIndex,
    },
}

/// The state machine.
#[derive(Debug)]
pub struct Chat {}

#[allow(unused_variables, reason = "skeleton")]
#[allow(clippy::todo, clippy::unused_self, reason = "skeleton")]
impl Command {
    /// The binary form, as it stands in the log.
    pub fn encode(&self) -> Bytes {
        todo!()
    }
    /// The command in a log entry's payload; a message's body is a slice of it.
    pub fn decode(bytes: Bytes) -> Result<Command, DecodeError> {
        todo!()
    }
}

#[allow(unused_variables, reason = "skeleton")]
#[allow(clippy::todo, clippy::unused_self, reason = "skeleton")]
impl Chat {
    /// The empty state, before index 1.
    #[allow(clippy::new_without_default, reason = "skeleton")]
    pub fn new() -> Self {
        todo!()
    }
    /// Applies the next entry; the outcome is none for entries that are not commands.
    pub fn apply(&mut self, entry: &Entry) -> Option<Outcome> {
        todo!()
    }
    /// The last applied index and the digest there.
    pub fn applied(&self) -> (LogIndex, Digest) {
        todo!()
    }
    /// The digest at an index.
    pub fn digest_at(&self, index: LogIndex) -> DigestAt {
        todo!()
    }
    /// How many chat messages the index holds.
    pub fn kept_messages(&self) -> u64 {
        todo!()
    }
    /// Answers a query from what is applied.
    pub fn query(&self, query: &Query) -> Result<Found, QueryError> {
        todo!()
    }
}

#[allow(unused_variables, reason = "skeleton")]
#[allow(clippy::todo, reason = "skeleton")]
impl ChatMessage {
    /// The message that `reference` names, from its log entry's payload.
    pub fn from_payload(reference: MessageRef, payload: Bytes) -> Result<ChatMessage, DecodeError> {
        todo!()
    }
}
