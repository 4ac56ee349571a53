//! Comparisons of configurations: two result directories, two values of a setting, or a
//! directory with itself.
//!
//! | file | what |
//! |---|---|
//! | `trial.rs` | the numbers that a trial gives |
//! | `foreign.rs` | the same, of other tools' output |
//! | `pairs.rs` | which configurations are compared |
//! | `rows.rs` | the tests, corrected over the whole table |
//! | `differs.rs` | what else differs between the sides |
//! | `write/` | a comparison as text, Markdown and JSON |
//!
//! A row is one number (throughput, p50, p99) of one operation of one pair. Its change is the
//! ratio of typical trials ([`crate::stats::ratio`]); whether it is one is Welch's test, adjusted
//! by Holm over all rows. Trials are never pooled here: a comparison is about what varies
//! between them.

mod differs;
mod foreign;
mod pairs;
mod rows;
mod trial;
mod write;

use std::path::{Path, PathBuf};

use telegraft_loadgen::results::{Problem, ResultsError};

use crate::AnalysisError;
use crate::data::{AUDIT_FINE, Data, Run, distinct};
use pairs::{Configuration, Pair};
use rows::Row;

/// A setting whose values are compared, inside of one suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// How the consensus actor takes its messages.
    Mailbox,
    /// How fresh reads are.
    Consistency,
    /// Whether writes are synced.
    Durability,
    /// What was loaded. Against `null`, which has no replicas and no log, any cluster is.
    System,
    /// How many replicas there are.
    Replicas,
    /// Which replicas clients talk to.
    Targets,
}

impl Setting {
    /// As in the head of `runs.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Setting::Mailbox => "mailbox",
            Setting::Consistency => "consistency",
            Setting::Durability => "durability",
            Setting::System => "system",
            Setting::Replicas => "replicas",
            Setting::Targets => "targets",
        }
    }
}

/// What is compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The same configurations on two sides.
    Sides,
    /// Configurations that differ in a setting.
    Setting(Setting),
    /// The odd and the even trials of each configuration.
    Halves,
}

/// A comparison. What is told of it is in the order of the files.
#[derive(Debug)]
pub struct Comparison {
    what: What,
    /// What the sides are.
    sides: [String; 2],
    /// The threshold below which differences do not matter, as a share.
    noise: f64,
    rows: Vec<Row>,
    /// Configurations that were compared with nothing, by side; of a comparison inside of one
    /// directory, all in the first.
    unpaired: [Vec<String>; 2],
    /// Runs that do not count, by side, and why.
    invalid: [Vec<(String, String)>; 2],
    /// What must not be overlooked.
    warnings: Vec<String>,
    /// What else differs between the sides.
    differs: Vec<String>,
    /// What could not be read.
    problems: Vec<Problem>,
}

impl Comparison {
    /// Whether nothing was found that could be compared.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Compares `b` with `a`: each is result directories (or directories that hold some), or files
/// with the output of YCSB or etcd's `benchmark`, a trial each. `noise` is the threshold of
/// [`crate::stats::judge`].
///
/// # Errors
/// When there is no such directory, or a file is not understood.
pub fn sides(a: &[PathBuf], b: &[PathBuf], noise: f64) -> Result<Comparison, AnalysisError> {
    let paths = [a, b].map(|paths| {
        let shown: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        shown.join(", ")
    });
    let (a, b) = (Side::read(a)?, Side::read(b)?);
    let names = match a.name() == b.name() {
        true => paths,
        false => [a.name(), b.name()],
    };
    let mut comparison = Comparison::new(What::Sides, names, noise);
    let (pairs, unpaired) = match (&a, &b) {
        (Side::Results(one), Side::Results(other)) => {
            comparison.warnings = differs::warnings(one, other);
            comparison.differs = differs::builds(one, other);
            pairs::by_hash(&pairs::configurations(one), &pairs::configurations(other))
        }
        (Side::Foreign(one), Side::Foreign(other)) if one.is_like(other) => {
            comparison.warnings.push(foreign::SAME_TOOL.to_owned());
            let each = pairs::each_with_each(&a.configurations(), &b.configurations());
            (each, [Vec::new(), Vec::new()])
        }
        _ => {
            comparison.warnings.push(differs::OTHER_TOOL.to_owned());
            let each = pairs::each_with_each(&a.configurations(), &b.configurations());
            (each, [Vec::new(), Vec::new()])
        }
    };
    comparison.rows = rows::rows(&pairs, noise);
    comparison.unpaired = unpaired;
    for (at, side) in [a, b].into_iter().enumerate() {
        if let Side::Results(data) = side {
            comparison.take_problems(at, data);
        }
    }
    Ok(comparison)
}

/// Compares the configurations in result directories that differ in `setting` alone, each with
/// the first.
///
/// # Errors
/// When there is no such directory.
pub fn by(
    directories: &[PathBuf],
    setting: Setting,
    noise: f64,
) -> Result<Comparison, AnalysisError> {
    let data = Data::read(directories)?;
    let sides = ["before the arrow", "behind it"].map(str::to_owned);
    let mut comparison = Comparison::new(What::Setting(setting), sides, noise);
    let configurations = pairs::configurations_apart(&data);
    let (pairs, unpaired) = pairs::by_setting(&configurations, setting);
    if pairs.iter().any(|pair| pair.apart) {
        comparison.warnings.push(differs::DIRECTORIES.to_owned());
    }
    comparison.compare_inside(&pairs, unpaired, data);
    Ok(comparison)
}

/// Compares the even trials of each configuration with the odd ones: the same with itself, so
/// that every difference that is seen is a false alarm.
///
/// # Errors
/// When there is no such directory.
pub fn halves(directories: &[PathBuf], noise: f64) -> Result<Comparison, AnalysisError> {
    let data = Data::read(directories)?;
    let sides = ["odd trials", "even trials"].map(str::to_owned);
    let mut comparison = Comparison::new(What::Halves, sides, noise);
    let (pairs, unpaired) = pairs::halves(&pairs::configurations_apart(&data));
    comparison.compare_inside(&pairs, unpaired, data);
    Ok(comparison)
}

impl Comparison {
    fn new(what: What, sides: [String; 2], noise: f64) -> Self {
        Comparison {
            what,
            sides,
            noise,
            rows: Vec::new(),
            unpaired: [Vec::new(), Vec::new()],
            invalid: [Vec::new(), Vec::new()],
            warnings: Vec::new(),
            differs: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn compare_inside(&mut self, pairs: &[Pair], unpaired: Vec<String>, data: Data) {
        self.rows = rows::rows(pairs, self.noise);
        self.unpaired[0] = unpaired;
        self.take_problems(0, data);
    }

    fn take_problems(&mut self, side: usize, data: Data) {
        let invalid = data.runs.iter().filter(|run| !run.valid());
        let why = |run: &Run| (run.name.clone(), told_invalid(run));
        self.invalid[side].extend(invalid.map(why));
        self.problems.extend(data.problems);
    }
}

/// Why a run does not count.
fn told_invalid(run: &Run) -> String {
    let audit = distinct(run.rows.iter().map(|row| row.audit.as_str()), AUDIT_FINE[0]);
    match run.audit_fine() {
        true => run.verdict(),
        false => format!("{}; audit: {audit}", run.verdict()),
    }
}

/// What stands on one side.
enum Side {
    Results(Data),
    Foreign(foreign::Output),
}

impl Side {
    fn read(paths: &[PathBuf]) -> Result<Side, AnalysisError> {
        let (files, others): (Vec<&PathBuf>, Vec<&PathBuf>) =
            paths.iter().partition(|path| path.is_file());
        match (files.as_slice(), others.as_slice()) {
            ([], _) => Ok(Side::Results(Data::read(paths)?)),
            (files, []) => Ok(Side::Foreign(foreign::Output::read(files)?)),
            ([file, ..], _) => Err(unreadable(file, None, "it is a file among directories")),
        }
    }

    fn name(&self) -> String {
        match self {
            Side::Results(data) => {
                let names: Vec<&str> = data.sources.iter().map(|s| &*s.name).collect();
                names.join(", ")
            }
            Side::Foreign(output) => output.name.clone(),
        }
    }

    fn configurations(&self) -> Vec<Configuration> {
        match self {
            Side::Results(data) => pairs::configurations(data),
            Side::Foreign(output) => vec![output.configuration()],
        }
    }
}

fn unreadable(file: &Path, line: Option<u64>, reason: &str) -> AnalysisError {
    AnalysisError::Results(ResultsError::Unreadable(Problem {
        file: file.display().to_string(),
        line,
        reason: reason.to_owned(),
    }))
}
