//! What came of many seeds: totals, and what is printed of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::run::Report;
use crate::sometimes;

/// From this many seeds on, everything has to be seen in one of a hundred.
const MANY_SEEDS: u64 = 1_000;
/// From this many seeds on, everything has to be seen once.
const SOME_SEEDS: u64 = 100;

/// A seed that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The rule that it breaks.
    pub rule: String,
    /// The contradiction.
    pub text: String,
    /// When, in seconds since the beginning of the run.
    pub at_s: f64,
    /// The command that runs it again.
    pub replay: String,
}

/// Totals over seeds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Seeds that were run.
    pub seeds: u64,
    /// Operations of clients.
    pub operations: u64,
    /// The fewest operations of a seed.
    pub fewest_operations: u64,
    /// The fewest faults that took hold in a seed.
    pub fewest_faults: u64,
    /// Calls of clients to nodes.
    pub calls: u64,
    /// Virtual time, in seconds.
    pub virtual_s: f64,
    /// Faults that were planned.
    pub planned: u64,
    /// Faults that took hold, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// The number of seeds in which each of these was seen.
    pub sometimes: BTreeMap<&'static str, u64>,
    /// Seeds that failed.
    pub failures: Vec<Failure>,
}

impl Totals {
    /// Before the first seed.
    pub fn new() -> Self {
        Totals {
            sometimes: sometimes::NAMES.iter().map(|name| (*name, 0)).collect(),
            ..Totals::default()
        }
    }

    /// Counts a seed.
    pub fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.operations += report.operations;
        let faults = report.faults.values().sum();
        if self.seeds == 1 {
            (self.fewest_operations, self.fewest_faults) = (report.operations, faults);
        }
        self.fewest_operations = self.fewest_operations.min(report.operations);
        self.fewest_faults = self.fewest_faults.min(faults);
        self.calls += report.calls;
        self.virtual_s += report.length.as_secs_f64();
        self.planned += report.planned;
        for (kind, count) in &report.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for name in report.seen.keys() {
            *self.sometimes.entry(name).or_default() += 1;
        }
        if let Some(violation) = &report.violation {
            self.failures.push(Failure {
                seed: report.seed,
                rule: violation.rule.clone(),
                text: violation.text.clone(),
                at_s: violation.at.as_secs_f64(),
                replay: format!(
                    "scripts/simulate --nodes {} --seed {} --story",
                    report.nodes, report.seed
                ),
            });
        }
    }

    /// What was seen too rarely for that many seeds.
    pub fn too_rare(&self) -> Vec<&'static str> {
        let least = if self.seeds >= MANY_SEEDS {
            self.seeds.div_ceil(100)
        } else {
            u64::from(self.seeds >= SOME_SEEDS)
        };
        let rare = self.sometimes.iter().filter(|(_, seeds)| **seeds < least);
        rare.map(|(name, _)| *name).collect()
    }

    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty() && self.too_rare().is_empty()
    }

    /// For people.
    pub fn text(&self, took: Duration, threads: usize) -> String {
        let mut text = String::new();
        let mut line = |words: std::fmt::Arguments| {
            text.write_fmt(words).expect("a string takes all");
            text.push('\n');
        };
        let seconds = took.as_secs_f64().max(1e-9);
        let seeds = self.seeds.max(1) as f64;
        line(format_args!(
            "{} seeds in {seconds:.1} s on {threads} threads: {:.0} an hour, {:.3} s of a thread each",
            self.seeds,
            seeds / seconds * 3600.0,
            seconds * threads as f64 / seeds,
        ));
        line(format_args!(
            "{} operations of clients ({:.0} a seed, at least {}), {} calls, {:.1} virtual seconds a seed",
            self.operations,
            self.operations as f64 / seeds,
            self.fewest_operations,
            self.calls,
            self.virtual_s / seeds,
        ));
        let faults: u64 = self.faults.values().sum();
        line(format_args!(
            "{faults} faults took hold ({:.1} a seed, at least {}) of {} that were planned:",
            faults as f64 / seeds,
            self.fewest_faults,
            self.planned,
        ));
        for (kind, count) in &self.faults {
            line(format_args!("  {kind:<36} {count:>9}"));
        }
        line(format_args!("seen in so many seeds:"));
        for (name, count) in &self.sometimes {
            let share = *count as f64 / seeds * 100.0;
            line(format_args!("  {name:<36} {count:>9}  {share:5.1} %"));
        }
        for name in self.too_rare() {
            line(format_args!("TOO RARE: {name}"));
        }
        for failure in &self.failures {
            line(format_args!(
                "FAILED: seed {} at {:.3} s: {}: {}\n  {}",
                failure.seed, failure.at_s, failure.rule, failure.text, failure.replay
            ));
        }
        text
    }
}
