//! What is done, by whom, where and when: a function of workload and seed alone, not of threads
//! or of how fast anything goes.
//!
//! Every draw is made from the seed, a stream and a number (`draw`), so that the n-th operation
//! is the same whoever asks for it, and in whatever order. An open workload is one
//! [`Timeline`], of which every thread and every machine takes its share; a closed one is a
//! [`ClientPlan`] for each client, of which a slower run carries out a prefix.

mod client;
mod mix;
mod people;
mod rate;
#[cfg(test)]
mod tests;
mod timeline;

use serde::{Deserialize, Serialize};

pub use client::ClientPlan;
pub use mix::Mix;
pub use people::People;
pub use rate::Rate;
pub use timeline::{Drawn, Share, Source, Timeline};

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Sends a message.
    Send,
    /// Reads a page of a room.
    Read,
    /// Reads what is new in a user's rooms.
    Inbox,
    /// Becomes a member of a room.
    Join,
    /// Creates a room.
    CreateRoom,
}

impl Kind {
    /// Every kind; a kind's place in it is [`Kind::index`].
    pub const ALL: [Kind; 5] = [
        Kind::Send,
        Kind::Read,
        Kind::Inbox,
        Kind::Join,
        Kind::CreateRoom,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Send => "send",
            Kind::Read => "read",
            Kind::Inbox => "inbox",
            Kind::Join => "join",
            Kind::CreateRoom => "create-room",
        }
    }

    /// Its place in [`Kind::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether it changes something: then a failure leaves open whether it did.
    pub fn is_write(self) -> bool {
        matches!(self, Kind::Send | Kind::Join | Kind::CreateRoom)
    }
}

/// No room: of an inbox, or of the creation of one.
pub const NO_ROOM: u32 = u32::MAX;

/// One operation. Users and rooms are places in the population: what ids a server gave them is
/// no part of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When it is due, in nanoseconds from the run's beginning, warm-up included. In a closed
    /// loop that is when the client begins it.
    pub due_ns: u64,
    /// What is done.
    pub kind: Kind,
    /// By whom.
    pub user: u32,
    /// In which room, or [`NO_ROOM`].
    pub room: u32,
    /// Bytes of the body that is sent; of a read or an inbox, messages of a page at most; else 0.
    pub size: u32,
    /// Of a read: the latest page, not what came since the last one.
    pub latest: bool,
}

/// Streams of draws: what is drawn for one purpose says nothing about another.
mod stream {
    /// Gaps between arrivals, by arrival.
    pub(super) const GAPS: u64 = 1;
    /// What an arrival is, by arrival.
    pub(super) const ARRIVALS: u64 = 2;
    /// When a user first reads its inbox, by user.
    pub(super) const POLLING: u64 = 3;
    /// Who is a member of which rooms, by user.
    pub(super) const MEMBERS: u64 = 4;
    /// What a client of a closed loop does, by step; one stream for each client from here on.
    pub(super) const CLIENTS: u64 = 1 << 32;
    /// How long it thinks before, likewise.
    pub(super) const THINKING: u64 = 2 << 32;
}
