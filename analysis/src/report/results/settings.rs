//! What settings change: read modes, mailboxes, durability, who is talked to.

use crate::alike::differing;
use crate::report::Context;
use crate::report::cells::{self, estimate, estimate_text};
use crate::report::results::replicas::{latency_ratio, ratio_cells, throughput_ratio};
use crate::report::table::{Cell, Column, Table};
use crate::report::text::Text;
use crate::stats;
use crate::summary::Group;

const CAPTION: &str = "\
What a setting changes with all else equal: ratios of typical trials with Welch's 95 % interval on \
the logarithm. Of an open loop, which does what it is offered, the response times alone.";

const READ_CAPTION: &str = "\
How fresh reads are, and what that costs. `linearizable`: a round of heartbeats for all reads that \
wait; `lease`: the leader's lease, no round; `local`: any replica, at once, and what it gives may be \
stale. Throughput of the typical trial with its 95 % interval, percentiles of all valid trials \
counted together.";

/// The settings that are compared when they alone differ.
const COMPARED: [&str; 5] = ["durability", "consistency", "mailbox", "targets", "clients"];

/// What changes with the number of clients of a closed loop, and is not worth a word then.
const CONNECTIONS: &str = "connections";

/// Settings that may differ at once: reads that need no leader are mostly sent to any replica.
const MAX_CHANGES: usize = 2;

/// A group and the one it is compared with, and what it has instead of what.
struct Pair<'c, 'a> {
    group: &'c Group<'a>,
    base: &'c Group<'a>,
    change: String,
}

/// Each configuration that differs from an earlier one in a setting or two, and the first such:
/// the suite's own come first.
fn pairs<'c, 'a>(context: &'c Context<'a>) -> Vec<Pair<'c, 'a>> {
    let mut found = Vec::new();
    for (at, group) in context.groups.iter().enumerate() {
        if group.is_null() {
            continue;
        }
        let pair = context.groups[..at].iter().find_map(|base| {
            let changed = differing(group, base)?;
            let compared = |name: &str| name == CONNECTIONS || COMPARED.contains(&name);
            if changed.is_empty() || !changed.iter().all(|(name, ..)| compared(name)) {
                return None;
            }
            let named = changed.iter().filter(|(name, ..)| *name != CONNECTIONS);
            let named: Vec<String> = named
                .map(|(name, own, other)| format!("{name} {own} instead of {other}"))
                .collect();
            (1..=MAX_CHANGES).contains(&named.len()).then(|| Pair {
                group,
                base,
                change: named.join(", "),
            })
        });
        found.extend(pair);
    }
    found
}

/// Each setting that differs, beside the suite's own.
pub(crate) fn table(context: &Context<'_>) -> Table {
    let columns = [
        Column::text("workload", "workload"),
        Column::text("op", "op"),
        Column::text("system", "system"),
        Column::text("change", "change"),
        Column::number("ops_per_s_ratio", "ops/s", ""),
        Column::interval("ops_per_s_ratio_95", "95 % interval", ""),
        Column::number("p50_ratio", "p50", "").page_only(),
        Column::interval("p50_ratio_95", "95 % interval", "").page_only(),
        Column::number("p99_ratio", "p99", ""),
        Column::interval("p99_ratio_95", "95 % interval", ""),
    ];
    let pairs = pairs(context);
    let groups: Vec<&Group<'_>> = pairs.iter().flat_map(|p| [p.group, p.base]).collect();
    let mut table = Table::new("settings", context.caption(CAPTION, &groups), &columns);
    for pair in pairs {
        for op in pair.group.operations() {
            let row = pair.group.any();
            let mut cells = vec![
                Cell::text(&row.workload),
                Cell::text(op),
                cells::system(pair.base),
                Cell::text(&pair.change),
            ];
            cells.extend(ratio_cells(pair.group, pair.base, op));
            table.row(cells);
        }
    }
    table.notes = context.left_out();
    table.without_empty_columns()
}

/// Groups that others differ from in how fresh reads are, and in who is asked, alone.
fn with_read_modes<'c, 'a>(context: &'c Context<'a>) -> Vec<&'c Group<'a>> {
    let groups = context.groups.iter().filter(|group| !group.is_null());
    let several = groups.filter(|group| {
        context.groups.iter().any(|other| {
            let changed = differing(group, other).unwrap_or_default();
            let names = || changed.iter().map(|(name, ..)| *name);
            names().any(|name| name == CONSISTENCY)
                && names().all(|name| name == CONSISTENCY || name == "targets")
        })
    });
    several.collect()
}

/// The setting that says how fresh reads must be.
const CONSISTENCY: &str = "consistency";

/// The read modes of the workloads that were run with several.
pub(crate) fn read_modes(context: &Context<'_>) -> Table {
    let columns = [
        Column::text("workload", "workload"),
        Column::text("op", "op"),
        Column::text("system", "system"),
        Column::text("consistency", "reads"),
        Column::text("targets", "targets"),
        Column::number("typical_per_s", "typical trial", "ops/s"),
        Column::interval("typical_95_per_s", "95 % interval", "ops/s"),
        Column::number("p50_ms", "p50", "ms"),
        Column::number("p99_ms", "p99", "ms"),
        Column::text("trials", "trials"),
    ];
    let groups = with_read_modes(context);
    let mut table = Table::new(
        "read-modes",
        context.caption(READ_CAPTION, &groups),
        &columns,
    );
    let mut lacking = false;
    for group in groups {
        let row = group.any();
        let reads = group.operations().into_iter();
        for op in reads.filter(|op| matches!(*op, "read" | "inbox")) {
            let [typical, interval] = estimate(stats::typical(&group.ok_per_s_by_trial(op)));
            let pooled = group.latencies(op, "");
            lacking |= pooled.as_ref().is_some_and(|pooled| pooled.left_out > 0);
            let at = |per_mille| cells::pooled(pooled.as_deref(), per_mille);
            table.row(vec![
                Cell::text(&row.workload),
                Cell::text(op),
                cells::system(group),
                Cell::text(&row.consistency),
                Cell::text(&row.targets),
                typical,
                interval,
                at(500),
                at(990),
                cells::trials(group),
            ]);
        }
    }
    table.notes = context.left_out();
    table.notes.extend(cells::left_out_note(lacking));
    table.without_empty_columns()
}

/// A sentence for each setting that was compared.
pub(crate) fn findings(context: &Context<'_>) -> Vec<Text> {
    let sentences = pairs(context).into_iter().filter_map(|pair| {
        let op = *pair.group.operations().last()?;
        let row = pair.group.any();
        let rate = throughput_ratio(pair.group, pair.base, op)
            .map(|ratio| format!("{} of the operations per second", estimate_text(ratio)));
        let p99 = latency_ratio(pair.group, pair.base, op, 990)
            .map(|ratio| format!("{} of the p99", estimate_text(ratio)));
        let parts: Vec<String> = rate.into_iter().chain(p99).collect();
        (!parts.is_empty()).then(|| {
            Text::plain(format!(
                "{}, {}: {} has {}.",
                row.workload,
                pair.base.system(),
                pair.change,
                parts.join(" and ")
            ))
        })
    });
    sentences.collect()
}
