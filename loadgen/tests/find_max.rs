//! The search for the highest rate, with systems that are made up.
#![allow(
    clippy::unwrap_used,
    reason = "tests may stop at the first surprise, their helpers too"
)]

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use telegraft_loadgen::find_max::{
    FoundMax, GENERATOR_TRIES, Limit, MAX_PROBES, MAX_RATE_PER_S, MIN_RATE_PER_S, Options, Probe,
    ProbeRow, search, table,
};
use telegraft_loadgen::results::{LatencyUs, Row as _};

fn probed(rate: f64, meets: bool) -> Probe {
    Probe {
        rate,
        achieved_per_s: rate,
        p50_us: LatencyUs::Known(850),
        p99_us: LatencyUs::Known(if meets { 12_340 } else { 31_200 }),
        p999_us: if meets {
            LatencyUs::Known(19_000)
        } else {
            LatencyUs::BeyondTimeout
        },
        meets,
        valid: true,
        why: if meets {
            String::new()
        } else {
            "send: response_p99 31.2 ms, bound 20 ms: 1.56 times".to_owned()
        },
    }
}

/// The generator could not keep up.
fn saturated(rate: f64) -> Probe {
    Probe {
        valid: false,
        why: "generator-saturated".to_owned(),
        ..probed(rate, false)
    }
}

/// Polls a search whose probes are there at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("no probe waits"),
    }
}

fn find(options: Options, mut probe: impl FnMut(f64, usize) -> Probe) -> FoundMax {
    options.check().unwrap();
    let mut seen = Vec::new();
    let probe = |rate, nth| ready(Ok::<_, Infallible>(probe(rate, nth)));
    let Ok(found) = at_once(search(options, probe, |probe| seen.push(probe.clone())));
    assert_eq!(seen, found.probes, "all are seen, and all are kept");
    assert!(found.probes.len() <= MAX_PROBES);
    found
}

#[test]
fn a_sharp_capacity_is_found_from_wherever_it_begins() {
    for capacity in [1.7, 42.0, 999.0, 4_210.0, 65_536.0, 1_234_567.0] {
        for start in [1.0, 100.0, 4_200.0, 5_000_000.0] {
            let found = find(Options::new(start), |rate, _| {
                probed(rate, rate <= capacity)
            });
            let off = found.max_rate / capacity;
            assert!(
                (0.98..=1.0).contains(&off),
                "{capacity} from {start}: {found}"
            );
            assert_eq!(found.estimates.len(), 3);
            assert_eq!(found.limited_by, Limit::Slo);
            assert!(found.spread < 1.03 && !found.unstable, "{found}");
            assert!(found.probes.len() < 60, "{} probes", found.probes.len());
        }
    }
}

#[test]
fn the_usual_search_takes_some_25_probes() {
    let found = find(Options::new(1_000.0), |rate, _| {
        probed(rate, rate <= 6_300.0)
    });
    assert!(
        (15..=28).contains(&found.probes.len()),
        "{}",
        found.probes.len()
    );
}

#[test]
fn a_finer_precision_is_reached() {
    let options = Options {
        precision: 0.005,
        repeats: 5,
        ..Options::new(1_000.0)
    };
    for capacity in [1_000.4, 1_999.0, 7_777.0, 99_990.0] {
        let found = find(options, |rate, _| probed(rate, rate <= capacity));
        let off = found.max_rate / capacity;
        assert!((0.995..=1.0).contains(&off), "{capacity}: {found}");
        assert_eq!(found.estimates.len(), 5);
    }
}

#[test]
fn noise_is_averaged_out() {
    for seed in 0..100 {
        let mut rng = StdRng::seed_from_u64(seed);
        // Each run finds another capacity, by up to five per cent.
        let found = find(Options::new(500.0), |rate, _| {
            let capacity = 8_000.0 * rng.random_range(0.95..1.05);
            probed(rate, rate <= capacity)
        });
        let off = found.max_rate / 8_000.0;
        assert!((0.93..=1.05).contains(&off), "seed {seed}: {found}");
        assert!(!found.unstable, "seed {seed}: {found}");
    }
}

#[test]
fn one_run_that_goes_wrong_does_not_make_the_answer() {
    let usual = find(Options::new(1_000.0), |rate, _| {
        probed(rate, rate <= 9_000.0)
    });
    for bad in 1..=usual.probes.len() {
        let found = find(Options::new(1_000.0), |rate, nth| {
            probed(rate, rate <= 9_000.0 && nth != bad)
        });
        let off = found.max_rate / 9_000.0;
        assert!((0.95..=1.0).contains(&off), "probe {bad}: {found}");
    }
}

#[test]
fn a_system_that_never_meets_it_has_no_such_rate() {
    let found = find(Options::new(1_000.0), |rate, _| probed(rate, false));
    assert_eq!((found.max_rate, found.limited_by), (0.0, Limit::MinRate));
    assert_eq!(found.estimates, [0.0]);
    assert!(!found.unstable);
    let lowest = found.probes.last().unwrap().rate;
    assert_eq!(lowest, MIN_RATE_PER_S);
    assert_eq!(found.to_string(), "no rate meets the SLO");
}

#[test]
fn a_system_that_never_misses_it_ends_the_search_at_its_bound() {
    let found = find(Options::new(1_000.0), |rate, _| probed(rate, true));
    assert_eq!(found.limited_by, Limit::MaxRate);
    assert!(found.limited_by.is_at_least());
    assert_eq!(found.estimates, [MAX_RATE_PER_S; 3]);
    assert!(
        found
            .probes
            .iter()
            .all(|probe| probe.rate <= MAX_RATE_PER_S)
    );
}

#[test]
fn where_the_generator_ends_the_answer_is_at_least_that() {
    for (capacity, generator) in [(50_000.0, 20_000.0), (20_000.0, 50_000.0)] {
        let found = find(Options::new(1_000.0), |rate, _| {
            if rate > generator {
                saturated(rate)
            } else {
                probed(rate, rate <= capacity)
            }
        });
        let off = found.max_rate / 20_000.0;
        assert!((0.98..=1.0).contains(&off), "{found}");
        let by_generator = generator < capacity;
        assert_eq!(found.limited_by == Limit::Generator, by_generator);
        assert_eq!(found.limited_by.is_at_least(), by_generator);
        assert_eq!(found.to_string().starts_with("at least "), by_generator);
    }
}

#[test]
fn a_generator_that_stumbles_once_is_asked_again() {
    let mut tried = Vec::new();
    let found = find(Options::new(1_000.0), |rate, nth| {
        tried.push(rate);
        if nth == 2 {
            saturated(rate)
        } else {
            probed(rate, rate <= 5_000.0)
        }
    });
    assert_eq!(tried[1], tried[2]);
    assert_eq!(found.limited_by, Limit::Slo);
    assert!(found.max_rate > 4_900.0, "{found}");

    let never = find(Options::new(8.0), |rate, _| saturated(rate));
    assert_eq!((never.max_rate, never.limited_by), (0.0, Limit::Generator));
    assert_eq!(never.probes.len(), 4 * GENERATOR_TRIES, "8, 4, 2, 1");
}

#[test]
fn a_system_that_changes_meanwhile_is_called_unstable() {
    let first = find(
        Options {
            repeats: 1,
            ..Options::new(1_000.0)
        },
        |rate, _| probed(rate, rate <= 6_000.0),
    );
    let changed = first.probes.len();
    for (later, stable) in [(1.6, false), (0.5, false), (1.05, true)] {
        let found = find(Options::new(1_000.0), |rate, nth| {
            let by = if nth <= changed { 1.0 } else { later };
            probed(rate, rate <= 6_000.0 * by)
        });
        assert_eq!(found.unstable, !stable, "{found}");
        let off = found.max_rate / (6_000.0 * later);
        assert!(
            (0.97..=1.0).contains(&off),
            "the median is of the later: {found}"
        );
        assert_eq!(
            found.to_string().contains("\nunstable, median of 3"),
            !stable
        );
        let spread = later.max(1.0 / later);
        assert!((found.spread / spread - 1.0).abs() < 0.05, "{found}");
    }
}

#[test]
fn probes_are_bounded_whatever_they_say() {
    let options = Options {
        precision: 0.005,
        repeats: 10,
        ..Options::new(1.0)
    };
    let mut ran_out = 0;
    for seed in 0..50 {
        let mut rng = StdRng::seed_from_u64(seed);
        let found = find(options, |rate, _| match rng.random_range(0..3) {
            0 => saturated(rate),
            nth => probed(rate, nth == 1),
        });
        ran_out += usize::from(found.probes.len() == MAX_PROBES);
        assert!(!found.estimates.is_empty(), "seed {seed}");
    }
    assert!(ran_out > 0, "the bound is met");
}

#[test]
fn a_probe_that_cannot_be_made_ends_the_search() {
    let mut asked = 0;
    let probe = |rate: f64, nth: usize| {
        asked = nth;
        ready(if nth < 3 {
            Ok(probed(rate, true))
        } else {
            Err("no cluster")
        })
    };
    let error = at_once(search(Options::new(10.0), probe, |_| {})).unwrap_err();
    assert_eq!((error, asked), ("no cluster", 3));
}

#[test]
fn options_have_bounds() {
    let usual = Options::new(1_000.0);
    assert_eq!(usual.check(), Ok(()));
    for (wrong, part) in [
        (Options::new(0.0), "does not begin at 0 "),
        (Options::new(f64::NAN), "does not begin at NaN"),
        (Options::new(1e9), "but at 1 to 10000000"),
        (
            Options {
                precision: 0.0,
                ..usual
            },
            "from 0.005 to 0.5",
        ),
        (
            Options {
                repeats: 0,
                ..usual
            },
            "must be 1 to 10",
        ),
    ] {
        let error = wrong.check().unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn the_curve_is_shown_by_rate_and_kept_in_order() {
    let options = Options {
        repeats: 1,
        precision: 0.5,
        ..Options::new(100.0)
    };
    let found = find(options, |rate, _| match rate {
        ..250.0 => probed(rate, true),
        ..350.0 => probed(rate, false),
        _ => saturated(rate),
    });
    assert_eq!(
        table(&found.probes),
        "\
rate/s  achieved/s     p50      p99     p99.9  meets
   100       100.0  850 µs  12.3 ms     19 ms  yes
   200       200.0  850 µs  12.3 ms     19 ms  yes
 282.8       282.8  850 µs  31.2 ms  >timeout  no       send: response_p99 31.2 ms, bound 20 ms: 1.56 times
   400       400.0  850 µs  31.2 ms  >timeout  invalid  generator-saturated
   400       400.0  850 µs  31.2 ms  >timeout  invalid  generator-saturated
"
    );
    assert_eq!(found.to_string(), "200 operations a second meet the SLO");
    let rows: Vec<ProbeRow> = (1..)
        .zip(&found.probes)
        .map(|(nth, probe)| ProbeRow::new(nth, probe))
        .collect();
    let order: Vec<(usize, f64)> = rows.iter().map(|row| (row.nth, row.rate_per_s)).collect();
    let expected = [(1, 100.0), (2, 200.0), (3, 400.0), (4, 400.0), (5, 282.8)];
    assert_eq!(order, expected);
    assert!(rows.iter().all(|row| row.check() == Ok(())));
}
