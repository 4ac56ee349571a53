//! A replica's disk: what is written and synced, and nothing else.

use telegraft_cluster::raft::{Entry, HardState, LogIndex, Term};

/// What survives a crash.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) hard_state: HardState,
    pub(super) base: (LogIndex, Term),
    /// Contiguous, from `base.0 + 1`.
    pub(super) entries: Vec<Entry>,
    pub(super) used: bool,
}

impl Disk {
    pub(super) fn last(&self) -> (Term, LogIndex) {
        self.entries
            .last()
            .map_or((self.base.1, self.base.0), |entry| {
                (entry.term, entry.index)
            })
    }

    pub(super) fn entry(&self, index: LogIndex) -> Option<&Entry> {
        let position = index.checked_sub(self.base.0 + 1)?;
        self.entries.get(usize::try_from(position).ok()?)
    }

    /// Later records supersede earlier ones.
    pub(super) fn write(&mut self, entries: &[Entry]) {
        for entry in entries {
            let keep = usize::try_from(entry.index - self.base.0 - 1).expect("a small log");
            assert!(keep <= self.entries.len(), "a gap in the log");
            self.entries.truncate(keep);
            self.entries.push(entry.clone());
        }
    }
}
