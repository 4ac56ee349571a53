//! Sessions: what makes a retried write happen once.
//!
//! A session remembers the outcomes of its newest writes by their sequence numbers. It
//! opens, is used and expires by the order of the log, so every replica and every restart
//! agrees on what is remembered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::command::RequestHash;
use super::digest::{Change, Changes};
use super::types::{SessionKey, WriteError};
use crate::known_bugs::{self, KnownBug};
use crate::raft::LogIndex;

/// How many of a session's newest sequence numbers are remembered. A client with a write in
/// doubt may get this far ahead of it and still learn what came of it; a client with 64
/// connections has each of them run through 16 more writes while one is being retried.
pub const SESSION_WINDOW: u64 = 1024;

/// What bounds the memory that sessions take; all of it counts in log order.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Sequence numbers that a session remembers.
    pub window: u64,
    /// Sessions that are open; above it the least recently used one expires.
    pub sessions: usize,
    /// Outcomes that all sessions together remember; above it the same.
    pub outcomes: usize,
    /// A session that was not used in so many log entries expires.
    pub idle_entries: u64,
}

impl SessionLimits {
    /// The sessions' limits of every replica: they are part of the state machine, and to
    /// change one is to change what a log means.
    pub const REPLICATED: SessionLimits = SessionLimits {
        window: SESSION_WINDOW,
        // One per client, and far more clients than one cluster has connections for. A
        // session without outcomes takes some 150 bytes with its place in both orders: 10 MB.
        sessions: 65_536,
        // 32 bytes each make this 256 MiB at most: the full windows of 8192 clients, or 128
        // writes each of 65,536.
        outcomes: 8 << 20,
        // Over three minutes at 50,000 entries a second, a quarter of an hour at 10,000: far
        // longer than any client goes on retrying, and short enough that what was left
        // behind by clients long gone does not stay for good.
        idle_entries: 10_000_000,
    };
}

/// What is remembered of an outcome: what the request, which comes again with its retry,
/// does not tell itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    SessionRegistered(u64),
    UserCreated(u64),
    RoomCreated(u64),
    Joined,
    /// The message's number in its room.
    Sent(u64),
    NameTaken,
    NoSuchUser,
    NoSuchRoom,
    NotMember,
}

/// A write that was carried out or refused.
#[derive(Clone, Copy, Debug)]
struct Remembered {
    sequence: u64,
    request: RequestHash,
    kept: Kept,
}

const _: () = assert!(
    size_of::<Remembered>() == 32,
    "the bound on all outcomes reckons with 32 bytes each"
);

#[derive(Debug)]
struct Session {
    /// The highest sequence number so far; none before the first write.
    highest: Option<u64>,
    /// Ordered by sequence number, all within the window below `highest`. Writes mostly
    /// commit in order or nearly so: the place of a new one is at the end or close to it.
    outcomes: VecDeque<Remembered>,
    /// The log index of its last use.
    last_used: LogIndex,
}

/// What a key says about a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is new: carry it out and remember what comes of it.
    New,
    /// It was carried out before, with this outcome.
    Again(Kept),
    /// It must not be carried out.
    Refused(WriteError),
}

/// All sessions that are open.
#[derive(Debug)]
pub(super) struct Sessions {
    limits: SessionLimits,
    open: BTreeMap<u64, Session>,
    /// Every session as (last use, id): the first one was not used for the longest time.
    by_last_use: BTreeSet<(LogIndex, u64)>,
    /// Outcomes remembered in all sessions.
    outcomes: usize,
}

impl Sessions {
    pub(super) fn new(limits: SessionLimits) -> Self {
        Sessions {
            limits,
            open: BTreeMap::new(),
            by_last_use: BTreeSet::new(),
            outcomes: 0,
        }
    }

    pub(super) fn window(&self) -> u64 {
        self.limits.window
    }

    /// Lets go of what has been idle for too long. Called at every entry, before it is
    /// carried out.
    pub(super) fn expire_idle(&mut self, index: LogIndex, changes: &mut Changes) {
        while let Some((last_used, _)) = self.by_last_use.first() {
            if index - last_used <= self.limits.idle_entries {
                return;
            }
            self.expire_oldest(changes);
        }
    }

    /// Opens a session. Its id is the log index: unique, and far below 2^53.
    pub(super) fn register(&mut self, index: LogIndex, changes: &mut Changes) -> u64 {
        self.open.insert(
            index,
            Session {
                highest: None,
                outcomes: VecDeque::new(),
                last_used: index,
            },
        );
        self.by_last_use.insert((index, index));
        changes.note(Change::SessionOpened(index));
        while self.open.len() > self.limits.sessions {
            self.expire_oldest(changes);
        }
        index
    }

    /// Judges a key, and counts as a use of its session.
    pub(super) fn admit(
        &mut self,
        key: SessionKey,
        request: RequestHash,
        index: LogIndex,
    ) -> Admission {
        let Some(session) = self.open.get_mut(&key.session_id) else {
            if known_bugs::active(KnownBug::ExpiredSessionApplied) {
                return Admission::New;
            }
            return Admission::Refused(WriteError::SessionExpired(key.session_id));
        };
        self.by_last_use
            .remove(&(session.last_used, key.session_id));
        self.by_last_use.insert((index, key.session_id));
        session.last_used = index;
        match session.highest {
            Some(highest) if key.sequence <= highest => {
                if highest - key.sequence >= self.limits.window
                    && !known_bugs::active(KnownBug::WriteBelowWindowApplied)
                {
                    return Admission::Refused(WriteError::OutcomeUnknown(key.sequence));
                }
                match session.find(key.sequence) {
                    Err(_) => Admission::New,
                    Ok(at) if session.outcomes[at].request == request => {
                        Admission::Again(session.outcomes[at].kept)
                    }
                    Ok(_) => Admission::Refused(WriteError::KeyReused),
                }
            }
            _ => Admission::New,
        }
    }

    /// Remembers what came of a write that was new.
    pub(super) fn remember(
        &mut self,
        key: SessionKey,
        request: RequestHash,
        kept: Kept,
        changes: &mut Changes,
    ) {
        // It was open a moment ago; the write itself may have made it expire.
        let Some(session) = self.open.get_mut(&key.session_id) else {
            return;
        };
        if session.highest.is_none_or(|highest| highest < key.sequence) {
            session.highest = Some(key.sequence);
            while let Some(oldest) = session.outcomes.front()
                && key.sequence - oldest.sequence >= self.limits.window
            {
                session.outcomes.pop_front();
                self.outcomes -= 1;
            }
        }
        if let Err(place) = session.find(key.sequence) {
            session.outcomes.insert(
                place,
                Remembered {
                    sequence: key.sequence,
                    request,
                    kept,
                },
            );
            self.outcomes += 1;
            changes.note(Change::Remembered(key.session_id, key.sequence));
        }
        while self.outcomes > self.limits.outcomes {
            self.expire_oldest(changes);
        }
    }

    /// A known bug: what was done is forgotten, the sessions stay.
    #[cfg(feature = "known-bugs")]
    pub(super) fn forget_outcomes(&mut self) {
        for session in self.open.values_mut() {
            session.highest = None;
            session.outcomes.clear();
        }
        self.outcomes = 0;
    }

    fn expire_oldest(&mut self, changes: &mut Changes) {
        let (_, id) = self
            .by_last_use
            .pop_first()
            .expect("what is over its limit is not empty");
        let session = self
            .open
            .remove(&id)
            .expect("both orders hold every session");
        self.outcomes -= session.outcomes.len();
        changes.note(Change::SessionExpired(id));
    }
}

impl Session {
    /// Where the sequence number is, or else where it belongs.
    fn find(&self, sequence: u64) -> Result<usize, usize> {
        match self.outcomes.back() {
            Some(last) if last.sequence < sequence => Err(self.outcomes.len()),
            _ => self
                .outcomes
                .binary_search_by_key(&sequence, |remembered| remembered.sequence),
        }
    }
}
