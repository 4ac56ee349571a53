//! Numbers for what a history names, and their bounds.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use crate::entry::{Outcome, Value, What};
use crate::store::MAX_OPERATIONS;

/// Numbers for things in the order of their first mention.
#[derive(Debug, Default)]
pub(crate) struct Numbers(HashMap<u64, u32>);

impl Numbers {
    /// Its number, and whether it is new.
    pub(crate) fn of(&mut self, name: u64) -> (u32, bool) {
        // Fewer than lines, which are counted in 32 bits.
        let next = self.0.len() as u32;
        let number = *self.0.entry(name).or_insert(next);
        (number, number == next)
    }
}

/// Ids are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHash(u64);

impl Hasher for IdHash {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("ids are numbers");
    }
    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }
}

impl BuildHasher for IdHash {
    type Hasher = IdHash;
    fn build_hasher(&self) -> IdHash {
        IdHash(0)
    }
}

/// Numbers of a history are below this, so that sums of them are numbers.
const NUMBER_BOUND: u64 = 1 << 62;

/// Whether the numbers of a line are below [`NUMBER_BOUND`].
pub(crate) fn bounded(what: &What, values: &[Value]) -> Result<(), String> {
    let (numbers, shown) = match what {
        What::Page { ask, .. } => ([ask.after, ask.min_index], 0),
        What::Complete { outcome, .. } => match *outcome {
            Outcome::Sent { seq, log_index } => ([seq, log_index], 0),
            Outcome::Page {
                values,
                applied_index,
                cursor,
            } => ([applied_index, cursor], values),
            Outcome::Fail | Outcome::Unknown => ([0, 0], 0),
        },
        What::Digest { log_index, .. } => ([*log_index, 0], 0),
        What::Send { .. } | What::Fault(_) | What::Member { .. } => ([0, 0], 0),
    };
    let seqs = values[..shown].iter().map(|value| value.seq);
    match numbers.into_iter().chain(seqs).max() {
        Some(greatest) if greatest >= NUMBER_BOUND => Err(format!(
            "{greatest} is no number of a log: it is not below 2^62"
        )),
        _ => Ok(()),
    }
}

/// The number of the last of `count` things.
pub(crate) fn number_of(count: usize) -> Result<u32, String> {
    if count > MAX_OPERATIONS {
        return Err(format!(
            "a history has at most {MAX_OPERATIONS} operations of a kind"
        ));
    }
    Ok(count as u32 - 1)
}
