//! Whether configurations differ, and how sure that is in a table of many.

use super::estimate::{Difference, Logs};
use super::student;

/// The outcome of Welch's test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Welch {
    /// The difference of the means in standard errors: above 0 where the first sample is greater.
    /// Infinite where neither sample varies and they differ.
    pub t: f64,
    /// Degrees of freedom, by Satterthwaite; n₁ + n₂ − 2 where neither sample varies.
    pub df: f64,
    /// How often trials of equal configurations would be at least this far apart, on either side.
    pub p: f64,
}

/// Welch's test for a difference between the trials `a` and `b`, on their logarithms: variances
/// need not be equal.
///
/// Where neither sample varies, p is 1 if they are equal and 0 if they are not. None where a side
/// has fewer than two trials, or a trial that is not above 0 and finite.
///
/// Source: Welch, "The generalization of 'Student's' problem when several different population
/// variances are involved", Biometrika 34, 1947.
pub fn welch(a: &[f64], b: &[f64]) -> Option<Welch> {
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let difference = Difference::between(&Logs::of(a)?, &Logs::of(b)?);
    // 0 / 0 is no distance.
    let t = match difference.means == 0.0 {
        true => 0.0,
        false => difference.means / difference.error,
    };
    Some(Welch {
        t,
        df: difference.df,
        p: student::two_sided(t, difference.df),
    })
}

/// The p-values of one table, adjusted so that the probability of any false alarm in all of it
/// stays below the level that they are held against, whatever their dependence. In the order
/// given; at most 1.
///
/// # Panics
/// When one is NaN.
///
/// Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6,
/// 1979: the i-th smallest of m is multiplied by m + 1 − i, and none is smaller than the one
/// before it.
#[allow(
    clippy::cast_precision_loss,
    reason = "a table has far fewer than 2^52 rows"
)]
pub fn holm(p: &[f64]) -> Vec<f64> {
    assert!(p.iter().all(|p| !p.is_nan()), "NaN is no p-value");
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|one, other| p[*one].total_cmp(&p[*other]));
    let mut adjusted = vec![0.0; p.len()];
    let mut at_least = 0.0_f64;
    for (rank, at) in order.into_iter().enumerate() {
        let left = (p.len() - rank) as f64;
        at_least = at_least.max(p[at] * left).min(1.0);
        adjusted[at] = at_least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn welch_agrees_with_a_calculation_by_hand() {
        // Logarithms 1, 2, 3 and 2, 4, 6, 8: variances 1 and 20/3, so that the squared error is
        // 1/3 + 5/3 = 2, t = −3/√2, and df = 4 / (1/18 + 25/27) = 216/53.
        let a = [1.0, 2.0, 3.0].map(f64::exp);
        let b = [2.0, 4.0, 6.0, 8.0].map(f64::exp);
        let found = welch(&a, &b).unwrap();
        assert!((found.t + 3.0 / 2_f64.sqrt()).abs() < 1e-14, "{found:?}");
        assert!((found.df - 216.0 / 53.0).abs() < 1e-13, "{found:?}");
        let back = welch(&b, &a).unwrap();
        assert!((back.t + found.t).abs() < 1e-14 && (back.p / found.p - 1.0).abs() < 1e-12);
    }

    #[test]
    fn samples_that_do_not_vary_are_equal_or_not() {
        let equal = welch(&[0.1; 3], &[0.1; 5]).unwrap();
        assert_eq!((equal.t, equal.df, equal.p), (0.0, 6.0, 1.0));
        let more = welch(&[0.2; 3], &[0.1; 5]).unwrap();
        assert_eq!((more.t, more.df, more.p), (f64::INFINITY, 6.0, 0.0));
        let less = welch(&[0.1; 3], &[0.2; 5]).unwrap();
        assert_eq!((less.t, less.p), (f64::NEG_INFINITY, 0.0));
        // One that varies beside one that does not: the degrees are those of the one that does.
        let half = welch(&[1.0, 2.0, 3.0], &[5.0; 9]).unwrap();
        assert_eq!(half.df, 2.0);
        assert!(half.p > 0.0 && half.p < 1.0);
    }

    #[test]
    fn a_single_trial_is_no_sample() {
        assert_eq!(welch(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(welch(&[1.0, 2.0], &[]), None);
        assert_eq!(welch(&[1.0, 2.0], &[1.0, 0.0]), None);
    }

    #[test]
    fn holm_agrees_with_examples_that_were_calculated_by_hand() {
        let of = |p: &[f64], expected: &[f64]| {
            let found = holm(p);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-15, "{found} {expected}");
            }
        };
        of(&[], &[]);
        of(&[0.04], &[0.04]);
        // 0.005 × 4, 0.01 × 3, 0.03 × 2, and 0.04, which may not be below 0.06.
        of(&[0.01, 0.04, 0.03, 0.005], &[0.03, 0.06, 0.06, 0.02]);
        // Ties, what passes 1, and nothing at all.
        of(&[0.02, 0.02, 0.02], &[0.06, 0.06, 0.06]);
        of(&[0.6, 0.7, 1.0], &[1.0, 1.0, 1.0]);
        of(&[0.0, 1.0], &[0.0, 1.0]);
    }
}
