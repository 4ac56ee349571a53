//! Goodness of fit: whether what was drawn follows the law that it should.
//!
//! Chi-square for what falls into cells, Kolmogorov–Smirnov for what is continuous. NR is Press et
//! al., "Numerical Recipes", third edition, 2007; DLMF is NIST's Digital Library of Mathematical
//! Functions, <https://dlmf.nist.gov>.

/// The least that a cell should be expected to hold (Cochran, "Some methods for strengthening the
/// common χ² tests", Biometrics 10, 1954).
pub const LEAST_EXPECTED: f64 = 5.0;

/// Terms after which a sum that should have converged has not. Near its peak the incomplete gamma
/// function needs some √a of them: this is enough for a = 10^8.
const MOST_TERMS: usize = 100_000;

/// Pearson's statistic with its degrees of freedom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChiSquare {
    /// The sum of (observed − expected)² / expected.
    pub statistic: f64,
    /// Cells (after pooling) less one.
    pub degrees: usize,
}

impl ChiSquare {
    /// The probability of a statistic as large as this if the expectation holds.
    pub fn p_value(&self) -> f64 {
        chi_square_p_value(self.statistic, self.degrees)
    }
}

/// Compares counts with weights (which need not sum to 1). Neighbouring cells are pooled until
/// each is expected to hold `least` (at least [`LEAST_EXPECTED`]). Small cells show an item that
/// is drawn wrongly; large ones show a law that is off by a little everywhere.
///
/// What falls on a weight of 0 makes the statistic infinite.
///
/// # Panics
/// When there are not as many weights as counts.
pub fn chi_square(observed: &[u64], weights: &[f64], least: f64) -> ChiSquare {
    assert_eq!(observed.len(), weights.len(), "one weight for each count");
    let total: f64 = weights.iter().sum();
    let draws = observed.iter().sum::<u64>() as f64;
    let least = least.max(LEAST_EXPECTED);
    let mut cells: Vec<(f64, f64)> = Vec::new();
    let mut open = (0.0, 0.0);
    let mut impossible = false;
    for (count, weight) in observed.iter().zip(weights) {
        impossible |= *weight == 0.0 && *count > 0;
        open = (open.0 + *count as f64, open.1 + weight / total * draws);
        if open.1 >= least {
            cells.push(std::mem::take(&mut open));
        }
    }
    // What is left at the end is too small for a cell.
    match cells.last_mut() {
        Some(last) => *last = (last.0 + open.0, last.1 + open.1),
        None => cells.push(open),
    }
    let deviation = |(count, expected): &(f64, f64)| (count - expected).powi(2) / expected;
    ChiSquare {
        statistic: if impossible {
            f64::INFINITY
        } else {
            cells.iter().map(deviation).sum()
        },
        degrees: cells.len() - 1,
    }
}

/// The probability that a chi-square variable with `degrees` degrees of freedom is `statistic` or
/// more (NR, §6.14.8). With no degrees there is nothing to test: 1, unless `statistic` is
/// infinite.
pub fn chi_square_p_value(statistic: f64, degrees: usize) -> f64 {
    if statistic == f64::INFINITY {
        return 0.0;
    }
    if degrees == 0 || statistic <= 0.0 {
        return 1.0;
    }
    upper_gamma(degrees as f64 / 2.0, statistic / 2.0)
}

/// The largest distance between the distribution of `samples`, which it sorts, and the continuous
/// one whose cumulative distribution function is `law`.
pub fn ks_distance(samples: &mut [f64], law: impl Fn(f64) -> f64) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    let n = samples.len() as f64;
    let at = |(nth, sample): (usize, &f64)| {
        let wanted = law(*sample);
        let (before, after) = (nth as f64 / n, (nth + 1) as f64 / n);
        (wanted - before).max(after - wanted)
    };
    samples.iter().enumerate().map(at).fold(0.0, f64::max)
}

/// The probability of a distance as large as this from `n` samples that follow the law:
/// Kolmogorov's asymptotic distribution (NR, §6.14.12) at Stephens' corrected distance ("Use of the
/// Kolmogorov–Smirnov, Cramér–von Mises and related statistics without extensive tables", JRSS B 32,
/// 1970), good from n = 5 on.
pub fn ks_p_value(distance: f64, n: usize) -> f64 {
    let root = (n as f64).sqrt();
    let z = (root + 0.12 + 0.11 / root) * distance;
    if z <= 0.0 {
        return 1.0;
    }
    // Two forms of one function (a theta function's), each where four terms are enough.
    if z < 1.18 {
        let y = (-std::f64::consts::PI.powi(2) / (8.0 * z * z)).exp();
        let sum: f64 = [1, 9, 25, 49].map(|power| y.powi(power)).iter().sum();
        1.0 - std::f64::consts::TAU.sqrt() / z * sum
    } else {
        let x = (-2.0 * z * z).exp();
        2.0 * (x - x.powi(4) + x.powi(9) - x.powi(16))
    }
}

/// The cumulative distribution function of the normal distribution with mean 0 and standard
/// deviation 1 (DLMF 7.11.1 and 7.11.2: the error function is an incomplete gamma function).
pub fn normal_cdf(x: f64) -> f64 {
    let outside = normal_two_sided(x) / 2.0;
    if x < 0.0 { outside } else { 1.0 - outside }
}

/// The probability that a normal variable is as far from its mean as `z` standard deviations,
/// either way.
pub fn normal_two_sided(z: f64) -> f64 {
    chi_square_p_value(z * z, 1)
}

/// The regularised upper incomplete gamma function Q(a, x), a and x above 0 (NR, §6.2): its series
/// (DLMF 8.11.4, for 1 − Q) below the peak, its continued fraction (DLMF 8.9.2) above.
fn upper_gamma(a: f64, x: f64) -> f64 {
    let scale = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let mut term = 1.0 / a;
        let mut sum = term;
        for n in 1..MOST_TERMS {
            term *= x / (a + n as f64);
            sum += term;
            if term < sum * f64::EPSILON {
                break;
            }
        }
        return (1.0 - scale * sum).clamp(0.0, 1.0);
    }
    /// Stands for a 0 that must not be divided by (Lentz's method, NR §5.2).
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for n in 1..MOST_TERMS {
        let n = n as f64;
        let factor = -n * (n - a);
        b += 2.0;
        let not_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
        d = 1.0 / not_zero(factor * d + b);
        c = not_zero(b + factor / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    (scale * fraction).clamp(0.0, 1.0)
}

/// The logarithm of the gamma function, x above 0 (Lanczos, SIAM J. Numer. Anal. B 1, 1964, with
/// Godfrey's coefficients for g = 7; NR, §6.1): right to some 10^-15.
fn ln_gamma(x: f64) -> f64 {
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const COEFFICIENTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    // Γ(x) = Γ(x + 1) / x: the series is for what follows.
    let terms = COEFFICIENTS.iter().enumerate();
    let sum: f64 = FIRST + terms.map(|(n, c)| c / (x + n as f64)).sum::<f64>();
    let base = x + 6.5;
    (x - 0.5) * base.ln() - base + (std::f64::consts::TAU.sqrt() * sum).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, wanted: f64, relative: f64) {
        let error = (value / wanted - 1.0).abs();
        assert!(error < relative, "{value}, wanted {wanted}: off by {error}");
    }

    #[test]
    fn ln_gamma_is_right_where_it_is_known() {
        near(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln(), 1e-14);
        let mut ln_factorial = 0.0;
        for n in 2..200 {
            ln_factorial += f64::from(n).ln();
            near(ln_gamma(f64::from(n) + 1.0), ln_factorial, 1e-13);
        }
    }

    #[test]
    fn chi_square_matches_the_tables() {
        // NIST/SEMATECH e-Handbook of Statistical Methods, §1.3.6.7.4.
        for (degrees, statistic, p) in [
            (1, 2.706, 0.10),
            (1, 3.841, 0.05),
            (1, 10.828, 0.001),
            (2, 5.991, 0.05),
            (5, 15.086, 0.01),
            (10, 18.307, 0.05),
            (10, 29.588, 0.001),
            (30, 43.773, 0.05),
            (100, 124.342, 0.05),
            (100, 149.449, 0.001),
            (100, 77.929, 0.95),
        ] {
            near(chi_square_p_value(statistic, degrees), p, 1e-3);
        }
        // With an even number of degrees it is a sum (DLMF 8.4.10).
        for half in [1, 2, 5, 40, 300] {
            for x in [0.1, 1.0, 4.9, 5.1, 41.0, 299.0, 340.0] {
                let mut term = f64::exp(-x);
                let mut sum = term;
                for k in 1..half {
                    term *= x / f64::from(k);
                    sum += term;
                }
                let degrees = usize::try_from(2 * half).expect("small");
                let p = chi_square_p_value(2.0 * x, degrees);
                assert!((p - sum).abs() < 1e-12, "{half}, {x}: {p} for {sum}");
            }
        }
        // With many degrees it is nearly normal (Wilson and Hilferty, 1931).
        for z in [-2.0, 0.0, 1.0, 3.0] {
            let degrees = 100_000;
            let ninth = 2.0 / (9.0 * f64::from(degrees));
            let statistic = f64::from(degrees) * (1.0 - ninth + z * ninth.sqrt()).powi(3);
            let p = chi_square_p_value(statistic, 100_000);
            near(p, 1.0 - normal_cdf(z), 1e-4);
        }
        assert_eq!(chi_square_p_value(0.0, 3), 1.0);
        assert_eq!(chi_square_p_value(f64::INFINITY, 3), 0.0);
        assert_eq!(chi_square_p_value(1e6, 3), 0.0);
    }

    #[test]
    fn normal_matches_the_tables() {
        near(normal_cdf(0.0), 0.5, 1e-15);
        near(normal_cdf(1.0), 0.841_344_746_068_542_9, 1e-14);
        near(normal_cdf(-1.0), 0.158_655_253_931_457_05, 1e-13);
        near(normal_cdf(1.959_963_984_540_054), 0.975, 1e-14);
        near(normal_cdf(-6.0), 9.865_876_450_376_98e-10, 1e-12);
        near(normal_two_sided(2.575_829_303_548_900_4), 0.01, 1e-12);
        assert_eq!((normal_cdf(-40.0), normal_cdf(40.0)), (0.0, 1.0));
    }

    #[test]
    fn kolmogorov_matches_the_tables() {
        // The asymptotic percentage points (Smirnov, Ann. Math. Statist. 19, 1948).
        let n = 1_000_000_000_000;
        for (z, p) in [
            (0.571_17, 0.90),
            (0.827_57, 0.50),
            (1.223_85, 0.10),
            (1.358_10, 0.05),
            (1.627_62, 0.01),
            (1.949_47, 0.001),
        ] {
            near(ks_p_value(z * 1e-6, n), p, 1e-4);
        }
        // The two forms meet.
        let (below, above) = (ks_p_value(1.179_999_9e-6, n), ks_p_value(1.180_000_1e-6, n));
        near(below, above, 1e-5);
        // Exact points of small samples (Massey, JASA 46, 1951), within what is claimed.
        near(ks_p_value(0.409, 10), 0.05, 0.02);
        near(ks_p_value(0.294, 20), 0.05, 0.02);
        near(ks_p_value(0.352, 20), 0.01, 0.1);
        assert_eq!(ks_p_value(0.0, 10), 1.0);
        assert!(ks_p_value(1.0, 1_000) < 1e-300);
    }

    #[test]
    fn the_distance_is_the_largest_step_to_either_side() {
        let even = |x: f64| x;
        assert_eq!(ks_distance(&mut [0.5], even), 0.5);
        assert_eq!(ks_distance(&mut [0.75, 0.25], even), 0.25);
        assert_eq!(ks_distance(&mut [0.9, 0.8, 0.7, 0.6], even), 0.6);
        assert_eq!(ks_distance(&mut [0.1, 0.2], even), 0.8);
    }

    #[test]
    fn small_cells_are_pooled_and_impossible_ones_are_not_hidden() {
        let fit = chi_square(&[12, 8, 3, 3, 4], &[10.0, 10.0, 4.0, 4.0, 2.0], 5.0);
        // 10, 10, and the last three together.
        let wanted = ChiSquare {
            statistic: 0.4 + 0.4,
            degrees: 2,
        };
        assert_eq!(fit, wanted);
        let rare = chi_square(&[10, 1, 10], &[1.0, 0.0, 1.0], 5.0);
        assert_eq!(rare.p_value(), 0.0);
        assert_eq!(chi_square(&[3], &[1.0], 5.0).p_value(), 1.0);
    }
}
