//! How many actions succeed in a fixed time.

use crate::data::ALL;
use crate::number::sig3;
use crate::report::Context;
use crate::report::cells::{self, estimate, estimate_text};
use crate::report::table::{Cell, Column, MARK, Table};
use crate::report::text::Text;
use crate::stats::{self, Estimate};
use crate::summary::{CLOSED, Group, ceiling};

const CAPTION: &str = "\
Successful operations per second. *Pooled*: all of the valid trials over all of their time. \
*Typical trial*: the geometric mean of the trials, with its 95 % interval (Student's t on the \
logarithm; from three trials on). `of null`: the share of what the same HTTP server reaches under \
the same load with no consensus and no log behind it, with Welch's 95 % interval; of an open loop \
none, for it does what it is offered.";

const COLUMNS: [Column; 11] = [
    Column::text("workload", "workload"),
    Column::text("op", "op"),
    Column::text("system", "system"),
    Column::number("pooled_per_s", "pooled", "ops/s"),
    Column::number("typical_per_s", "typical trial", "ops/s"),
    Column::interval("typical_95_per_s", "95 % interval", "ops/s"),
    Column::interval("trials_per_s", "least–greatest", "ops/s").page_only(),
    Column::number("of_null", "of null", ""),
    Column::interval("of_null_95", "95 % interval", ""),
    Column::text("trials", "trials"),
    Column::text("audit", "audit").page_only(),
];

/// Throughput by workload, operation and system.
pub(crate) fn throughput(context: &Context<'_>) -> Table {
    let mut table = Table::new(
        "throughput",
        context.caption(CAPTION, &context.all()),
        &COLUMNS,
    );
    for group in &context.groups {
        for op in group.operations() {
            let by_trial = group.ok_per_s_by_trial(op);
            let typical = stats::typical(&by_trial);
            let trials = typical.map_or(0, |typical| typical.trials);
            let [typical, interval] = estimate(typical);
            let [share, share_interval] = estimate(of_null(group, op, context));
            table.row(vec![
                Cell::text(&group.any().workload),
                Cell::text(op),
                cells::system(group),
                Cell::number(group.pooled_ok_per_s(op)),
                typical,
                interval,
                cells::range(&by_trial),
                share,
                share_interval,
                match trials {
                    0 => cells::trials(group),
                    trials => cells::trials_of(trials, group),
                },
                Cell::text(audit(group)),
            ]);
        }
    }
    table.notes = context.left_out();
    table.without_empty_columns()
}

/// The share that a group reaches of the null system's throughput under the same load.
fn of_null(group: &Group<'_>, op: &str, context: &Context<'_>) -> Option<Estimate> {
    let null = ceiling(group, &context.groups)?;
    stats::ratio(&group.ok_per_s_by_trial(op), &null.ok_per_s_by_trial(op))
}

/// `ok` of all trials, or of how many.
fn audit(group: &Group<'_>) -> String {
    if group.runs.iter().any(|run| !run.audit_fine()) {
        return format!("{MARK} failed");
    }
    let audited = group.runs.iter().filter(|run| run.audited()).count();
    match (audited, group.runs.len()) {
        (0, _) => "skipped".to_owned(),
        (audited, all) if audited == all => "ok".to_owned(),
        (audited, all) => format!("{MARK} ok in {audited}/{all}"),
    }
}

/// Operations of a kind, in words.
pub(crate) fn several(op: &str) -> String {
    match op {
        ALL => "operations".to_owned(),
        "inbox" => "inbox reads".to_owned(),
        op => format!("{op}s"),
    }
}

/// How far each workload's usual cluster gets, beside the ceiling.
pub(crate) fn findings(context: &Context<'_>) -> Vec<Text> {
    let usual = context.usual_groups();
    let closed = usual.into_iter().filter(|g| g.any().arrival == CLOSED);
    closed.filter_map(|group| finding(group, context)).collect()
}

fn finding(group: &Group<'_>, context: &Context<'_>) -> Option<Text> {
    let op = *group.operations().last()?;
    let typical = stats::typical(&group.ok_per_s_by_trial(op))?;
    let what = several(op);
    let share = of_null(group, op, context).map_or(String::new(), |share| {
        format!(", {} of what null does", estimate_text(share))
    });
    let pooled = group.pooled_ok_per_s(op).map_or(String::new(), |pooled| {
        format!(" (pooled: {})", sig3(pooled))
    });
    Some(Text::plain(format!(
        "{}: {} does {} {what} per second{pooled}{share}.",
        group.any().workload,
        group.system(),
        estimate_text(typical),
    )))
}
