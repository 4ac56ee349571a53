//! Tables of stress runs. All runs count in them, whatever came of them.

use std::collections::BTreeMap;

use telegraft_history::{Consistency, Kind, Percentiles};
use telegraft_loadgen::stress::{FaultKind, LinkTotals, StressVerdict, Tally};

use super::conditions;
use crate::data::sum;
use crate::number::count;
use crate::report::Context;
use crate::report::table::{Cell, Column, MARK, Table};
use crate::report::text::Text;
use crate::stress::{Answer, Stress};

const RUNS_CAPTION: &str = "\
Each stress run, whatever came of it. *Operations*: all that were checked, answered or not. *Messages*: those that were acknowledged. \
*Unknown*: sends whose outcome their client never learned; of these, *read later* and *in no read*. \
*Outage*: the longest time without a successful send. *Heal*: from the end of the load and of the \
last fault, whichever was later, until all replicas had applied the whole log.";

const FAULTS_CAPTION: &str = "\
Faults by kind, over all stress runs. *Scheduled* by the seed, *done*, and *had an effect* that was seen: a \
process that was gone or stood still, frames that were cut, lost, delayed, doubled or reordered, a \
replica that said that its disk is full. *Seen*: what was counted; one fault can hit several replicas. A \
kind that was asked for in a run and never had an effect there makes it inconclusive.";

const OPERATIONS_CAPTION: &str = "\
What clients did, over all stress runs, by what they were promised. *Failed* operations surely did not \
happen; of *unknown* ones nobody can tell.";

const STALENESS_CAPTION: &str = "\
How far local reads of rooms were behind when they began. *Messages* of the room and log *entries* that \
were acknowledged before and that the replica had not applied; *ms* since the first of these messages was \
acknowledged. Reads that missed nothing count as 0. Percentiles are exact (nearest rank).";

fn verdicts<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a StressVerdict> {
    let stress = context.data.stress.iter();
    stress.filter_map(|stress| stress.verdict.as_ref())
}

fn caption(context: &Context<'_>, text: &str) -> Text {
    let caption = Text::parse(text);
    match conditions(context).as_str() {
        "" => caption,
        conditions => caption.then(Text::plain(format!(" Conditions: {conditions}."))),
    }
}

/// What a run is called, with a mark unless it was consistent.
pub(super) fn marked(stress: &Stress) -> String {
    match stress.answer() {
        Answer::Consistent => stress.name.clone(),
        _ => format!("{MARK} {}", stress.name),
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "times stay below 2^52 nanoseconds"
)]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// One row for each run.
pub(super) fn runs(context: &Context<'_>) -> Table {
    let columns = [
        Column::text("run", "run"),
        Column::text("answer", "answer"),
        Column::number("violations", "violations", ""),
        Column::text("replicas", "replicas").page_only(),
        Column::text("seed", "seed").page_only(),
        Column::number("duration_s", "time", "s"),
        Column::number("operations", "operations", ""),
        Column::number("acknowledged", "messages", ""),
        Column::number("unknown", "unknown", ""),
        Column::number("unknown_read", "read later", "").page_only(),
        Column::number("unknown_unread", "in no read", "").page_only(),
        Column::number("outage_s", "outage", "s"),
        Column::number("heal_s", "heal", "s"),
    ];
    let mut table = Table::new("stress-runs", caption(context, RUNS_CAPTION), &columns);
    for stress in &context.data.stress {
        let verdict = stress.verdict.as_ref();
        let number = |of: fn(&StressVerdict) -> u64| {
            verdict.map_or(Cell::Unknown, |verdict| Cell::count(of(verdict)))
        };
        let unread = |verdict: &StressVerdict| {
            let check = &verdict.check;
            let there = check.unknown_appeared.saturating_add(check.unknown_implied);
            check.unknown_sends.saturating_sub(there)
        };
        let words = |of: fn(&StressVerdict) -> String| {
            verdict.map_or(Cell::Unknown, |verdict| Cell::Text(of(verdict)))
        };
        table.row(vec![
            Cell::text(marked(stress)),
            Cell::text(stress.answer().name()),
            verdict.map_or(Cell::Unknown, |_| Cell::count(stress.violations())),
            words(|verdict| verdict.replicas.to_string()),
            words(|verdict| verdict.seed.to_string()),
            Cell::number(verdict.map(|verdict| verdict.duration_s)),
            verdict.map_or(Cell::Unknown, |_| Cell::count(stress.operations())),
            number(|verdict| verdict.check.acknowledged),
            number(|verdict| verdict.check.unknown_sends),
            number(|verdict| verdict.check.unknown_appeared),
            number(unread),
            Cell::number(verdict.map(|verdict| seconds(verdict.check.longest_outage_ns))),
            Cell::number(
                verdict
                    .and_then(|verdict| verdict.heal_ms)
                    .map(|ms| ms / 1e3),
            ),
        ]);
        let notes = verdict.into_iter().flat_map(|verdict| {
            let check = verdict.check.notes.iter();
            check.chain(&verdict.skipped).chain(&verdict.passed_over)
        });
        let notes = notes.map(|note| Text::plain(format!("{}: {note}.", stress.name)));
        table.notes.extend(notes.take(MAX_NOTES));
    }
    table
}

/// Notes on one run.
const MAX_NOTES: usize = 12;

/// One row for each kind that was asked for.
pub(super) fn faults(context: &Context<'_>) -> Table {
    let columns = [
        Column::text("fault", "fault"),
        Column::text("runs", "runs"),
        Column::number("scheduled", "scheduled", ""),
        Column::number("done", "done", ""),
        Column::number("happened", "had an effect", ""),
        Column::text("seen", "seen"),
    ];
    let mut table = Table::new("stress-faults", caption(context, FAULTS_CAPTION), &columns);
    let mut kinds: BTreeMap<FaultKind, (u64, u64, Tally)> = BTreeMap::new();
    for (kind, tally) in verdicts(context).flat_map(|verdict| &verdict.faults) {
        let (runs, never, of_kind) = kinds.entry(*kind).or_default();
        *runs += 1;
        *never += u64::from(tally.happened == 0);
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        add(&mut of_kind.scheduled, tally.scheduled);
        add(&mut of_kind.done, tally.done);
        add(&mut of_kind.happened, tally.happened);
    }
    let totals = totals(context);
    for (kind, (runs, never, tally)) in kinds {
        let name = match never {
            0 => kind.name().to_owned(),
            _ => format!("{MARK} {kind}"),
        };
        let runs = match never {
            0 => runs.to_string(),
            never => format!("{runs}, in {never} without an effect"),
        };
        table.row(vec![
            Cell::text(name),
            Cell::text(runs),
            Cell::count(tally.scheduled),
            Cell::count(tally.done),
            Cell::count(tally.happened),
            Cell::text(seen(context, kind, &totals)),
        ]);
    }
    if totals.frames > 0 {
        table.notes.push(Text::plain(format!(
            "Replicas sent {} frames to each other in all, through the links that did this to them.",
            count(totals.frames)
        )));
    }
    if verdicts(context).any(|verdict| in_namespaces(verdict) && !verdict.cuts_counted) {
        table.notes.push(Text::plain(format!(
            "{MARK} In some runs in network namespaces nobody counted what met a cut: that a link was cut \
             is what was set, not what was seen."
        )));
    }
    table
}

fn in_namespaces(verdict: &StressVerdict) -> bool {
    verdict.links == "namespaces"
}

/// What proxies counted.
fn totals(context: &Context<'_>) -> LinkTotals {
    summed(verdicts(context).filter(|verdict| !in_namespaces(verdict)))
}

fn summed<'a>(verdicts: impl Iterator<Item = &'a StressVerdict>) -> LinkTotals {
    verdicts.fold(LinkTotals::default(), |sum, verdict| {
        let of = &verdict.link_totals;
        LinkTotals {
            frames: sum.frames.saturating_add(of.frames),
            lost: sum.lost.saturating_add(of.lost),
            duplicated: sum.duplicated.saturating_add(of.duplicated),
            reordered: sum.reordered.saturating_add(of.reordered),
            delayed: sum.delayed.saturating_add(of.delayed),
            dropped_by_cuts: sum.dropped_by_cuts.saturating_add(of.dropped_by_cuts),
            broken: sum.broken.saturating_add(of.broken),
        }
    })
}

/// What there is to be counted of a kind: of processes from `events.csv`, of frames from the links.
fn seen(context: &Context<'_>, kind: FaultKind, totals: &LinkTotals) -> String {
    let several = |n: u64, what: &str| match (n, what) {
        (1, what) => format!("1 {what}"),
        (n, "process") => format!("{} processes", count(n)),
        (n, what) => format!("{} {what}s", count(n)),
    };
    let frames = |n: u64, how: &str| format!("{} {how}", several(n, "frame"));
    let events = || {
        let runs = context.data.stress.iter();
        let runs = runs.filter_map(|stress| context.data.run_of(stress));
        let events = runs.flat_map(|run| &run.events);
        let of_kind = events.filter(|event| event.event == kind.name());
        sum(of_kind.map(|_| 1))
    };
    match kind {
        FaultKind::Kill => format!("{} killed", several(events(), "process")),
        FaultKind::Pause => format!("{} stopped", several(events(), "process")),
        FaultKind::Restart => format!("{} ended", several(events(), "process")),
        FaultKind::DiskFull => format!("{} filled", several(events(), "disk")),
        FaultKind::Partition => {
            let by_proxies = format!(
                "{}, {} broken",
                frames(totals.dropped_by_cuts, "vanished"),
                several(totals.broken, "connection")
            );
            let counted = |verdict: &&StressVerdict| in_namespaces(verdict) && verdict.cuts_counted;
            let kernels = summed(verdicts(context).filter(counted));
            let by_kernel = format!(
                "in network namespaces {} vanished, {} answered by a reset",
                several(kernels.dropped_by_cuts, "packet"),
                several(kernels.broken, "packet")
            );
            match (
                verdicts(context).any(|verdict| !in_namespaces(verdict)),
                verdicts(context).any(|verdict| counted(&verdict)),
            ) {
                (true, true) => format!("{by_proxies}; {by_kernel}"),
                (false, true) => by_kernel,
                (true, false) => by_proxies,
                (false, false) => "not counted".to_owned(),
            }
        }
        FaultKind::Delay | FaultKind::Throttle => {
            frames(totals.delayed, "late (delay and throttle)")
        }
        FaultKind::Loss => frames(totals.lost, "lost"),
        FaultKind::Duplicate => frames(totals.duplicated, "doubled"),
        FaultKind::Reorder => frames(totals.reordered, "overtaken"),
    }
}

/// Kind by consistency, by outcome.
pub(super) fn operations(context: &Context<'_>) -> Table {
    let columns = [
        Column::text("op", "op"),
        Column::text("consistency", "consistency"),
        Column::number("ok", "ok", ""),
        Column::number("failed", "failed", ""),
        Column::number("unknown", "unknown", ""),
        Column::text("promise", "what is promised"),
    ];
    let mut table = Table::new(
        "stress-operations",
        caption(context, OPERATIONS_CAPTION),
        &columns,
    );
    let mut found: BTreeMap<(Kind, Option<Consistency>), [u64; 3]> = BTreeMap::new();
    for of in verdicts(context).flat_map(|verdict| &verdict.check.operations) {
        let counts = found.entry((of.kind, of.consistency)).or_default();
        for (sum, more) in counts.iter_mut().zip([of.ok, of.failed, of.unknown]) {
            *sum = sum.saturating_add(more);
        }
    }
    for ((kind, consistency), [ok, failed, unknown]) in found {
        let (name, promise) = match consistency {
            None if kind == Kind::Send => {
                ("–", "acknowledged is there for ever, once, in its place")
            }
            None => ("–", ""),
            Some(Consistency::Linearizable) => ("linearizable", "all that was acknowledged before"),
            Some(Consistency::Lease) => ("lease", "the same, if clocks run alike"),
            Some(Consistency::Local) => ("local", "an older state perhaps, but a state that was"),
        };
        table.row(vec![
            Cell::text(kind.name()),
            Cell::text(name),
            Cell::count(ok),
            Cell::count(failed),
            Cell::count(unknown),
            Cell::text(promise),
        ]);
    }
    table
}

/// Three rows for each run with local reads.
pub(super) fn staleness(context: &Context<'_>) -> Table {
    let columns = [
        Column::text("run", "run"),
        Column::text("behind_by", "behind by"),
        Column::number("reads", "local reads", ""),
        Column::number("p50", "p50", ""),
        Column::number("p90", "p90", ""),
        Column::number("p99", "p99", ""),
        Column::number("max", "max", ""),
    ];
    let mut table = Table::new(
        "stress-staleness",
        caption(context, STALENESS_CAPTION),
        &columns,
    );
    for stress in &context.data.stress {
        let Some(verdict) = &stress.verdict else {
            continue;
        };
        let staleness = &verdict.check.staleness;
        if staleness.reads == 0 {
            continue;
        }
        let row = |measure: &str, of: Percentiles| {
            let mut cells = vec![
                Cell::text(marked(stress)),
                Cell::text(measure),
                Cell::count(staleness.reads),
            ];
            cells.extend([of.p50, of.p90, of.p99, of.max].map(Cell::count));
            cells
        };
        table.row(row("ms", staleness.milliseconds));
        table.row(row("messages", staleness.messages));
        table.row(row("log entries", staleness.log_entries));
    }
    table
}
