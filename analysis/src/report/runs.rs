//! The parts of a report that have a row for each run.

use telegraft_loadgen::results::RunRow;

use super::old_table::{Align, Table};
use super::sections::{MARK, UNKNOWN};
use crate::data::{Data, Run, distinct};
use crate::number::{count, ms, sig3};

pub(super) const FAILOVER_NOTE: &str = "\
The longest time from the loss of a leader to the first write that was acknowledged after it.\n";

pub(super) const RUNS_NOTE: &str = "\
The audit compares what every replica holds with what was acknowledged. A run marked ⚠ counts \
in none of the medians and percentiles above.\n";

pub(super) const VALIDITY_NOTE: &str = "\
What a run is judged by, 99th percentiles in milliseconds: how late operations were released \
(schedule lag), how long those that were due waited for a connection (queue), and how late the \
generator's own runtime was (generator delay). Of shards, the greatest of them.\n";

pub(super) const SLO_NOTE: &str = "What the workloads ask for, and what came of it.\n";

pub(super) const SHARDS_NOTE: &str = "\
Several generators shared the load of these runs. Their counts are added, their histograms bucket \
by bucket, and percentiles are taken from the sum; rates count from the first one's beginning to \
the last one's end. A run that lacks a shard is marked ⚠ and counts in no median.\n";

/// What a run is called, with a mark if it does not count.
pub(super) fn marked(run: &Run) -> String {
    if run.valid() {
        run.name.clone()
    } else {
        format!("{MARK} {}", run.name)
    }
}

/// What the rows of a run say of something, each thing once; nothing where they say nothing.
fn said<'a>(run: &'a Run, value: impl Fn(&'a RunRow) -> &'a str) -> String {
    distinct(run.rows.iter().map(value), "")
}

/// Runs in which a leader was lost.
pub(super) fn failover(data: &Data) -> Option<Table> {
    let mut table = Table::new(&[
        ("run", Align::Left),
        ("fail-over (ms)", Align::Right),
        ("verdict", Align::Left),
    ]);
    for run in &data.runs {
        let longest = run.rows.iter().filter_map(|row| row.failover_ms);
        if let Some(longest) = longest.reduce(f64::max) {
            table.row(vec![marked(run), sig3(longest), run.verdict()]);
        }
    }
    (!table.is_empty()).then_some(table)
}

/// What became of the SLOs, of the runs that have some.
pub(super) fn slos(data: &Data) -> Option<Table> {
    let mut table = Table::new(&[
        ("run", Align::Left),
        ("SLO", Align::Left),
        ("verdict", Align::Left),
    ]);
    for run in &data.runs {
        let told = said(run, |row| &row.slo);
        if !told.is_empty() {
            let mark = if told == "met" { "" } else { "⚠ " };
            table.row(vec![marked(run), format!("{mark}{told}"), run.verdict()]);
        }
    }
    (!table.is_empty()).then_some(table)
}

/// What tells valid runs from others, where it was measured.
pub(super) fn validity(data: &Data) -> Option<Table> {
    let mut table = Table::new(&[
        ("run", Align::Left),
        ("verdict", Align::Left),
        ("schedule lag (ms)", Align::Right),
        ("queue (ms)", Align::Right),
        ("generator delay (ms)", Align::Right),
        ("generator CPU", Align::Right),
        ("steady", Align::Left),
    ]);
    let mut measured = false;
    for run in &data.runs {
        let longest = |value: fn(&RunRow) -> Option<u64>| run.rows.iter().filter_map(value).max();
        let found = [
            longest(|row| row.schedule_lag_p99_us),
            longest(|row| row.queue_p99_us),
            longest(|row| row.generator_delay_p99_us),
        ];
        let steady = said(run, |row| &row.steady);
        measured |= found.iter().any(Option::is_some) || !steady.is_empty();
        let mut cells = vec![marked(run), run.verdict()];
        cells.extend(found.map(|us| us.map_or(UNKNOWN.to_owned(), ms)));
        cells.push(sig3(run.any().generator_cpu_cores));
        cells.push(match steady.as_str() {
            "" => UNKNOWN.to_owned(),
            _ => steady,
        });
        table.row(cells);
    }
    measured.then_some(table)
}

/// Runs that several generators shared.
pub(super) fn shards(data: &Data) -> Option<Table> {
    let mut table = Table::new(&[
        ("run", Align::Left),
        ("shards", Align::Right),
        ("from", Align::Left),
        ("what is wrong", Align::Left),
    ]);
    for run in &data.runs {
        let Some(shares) = &run.shares else { continue };
        let from = shares.found.iter();
        let from = from.map(|(number, directory)| format!("{number}: {directory}"));
        let wrong = match shares.complete() {
            true => UNKNOWN.to_owned(),
            false => format!("{MARK} {}", shares.wrong()),
        };
        table.row(vec![
            marked(run),
            shares.count(),
            from.collect::<Vec<String>>().join(", "),
            wrong,
        ]);
    }
    (!table.is_empty()).then_some(table)
}

/// The directories, where there are several.
pub(super) fn directories(data: &Data) -> Option<Table> {
    let mut table = Table::new(&[
        ("directory", Align::Left),
        ("started", Align::Left),
        ("runs", Align::Right),
    ]);
    for source in &data.sources {
        let started = source.environment.as_ref().map(|e| e.started_at.clone());
        table.row(vec![
            source.name.clone(),
            started.unwrap_or(UNKNOWN.to_owned()),
            source.runs.to_string(),
        ]);
    }
    (data.sources.len() > 1).then_some(table)
}

/// The runs that do not count, one line each.
pub(super) fn invalid(data: &Data) -> Vec<String> {
    let invalid = data.runs.iter().filter(|run| !run.valid());
    invalid
        .map(|run| format!("{}: {}", marked(run), why_not(run)))
        .collect()
}

/// Why a run does not count.
pub(super) fn why_not(run: &Run) -> String {
    match (run.verdict(), run.audit_fine()) {
        (verdict, false) if verdict == "valid" => "its audit failed".to_owned(),
        (verdict, _) => verdict,
    }
}

/// One row for each run.
pub(super) fn runs(data: &Data) -> Table {
    let mut table = Table::new(&[
        ("run", Align::Left),
        ("verdict", Align::Left),
        ("audit", Align::Left),
        ("ops/s", Align::Right),
        ("ok", Align::Right),
        ("failed", Align::Right),
        ("unknown", Align::Right),
        ("unfinished", Align::Right),
        ("retries", Align::Right),
    ]);
    for run in &data.runs {
        table.row(vec![
            marked(run),
            run.verdict(),
            distinct(run.rows.iter().map(|row| &*row.audit), "ok"),
            sig3(run.ok_per_s()),
            count(run.total(|row| row.ok)),
            count(run.total(|row| row.failed)),
            count(run.total(|row| row.unknown)),
            count(run.total(|row| row.unfinished)),
            count(run.total(|row| row.retries)),
        ]);
    }
    table
}
