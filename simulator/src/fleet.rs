//! Many seeds at once, over threads.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use telegraft_cluster::known_bugs::KnownBug;

use crate::judge::Violation;
use crate::plan::Plan;
use crate::run::{Report, run};

/// How seeds are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which.
    pub seeds: Range<u64>,
    /// How many nodes.
    pub nodes: u64,
    /// How many threads.
    pub threads: usize,
    /// Whether each is run twice, to compare the hashes.
    pub twice: bool,
    /// A known bug that is switched on.
    pub bug: Option<KnownBug>,
}

/// Runs one seed; with `twice`, two runs that differ are a failure.
pub fn run_seed(seed: u64, nodes: u64, twice: bool, bug: Option<KnownBug>) -> Report {
    let plan = Plan::draw(seed, nodes);
    let mut report = run(&plan, false, bug);
    if twice && report.violation.is_none() {
        let again = run(&plan, false, bug);
        if again.hash != report.hash {
            report.violation = Some(Violation {
                rule: "one-seed-one-trace".to_owned(),
                text: format!(
                    "two runs of the seed have the hashes {:016x} and {:016x}",
                    report.hash, again.hash
                ),
                at: report.length,
            });
        }
    }
    report
}

/// Runs seeds over threads and gives each report to `take`, in the order in which they end.
pub fn run_all(options: &Options, mut take: impl FnMut(Report)) {
    let next = AtomicU64::new(options.seeds.start);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            let sender = sender.clone();
            let next = &next;
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= options.seeds.end {
                        return;
                    }
                    let report = run_seed(seed, options.nodes, options.twice, options.bug);
                    if sender.send(report).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for report in receiver {
            take(report);
        }
    });
}
