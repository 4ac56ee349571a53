//! Reads a result directory: all that can be read, and what could not.

use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;
use telegraft_loadgen::results::{
    Environment, Hlog, Problem, ResultDir, ResultsError, Row as _, RunRow,
};

/// What `audit` reads where it found nothing wrong.
const AUDIT_FINE: [&str; 2] = ["ok", "skipped"];

/// The operation that is all of them together.
pub(crate) const ALL: &str = "all";

/// A result directory's content.
#[derive(Debug)]
pub(crate) struct Data {
    /// `suite.toml`.
    pub(crate) suite: Option<String>,
    pub(crate) environment: Option<Environment>,
    /// In the order of the file.
    pub(crate) runs: Vec<Run>,
    /// What was left out of the report, and why.
    pub(crate) problems: Vec<Problem>,
}

/// One run.
#[derive(Debug)]
pub(crate) struct Run {
    /// One for each operation, at least one.
    pub(crate) rows: Vec<RunRow>,
    /// By tag, as far as they could be read.
    pub(crate) latencies: BTreeMap<String, Histogram<u64>>,
}

impl Run {
    /// A row, for what is the same in all of them.
    pub(crate) fn any(&self) -> &RunRow {
        &self.rows[0]
    }

    pub(crate) fn row(&self, op: &str) -> Option<&RunRow> {
        self.rows.iter().find(|row| row.op == op)
    }

    pub(crate) fn audit_fine(&self) -> bool {
        self.rows
            .iter()
            .all(|row| AUDIT_FINE.contains(&row.audit.as_str()))
    }

    /// Whether its numbers count.
    pub(crate) fn valid(&self) -> bool {
        self.audit_fine() && self.rows.iter().all(|row| row.verdict == "valid")
    }

    /// A count over all operations: what the row `all` says, or the sum.
    pub(crate) fn total(&self, count: impl Fn(&RunRow) -> u64) -> u64 {
        match self.row(ALL) {
            Some(all) => count(all),
            None => self.rows.iter().map(count).sum(),
        }
    }

    /// Operations except `all`, or `all` where it stands alone.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &RunRow> {
        let alone = self.rows.len() == 1;
        self.rows.iter().filter(move |row| alone || row.op != ALL)
    }

    /// The latencies of an operation; of `all`, those of all operations together.
    /// None where some of them are not known.
    pub(crate) fn latencies_of(&self, op: &str, suffix: &str) -> Option<Histogram<u64>> {
        if let Some(found) = self.latencies.get(&format!("{op}{suffix}")) {
            return Some(found.clone());
        }
        let mut sum: Option<Histogram<u64>> = None;
        for row in self.operations().filter(|row| op == ALL && row.op != ALL) {
            let one = self.latencies.get(&format!("{}{suffix}", row.op))?;
            match &mut sum {
                None => sum = Some(one.clone()),
                Some(sum) => telegraft_loadgen::results::add(sum, one),
            }
        }
        sum
    }
}

/// Operations that were due and have no latency.
pub(crate) fn missed(row: &RunRow) -> u64 {
    row.failed
        .saturating_add(row.unknown)
        .saturating_add(row.unfinished)
}

impl Data {
    pub(crate) fn read(dir: &ResultDir) -> Data {
        let mut problems = Vec::new();
        let mut told = |error: ResultsError| problems.push(problem(error));
        let suite = dir.read_suite().map_err(&mut told).ok();
        let environment = dir.read_environment().map_err(&mut told).ok();
        let (rows, bad) = match dir.read_runs() {
            Ok(read) => (read.rows, read.problems),
            Err(error) => (Vec::new(), vec![problem(error)]),
        };
        problems.extend(bad);

        let mut runs: Vec<Run> = Vec::new();
        for (line, row) in rows {
            let run = runs.iter_mut().find(|run| run.any().run_id == row.run_id);
            match run {
                None => runs.push(Run {
                    rows: vec![row],
                    latencies: BTreeMap::new(),
                }),
                Some(run) if run.row(&row.op).is_none() => run.rows.push(row),
                Some(_) => problems.push(Problem {
                    file: RunRow::FILE.to_owned(),
                    line: Some(line),
                    reason: format!(
                        "{} has a row for {} already: the first one counts",
                        row.run_id, row.op
                    ),
                }),
            }
        }
        let mut data = Data {
            suite,
            environment,
            runs,
            problems,
        };
        data.note_unrecorded_runs(dir);
        for at in 0..data.runs.len() {
            data.read_latencies(dir, at);
        }
        data
    }

    /// A run whose seconds are there and whose result is not was cut off.
    fn note_unrecorded_runs(&mut self, dir: &ResultDir) {
        let read = match dir.read_intervals() {
            Ok(read) => read,
            Err(error) => return self.problems.push(problem(error)),
        };
        self.problems.extend(read.problems);
        let begun: BTreeSet<&str> = read.rows.iter().map(|(_, row)| &*row.run_id).collect();
        for run_id in begun {
            if !self.runs.iter().any(|run| run.any().run_id == run_id) {
                self.problems.push(Problem {
                    file: RunRow::FILE.to_owned(),
                    line: None,
                    reason: format!(
                        "{run_id} was begun and has no whole row here: it is in no table"
                    ),
                });
            }
        }
    }

    fn read_latencies(&mut self, dir: &ResultDir, at: usize) {
        let run = &mut self.runs[at];
        let log: Hlog = match dir.read_total_hlog(&run.any().run_id) {
            Ok(log) => log,
            Err(error) => return self.problems.push(problem(error)),
        };
        self.problems.extend(log.problems.iter().cloned());
        let tags: BTreeSet<&str> = log.intervals.iter().map(|i| &*i.tag).collect();
        for tag in tags {
            if let Some(histogram) = log.merged(tag) {
                run.latencies.insert(tag.to_owned(), histogram);
            }
        }
        // A histogram that lacks operations, or has too many, would give other percentiles.
        let file = format!("latency/{}.total.hlog", run.any().run_id);
        let mut wrong = Vec::new();
        for row in run.operations() {
            let held = run.latencies.get(&row.op).map(Histogram::len);
            if held.is_some_and(|held| held != row.ok) || (held.is_none() && row.ok > 0) {
                wrong.push(row.op.clone());
                self.problems.push(Problem {
                    file: file.clone(),
                    line: None,
                    reason: format!(
                        "it has {} latencies of {}, and {} succeeded by {}: left out",
                        held.unwrap_or(0),
                        row.op,
                        row.ok,
                        RunRow::FILE
                    ),
                });
            }
        }
        for op in wrong {
            run.latencies.retain(|tag, _| {
                *tag != op
                    && !tag
                        .strip_prefix(&op)
                        .is_some_and(|rest| rest.starts_with('-'))
                    && tag != ALL
                    && !tag.starts_with("all-")
            });
        }
    }
}

fn problem(error: ResultsError) -> Problem {
    match error {
        ResultsError::Unreadable(problem) => problem,
        ResultsError::Newer { ref file, line, .. } => Problem {
            file: file.clone(),
            line: Some(line),
            reason: reason_of(&error, file),
        },
        ResultsError::Io {
            action,
            path,
            source,
        } => Problem {
            file: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            line: None,
            reason: format!("cannot {action} it: {source}"),
        },
        ResultsError::Name(name) => Problem {
            file: "latency".to_owned(),
            line: None,
            reason: format!("{name:?} is no name of a run"),
        },
    }
}

/// The error's text without the place, which is told beside it.
fn reason_of(error: &ResultsError, file: &str) -> String {
    let text = error.to_string();
    match text
        .strip_prefix(file)
        .and_then(|text| text.split_once(": "))
    {
        Some((_, reason)) => reason.to_owned(),
        None => text,
    }
}
