//! What the original Telegraft published, beside what is measured here.

use telegraft_loadgen::results::{LatencyUs, RunRow};

use super::old_table::{Align, Table, escape};
use super::runs::why_not;
use super::sections::{MARK, UNKNOWN, printed};
use crate::data::{ALL, Run, missed};
use crate::number::{count, group, plain, sig3, spread};
use crate::summary::{Group, pooled};

/// The figures, with where they are from.
const PUBLISHED: &str = include_str!("original.csv");

/// What the names of the workloads begin with that repeat it; its target follows.
const PREFIX: &str = "original-";

/// The targets that it names.
const TARGETS: [&str; 6] = ["40", "50", "80", "100", "130", "stress"];

/// How many numbers stand behind what a row is called.
const NUMBERS: usize = 9;

/// How many of them have room in a terminal.
const NUMBERS_IN_TERMINAL: usize = 8;

pub(super) const NOTE: &str = "\
*Original*: Scala, Akka and gRPC under Gatling, its own published run of 2023-02-22: all replicas \
by docker-compose on one laptop, the journal in memory, reads served locally (stale), 100 \
closed-loop users that each read, then send. *Here*: a log on disk with fdatasync before a write \
is acknowledged, reads linearizable, this machine, unless the conditions above say otherwise. The \
two machines differ: the figures stand beside each other, and the gap between them is no speed-up.\n\n\
Rates and latencies are of reads and sends together, latencies in milliseconds. The original's \
rates count failed requests too, its latencies as well; ours count what succeeded per second, and \
what failed, is unknown or never finished is `failed`, and counts in percentiles as slower than all. Ours are the \
valid trials: medians of rates and means, percentiles and counts of all trials together. Where no \
trial is valid, they are those of the invalid ones, marked ⚠. A cell is empty where the original \
published nothing.\n";

/// One published line.
#[derive(Debug, PartialEq)]
struct Published {
    replicas: usize,
    target: &'static str,
    /// What stands below [`HEADS`], from the rate achieved on: as it was published.
    numbers: [&'static str; NUMBERS - 1],
}

/// A workload of the original on so many replicas.
pub(super) struct Compared {
    workload: String,
    replicas: usize,
    /// Whether the original published this.
    published: bool,
    /// The original's row and ours: who it is, then [`NUMBERS`] numbers.
    rows: Vec<(String, [String; NUMBERS])>,
    /// Why ours are marked, if they are.
    marks: Vec<String>,
}

/// The columns of the file that are shown.
const COLUMNS: [&str; NUMBERS - 1] = [
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

/// The workloads of the original among the groups, by target and replicas.
pub(super) fn compare(groups: &[Group<'_>]) -> Vec<Compared> {
    let published = published();
    let mut found: Vec<Compared> = Vec::new();
    for target in TARGETS {
        let name = format!("{PREFIX}{target}");
        let of_target = |g: &&Group<'_>| g.any().workload == name && !g.is_null();
        for group in groups.iter().filter(of_target) {
            let replicas = group.any().replicas;
            let same = |c: &&mut Compared| c.workload == name && c.replicas == replicas;
            let compared = match found.iter_mut().find(same) {
                Some(compared) => compared,
                None => {
                    let line = published
                        .iter()
                        .find(|p| p.target == target && p.replicas == replicas);
                    found.push(Compared {
                        workload: name.clone(),
                        replicas,
                        published: line.is_some(),
                        rows: vec![("original".to_owned(), theirs(line))],
                        marks: Vec::new(),
                    });
                    found.last_mut().expect("it was pushed just now")
                }
            };
            compared.add(group);
        }
    }
    found
}

impl Compared {
    fn add(&mut self, group: &Group<'_>) {
        let mut runs: Vec<&Run> = group.valid().collect();
        let valid = !runs.is_empty();
        if !valid {
            runs.clone_from(&group.runs);
        }
        let mut who = format!("here{}", group.label);
        if !valid {
            who = format!("{MARK} {who}");
        }
        self.rows.push((who, ours(group, &runs)));
        let left_out = group.runs.iter().filter(|run| !run.valid());
        self.marks
            .extend(left_out.map(|run| format!("{MARK} {}: {}", run.name, why_not(run))));
    }

    fn title(&self) -> String {
        let replicas = match self.replicas {
            1 => "1 replica".to_owned(),
            n => format!("{n} replicas"),
        };
        format!("{}, {replicas}", self.workload)
    }

    fn not_published(&self) -> String {
        format!("The original published nothing for {}.", self.title())
    }
}

fn theirs(line: Option<&Published>) -> [String; NUMBERS] {
    let Some(line) = line else {
        return Default::default();
    };
    let mut cells = vec![offered(line.target.parse().ok())];
    cells.extend(line.numbers.map(group));
    cells
        .try_into()
        .expect("it is one more than there are columns")
}

fn ours(group: &Group<'_>, runs: &[&Run]) -> [String; NUMBERS] {
    let all: Vec<_> = runs.iter().filter_map(|run| row_of_all(run)).collect();
    let median = |values: &mut dyn Iterator<Item = f64>| spread(values).map(|s| s.median);
    let text = |value: Option<f64>| value.map_or(UNKNOWN.to_owned(), sig3);
    let op = all.first().map_or(ALL, |row| row.op.as_str());
    let latencies = pooled(runs, op, "");
    let at = |per_mille| {
        let found = latencies.as_ref().map(|l| l.at(per_mille));
        printed(found.unwrap_or(LatencyUs::None))
    };
    let means = &mut all.iter().filter_map(|row| row.response_mean_us);
    let lost: u64 = runs.iter().map(|run| run.total(missed)).sum();
    let due: u64 = runs
        .iter()
        .map(|run| run.total(|row| row.ok + missed(row)))
        .sum();
    [
        offered(group.any().target_rate_per_s),
        text(median(&mut runs.iter().map(|run| run.ok_per_s()))),
        text(median(&mut means.map(|us| us / 1000.0))),
        at(500),
        at(950),
        at(990),
        at(1000),
        count(lost),
        count(due),
    ]
}

/// A closed loop has no rate: it takes what it gets.
fn offered(rate: Option<f64>) -> String {
    rate.map_or("closed loop".to_owned(), plain)
}

/// The row of all operations; of a run with a single operation, that one's.
fn row_of_all(run: &Run) -> Option<&RunRow> {
    run.row(ALL).or(match run.rows.as_slice() {
        [only] => Some(only),
        _ => None,
    })
}

const HEADS: [(&str, Align); NUMBERS] = [
    ("offered /s", Align::Right),
    ("achieved /s", Align::Right),
    ("mean", Align::Right),
    ("p50", Align::Right),
    ("p95", Align::Right),
    ("p99", Align::Right),
    ("max", Align::Right),
    ("failed", Align::Right),
    ("requests", Align::Right),
];

/// A table for each workload and number of replicas.
pub(super) fn markdown(compared: &[Compared]) -> String {
    let mut text = String::new();
    for one in compared {
        let mut table = Table::new(&[&[("", Align::Left)], HEADS.as_slice()].concat());
        for (who, numbers) in &one.rows {
            table.row([std::slice::from_ref(who), numbers.as_slice()].concat());
        }
        text += &format!("\n### {}\n\n{}", escape(&one.title()), table.markdown());
        if !one.published {
            text += &format!("\n{}\n", escape(&one.not_published()));
        }
        for mark in &one.marks {
            text += &format!("\n{}\n", escape(mark));
        }
    }
    text
}

/// All in one table.
pub(super) fn terminal(compared: &[Compared]) -> String {
    let first = [
        ("workload", Align::Left),
        ("replicas", Align::Right),
        ("", Align::Left),
    ];
    let mut table = Table::new(&[first.as_slice(), &HEADS[..NUMBERS_IN_TERMINAL]].concat());
    for one in compared {
        for (who, numbers) in &one.rows {
            let first = [one.workload.clone(), one.replicas.to_string(), who.clone()];
            table.row([first.as_slice(), &numbers[..NUMBERS_IN_TERMINAL]].concat());
        }
    }
    let mut text = table.terminal();
    for one in compared.iter().filter(|one| !one.published) {
        text += &format!("{}\n", one.not_published());
    }
    text
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
