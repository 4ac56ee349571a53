//! The highest arrival rate that still meets an SLO.
//!
//! A probe is a run at one rate. The search doubles the rate until a probe misses the SLO (or
//! halves it until one meets it), then bisects on the logarithm of the rate until the lowest
//! rate that missed and the highest that met are within the precision. That is one estimate: a
//! rate that was seen to meet the SLO, with one just above it that was seen not to.
//!
//! One estimate says little of a noisy system, so the bisection is repeated from a bracket around
//! the first answer, which is widened until it brackets; nothing of the earlier probes is used
//! again. The answer is the median of the estimates. (Of an even number the lower of the two in
//! the middle: a rate that was seen to meet.) When the highest is more than [`UNSTABLE_SPREAD`]
//! times the lowest, it is called unstable.

pub mod job;
mod outcome;
mod report;

use std::fmt;

use serde::{Serialize, Serializer};

pub use report::{ProbeRow, table};

use crate::results::LatencyUs;

/// Operations a second below which nothing is searched: a run of some seconds has too few of
/// them for a percentile.
pub const MIN_RATE_PER_S: f64 = 1.0;
/// Operations a second above which nothing is searched: no generator makes them.
pub const MAX_RATE_PER_S: f64 = 10_000_000.0;
/// Probes of a search: a quarter of an hour, at ten seconds each. A usual one has some 25.
pub const MAX_PROBES: usize = 100;
/// Repeats that may be asked for: with more there would not be enough probes.
pub const MAX_REPEATS: usize = 10;
/// Probes at one rate, when the generator could not keep up: once may be the host's fault.
pub const GENERATOR_TRIES: usize = 2;
/// The highest estimate over the lowest, above which the answer is unstable.
pub const UNSTABLE_SPREAD: f64 = 1.25;

/// How the rate grows until it misses, in the first estimate.
const GROWTH: f64 = 2.0;
/// How far the ends of a repeat's bracket are from the first answer, at least.
const BRACKET: f64 = 1.1;

/// How to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The rate of the first probe, in operations a second.
    pub start_per_s: f64,
    /// Nothing is searched above it, in operations a second.
    pub max_per_s: f64,
    /// The lowest rate that missed over the highest that met, less 1, at which an estimate is
    /// good enough.
    pub precision: f64,
    /// Estimates, the first one counted.
    pub repeats: usize,
}

impl Options {
    /// The usual: two per cent, three estimates.
    pub fn new(start_per_s: f64) -> Self {
        Options {
            start_per_s,
            max_per_s: MAX_RATE_PER_S,
            precision: 0.02,
            repeats: 3,
        }
    }

    /// # Errors
    /// What is out of bounds, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let Options {
            start_per_s,
            max_per_s,
            precision,
            repeats,
        } = self;
        if !(MIN_RATE_PER_S..=MAX_RATE_PER_S).contains(max_per_s) {
            return Err(format!(
                "a search does not end at {max_per_s} operations a second, but at \
                 {MIN_RATE_PER_S} to {MAX_RATE_PER_S}"
            ));
        }
        if !(MIN_RATE_PER_S..=*max_per_s).contains(start_per_s) {
            return Err(format!(
                "a search does not begin at {start_per_s} operations a second, but at \
                 {MIN_RATE_PER_S} to {max_per_s}"
            ));
        }
        // Rates have four digits: a finer precision would not be reached.
        if !(0.005..=0.5).contains(precision) {
            return Err(format!(
                "the precision is {precision}, and must be from 0.005 to 0.5"
            ));
        }
        if !(1..=MAX_REPEATS).contains(repeats) {
            return Err(format!(
                "there are {repeats} repeats, and must be 1 to {MAX_REPEATS}"
            ));
        }
        Ok(())
    }
}

/// What came of a run at one rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Operations a second that were asked for.
    pub rate: f64,
    /// Operations a second that succeeded.
    pub achieved_per_s: f64,
    /// Response time percentiles.
    pub p50_us: LatencyUs,
    /// 99th.
    pub p99_us: LatencyUs,
    /// 99.9th.
    pub p999_us: LatencyUs,
    /// Whether it met the SLO.
    pub meets: bool,
    /// Whether the generator kept up, or the SLO was met all the same. If not, nobody knows what
    /// the system would have done; what the system does wrong itself is a miss.
    pub valid: bool,
    /// Why it missed or is not valid; may be empty.
    pub why: String,
}

/// Why there is no higher rate in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The SLO was missed just above it: it is the answer.
    Slo,
    /// The generator could not keep up above it: the system may.
    Generator,
    /// Nothing is searched above [`Options::max_per_s`]: the system may do more.
    MaxRate,
    /// The SLO was missed down to [`MIN_RATE_PER_S`]: there is no such rate.
    MinRate,
    /// There were [`MAX_PROBES`] probes before the first estimate was made.
    Probes,
}

impl Limit {
    /// Its name in result files.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Slo => "slo",
            Limit::Generator => "generator",
            Limit::MaxRate => "max-rate",
            Limit::MinRate => "min-rate",
            Limit::Probes => "probes",
        }
    }

    /// Whether the system may do more than the answer.
    pub fn is_at_least(self) -> bool {
        matches!(self, Limit::Generator | Limit::MaxRate | Limit::Probes)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundMax {
    /// The estimates, in operations a second, in the order in which they were made; 0 where no
    /// rate met the SLO. Fewer than were asked for when the probes ran out.
    pub estimates: Vec<f64>,
    /// Their median.
    pub max_rate: f64,
    /// The highest estimate over the lowest.
    pub spread: f64,
    /// Whether the spread is above [`UNSTABLE_SPREAD`].
    pub unstable: bool,
    /// Why it is not higher.
    pub limited_by: Limit,
    /// Every probe, in order.
    pub probes: Vec<Probe>,
}

/// One answer of the bisection.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Estimate {
    rate: f64,
    limit: Limit,
}

/// Searches. `probe` makes a run at a rate, the `nth` from 1; `progress` sees each when it is
/// done.
///
/// # Panics
/// When the options are out of bounds: [`Options::check`] them.
///
/// # Errors
/// Those of `probe`, at once.
pub async fn search<E>(
    options: Options,
    probe: impl AsyncFnMut(f64, usize) -> Result<Probe, E>,
    progress: impl FnMut(&Probe),
) -> Result<FoundMax, E> {
    if let Err(wrong) = options.check() {
        panic!("the options are checked before: {wrong}");
    }
    let mut search = Search {
        precision: options.precision,
        max_per_s: options.max_per_s,
        probe,
        progress,
        probes: Vec::new(),
    };
    let start = options.start_per_s;
    let first = search
        .estimate(
            start,
            |nth| start * GROWTH.powi(nth),
            |nth| start / GROWTH.powi(nth),
        )
        .await?;
    let mut estimates = vec![first];
    let found = first.rate;
    let width = BRACKET.max((1.0 + options.precision).powi(2));
    let repeats = match first.limit {
        // There is nothing to bracket.
        Limit::MinRate | Limit::Probes => 1,
        _ if found == 0.0 => 1,
        _ => options.repeats,
    };
    while estimates.len() < repeats {
        let below = found / width;
        // Twice as wide each time, on the logarithm.
        let wider = |nth: i32| width.powi(1 << nth.min(MAX_DOUBLINGS));
        let estimate = search
            .estimate(
                below,
                |nth| found * wider(nth - 1),
                |nth| found / wider(nth),
            )
            .await?;
        if estimate.limit == Limit::Probes {
            break;
        }
        estimates.push(estimate);
    }
    Ok(search.conclude(&estimates))
}

/// Times that a bracket is made twice as wide: 1.1 to the power of 1024 is wider than all rates.
const MAX_DOUBLINGS: i32 = 10;

/// What a probe says.
enum Answer {
    Meets,
    Not(Limit),
}

struct Search<P, G> {
    precision: f64,
    max_per_s: f64,
    probe: P,
    progress: G,
    probes: Vec<Probe>,
}

impl<P, G: FnMut(&Probe)> Search<P, G> {
    /// Whether the rate meets the SLO; `Limit::Probes` when there are no probes left.
    async fn ask<E>(&mut self, rate: f64) -> Result<Answer, E>
    where
        P: AsyncFnMut(f64, usize) -> Result<Probe, E>,
    {
        for _ in 0..GENERATOR_TRIES {
            if self.probes.len() == MAX_PROBES {
                return Ok(Answer::Not(Limit::Probes));
            }
            let probe = (self.probe)(rate, self.probes.len() + 1).await?;
            (self.progress)(&probe);
            let (valid, meets) = (probe.valid, probe.meets);
            self.probes.push(probe);
            match (valid, meets) {
                (true, true) => return Ok(Answer::Meets),
                (true, false) => return Ok(Answer::Not(Limit::Slo)),
                (false, _) => {}
            }
        }
        Ok(Answer::Not(Limit::Generator))
    }

    /// One estimate: from `first` to `up(1)`, `up(2)`, … while the SLO is met, or to `down(1)`,
    /// `down(2)`, … until it is, and then between the two.
    async fn estimate<E>(
        &mut self,
        first: f64,
        up: impl Fn(i32) -> f64,
        down: impl Fn(i32) -> f64,
    ) -> Result<Estimate, E>
    where
        P: AsyncFnMut(f64, usize) -> Result<Probe, E>,
    {
        let most = self.max_per_s;
        let within = |rate: f64| rounded(rate.clamp(MIN_RATE_PER_S, most)).min(most);
        // The highest rate that met, and the lowest that did not, with the reason.
        let mut met = None;
        let mut above: Option<(f64, Limit)> = None;
        let mut rate = within(first);
        let mut nth = 1;
        let (mut met, mut above) = loop {
            match self.ask(rate).await? {
                Answer::Meets => met = Some(rate),
                Answer::Not(Limit::Probes) => {
                    let limit = Limit::Probes;
                    let rate = met.unwrap_or(0.0);
                    return Ok(Estimate { rate, limit });
                }
                Answer::Not(limit) => above = Some((rate, limit)),
            }
            rate = match (met, above) {
                (Some(met), Some(above)) => break (met, above),
                (Some(rate), None) if rate >= most => {
                    let limit = Limit::MaxRate;
                    return Ok(Estimate { rate, limit });
                }
                (None, Some((rate, limit))) if rate <= MIN_RATE_PER_S => {
                    let limit = match limit {
                        Limit::Generator => limit,
                        _ => Limit::MinRate,
                    };
                    return Ok(Estimate { rate: 0.0, limit });
                }
                (Some(_), None) => within(up(nth)),
                (None, _) => within(down(nth)),
            };
            nth += 1;
        };
        while above.0 / met > 1.0 + self.precision {
            let middle = rounded((met * above.0).sqrt());
            match self.ask(middle).await? {
                Answer::Meets => met = middle,
                Answer::Not(Limit::Probes) => {
                    let limit = Limit::Probes;
                    return Ok(Estimate { rate: met, limit });
                }
                Answer::Not(limit) => above = (middle, limit),
            }
        }
        Ok(Estimate {
            rate: met,
            limit: above.1,
        })
    }

    fn conclude(self, estimates: &[Estimate]) -> FoundMax {
        let mut sorted = estimates.to_vec();
        sorted.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        let median = sorted[(sorted.len() - 1) / 2];
        let (lowest, highest) = (sorted[0].rate, sorted[sorted.len() - 1].rate);
        let spread = if lowest == highest {
            1.0
        } else {
            highest / lowest
        };
        FoundMax {
            estimates: estimates.iter().map(|estimate| estimate.rate).collect(),
            max_rate: median.rate,
            spread,
            unstable: spread > UNSTABLE_SPREAD,
            limited_by: median.limit,
            probes: self.probes,
        }
    }
}

/// A rate with four digits, so that what is printed can be asked for again.
fn rounded(rate: f64) -> f64 {
    // Below 1000 fractions are needed; the shift is an exact power of ten either way.
    let digits = rate.log10().floor() as i32;
    let shift = 10_f64.powi((3 - digits).abs());
    if digits <= 3 {
        (rate * shift).round() / shift
    } else {
        (rate / shift).round() * shift
    }
}
