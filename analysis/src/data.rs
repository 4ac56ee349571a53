//! What result directories hold, shares of one run brought together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hdrhistogram::Histogram;
use telegraft_loadgen::results::{Environment, Problem, ResultDir, RunRow, add};

use crate::AnalysisError;
use crate::read::{self, Directory};
use crate::shards::{self, Shares};

/// What `audit` reads where it found nothing wrong.
pub(crate) const AUDIT_FINE: [&str; 2] = ["ok", "skipped"];

/// What `verdict` reads where a run counts.
pub(crate) const VALID: &str = "valid";

/// The operation that is all of them together.
pub(crate) const ALL: &str = "all";

/// The content of one result directory or several.
#[derive(Debug)]
pub(crate) struct Data {
    /// In the order in which they were given.
    pub(crate) sources: Vec<Source>,
    /// In the order of the directories and their files.
    pub(crate) runs: Vec<Run>,
    /// What was left out of the report, and why.
    pub(crate) problems: Vec<Problem>,
}

/// One result directory.
#[derive(Debug)]
pub(crate) struct Source {
    /// The directory's name, or its path where several have the same name.
    pub(crate) name: String,
    /// `suite.toml`.
    pub(crate) suite: Option<String>,
    pub(crate) environment: Option<Environment>,
    /// How many runs it holds, or shares of them.
    pub(crate) runs: usize,
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Its id, with the directory where several directories have that id.
    pub(crate) name: String,
    /// One for each operation, at least one.
    pub(crate) rows: Vec<RunRow>,
    /// By tag, as far as they could be read.
    pub(crate) latencies: BTreeMap<String, Histogram<u64>>,
    /// When what counted began, since the epoch.
    pub(crate) start: Option<Duration>,
    /// The directory that it is from; of shares, the first one's.
    pub(crate) source: usize,
    /// The first directory that was made under the same circumstances. Trials of others are no
    /// trials of the same.
    pub(crate) circumstances: usize,
    /// What it was put together from, where several generators shared the load.
    pub(crate) shares: Option<Shares>,
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
        let complete = self.shares.as_ref().is_none_or(Shares::complete);
        complete && self.audit_fine() && self.rows.iter().all(|row| row.verdict == VALID)
    }

    /// What its rows say of its validity, each thing once.
    pub(crate) fn verdict(&self) -> String {
        let verdict = distinct(self.rows.iter().map(|row| &*row.verdict), VALID);
        match self.shares.as_ref().filter(|shares| !shares.complete()) {
            None => verdict,
            Some(shares) if verdict == VALID => format!("incomplete: {}", shares.wrong()),
            Some(shares) => format!("{verdict}; incomplete: {}", shares.wrong()),
        }
    }

    /// A count over all operations: what the row `all` says, or the sum.
    pub(crate) fn total(&self, count: impl Fn(&RunRow) -> u64) -> u64 {
        match self.row(ALL) {
            Some(all) => count(all),
            None => self.rows.iter().map(count).sum(),
        }
    }

    /// Successful operations of all kinds per second.
    pub(crate) fn ok_per_s(&self) -> f64 {
        match self.row(ALL) {
            Some(all) => all.ok_per_s,
            None => self.rows.iter().map(|row| row.ok_per_s).sum(),
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
                Some(sum) => add(sum, one),
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

/// What several say, each thing once, beside `fine`.
pub(crate) fn distinct<'a>(values: impl Iterator<Item = &'a str>, fine: &str) -> String {
    let mut found: Vec<&str> = Vec::new();
    for value in values {
        if value != fine && !found.contains(&value) {
            found.push(value);
        }
    }
    if found.is_empty() {
        return fine.to_owned();
    }
    found.join("; ")
}

impl Data {
    /// Reads the directories `paths`. One that is no result directory and holds some stands for
    /// these.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Data, AnalysisError> {
        let mut data = Data {
            sources: Vec::new(),
            runs: Vec::new(),
            problems: Vec::new(),
        };
        let mut directories: Vec<PathBuf> = Vec::new();
        for path in paths {
            for found in read::directories(path)? {
                let same =
                    |other: &&PathBuf| other.canonicalize().ok() == found.canonicalize().ok();
                match directories.iter().find(same) {
                    None => directories.push(found),
                    Some(_) => data.problems.push(Problem {
                        file: found.display().to_string(),
                        line: None,
                        reason: "it was given twice: it counts once".to_owned(),
                    }),
                }
            }
        }
        let names = names(&directories);
        for (path, name) in directories.iter().zip(names) {
            let mut read = Directory::read(&ResultDir::open(path)?);
            if directories.len() > 1 {
                for problem in &mut read.problems {
                    problem.file = format!("{name}/{}", problem.file);
                }
            }
            data.problems.append(&mut read.problems);
            let source = Source {
                name,
                suite: read.suite,
                environment: read.environment,
                runs: read.runs.len(),
            };
            let same = |other: &Source| same_circumstances(other, &source);
            let circumstances = data.sources.iter().position(same);
            let at = data.sources.len();
            for run in &mut read.runs {
                run.source = at;
                run.circumstances = circumstances.unwrap_or(at);
            }
            data.sources.push(source);
            data.runs.append(&mut read.runs);
        }
        shards::merge(&mut data);
        data.name_runs();
        Ok(data)
    }

    /// The name of the directory that a run is from.
    pub(crate) fn source_of(&self, run: &Run) -> &str {
        &self.sources[run.source].name
    }

    fn name_runs(&mut self) {
        let ids: Vec<String> = self.runs.iter().map(|run| run.name.clone()).collect();
        for run in &mut self.runs {
            if ids.iter().filter(|id| **id == run.name).count() > 1 {
                run.name = format!("{}/{}", self.sources[run.source].name, run.name);
            }
        }
    }
}

/// What the directories are called: their last names, or all of the path where these are equal.
fn names(directories: &[PathBuf]) -> Vec<String> {
    let last = |path: &Path| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| path.display().to_string())
    };
    let unique: BTreeSet<String> = directories.iter().map(|path| last(path)).collect();
    let all_differ = unique.len() == directories.len();
    directories
        .iter()
        .map(|path| match all_differ {
            true => last(path),
            false => path.display().to_string(),
        })
        .collect()
}

/// Whether what was measured in two directories is trials of the same, where the configuration
/// is the same.
fn same_circumstances(one: &Source, other: &Source) -> bool {
    let of = |source: &Source| {
        source.environment.as_ref().map(|e| {
            (
                (e.host.clone(), e.cpu.clone(), e.cpus, e.file_system.clone()),
                (e.version.clone(), e.git_revision.clone(), e.profile.clone()),
            )
        })
    };
    of(one) == of(other)
}
