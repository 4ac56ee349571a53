//! Reads one result directory: all that can be read, and what could not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;
use telegraft_loadgen::results::{
    Environment, Hlog, Problem, ResultDir, ResultsError, Row as _, RunRow,
};

use crate::data::{ALL, Run};

/// A result directory's content.
#[derive(Debug)]
pub(crate) struct Directory {
    /// `suite.toml`.
    pub(crate) suite: Option<String>,
    pub(crate) environment: Option<Environment>,
    /// In the order of the file.
    pub(crate) runs: Vec<Run>,
    /// What was left out, and why.
    pub(crate) problems: Vec<Problem>,
}

/// The result directories that `path` stands for: itself, or those in it when it is none.
///
/// # Errors
/// When there is no such directory.
pub(crate) fn directories(path: &Path) -> Result<Vec<PathBuf>, ResultsError> {
    let entries = fs::read_dir(path).map_err(|source| ResultsError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let is_one = |path: &Path| path.join(RunRow::FILE).is_file();
    let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    inside.retain(|path| is_one(path));
    inside.sort();
    Ok(match is_one(path) || inside.is_empty() {
        true => vec![path.to_owned()],
        false => inside,
    })
}

impl Directory {
    pub(crate) fn read(dir: &ResultDir) -> Directory {
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
            let run = runs
                .iter_mut()
                .find(|run| (&run.any().run_id, &run.any().shard) == (&row.run_id, &row.shard));
            match run {
                None => runs.push(Run {
                    name: row.run_id.clone(),
                    rows: vec![row],
                    latencies: BTreeMap::new(),
                    start: None,
                    source: 0,
                    circumstances: 0,
                    shares: None,
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
        let mut data = Directory {
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
        run.start = log.start;
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
