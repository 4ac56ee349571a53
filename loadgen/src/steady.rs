//! Is a run steady? A mean over a window says nothing when the throughput drifts or when the
//! window begins before the system has warmed up.
//!
//! Two questions are asked of the throughput of whole seconds, and each answer needs both
//! significance (it is not noise) and size (it matters):
//!
//! - Is there a trend? Mann–Kendall's test (Mann, Econometrica 13, 1945; Kendall, "Rank correlation
//!   methods", 1975) with the Theil–Sen slope (Sen, JASA 63, 1968). Both look at the order and the
//!   median of pairs: a stalled second is one second, however deep.
//! - Do the first seconds differ from the rest? The change point that leaves the smallest sum of
//!   absolute deviations from the medians on either side. It is MSER's idea (White, "An effective
//!   truncation heuristic for bias reduction in simulation output", Simulation 69, 1997: cut
//!   where what is left is told best by one level) with absolute instead of squared deviations,
//!   since one stalled second is enough for MSER to cut everything before it. A change in the second half of the
//!   window is no matter of the warm-up, and is told as what it is.
//!
//! Seconds of a system are not independent: a compaction or a slow disk lasts. A test for
//! independent values then finds trends in noise, so the variance of both tests is widened by the
//! serial correlation. For Mann–Kendall this is Hamed and Rao's correction (J. Hydrology 204, 1998)
//! on the ranks of what the slope leaves. They estimate the correlation at every lag, which a
//! series of 20 values cannot give; here it is that of a first-order process (φ at lag 1, φ² at
//! lag 2, …). Pre-whitening was not chosen: it takes a part of the trend away with the noise.

use std::fmt;

use crate::draw::fit::normal_two_sided;

/// Whole seconds below which nothing is said: five values after another are a trend too easily.
pub const LEAST_INTERVALS: usize = 20;
/// Values that are judged at most; of longer series, neighbouring seconds are averaged. The
/// tests take time and memory with the square.
const MOST_VALUES: usize = 600;
/// The probability of a trend's significance by chance, below which it is believed.
pub const SIGNIFICANT: f64 = 0.01;
/// A change of the level that matters, as a share of it. Less is no reason to throw a run away.
pub const LARGE: f64 = 0.10;
/// How many deviations of their difference two parts must be apart. More than for a fixed
/// comparison, because the most different of all parts are compared; found by simulation
/// (`tests/steady.rs` has the rates).
const CLEAR: f64 = 4.0;
/// Values that a part has at least. One odd second is a stall, wherever it falls.
const LEAST_PART: usize = 2;
/// The largest serial correlation that is assumed: at 1 there would be no information at all.
const MOST_CORRELATED: f64 = 0.9;
/// By how many of its deviations the serial correlation is assumed to be above its estimate: the
/// upper end of a one-sided interval of 90 %. Without it, correlated noise is called a trend
/// twice as often as [`SIGNIFICANT`] says (measured at φ = 0.5).
const CAUTION: f64 = 1.28;

/// What can be said about a run. Changes are shares: −0.23 is a fall by 23 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Steadiness {
    /// Nothing speaks against it.
    Steady,
    /// The throughput rises or falls all the time.
    Trend {
        /// By how much over the whole window, as a share of its median.
        change: f64,
        /// The probability of such an order of the values by chance.
        p: f64,
    },
    /// The beginning differs from the rest: the warm-up should be this much longer.
    WarmUpShort {
        /// The seconds to cut.
        seconds: usize,
        /// By how much they differ from the rest, as a share of the rest's median.
        change: f64,
    },
    /// The throughput changes at once, in the second half of the window or to nothing.
    Shift {
        /// The seconds before it.
        seconds: usize,
        /// By how much, as a share of the window's median (its mean where that is 0).
        change: f64,
    },
    /// There are too few whole seconds.
    NotJudged {
        /// How many there are.
        intervals: usize,
    },
}

impl fmt::Display for Steadiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |change: f64| change.abs() * 100.0;
        let verb = |change: f64| if change < 0.0 { "falls" } else { "rises" };
        match *self {
            Steadiness::Steady => write!(f, "steady"),
            Steadiness::Trend { change, p } => {
                let (verb, percent) = (verb(change), percent(change));
                write!(f, "throughput {verb} by {percent:.0} % over the window ")?;
                if p < 0.0001 {
                    write!(f, "(Mann–Kendall, p < 0.0001)")
                } else {
                    write!(f, "(Mann–Kendall, p = {p:.4})")
                }
            }
            Steadiness::WarmUpShort { seconds, change } => {
                let side = if change < 0.0 { "below" } else { "above" };
                let percent = percent(change);
                write!(
                    f,
                    "the first {seconds} s are {percent:.0} % {side} the rest: "
                )?;
                write!(f, "the warm-up is too short")
            }
            Steadiness::Shift { seconds, change } => {
                let (verb, percent) = (verb(change), percent(change));
                write!(
                    f,
                    "throughput {verb} by {percent:.0} % at once after {seconds} s"
                )
            }
            Steadiness::NotJudged { intervals } => {
                write!(
                    f,
                    "not judged: {intervals} intervals, {LEAST_INTERVALS} are needed"
                )
            }
        }
    }
}

/// Judges the throughput of the whole seconds of a window, in their order. The values are
/// finite and not negative; a part of a second at the end does not belong to them.
pub fn judge(per_second: &[f64]) -> Steadiness {
    debug_assert!(
        per_second
            .iter()
            .all(|value| value.is_finite() && *value >= 0.0),
        "a throughput is finite and not negative"
    );
    let intervals = per_second.len();
    if intervals < LEAST_INTERVALS {
        return Steadiness::NotJudged { intervals };
    }
    let seconds = intervals.div_ceil(MOST_VALUES);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let values: Vec<f64> = per_second.chunks_exact(seconds).map(mean).collect();
    let level = match median(&values) {
        0.0 => mean(&values),
        median => median,
    };
    if level == 0.0 {
        // Nothing was done in any second: bad, but steadily so.
        return Steadiness::Steady;
    }
    let trend = trend(&values, level);
    let step = step(&values);
    let drift =
        (trend.p < SIGNIFICANT && trend.change.abs() > LARGE).then_some(Steadiness::Trend {
            change: trend.change,
            p: trend.p,
        });
    match (drift, step.verdict(level, seconds)) {
        // A drift has a lower half, and after a step more of the values are higher. Which of the
        // two it is, says what leaves less of the values unexplained.
        (Some(_), Some(verdict)) if step.unexplained < trend.unexplained => verdict,
        (Some(drift), _) => drift,
        (None, Some(step)) => step,
        (None, None) => Steadiness::Steady,
    }
}

/// A line through the values.
struct Trend {
    change: f64,
    p: f64,
    /// The sum of the absolute deviations from the line.
    unexplained: f64,
}

fn trend(values: &[f64], level: f64) -> Trend {
    let n = values.len();
    let mut score = 0_i32;
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    for (later, value) in values.iter().enumerate() {
        for (earlier, before) in values[..later].iter().enumerate() {
            score += i32::from(value > before) - i32::from(value < before);
            slopes.push((value - before) / (later - earlier) as f64);
        }
    }
    let slope = median(&slopes);
    let residuals: Vec<f64> = (values.iter().enumerate())
        .map(|(at, value)| value - slope * at as f64)
        .collect();
    let variance = score_variance(values) * score_inflation(n, correlation(&residuals));
    // The score moves in steps of 2: half a step is taken off (Kendall's continuity correction).
    let distance = f64::from((score.abs() - 1).max(0));
    let p = if variance > 0.0 {
        normal_two_sided(distance / variance.sqrt())
    } else {
        1.0
    };
    Trend {
        change: slope * n as f64 / level,
        p,
        unexplained: unexplained(&residuals),
    }
}

/// The variance of Mann–Kendall's score for independent values, some of them equal (Kendall 1975).
fn score_variance(values: &[f64]) -> f64 {
    let of = |t: usize| {
        let t = t as f64;
        t * (t - 1.0) * (2.0 * t + 5.0) / 18.0
    };
    let sorted = sorted(values);
    let ties = sorted.chunk_by(|a, b| a == b).map(|tie| of(tie.len()));
    of(values.len()) - ties.sum::<f64>()
}

/// How much more the score varies when the ranks are correlated by `phi`^lag (Hamed and Rao 1998:
/// n / n* with that correlation at every lag).
fn score_inflation(n: usize, phi: f64) -> f64 {
    let of = |n: f64| n * (n - 1.0) * (n - 2.0);
    let n = n as f64;
    let mut sum = 0.0;
    let mut power = phi;
    let mut lag = 1.0;
    while lag < n - 2.0 {
        sum += of(n - lag) * power;
        power *= phi;
        lag += 1.0;
    }
    1.0 + 2.0 * sum / of(n)
}

/// A level before and one after.
struct Step {
    /// Values before it.
    at: usize,
    values: usize,
    before: f64,
    after: f64,
    /// How many deviations of their difference the two levels are apart.
    distance: f64,
    /// The sum of the absolute deviations from the levels.
    unexplained: f64,
}

fn step(values: &[f64]) -> Step {
    let n = values.len();
    let before = running_unexplained(values.iter());
    let after = running_unexplained(values.iter().rev());
    let unexplained = |at: usize| before[at] + after[n - at];
    let at = (LEAST_PART..=n - LEAST_PART)
        .min_by(|a, b| unexplained(*a).total_cmp(&unexplained(*b)))
        .expect("there are more values than two parts need");
    let unexplained = unexplained(at);

    let (first, second) = (sorted(&values[..at]), sorted(&values[at..]));
    let (before, after) = (of_sorted(&first), of_sorted(&second));
    // Of an even number of values, the middle one that is nearer to the other part: half of a
    // part of two may be a stall.
    let (low, high) = if before < after {
        (first[at / 2], second[(n - at - 1) / 2])
    } else {
        (second[(n - at) / 2], first[(at - 1) / 2])
    };
    let difference = (high - low).max(0.0);

    let residuals: Vec<f64> = (values.iter().enumerate())
        .map(|(nth, value)| value - if nth < at { before } else { after })
        .collect();
    let phi = correlation(&residuals);
    // For a normal variable the mean absolute deviation is √(2/π) of the standard deviation, and
    // the variance of a median π/2 of that of a mean.
    let half_pi = std::f64::consts::FRAC_PI_2;
    let variance = (unexplained / (n - 2) as f64).powi(2) * half_pi;
    let of_mean =
        mean_inflation(at, phi) / at as f64 + mean_inflation(n - at, phi) / (n - at) as f64;
    let deviation = (variance * half_pi * of_mean).sqrt();
    let distance = if difference == 0.0 {
        0.0
    } else {
        // Infinite where there is no noise.
        difference / deviation
    };
    Step {
        at,
        values: n,
        before,
        after,
        distance,
        unexplained,
    }
}

impl Step {
    /// What the step means, if it is clear and large. A value is the mean of `each` seconds.
    fn verdict(&self, level: f64, each: usize) -> Option<Steadiness> {
        let seconds = self.at * each;
        let (change, verdict) = if self.at <= self.values / 2 && self.after > 0.0 {
            let change = (self.before - self.after) / self.after;
            (change, Steadiness::WarmUpShort { seconds, change })
        } else {
            let change = (self.after - self.before) / level;
            (change, Steadiness::Shift { seconds, change })
        };
        (self.distance > CLEAR && change.abs() > LARGE).then_some(verdict)
    }
}

/// The sums of the absolute deviations from the median of the first 0, 1, 2, … values.
fn running_unexplained<'a>(values: impl Iterator<Item = &'a f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = Vec::new();
    let mut sums = vec![0.0];
    for value in values {
        let at = sorted.partition_point(|other| other < value);
        sorted.insert(at, *value);
        sums.push(from_middle(&sorted));
    }
    sums
}

fn unexplained(values: &[f64]) -> f64 {
    from_middle(&sorted(values))
}

fn from_middle(sorted: &[f64]) -> f64 {
    let middle = of_sorted(sorted);
    sorted.iter().map(|value| (value - middle).abs()).sum()
}

/// How much more the mean of `n` values varies when they are correlated by `phi`^lag.
fn mean_inflation(n: usize, phi: f64) -> f64 {
    let mut sum = 0.0;
    let mut power = phi;
    for lag in 1..n {
        sum += (1.0 - lag as f64 / n as f64) * power;
        power *= phi;
    }
    1.0 + 2.0 * sum
}

/// The serial correlation at lag 1 of the values' ranks (so that a stall does not hide it), on the
/// safe side. A sample shows (1 + 4φ) / n too little of it (Marriott and Pope, Biometrika 41, 1954),
/// and a line that was fitted takes about another 1 / n. What is left is uncertain by √((1 − φ²) / n)
/// (Bartlett, JRSS Suppl. 8, 1946), of which [`CAUTION`] is added. A negative correlation counts
/// as none, or the tests would be keener than for independent values.
fn correlation(residuals: &[f64]) -> f64 {
    let n = residuals.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let ranks: Vec<f64> = ranks(residuals).iter().map(|rank| rank - middle).collect();
    let squares: f64 = ranks.iter().map(|rank| rank * rank).sum();
    if squares == 0.0 {
        return 0.0;
    }
    let products: f64 = ranks.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let raw = products / squares;
    let phi = (raw + (2.0 + 4.0 * raw) / n).clamp(0.0, MOST_CORRELATED);
    (phi + CAUTION * ((1.0 - phi * phi) / n).sqrt()).min(MOST_CORRELATED)
}

/// Ranks from 0; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for tie in order.chunk_by(|a, b| values[*a] == values[*b]) {
        for at in tie {
            ranks[*at] = first as f64 + (tie.len() - 1) as f64 / 2.0;
        }
        first += tie.len();
    }
    ranks
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

fn median(values: &[f64]) -> f64 {
    // Not sorted whole: there are n² / 2 slopes.
    let mut values = values.to_vec();
    let middle = values.len() / 2;
    let odd = values.len() % 2 == 1;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    match below.iter().copied().max_by(f64::total_cmp) {
        Some(lower) if !odd => f64::midpoint(lower, *upper),
        _ => *upper,
    }
}

/// The median of values in order.
fn of_sorted(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every order of the values, equal ones told apart.
    fn orders(values: &[f64]) -> Vec<Vec<f64>> {
        if values.is_empty() {
            return vec![vec![]];
        }
        let mut all = Vec::new();
        for first in 0..values.len() {
            let mut rest = values.to_vec();
            let value = rest.remove(first);
            for mut order in orders(&rest) {
                order.push(value);
                all.push(order);
            }
        }
        all
    }

    #[test]
    fn the_variance_of_the_score_is_that_over_all_orders() {
        for values in [
            &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0][..],
            &[1.0, 1.0, 2.0, 3.0, 3.0, 3.0],
            &[7.0; 5],
        ] {
            let orders = orders(values);
            let score = |order: &Vec<f64>| -> f64 {
                (0..order.len())
                    .flat_map(|later| (0..later).map(move |earlier| (earlier, later)))
                    .map(|(earlier, later)| match order[later] - order[earlier] {
                        0.0 => 0.0,
                        difference => difference.signum(),
                    })
                    .sum()
            };
            let squares: f64 = orders.iter().map(|order| score(order).powi(2)).sum();
            let wanted = squares / orders.len() as f64;
            let variance = score_variance(values);
            assert!((variance - wanted).abs() < 1e-9, "{variance} for {wanted}");
        }
    }

    #[test]
    fn a_line_has_its_slope_and_the_highest_score() {
        let values: Vec<f64> = (0..20).map(|at| 100.0 + 2.0 * f64::from(at)).collect();
        let line = trend(&values, 119.0);
        assert!((line.change - 40.0 / 119.0).abs() < 1e-12);
        // All 190 pairs rise; the variance is 20 · 19 · 45 / 18.
        assert_eq!(line.p, normal_two_sided(189.0 / 950_f64.sqrt()));
        assert_eq!(line.unexplained, 0.0);
    }

    #[test]
    fn correlation_widens_the_variance_of_a_mean() {
        let (n, phi) = (7_i32, 0.6_f64);
        let pairs = (0..n).flat_map(|a| (0..n).map(move |b| (a - b).abs()));
        let wanted = pairs.map(|lag| phi.powi(lag)).sum::<f64>() / f64::from(n);
        assert!((mean_inflation(7, phi) - wanted).abs() < 1e-12);
        assert_eq!(
            (mean_inflation(7, 0.0), score_inflation(7, 0.0)),
            (1.0, 1.0)
        );
        assert!(score_inflation(50, 0.5) > 2.5 && score_inflation(50, 0.5) < 3.0);
    }

    #[test]
    fn equal_values_share_a_rank() {
        assert_eq!(ranks(&[5.0, 1.0, 5.0, 9.0]), [1.5, 0.0, 1.5, 3.0]);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
    }
}
