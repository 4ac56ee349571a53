//! Values by percentile, as HdrHistogram's `outputPercentileDistribution` writes them.
//!
//! The format is the one of the Java library (HdrHistogram 2.2, `AbstractHistogram`), which its
//! plotter reads: a line for each of five steps in every half of what is left to 100 %.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hdrhistogram::Histogram;
use telegraft_loadgen::results::latency_histogram;

/// Steps in each half of what is left to 100 %, as in the Java library's shorter method.
const STEPS: f64 = 5.0;

/// How many values there are, by value.
#[derive(Clone, Debug, Default)]
pub(super) struct Distribution {
    /// By the highest value of each bucket.
    buckets: BTreeMap<u64, Bucket>,
    count: u64,
    /// Of those that were put together.
    shape: Shape,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    middle: u64,
    count: u64,
}

/// What a histogram tells apart.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    digits: u8,
    buckets: u8,
}

impl Distribution {
    /// Of any histogram.
    pub(super) fn of(histogram: &Histogram<u64>) -> Distribution {
        let steps = histogram.iter_recorded().map(|step| {
            let value = step.value_iterated_to();
            let middle = histogram.median_equivalent(value);
            (
                histogram.highest_equivalent(value),
                middle,
                step.count_at_value(),
            )
        });
        Distribution::collect(steps, Shape::of(histogram))
    }

    /// Of latencies as the load generator records them: the highest value of each bucket, and
    /// how many are in it.
    pub(super) fn of_buckets(buckets: impl Iterator<Item = (u64, u64)>) -> Distribution {
        let like = latency_histogram();
        let steps =
            buckets.map(|(highest, count)| (highest, like.median_equivalent(highest), count));
        Distribution::collect(steps, Shape::of(&like))
    }

    fn collect(steps: impl Iterator<Item = (u64, u64, u64)>, shape: Shape) -> Distribution {
        let mut all = Distribution {
            shape,
            ..Distribution::default()
        };
        steps.for_each(|(highest, middle, count)| all.put(highest, middle, count));
        all
    }

    fn put(&mut self, highest: u64, middle: u64, more: u64) {
        let bucket = self
            .buckets
            .entry(highest)
            .or_insert(Bucket { middle, count: 0 });
        bucket.count = bucket.count.saturating_add(more);
        self.count = self.count.saturating_add(more);
    }

    /// Counts those of another one, too.
    pub(super) fn merge(&mut self, more: &Distribution) {
        for (highest, bucket) in &more.buckets {
            self.put(*highest, bucket.middle, bucket.count);
        }
        self.shape.digits = self.shape.digits.max(more.shape.digits);
        self.shape.buckets = self.shape.buckets.max(more.shape.buckets);
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The least value, as the highest one of its bucket; 0 of none.
    pub(super) fn min(&self) -> u64 {
        self.buckets
            .first_key_value()
            .map_or(0, |(value, _)| *value)
    }

    /// The greatest value, likewise.
    pub(super) fn max(&self) -> u64 {
        self.buckets.last_key_value().map_or(0, |(value, _)| *value)
    }

    /// The text, each value divided by `unit`; `missing` operations have no value, and a comment
    /// says so.
    #[allow(
        clippy::cast_precision_loss,
        reason = "it is printed with fewer digits"
    )]
    pub(super) fn text(&self, unit: f64, missing: u64) -> String {
        let mut text = format!(
            "{:>12} {:>14} {:>10} {:>14}\n\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        );
        let digits = usize::from(self.shape.digits);
        let scaled = |value: f64| format!("{:12.digits$}", value / unit);
        self.each_step(|value, percentile, total| {
            let of_one = percentile / 100.0;
            let _ = write!(text, "{} {of_one:2.12} {total:10}", scaled(value as f64));
            let _ = match percentile < 100.0 {
                true => writeln!(text, " {:14.2}", 1.0 / (1.0 - of_one)),
                false => writeln!(text),
            };
        });
        let (mean, deviation) = self.mean_and_deviation();
        let _ = write!(
            text,
            "#[Mean    = {}, StdDeviation   = {}]\n\
             #[Max     = {}, Total count    = {:12}]\n\
             #[Buckets = {:12}, SubBuckets     = {:12}]\n",
            scaled(mean),
            scaled(deviation),
            scaled(self.max() as f64),
            self.count,
            self.shape.buckets,
            self.shape.sub_buckets(),
        );
        if missing > 0 {
            let _ = writeln!(
                text,
                "#[{missing} more were due and have no latency: failed, unknown or unfinished]"
            );
        }
        text
    }

    /// Gives value, percentile and how many are no greater, at every step.
    #[allow(
        clippy::cast_precision_loss,
        reason = "as the Java library computes it"
    )]
    fn each_step(&self, mut see: impl FnMut(u64, f64, u64)) {
        let (mut level, mut total) = (0.0, 0_u64);
        for (value, bucket) in &self.buckets {
            total = total.saturating_add(bucket.count);
            let reached = 100.0 * total as f64 / self.count as f64;
            while bucket.count > 0 && reached >= level {
                see(*value, level, total);
                if total >= self.count {
                    // What is between here and 100 % would be the same value.
                    see(*value, 100.0, total);
                    return;
                }
                let halves = (100.0 / (100.0 - level)).log2().floor();
                let next = level + 100.0 / (STEPS * (halves + 1.0).exp2());
                if next <= level {
                    // Nearer to 100 % an f64 tells no two steps apart: the greatest value is left.
                    see(self.max(), 100.0, self.count);
                    return;
                }
                level = next;
            }
        }
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "it is printed with fewer digits"
    )]
    fn mean_and_deviation(&self) -> (f64, f64) {
        let count = self.count as f64;
        if count == 0.0 {
            return (0.0, 0.0);
        }
        let buckets = || {
            self.buckets
                .values()
                .map(|b| (b.middle as f64, b.count as f64))
        };
        let mean = buckets().map(|(middle, count)| middle * count).sum::<f64>() / count;
        let squares = buckets().map(|(middle, count)| (middle - mean).powi(2) * count);
        (mean, (squares.sum::<f64>() / count).sqrt())
    }
}

impl Shape {
    fn of(histogram: &Histogram<u64>) -> Shape {
        Shape {
            digits: histogram.sigfig(),
            buckets: histogram.buckets(),
        }
    }

    /// The least power of two that tells so many digits apart in each half of a bucket.
    fn sub_buckets(self) -> u64 {
        (2 * 10_u64.saturating_pow(self.digits.into())).next_power_of_two()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = latency_histogram();
        values
            .into_iter()
            .for_each(|value| histogram.saturating_record(value));
        histogram
    }

    #[test]
    fn the_text_is_what_plotters_read() {
        let of = Distribution::of(&histogram([1000, 2000, 3000, 4000, 40_000]));
        let expected = include_str!("expected.hgrm");
        assert_eq!(of.text(1000.0, 0), expected);
        let missing = of.text(1000.0, 3);
        let last = missing.strip_prefix(expected).expect("more is added");
        assert!(last.starts_with("#[3 more were due"), "{last}");
    }

    /// The iterator of the crate hdrhistogram is another implementation of the Java library's.
    #[test]
    fn the_steps_are_those_of_another_implementation() {
        // A prime number of them: no step falls on a whole count, where rounding would decide.
        let values = (0..20_011_u64).map(|x| 50 + x * x % 7919 + x.pow(3) / 9_000_000);
        let histogram = histogram(values);
        let mut steps = Vec::new();
        let of = Distribution::of(&histogram);
        of.each_step(|value, percentile, total| steps.push((value, percentile, total)));
        let mut total = 0;
        let expected: Vec<(u64, f64, u64)> = histogram
            .iter_quantiles(5)
            .map(|step| {
                total += step.count_since_last_iteration();
                (
                    step.value_iterated_to(),
                    100.0 * step.quantile_iterated_to(),
                    total,
                )
            })
            .collect();
        assert!(steps.len() > 50);
        assert_eq!(steps.len(), expected.len());
        for (one, other) in steps.iter().zip(&expected) {
            assert_eq!((one.0, one.2), (other.0, other.2), "at {}", one.1);
            assert!((one.1 - other.1).abs() < 1e-9);
        }
    }

    #[test]
    fn merged_parts_are_the_whole() {
        let mut sum = Distribution::of(&histogram(1..500));
        sum.merge(&Distribution::of(&histogram(500..9000)));
        let whole = histogram(1..9000);
        assert_eq!(sum.text(1.0, 0), Distribution::of(&whole).text(1.0, 0));
        let buckets = whole.iter_recorded().map(|step| {
            (
                whole.highest_equivalent(step.value_iterated_to()),
                step.count_at_value(),
            )
        });
        assert_eq!(
            sum.text(1.0, 0),
            Distribution::of_buckets(buckets).text(1.0, 0)
        );
        assert_eq!((sum.count(), sum.min(), sum.max()), (8999, 1, whole.max()));
    }

    #[test]
    fn nothing_and_too_much_have_a_text() {
        let none = Distribution::of(&histogram([]));
        assert!(
            none.text(1000.0, 0)
                .contains("Total count    =            0]")
        );
        let mut much = Distribution::of_buckets([(7, u64::MAX), (9, 5)].into_iter());
        let more = much.clone();
        much.merge(&more);
        assert_eq!(much.count(), u64::MAX);
        assert!(much.text(1.0, 0).contains("1.000000000000"));
    }

    /// One of so many that its share of them is less than what an `f64` tells from 100 %.
    #[test]
    fn steps_end_where_they_are_too_small() {
        let of = Distribution::of_buckets([(7, 1 << 60), (9, 1), (11, 1)].into_iter());
        let mut steps = Vec::new();
        of.each_step(|value, percentile, total| steps.push((value, percentile, total)));
        assert!((100..400).contains(&steps.len()), "{}", steps.len());
        assert!(steps.is_sorted_by(|one, next| one.1 < next.1));
        assert_eq!(steps.last(), Some(&(11, 100.0, (1 << 60) + 2)));
        assert!(steps.iter().rev().skip(1).all(|step| step.0 == 7));
    }
}
