//! The generator, and the draws that need nothing else.

use std::f64::consts::TAU;

/// What SplitMix64 counts by: 2^64 over the golden ratio, made odd.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
/// 2^-53: a `f64` tells 2^53 even steps apart in [0, 1).
const STEP: f64 = 1.0 / (1_u64 << 53) as f64;

/// A sequence of random numbers that follows from a seed, a stream and an index.
///
/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA
/// 2014): a counter, mixed. Where the counter begins is seed, stream and index mixed one after
/// the other with the same function, so neighbours begin at unrelated places of the one cycle of
/// 2^64. Making one costs three mixes: one for each operation is cheap. That two of 10^7 sequences
/// of 16 numbers share a part has a probability of about 10^-4, and would only mean that two
/// operations draw alike.
#[derive(Clone, Debug)]
pub struct Draws {
    counter: u64,
}

impl Draws {
    /// The sequence for the `index`-th item of a stream. What is drawn for different purposes
    /// (arrivals, rooms, sizes) has a stream each.
    pub fn new(seed: u64, stream: u64, index: u64) -> Self {
        let counter = [seed, stream, index].into_iter().fold(0, |state, word| {
            mix((state ^ word).wrapping_add(GOLDEN_GAMMA))
        });
        Draws { counter }
    }

    /// 64 random bits.
    pub fn u64(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(GOLDEN_GAMMA);
        mix(self.counter)
    }

    /// Even in [0, 1), with 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.u64() >> 11) as f64 * STEP
    }

    /// Even in (0, 1], with 53 bits: its logarithm is finite.
    pub fn open_unit(&mut self) -> f64 {
        ((self.u64() >> 11) + 1) as f64 * STEP
    }

    /// One of 0, 1, … `n` − 1, each exactly as probable (Lemire, "Fast random integer generation
    /// in an interval", ACM TOMACS 29(1), 2019, algorithm 5). Draws again with a probability
    /// below `n` / 2^64.
    ///
    /// # Panics
    /// When `n` is 0: there is nothing to choose.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "a draw below 0");
        loop {
            let product = u128::from(self.u64()) * u128::from(n);
            let (whole, rest) = ((product >> 64) as u64, product as u64);
            // The remainder of 2^64 by n is how many products too many some results have. The
            // division is needed only where the rest could be below it.
            if rest >= n || rest >= n.wrapping_neg() % n {
                return whole;
            }
        }
    }

    /// [`Draws::below`] for places in a list.
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn place(&mut self, n: usize) -> usize {
        // A usize has at most 64 bits, and the result is below n.
        self.below(n as u64) as usize
    }

    /// Puts a list into an order of which each is as probable (Durstenfeld, "Algorithm 235: random
    /// permutation", CACM 7(7), 1964).
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.place(last + 1));
        }
    }

    /// Exponential with mean 1, by inversion: at most 53 ln 2 = 36.7.
    pub fn exponential(&mut self) -> f64 {
        -self.open_unit().ln()
    }

    /// Normal with mean 0 and standard deviation 1 (Box and Muller, "A note on the generation of
    /// random normal deviates", Ann. Math. Statist. 29, 1958), from two draws: at most 8.6 either
    /// way. The second value that the method gives is not kept, so nothing depends on what was
    /// drawn before.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.open_unit().ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }

    /// Log-normal: `median` times e to the power of `sigma` times a normal.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }
}

/// The finaliser of SplitMix64 (Stafford's variant 13 of MurmurHash3's): one to one, and each bit
/// of the input turns about half of the bits of the output.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_of_a_list_is_as_probable() {
        let mut counts = std::collections::BTreeMap::new();
        for index in 0..6_000 {
            let mut list = ['a', 'b', 'c'];
            Draws::new(1, 2, index).shuffle(&mut list);
            *counts.entry(list).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // 1000 expected of each; 150 is five standard deviations.
        assert!(
            counts.values().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn the_mixer_is_splitmix64() {
        // The first outputs of the published C code (Vigna, prng.di.unimi.it/splitmix64.c) from
        // the state 1234567.
        let mut draws = Draws { counter: 1_234_567 };
        let first: Vec<u64> = (0..5).map(|_| draws.u64()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn a_sequence_follows_from_seed_stream_and_index_alone() {
        // Written down: a later version that draws otherwise would replay other runs.
        let mut draws = Draws::new(42, 1, 7);
        assert_eq!(
            [draws.u64(), draws.u64()],
            [4_701_748_120_975_515_541, 7_111_329_887_509_600_787]
        );
        let mut again = Draws::new(42, 1, 7);
        again.u64();
        assert_eq!(again.clone().u64(), again.u64());
    }

    #[test]
    fn units_stay_in_their_intervals() {
        // The least and the largest that 53 bits give.
        assert_eq!((u64::MAX >> 11) as f64 * STEP, 1.0 - STEP);
        assert_eq!(((u64::MAX >> 11) + 1) as f64 * STEP, 1.0);
        let mut draws = Draws::new(1, 2, 3);
        for _ in 0..100_000 {
            assert!((0.0..1.0).contains(&draws.unit()));
            let open = draws.open_unit();
            assert!(open > 0.0 && open <= 1.0);
            assert_eq!(draws.below(1), 0);
            assert!(draws.below(u64::MAX) < u64::MAX);
        }
    }
}
