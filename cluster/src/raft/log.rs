//! The core's view of its log: the newest entries, the terms of all, and what is durable.

use std::collections::VecDeque;

use super::explore::Fingerprint;
use super::io::{Completion, Restored};
use super::types::{Entry, LogIndex, Term};
use crate::known_bugs::{self, KnownBug};

/// Entries on their way to the disk.
#[derive(Clone, Debug)]
struct Batch {
    number: u64,
    /// The last of its entries that nothing has superseded since.
    still_ours: LogIndex,
    /// The last entry as it was written.
    written: (Term, LogIndex),
}

/// The log as the core sees it. Entries below the tail are known by their terms alone.
#[derive(Clone, Debug)]
pub(super) struct RaftLog {
    /// The index before the first entry that is kept, and its term.
    base: (LogIndex, Term),
    /// The first index of each run of entries with one term. There are as many as there were
    /// elections, so a term is found in no time, however long the log is.
    runs: Vec<(LogIndex, Term)>,
    /// The newest entries, contiguous and ending at `last`.
    tail: VecDeque<Entry>,
    /// Their encoded bytes.
    tail_bytes: usize,
    last: LogIndex,
    /// The first entry that no batch carries yet.
    next_write: LogIndex,
    /// All entries up to this one are on stable storage, as they stand here.
    durable: LogIndex,
    /// Batches with entries that have not completed.
    in_flight: VecDeque<Batch>,
    /// The last entry on stable storage, as it was written.
    on_disk: (Term, LogIndex),
}

impl RaftLog {
    pub(super) fn new(restored: Restored) -> Self {
        let Restored {
            base,
            term_runs,
            last_index,
            tail,
            ..
        } = restored;
        debug_assert!(
            tail.last().is_none_or(|entry| entry.index == last_index),
            "the restored tail ends at the last entry"
        );
        let mut log = RaftLog {
            base,
            runs: term_runs,
            tail_bytes: tail.iter().map(Entry::encoded_len).sum(),
            tail: tail.into(),
            last: last_index,
            next_write: last_index + 1,
            durable: last_index,
            in_flight: VecDeque::new(),
            on_disk: (0, 0),
        };
        log.on_disk = (log.last_term(), log.last);
        log
    }

    /// The index before the first entry that is kept.
    pub(super) fn base(&self) -> LogIndex {
        self.base.0
    }

    pub(super) fn last(&self) -> LogIndex {
        self.last
    }

    pub(super) fn last_term(&self) -> Term {
        self.runs.last().map_or(self.base.1, |(_, term)| *term)
    }

    pub(super) fn durable(&self) -> LogIndex {
        self.durable
    }

    /// The first entry that is in memory; one after the last when none is.
    pub(super) fn tail_first(&self) -> LogIndex {
        self.last + 1 - self.tail.len() as LogIndex
    }

    /// The term of the entry at `index`, or none when there is no such entry (any more).
    pub(super) fn term(&self, index: LogIndex) -> Option<Term> {
        if index > self.last || index < self.base.0 {
            return None;
        }
        if index == self.base.0 {
            return Some(self.base.1);
        }
        // Most questions are about the newest run.
        match self.runs.last() {
            Some((first, term)) if *first <= index => Some(*term),
            _ => {
                let run = self.runs.partition_point(|(first, _)| *first <= index);
                Some(self.runs[run - 1].1)
            }
        }
    }

    /// The last index up to `index` whose term is at most `term`; the base when there is none.
    /// Logs that agree at an index have the same term there, and terms never fall along a log:
    /// this is how far down two logs must differ when one has `term` at `index`.
    pub(super) fn last_with_term_up_to(&self, index: LogIndex, term: Term) -> LogIndex {
        let run = self.runs.partition_point(|(_, of_run)| *of_run <= term);
        let end = match self.runs.get(run) {
            Some((next_first, _)) => next_first - 1,
            None => self.last,
        };
        index.min(end).max(self.base.0)
    }

    /// Appends one entry; it must be the next.
    pub(super) fn push(&mut self, entry: Entry) {
        debug_assert_eq!(entry.index, self.last + 1, "the log has no gaps");
        debug_assert!(entry.term >= self.last_term(), "terms never fall");
        if self.runs.is_empty() || entry.term != self.last_term() {
            self.runs.push((entry.index, entry.term));
        }
        self.last = entry.index;
        self.tail_bytes += entry.encoded_len();
        self.tail.push_back(entry);
    }

    /// Takes the entries from `first` on out of the log: others take their place.
    ///
    /// What of them is on disk, or on its way there, is ours no longer, and stays so even when
    /// the same entries come back later: the disk will see them superseded first.
    pub(super) fn supersede(&mut self, first: LogIndex) {
        debug_assert!(first > self.base.0 && first <= self.last);
        while self.last >= first {
            if let Some(entry) = self.tail.pop_back() {
                self.tail_bytes -= entry.encoded_len();
            }
            self.last -= 1;
        }
        self.runs.truncate(
            self.runs
                .partition_point(|(run_first, _)| *run_first < first),
        );
        self.next_write = self.next_write.min(first);
        self.durable = self.durable.min(first - 1);
        for batch in &mut self.in_flight {
            batch.still_ours = batch.still_ours.min(first - 1);
        }
    }

    /// Entries from `first` on, which is in memory, up to `max_bytes` (one at least).
    pub(super) fn slice(&self, first: LogIndex, max_bytes: usize) -> Vec<Entry> {
        let mut bytes = 0;
        self.from(first)
            .take_while(|entry| {
                let fits = bytes == 0 || bytes + entry.encoded_len() <= max_bytes;
                bytes += entry.encoded_len();
                fits
            })
            .cloned()
            .collect()
    }

    /// The entries in memory from `first` on; from the tail's first when that is later.
    pub(super) fn from(&self, first: LogIndex) -> impl Iterator<Item = &Entry> {
        let skip = first.saturating_sub(self.tail_first());
        self.tail
            .range(usize::try_from(skip).expect("the tail is in memory")..)
    }

    /// The entries that no batch carries yet; they belong to batch `number` from here on.
    pub(super) fn take_unwritten(&mut self, number: u64) -> Vec<Entry> {
        if self.next_write > self.last {
            return Vec::new();
        }
        debug_assert!(self.next_write >= self.tail_first(), "unwritten is kept");
        let entries = self.from(self.next_write).cloned().collect();
        self.next_write = self.last + 1;
        self.in_flight.push_back(Batch {
            number,
            still_ours: self.last,
            written: (self.last_term(), self.last),
        });
        entries
    }

    pub(super) fn has_unwritten(&self) -> bool {
        self.next_write <= self.last
    }

    /// Takes in what the disk says. ⚠ The durable index comes from what is still ours of the
    /// completed batches, not from what they carried.
    pub(super) fn completed(&mut self, completion: Completion) {
        while let Some(batch) = self
            .in_flight
            .pop_front_if(|batch| batch.number <= completion.entries_through)
        {
            self.on_disk = batch.written;
            let ours = if known_bugs::active(KnownBug::SupersededSuffixAcknowledged) {
                batch.written.1.min(self.last)
            } else {
                batch.still_ours
            };
            self.durable = self.durable.max(ours);
        }
        assert!(
            self.on_disk.1 == self.base.0 || completion.last == self.on_disk,
            "the log's last durable entry is {:?}, by the core's books {:?} (term, index)",
            completion.last,
            self.on_disk,
        );
        debug_assert!(self.durable <= self.last);
    }

    /// Lets the oldest entries in memory go while there are more than `max_bytes`, but none
    /// after `needed_after` and none that is not durable.
    pub(super) fn trim(&mut self, max_bytes: usize, needed_after: LogIndex) {
        let limit = needed_after.min(self.durable);
        while self.tail_bytes > max_bytes
            && let Some(entry) = self.tail.pop_front_if(|entry| entry.index <= limit)
        {
            self.tail_bytes -= entry.encoded_len();
        }
    }

    /// `next_batch` is the number from which the batches' numbers count back.
    pub(super) fn fingerprint(&self, next_batch: u64, out: &mut Fingerprint) {
        let RaftLog {
            base,
            runs,
            tail,
            tail_bytes: _,
            last,
            next_write,
            durable,
            in_flight,
            on_disk,
        } = self;
        out.numbers([base.0, base.1, *last, *next_write, *durable]);
        out.numbers([on_disk.0, on_disk.1]);
        out.numbers(runs.iter().flat_map(|(first, term)| [*first, *term]));
        out.entries(tail);
        let batches = in_flight.iter().flat_map(|batch| {
            let (term, index) = batch.written;
            [next_batch - batch.number, batch.still_ours, term, index]
        });
        out.numbers(batches);
    }
}
