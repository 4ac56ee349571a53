//! Reads one result directory: all that can be read, and what could not.
//!
//! The small files first; then what is kept of the large ones is known.

mod measured;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use telegraft_loadgen::find_max::ProbeRow;
use telegraft_loadgen::results::{
    ClusterRow, Environment, EventRow, IntervalRow, Problem, ResultDir, ResultsError, Row, RunRow,
    StageRow,
};

use crate::data::Run;
use crate::stress::Stress;

/// The most of `suite.toml` and `environment.json` that is read, in bytes.
const MAX_TEXT_BYTES: u64 = 4 << 20;

/// Problems of one file, or of one kind of small files, that are told one by one.
const MAX_PROBLEMS: usize = 20;

/// The most of one file, whose rows are read by several readers that tell that many each.
const MAX_OF_FILE: usize = 5 * MAX_PROBLEMS;

/// Runs without a row that are told one by one.
const MAX_UNRECORDED: usize = 1_000;

/// A result directory's content.
#[derive(Debug)]
pub(crate) struct Directory {
    dir: ResultDir,
    /// `suite.toml`.
    pub(crate) suite: Option<String>,
    pub(crate) environment: Option<Environment>,
    /// In the order of the file.
    pub(crate) runs: Vec<Run>,
    /// `find-max.csv`.
    pub(crate) probes: Vec<ProbeRow>,
    /// Runs of `telegraft stress`.
    pub(crate) stress: Vec<Stress>,
    /// What was left out, and why.
    pub(crate) problems: Vec<Problem>,
    /// The first run of each id: files other than `runs.csv` know the id alone.
    by_id: HashMap<String, usize>,
    /// Runs without a row that other files know, and where first.
    unrecorded: BTreeMap<String, String>,
}

/// The files of a result directory. One that was cut off early may lack the first.
const FILES: [&str; 8] = [
    RunRow::FILE,
    "suite.toml",
    "environment.json",
    IntervalRow::FILE,
    ClusterRow::FILE,
    StageRow::FILE,
    EventRow::FILE,
    ProbeRow::FILE,
];

/// What reports and exports put beside results.
const MADE: [&str; 3] = ["tables", "plots", "hdr-percentiles"];

/// The result directories that `path` stands for: itself, or those in it when it is none; and
/// what in it is passed over. What a report over several has left there is not told.
///
/// # Errors
/// When there is no such directory, or no result in it.
pub(crate) fn directories(path: &Path) -> Result<(Vec<PathBuf>, Vec<Problem>), ResultsError> {
    let entries = fs::read_dir(path).map_err(|source| ResultsError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let is_one = |path: &Path| there(path, RunRow::FILE);
    let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    inside.retain(|path| path.is_dir());
    inside.sort();
    let (inside, others): (Vec<PathBuf>, Vec<PathBuf>) =
        inside.into_iter().partition(|path| is_one(path));
    let told = |path: PathBuf, reason: &str| Problem {
        file: path.display().to_string(),
        line: None,
        reason: reason.to_owned(),
    };
    let holds_any = |path: &Path| FILES.iter().any(|file| there(path, file));
    if inside.is_empty() && !holds_any(path) {
        let reason = format!(
            "it is no result directory: there is none of {} in it",
            FILES.join(", ")
        );
        return Err(ResultsError::Unreadable(told(path.to_owned(), &reason)));
    }
    if is_one(path) || inside.is_empty() {
        let reason = "results in a result directory: left out, give their directory by itself";
        let problems = inside.into_iter().map(|path| told(path, reason)).collect();
        return Ok((vec![path.to_owned()], few(problems)));
    }
    let is_made = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        MADE.iter().any(|made| name == *made) || there(path, "report.md") && !holds_any(path)
    };
    let reason = format!("there is no {} in it: left out", RunRow::FILE);
    let others = others.into_iter().filter(|path| !is_made(path));
    let problems = others.map(|path| told(path, &reason)).collect();
    Ok((inside, few(problems)))
}

/// Whether there is something of this name, be it no file.
fn there(directory: &Path, name: &str) -> bool {
    fs::symlink_metadata(directory.join(name)).is_ok()
}

impl Directory {
    /// Reads the small files.
    pub(crate) fn open(dir: ResultDir) -> Directory {
        let mut data = Directory {
            dir,
            suite: None,
            environment: None,
            runs: Vec::new(),
            probes: Vec::new(),
            stress: Vec::new(),
            problems: Vec::new(),
            by_id: HashMap::new(),
            unrecorded: BTreeMap::new(),
        };
        data.suite = data.text("suite.toml", ResultDir::read_suite);
        data.environment = data.text("environment.json", ResultDir::read_environment);
        data.read_runs();
        data.stress = verdicts::read(&mut data);
        data.probes = data.rows().into_iter().map(|(_, row)| row).collect();
        for (line, row) in data.rows::<StageRow>() {
            if let Some(run) = data.run_of(&row.run_id, StageRow::FILE, line) {
                run.stages.push(row);
            }
        }
        for (line, row) in data.rows::<EventRow>() {
            if let Some(run) = data.run_of(&row.run_id, EventRow::FILE, line) {
                run.events.push(row);
            }
        }
        data
    }

    fn text<T>(
        &mut self,
        file: &str,
        read: impl Fn(&ResultDir) -> Result<T, ResultsError>,
    ) -> Option<T> {
        let read = regular(self.dir.path(), file, MAX_TEXT_BYTES)
            .and_then(|()| read(&self.dir).map_err(problem));
        read.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// The good rows of a file that older directories have not, with their lines.
    fn rows<T: Row>(&mut self) -> Vec<(u64, T)> {
        let mut rows = Vec::new();
        if !there(self.dir.path(), T::FILE) {
            return rows;
        }
        match self.dir.for_each(|line, row| rows.push((line, row))) {
            Ok(problems) => self.problems.extend(problems),
            Err(error) => self.problems.push(problem(error)),
        }
        rows
    }

    fn read_runs(&mut self) {
        let mut places: HashMap<(String, String), usize> = HashMap::new();
        let mut suites: Vec<String> = Vec::new();
        let (mut told, mut rows) = (Told::about(RunRow::FILE), 0_u64);
        let runs = &mut self.runs;
        let read = self.dir.for_each(|line, row: RunRow| {
            rows += 1;
            if !suites.contains(&row.suite) && suites.len() < MAX_PROBLEMS {
                if let Some(first) = suites.first() {
                    told.tell(line, || {
                        format!(
                            "its suite is {:?}, and that of the first run {first:?}: results of \
                             several are mixed here",
                            row.suite
                        )
                    });
                }
                suites.push(row.suite.clone());
            }
            let key = (row.run_id.clone(), row.shard.clone());
            let place = *places.entry(key).or_insert(runs.len());
            match runs.get_mut(place) {
                None => runs.push(Run::new(vec![row])),
                Some(run) if run.row(&row.op).is_some() => told.tell(line, || {
                    format!(
                        "{} has a row for {} already: the first one counts",
                        row.run_id, row.op
                    )
                }),
                Some(run) if run.any().config_hash != row.config_hash => told.tell(line, || {
                    format!(
                        "{} has rows of another configuration already: these count",
                        row.run_id
                    )
                }),
                Some(run) => run.rows.push(row),
            }
        });
        match read {
            Ok(problems) => {
                if rows == 0 && problems.is_empty() {
                    self.problems.push(Problem {
                        file: RunRow::FILE.to_owned(),
                        line: None,
                        reason: "there is no row in it".to_owned(),
                    });
                }
                self.problems.extend(problems);
            }
            Err(error) => self.problems.push(problem(error)),
        }
        self.problems.append(&mut told.finish());
        for (at, run) in self.runs.iter().enumerate() {
            let id = run.any().run_id.clone();
            self.by_id.entry(id).or_insert(at);
        }
    }

    /// The run that a row of another file is of; where there is none, that is noted.
    fn run_of(&mut self, run_id: &str, file: &str, line: u64) -> Option<&mut Run> {
        match self.by_id.get(run_id) {
            Some(at) => self.runs.get_mut(*at),
            None => {
                if self.unrecorded.len() < MAX_UNRECORDED {
                    let place = self.unrecorded.entry(run_id.to_owned());
                    place.or_insert_with(|| format!("{file}:{line}"));
                }
                None
            }
        }
    }

    /// Reads what was measured, and keeps it second by second of the runs that are `chosen`.
    pub(crate) fn read_measured(&mut self, chosen: &BTreeSet<usize>) {
        measured::read(self, chosen);
        self.note_unrecorded_runs();
    }

    /// A run whose seconds are there and whose result is not was cut off.
    fn note_unrecorded_runs(&mut self) {
        for (run_id, place) in std::mem::take(&mut self.unrecorded) {
            if self.stress.iter().any(|stress| stress.run_id == run_id) {
                // That is told already.
                continue;
            }
            self.problems.push(Problem {
                file: RunRow::FILE.to_owned(),
                line: None,
                reason: format!(
                    "{run_id} was begun ({place}) and has no whole row here: it is in no table"
                ),
            });
        }
    }
}

/// A file that is there must be one, and no larger than `most` bytes: reading a pipe could last
/// for ever. What is absent is for its reader to tell.
fn regular(directory: &Path, file: &str, most: u64) -> Result<(), Problem> {
    let reason = match fs::metadata(directory.join(file)) {
        Ok(found) if !found.is_file() => "it is no regular file".to_owned(),
        Ok(found) if found.len() > most => format!("it is larger than {} MiB", most >> 20),
        _ => return Ok(()),
    };
    Err(Problem {
        file: file.to_owned(),
        line: None,
        reason,
    })
}

/// What is wrong with the rows of one file: the first of it, and how much more.
#[derive(Debug)]
struct Told {
    file: &'static str,
    kept: Vec<Problem>,
    more: u64,
}

impl Told {
    fn about(file: &'static str) -> Told {
        Told {
            file,
            kept: Vec::new(),
            more: 0,
        }
    }

    fn tell(&mut self, line: u64, reason: impl FnOnce() -> String) {
        if self.kept.len() >= MAX_PROBLEMS {
            self.more += 1;
            return;
        }
        self.kept.push(Problem {
            file: self.file.to_owned(),
            line: Some(line),
            reason: reason(),
        });
    }

    fn finish(mut self) -> Vec<Problem> {
        if self.more > 0 {
            self.kept.push(Problem {
                file: self.file.to_owned(),
                line: None,
                reason: format!("{} more lines like these", self.more),
            });
        }
        self.kept
    }
}

/// Of the problems that are the same in many files, the first ones, and how many more there are.
pub(crate) fn few(problems: Vec<Problem>) -> Vec<Problem> {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut kept = Vec::new();
    for problem in problems {
        // Each run has a file of histograms.
        let kind = match problem.file.strip_prefix("latency/") {
            Some(_) => ("latency".to_owned(), problem.reason.clone()),
            None => (problem.file.clone(), String::new()),
        };
        let (most, kind) = match kind {
            (file, reason) if reason.is_empty() => (MAX_OF_FILE, (file, reason)),
            kind => (MAX_PROBLEMS, kind),
        };
        let count = counts.entry(kind).or_default();
        *count += 1;
        if *count <= most {
            kept.push(problem);
        }
    }
    for ((file, reason), count) in counts {
        let told = match reason.as_str() {
            "" => count.saturating_sub(MAX_OF_FILE),
            _ => count.saturating_sub(MAX_PROBLEMS),
        };
        let reason = match reason.as_str() {
            _ if told == 0 => continue,
            "" => format!("{told} more like these"),
            reason => format!("{told} more of its files: {reason}"),
        };
        kept.push(Problem {
            file,
            line: None,
            reason,
        });
    }
    kept
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
