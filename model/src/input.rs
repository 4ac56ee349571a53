//! What can happen to a replica.

use std::hash::Hasher;

use crate::names::mix;

/// What happens to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A message arrives: the letter of this number.
    Deliver(u32),
    /// The oldest write that was not durable is.
    Complete,
    /// It has heard from no leader for long, and campaigns.
    LosePatience,
    /// As a leader, it has been answered by no majority for long.
    BeDeserted,
    /// As a leader, a heartbeat is due.
    Beat,
    /// A client proposes a command.
    Propose(u8),
    /// It loses power and starts again.
    Crash {
        /// So many of the writes that were not yet known to be durable were so.
        survive: u8,
        /// The how manieth crash of all.
        crash: u8,
    },
    /// It learns of a later term, by a refusal.
    Learn(u8),
    /// A client asks for a linearizable read, by this number.
    Read(u8),
    /// It is to hand its leadership over.
    HandOver(u8),
    /// It is told that a message to this peer was lost.
    LoseTo(u8),
}

impl Input {
    /// A number for each.
    pub(crate) fn code(self) -> u32 {
        let (kind, number) = match self {
            Input::Deliver(letter) => (0, letter),
            Input::Complete => (1, 0),
            Input::LosePatience => (2, 0),
            Input::BeDeserted => (3, 0),
            Input::Beat => (4, 0),
            Input::Propose(command) => (5, command.into()),
            Input::Crash { survive, crash } => (6, u32::from(survive) << 8 | u32::from(crash)),
            Input::Read(read) => (7, read.into()),
            Input::HandOver(to) => (8, to.into()),
            Input::LoseTo(peer) => (9, peer.into()),
            Input::Learn(term) => (10, term.into()),
        };
        number << 4 | kind
    }
}

/// Hashes input codes for the map of outcomes.
#[derive(Default)]
pub(crate) struct CodeHasher(u64);

impl Hasher for CodeHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, code: u32) {
        self.0 = mix(self.0 ^ u64::from(code));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
