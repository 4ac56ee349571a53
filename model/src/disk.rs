//! A replica's log on disk, as far as the core's rules go: what is durable, and what is not yet.

use std::collections::VecDeque;

use telegraft_cluster::raft::{Append, Entry, Fingerprint, HardState, LogIndex, Term};

/// What survives a crash for sure, and the writes that may or may not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) hard_state: HardState,
    pub(crate) entries: Vec<Entry>,
    /// On their way, in order.
    pub(crate) writes: VecDeque<Append>,
}

impl Disk {
    /// The next write becomes durable: its batch number, and whether it breaks a vote.
    pub(crate) fn complete(&mut self) -> Option<Completed> {
        let write = self.writes.pop_front()?;
        let before = self.hard_state;
        if let Some(hard_state) = write.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(first) = write.entries.first() {
            let kept = usize::try_from(first.index - 1).expect("logs are short");
            assert!(kept <= self.entries.len(), "a write leaves no gap");
            self.entries.truncate(kept);
            self.entries.extend(write.entries);
        }
        let after = self.hard_state;
        let same_vote = before.vote.is_none() || before.vote == after.vote;
        Some(Completed {
            batch: write.batch,
            vote_kept: after.term > before.term || (after.term == before.term && same_vote),
        })
    }

    /// The last durable entry's term and index.
    pub(crate) fn last(&self) -> (Term, LogIndex) {
        self.entries
            .last()
            .map_or((0, 0), |last| (last.term, last.index))
    }

    /// The first index of each run of entries with one term.
    pub(crate) fn term_runs(&self) -> Vec<(LogIndex, Term)> {
        let mut runs: Vec<(LogIndex, Term)> = Vec::new();
        for entry in &self.entries {
            if runs.last().is_none_or(|(_, term)| *term != entry.term) {
                runs.push((entry.index, entry.term));
            }
        }
        runs
    }

    pub(crate) fn fingerprint(&self, out: &mut Fingerprint) {
        out.hard_state(self.hard_state);
        out.entries(&self.entries);
        // Their batch numbers are the last ones that the core gave: their order says it.
        for write in &self.writes {
            out.hasher
                .write_u8(1 + u8::from(write.hard_state.is_some()));
            if let Some(hard_state) = write.hard_state {
                out.hard_state(hard_state);
            }
            out.entries(&write.entries);
        }
        out.hasher.write_u8(0);
    }
}

/// A write that has become durable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completed {
    pub(crate) batch: u64,
    /// The term did not go back, nor the vote change within it.
    pub(crate) vote_kept: bool,
}
