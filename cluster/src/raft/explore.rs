//! For explorers, which drive copies of the core through all that may happen (`model/` does).
//!
//! An explorer needs to copy a core, and to know when two are the same. The second is told by
//! what decides a core's future, put into a hash with its accidents left out: batch numbers
//! count from the next one; members may be renamed, for the protocol treats all alike.
//!
//! **Clocks are left out**: election, promise and heartbeat times, when peers were heard and
//! rounds sent, the end of a transfer, and the generator that election timeouts are drawn from.
//! Two cores with the same hash go the same way if the explorer decides, at each of its steps,
//! which of these times are over: by moving the clock far, or not at all. The exception is
//! how long a question to the leader is open: whether it counts as lost is in the hash. When a
//! round was sent matters to leases alone; an explorer of leases needs more than this.

use std::hash::Hasher;

use super::message::{AppendResult, Body, Message};
use super::types::{Entry, HardState, LogIndex, NodeId, Payload};
use super::{Raft, RoleState};
use crate::time::Time;

/// Takes in what decides the future of cores and messages, as a hash.
pub struct Fingerprint<'a> {
    /// The hash.
    pub hasher: &'a mut dyn Hasher,
    /// What each member is called: itself, or by another's name, each once.
    pub name: &'a dyn Fn(NodeId) -> NodeId,
    /// Whether there may be reads. Without, rounds and questions decide nothing, and are left out.
    pub reads: bool,
    /// Which messages matter, of those that are held back until a term is durable: the explorer
    /// loses the others when they leave.
    pub matters: &'a dyn Fn(&Message) -> bool,
}

impl Fingerprint<'_> {
    pub(super) fn number(&mut self, number: u64) {
        self.hasher.write_u64(number);
    }

    pub(super) fn numbers(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            // Never the end's mark.
            self.number(number.wrapping_add(1));
        }
        self.number(0);
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.hasher.write_u8(u8::from(flag));
    }

    pub(super) fn id(&mut self, id: NodeId) {
        self.number((self.name)(id));
    }

    pub(super) fn id_or_none(&mut self, id: Option<NodeId>) {
        // Ids begin at 1.
        self.number(id.map_or(0, self.name));
    }

    /// In the order of the members' names.
    pub(super) fn by_member<T>(
        &mut self,
        of_members: impl IntoIterator<Item = (NodeId, T)>,
        mut each: impl FnMut(&mut Self, T),
    ) {
        let named = of_members.into_iter();
        let mut named: Vec<_> = named.map(|(id, value)| ((self.name)(id), value)).collect();
        named.sort_by_key(|(name, _)| *name);
        for (name, value) in named {
            self.number(name);
            each(self, value);
        }
        self.number(0);
    }

    /// Takes in a term and vote.
    pub fn hard_state(&mut self, hard_state: HardState) {
        self.number(hard_state.term);
        self.id_or_none(hard_state.vote);
    }

    /// Takes in entries, but no configurations: explorers have none in their logs.
    pub fn entries<'e>(&mut self, entries: impl IntoIterator<Item = &'e Entry>) {
        for entry in entries {
            self.hasher.write_u8(1);
            self.number(entry.index);
            self.number(entry.term);
            match &entry.payload {
                Payload::Noop => self.hasher.write_u8(0),
                Payload::Command(command) => {
                    self.hasher.write_u8(1);
                    self.number(command.len() as u64);
                    self.hasher.write(command);
                }
                Payload::Configuration(_) => {
                    unreachable!("an explorer puts no configuration into a log")
                }
            }
        }
        self.hasher.write_u8(0);
    }

    fn round(&mut self, round: u64) {
        if self.reads {
            self.number(round);
        }
    }

    /// Takes in a message.
    pub fn message(&mut self, message: &Message) {
        self.number(message.term);
        self.hasher.write_u8(kind(&message.body));
        match &message.body {
            Body::RequestVote {
                pre_vote,
                transfer,
                last_index,
                last_term,
            } => {
                self.flag(*pre_vote);
                self.flag(*transfer);
                self.number(*last_index);
                self.number(*last_term);
            }
            Body::Vote { pre_vote, granted } => {
                self.flag(*pre_vote);
                self.flag(*granted);
            }
            Body::AppendEntries {
                prev_index,
                prev_term,
                entries,
                commit,
                round,
            } => {
                self.number(*prev_index);
                self.number(*prev_term);
                self.entries(entries);
                self.number(*commit);
                self.round(*round);
            }
            Body::AppendReply { round, result } => {
                self.round(*round);
                match result {
                    AppendResult::Matched { durable } => self.numbers([*durable]),
                    AppendResult::Conflict {
                        prev_index,
                        hint_index,
                        hint_term,
                    } => self.numbers([*prev_index, *hint_index, *hint_term]),
                }
            }
            Body::ReadIndex { context } => self.number(*context),
            Body::ReadIndexReply { context, index } => {
                self.number(*context);
                self.numbers(*index);
            }
            Body::TimeoutNow => {}
        }
    }
}

/// A number for each kind of message.
pub(super) fn kind(body: &Body) -> u8 {
    match body {
        Body::RequestVote { .. } => 0,
        Body::Vote { .. } => 1,
        Body::AppendEntries { .. } => 2,
        Body::AppendReply { .. } => 3,
        Body::ReadIndex { .. } => 4,
        Body::ReadIndexReply { .. } => 5,
        Body::TimeoutNow => 6,
    }
}

impl Raft {
    /// A copy that goes its own way. Its election timeouts come from `seed`: a generator's state
    /// is not copied.
    pub fn fork(&self, seed: u64) -> Raft {
        Raft {
            common: self.common.fork(seed),
            role: self.role.clone(),
        }
    }

    /// The entries in memory, in order: all of them while
    /// [`Config::tail_bytes`](super::Config::tail_bytes) are not reached.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.common.log.from(0)
    }

    /// The latest term and vote, which may not be durable yet.
    pub fn hard_state(&self) -> HardState {
        HardState {
            term: self.common.term(),
            vote: self.common.vote(),
        }
    }

    /// As a follower of a leader that it knows: the leader, up to where its log is known to be
    /// the leader's, and up to where it has told that this is durable.
    pub fn followed(&self) -> Option<(NodeId, LogIndex, LogIndex)> {
        match &self.role {
            RoleState::Follower(follower) => follower.followed(),
            _ => None,
        }
    }

    /// Takes in what decides this replica's future, at a moment at which there are no effects to
    /// be taken.
    pub fn fingerprint(&self, now: Time, out: &mut Fingerprint) {
        self.common.fingerprint(out);
        match &self.role {
            RoleState::Follower(follower) => {
                out.hasher.write_u8(0);
                follower.fingerprint(&self.common, now, out);
            }
            RoleState::PreCandidate(candidate) => {
                out.hasher.write_u8(1);
                candidate.fingerprint(out);
            }
            RoleState::Candidate(candidate) => {
                out.hasher.write_u8(2);
                candidate.fingerprint(out);
            }
            RoleState::Leader(leader) => {
                out.hasher.write_u8(3);
                leader.fingerprint(out);
            }
        }
    }
}
