//! Percentile distributions of result directories, and of HdrHistogram logs of any tool.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use telegraft_loadgen::results::{Hlog, ResultsError, SERVICE_SUFFIX};

use super::distribution::Distribution;
use crate::AnalysisError;
use crate::data::{ALL, Data, Run, missed};
use crate::latencies::Latencies;
use crate::summary::{Group, groups};

/// Microseconds of the unit that latencies are written in, milliseconds.
const UNIT: f64 = 1000.0;

/// Letters of a file's name that is made from others.
const NAME_LETTERS: usize = 120;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// In the order in which they were written.
    pub files: Vec<PathBuf>,
    /// What is missing, with file and reason.
    pub problems: Vec<String>,
}

/// The percentiles of a histogram log.
#[derive(Clone, Debug, PartialEq)]
pub struct OfLog {
    /// By name; a log without tags has one without a name.
    pub tags: Vec<LogTag>,
    /// Lines that were left out, with the reason.
    pub problems: Vec<String>,
}

/// All intervals of one tag, together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTag {
    /// Empty of histograms without a tag.
    pub tag: String,
    /// How many values there are.
    pub count: u64,
    /// The least, as the highest value of its bucket, in the unit of the log.
    pub min: u64,
    /// The greatest, likewise.
    pub max: u64,
    /// The percentile distribution.
    pub text: String,
}

impl LogTag {
    /// What its file is called: the log's name, then the tag, and a number where that is among
    /// `names` already, as of logs of one name in several directories.
    pub fn file_name(&self, log: &Path, names: &mut FileNames) -> String {
        let stem = log.file_stem().unwrap_or_default().to_string_lossy();
        names.add(match self.tag.as_str() {
            "" => plain(&stem),
            tag => format!("{}.{}", plain(&stem), plain(tag)),
        })
    }
}

/// Names of files that are written together, each once. Upper and lower case are the same: to
/// some file systems they are.
#[derive(Clone, Debug, Default)]
pub struct FileNames {
    taken: BTreeSet<String>,
}

impl FileNames {
    /// `STEM.hgrm`, or `STEM-2.hgrm` and so on.
    fn add(&mut self, stem: String) -> String {
        let mut name = stem.clone();
        let mut number = 1_u64;
        while !self.taken.insert(name.to_lowercase()) {
            number += 1;
            name = format!("{stem}-{number}");
        }
        name + ".hgrm"
    }
}

/// Writes the latencies of the result directories `paths` by percentile into `out`, which is made
/// if it is absent: `runs/RUN.OP.hgrm` of each run, and `pooled/WORKLOAD-SYSTEM.OP.hgrm` of all
/// valid trials of each configuration together. `OP` ends in `-service` where times count from
/// sending. Values are in milliseconds.
///
/// Operations that never succeeded have no latency; a comment in the last line counts them.
///
/// # Errors
/// When a directory cannot be read or a file cannot be written.
pub fn hdr_percentiles(paths: &[PathBuf], out: &Path) -> Result<Exported, AnalysisError> {
    let data = Data::read(paths)?;
    let problems = data.problems.iter().map(ToString::to_string).collect();
    let mut writer = Writer {
        out,
        names: FileNames::default(),
        files: Vec::new(),
    };
    for run in &data.runs {
        for (tag, latencies) in &run.latencies {
            let missing = missing(&[run], tag);
            writer.write("runs", &run.name, tag, &distribution(latencies), missing)?;
        }
    }
    for group in groups(&data) {
        for tag in tags(&group) {
            let valid: Vec<&Run> = group.valid().collect();
            let mut runs = Vec::new();
            let mut sum: Option<Distribution> = None;
            for run in valid {
                let Some(latencies) = run.latencies.get(tag) else {
                    continue;
                };
                runs.push(run);
                match &mut sum {
                    None => sum = Some(distribution(latencies)),
                    Some(sum) => sum.merge(&distribution(latencies)),
                }
            }
            if let Some(sum) = sum {
                let name = format!("{}-{}", group.any().workload, group.system());
                writer.write("pooled", &name, tag, &sum, missing(&runs, tag))?;
            }
        }
    }
    Ok(Exported {
        files: writer.files,
        problems,
    })
}

/// Reads an HdrHistogram log (format 1.3 or earlier) of any tool. The values stay as they are, in
/// the log's own unit: nothing in a log says which.
///
/// # Errors
/// When it cannot be read, or holds no histogram.
pub fn hdr_percentiles_of_log(path: &Path) -> Result<OfLog, AnalysisError> {
    let mut tags: BTreeMap<String, Distribution> = BTreeMap::new();
    let log = Hlog::for_each(path, |interval| {
        let one = Distribution::of(&interval.histogram);
        tags.entry(interval.tag)
            .and_modify(|sum| sum.merge(&one))
            .or_insert(one);
    })?;
    let problems: Vec<String> = log.problems.iter().map(ToString::to_string).collect();
    if tags.is_empty() {
        let reason = problems.first().cloned();
        return Err(AnalysisError::NoHistogram {
            path: path.to_owned(),
            reason: reason.map_or(String::new(), |reason| format!(" ({reason})")),
        });
    }
    let tag = |(tag, all): (String, Distribution)| LogTag {
        tag,
        count: all.count(),
        min: all.min(),
        max: all.max(),
        text: all.text(1.0, 0),
    };
    Ok(OfLog {
        tags: tags.into_iter().map(tag).collect(),
        problems,
    })
}

fn distribution(latencies: &Latencies) -> Distribution {
    Distribution::of_buckets(latencies.buckets())
}

/// All tags of the valid trials.
fn tags<'a>(group: &Group<'a>) -> BTreeSet<&'a str> {
    let runs: Vec<&'a Run> = group.valid().collect();
    let tags = runs.into_iter().flat_map(|run| run.latencies.keys());
    tags.map(String::as_str).collect()
}

/// Operations of a tag that were due in `runs` and have no latency.
fn missing(runs: &[&Run], tag: &str) -> u64 {
    let op = tag.strip_suffix(SERVICE_SUFFIX).unwrap_or(tag);
    let of_run = |run: &&Run| match run.row(op) {
        Some(row) => missed(row),
        None if op == ALL => run.total(missed),
        None => 0,
    };
    runs.iter().map(of_run).fold(0, u64::saturating_add)
}

/// Writes files, each under a name of its own.
struct Writer<'a> {
    out: &'a Path,
    names: FileNames,
    files: Vec<PathBuf>,
}

impl Writer<'_> {
    fn write(
        &mut self,
        directory: &str,
        name: &str,
        tag: &str,
        distribution: &Distribution,
        missing: u64,
    ) -> Result<(), AnalysisError> {
        // Names can become equal when their signs go.
        let stem = format!("{}.{}", plain(name), plain(tag));
        let name = self.names.add(format!("{directory}/{stem}"));
        let path = self.out.join(name);
        let failed = |action| {
            let path = path.clone();
            move |source| ResultsError::Io {
                action,
                path,
                source,
            }
        };
        fs::create_dir_all(self.out.join(directory)).map_err(failed("make"))?;
        fs::write(&path, distribution.text(UNIT, missing)).map_err(failed("write"))?;
        self.files.push(path);
        Ok(())
    }
}

/// A name of letters, digits, `.`, `_` and `-` alone, that is no hidden file.
fn plain(name: &str) -> String {
    let mut plain = String::new();
    for c in name.chars().take(NAME_LETTERS) {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => plain.push(c),
            '.' if !plain.is_empty() => plain.push(c),
            '×' => plain.push('x'),
            _ if !plain.ends_with('-') => plain.push('-'),
            _ => {}
        }
    }
    match plain.is_empty() {
        true => "-".to_owned(),
        false => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        assert_eq!(
            plain("chat-telegraft ×3, durability none"),
            "chat-telegraft-x3-durability-none"
        );
        assert_eq!(plain("../../etc"), "-.-..-etc");
        assert_eq!(plain(".hidden"), "-hidden");
        assert_eq!(plain(""), "-");
    }

    #[test]
    fn names_that_are_taken_have_numbers() {
        let tag = |tag: &str| LogTag {
            tag: tag.to_owned(),
            count: 0,
            min: 0,
            max: 0,
            text: String::new(),
        };
        let mut names = FileNames::default();
        let mut name = |log: &str, of: &str| tag(of).file_name(Path::new(log), &mut names);
        assert_eq!(name("a/log.hlog", ""), "log.hgrm");
        assert_eq!(name("b/log.hlog", ""), "log-2.hgrm");
        assert_eq!(name("log-2.hlog", ""), "log-2-2.hgrm");
        assert_eq!(name("a/log.hlog", "x y"), "log.x-y.hgrm");
        assert_eq!(name("a/log.hlog", "X-Y"), "log.X-Y-2.hgrm");
    }
}
