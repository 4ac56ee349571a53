//! What replicas say to each other.

use super::types::{Entry, LogIndex, NodeId, Term};

/// One message between two replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The sender's term; for a PreVote request, the term that it would campaign in.
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// The kinds of message. The names are the paper's and the thesis's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Asks for a vote (§5.2), or whether one would be given (thesis §9.6).
    RequestVote {
        /// Only asks: no term changes and nothing is remembered.
        pre_vote: bool,
        /// The leader asked the sender to campaign now (thesis §3.10): the receiver's
        /// promise to its leader does not stand in the way.
        transfer: bool,
        /// Index of the candidate's last entry.
        last_index: LogIndex,
        /// Term of the candidate's last entry.
        last_term: Term,
    },
    /// Answers [`Body::RequestVote`].
    Vote {
        /// Which question this answers.
        pre_vote: bool,
        /// The answer. For a granted pre-vote the message's term is the one asked about.
        granted: bool,
    },
    /// Replicates entries; without any it is a heartbeat (§5.3).
    AppendEntries {
        /// Index of the entry before `entries`.
        prev_index: LogIndex,
        /// Its term.
        prev_term: Term,
        /// The entries, in order and without gaps.
        entries: Vec<Entry>,
        /// The leader's commit index.
        commit: LogIndex,
        /// The round of the leader's messages that this one belongs to: an answer to a round
        /// shows that the sender was heard after that round began. Never goes back in a term.
        round: u64,
    },
    /// Answers [`Body::AppendEntries`].
    AppendReply {
        /// The round of the message that this answers.
        round: u64,
        /// What came of it.
        result: AppendResult,
    },
    /// A follower asks for a read index (thesis §6.4).
    ReadIndex {
        /// The follower's name for the question; never reused by it.
        context: u64,
    },
    /// Answers [`Body::ReadIndex`].
    ReadIndexReply {
        /// The question.
        context: u64,
        /// The index to wait for, or none: the receiver does not lead, or cannot tell.
        index: Option<LogIndex>,
    },
    /// The leader asks the receiver to campaign at once (thesis §3.10).
    TimeoutNow,
}

/// What came of an AppendEntries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendResult {
    /// The entry before was there.
    Matched {
        /// The last index up to which the follower's log is known to be the leader's *and is
        /// durable*. A heartbeat is answered at once with what is durable by then.
        durable: LogIndex,
    },
    /// The entry before was missing or of another term.
    Conflict {
        /// The `prev_index` that was refused, so that a late answer is told from a fresh one.
        prev_index: LogIndex,
        /// The last index at which the logs may agree, as far as the follower can tell.
        hint_index: LogIndex,
        /// The follower's term at `hint_index`; 0 where it has no entry.
        hint_term: Term,
    },
}

/// A message and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The receiver.
    pub to: NodeId,
    /// The message.
    pub message: Message,
}
