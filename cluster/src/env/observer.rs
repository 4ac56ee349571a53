//! Who looks on at what a node does: a simulator that judges it. Production has none.

use std::fmt::Debug;

use crate::chat::{Digest, Outcome};
use crate::raft::{
    Append, Completion, Effects, Entry, LogIndex, Message, NodeId, ReadContext, ReadMode, Restored,
    Status,
};
use crate::time::Time;

/// How much waits inside the consensus actor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queues {
    /// Proposals that are not committed.
    pub writes: usize,
    /// Reads without an index.
    pub reads: usize,
    /// Appends that the log writer's queue had no room for.
    pub appends: usize,
    /// Inputs taken at this wake-up.
    pub inputs: usize,
}

/// Told of what happens inside a node, by the actor that does it, at the moment at which it is
/// done. It must not block and must change nothing.
pub trait Observer: Debug + Send + Sync {
    /// The log was opened and gave this back; `torn`: a torn last batch was cut. `now` is always
    /// what the node's own clock shows.
    fn started(&self, now: Time, restored: &Restored, torn: bool);
    /// The consensus actor takes a peer's message in.
    fn received(&self, now: Time, from: NodeId, message: &Message);
    /// The consensus actor asks the core for a read index.
    fn read_taken(&self, now: Time, context: ReadContext, mode: ReadMode);
    /// Entries for a follower far behind came from the log.
    fn fetched(&self, peer: NodeId, first: LogIndex, entries: usize);
    /// The consensus actor has woken up: what it is now, and what it is about to carry out.
    fn woke(&self, now: Time, status: &Status, effects: &Effects, queues: Queues);
    /// The log writer is about to write these.
    fn writing(&self, appends: &[Append]);
    /// The log writer was told by the log what is durable.
    fn durable(&self, completion: &Completion);
    /// The applier has applied an entry.
    fn applied(&self, entry: &Entry, outcome: Option<&Outcome>, digest: Digest);
}
