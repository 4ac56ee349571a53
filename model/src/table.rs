//! A table that only grows: values are found by their number without a lock, and by their
//! content with one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, OnceLock};

/// Chunks double in size from this one on.
const FIRST_CHUNK: usize = 256;
/// Room for 2^32 values.
const CHUNKS: usize = 25;

/// Values by their numbers, 0, 1, 2…
#[derive(Debug)]
pub(crate) struct Table<T> {
    chunks: [OnceLock<Box<[OnceLock<T>]>>; CHUNKS],
    /// Each content's number. Contents are told apart by 128 bits of hash.
    numbers: Mutex<HashMap<u128, u32>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            chunks: [const { OnceLock::new() }; CHUNKS],
            numbers: Mutex::default(),
        }
    }
}

/// Where a value stands: its chunk, its place there, and the chunk's size.
fn place(number: u32) -> (usize, usize, usize) {
    let shifted = number as usize + FIRST_CHUNK;
    let chunk = (shifted.ilog2() - FIRST_CHUNK.ilog2()) as usize;
    let size = FIRST_CHUNK << chunk;
    (chunk, shifted - size, size)
}

impl<T> Table<T> {
    /// The value with this number, which [`Table::number_of`] gave.
    pub(crate) fn get(&self, number: u32) -> &T {
        let (chunk, at, _) = place(number);
        let chunk = self.chunks[chunk].get().expect("the number was given");
        chunk[at].get().expect("the number was given")
    }

    /// The number of the value whose content hashes to `hash`; it is made if it is new.
    pub(crate) fn number_of(&self, hash: u128, make: impl FnOnce() -> T) -> u32 {
        let mut numbers = self.numbers.lock().expect("nobody panics here");
        let next = u32::try_from(numbers.len()).expect("fewer than 2^32 values");
        match numbers.entry(hash) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let (chunk, at, size) = place(next);
                let chunk =
                    self.chunks[chunk].get_or_init(|| (0..size).map(|_| OnceLock::new()).collect());
                let is_new = chunk[at].set(make()).is_ok();
                assert!(is_new, "each number is given once");
                *new.insert(next)
            }
        }
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.numbers.lock().expect("nobody panics here").len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_numbers_over_many_chunks() {
        let table = Table::default();
        for value in 0..5000_u32 {
            assert_eq!(table.number_of(u128::from(value) * 7, || value), value);
        }
        for value in 0..5000_u32 {
            assert_eq!(table.number_of(u128::from(value) * 7, || u32::MAX), value);
            assert_eq!(*table.get(value), value);
        }
        assert_eq!(table.len(), 5000);
    }
}
