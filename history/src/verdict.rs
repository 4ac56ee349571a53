//! What the check found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::op::{Consistency, Kind};

/// What came of checking a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The first violations, each explained; at most [`CheckOptions::max_explained`](crate::CheckOptions).
    pub violations: Vec<Violation>,
    /// All violations by rule, explained or not.
    pub violated: BTreeMap<String, u64>,
    /// Lines read.
    pub lines: u64,
    /// From the first line's time to the last's, in nanoseconds.
    pub span_ns: u64,
    /// Operations by kind and consistency.
    pub operations: Vec<Operations>,
    /// Rooms that were sent to or read.
    pub rooms: u64,
    /// Sends that were acknowledged.
    pub acknowledged: u64,
    /// Sends whose outcome nobody knows, those among them that were open at the end.
    pub unknown_sends: u64,
    /// Unknown sends that some read showed.
    pub unknown_appeared: u64,
    /// Messages that no read showed and nobody acknowledged, but that must be there: higher ones
    /// of their rooms are.
    pub unknown_implied: u64,
    /// Values that reads and inboxes showed.
    pub values_read: u64,
    /// How far local reads of rooms were behind.
    pub staleness: Staleness,
    /// The longest time without a successful send while clients tried to send, in nanoseconds.
    pub longest_outage_ns: u64,
    /// Faults by kind, without what [ends](crate::ENDS) them; one that hits several replicas counts
    /// for each.
    pub faults: BTreeMap<String, u64>,
    /// Digests that were held against another replica's at the same index.
    pub digests_compared: u64,
    /// What else is to be known about the file, as a torn last line.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Whether every promise was kept.
    pub fn is_consistent(&self) -> bool {
        self.violated.is_empty()
    }
}

/// Operations of one kind and consistency, by outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operations {
    /// The kind.
    pub kind: Kind,
    /// What was promised; none of a send.
    pub consistency: Option<Consistency>,
    /// Answered.
    pub ok: u64,
    /// Surely did not happen.
    pub failed: u64,
    /// Outcome unknown, those among them that were open at the end.
    pub unknown: u64,
}

/// How far local reads of rooms were behind when they began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staleness {
    /// The local reads that are counted.
    pub reads: u64,
    /// Messages of the room that were there for sure, as an acknowledgement with this or a higher
    /// seq had come, and that the replica had not applied.
    pub messages: Percentiles,
    /// Log entries between the highest acknowledged one and the replica's applied index.
    pub log_entries: Percentiles,
    /// Milliseconds since the first acknowledgement among the room's messages that the replica had
    /// not applied.
    pub milliseconds: Percentiles,
}

/// Percentiles by the nearest rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half were at most this.
    pub p50: u64,
    /// Nine of ten were at most this.
    pub p90: u64,
    /// 99 of 100 were at most this.
    pub p99: u64,
    /// The greatest.
    pub max: u64,
}

/// Operations that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The rule that they break: one of [`Rule`](crate::Rule)'s names.
    pub rule: String,
    /// What is wrong, and the operations in order.
    pub text: String,
    /// The lines of the history that contradict each other, in order, from 1.
    pub lines: Vec<usize>,
    /// What stands in these lines, with the faults between them.
    pub excerpt: Vec<Excerpt>,
}

/// A line of an excerpt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The line, from 1.
    pub line: usize,
    /// Nanoseconds since the history's first line.
    pub at_ns: i64,
    /// The process; none of faults and observers.
    pub process: Option<u64>,
    /// `invoke`, `ok`, `fail`, `info`, or `fault`.
    pub kind: String,
    /// In words.
    pub text: String,
}
