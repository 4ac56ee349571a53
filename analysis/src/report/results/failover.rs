//! How long nobody could write after a fault.

use crate::data::Run;
use crate::number::sig3;
use crate::report::Context;
use crate::report::cells::{self, estimate, estimate_text};
use crate::report::table::{Cell, Column, Table};
use crate::report::text::Text;
use crate::stats;
use crate::summary::Group;

const CAPTION: &str = "\
The longest time without a successful write after a fault, up to the next one or the end of the run, \
of each trial: the typical trial with its 95 % interval, and the least and the greatest. Where writes \
never succeeded again, it is at least so long.";

const COLUMNS: [Column; 6] = [
    Column::text("workload", "workload"),
    Column::text("system", "system"),
    Column::number("failover_ms", "typical trial", "ms"),
    Column::interval("failover_95_ms", "95 % interval", "ms"),
    Column::interval("failover_trials_ms", "least–greatest", "ms"),
    Column::text("trials", "trials"),
];

fn by_trial(group: &Group<'_>) -> Vec<f64> {
    group.per_trial(|run| {
        let longest = run.rows.iter().filter_map(|row| row.failover_ms);
        longest.reduce(f64::max)
    })
}

/// The configurations with faults.
fn hit<'c, 'a>(context: &'c Context<'a>) -> Vec<&'c Group<'a>> {
    let told = |run: &&Run| run.rows.iter().any(|row| row.failover_ms.is_some());
    let groups = context.groups.iter();
    groups.filter(|group| group.runs.iter().any(told)).collect()
}

/// What was done, as far as the files say: `kill of the leader`.
fn faults(group: &Group<'_>) -> String {
    let mut known: Vec<String> = Vec::new();
    for event in group.valid().flat_map(|run| &run.events) {
        // What ends a fault has no detail.
        if event.event == crate::data::LEADER || event.detail.is_empty() {
            continue;
        }
        let fault = format!("{} of the {}", event.event, event.detail);
        if !known.contains(&fault) {
            known.push(fault);
        }
    }
    match known.as_slice() {
        [] => "a fault".to_owned(),
        known => crate::report::design::listed(known, "or"),
    }
}

/// Of the configurations with faults.
pub(crate) fn table(context: &Context<'_>) -> Table {
    let all = hit(context);
    let mut table = Table::new("failover", context.caption(CAPTION, &all), &COLUMNS);
    for group in all {
        let by_trial = by_trial(group);
        let [typical, interval] = estimate(stats::typical(&by_trial));
        table.row(vec![
            Cell::text(&group.any().workload),
            cells::system(group),
            typical,
            interval,
            cells::range(&by_trial),
            cells::trials_of(by_trial.len(), group),
        ]);
    }
    table.notes = context.left_out();
    table.without_empty_columns()
}

/// A sentence for each.
pub(crate) fn findings(context: &Context<'_>) -> Vec<Text> {
    let sentences = context.groups.iter().filter_map(|group| {
        let by_trial = by_trial(group);
        let typical = stats::typical(&by_trial)?;
        let longest = by_trial.iter().copied().reduce(f64::max)?;
        let trials = match by_trial.len() {
            1 => "one trial".to_owned(),
            n => format!("{n} trials, {} ms at most", sig3(longest)),
        };
        Some(Text::plain(format!(
            "{}: after {}, {} had no successful write for {} ms ({trials}).",
            group.any().workload,
            faults(group),
            group.system(),
            estimate_text(typical)
        )))
    });
    sentences.collect()
}
