//! `verdict/<run_id>.json`: what is to be thought of a run, and why.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telegraft_cluster::local::LinkCounts;
use telegraft_history::{CheckOptions, timeline_svg};
use tokio::task::{JoinError, spawn_blocking};

use super::board::Board;
use super::checked::unchecked;
use super::config;
use super::nemesis::State;
use super::plan::Plan;
use super::tally::{Tallies, missing};
use super::{FaultKind, StressError};
use crate::recorder::Window;
use crate::results::{ResultDir, SCHEMA_VERSION};

/// Violations that are drawn, at most.
const MAX_DRAWN: usize = 20;

/// What is to be thought of a run. The first that applies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// The cluster broke a promise: the history contradicts itself, or a client was given an
    /// answer that no replica may give.
    Violated,
    /// It was interrupted; what was recorded until then is consistent.
    Interrupted,
    /// A replica died by itself, the cluster did not heal, or the run could not be carried out as
    /// it was meant. What was recorded is consistent.
    Failed,
    /// A kind of fault that was to happen never had an effect, or nothing was recorded of what is
    /// to be checked, so the run shows less than it was to show. What was recorded is consistent.
    Inconclusive,
    /// Everything happened, and what was recorded is consistent.
    Consistent,
}

impl Judgement {
    fn of(violated: bool, interrupted: bool, failed: bool, inconclusive: bool) -> Judgement {
        match (violated, interrupted, failed, inconclusive) {
            (true, ..) => Judgement::Violated,
            (_, true, ..) => Judgement::Interrupted,
            (_, _, true, _) => Judgement::Failed,
            (_, _, _, true) => Judgement::Inconclusive,
            _ => Judgement::Consistent,
        }
    }
}

/// What the links between replicas did, over the run. In network namespaces only what met a cut is
/// counted, by packets; and nothing where [nobody counts](StressVerdict::cuts_counted).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkTotals {
    /// Frames that replicas sent.
    pub frames: u64,
    /// Frames that were lost.
    pub lost: u64,
    /// Copies of frames that were added.
    pub duplicated: u64,
    /// Frames that another one has overtaken.
    pub reordered: u64,
    /// Frames that left late: that a delay held back, and that waited for a throttled line. One
    /// that did both counts twice.
    pub delayed: u64,
    /// Frames that vanished in a cut link; in network namespaces: packets.
    pub dropped_by_cuts: u64,
    /// Connections that a cut has broken; in network namespaces: packets that a cut has answered by a
    /// reset, those that would have opened a connection included.
    pub broken: u64,
}

impl From<LinkCounts> for LinkTotals {
    fn from(counts: LinkCounts) -> Self {
        LinkTotals {
            frames: counts.frames,
            lost: counts.lost,
            duplicated: counts.duplicated,
            reordered: counts.reordered,
            delayed: counts.delayed + counts.throttled,
            dropped_by_cuts: counts.dropped_by_cuts,
            broken: counts.broken,
        }
    }
}

/// `verdict/<run_id>.json`. The report is made from it, from `events.csv` and from the rows of the
/// run; the history beside it is what `telegraft check` judges again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StressVerdict {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The run, as in the CSV files.
    pub run_id: String,
    /// What is to be thought of it.
    pub judgement: Judgement,
    /// Why it is not `consistent`, one sentence each: the first violations, wrong answers,
    /// failures, kinds that never happened, what was not checked. Empty if it is.
    pub reasons: Vec<String>,
    /// Does the same again: schedule and clients' choices follow from the seed. (What the machine
    /// does meanwhile does not.)
    pub command: String,
    /// The seed of schedule, links and clients.
    pub seed: u64,
    /// How many replicas.
    pub replicas: usize,
    /// How many clients, each with one operation open at a time.
    pub clients: usize,
    /// How many rooms they wrote to.
    pub rooms: usize,
    /// Seconds of load and faults, as they came to be; healing and the last reads are none of them.
    pub duration_s: f64,
    /// How the replicas reached each other: `proxies` or `namespaces`.
    pub links: String,
    /// Whether somebody counted what met a cut: proxies do, and in network namespaces nftables does
    /// where it can be had.
    #[serde(default)]
    pub cuts_counted: bool,
    /// `fsync`, or `fsync(tmpfs)` where the replicas' disks are in memory.
    pub durability: String,
    /// By kind that was asked for: in the schedule, carried out, with an effect that was seen.
    pub faults: Tallies,
    /// Kinds that nobody asked for and that this machine cannot have, with the reason; and what of
    /// the others it cannot.
    pub skipped: Vec<String>,
    /// Faults of the schedule that found no replica to hit, or whose turn came when the load was
    /// over.
    pub passed_over: Vec<String>,
    /// What links between replicas did.
    pub link_totals: LinkTotals,
    /// Milliseconds from the end of the load and the last fault, whichever was later, until all
    /// replicas were there, followed one leader and had applied the whole log (to which clients'
    /// last operations may add meanwhile). None if that was not waited for, or never came.
    pub heal_ms: Option<f64>,
    /// Replicas that ended though nobody ended them, each with its last words; and those that
    /// did not end well when they were told to.
    pub deaths: Vec<String>,
    /// What else failed: healing, the last reads, the run itself.
    pub failures: Vec<String>,
    /// Answers that no replica may give whatever happens: a room that is there denied, a write
    /// below the session's window accepted, an answer that cannot be read.
    pub wrong_answers: u64,
    /// The first of them.
    pub wrong_examples: Vec<String>,
    /// Requests beyond the first of their operation, with the same key.
    pub retries: u64,
    /// Writes with a key below their session's window, which were refused as they must be.
    pub refused_below_window: u64,
    /// What the history says: violations, counts, staleness, the longest outage, digests.
    pub check: telegraft_history::Verdict,
}

/// What a verdict is made from.
pub(super) struct Facts<'a> {
    pub(super) plan: &'a Plan,
    pub(super) run_id: &'a str,
    pub(super) durability: &'a str,
    pub(super) interrupted: bool,
    pub(super) state: &'a State,
    pub(super) links: LinkCounts,
    pub(super) cuts_counted: bool,
    pub(super) board: &'a Board,
    pub(super) heal: Option<Duration>,
    pub(super) failures: &'a [String],
    pub(super) window: Window,
}

impl Facts<'_> {
    /// Puts it together with what the history says.
    pub(super) fn verdict(&self, check: telegraft_history::Verdict) -> StressVerdict {
        let wrong = self.board.wrong();
        let never = match self.interrupted {
            true => Vec::new(),
            false => missing(&self.state.tallies),
        };
        let unchecked = match self.interrupted {
            true => Vec::new(),
            false => unchecked(&check, self.plan.job.replicas),
        };
        let judgement = Judgement::of(
            !check.is_consistent() || !wrong.is_empty(),
            self.interrupted,
            !self.failures.is_empty() || !self.state.deaths.is_empty(),
            !never.is_empty() || !unchecked.is_empty(),
        );
        let violations = check.violations.iter();
        let violations = violations.map(|found| format!("{}: {}", found.rule, found.text));
        let never = never.iter().map(|kind: &FaultKind| {
            match !self.cuts_counted && *kind == FaultKind::Partition {
                true => format!(
                    "{kind} was asked for, and whether it had an effect is not verified: nobody \
                     counted what met a cut"
                ),
                false => format!("{kind} was asked for, and none of its faults had an effect"),
            }
        });
        let reasons = violations
            .take(MAX_DRAWN)
            .chain(wrong.examples().iter().cloned())
            .chain(self.state.deaths.iter().cloned())
            .chain(self.failures.iter().cloned())
            .chain(never)
            .chain(unchecked);
        StressVerdict {
            schema_version: SCHEMA_VERSION,
            run_id: self.run_id.to_owned(),
            judgement,
            reasons: reasons.collect(),
            command: self.plan.command(),
            seed: self.plan.seed,
            replicas: self.plan.job.replicas,
            clients: self.plan.job.clients,
            rooms: self.plan.job.rooms,
            duration_s: self.window.length().as_secs_f64(),
            links: config::links(self.plan).to_owned(),
            cuts_counted: self.cuts_counted,
            durability: self.durability.to_owned(),
            faults: self.state.tallies.clone(),
            skipped: self.plan.skipped.clone(),
            passed_over: self.state.notes.clone(),
            link_totals: self.links.into(),
            heal_ms: self.heal.map(|heal| heal.as_secs_f64() * 1e3),
            deaths: self.state.deaths.clone(),
            failures: self.failures.to_vec(),
            wrong_answers: wrong.count(),
            wrong_examples: wrong.examples().to_vec(),
            retries: self.board.retries.load(Ordering::Relaxed),
            refused_below_window: self.board.below_window.load(Ordering::Relaxed),
            check,
        }
    }
}

impl StressVerdict {
    /// Whether there is nothing that somebody will want to look at in the replicas' directories.
    pub(super) fn is_well(&self) -> bool {
        matches!(
            self.judgement,
            Judgement::Consistent | Judgement::Inconclusive | Judgement::Interrupted
        )
    }

    /// As it stands in the column `audit` of `runs.csv`.
    pub(super) fn audit(&self) -> String {
        match (self.judgement, self.reasons.first()) {
            (Judgement::Violated, Some(first)) => {
                first.lines().next().unwrap_or_default().to_owned()
            }
            _ => "ok".to_owned(),
        }
    }

    /// As it stands in the column `verdict` of `runs.csv`.
    pub(super) fn run_verdict(&self) -> &'static str {
        match self.judgement {
            Judgement::Violated => "invalid:audit",
            Judgement::Interrupted => "invalid:interrupted",
            Judgement::Failed => "invalid:errors",
            Judgement::Inconclusive | Judgement::Consistent => "valid",
        }
    }
}

/// Becomes true when it is dropped.
#[derive(Default)]
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Checks the history in `path`. It ends early when this future is dropped.
///
/// # Errors
/// It cannot be read.
pub(super) async fn check(path: &Path) -> Result<telegraft_history::Verdict, StressError> {
    let path = path.to_owned();
    let checked = blocking(move |stop| {
        let options = CheckOptions {
            stop: Some(stop),
            ..CheckOptions::default()
        };
        telegraft_history::check_file(&path, &options)
    });
    let checked = checked.await;
    let checked = checked.map_err(|error| StressError::Failed(format!("the check: {error}")))?;
    checked.map_err(|error| StressError::Failed(error.to_string()))
}

/// Does `work` on a thread of its own, and tells it to stop when this is dropped: a thread that
/// nobody waits for any more would hold up the end of the process.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
) -> Result<T, JoinError> {
    let dropped = Dropped::default();
    let stop = Arc::clone(&dropped.0);
    spawn_blocking(move || work(&stop)).await
}

/// Writes it, and a picture of each violation.
///
/// # Errors
/// When they cannot be written.
pub(super) fn write(results: &ResultDir, verdict: &StressVerdict) -> Result<(), StressError> {
    let mut text = serde_json::to_string_pretty(verdict).expect("plain data has a JSON form");
    text.push('\n');
    results.write(&format!("verdict/{}.json", verdict.run_id), text.as_bytes())?;
    let violations = verdict.check.violations.iter().take(MAX_DRAWN);
    for (nth, violation) in (1..).zip(violations) {
        let name = format!("verdict/{}.{nth}.svg", verdict.run_id);
        results.write(&name, timeline_svg(violation).as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// How long a test waits for what takes a moment.
    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_check_that_nobody_waits_for_is_told_to_stop() {
        let (begun, begins) = mpsc::channel();
        let (stopped, stops) = mpsc::channel();
        let work = blocking(move |stop| {
            begun.send(()).expect("the test waits for it");
            while !stop.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            stopped.send(()).expect("the test waits for it");
        });
        tokio::select! {
            biased;
            _ = work => panic!("nobody has told it to stop"),
            () = async { begins.recv_timeout(PATIENCE).expect("it begins") } => {}
        }
        stops.recv_timeout(PATIENCE).expect("it stops");
    }

    #[test]
    fn what_is_worst_counts() {
        let of = Judgement::of;
        assert_eq!(of(false, false, false, false), Judgement::Consistent);
        assert_eq!(of(false, false, false, true), Judgement::Inconclusive);
        assert_eq!(of(false, false, true, true), Judgement::Failed);
        assert_eq!(of(false, true, true, true), Judgement::Interrupted);
        assert_eq!(of(true, true, true, true), Judgement::Violated);
    }
}
