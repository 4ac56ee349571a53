//! Whether all replicas hold the same, and what was acknowledged.

use crate::cluster::{OverSeconds, Replica};
use crate::data::AUDIT_FINE;
use crate::report::Context;
use crate::report::cells;
use crate::report::table::{Cell, Column, MARK, Table};
use crate::report::text::Text;
use crate::summary::Group;

/// What the audits found.
pub(crate) fn findings(context: &Context<'_>) -> Vec<Text> {
    // Stress runs are judged by their histories.
    let runs = || context.data.runs.iter().filter(|run| !run.is_stress());
    let wrong: Vec<_> = runs().filter(|run| !run.audit_fine()).collect();
    let mut found: Vec<Text> = Vec::new();
    for run in &wrong {
        let mut audits = run.rows.iter().map(|row| row.audit.as_str());
        let audit = audits.find(|audit| !AUDIT_FINE.contains(audit));
        found.push(Text::plain(format!(
            "{MARK} The audit of {} found: {}",
            run.name,
            audit.unwrap_or_default()
        )));
    }
    let audited = runs().filter(|run| run.audited()).count();
    let plural = if audited == 1 { "run" } else { "runs" };
    if audited > 0 {
        found.push(Text::plain(match wrong.len() {
            0 => format!(
                "{audited} {plural} audited: all that was acknowledged is on every replica."
            ),
            _ => format!("{audited} other {plural} audited: nothing wrong."),
        }));
    }
    let of_clusters = runs().filter(|run| run.any().system != "null");
    let skipped = of_clusters
        .filter(|run| run.audit_fine() && !run.audited())
        .count();
    if skipped > 0 {
        let plural = if skipped == 1 { "run was" } else { "runs were" };
        found.push(Text::plain(format!(
            "{MARK} {skipped} {plural} not audited: nothing is said of what these clusters hold."
        )));
    }
    found
}

const CAPTION: &str = "\
How far replicas are behind, as they told once a second. *Lag*: entries that a replica's log was \
behind the longest one; *stale*: by entries that the leader had committed and the replica had not \
yet applied, which a `local` read of it does not see. Of all replicas that never led in a trial, and of \
all valid trials, the worst: the greatest median over the seconds of one, and the greatest of all \
seconds. In milliseconds: at the rate at which messages were sent. *Leader changes*: over all valid \
trials.";

const COLUMNS: [Column; 9] = [
    Column::text("workload", "workload"),
    Column::text("system", "system"),
    Column::text("audited", "audits ok"),
    Column::number("leader_changes", "leader changes", ""),
    Column::number("lag_p50_entries", "lag p50", "entries"),
    Column::number("lag_max_entries", "lag max", "entries"),
    Column::number("stale_p50_entries", "stale p50", "entries"),
    Column::number("stale_max_entries", "stale max", "entries"),
    Column::number("stale_max_ms", "stale max", "ms"),
];

fn clusters<'c, 'a>(context: &'c Context<'a>) -> Vec<&'c Group<'a>> {
    context
        .groups
        .iter()
        .filter(|group| !group.is_null() && !group.is_stress())
        .collect()
}

/// Lag and staleness by workload and system.
pub(crate) fn table(context: &Context<'_>) -> Table {
    let mut table = Table::new(
        "consistency",
        context.caption(CAPTION, &clusters(context)),
        &COLUMNS,
    );
    for group in clusters(context) {
        let clusters: Vec<_> = group
            .valid()
            .filter_map(|run| run.cluster.as_ref())
            .collect();
        let replicas = || {
            clusters
                .iter()
                .flat_map(|cluster| cluster.replicas.values())
        };
        let followers = || replicas().filter(|replica| replica.leader_seconds == 0);
        let worst = |of: fn(&Replica) -> Option<OverSeconds>, at: fn(OverSeconds) -> u64| {
            followers().filter_map(of).map(at).max()
        };
        let lag = |at| worst(|replica| replica.lag_entries, at);
        let stale = |at| worst(|replica| replica.stale_entries, at);
        let cell = |entries: Option<u64>| entries.map_or(Cell::Unknown, Cell::count);
        let sends_per_s = group.pooled_ok_per_s("send").filter(|rate| *rate > 0.0);
        let stale_ms = stale(|over| over.max)
            .zip(sends_per_s)
            .map(|(entries, rate)| {
                #[allow(clippy::cast_precision_loss, reason = "no log has 2^52 entries")]
                let entries = entries as f64;
                entries / rate * 1000.0
            });
        let audited = group.runs.iter().filter(|run| run.audited()).count();
        let changes = clusters.iter().map(|cluster| cluster.leader_changes);
        table.row(vec![
            Cell::text(&group.any().workload),
            cells::system(group),
            Cell::text(format!("{audited}/{}", group.runs.len())),
            match clusters.is_empty() {
                true => Cell::Unknown,
                false => Cell::count(changes.fold(0, u64::saturating_add)),
            },
            cell(lag(|over| over.median)),
            cell(lag(|over| over.max)),
            cell(stale(|over| over.median)),
            cell(stale(|over| over.max)),
            Cell::number(stale_ms),
        ]);
    }
    table.notes = context.left_out();
    table.without_empty_columns()
}
