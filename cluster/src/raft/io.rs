//! What goes into the core and what comes out of it.

use std::time::Duration;

use super::message::Envelope;
use super::types::{Configuration, Entry, HardState, LogIndex, NodeId, Term};

/// The core's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// This replica.
    pub id: NodeId,
    /// A follower waits at least this long, and less than twice as long, for its leader.
    /// It is also how long it refuses to vote after hearing from one, and after a start.
    pub election_timeout: Duration,
    /// How often a leader speaks to each peer when there is nothing to say.
    pub heartbeat_interval: Duration,
    /// Entries in one AppendEntries, in encoded bytes (one entry always fits).
    pub max_append_bytes: usize,
    /// AppendEntries with entries that may be unanswered, per follower.
    pub max_inflight_appends: usize,
    /// Proposals of a leader's term that are open, in encoded bytes; more are refused (one always
    /// fits). Open is what is not both committed and durable on the leader's own disk.
    pub max_open_bytes: usize,
    /// The newest entries kept in memory, in encoded bytes. What is not yet durable, not yet
    /// handed out as committed, or unsent to a follower that keeps up may exceed it.
    pub tail_bytes: usize,
    /// Reads waiting for a round; more are refused.
    pub max_pending_reads: usize,
}

/// What the log gave back at the start.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// The last durable term and vote.
    pub hard_state: HardState,
    /// The configuration in force at the end of the log.
    pub configuration: Configuration,
    /// The index before the first entry that is kept, 0 for a whole log, and its term.
    pub base: (LogIndex, Term),
    /// The first index of each run of entries with one term, in order, from `base.0 + 1`.
    pub term_runs: Vec<(LogIndex, Term)>,
    /// The last entry's index; `base.0` when there is none.
    pub last_index: LogIndex,
    /// The newest entries, contiguous and ending at `last_index`; may be only a part.
    pub tail: Vec<Entry>,
    /// Whether this replica has run before: a fresh one owes nobody a promise.
    pub restarted: bool,
}

/// One write for the log: everything in it becomes durable together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Append {
    /// The batch's number: 1, 2, 3… within one run of the process.
    pub batch: u64,
    /// The term and vote, if they changed.
    pub hard_state: Option<HardState>,
    /// Entries, contiguous. The first may lie at or before the log's end: it and what
    /// follows then supersede what was there.
    pub entries: Vec<Entry>,
}

/// What the log says has become durable.
///
/// The two numbers differ only while the disk is full: terms and votes go on through the
/// log's reserve while entries wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The entries of every batch up to this one are durable.
    pub entries_through: u64,
    /// The terms and votes of every batch up to this one are durable.
    pub hard_state_through: u64,
    /// Term and index of the last entry of the batches up to `entries_through`, to check our
    /// books against.
    pub last: (Term, LogIndex),
}

/// A name for one read; the caller never reuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadContext(pub u64);

/// How sure a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// A round of heartbeats after the read was taken shows who leads (thesis §6.4).
    Linearizable,
    /// The leader's lease shows it (thesis §6.4.1); falls back to a round when it has run out.
    Lease,
}

/// Why a read got no index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadRefusal {
    /// Nobody is known to lead, or leadership was lost while the read waited.
    NoLeader,
    /// [`Config::max_pending_reads`] wait already.
    Overloaded,
}

/// Why a proposal was refused. Nothing of it is in any log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposeRefusal {
    /// This replica does not lead.
    NotLeader {
        /// Who does, as far as it knows.
        leader: Option<NodeId>,
    },
    /// [`Config::max_open_bytes`] are open already: commits, or the leader's own disk, are behind.
    Overloaded,
    /// The leader is handing over (thesis §3.10).
    Transferring,
}

/// Entries that became committed, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// All up to this index are committed.
    pub through: LogIndex,
    /// The newest of them, contiguous and ending at `through`. Those between the last
    /// `through` handed out and the first of these are durable, and to be read from the log
    /// (after a restart).
    pub entries: Vec<Entry>,
}

/// A follower is so far behind that its entries are no longer in memory: read them from the
/// log and give them back with [`Raft::entries_fetched`](super::Raft::entries_fetched).
/// One is open at a time for each peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// For whom.
    pub peer: NodeId,
    /// The first entry wanted.
    pub first: LogIndex,
    /// The last entry that may be given; all of these are durable here.
    pub last: LogIndex,
    /// Stop once this many encoded bytes are there (one entry at least).
    pub max_bytes: usize,
}

/// What a replica is to its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Follows, or waits for a leader.
    Follower,
    /// Asks whether it would be elected (PreVote).
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads its term.
    Leader,
    /// Receives the log and does not vote.
    Learner,
}

/// What the core wants done. The driver carries all of it out; the order is free, but for:
///
/// - `append`s reach the log in the order of their batch numbers;
/// - `committed` reaches the state machine in order.
///
/// The core itself holds back every message that must not leave before something is durable
/// (⚠ no vote request, vote or answer in a term that is not durable; no acknowledgement of an
/// entry before it is), so `messages` may leave at once, before `append` is written. A leader's
/// AppendEntries is among them before its own entries are durable (thesis §10.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// To be written and synced; answer with [`Raft::log_completed`](super::Raft::log_completed).
    pub append: Option<Append>,
    /// To be sent, any time from now on; each may be lost.
    pub messages: Vec<Envelope>,
    /// To be applied. They may be committed before they are durable *here*: applying them
    /// early is safe, for a majority has them.
    pub committed: Option<Committed>,
    /// Reads that may be answered once the state machine has applied the index, and reads
    /// that are refused.
    pub reads: Vec<(ReadContext, Result<LogIndex, ReadRefusal>)>,
    /// Entries to be read from the log for followers far behind.
    pub fetches: Vec<Fetch>,
}

impl Effects {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.append.is_none()
            && self.messages.is_empty()
            && self.committed.is_none()
            && self.reads.is_empty()
            && self.fetches.is_empty()
    }
}

/// How far a peer has come, as its leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerProgress {
    /// The peer.
    pub id: NodeId,
    /// Its last durable entry that is known to be ours.
    pub match_index: LogIndex,
    /// Whether its next index is being searched for (probe) rather than streamed to (replicate).
    pub probing: bool,
}

/// A look at the core, for its driver and for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// This replica.
    pub id: NodeId,
    /// What it is.
    pub role: Role,
    /// Its term (which may not be durable yet).
    pub term: Term,
    /// Whom it knows to lead that term.
    pub leader: Option<NodeId>,
    /// Its commit index.
    pub commit_index: LogIndex,
    /// Its last entry.
    pub last_index: LogIndex,
    /// The last of its entries that is durable.
    pub durable_index: LogIndex,
    /// The first entry that is kept.
    pub first_index: LogIndex,
    /// On a leader whose own term has a committed entry: it serves.
    pub serving: bool,
    /// On a leader, its peers in order of their ids.
    pub peers: Vec<PeerProgress>,
}
