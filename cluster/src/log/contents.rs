//! What the records of a log come to, in their order.

use crate::raft::{Configuration, Entry, HardState, LogIndex, Payload, Term};

/// What the records so far come to.
#[derive(Clone, Debug)]
pub(super) struct Contents {
    /// The index before the first entry that is kept, and its term.
    pub(super) base: (LogIndex, Term),
    pub(super) hard_state: HardState,
    pub(super) last: (Term, LogIndex),
    /// The first index of each run of entries with one term.
    pub(super) runs: Vec<(LogIndex, Term)>,
    /// The configuration at the base, and those of the entries that hold one.
    configurations: Vec<(LogIndex, Configuration)>,
}

impl Contents {
    /// Before the first record.
    pub(super) fn new(
        base: (LogIndex, Term),
        hard_state: HardState,
        configuration: Configuration,
    ) -> Self {
        Contents {
            base,
            hard_state,
            last: (base.1, base.0),
            runs: Vec::new(),
            configurations: vec![(base.0, configuration)],
        }
    }

    /// The configuration in force after the last entry.
    pub(super) fn configuration(&self) -> &Configuration {
        let (_, newest) = self.configurations.last().expect("that at the base stays");
        newest
    }

    /// Takes the next entry in.
    ///
    /// # Errors
    /// It cannot stand there; the text says why. Nothing is changed.
    pub(super) fn push(&mut self, entry: &Entry) -> Result<(), String> {
        let (last_term, last_index) = self.last;
        let Entry { index, term, .. } = *entry;
        if index != last_index + 1 {
            if index <= self.base.0 || index > last_index {
                return Err(format!("entry {index} cannot follow entry {last_index}"));
            }
            let runs = self.runs.partition_point(|(first, _)| *first < index);
            let before = match runs.checked_sub(1) {
                Some(run) => self.runs[run].1,
                None => self.base.1,
            };
            if term < before {
                return Err(format!("entry {index} goes back to term {term}"));
            }
            self.runs.truncate(runs);
            while self.configurations.pop_if(|(at, _)| *at >= index).is_some() {}
        } else if term < last_term {
            return Err(format!("entry {index} goes back to term {term}"));
        }
        if self.runs.last().is_none_or(|(_, running)| *running != term) {
            self.runs.push((index, term));
        }
        if let Payload::Configuration(configuration) = &entry.payload {
            self.configurations.push((index, configuration.clone()));
        }
        self.last = (term, index);
        Ok(())
    }
}
