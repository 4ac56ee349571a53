//! What the original Telegraft published, beside what is measured here.

use telegraft_loadgen::results::RunRow;

use super::Context;
use super::cells;
use super::runs::why_not;
use super::table::{Cell, Column, MARK, Table};
use super::text::Text;
use crate::data::{ALL, Run, missed, sum};
use crate::number::{Number, spread};
use crate::summary::{Group, pooled};

/// The figures, with where they are from.
const PUBLISHED: &str = include_str!("original.csv");

/// What the names of the workloads begin with that repeat it; its target follows.
const PREFIX: &str = "original-";

/// The targets that it names.
const TARGETS: [&str; 6] = ["40", "50", "80", "100", "130", "stress"];

/// How many published numbers stand in a row.
const NUMBERS: usize = 8;

const CAPTION: &str = "\
Beside the original. *Original*: Scala, Akka and gRPC under Gatling, its own published run of \
2023-02-22: all replicas by docker-compose on one laptop, the journal in memory, reads served locally \
(stale), 100 closed-loop users that each read, then send. *Here*: a log on disk with fdatasync before \
a write is acknowledged, reads linearizable, this machine, unless the configuration says otherwise. \
The two machines differ: the figures stand beside each other, and the gap between them is no \
speed-up.";

const NOTE: &str = "\
Rates and latencies are of reads and sends together. The original's rates count failed requests \
too, its latencies as well; ours count what succeeded per second, and what failed, is unknown or \
never finished is `failed`, and counts in percentiles as slower than all. Ours are the valid trials: \
medians of rates and means, percentiles and counts of all trials together. Where no trial is valid, \
there are none. A cell is empty where the original published nothing.";

/// One published line.
#[derive(Debug, PartialEq)]
struct Published {
    replicas: usize,
    target: &'static str,
    /// From the rate achieved on: as it was published.
    numbers: [&'static str; NUMBERS],
}

/// The columns of the file that are shown.
const COLUMNS: [&str; NUMBERS] = [
    "achieved_per_s",
    "mean_ms",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "max_ms",
    "failed",
    "requests",
];

/// Every published line. The file is part of this program, so that a bad one is our mistake.
fn published() -> Vec<Published> {
    let mut lines = PUBLISHED.lines().filter(|line| !line.starts_with('#'));
    let heads: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    lines
        .map(|line| {
            let cells: Vec<&'static str> = line.split(',').collect();
            let cell = |head: &str| {
                let at = heads.iter().position(|h| *h == head);
                let cell = at.and_then(|at| cells.get(at).copied());
                cell.expect("each line has the columns that the head names")
            };
            Published {
                replicas: cell("replicas").parse().expect("it is a count"),
                target: cell("target_rate_per_s"),
                numbers: COLUMNS.map(cell),
            }
        })
        .collect()
}

/// Every workload of the original that was run, beside what was published of it.
pub(super) fn table(context: &Context<'_>) -> Table {
    let columns = [
        Column::text("workload", "workload"),
        Column::text("replicas", "replicas"),
        Column::text("system", "system"),
        Column::number("offered_per_s", "offered", "ops/s"),
        Column::number("achieved_per_s", "achieved", "ops/s"),
        Column::number("mean_ms", "mean", "ms"),
        Column::number("p50_ms", "p50", "ms"),
        Column::number("p95_ms", "p95", "ms"),
        Column::number("p99_ms", "p99", "ms"),
        Column::number("max_ms", "max", "ms"),
        Column::number("failed", "failed", ""),
        Column::number("requests", "requests", "").page_only(),
    ];
    let published = published();
    let mut table = Table::new("original", Text::parse(CAPTION), &columns);
    for target in TARGETS {
        let name = format!("{PREFIX}{target}");
        let of_target = |g: &&Group<'_>| g.any().workload == name && !g.is_null();
        let mut told: Option<usize> = None;
        for group in context.groups.iter().filter(of_target) {
            let replicas = group.any().replicas;
            let line = published
                .iter()
                .find(|line| line.target == target && line.replicas == replicas);
            if told != Some(replicas) {
                table.row(row(&name, replicas, "original", theirs(line)));
                told = Some(replicas);
                if line.is_none() {
                    table.notes.push(Text::plain(format!(
                        "The original published nothing for {name} with {replicas} replicas."
                    )));
                }
            }
            let runs: Vec<&Run> = group.valid().collect();
            let mark = if runs.is_empty() { "⚠ " } else { "" };
            let who = format!("{mark}here{}", group.label);
            table.row(row(&name, replicas, &who, ours(group, &runs)));
            let left_out = group.runs.iter().filter(|run| !run.valid());
            let notes = left_out.map(|run| format!("{MARK} {}: {}", run.name, why_not(run)));
            table.notes.extend(notes.map(Text::plain));
        }
    }
    table.notes.insert(0, Text::parse(NOTE));
    table
}

fn row(workload: &str, replicas: usize, who: &str, numbers: [Cell; NUMBERS + 1]) -> Vec<Cell> {
    let mut cells = vec![
        Cell::text(workload),
        Cell::text(replicas.to_string()),
        Cell::text(who),
    ];
    cells.extend(numbers);
    cells
}

/// The published figures, with the digits that they were published with.
fn theirs(line: Option<&Published>) -> [Cell; NUMBERS + 1] {
    let Some(line) = line else {
        return std::array::from_fn(|_| Cell::Unknown);
    };
    let number = |text: &&str| {
        let decimals = text.split_once('.').map_or(0, |(_, digits)| digits.len());
        text.parse().map_or(Cell::Unknown, |value| {
            let decimals = i32::try_from(decimals).unwrap_or(0);
            Cell::Number(Number { value, decimals })
        })
    };
    let mut numbers = line.numbers.iter().map(number);
    std::array::from_fn(|at| match at {
        0 => offered(line.target.parse().ok()),
        _ => numbers.next().unwrap_or(Cell::Unknown),
    })
}

fn ours(group: &Group<'_>, runs: &[&Run]) -> [Cell; NUMBERS + 1] {
    let all: Vec<_> = runs.iter().filter_map(|run| row_of_all(run)).collect();
    let median = |values: &mut dyn Iterator<Item = f64>| {
        Cell::number(spread(values).map(|spread| spread.median))
    };
    let op = all.first().map_or(ALL, |row| row.op.as_str());
    let latencies = pooled(runs, op, "");
    let at = |per_mille| match &latencies {
        Some(latencies) => cells::pooled(Some(latencies), per_mille),
        None => Cell::Unknown,
    };
    let means = &mut all.iter().filter_map(|row| row.response_mean_us);
    let count = |count: &dyn Fn(&RunRow) -> u64| match runs {
        [] => Cell::Unknown,
        runs => Cell::count(sum(runs.iter().map(|run| run.total(count)))),
    };
    [
        offered(group.any().target_rate_per_s),
        median(&mut runs.iter().map(|run| run.ok_per_s())),
        median(&mut means.map(|us| us / 1000.0)),
        at(500),
        at(950),
        at(990),
        at(1000),
        count(&missed),
        count(&|row| row.ok.saturating_add(missed(row))),
    ]
}

/// A closed loop has no rate: it takes what it gets.
fn offered(rate: Option<f64>) -> Cell {
    let number = |rate| Cell::Number(Number::setting(rate));
    rate.map_or_else(|| Cell::text("closed loop"), number)
}

/// The row of all operations; of a run with a single operation, that one's.
fn row_of_all(run: &Run) -> Option<&RunRow> {
    run.row(ALL).or(match run.rows.as_slice() {
        [only] => Some(only),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_figure_can_be_read_and_has_a_workload() {
        let lines = published();
        assert_eq!(lines.len(), 8);
        assert!(lines.iter().all(|line| TARGETS.contains(&line.target)));
        assert_eq!(
            lines[7],
            Published {
                replicas: 5,
                target: "stress",
                numbers: ["34.09", "952", "433", "3049", "3081", "3348", "100", "750"],
            }
        );
    }
}
