//! A number with its interval, over trials.

use super::student;

/// How often an interval covers what it estimates, over many repetitions of the experiment.
pub const CONFIDENCE: f64 = 0.95;

/// Trials below which there is no interval. Of two, Student's factor is 12.7: the interval says
/// little more than that there were two.
pub const MIN_TRIALS: usize = 3;

/// What lies between two ends, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What trials say about a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number, in the unit of the trials.
    pub value: f64,
    /// The [`CONFIDENCE`] interval around it; none below [`MIN_TRIALS`].
    pub interval: Option<Interval>,
    /// How many trials it rests on; of a ratio, the fewer of both sides.
    pub trials: usize,
}

/// The typical trial: the geometric mean of `trials`, with Student's interval of the mean of the
/// logarithms, so that it is exact where trials are log-normal.
///
/// None where there are no trials, or where one is not above 0 and finite. Trials that are all
/// equal have an interval without width.
///
/// Sources: Fleming & Wallace, "How not to lie with statistics", CACM 29(3), 1986, for the
/// geometric mean; Jain, The Art of Computer Systems Performance Analysis, 1991, §13.2, for the
/// interval.
pub fn typical(trials: &[f64]) -> Option<Estimate> {
    let logs = Logs::of(trials)?;
    let half = (trials.len() >= MIN_TRIALS).then(|| {
        let df = logs.count - 1.0;
        factor(df) * logs.squared_error().sqrt()
    });
    Some(Estimate {
        value: logs.geometric_mean(),
        interval: half.map(|half| around(logs.geometric_mean(), half)),
        trials: trials.len(),
    })
}

/// How many times `to` the trials `of` are: the ratio of their geometric means, with Welch's
/// interval of the difference of the logarithms' means (Satterthwaite's degrees of freedom, as in
/// [`super::welch`]).
///
/// None where one side has no trials, or a trial that is not above 0 and finite. The interval is
/// none unless both sides have [`MIN_TRIALS`], and has no width where neither side varies.
///
/// Source: Jain 1991, §13.4.2, with logarithms.
pub fn ratio(of: &[f64], to: &[f64]) -> Option<Estimate> {
    let (of, to) = (Logs::of(of)?, Logs::of(to)?);
    let trials = of.trials.min(to.trials);
    let difference = Difference::between(&of, &to);
    // Not of the logarithms: equal samples have the ratio 1, exactly.
    let value = of.geometric_mean() / to.geometric_mean();
    let half = (trials >= MIN_TRIALS).then(|| match difference.error > 0.0 {
        true => factor(difference.df) * difference.error,
        false => 0.0,
    });
    Some(Estimate {
        value,
        interval: half.map(|half| around(value, half)),
        trials,
    })
}

/// How many standard errors the interval goes on either side.
fn factor(df: f64) -> f64 {
    student::quantile(f64::midpoint(1.0, CONFIDENCE), df)
}

/// `value` times and divided by exp(`half`).
fn around(value: f64, half: f64) -> Interval {
    Interval {
        low: value * (-half).exp(),
        high: value * half.exp(),
    }
}

/// The logarithms of trials, counted from that of the first one: of equal trials they are 0, with
/// no error of rounding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logs {
    pub(super) trials: usize,
    /// The same.
    count: f64,
    first: f64,
    mean: f64,
    /// Of the sample, with n − 1; 0 of a single trial.
    variance: f64,
}

impl Logs {
    /// None where there are no trials, or one is not above 0 and finite.
    #[allow(
        clippy::cast_precision_loss,
        reason = "there are far fewer than 2^52 trials"
    )]
    pub(super) fn of(trials: &[f64]) -> Option<Logs> {
        let first = *trials.first()?;
        if !trials.iter().all(|trial| *trial > 0.0 && trial.is_finite()) {
            return None;
        }
        let count = trials.len() as f64;
        let logs = || trials.iter().map(|trial| trial.ln() - first.ln());
        let mean = logs().sum::<f64>() / count;
        let squares: f64 = logs().map(|log| (log - mean) * (log - mean)).sum();
        Some(Logs {
            trials: trials.len(),
            count,
            first,
            mean,
            variance: squares / (count - 1.0).max(1.0),
        })
    }

    fn geometric_mean(&self) -> f64 {
        self.first * self.mean.exp()
    }

    /// The square of the mean's standard error.
    fn squared_error(&self) -> f64 {
        self.variance / self.count
    }
}

/// How far the means of two samples' logarithms are apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Difference {
    pub(super) means: f64,
    /// The standard error of `means`.
    pub(super) error: f64,
    /// Satterthwaite's degrees of freedom (Biometrics Bulletin 2(6), 1946). Where neither sample
    /// varies they are not defined: those of Student's test then, n₁ + n₂ − 2.
    pub(super) df: f64,
}

impl Difference {
    pub(super) fn between(one: &Logs, other: &Logs) -> Difference {
        let between_firsts = match one.first == other.first {
            true => 0.0,
            false => one.first.ln() - other.first.ln(),
        };
        let (of_one, of_other) = (one.squared_error(), other.squared_error());
        let squared = of_one + of_other;
        let df = match squared > 0.0 {
            true => {
                // Shares of the whole, whose squares cannot underflow together.
                let (one_share, other_share) = (of_one / squared, of_other / squared);
                let term = |share: f64, count: f64| match share > 0.0 {
                    true => share * share / (count - 1.0),
                    false => 0.0,
                };
                1.0 / (term(one_share, one.count) + term(other_share, other.count))
            }
            false => one.count + other.count - 2.0,
        };
        Difference {
            means: between_firsts + (one.mean - other.mean),
            error: squared.sqrt(),
            df,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typical_trial_is_the_geometric_mean() {
        let found = typical(&[10.0, 1000.0]).unwrap();
        assert!((found.value - 100.0).abs() < 1e-12, "{found:?}");
        assert_eq!((found.interval, found.trials), (None, 2));
        // ln: 0, 1, 2; mean 1, deviation 1, error 1/√3, t(2) = 4.302652729749464.
        let e = std::f64::consts::E;
        let found = typical(&[1.0, e, e * e]).unwrap();
        let half = 4.302_652_729_749_464 / 3_f64.sqrt();
        let interval = found.interval.unwrap();
        assert!((found.value / e - 1.0).abs() < 1e-14);
        assert!((interval.low.ln() - (1.0 - half)).abs() < 1e-13);
        assert!((interval.high.ln() - (1.0 + half)).abs() < 1e-13);
    }

    #[test]
    fn equal_trials_have_an_interval_without_width() {
        for value in [0.1, 812.0, 3.3e9] {
            let found = typical(&[value; 3]).unwrap();
            assert_eq!(found.value, value);
            let interval = found.interval.unwrap();
            assert_eq!((interval.low, interval.high), (value, value));
            let found = ratio(&[value * 2.0; 3], &[value; 4]).unwrap();
            let interval = found.interval.unwrap();
            assert_eq!((found.value, interval.low, interval.high), (2.0, 2.0, 2.0));
            assert_eq!(found.trials, 3);
        }
    }

    #[test]
    fn there_is_no_estimate_of_what_has_no_logarithm() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(typical(&[1.0, bad, 2.0]), None);
            assert_eq!(ratio(&[1.0, bad], &[1.0]), None);
            assert_eq!(ratio(&[1.0], &[bad]), None);
        }
        assert_eq!(typical(&[]), None);
        assert_eq!(ratio(&[], &[1.0]), None);
        assert_eq!(ratio(&[1.0], &[]), None);
    }

    #[test]
    fn a_ratio_has_an_interval_from_three_trials_on_each_side() {
        let three = [1.0, 1.1, 1.2];
        assert_eq!(ratio(&three, &three[..2]).unwrap().interval, None);
        assert_eq!(ratio(&three[..2], &three).unwrap().interval, None);
        assert_eq!(ratio(&three[..1], &three[..1]).unwrap().value, 1.0);
        let there = ratio(&[2.0, 2.1, 2.3], &three).unwrap();
        let back = ratio(&three, &[2.0, 2.1, 2.3]).unwrap();
        let (there_i, back_i) = (there.interval.unwrap(), back.interval.unwrap());
        assert!((there.value * back.value - 1.0).abs() < 1e-14);
        assert!((there_i.low * back_i.high - 1.0).abs() < 1e-14);
        assert!(there_i.low < there.value && there.value < there_i.high);
    }

    #[test]
    fn numbers_at_the_ends_of_the_range_do_no_harm() {
        let found = typical(&[f64::MIN_POSITIVE, 1.0, f64::MAX]).unwrap();
        let interval = found.interval.unwrap();
        assert!(found.value.is_finite() && interval.low >= 0.0 && interval.high > found.value);
    }
}
