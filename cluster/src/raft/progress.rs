//! What a leader knows of each follower, and how it speaks to it.

use std::collections::VecDeque;

use super::explore::Fingerprint;
use super::log::RaftLog;
use super::types::{LogIndex, Term};
use crate::time::Time;

/// How entries are sent.
#[derive(Clone, Debug)]
enum Pace {
    /// Where the logs agree is not known, or what was sent may be lost: one message at a time.
    Probe {
        /// It is out. An answer brings the next one; each heartbeat probes too.
        waiting: bool,
    },
    /// The logs agree: entries are streamed without waiting for answers.
    Replicate {
        /// The last index of each message with entries that has not been answered.
        in_flight: VecDeque<LogIndex>,
    },
}

/// One follower, as its leader knows it.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// The follower's log is ours, and durable there, up to here.
    pub(super) match_index: LogIndex,
    /// The next entry to send. Above `match_index`.
    pub(super) next_index: LogIndex,
    /// The first entry that the leader keeps: it cannot send earlier ones.
    first_index: LogIndex,
    pace: Pace,
    /// The newest round that it answered.
    pub(super) round: u64,
    /// When that round was sent. ⚠ The lease counts from here, not from the answer.
    pub(super) round_sent_at: Option<Time>,
    /// When it last answered (CheckQuorum).
    pub(super) heard_at: Time,
    /// The log could not be read for it: not again before the next heartbeat.
    pub(super) fetch_failed: bool,
}

impl Progress {
    pub(super) fn new(next_index: LogIndex, first_index: LogIndex, now: Time) -> Self {
        Progress {
            match_index: 0,
            next_index,
            first_index,
            pace: Pace::Probe { waiting: false },
            round: 0,
            round_sent_at: None,
            heard_at: now,
            fetch_failed: false,
        }
    }

    pub(super) fn is_probing(&self) -> bool {
        matches!(self.pace, Pace::Probe { .. })
    }

    /// Whether a message with entries may be sent now.
    pub(super) fn may_send(&self, max_in_flight: usize) -> bool {
        match &self.pace {
            Pace::Probe { waiting } => !waiting,
            Pace::Replicate { in_flight } => in_flight.len() < max_in_flight,
        }
    }

    /// Entries from `next_index` up to `last` have been sent; none, when it is below.
    pub(super) fn sent(&mut self, last: LogIndex) {
        match &mut self.pace {
            Pace::Probe { waiting } => *waiting = true,
            Pace::Replicate { in_flight } => {
                in_flight.push_back(last);
                self.next_index = last + 1;
            }
        }
    }

    /// The follower's log is ours and durable up to `durable`.
    pub(super) fn matched(&mut self, durable: LogIndex) {
        self.match_index = self.match_index.max(durable);
        match &mut self.pace {
            Pace::Probe { .. } => {
                // What it may have beyond that, not yet durable, is sent again: rarely much.
                self.next_index = self.lowest_next();
                self.pace = Pace::Replicate {
                    in_flight: VecDeque::new(),
                };
            }
            Pace::Replicate { in_flight } => {
                while in_flight.pop_front_if(|last| *last <= durable).is_some() {}
                self.next_index = self.next_index.max(self.lowest_next());
            }
        }
    }

    /// The follower has nothing at `prev_index`, or another term; the logs may agree up to
    /// `hint_index`, where its term is `hint_term`.
    pub(super) fn refused(
        &mut self,
        log: &RaftLog,
        prev_index: LogIndex,
        hint_index: LogIndex,
        hint_term: Term,
    ) {
        // An answer to something older is told by its index: in a probe only one is open, and
        // what has matched is never refused.
        let stale = match self.pace {
            Pace::Probe { .. } => prev_index + 1 != self.next_index,
            Pace::Replicate { .. } => prev_index >= self.next_index,
        };
        if stale || prev_index <= self.match_index {
            return;
        }
        let agree = log.last_with_term_up_to(hint_index, hint_term);
        let next_index = (agree + 1).min(prev_index).max(self.lowest_next());
        // Without a step back (below the base there is none) the next try waits its turn.
        let waiting = next_index > prev_index;
        self.next_index = next_index;
        self.pace = Pace::Probe { waiting };
    }

    /// What was sent is probably lost. The next heartbeat finds out.
    pub(super) fn unreachable(&mut self) {
        self.next_index = self.lowest_next();
        self.pace = Pace::Probe { waiting: true };
    }

    fn lowest_next(&self) -> LogIndex {
        self.first_index.max(self.match_index + 1)
    }

    pub(super) fn fingerprint(&self, out: &mut Fingerprint) {
        let Progress {
            match_index,
            next_index,
            first_index,
            pace,
            round,
            round_sent_at: _,
            heard_at: _,
            fetch_failed,
        } = self;
        out.numbers([*match_index, *next_index, *first_index]);
        out.flag(*fetch_failed);
        match pace {
            Pace::Probe { waiting } => out.numbers([u64::from(*waiting)]),
            Pace::Replicate { in_flight } => {
                out.numbers([2]);
                out.numbers(in_flight.iter().copied());
            }
        }
        if out.reads {
            out.number(*round);
        }
    }
}
