//! What all clients of a run have in common: who is there, and what has been seen of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use telegraft_cluster::http::Consistency;

use crate::plan::People;

/// How closely answers are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// Against everything that any client was told before it asked.
    Full,
    /// As [`Full`](Checks::Full), but reads may be stale.
    MayBeStale,
    /// Their shape alone: the system keeps nothing.
    Shape,
}

/// What a user has read. Several clients may act for one user at once, as its devices.
#[derive(Debug, Default)]
pub(crate) struct UserState {
    /// Where its inbox goes on.
    pub(crate) cursor: Option<String>,
    /// The last message that its inbox had, by room id.
    pub(crate) inbox: BTreeMap<u64, u64>,
    /// By its rooms: up to where each was read.
    pub(crate) read: Vec<u64>,
    /// Rooms that it may have joined beyond those that it began with: their ids.
    pub(crate) joined: Vec<u64>,
}

/// What all clients of a run have in common.
#[derive(Debug)]
pub struct World {
    /// The run's nonce.
    pub nonce: String,
    /// How closely answers are checked.
    pub checks: Checks,
    /// How fresh reads must be.
    pub consistency: Consistency,
    /// Who is there.
    pub people: Arc<People>,
    /// Ids of the users, by their places; 0 of those that this machine does not act for.
    pub users: Vec<u64>,
    /// Ids of the rooms, by their places; 0 of those that this machine has nothing to do with.
    pub rooms: Vec<u64>,
    /// Whether clients of other machines act for the same users.
    pub users_are_shared: bool,
    /// By room: the last message that any client was shown or had acknowledged.
    seen: Vec<AtomicU64>,
    states: Vec<Mutex<UserState>>,
}

impl World {
    /// The world with its population in it.
    pub fn new(
        nonce: String,
        checks: Checks,
        consistency: Consistency,
        people: Arc<People>,
        users: Vec<u64>,
        rooms: Vec<u64>,
    ) -> Self {
        let state = |user| UserState {
            read: vec![0; people.rooms_of(user).len()],
            ..UserState::default()
        };
        let count = u32::try_from(users.len()).expect("populations are bounded");
        let states = (0..count).map(|user| Mutex::new(state(user))).collect();
        World {
            nonce,
            checks,
            consistency,
            people,
            seen: rooms.iter().map(|_| AtomicU64::new(0)).collect(),
            users,
            rooms,
            users_are_shared: false,
            states,
        }
    }

    /// Whether answers are compared with others at all.
    pub(crate) fn checked(&self) -> bool {
        self.checks != Checks::Shape
    }

    /// Whether reads must see everything that was seen before they began.
    pub(crate) fn fresh(&self) -> bool {
        self.checks == Checks::Full
    }

    /// The last message of a room that was seen by now: an operation that begins after this
    /// must not see less.
    pub(crate) fn seen(&self, room: u32) -> u64 {
        self.seen[room as usize].load(Ordering::Acquire)
    }

    /// A message of a room was shown or acknowledged.
    pub(crate) fn see(&self, room: u32, seq: u64) {
        self.seen[room as usize].fetch_max(seq, Ordering::AcqRel);
    }

    /// What a user has read; held for moments only, never across a request.
    pub(crate) fn state(&self, user: u32) -> MutexGuard<'_, UserState> {
        let state = &self.states[user as usize];
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
