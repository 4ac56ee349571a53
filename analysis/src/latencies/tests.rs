//! Against the histograms that the latencies are made from.

use proptest::collection::vec;
use proptest::prelude::*;
use telegraft_loadgen::results::{add, latency_histogram};

use super::*;

fn recorded(values: &[(u64, u64)], mut histogram: Histogram<u64>) -> Histogram<u64> {
    for (value, count) in values {
        histogram.saturating_record_n(*value, *count);
    }
    histogram
}

fn ours(values: &[(u64, u64)]) -> Histogram<u64> {
    recorded(values, latency_histogram())
}

/// Latencies of all sizes, each a few times or very often.
fn values() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let value = (0_u32..32, any::<u64>()).prop_map(|(bits, value)| value >> (63 - bits));
    let count = prop_oneof![1_u64..4, 1_u64..1_000_000_000];
    vec((value, count), 0..80)
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-12 * one.abs().max(other.abs())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn they_answer_as_the_histogram(values in values(), missed in 0_u64..2_000) {
        let histogram = ours(&values);
        let latencies = Latencies::of(&histogram);
        prop_assert_eq!(latencies.count(), histogram.len());
        prop_assert_eq!(latencies.max_us(), histogram.max());
        prop_assert_eq!(latencies.min_us(), histogram.min());
        prop_assert!(close(latencies.mean_us(), histogram.mean()));
        for per_mille in (0..=1000).filter(|q| q % 25 == 0 || *q > 985) {
            let expected = LatencyUs::at(&histogram, per_mille, missed);
            prop_assert_eq!(latencies.at(per_mille, missed), expected);
            let q = per_mille as f64 / 1000.0;
            prop_assert_eq!(latencies.quantile(q, missed), expected);
        }
        // The share up to each value, as the histogram counts it.
        let mut last = 0.0;
        for (share, value) in latencies.steps(missed) {
            let below = histogram.count_between(0, value) as f64;
            prop_assert!(close(share, below / (histogram.len() + missed) as f64));
            prop_assert!(share > last);
            last = share;
        }
        prop_assert_eq!(last == 0.0, histogram.is_empty());
    }

    #[test]
    fn merging_is_adding_histograms(one in values(), other in values(), missed in 0_u64..2_000) {
        let mut sum = ours(&one);
        add(&mut sum, &ours(&other));
        let mut merged = Latencies::of(&ours(&one));
        merged.merge(&Latencies::of(&ours(&other)));
        prop_assert_eq!(&merged, &Latencies::of(&sum));
        prop_assert_eq!(merged.at(990, missed), LatencyUs::at(&sum, 990, missed));
    }

    /// Of other bounds, and of two digits: what is exact stays so, and a percentile is off by
    /// no more than the coarser of the two.
    #[test]
    fn other_tools_histograms_are_merged_too(
        one in values(),
        other in vec((1_u64..100_000_000, 1_u64..1_000), 1..80),
    ) {
        let mut wide = Histogram::new_with_bounds(1, u64::MAX / 4, 3).expect("these are bounds");
        wide.auto(true);
        let coarse = Histogram::new_with_bounds(1, 100_000_000, 2).expect("these are bounds");
        for (theirs, within) in [(recorded(&other, wide), 0.0), (recorded(&other, coarse), 0.01)] {
            let mut sum = ours(&one);
            add(&mut sum, &theirs);
            let mut merged = Latencies::of(&ours(&one));
            merged.merge(&Latencies::of(&theirs));
            prop_assert_eq!(merged.count(), sum.len());
            for per_mille in [1, 500, 900, 990, 999, 1000] {
                let (LatencyUs::Known(found), LatencyUs::Known(expected)) =
                    (merged.at(per_mille, 0), LatencyUs::at(&sum, per_mille, 0))
                else {
                    return Err(TestCaseError::fail("a percentile is not known"));
                };
                let off = found.abs_diff(expected) as f64;
                prop_assert!(off <= within * expected as f64 + 1.0, "{} {}", found, expected);
            }
        }
    }
}

/// Counts at which sums would overflow.
#[test]
fn no_count_is_too_great() {
    let mut histogram = latency_histogram();
    histogram.saturating_record_n(1_000, u64::MAX);
    let mut latencies = Latencies::of(&histogram);
    let copy = latencies.clone();
    latencies.merge(&copy);
    assert_eq!(latencies.count(), u64::MAX);
    assert_eq!(latencies.at(500, 0), LatencyUs::Known(1_000));
    assert_eq!(latencies.at(500, u64::MAX), LatencyUs::BeyondTimeout);
}

#[test]
fn a_quantile_between_thousandths_is_the_value_of_its_rank() {
    let values: Vec<(u64, u64)> = (1..=2_000).map(|value| (value, 5)).collect();
    let latencies = Latencies::of(&ours(&values));
    assert_eq!(latencies.quantile(0.9999, 0), LatencyUs::Known(2_000));
    assert_eq!(latencies.quantile(0.99985, 1), LatencyUs::Known(2_000));
    assert_eq!(latencies.quantile(0.9995, 0), LatencyUs::Known(1_999));
    assert_eq!(latencies.quantile(0.0, 0), LatencyUs::Known(1));
    assert_eq!(latencies.quantile(0.9999, 2), LatencyUs::BeyondTimeout);
    assert_eq!(Latencies::default().quantile(0.5, 0), LatencyUs::None);
}

/// The reason for the type: a histogram of a long run, in a hundredth of its memory or so.
#[test]
fn they_are_small() {
    let values: Vec<(u64, u64)> = (0..3_000)
        .map(|n| (100 + n * n / 10, 1 + n % 300))
        .collect();
    let latencies = Latencies::of(&ours(&values));
    assert!(latencies.buckets().count() > 2_000);
    assert!(latencies.buckets.capacity() < 12_000);
}
