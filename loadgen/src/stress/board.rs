//! What all parts of a run tell each other while it goes on.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::findings::Findings;

/// The board.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// Operations that succeeded.
    pub(super) ok: AtomicU64,
    /// That surely did not happen.
    pub(super) failed: AtomicU64,
    /// Of which nobody knows.
    pub(super) unknown: AtomicU64,
    /// Writes that the session must refuse, because they are below its window.
    pub(super) below_window: AtomicU64,
    /// Requests beyond the first of an operation.
    pub(super) retries: AtomicU64,
    /// Large messages that are still to be sent, so that a full disk is noticed.
    pub(super) flood: AtomicU64,
    /// Who leads; 0 when nobody is known to.
    pub(super) leader: AtomicU64,
    /// Faults that go on, by their place in the schedule.
    faults: Mutex<BTreeMap<usize, String>>,
    /// Answers that no server may give.
    wrong: Mutex<Findings>,
    lives: Mutex<Lives>,
}

/// What is read: a room, or a user's inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    Room(u64),
    Inbox(u64),
}

/// Which process of a replica knows what.
#[derive(Debug, Default)]
struct Lives {
    /// How often each replica was started again.
    starts: HashMap<u64, u64>,
    /// The life in which a replica has answered for a source.
    knows: HashMap<(u64, Source), u64>,
}

impl Board {
    pub(super) fn begins(&self, nth: usize, what: &str) {
        lock(&self.faults).insert(nth, what.to_owned());
    }

    pub(super) fn ends(&self, nth: usize) {
        lock(&self.faults).remove(&nth);
    }

    /// What goes on, for people.
    pub(super) fn going(&self) -> String {
        let faults = lock(&self.faults);
        let texts: Vec<&str> = faults.values().map(String::as_str).collect();
        texts.join("; ")
    }

    /// An answer that no server may give.
    pub(super) fn is_wrong(&self, text: impl FnOnce() -> String) {
        lock(&self.wrong).add(text);
    }

    pub(super) fn wrong(&self) -> Findings {
        lock(&self.wrong).clone()
    }

    /// The replica is started again, from its log: what it knew it may not know yet. Told before a
    /// new process can answer.
    pub(super) fn starts(&self, replica: u64) {
        *lock(&self.lives).starts.entry(replica).or_default() += 1;
    }

    /// Which of the replica's processes answers now.
    pub(super) fn life(&self, replica: u64) -> u64 {
        let lives = lock(&self.lives);
        lives.starts.get(&replica).copied().unwrap_or(0)
    }

    /// The replica has answered for `source`, asked in its `life`. If that still goes on, the same
    /// process knows of it from now on.
    pub(super) fn answered(&self, replica: u64, source: Source, life: u64) {
        if self.life(replica) == life {
            lock(&self.lives).knows.insert((replica, source), life);
        }
    }

    /// Whether the replica, asked in its `life`, had answered for `source` before in that life,
    /// and lives it still: then nothing excuses that it says there is no such thing.
    pub(super) fn knew(&self, replica: u64, source: Source, life: u64) -> bool {
        let knows = lock(&self.lives).knows.get(&(replica, source)).copied();
        knows == Some(life) && self.life(replica) == life
    }

    /// Takes one of the large messages that are to be sent, if there is one.
    pub(super) fn take_large(&self) -> bool {
        let mut left = self.flood.load(Ordering::Relaxed);
        while let Some(less) = left.checked_sub(1) {
            let taken =
                self.flood
                    .compare_exchange_weak(left, less, Ordering::Relaxed, Ordering::Relaxed);
            match taken {
                Ok(_) => return true,
                Err(now) => left = now,
            }
        }
        false
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_knows_what_it_answered_for_until_it_is_started_again() {
        let board = Board::default();
        let room = Source::Room(4);
        let first = board.life(2);
        assert!(!board.knew(2, room, first), "it has not answered yet");
        board.answered(2, room, first);
        assert!(board.knew(2, room, first));
        assert!(!board.knew(1, room, first), "another replica");
        assert!(!board.knew(2, Source::Inbox(4), first), "another source");
        board.starts(2);
        assert!(!board.knew(2, room, first), "the one who was asked is gone");
        board.answered(2, room, first);
        assert!(!board.knew(2, room, board.life(2)), "not said by this one");
        board.answered(2, room, board.life(2));
        assert!(board.knew(2, room, board.life(2)));
    }
}
