//! What is drawn follows its law: 10^6 draws from a fixed seed, tested at α = 0.001. Each test is
//! shown to bite: it must reject the same draws against a slightly wrong law.

use telegraft_loadgen::draw::fit::{
    ChiSquare, LEAST_EXPECTED, chi_square, ks_distance, ks_p_value, normal_cdf,
};
use telegraft_loadgen::draw::{Draws, Hot, Recency, Sizes, Weighted, Zipf};

/// How often a right law may be rejected. The seeds are fixed, so a test that passes stays passed.
const ALPHA: f64 = 0.001;
const DRAWS: usize = 1_000_000;
const SEED: u64 = 20_260_301;
/// Expected in a large cell: 200 cells of this size show a law that is off by a little everywhere.
const LARGE_CELL: f64 = DRAWS as f64 / 200.0;

/// The `stream`-th sequence of these tests.
fn draws(stream: u64) -> Draws {
    Draws::new(SEED, stream, 0)
}

/// How often each of `n` places comes up.
fn counts(n: usize, mut pick: impl FnMut() -> usize) -> Vec<u64> {
    let mut counts = vec![0; n];
    for _ in 0..DRAWS {
        counts[pick()] += 1;
    }
    counts
}

/// Two tests, one with small cells and one with large ones: neither may reject.
fn follows(counts: &[u64], weights: &[f64]) -> Result<(), ChiSquare> {
    for least in [LEAST_EXPECTED, LARGE_CELL] {
        let fit = chi_square(counts, weights, least);
        if fit.p_value() < ALPHA {
            return Err(fit);
        }
    }
    Ok(())
}

#[track_caller]
fn fits(what: &str, counts: &[u64], right: &[f64], wrong: &[f64]) {
    if let Err(fit) = follows(counts, right) {
        panic!("{what} (seed {SEED}): {fit:?}, p = {}", fit.p_value());
    }
    assert!(
        follows(counts, wrong).is_err(),
        "{what}: a wrong law passes"
    );
}

#[track_caller]
fn fits_curve(
    what: &str,
    mut draw: impl FnMut() -> f64,
    right: impl Fn(f64) -> f64,
    wrong: &[&dyn Fn(f64) -> f64],
) {
    let mut samples: Vec<f64> = (0..DRAWS).map(|_| draw()).collect();
    let p = ks_p_value(ks_distance(&mut samples, right), DRAWS);
    assert!(p >= ALPHA, "{what} (seed {SEED}): p = {p}");
    for (nth, wrong) in wrong.iter().enumerate() {
        let p = ks_p_value(ks_distance(&mut samples, wrong), DRAWS);
        assert!(p < ALPHA, "{what}: wrong law {nth} passes with p = {p}");
    }
}

#[test]
fn a_unit_is_even() {
    let mut units = draws(1);
    let wrong = |x: f64| (x / 1.01).min(1.0);
    fits_curve("unit", || units.unit(), |x| x, &[&wrong]);
    let mut units = draws(2);
    fits_curve("open unit", || units.open_unit(), |x| x, &[&wrong]);
}

#[test]
fn an_exponential_has_mean_one() {
    let mut draws = draws(3);
    let law = |mean: f64| move |x: f64| 1.0 - (-x / mean).exp();
    fits_curve(
        "exponential",
        || draws.exponential(),
        law(1.0),
        &[&law(1.01), &law(0.99)],
    );
}

#[test]
fn a_normal_has_mean_zero_and_deviation_one() {
    let mut draws = draws(4);
    let law = |mean: f64, sigma: f64| move |x: f64| normal_cdf((x - mean) / sigma);
    fits_curve(
        "normal",
        || draws.normal(),
        law(0.0, 1.0),
        &[&law(0.01, 1.0), &law(0.0, 1.01), &law(0.0, 0.99)],
    );
}

#[test]
fn a_log_normal_has_its_median_and_sigma() {
    let mut draws = draws(5);
    let law = |median: f64, sigma: f64| move |x: f64| normal_cdf((x / median).ln() / sigma);
    fits_curve(
        "log-normal",
        || draws.log_normal(300.0, 0.8),
        law(300.0, 0.8),
        &[&law(303.0, 0.8), &law(300.0, 0.808), &law(300.0, 0.792)],
    );
}

#[test]
fn below_is_even() {
    let mut draws = draws(6);
    for n in [2_usize, 7, 1_000, 65_537] {
        let counts = counts(n, || draws.place(n));
        let even = vec![1.0; n];
        // 2 % more for the first half, 2 % less for the second.
        let tilted: Vec<f64> = (0..n)
            .map(|place| if place < n / 2 { 1.02 } else { 0.98 })
            .collect();
        fits(&format!("below {n}"), &counts, &even, &tilted);
    }
}

#[test]
fn below_has_no_bias_where_a_plain_product_has() {
    // Four products fall on three results here: without drawing again, one of three comes twice.
    let n = 3_u64 << 62;
    let mut draws = draws(7);
    let right = counts(3, || (draws.below(n) % 3) as usize);
    assert_eq!(follows(&right, &[1.0; 3]), Ok(()));
    let plain = |bits: u64| (u128::from(bits) * u128::from(n)) >> 64;
    let biased = counts(3, || (plain(draws.u64()) % 3) as usize);
    assert!(follows(&biased, &[1.0; 3]).is_err());
}

#[test]
fn zipf_ranks_follow_their_exponent() {
    let mut draws = draws(8);
    for n in [2, 10, 1_000, 100_000] {
        for exponent in [0.0, 0.5, 0.99, 1.0, 1.5] {
            let zipf = Zipf::new(n, exponent).expect("a fine law");
            let counts = counts(n, || zipf.rank(&mut draws));
            fits(
                &format!("Zipf {n}, {exponent}"),
                &counts,
                &Zipf::weights(n, exponent),
                &Zipf::weights(n, exponent + 0.02),
            );
        }
    }
}

#[test]
fn weights_are_followed() {
    let mut draws = draws(9);
    let weights = [1.0, 0.0, 20.0, 6.0, 3.0, 0.001, 70.0];
    let weighted = Weighted::new(&weights).expect("fine weights");
    let counts = counts(weights.len(), || weighted.pick(&mut draws));
    let mut off = weights;
    off[2] *= 1.02;
    fits("weights", &counts, &weights, &off);
    // And an item that is never picked is not taken for a rare one, or the other way round.
    let mut never = weights;
    never.swap(1, 5);
    assert!(follows(&counts, &never).is_err());
}

#[test]
fn the_hot_share_is_hot() {
    let weights = |n: usize, hot: usize, share: f64| -> Vec<f64> {
        let each = [share / hot as f64, (1.0 - share) / (n - hot) as f64];
        (0..n).map(|item| each[usize::from(item >= hot)]).collect()
    };
    let mut draws = draws(10);
    for (n, hot_count, share) in [(100, 10, 0.9), (1_000, 1, 0.5), (5, 4, 0.2)] {
        let hot = Hot::new(n, hot_count, share).expect("a fine share");
        let counts = counts(n, || hot.pick(&mut draws));
        fits(
            &format!("hot {hot_count} of {n}"),
            &counts,
            &weights(n, hot_count, share),
            &weights(n, hot_count, share - 0.01),
        );
    }
}

#[test]
fn recency_takes_a_zipf_rank_and_moves_it_to_the_front() {
    let (n, exponent) = (200, 1.0);
    let mut draws = draws(11);
    let mut recency = Recency::new(n, exponent).expect("a fine law");
    // The list as the definition has it.
    let mut list: Vec<usize> = (0..n).collect();
    let counts = counts(n, || {
        let room = recency.room(&mut draws);
        let rank = (list.iter().position(|other| *other == room)).expect("a room of the list");
        list.remove(rank);
        list.insert(0, room);
        rank
    });
    fits(
        "recency",
        &counts,
        &Zipf::weights(n, exponent),
        &Zipf::weights(n, exponent + 0.02),
    );
}

#[test]
fn recency_favours_the_rooms_last_used_and_none_for_ever() {
    let n = 50;
    let mut draws = draws(12);
    let mut recency = Recency::new(n, 1.0).expect("a fine law");
    let mut copy = (recency.clone(), draws.clone());
    let rooms: Vec<usize> = (0..DRAWS).map(|_| recency.room(&mut draws)).collect();
    let again: Vec<usize> = (0..DRAWS).map(|_| copy.0.room(&mut copy.1)).collect();
    assert!(rooms == again, "a copy goes on in the same way");

    let mut uses = vec![0_usize; n];
    let mut repeats = 0;
    for pair in rooms.windows(2) {
        uses[pair[0]] += 1;
        repeats += usize::from(pair[0] == pair[1]);
    }
    // The room just used is at the front: rank 0 has 1 / H(50) = 0.222 of the draws.
    let share = repeats as f64 / DRAWS as f64;
    assert!((0.215..0.230).contains(&share), "{share} stay in a room");
    // The long run is even. (Draws are not independent, so this is no chi-square test.)
    let (least, most) = (uses.iter().min(), uses.iter().max());
    let even = DRAWS / n;
    assert!(
        least > Some(&(even * 9 / 10)) && most < Some(&(even * 11 / 10)),
        "{uses:?}"
    );
}

#[test]
fn sizes_follow_their_law() {
    let mut draws = draws(13);
    let (min, max) = (64, 1_500);
    let uniform = Sizes::uniform(min, max).expect("fine sizes");
    let counted = counts(max + 1, || uniform.size(&mut draws));
    let even = |from: usize, to: usize| -> Vec<f64> {
        (0..=max)
            .map(|size| f64::from(u8::from((from..=to).contains(&size))))
            .collect()
    };
    fits(
        "uniform sizes",
        &counted,
        &even(min, max),
        &even(min + 1, max),
    );
    assert!(follows(&counted, &even(min, max - 1)).is_err());

    // What falls outside is at the ends; in between a size has what is rounded to it.
    let law = |median: f64, sigma: f64| -> Vec<f64> {
        let up_to = |size: f64| normal_cdf((size / median).ln() / sigma);
        (0..=max)
            .map(|size| {
                let (from, to) = (size as f64 - 0.5, size as f64 + 0.5);
                match size {
                    _ if size < min => 0.0,
                    _ if size == min => up_to(to),
                    _ if size == max => 1.0 - up_to(from),
                    _ => up_to(to) - up_to(from),
                }
            })
            .collect()
    };
    let sizes = Sizes::log_normal(300.0, 0.8, min, max).expect("fine sizes");
    let counted = counts(max + 1, || sizes.size(&mut draws));
    let right = law(300.0, 0.8);
    for wrong in [law(303.0, 0.8), law(300.0, 0.808), law(300.0, 0.792)] {
        fits("log-normal sizes", &counted, &right, &wrong);
    }

    let table = Sizes::table(&[(64, 5.0), (512, 3.0), (64_000, 2.0)]).expect("a fine table");
    let counted = counts(3, || match table.size(&mut draws) {
        64 => 0,
        512 => 1,
        64_000 => 2,
        other => panic!("{other} is not in the table"),
    });
    fits("table", &counted, &[5.0, 3.0, 2.0], &[5.0, 3.0, 2.04]);
}

/// Where a sequence begins, as a function of seed, stream and index.
type Begin = fn(u64, u64, u64) -> u64;

fn first(seed: u64, stream: u64, index: u64) -> u64 {
    Draws::new(seed, stream, index).u64()
}

#[test]
fn every_bit_of_seed_stream_and_index_turns_half_of_the_first_draw() {
    /// Pairs for each bit.
    const PAIRS: u64 = 4_096;
    let avalanche = |begin: Begin| {
        let mut worst: f64 = 0.0;
        let mut total = 0;
        for word in 0..3 {
            for bit in 0..64 {
                let mut turned = [0_u64; 64];
                for pair in 0..PAIRS {
                    // Small numbers, as they are in use.
                    let mut words = [pair % 16, pair / 16 % 16, pair];
                    let before = begin(words[0], words[1], words[2]);
                    words[word] ^= 1 << bit;
                    let difference = before ^ begin(words[0], words[1], words[2]);
                    for (out, turned) in turned.iter_mut().enumerate() {
                        *turned += difference >> out & 1;
                    }
                }
                for turned in turned {
                    worst = worst.max((turned as f64 / PAIRS as f64 - 0.5).abs());
                    total += turned;
                }
            }
        }
        (worst, total as f64 / (3 * 64 * 64 * PAIRS) as f64)
    };
    // The deviation of a share is 0.5 / 64: the worst of 12 288 is at some four deviations.
    let (worst, mean) = avalanche(first);
    assert!(worst < 6.0 * 0.5 / 64.0, "a bit is off by {worst}");
    assert!((mean - 0.5).abs() < 0.001, "{mean} of the bits turn");
    let plain: Begin =
        |seed, stream, index| (seed ^ stream ^ index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    assert!(avalanche(plain).0 > 0.4, "a bad mixer passes");
}

#[test]
fn neighbours_are_unrelated() {
    // Where (x, y) falls in the unit square, 32 × 32 cells.
    let related = |pair: &dyn Fn(u64) -> (u64, u64)| {
        let mut cells = vec![0; 1 << 10];
        for index in 0..DRAWS as u64 {
            let (x, y) = pair(index);
            cells[(x >> 59 << 5 | y >> 59) as usize] += 1;
        }
        let p = chi_square(&cells, &[1.0; 1 << 10], LEAST_EXPECTED).p_value();
        // Too even is not random either.
        !(ALPHA / 2.0..=1.0 - ALPHA / 2.0).contains(&p)
    };
    let second = |index| {
        let mut draws = Draws::new(SEED, 0, index);
        draws.u64();
        draws.u64()
    };
    assert!(
        !related(&|index| (first(SEED, 0, index), first(SEED, 0, index + 1))),
        "indexes"
    );
    assert!(
        !related(&|index| (first(SEED, 0, index), first(SEED, 1, index))),
        "streams"
    );
    assert!(
        !related(&|index| (first(SEED, index, 0), first(SEED, index + 1, 0))),
        "streams"
    );
    assert!(
        !related(&|index| (first(index, 0, 0), first(index + 1, 0, 0))),
        "seeds"
    );
    assert!(
        !related(&|index| (first(index, 1, 0), first(index, 0, 1))),
        "swapped words"
    );
    assert!(
        !related(&|index| (first(SEED, 0, index), second(index))),
        "draws"
    );
    assert!(
        !related(&|index| (first(SEED, 0, index + 1), second(index))),
        "overlaps"
    );
    // A counter that is not mixed is caught: from one index to the next, and in itself.
    let counter = |index: u64| index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    assert!(
        related(&|index| (counter(index), counter(index + 1))),
        "a counter passes"
    );
}
