//! Histograms as Prometheus has them: cumulative counts by upper bounds.

/// A histogram, or what was added to one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    /// Upper bounds, ascending, the last one infinite; and how many observations are not above
    /// them. Counts are whole numbers, which `f64` holds exactly as far as they go.
    buckets: Vec<(f64, f64)>,
    /// All observations together, if that is known.
    sum: Option<f64>,
}

impl Histogram {
    /// One of durations or sizes with these buckets, in any order; none if that is none.
    pub(super) fn of(mut buckets: Vec<(f64, f64)>) -> Option<Histogram> {
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let ascend = buckets
            .windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        let (first_bound, first) = buckets.first()?;
        let (last_bound, last) = buckets.last()?;
        let whole = *first_bound >= 0.0
            && *first >= 0.0
            && *last_bound == f64::INFINITY
            && last.is_finite();
        (ascend && whole).then_some(Histogram { buckets, sum: None })
    }

    /// The same, with the sum of its observations.
    pub(super) fn with_sum(self, sum: Option<f64>) -> Histogram {
        Histogram { sum, ..self }
    }

    /// How many observations there are.
    pub(super) fn count(&self) -> f64 {
        self.buckets.last().map_or(0.0, |(_, count)| *count)
    }

    /// What was added since an earlier state; none if that is none of this histogram.
    pub(super) fn since(&self, earlier: &Histogram) -> Option<Histogram> {
        if self.buckets.len() != earlier.buckets.len() {
            return None;
        }
        let pairs = self.buckets.iter().zip(&earlier.buckets);
        let added = pairs.map(|((bound, now), (same, before))| {
            (bound == same).then_some((*bound, now - before))
        });
        let added = Histogram::of(added.collect::<Option<_>>()?)?;
        let sum = self.sum.zip(earlier.sum).map(|(now, before)| now - before);
        Some(added.with_sum(sum.filter(|sum| *sum >= 0.0)))
    }

    /// Both together; none if their buckets differ.
    pub(super) fn plus(&self, more: &Histogram) -> Option<Histogram> {
        if self.buckets.len() != more.buckets.len() {
            return None;
        }
        let pairs = self.buckets.iter().zip(&more.buckets);
        let added = pairs.map(|((bound, count), (same, more))| {
            (bound == same).then_some((*bound, count + more))
        });
        let sum = self.sum.zip(more.sum).map(|(sum, more)| sum + more);
        Some(Histogram::of(added.collect::<Option<_>>()?)?.with_sum(sum))
    }

    /// The mean; none if there are no observations, or their sum is not known.
    pub(super) fn mean(&self) -> Option<f64> {
        let count = self.count();
        self.sum.filter(|_| count > 0.0).map(|sum| sum / count)
    }

    /// The quantile `q`, above 0 and below 1, interpolated within its bucket as
    /// `histogram_quantile` of Prometheus does; none if there are no observations, or nothing
    /// but that they are finite is known of it. Beyond the last finite bound it is that bound.
    /// (<https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile>)
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let rank = q * self.count();
        if rank <= 0.0 {
            return None;
        }
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            if *count >= rank {
                return if bound.is_finite() {
                    Some(lower + (bound - lower) * (rank - below) / (count - below))
                } else {
                    (lower > 0.0).then_some(lower)
                };
            }
            (lower, below) = (*bound, *count);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    fn histogram(buckets: &[(f64, f64)]) -> Histogram {
        Histogram::of(buckets.to_vec()).expect("it is one")
    }

    #[test]
    fn a_quantile_is_interpolated_within_its_bucket() {
        // 10 up to 1, 80 up to 2, 10 up to 4.
        let all = histogram(&[(1.0, 10.0), (2.0, 90.0), (4.0, 100.0), (INF, 100.0)]);
        assert_eq!(all.quantile(0.5), Some(1.5));
        assert_eq!(all.quantile(0.05), Some(0.5));
        assert_eq!(all.quantile(0.1), Some(1.0));
        assert_eq!(all.quantile(0.9), Some(2.0));
        assert_eq!(all.quantile(0.95), Some(3.0));
        let one = histogram(&[(1.0, 0.0), (2.0, 1.0), (INF, 1.0)]);
        assert_eq!(one.quantile(0.5), Some(1.5));
        // The last bound is all that is known of what is beyond it.
        let beyond = histogram(&[(1.0, 0.0), (2.0, 1.0), (INF, 100.0)]);
        assert_eq!(beyond.quantile(0.5), Some(2.0));
        assert_eq!(histogram(&[(INF, 3.0)]).quantile(0.5), None);
        assert_eq!(histogram(&[(1.0, 0.0), (INF, 0.0)]).quantile(0.5), None);
    }

    #[test]
    fn what_was_added_is_a_histogram_too() {
        let before = histogram(&[(1.0, 1000.0), (2.0, 1000.0), (INF, 1000.0)]);
        let after = histogram(&[(1.0, 1000.0), (2.0, 1004.0), (INF, 1004.0)]);
        let added = after.since(&before).expect("it was added to");
        assert_eq!(added, histogram(&[(1.0, 0.0), (2.0, 4.0), (INF, 4.0)]));
        assert_eq!(added.quantile(0.5), Some(1.5));
        assert_eq!(before.since(&before).map(|none| none.count()), Some(0.0));
        assert_eq!(before.since(&after), None, "it went backwards");
        let other = histogram(&[(1.0, 0.0), (3.0, 0.0), (INF, 0.0)]);
        assert_eq!(after.since(&other), None);
        assert_eq!(after.since(&histogram(&[(INF, 0.0)])), None);
        // More in all, and less in one bucket: another process's.
        let moved = histogram(&[(1.0, 999.0), (2.0, 1005.0), (INF, 1005.0)]);
        assert_eq!(moved.since(&before), None);
    }

    #[test]
    fn sums_go_with_the_counts() {
        let of = |one: f64, two: f64, sum| {
            histogram(&[(1.0, one), (2.0, one + two), (INF, one + two)]).with_sum(sum)
        };
        let (before, after) = (of(10.0, 0.0, Some(5.0)), of(13.0, 1.0, Some(8.0)));
        let added = after.since(&before).expect("it was added to");
        assert_eq!((added.count(), added.mean()), (4.0, Some(0.75)));
        let both = added.plus(&of(0.0, 2.0, Some(3.0))).expect("same buckets");
        assert_eq!((both.count(), both.mean()), (6.0, Some(1.0)));
        assert_eq!(both.quantile(0.5), Some(1.0));
        assert_eq!(added.plus(&of(1.0, 1.0, None)).expect("same").mean(), None);
        assert_eq!(before.since(&before).expect("same").mean(), None);
        assert_eq!(added.plus(&histogram(&[(1.0, 1.0), (INF, 1.0)])), None);
        let other = histogram(&[(1.0, 1.0), (3.0, 1.0), (INF, 1.0)]);
        assert_eq!(added.plus(&other), None);
    }

    #[test]
    fn what_is_no_histogram_is_none() {
        assert!(Histogram::of(vec![(INF, 2.0), (1.0, 1.0)]).is_some());
        for buckets in [
            vec![],
            vec![(1.0, 1.0)],
            vec![(1.0, 2.0), (INF, 1.0)],
            vec![(1.0, 1.0), (1.0, 1.0), (INF, 1.0)],
            vec![(1.0, -1.0), (INF, 1.0)],
            vec![(-1.0, 1.0), (INF, 1.0)],
            vec![(1.0, 1.0), (INF, INF)],
            vec![(1.0, f64::NAN), (INF, 1.0)],
            vec![(1.0, 1.0), (INF, f64::NAN)],
            vec![(f64::NAN, 1.0), (INF, 1.0)],
            vec![(f64::NAN, 1.0)],
        ] {
            assert_eq!(Histogram::of(buckets.clone()), None, "{buckets:?}");
        }
    }
}
