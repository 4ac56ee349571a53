//! What the number of replicas changes.

use crate::alike::same_but_replicas;
use crate::report::Context;
use crate::report::cells::{self, estimate, estimate_text};
use crate::report::results::latency::by_trial_ms;
use crate::report::results::speed::several;
use crate::report::table::{Cell, Column, Table};
use crate::report::text::Text;
use crate::stats::{self, Estimate};
use crate::summary::{CLOSED, Group};

const CAPTION: &str = "\
What a cluster of so many replicas reaches of what the one named beside it reaches under the same \
load: ratios of typical trials with Welch's 95 % interval on the logarithm. Of an open loop, which \
does what it is offered, the response times alone.";

const COLUMNS: [Column; 10] = [
    Column::text("workload", "workload"),
    Column::text("op", "op"),
    Column::text("system", "system"),
    Column::text("of", "of"),
    Column::number("ops_per_s_ratio", "ops/s", ""),
    Column::interval("ops_per_s_ratio_95", "95 % interval", ""),
    Column::number("p50_ratio", "p50", "").page_only(),
    Column::interval("p50_ratio_95", "95 % interval", "").page_only(),
    Column::number("p99_ratio", "p99", ""),
    Column::interval("p99_ratio_95", "95 % interval", ""),
];

/// Each replica count beside the usual one.
pub(crate) fn table(context: &Context<'_>) -> Table {
    let pairs = pairs(context);
    let groups: Vec<&Group<'_>> = pairs
        .iter()
        .flat_map(|(group, base)| [*group, *base])
        .collect();
    let mut table = Table::new("replicas", context.caption(CAPTION, &groups), &COLUMNS);
    for (group, base) in pairs {
        for op in group.operations() {
            let ratios = ratio_cells(group, base, op);
            if ratios.iter().all(|ratio| *ratio == Cell::Unknown) {
                continue;
            }
            let mut cells = vec![
                Cell::text(&group.any().workload),
                Cell::text(op),
                cells::system(group),
                cells::system(base),
            ];
            cells.extend(ratios);
            table.row(cells);
        }
    }
    table.notes = context.left_out();
    table.without_empty_columns()
}

/// Ratios of throughput, p50 and p99, with their intervals.
pub(crate) fn ratio_cells(group: &Group<'_>, base: &Group<'_>, op: &str) -> Vec<Cell> {
    let mut cells = estimate(throughput_ratio(group, base, op)).to_vec();
    for per_mille in [500, 990] {
        cells.extend(estimate(latency_ratio(group, base, op, per_mille)));
    }
    cells
}

/// The ratio of throughput; none of open loops.
pub(crate) fn throughput_ratio(group: &Group<'_>, base: &Group<'_>, op: &str) -> Option<Estimate> {
    if group.any().arrival != CLOSED {
        return None;
    }
    stats::ratio(&group.ok_per_s_by_trial(op), &base.ok_per_s_by_trial(op))
}

/// The ratio of a percentile of response time.
pub(crate) fn latency_ratio(
    group: &Group<'_>,
    base: &Group<'_>,
    op: &str,
    per_mille: u64,
) -> Option<Estimate> {
    let of = by_trial_ms(group, op, per_mille)?;
    let to = by_trial_ms(base, op, per_mille)?;
    let ratio = stats::ratio(&of, &to)?;
    Some(cells::as_recorded(ratio, 2.0 * cells::BUCKET))
}

/// Groups that differ in the number of replicas alone from the one of the usual number, or
/// else of the least.
fn pairs<'c, 'a>(context: &'c Context<'a>) -> Vec<(&'c Group<'a>, &'c Group<'a>)> {
    let mut found = Vec::new();
    let compared = |group: &&Group<'_>| !group.is_null() && !group.is_stress();
    for group in context.groups.iter().filter(compared) {
        let alike: Vec<&Group<'_>> = context
            .groups
            .iter()
            .filter(|other| same_but_replicas(group, other))
            .collect();
        let usual = alike
            .iter()
            .find(|other| other.any().replicas == super::USUAL_REPLICAS);
        let least = || alike.iter().min_by_key(|other| other.any().replicas);
        let Some(base) = usual.or_else(least) else {
            continue;
        };
        if base.any().replicas != group.any().replicas {
            found.push((group, *base));
        }
    }
    found
}

/// A sentence for each workload and number of replicas.
pub(crate) fn findings(context: &Context<'_>) -> Vec<Text> {
    let pairs = pairs(context).into_iter();
    let sentences = pairs.filter_map(|(group, base)| {
        let op = *group.operations().last()?;
        let row = group.any();
        let replicas = |n: usize| match n {
            1 => "1 replica".to_owned(),
            n => format!("{n} replicas"),
        };
        let what = several(op);
        let workload = format!("{}{}", row.workload, group.label);
        let verb = if row.replicas == 1 {
            "reaches"
        } else {
            "reach"
        };
        let (own, other) = (replicas(row.replicas), replicas(base.any().replicas));
        let p99 = latency_ratio(group, base, op, 990)
            .map(|ratio| format!("p99 is {} of theirs", estimate_text(ratio)));
        let sentence = match throughput_ratio(group, base, op) {
            Some(ratio) => {
                let p99 = p99.map_or(String::new(), |p99| format!("; {p99}"));
                format!(
                    "{workload}: {own} {verb} {} of {other}' {what} per second{p99}.",
                    estimate_text(ratio)
                )
            }
            None => format!("{workload}: with {own} instead of {other}, {}.", p99?),
        };
        Some(Text::plain(sentence))
    });
    sentences.collect()
}
