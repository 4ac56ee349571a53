//! What is said about a difference.

use std::fmt;

use super::Estimate;

/// A difference is seen where the adjusted p-value is below this.
pub const ALPHA: f64 = 0.05;

/// Differences below this do not matter, even where trials are so alike that they are seen: 2 %.
///
/// What has nothing to do with the change at hand moves a program's speed by as much: the order
/// in which it was linked, the size of its environment (Mytkowicz et al., "Producing wrong data
/// without doing anything obviously wrong!", ASPLOS 2009), the day.
pub const NOISE: f64 = 0.02;

/// Which way a number is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Throughput.
    Higher,
    /// Latency.
    Lower,
}

/// What is said about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A difference is seen, for the better.
    Faster,
    /// A difference is seen, for the worse.
    Slower,
    /// Trials of equal configurations differ by as much. There may be a difference: the interval
    /// says how large at most.
    NoDifferenceSeen,
    /// The whole interval lies within the noise threshold: what difference there may be does not
    /// matter.
    WithinNoise,
    /// Fewer than [`super::MIN_TRIALS`] on a side.
    TooFewTrials,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::NoDifferenceSeen => "no difference seen",
            Verdict::WithinNoise => "within noise",
            Verdict::TooFewTrials => "too few trials",
        })
    }
}

/// The verdict on a `ratio` of new to old, whose p-value, adjusted for its whole table, is
/// `adjusted_p` (none where there was no test).
///
/// `noise` is the threshold below which a difference does not matter, as a share of the value:
/// ratios from 1 / (1 + noise) to 1 + noise, so that the two sides may be swapped. It is held
/// against the whole interval: a difference that is seen, and may be greater, is told.
pub fn judge(ratio: &Estimate, adjusted_p: Option<f64>, better: Better, noise: f64) -> Verdict {
    let (Some(interval), Some(p)) = (ratio.interval, adjusted_p) else {
        return Verdict::TooFewTrials;
    };
    let limit = 1.0 + noise;
    if interval.high <= limit && interval.low >= 1.0 / limit {
        return Verdict::WithinNoise;
    }
    if p >= ALPHA || p.is_nan() {
        return Verdict::NoDifferenceSeen;
    }
    match (ratio.value > 1.0) == (better == Better::Higher) {
        true => Verdict::Faster,
        false => Verdict::Slower,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Interval;

    fn estimate(low: f64, value: f64, high: f64) -> Estimate {
        Estimate {
            value,
            interval: Some(Interval { low, high }),
            trials: 5,
        }
    }

    #[test]
    fn more_is_faster_for_throughput_and_slower_for_latency() {
        let more = estimate(1.03, 1.05, 1.07);
        let less = estimate(0.93, 0.95, 0.97);
        let of = |ratio, better| judge(ratio, Some(0.01), better, NOISE);
        assert_eq!(of(&more, Better::Higher), Verdict::Faster);
        assert_eq!(of(&less, Better::Higher), Verdict::Slower);
        assert_eq!(of(&more, Better::Lower), Verdict::Slower);
        assert_eq!(of(&less, Better::Lower), Verdict::Faster);
    }

    #[test]
    fn a_difference_counts_below_the_level_only() {
        let more = estimate(1.03, 1.05, 1.07);
        let of = |p| judge(&more, Some(p), Better::Higher, NOISE);
        assert_eq!(of(0.0499), Verdict::Faster);
        assert_eq!(of(0.05), Verdict::NoDifferenceSeen);
        assert_eq!(of(f64::NAN), Verdict::NoDifferenceSeen);
    }

    #[test]
    fn the_whole_interval_must_lie_within_noise() {
        let of = |ratio, noise| judge(&ratio, Some(0.001), Better::Higher, noise);
        assert_eq!(of(estimate(1.005, 1.01, 1.015), 0.02), Verdict::WithinNoise);
        assert_eq!(of(estimate(1.005, 1.01, 1.015), 0.01), Verdict::Faster);
        assert_eq!(of(estimate(1.005, 1.015, 1.025), 0.02), Verdict::Faster);
        // 1 / 1.02 is 0.98039: the other way round, the same.
        assert_eq!(of(estimate(0.981, 0.99, 0.995), 0.02), Verdict::WithinNoise);
        assert_eq!(of(estimate(0.980, 0.99, 0.995), 0.02), Verdict::Slower);
        assert_eq!(of(estimate(1.0, 1.0, 1.0), 0.0), Verdict::WithinNoise);
        let unseen = judge(&estimate(0.99, 1.0, 1.01), Some(1.0), Better::Lower, 0.02);
        assert_eq!(unseen, Verdict::WithinNoise);
    }

    #[test]
    fn without_an_interval_or_a_test_there_are_too_few_trials() {
        let without = Estimate {
            value: 2.0,
            interval: None,
            trials: 2,
        };
        let few = judge(&without, Some(0.001), Better::Higher, NOISE);
        assert_eq!(few, Verdict::TooFewTrials);
        let untested = judge(&estimate(2.0, 2.1, 2.2), None, Better::Higher, NOISE);
        assert_eq!(untested, Verdict::TooFewTrials);
    }
}
