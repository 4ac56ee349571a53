//! Judges what was measured of an operation by its SLO (service level objective).

use std::fmt;
use std::time::Duration;

use crate::results::LatencyUs;
use crate::suite::Slo;

/// What was measured of an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured<'a> {
    /// `send`, `read`, …, `all`.
    pub operation: &'a str,
    /// Operations that were due.
    pub due: u64,
    /// Of these, the ones that failed, whose outcome is unknown or that never finished.
    pub missed: u64,
    /// Successful operations a second.
    pub ok_per_s: f64,
    /// Response time percentiles.
    pub response_p50: LatencyUs,
    /// 90th.
    pub response_p90: LatencyUs,
    /// 95th.
    pub response_p95: LatencyUs,
    /// 99th.
    pub response_p99: LatencyUs,
    /// 99.9th.
    pub response_p999: LatencyUs,
    /// The longest.
    pub response_max: LatencyUs,
}

/// A part of an SLO that was missed.
#[derive(Clone, Debug, PartialEq)]
pub struct Miss {
    /// The operation.
    pub operation: String,
    /// What of it, as the workload file names it: `response_p99`, `failed`, `ok_per_s`; `due`
    /// when there was nothing to measure.
    pub what: &'static str,
    /// What was measured, as `31.2 ms`.
    pub measured: String,
    /// What it had to be at most (`ok_per_s`, `due`: at least).
    pub bound: String,
    /// What was measured, over the bound: above 1, and below it for `ok_per_s`. None when either
    /// is no number that says so.
    pub factor: Option<f64>,
}

/// `send: response_p99 31.2 ms, bound 20 ms: 1.56 times`.
impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Miss {
            operation,
            what,
            measured,
            bound,
            factor,
        } = self;
        if *what == DUE {
            return write!(f, "{operation}: {measured}");
        }
        write!(f, "{operation}: {what} {measured}, bound {bound}")?;
        match factor {
            Some(factor) if *factor >= 10.0 => write!(f, ": {factor:.0} times"),
            Some(factor) => write!(f, ": {factor:.2} times"),
            None => Ok(()),
        }
    }
}

/// What there must be of an operation that has an SLO.
const DUE: &str = "due";

/// What of the SLO was missed, in the order of its parts; nothing when it was met.
pub fn judge(measured: &Measured<'_>, slo: &Slo) -> Vec<Miss> {
    if *slo == Slo::default() {
        return Vec::new();
    }
    if measured.due == 0 {
        return vec![Miss {
            operation: measured.operation.to_owned(),
            what: DUE,
            measured: "nothing was measured".to_owned(),
            bound: "1".to_owned(),
            factor: None,
        }];
    }
    let latencies = [
        ("response_p50", measured.response_p50, slo.response_p50),
        ("response_p90", measured.response_p90, slo.response_p90),
        ("response_p95", measured.response_p95, slo.response_p95),
        ("response_p99", measured.response_p99, slo.response_p99),
        ("response_p999", measured.response_p999, slo.response_p999),
        ("response_max", measured.response_max, slo.response_max),
    ];
    let mut misses: Vec<Miss> = latencies
        .into_iter()
        .filter_map(|(what, latency, bound)| late(measured.operation, what, latency, bound?))
        .collect();
    let share = measured.missed as f64 / measured.due as f64;
    if let Some(bound) = slo.failed.filter(|bound| share > *bound) {
        let (share_text, bound_text) = apart(share * 100.0, bound * 100.0);
        misses.push(Miss {
            operation: measured.operation.to_owned(),
            what: "failed",
            measured: format!("{share_text} %"),
            bound: format!("{bound_text} %"),
            factor: (bound > 0.0).then(|| share / bound),
        });
    }
    // Also one that is no number: it was not reached.
    let reached = |bound: &f64| measured.ok_per_s >= *bound;
    if let Some(bound) = slo.ok_per_s.filter(|bound| !reached(bound)) {
        let (measured_text, bound_text) = apart(measured.ok_per_s, bound);
        misses.push(Miss {
            operation: measured.operation.to_owned(),
            what: "ok_per_s",
            measured: measured_text,
            bound: bound_text,
            factor: Some(measured.ok_per_s / bound).filter(|factor| factor.is_finite()),
        });
    }
    misses
}

/// A percentile that is above its bound, beyond the time-out, or not there at all.
fn late(operation: &str, what: &'static str, latency: LatencyUs, bound: Duration) -> Option<Miss> {
    let miss = |measured: String, bound: String, factor| Miss {
        operation: operation.to_owned(),
        what,
        measured,
        bound,
        factor,
    };
    let bound_us = bound.as_secs_f64() * 1e6;
    let bound_text = latency_text(bound_us);
    match latency {
        LatencyUs::Known(us) if Duration::from_micros(us) <= bound => None,
        LatencyUs::Known(us) => {
            let us = us as f64;
            let text = latency_text(us);
            let factor = (bound_us > 0.0).then(|| us / bound_us);
            Some(if text == bound_text {
                // So near to it that only the microseconds tell.
                miss(format!("{us} µs"), format!("{bound_us} µs"), factor)
            } else {
                miss(text, bound_text, factor)
            })
        }
        LatencyUs::BeyondTimeout => Some(miss("beyond the time-out".to_owned(), bound_text, None)),
        LatencyUs::None => Some(miss("not measured".to_owned(), bound_text, None)),
    }
}

/// A latency in microseconds as people read it, with three digits: `850 µs`, `31.2 ms`, `1.5 s`.
pub fn latency_text(us: f64) -> String {
    let (value, unit) = match us {
        ..999.5 => (us, "µs"),
        ..999_500.0 => (us / 1e3, "ms"),
        _ => (us / 1e6, "s"),
    };
    format!("{} {unit}", digits(value, 3))
}

/// Two different numbers with as many digits as it takes to tell them apart, three at least.
fn apart(one: f64, other: f64) -> (String, String) {
    (3..=MAX_DIGITS)
        .map(|count| (digits(one, count), digits(other, count)))
        .find(|(one, other)| one != other)
        .unwrap_or_else(|| (one.to_string(), other.to_string()))
}

/// Digits that a number of this type has.
const MAX_DIGITS: usize = 17;

/// A number with so many digits, more only where its whole part has more, without zeros at the
/// end of its fraction.
fn digits(value: f64, count: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let mut decimals = 0;
    let mut scaled = value.abs();
    let least = 10_f64.powi(i32::try_from(count).expect("few digits") - 1);
    // Numbers so small that it takes more are nothing here.
    while scaled < least && decimals < MAX_DIGITS {
        scaled *= 10.0;
        decimals += 1;
    }
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured<'static> {
        Measured {
            operation: "send",
            due: 10_000,
            missed: 20,
            ok_per_s: 998.0,
            response_p50: LatencyUs::Known(850),
            response_p90: LatencyUs::Known(4_200),
            response_p95: LatencyUs::Known(9_000),
            response_p99: LatencyUs::Known(31_231),
            response_p999: LatencyUs::BeyondTimeout,
            response_max: LatencyUs::BeyondTimeout,
        }
    }

    fn told(measured: &Measured<'_>, slo: &Slo) -> Vec<String> {
        judge(measured, slo).iter().map(Miss::to_string).collect()
    }

    fn millis(count: u64) -> Option<Duration> {
        Some(Duration::from_millis(count))
    }

    #[test]
    fn what_is_within_its_bounds_is_met() {
        let exactly = Slo {
            response_p50: Some(Duration::from_micros(850)),
            response_p90: millis(5),
            response_p95: millis(9),
            response_p99: millis(40),
            failed: Some(0.002),
            ok_per_s: Some(998.0),
            ..Slo::default()
        };
        assert_eq!(judge(&measured(), &exactly), []);
        assert_eq!(judge(&measured(), &Slo::default()), []);
    }

    #[test]
    fn every_part_that_is_missed_is_told_with_its_bound() {
        let slo = Slo {
            response_p50: Some(Duration::from_micros(800)),
            response_p90: millis(1),
            response_p95: millis(9),
            response_p99: millis(20),
            response_p999: millis(20),
            response_max: millis(2_000),
            failed: Some(0.001),
            ok_per_s: Some(1_000.0),
        };
        assert_eq!(
            told(&measured(), &slo),
            [
                "send: response_p50 850 µs, bound 800 µs: 1.06 times",
                "send: response_p90 4.2 ms, bound 1 ms: 4.20 times",
                "send: response_p99 31.2 ms, bound 20 ms: 1.56 times",
                "send: response_p999 beyond the time-out, bound 20 ms",
                "send: response_max beyond the time-out, bound 2 s",
                "send: failed 0.2 %, bound 0.1 %: 2.00 times",
                "send: ok_per_s 998, bound 1000: 1.00 times",
            ]
        );
        let misses = judge(&measured(), &slo);
        assert_eq!(misses[2].what, "response_p99");
        assert_eq!(misses[2].factor, Some(1.56155));
        assert_eq!(misses[3].factor, None);
        assert_eq!(misses[6].factor, Some(0.998));
    }

    #[test]
    fn a_miss_by_a_hair_shows() {
        let slo = Slo {
            response_p99: Some(Duration::from_micros(31_230)),
            failed: Some(0.001_999),
            ok_per_s: Some(998.01),
            ..Slo::default()
        };
        assert_eq!(
            told(&measured(), &slo),
            [
                "send: response_p99 31231 µs, bound 31230 µs: 1.00 times",
                "send: failed 0.2 %, bound 0.1999 %: 1.00 times",
                "send: ok_per_s 998, bound 998.01: 1.00 times",
            ]
        );
    }

    #[test]
    fn nothing_was_measured_is_a_miss() {
        let idle = Measured {
            due: 0,
            missed: 0,
            ok_per_s: 0.0,
            response_p99: LatencyUs::None,
            ..measured()
        };
        let slo = Slo {
            response_p99: millis(20),
            ok_per_s: Some(1.0),
            ..Slo::default()
        };
        assert_eq!(told(&idle, &slo), ["send: nothing was measured"]);
        assert_eq!(judge(&idle, &Slo::default()), []);
    }

    #[test]
    fn no_bound_divides_by_nothing() {
        let slo = Slo {
            response_p50: Some(Duration::ZERO),
            failed: Some(0.0),
            ..Slo::default()
        };
        assert_eq!(
            told(&measured(), &slo),
            [
                "send: response_p50 850 µs, bound 0 µs",
                "send: failed 0.2 %, bound 0 %",
            ]
        );
        let broken = Measured {
            ok_per_s: f64::NAN,
            ..measured()
        };
        let slo = Slo {
            ok_per_s: Some(5.0),
            ..Slo::default()
        };
        assert_eq!(told(&broken, &slo), ["send: ok_per_s NaN, bound 5"]);
    }

    #[test]
    fn latencies_are_read_at_a_glance() {
        let texts = [
            0.0,
            7.0,
            850.0,
            999.6,
            31_231.0,
            100_000.0,
            999_600.0,
            12_345_678.0,
        ];
        assert_eq!(
            texts.map(latency_text),
            [
                "0 µs", "7 µs", "850 µs", "1 ms", "31.2 ms", "100 ms", "1 s", "12.3 s"
            ]
        );
    }
}
