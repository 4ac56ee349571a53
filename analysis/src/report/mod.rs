//! The report of result directories: `report.md`, and a shorter text for the terminal.

mod conditions;
#[allow(dead_code, reason = "its users come next")]
mod document;
mod old_table;
mod original;
mod reproduce;
mod runs;
mod sections;
#[allow(dead_code, reason = "its users come next")]
mod table;
#[allow(dead_code, reason = "its users come next")]
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use telegraft_loadgen::results::{ResultDir, ResultsError};

use crate::AnalysisError;
use crate::data::Data;
use crate::summary::groups;
use old_table::{Table, escape};

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What stands in `report.md`.
    pub markdown: String,
    /// For a terminal of 110 columns; without colours.
    pub terminal: String,
}

/// Writes `report.md` into the result directory `path`, from its files alone.
///
/// Files that are missing or bad are named in it, with line and reason; the rest is reported.
///
/// # Errors
/// When there is no such directory or the report cannot be written.
pub fn write(path: &Path) -> Result<Report, AnalysisError> {
    write_all(&[path.to_owned()], path)
}

/// Writes `report.md` into `out`, which is made if it is absent: one report over the result
/// directories `paths`. A directory that is none and holds some stands for these.
///
/// Shares of one run (equal nonce of the suite, run id, configuration, trial and seed, and
/// `shard` 1/n to n/n) are put together exactly.
///
/// # Errors
/// As those of [`write()`].
pub fn write_all(paths: &[PathBuf], out: &Path) -> Result<Report, AnalysisError> {
    let report = compose(&Data::read(paths)?);
    fs::create_dir_all(out).map_err(|source| ResultsError::Io {
        action: "make",
        path: out.to_owned(),
        source,
    })?;
    ResultDir::open(out)?.write("report.md", report.markdown.as_bytes())?;
    Ok(report)
}

fn compose(data: &Data) -> Report {
    let groups = groups(data);
    let findings = sections::findings(data, &groups);
    let conditions = conditions::conditions(data);
    let throughput = sections::throughput(&groups);
    let latency = sections::latency(&groups, "");
    let service = sections::service(&groups);
    let open = sections::open(&groups);
    let original = original::compare(&groups);
    let slos = runs::slos(data);
    let failover = runs::failover(data);
    let shards = runs::shards(data);
    let directories = runs::directories(data);
    let validity = runs::validity(data);
    let all_runs = runs::runs(data);
    let left_out = sections::left_out(&groups);

    let mut markdown = format!("# {}\n", escape(&sections::title(data)));
    let mut part = |title: &str, text: String| {
        if !text.trim().is_empty() {
            markdown += &format!("\n## {title}\n\n{}\n", text.trim_end());
        }
    };
    let noted = |note: &str, table: &Table| format!("{note}\n{}", table.markdown());
    // What the marks in a table of groups stand for.
    let grouped = |note: &str, table: &Table| {
        let text = noted(note, table);
        match left_out.is_empty() {
            true => text,
            false => format!("{text}\n{}\n", escape(&left_out)),
        }
    };
    let optional = |note: &str, table: &Option<Table>| {
        table.as_ref().map_or(String::new(), |t| noted(note, t))
    };
    let optional_grouped = |note: &str, table: &Option<Table>| {
        table.as_ref().map_or(String::new(), |t| grouped(note, t))
    };
    part("Findings", bullets(&findings, escape));
    part("What is missing", sections::missing(data, escape));
    part("Directories", optional("", &directories));
    part("Shards", optional(runs::SHARDS_NOTE, &shards));
    part("Conditions", conditions.markdown());
    if !throughput.is_empty() {
        part(
            "Throughput",
            grouped(sections::THROUGHPUT_NOTE, &throughput),
        );
        part("Latency", grouped(sections::LATENCY_NOTE, &latency));
    }
    part("Open loop", optional_grouped(sections::OPEN_NOTE, &open));
    part(
        "Service time",
        optional_grouped(sections::SERVICE_NOTE, &service),
    );
    part("SLOs", optional(runs::SLO_NOTE, &slos));
    if !original.is_empty() {
        let text = format!("{}{}", original::NOTE, original::markdown(&original));
        part("Beside the original", text);
    }
    part("Fail-over", optional(runs::FAILOVER_NOTE, &failover));
    if !all_runs.is_empty() {
        part(
            "Audit and verdict of every run",
            noted(runs::RUNS_NOTE, &all_runs),
        );
    }
    part("Validity", optional(runs::VALIDITY_NOTE, &validity));
    part("How to reproduce", reproduce::reproduce(data));

    let mut terminal = format!("{}\n", old_table::one_line(&sections::title(data)));
    let mut part = |text: String| {
        if !text.trim().is_empty() {
            terminal += &format!("\n{}\n", text.trim_end());
        }
    };
    let titled = |title: &str, table: &Option<Table>| {
        let text = table.as_ref().map(|t| format!("{title}\n{}", t.terminal()));
        text.unwrap_or_default()
    };
    part(conditions::line(data));
    part(titled("Directories", &directories));
    part(titled("Shards", &shards));
    if !throughput.is_empty() {
        part(format!("Throughput\n{}", throughput.terminal()));
        part(format!("Response time\n{}", latency.terminal()));
    }
    part(titled("Open loop (ms)", &open));
    part(titled("Service time", &service));
    part(titled("SLOs", &slos));
    if !original.is_empty() {
        let text = original::terminal(&original);
        part(format!(
            "Beside the original (ms; it ran on another machine)\n{text}"
        ));
    }
    part(titled("Fail-over", &failover));
    part(bullets(&findings, old_table::one_line));
    part(bullets(&runs::invalid(data), old_table::one_line));
    part(sections::missing(data, old_table::one_line));
    Report { markdown, terminal }
}

fn bullets(sentences: &[String], escape: impl Fn(&str) -> String) -> String {
    sentences
        .iter()
        .map(|sentence| format!("- {}\n", escape(sentence)))
        .collect()
}
