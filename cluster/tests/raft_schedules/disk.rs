//! A node's stable storage: batches become durable in order, in groups, and late.

use std::collections::VecDeque;

use rand::RngExt;
use rand::rngs::StdRng;
use telegraft_cluster::raft::{
    Append, Completion, Configuration, Entry, HardState, LogIndex, Restored, Term,
};

/// What is durable, and what is on its way there.
#[derive(Debug)]
pub(crate) struct Disk {
    base: (LogIndex, Term),
    hard_state: HardState,
    entries: Vec<Entry>,
    waiting_states: VecDeque<(u64, HardState)>,
    waiting_entries: VecDeque<(u64, Vec<Entry>)>,
    handed: u64,
    states_through: u64,
    entries_through: u64,
    writing: Option<u64>,
    /// No space: terms and votes go on through the reserve, entries wait.
    pub(crate) full: bool,
}

impl Disk {
    /// A disk that holds `entries` after `base`.
    pub(crate) fn new(base: (LogIndex, Term), hard_state: HardState, entries: Vec<Entry>) -> Self {
        Disk {
            base,
            hard_state,
            entries,
            waiting_states: VecDeque::new(),
            waiting_entries: VecDeque::new(),
            handed: 0,
            states_through: 0,
            entries_through: 0,
            writing: None,
            full: false,
        }
    }

    /// Takes a batch; it is not durable yet.
    pub(crate) fn hand(&mut self, append: Append) {
        self.handed = append.batch;
        if let Some(state) = append.hard_state {
            self.waiting_states.push_back((append.batch, state));
        }
        if !append.entries.is_empty() {
            self.waiting_entries
                .push_back((append.batch, append.entries));
        }
    }

    /// Whether all that was handed over is durable.
    pub(crate) fn is_idle(&self) -> bool {
        self.entries_through == self.handed
    }

    /// Starts a write of some of what waits; false when one is under way or nothing waits.
    pub(crate) fn begin(&mut self, rng: &mut StdRng) -> bool {
        let more = self.states_through < self.handed;
        if self.writing.is_some() || !(more || (!self.full && !self.is_idle())) {
            return false;
        }
        let first = (self.states_through + 1).min(self.handed);
        // Mostly all that has queued, as a group commit does; sometimes less.
        let through = if rng.random_bool(0.7) {
            self.handed
        } else {
            rng.random_range(first..=self.handed)
        };
        self.writing = Some(through);
        true
    }

    /// The write under way is synced.
    pub(crate) fn finish(&mut self) -> Completion {
        let through = self.writing.take().expect("a write was begun");
        self.settle(if self.full { None } else { Some(through) }, through);
        Completion {
            entries_through: self.entries_through,
            hard_state_through: self.states_through,
            last: (self.term_at(self.last_index()), self.last_index()),
        }
    }

    fn settle(&mut self, entries: Option<u64>, states: u64) {
        while let Some((_, state)) = self
            .waiting_states
            .pop_front_if(|(batch, _)| *batch <= states)
        {
            self.hard_state = state;
        }
        self.states_through = self.states_through.max(states);
        let Some(entries) = entries else { return };
        while let Some((_, batch)) = self
            .waiting_entries
            .pop_front_if(|(batch, _)| *batch <= entries)
        {
            let keep = batch[0].index - self.base.0 - 1;
            self.entries
                .truncate(usize::try_from(keep).expect("logs are short"));
            self.entries.extend(batch);
        }
        self.entries_through = self.entries_through.max(entries);
    }

    /// The process dies: of what waited, some prefix has reached the disk.
    pub(crate) fn crash(&mut self, rng: &mut StdRng) {
        let states = if rng.random_bool(0.5) {
            self.states_through
        } else {
            rng.random_range(self.states_through..=self.handed)
        };
        self.settle((!self.full).then_some(states), states);
        self.waiting_states.clear();
        self.waiting_entries.clear();
        self.handed = 0;
        self.states_through = 0;
        self.entries_through = 0;
        self.writing = None;
    }

    /// What recovery gives to the core: all of the log, the newest `tail` entries in memory.
    pub(crate) fn restored(
        &self,
        configuration: Configuration,
        tail: usize,
        restarted: bool,
    ) -> Restored {
        let mut term_runs: Vec<(LogIndex, Term)> = Vec::new();
        for entry in &self.entries {
            if term_runs.last().is_none_or(|(_, term)| *term != entry.term) {
                term_runs.push((entry.index, entry.term));
            }
        }
        Restored {
            hard_state: self.hard_state,
            configuration,
            base: self.base,
            term_runs,
            last_index: self.last_index(),
            tail: self.entries[self.entries.len() - tail.min(self.entries.len())..].to_vec(),
            restarted,
        }
    }

    /// How many entries it keeps.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The durable term and vote.
    pub(crate) fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// The last durable entry.
    pub(crate) fn last_index(&self) -> LogIndex {
        self.entries.last().map_or(self.base.0, |entry| entry.index)
    }

    /// The durable entry at `index`.
    pub(crate) fn entry(&self, index: LogIndex) -> Option<&Entry> {
        let offset = index.checked_sub(self.base.0 + 1)?;
        self.entries.get(usize::try_from(offset).ok()?)
    }

    /// The term of the durable entry at `index`, or of the base; else 0.
    pub(crate) fn term_at(&self, index: LogIndex) -> Term {
        if index == self.base.0 {
            return self.base.1;
        }
        self.entry(index).map_or(0, |entry| entry.term)
    }

    /// Reads entries for a follower far behind.
    pub(crate) fn read(&self, first: LogIndex, last: LogIndex, max_bytes: usize) -> Vec<Entry> {
        let mut bytes = 0;
        let mut entries = Vec::new();
        for index in first..=last {
            let Some(entry) = self.entry(index) else {
                return Vec::new();
            };
            bytes += entry.encoded_len();
            entries.push(entry.clone());
            if bytes >= max_bytes {
                break;
            }
        }
        entries
    }
}
