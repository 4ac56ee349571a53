//! What a search has found, for people and for files.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{FoundMax, Limit, MAX_PROBES, Probe};
use crate::results::{LatencyUs, Row, SCHEMA_VERSION};
use crate::slo::latency_text;

/// The answer, in a line or two.
impl fmt::Display for FoundMax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.max_rate;
        match self.limited_by {
            Limit::Slo => write!(f, "{rate} operations a second meet the SLO")?,
            Limit::Generator => write!(
                f,
                "at least {rate} operations a second meet the SLO: above it the generator could \
                 not keep up"
            )?,
            Limit::MaxRate => write!(
                f,
                "at least {rate} operations a second meet the SLO: nothing is searched above it"
            )?,
            Limit::MinRate => write!(f, "no rate meets the SLO")?,
            Limit::Probes => write!(
                f,
                "at least {rate} operations a second meet the SLO: {MAX_PROBES} probes found no \
                 end"
            )?,
        }
        if self.estimates.len() > 1 {
            let estimates: Vec<String> = self.estimates.iter().map(f64::to_string).collect();
            let unstable = if self.unstable { "unstable, " } else { "" };
            write!(
                f,
                "\n{unstable}median of {} estimates: {}; the highest is {:.2} times the lowest",
                estimates.len(),
                estimates.join(", "),
                self.spread
            )?;
        }
        Ok(())
    }
}

/// The curve: probes by rate, for a terminal.
pub fn table(probes: &[Probe]) -> String {
    let mut probes: Vec<&Probe> = probes.iter().collect();
    probes.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let head = ["rate/s", "achieved/s", "p50", "p99", "p99.9", "meets", ""];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(probes.into_iter().map(|probe| {
        [
            probe.rate.to_string(),
            format!("{:.1}", probe.achieved_per_s),
            cell(probe.p50_us),
            cell(probe.p99_us),
            cell(probe.p999_us),
            meets(probe).to_owned(),
            probe.why.clone(),
        ]
    }));
    let mut widths = [0; 7];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for [numbers @ .., meets, why] in &lines {
        for (cell, width) in numbers.iter().zip(widths) {
            text.push_str(&format!("{cell:>width$}  "));
        }
        let width = widths[numbers.len()];
        text.push_str(format!("{meets:<width$}  {why}").trim_end());
        text.push('\n');
    }
    text
}

fn cell(latency: LatencyUs) -> String {
    match latency {
        LatencyUs::Known(us) => latency_text(us as f64),
        LatencyUs::BeyondTimeout => ">timeout".to_owned(),
        LatencyUs::None => "-".to_owned(),
    }
}

fn meets(probe: &Probe) -> &'static str {
    match (probe.valid, probe.meets) {
        (false, _) => "invalid",
        (true, true) => "yes",
        (true, false) => "no",
    }
}

/// One row of `find-max.csv`: a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeRow {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// 1, 2, 3… in the order in which they were made.
    pub nth: usize,
    /// Operations a second that were asked for.
    pub rate_per_s: f64,
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
    /// Whether the generator kept up, or the SLO was met all the same.
    pub valid: bool,
    /// Why it missed or is not valid.
    pub why: String,
}

impl ProbeRow {
    /// Of the `nth` probe, from 1.
    pub fn new(nth: usize, probe: &Probe) -> Self {
        ProbeRow {
            schema_version: SCHEMA_VERSION,
            nth,
            rate_per_s: probe.rate,
            achieved_per_s: probe.achieved_per_s,
            p50_us: probe.p50_us,
            p99_us: probe.p99_us,
            p999_us: probe.p999_us,
            meets: probe.meets,
            valid: probe.valid,
            why: probe.why.clone(),
        }
    }
}

impl Row for ProbeRow {
    const FILE: &'static str = "find-max.csv";
    const COLUMNS: &'static [&'static str] = &[
        "schema_version",
        "nth",
        "rate_per_s",
        "achieved_per_s",
        "p50_us",
        "p99_us",
        "p999_us",
        "meets",
        "valid",
        "why",
    ];
    const OPTIONAL: &'static [&'static str] = &[];

    fn check(&self) -> Result<(), String> {
        let numbers = [
            ("rate_per_s", self.rate_per_s),
            ("achieved_per_s", self.achieved_per_s),
        ];
        for (column, value) in numbers {
            if !(value.is_finite() && value >= 0.0) {
                return Err(format!("{column} {value} is no measurement"));
            }
        }
        Ok(())
    }
}
