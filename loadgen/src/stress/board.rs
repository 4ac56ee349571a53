//! What all parts of a run tell each other while it goes on.

use std::collections::BTreeMap;
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
