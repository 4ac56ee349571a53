//! What was said on the simulated network, as a hash and, when asked for, as text.

use std::fmt::Write as _;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::pipe::Fate;
use crate::raft::NodeId;

/// A streaming hash of all that happens, and its text while that is kept.
#[derive(Clone, Default)]
pub(super) struct Trace {
    hash: Xxh3Default,
    text: String,
    keep_text: bool,
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trace({:016x})", self.hash.digest())
    }
}

impl Trace {
    pub(super) fn keep_text(&mut self, keep: bool) {
        self.keep_text = keep;
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash.digest()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A line of whoever drives the world. `now` is in nanoseconds.
    pub(super) fn note(&mut self, now: u64, what: &str) {
        self.hash.update(&now.to_le_bytes());
        self.hash.update(&(what.len() as u64).to_le_bytes());
        self.hash.update(what.as_bytes());
        if self.keep_text {
            writeln!(self.text, "{now} {what}").expect("a string takes all");
        }
    }

    /// A frame and what becomes of it.
    pub(super) fn frame(&mut self, now: u64, ends: (NodeId, NodeId), frame: &[u8], fate: Fate) {
        let (from, to) = ends;
        let content = xxh3_64(frame);
        let length = frame.len() as u64;
        let mut record = [0; 41];
        for (place, number) in record
            .chunks_exact_mut(8)
            .zip([now, from, to, length, content])
        {
            place.copy_from_slice(&number.to_le_bytes());
        }
        record[40] = fate as u8;
        self.hash.update(&record);
        if self.keep_text {
            let fate = fate.name();
            writeln!(
                self.text,
                "{now} {from}->{to} {length} {content:016x} {fate}"
            )
            .expect("a string takes all");
        }
    }
}
