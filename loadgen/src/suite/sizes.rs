//! How long messages are, for those who want to know before they are sent.

use super::bounds::MESSAGE_BYTES;
use super::workload::Sizes;

impl Sizes {
    /// Bytes of a message, on average.
    pub fn mean(&self) -> f64 {
        match self {
            Sizes::Fixed(bytes) => *bytes as f64,
            Sizes::Uniform(from, to) => (from + to) as f64 / 2.0,
            Sizes::LogNormal { median, sigma, max } => {
                // E min(X, b) - E min(X, a) + a, for X that is kept between a and b.
                let least = *MESSAGE_BYTES.start() as f64;
                let up_to = |bound: f64| limited_mean(*median as f64, *sigma, bound);
                up_to(*max as f64) - up_to(least) + least
            }
            Sizes::Table(rows) => {
                let total: f64 = rows.iter().map(|(_, weight)| weight).sum();
                let sum: f64 = rows
                    .iter()
                    .map(|(size, weight)| *size as f64 * weight)
                    .sum();
                sum / total
            }
        }
    }

    /// Half of the messages are at most as long.
    pub(super) fn p50(&self) -> usize {
        self.percentile(0.5, 0.0)
    }

    /// 99 % of the messages are at most as long.
    pub(super) fn p99(&self) -> usize {
        /// The 99th percentile of the normal distribution, in standard deviations.
        const Z99: f64 = 2.326_348;
        self.percentile(0.99, Z99)
    }

    /// The shortest and the longest that there can be.
    pub(super) fn range(&self) -> (usize, usize) {
        match self {
            Sizes::Fixed(bytes) => (*bytes, *bytes),
            Sizes::Uniform(from, to) => (*from, *to),
            Sizes::LogNormal { max, .. } => (*MESSAGE_BYTES.start(), *max),
            Sizes::Table(rows) => {
                let sizes = rows.iter().map(|(size, _)| *size);
                let least = sizes.clone().min().unwrap_or_default();
                (least, sizes.max().unwrap_or_default())
            }
        }
    }

    /// The size that a share `q` of messages do not exceed; `z` is the same share's place in the
    /// normal distribution.
    fn percentile(&self, q: f64, z: f64) -> usize {
        match self {
            Sizes::Fixed(bytes) => *bytes,
            Sizes::Uniform(from, to) => {
                let sizes = (to - from + 1) as f64;
                from + ((sizes * q).ceil() as usize).saturating_sub(1)
            }
            Sizes::LogNormal { median, sigma, max } => {
                let size = *median as f64 * (z * sigma).exp();
                (size.round() as usize).clamp(*MESSAGE_BYTES.start(), *max)
            }
            Sizes::Table(rows) => {
                let mut rows = rows.clone();
                rows.sort_by_key(|(size, _)| *size);
                let total: f64 = rows.iter().map(|(_, weight)| weight).sum();
                let mut sum = 0.0;
                for (size, weight) in &rows {
                    sum += weight;
                    if sum >= q * total {
                        return *size;
                    }
                }
                rows.last().map_or(0, |(size, _)| *size)
            }
        }
    }
}

/// The mean of min(X, `bound`) for X log-normal (Klugman, Panjer, Willmot, "Loss Models",
/// appendix A.5.1.1: the limited expected value).
fn limited_mean(median: f64, sigma: f64, bound: f64) -> f64 {
    let place = (bound / median).ln() / sigma;
    let below = median * (sigma * sigma / 2.0).exp() * normal_below(place - sigma);
    below + bound * (1.0 - normal_below(place))
}

/// The share of the standard normal distribution below `z`, good to six digits (Abramowitz and
/// Stegun, "Handbook of Mathematical Functions", 26.2.17).
fn normal_below(z: f64) -> f64 {
    const B: [f64; 5] = [
        0.319_381_530,
        -0.356_563_782,
        1.781_477_937,
        -1.821_255_978,
        1.330_274_429,
    ];
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let sum = B.iter().rev().fold(0.0, |sum, b| (sum + b) * t);
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let above = density * sum;
    if z < 0.0 { above } else { 1.0 - above }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < b.abs() * 1e-3
    }

    #[test]
    fn means_and_percentiles_are_those_of_the_distribution() {
        let fixed = Sizes::Fixed(128);
        assert_eq!(
            (fixed.p50(), fixed.p99(), fixed.range()),
            (128, 128, (128, 128))
        );
        let uniform = Sizes::Uniform(101, 200);
        assert!(near(uniform.mean(), 150.5));
        assert_eq!((uniform.p50(), uniform.p99()), (150, 199));
        let table = Sizes::Table(vec![(4096, 10.0), (64, 60.0), (512, 30.0)]);
        assert!(near(table.mean(), 601.6));
        assert_eq!(
            (table.p50(), table.p99(), table.range()),
            (64, 4096, (64, 4096))
        );
        let wide = Sizes::LogNormal {
            median: 1_000,
            sigma: 0.5,
            max: 60_000,
        };
        assert!(
            near(wide.mean(), 1_000.0 * (0.125_f64).exp()),
            "{}",
            wide.mean()
        );
        assert_eq!((wide.p50(), wide.p99()), (1_000, 3_200));
    }

    #[test]
    fn what_is_cut_off_a_log_normal_counts() {
        // The same by adding up a million percentiles.
        for (median, sigma, max) in [(90, 0.9, 4096), (40, 1.5, 512), (32, 0.2, 32)] {
            let sizes = Sizes::LogNormal { median, sigma, max };
            let (mut sum, mut total) = (0.0, 0.0);
            for step in -80_000..80_000 {
                let z = f64::from(step) / 10_000.0;
                let weight = (-z * z / 2.0).exp();
                sum += weight * (median as f64 * (sigma * z).exp()).clamp(32.0, max as f64);
                total += weight;
            }
            assert!(
                near(sizes.mean(), sum / total),
                "{sizes:?}: {}, {}",
                sizes.mean(),
                sum / total
            );
        }
    }
}
