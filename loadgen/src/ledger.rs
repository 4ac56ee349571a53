//! What a client knows of the messages that it sent: a few bits each, and one hash over all.

use xxhash_rust::xxh3::xxh3_64;

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap(Vec<u64>);

impl Bitmap {
    fn place(number: u32) -> (usize, u64) {
        ((number / 64) as usize, 1 << (number % 64))
    }

    /// Puts `number` in; whether it was not there before.
    pub fn insert(&mut self, number: u32) -> bool {
        let (word, bit) = Self::place(number);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    /// Whether `number` is in it.
    pub fn contains(&self, number: u32) -> bool {
        let (word, bit) = Self::place(number);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// How many are in it.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    /// What is in it and not in `other`, in order.
    pub fn without<'a>(&'a self, other: &'a Bitmap) -> impl Iterator<Item = u32> + 'a {
        let words = self.0.iter().enumerate();
        words.flat_map(|(word, bits)| {
            let left = bits & !other.0.get(word).copied().unwrap_or(0);
            let base = u32::try_from(word * 64).expect("numbers are u32");
            (0..64).filter_map(move |bit| (left >> bit & 1 == 1).then_some(base + bit))
        })
    }
}

/// Where a message was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The room's id.
    pub room_id: u64,
    /// The message's number in it.
    pub seq: u64,
    /// The author's id.
    pub author: u64,
    /// Bytes of its body.
    pub bytes: usize,
}

/// The hash of one message at its place. The body follows from client and number, and is
/// compared itself.
pub fn place_hash(client: u32, number: u32, place: Place) -> u64 {
    let mut bytes = [0; 40];
    let id = u64::from(client) << 32 | u64::from(number);
    let size = place.bytes as u64;
    let parts = [id, place.room_id, place.seq, place.author, size];
    for (to, from) in bytes.chunks_exact_mut(8).zip(parts) {
        to.copy_from_slice(&from.to_le_bytes());
    }
    xxh3_64(&bytes)
}

/// What one client knows of its messages, which it numbers 0, 1, 2…
///
/// A number that is in neither set and below [`sent`](Ledger::sent) was refused: it must not
/// be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// How many numbers were used.
    pub sent: u32,
    /// Acknowledged: each must be there once.
    pub acknowledged: Bitmap,
    /// Of these nobody knows: each may be there once.
    pub unknown: Bitmap,
    /// The sum of the [`place_hash`] of what was acknowledged, in any order.
    pub hash: u64,
}

impl Ledger {
    /// The number for the next message.
    pub fn take_number(&mut self) -> u32 {
        let number = self.sent;
        self.sent = number.checked_add(1).expect("no run sends 2^32 messages");
        number
    }

    /// A message was acknowledged.
    pub fn acknowledge(&mut self, client: u32, number: u32, place: Place) {
        self.acknowledged.insert(number);
        self.hash = self.hash.wrapping_add(place_hash(client, number, place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_is_a_set() {
        let (mut all, mut some) = (Bitmap::default(), Bitmap::default());
        for number in [0, 63, 64, 200, 1_000] {
            assert!(all.insert(number));
            assert!(!all.insert(number));
        }
        some.insert(63);
        some.insert(200);
        assert_eq!(all.len(), 5);
        assert!(all.contains(64) && !all.contains(65) && !all.contains(100_000));
        assert_eq!(all.without(&some).collect::<Vec<_>>(), [0, 64, 1_000]);
        assert_eq!(some.without(&all).count(), 0);
        assert!(Bitmap::default().is_empty() && !some.is_empty());
    }
}
