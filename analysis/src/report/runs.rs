//! The tables that have a row for each run or directory.

use telegraft_loadgen::results::RunRow;

use super::Context;
use super::cells::{marked, ms};
use super::table::{Cell, Column, MARK, Table, UNKNOWN};
use super::text::Text;
use crate::data::{Data, Run, distinct};

const RUNS_CAPTION: &str = "\
The audit compares what every replica holds with what was acknowledged. A run marked ⚠ counts \
in no other table's numbers.";

const VALIDITY_CAPTION: &str = "\
What a run is judged by, 99th percentiles in milliseconds: how late operations were released \
(schedule lag), how long those that were due waited for a connection (queue), and how late the \
generator's own runtime was (generator delay). Of shards, the greatest of them.";

const SLO_CAPTION: &str = "What the workloads ask for, and what came of it.";

const SHARDS_CAPTION: &str = "\
Several generators shared the load of these runs. Their counts are added, their histograms bucket \
by bucket, and percentiles are taken from the sum; rates count from the first one's beginning to \
the last one's end. A run that lacks a shard is marked ⚠ and counts in no other table's numbers.";

const DIRECTORIES_CAPTION: &str = "The result directories that this report is made from.";

/// What the rows of a run say of something, each thing once; nothing where they say nothing.
fn said<'a>(run: &'a Run, value: impl Fn(&'a RunRow) -> &'a str) -> String {
    distinct(run.rows.iter().map(value), "")
}

/// What became of the SLOs, of the runs that have some.
pub(super) fn slos(context: &Context<'_>) -> Table {
    let columns = [
        Column::text("run", "run"),
        Column::text("slo", "SLO"),
        Column::text("verdict", "verdict"),
    ];
    let mut table = Table::new("slos", Text::parse(SLO_CAPTION), &columns);
    for run in &context.data.runs {
        let told = said(run, |row| &row.slo);
        if !told.is_empty() {
            let mark = if told == "met" { "" } else { "⚠ " };
            table.row(vec![
                Cell::text(marked(run)),
                Cell::text(format!("{mark}{told}")),
                Cell::text(run.verdict()),
            ]);
        }
    }
    table
}

/// What tells valid runs from others, where it was measured.
pub(super) fn validity(context: &Context<'_>) -> Table {
    let columns = [
        Column::text("run", "run"),
        Column::text("verdict", "verdict"),
        Column::number("schedule_lag_ms", "schedule lag", "ms"),
        Column::number("queue_ms", "queue", "ms"),
        Column::number("generator_delay_ms", "generator delay", "ms"),
        Column::number("generator_cpu_cores", "generator CPU", "cores"),
        Column::text("steady", "steady"),
    ];
    let mut table = Table::new("validity", Text::parse(VALIDITY_CAPTION), &columns);
    let mut measured = false;
    for run in &context.data.runs {
        let longest = |value: fn(&RunRow) -> Option<u64>| run.rows.iter().filter_map(value).max();
        let found = [
            longest(|row| row.schedule_lag_p99_us),
            longest(|row| row.queue_p99_us),
            longest(|row| row.generator_delay_p99_us),
        ];
        let steady = said(run, |row| &row.steady);
        measured |= found.iter().any(Option::is_some) || !steady.is_empty();
        let mut cells = vec![Cell::text(marked(run)), Cell::text(run.verdict())];
        cells.extend(found.map(|us| Cell::number(us.map(ms))));
        cells.push(Cell::number(Some(run.any().generator_cpu_cores)));
        cells.push(Cell::text(match steady.as_str() {
            "" => UNKNOWN.to_owned(),
            _ => steady,
        }));
        table.row(cells);
    }
    if !measured {
        table.rows.clear();
    }
    table
}

/// Runs that several generators shared.
pub(super) fn shards(data: &Data) -> Table {
    let columns = [
        Column::text("run", "run"),
        Column::text("shards", "shards"),
        Column::text("from", "from"),
        Column::text("wrong", "what is wrong"),
    ];
    let mut table = Table::new("shards", Text::parse(SHARDS_CAPTION), &columns);
    for run in &data.runs {
        let Some(shares) = &run.shares else { continue };
        let from = shares.found.iter();
        let from = from.map(|(number, directory)| format!("{number}: {directory}"));
        let wrong = match shares.complete() {
            true => UNKNOWN.to_owned(),
            false => format!("{MARK} {}", shares.wrong()),
        };
        table.row(vec![
            Cell::text(marked(run)),
            Cell::text(shares.count()),
            Cell::text(from.collect::<Vec<String>>().join(", ")),
            Cell::text(wrong),
        ]);
    }
    table
}

/// The directories, where there are several.
pub(super) fn directories(data: &Data) -> Table {
    let columns = [
        Column::text("directory", "directory"),
        Column::text("started", "started"),
        Column::text("runs", "runs"),
    ];
    let mut table = Table::new("directories", Text::parse(DIRECTORIES_CAPTION), &columns);
    for source in data.sources.iter().filter(|_| data.sources.len() > 1) {
        let started = source.environment.as_ref().map(|e| e.started_at.clone());
        table.row(vec![
            Cell::text(&source.name),
            Cell::text(started.unwrap_or(UNKNOWN.to_owned())),
            Cell::text(source.runs.to_string()),
        ]);
    }
    table
}

/// Why a run does not count.
pub(super) fn why_not(run: &Run) -> String {
    match (run.verdict(), run.audit_fine()) {
        (verdict, false) if verdict == "valid" => "its audit failed".to_owned(),
        (verdict, _) => verdict,
    }
}

/// One row for each run.
pub(super) fn runs(context: &Context<'_>) -> Table {
    let columns = [
        Column::text("run", "run"),
        Column::text("verdict", "verdict"),
        Column::text("audit", "audit"),
        Column::number("ok_per_s", "throughput", "ops/s"),
        Column::number("ok", "ok", ""),
        Column::number("failed", "failed", ""),
        Column::number("unknown", "unknown", ""),
        Column::number("unfinished", "unfinished", ""),
        Column::number("retries", "retries", ""),
    ];
    let mut caption = Text::parse(RUNS_CAPTION);
    if !context.data.stress.is_empty() {
        caption = caption.then(Text::plain(
            " Stress runs are judged by their histories, and all of them count in the tables of stress.",
        ));
    }
    let mut table = Table::new("every-run", caption, &columns);
    for run in &context.data.runs {
        table.row(vec![
            Cell::text(marked(run)),
            Cell::text(run.verdict()),
            Cell::text(distinct(run.rows.iter().map(|row| &*row.audit), "ok")),
            Cell::number(Some(run.ok_per_s())),
            Cell::count(run.total(|row| row.ok)),
            Cell::count(run.total(|row| row.failed)),
            Cell::count(run.total(|row| row.unknown)),
            Cell::count(run.total(|row| row.unfinished)),
            Cell::count(run.total(|row| row.retries)),
        ]);
    }
    table
}
