//! Student's t distribution, for any real number of degrees of freedom above 0.
//!
//! Its tails are regularised incomplete beta functions (Abramowitz & Stegun 1964, 26.7.1):
//! P(|T| > t) = I_x(ν/2, ½) with x = ν / (ν + t²). I is computed by its continued fraction
//! (NIST Digital Library of Mathematical Functions, 8.17.22; DiDonato & Morris, ACM TOMS 18(3),
//! 1992, say where it converges), the fraction by Lentz's method as modified by Thompson &
//! Barnett (J. Comput. Phys. 64, 1986).
//!
//! Each tail is computed itself, not as 1 minus the rest, so that a p-value of 1e-300 has as many
//! digits as one of 0.5. Up to 10⁶ degrees of freedom errors stay below 1e-11 of the value; the
//! fraction then takes about as many terms as the root of their number.

use std::f64::consts::PI;

/// More terms than any fraction here takes for less than 10¹⁰ degrees of freedom.
const MAX_TERMS: u32 = 1_000_000;

/// The probability of a value farther from 0 than `t`, on either side: the two-sided p-value of
/// the statistic `t` with `df` degrees of freedom. NaN where `t` is, or where `df` is not above 0.
pub fn two_sided(t: f64, df: f64) -> f64 {
    Tails::new(t.abs(), df).outer
}

/// The probability of a value above `t`. NaN where `t` is, or where `df` is not above 0.
pub fn survival(t: f64, df: f64) -> f64 {
    let tails = Tails::new(t.abs(), df);
    match t < 0.0 {
        true => 0.5 + tails.inner / 2.0,
        false => tails.outer / 2.0,
    }
}

/// The probability of a value of `t` at most. NaN where `t` is, or where `df` is not above 0.
pub fn cdf(t: f64, df: f64) -> f64 {
    survival(-t, df)
}

/// The `t` below which a value lies with probability `p`; infinite for 0 and 1. NaN where `p` is
/// no probability, or where `df` is not above 0.
///
/// Found by Newton's steps on logarithms, on which the tails are nearly straight, bisecting where
/// a step leaves the bracket.
pub fn quantile(p: f64, df: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) || !usable(df) {
        return f64::NAN;
    }
    // 1 − p is exact where p is above one half.
    match p < 0.5 {
        true => -farther(2.0 * p, 1.0 - 2.0 * p, df),
        false => farther(2.0 * (1.0 - p), 2.0 * p - 1.0, df),
    }
}

/// The `t` ≥ 0 with probability `outer` of a value farther from 0, and `inner` = 1 − `outer` of a
/// nearer one.
fn farther(outer: f64, inner: f64, df: f64) -> f64 {
    if outer <= 0.0 {
        return f64::INFINITY;
    }
    if inner <= 0.0 {
        return 0.0;
    }
    // The smaller of both has the digits.
    let by_outer = outer < inner;
    // Above 0 where `t` = exp(u) is too great.
    let excess = |tails: &Tails| match by_outer {
        true => outer.ln() - tails.outer.ln(),
        false => tails.inner.ln() - inner.ln(),
    };
    // exp(±709) is the range of f64: a root beyond it is none.
    let (mut low, mut high) = (-709.0_f64, 709.0_f64);
    let mut u = 0.0_f64;
    for _ in 0..200 {
        let t = u.exp();
        let tails = Tails::new(t, df);
        let over = excess(&tails);
        match over > 0.0 {
            true => high = high.min(u),
            false => low = low.max(u),
        }
        let part = match by_outer {
            true => tails.outer,
            false => tails.inner,
        };
        let next = u - over * part / (2.0 * t * density(t, df));
        let next = match next > low && next < high {
            true => next,
            false => f64::midpoint(low, high),
        };
        // u is the logarithm: its error is the relative error of t.
        if (next - u).abs() < 1e-15 * u.abs().max(1.0) {
            return next.exp();
        }
        u = next;
    }
    u.exp()
}

/// The probability density at `t`.
fn density(t: f64, df: f64) -> f64 {
    let a = df / 2.0;
    let r = t / df.sqrt();
    gamma_ratio(a) / (df * PI).sqrt() * ((a + 0.5) * ln_x(r)).exp()
}

fn usable(df: f64) -> bool {
    df > 0.0 && df.is_finite()
}

/// ln x = −ln(1 + r²), where r = t / √ν.
fn ln_x(r: f64) -> f64 {
    match r < 1e150 {
        true => -(r * r).ln_1p(),
        false => -2.0 * r.ln(),
    }
}

/// The probabilities on both sides of |T| = t.
struct Tails {
    /// Of |T| > t.
    outer: f64,
    /// Of |T| ≤ t.
    inner: f64,
}

impl Tails {
    fn new(t: f64, df: f64) -> Tails {
        if t.is_nan() || !usable(df) {
            return Tails {
                outer: f64::NAN,
                inner: f64::NAN,
            };
        }
        let a = df / 2.0;
        let r = t / df.sqrt();
        let square = r * r;
        // x and 1 − x, neither by subtraction.
        let (x, rest) = (1.0 / (1.0 + square), 1.0 / (1.0 + 1.0 / square));
        // x^a √(1 − x) / B(a, ½)
        let front = (a * ln_x(r)).exp() * rest.sqrt() * gamma_ratio(a) / PI.sqrt();
        // The fraction converges fast on this side of the mean of the beta distribution.
        if x < (a + 1.0) / (a + 2.5) {
            let outer = front / a * fraction(x, a, 0.5);
            Tails {
                outer,
                inner: 1.0 - outer,
            }
        } else {
            let inner = front / 0.5 * fraction(rest, 0.5, a);
            Tails {
                outer: 1.0 - inner,
                inner,
            }
        }
    }
}

/// The continued fraction of I_x(a, b), without what stands before it (DLMF 8.17.22).
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    /// Stands for a denominator of 0.
    const TINY: f64 = 1e-300;
    let held = |value: f64| if value.abs() < TINY { TINY } else { value };
    // 1 / (1 + d₁ / (1 + d₂ / …)): `value` is its denominator as far as it was computed.
    let (mut value, mut c, mut d) = (1.0, 1.0, 0.0);
    for n in 1..=MAX_TERMS {
        let m = f64::from(n / 2);
        let coefficient = match n % 2 {
            0 => m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            _ => -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        };
        d = 1.0 / held(1.0 + coefficient * d);
        c = held(1.0 + coefficient / c);
        let factor = c * d;
        value *= factor;
        if (factor - 1.0).abs() < 1e-16 {
            break;
        }
    }
    1.0 / value
}

/// Γ(a + ½) / Γ(a), which is √π / B(a, ½). The series is the difference of those of ln Γ(a + ½)
/// and ln Γ(a) (DLMF 5.11.8), where what both have in common does not cancel; small arguments are
/// first shifted up by Γ(a + 1) = a Γ(a).
fn gamma_ratio(a: f64) -> f64 {
    /// The first term that is left out is below 1e-16 from here on.
    const LARGE: f64 = 16.0;
    let (mut a, mut shift) = (a, 1.0);
    while a < LARGE {
        shift *= a / (a + 0.5);
        a += 1.0;
    }
    let one = 1.0 / a;
    let square = one * one;
    let series = one
        * (-1.0 / 8.0
            + square
                * (1.0 / 192.0
                    + square
                        * (-1.0 / 640.0 + square * (17.0 / 14_336.0 - square * 31.0 / 18_432.0))));
    shift * a.sqrt() * series.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, relative: f64) {
        let error = (found / expected - 1.0).abs();
        assert!(
            error < relative,
            "{found:e} is not {expected:e}: off by {error:e}"
        );
    }

    /// What is known in closed form (Abramowitz & Stegun 26.7.3, 26.7.4): one degree is the Cauchy
    /// distribution, two and four are algebraic.
    #[test]
    fn tails_agree_with_closed_forms() {
        for exponent in -60..=300 {
            let t = 10_f64.powf(f64::from(exponent) / 10.0);
            close(two_sided(t, 1.0), 2.0 / PI * (1.0 / t).atan(), 1e-13);
            // 1 − t / √(2 + t²), without cancelling.
            let root = (2.0 + t * t).sqrt();
            close(two_sided(t, 2.0), 2.0 / (root * (root + t)), 1e-13);
        }
        for t in [0.1_f64, 0.5, 1.0, 2.0, 5.0] {
            let sin = t / (4.0 + t * t).sqrt();
            let inner = sin * (1.0 + (1.0 - sin * sin) / 2.0);
            close(two_sided(t, 4.0), 1.0 - inner, 1e-12);
        }
    }

    #[test]
    fn many_degrees_are_nearly_normal() {
        // P(|Z| > 1.959963984540054) = 0.05, and the first correction of order 1/ν.
        let z: f64 = 1.959_963_984_540_054;
        let phi = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
        let correction = phi * (z.powi(3) + z) / 2.0 / 1e6;
        close(two_sided(z, 1e6), 0.05 + correction, 1e-10);
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // 95 % two-sided, as printed in any table of the distribution.
        for (df, t) in [
            (1.0, 12.706),
            (2.0, 4.303),
            (3.0, 3.182),
            (4.0, 2.776),
            (9.0, 2.262),
            (29.0, 2.045),
            (120.0, 1.980),
        ] {
            let found = quantile(0.975, df);
            assert!((found - t).abs() < 0.0005, "{df}: {found} and {t}");
        }
        close(quantile(0.75, 1.0), 1.0, 1e-14);
    }

    #[test]
    fn a_quantile_leads_back_to_its_probability() {
        for df in [0.05, 0.5, 1.0, 1.7, 2.0, 4.4, 8.0, 29.3, 1000.0, 1e6] {
            for p in [1e-300, 1e-100, 1e-12, 0.001, 0.025, 0.3, 0.49] {
                let t = quantile(p, df);
                if t.is_finite() && t.abs() < 1e300 {
                    close(cdf(t, df), p, 1e-11);
                    close(survival(-t, df), p, 1e-11);
                }
            }
            for p in [0.5, 0.6, 0.975, 0.999_999] {
                close(cdf(quantile(p, df), df), p, 1e-12);
            }
            assert_eq!(quantile(0.5, df), 0.0);
            // Both are exact, as is 1 minus either.
            assert_eq!(quantile(0.25, df), -quantile(0.75, df), "{df}");
        }
    }

    #[test]
    fn the_ends_are_defined() {
        assert_eq!(two_sided(0.0, 3.0), 1.0);
        assert_eq!(two_sided(f64::INFINITY, 3.0), 0.0);
        assert_eq!(two_sided(f64::NEG_INFINITY, 3.0), 0.0);
        assert_eq!(survival(f64::NEG_INFINITY, 3.0), 1.0);
        assert_eq!(quantile(0.0, 3.0), f64::NEG_INFINITY);
        assert_eq!(quantile(1.0, 3.0), f64::INFINITY);
        for nan in [
            two_sided(f64::NAN, 3.0),
            two_sided(1.0, 0.0),
            two_sided(1.0, f64::NAN),
            quantile(1.5, 3.0),
            quantile(0.5, -1.0),
        ] {
            assert!(nan.is_nan());
        }
    }
}
