//! Traffic that goes on where it last went.

use super::{Draws, Zipf};

/// Rooms in the order of their last use; each draw takes the one at a Zipf-distributed rank and
/// moves it to the front.
///
/// The LRU-stack model: how deep in that order the next use falls is the stack distance of
/// Mattson, Gecsei, Slutz and Traiger ("Evaluation techniques for storage hierarchies", IBM
/// Systems Journal 9(2), 1970), here drawn independently. YCSB's "latest" (Cooper et al.,
/// "Benchmarking cloud serving systems with YCSB", SoCC 2010, §3) is its relative: there new
/// records come to the front, here used rooms do. In the long run every room is used equally
/// often, but at any time a few have most of the traffic, and which ones changes as in a chat.
///
/// A draw moves 4 bytes for each rank above the drawn one: half a microsecond for 100 000 rooms at
/// exponent 0.99, below 0.1 µs for 10 000.
#[derive(Clone, Debug)]
pub struct Recency {
    /// The last used first.
    rooms: Vec<u32>,
    ranks: Zipf,
}

impl Recency {
    /// Over `n` rooms, first in the order of their numbers.
    ///
    /// # Errors
    /// As for [`Zipf::new`].
    pub fn new(n: usize, exponent: f64) -> Result<Self, String> {
        let ranks = Zipf::new(n, exponent)?;
        let number = |room| u32::try_from(room).expect("a Zipf law has fewer ranks than that");
        Ok(Recency {
            rooms: (0..n).map(number).collect(),
            ranks,
        })
    }

    /// One room, which is at the front from now on.
    pub fn room(&mut self, draws: &mut Draws) -> usize {
        let rank = self.ranks.rank(draws);
        self.rooms[..=rank].rotate_right(1);
        self.rooms[0] as usize
    }
}
