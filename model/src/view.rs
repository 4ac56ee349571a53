//! What the rules look at: a replica, in short.

use telegraft_cluster::raft::{Entry, LogIndex, NodeId, Payload, Raft, Role};

use crate::bounds::MAX_NODES;
use crate::disk::Disk;

/// An entry, in short: its term, and 0 for a no-op or 1 + the command's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Brief {
    pub(crate) term: u8,
    pub(crate) command: u8,
}

impl Brief {
    pub(crate) fn new(entry: &Entry) -> Self {
        Brief {
            term: small(entry.term),
            command: match &entry.payload {
                Payload::Command(command) => 1 + command[0],
                Payload::Noop | Payload::Configuration(_) => 0,
            },
        }
    }
}

/// What the rules look at.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) role: Role,
    pub(crate) term: u8,
    pub(crate) durable_term: u8,
    /// Its vote in its term, and its durable one in its durable term; 0 for none.
    pub(crate) vote: u8,
    pub(crate) durable_vote: u8,
    /// As a follower: its leader, matched and acknowledged.
    pub(crate) followed: Option<(NodeId, LogIndex, LogIndex)>,
    /// As a leader: up to where each replica's log is known to be its own.
    pub(crate) matches: [LogIndex; MAX_NODES],
    pub(crate) durable_index: LogIndex,
    pub(crate) commit: usize,
    pub(crate) log: Box<[Brief]>,
    /// The durable log.
    pub(crate) disk: Box<[Brief]>,
    /// Writes that are not durable.
    pub(crate) writes: u8,
}

impl View {
    pub(crate) fn new(core: &Raft, disk: &Disk) -> Self {
        let status = core.status();
        let mut matches = [0; MAX_NODES];
        for peer in &status.peers {
            matches[place(peer.id)] = peer.match_index;
        }
        View {
            vote: small(core.hard_state().vote.unwrap_or(0)),
            followed: core.followed(),
            matches,
            durable_index: status.durable_index,
            role: status.role,
            term: small(status.term),
            durable_term: small(disk.hard_state.term),
            durable_vote: small(disk.hard_state.vote.unwrap_or(0)),
            commit: usize::try_from(status.commit_index).expect("logs are short"),
            log: core.entries().map(Brief::new).collect(),
            disk: disk.entries.iter().map(Brief::new).collect(),
            writes: u8::try_from(disk.writes.len()).expect("writes are few"),
        }
    }

    pub(crate) fn leads(&self) -> bool {
        self.role == Role::Leader
    }
}

/// Where a replica stands among all.
pub(crate) fn place(id: NodeId) -> usize {
    usize::try_from(id - 1).expect("ids are small")
}

pub(crate) fn small(number: u64) -> u8 {
    u8::try_from(number).expect("bounds are small")
}
