//! The report of one result directory: `report.md`, and a shorter text for the terminal.

mod conditions;
mod sections;
mod table;

use std::path::Path;

use telegraft_loadgen::results::ResultDir;

use crate::AnalysisError;
use crate::data::Data;
use crate::summary::groups;
use table::escape;

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
    let dir = ResultDir::open(path)?;
    let report = compose(&Data::read(&dir));
    dir.write("report.md", report.markdown.as_bytes())?;
    Ok(report)
}

fn compose(data: &Data) -> Report {
    let groups = groups(data);
    let findings = sections::findings(data, &groups);
    let conditions = conditions::conditions(data);
    let throughput = sections::throughput(&groups);
    let latency = sections::latency(&groups, "");
    let service = sections::service(&groups);
    let failover = sections::failover(data);
    let runs = sections::runs(data);

    let mut markdown = format!("# {}\n", escape(&sections::title(data)));
    let mut terminal = format!("{}\n", table::one_line(&sections::title(data)));
    let mut part = |title: &str, text: String| {
        if !text.trim().is_empty() {
            markdown += &format!("\n## {title}\n\n{}\n", text.trim_end());
        }
    };

    part("Findings", bullets(&findings, escape));
    part("What is missing", sections::missing(data, escape));
    part("Conditions", conditions.markdown());
    if !throughput.is_empty() {
        let text = format!("{}\n{}", sections::THROUGHPUT_NOTE, throughput.markdown());
        part("Throughput", text);
        let text = format!("{}\n{}", sections::LATENCY_NOTE, latency.markdown());
        part("Latency", text);
    }
    if let Some(service) = &service {
        let text = format!("{}\n{}", sections::SERVICE_NOTE, service.markdown());
        part("Service time", text);
    }
    if let Some(failover) = &failover {
        let text = format!("{}\n{}", sections::FAILOVER_NOTE, failover.markdown());
        part("Fail-over", text);
    }
    if !runs.is_empty() {
        let text = format!("{}\n{}", sections::RUNS_NOTE, runs.markdown());
        part("Audit and verdict of every run", text);
    }
    part("How to reproduce", sections::reproduce(data));

    let mut part = |text: String| {
        if !text.trim().is_empty() {
            terminal += &format!("\n{}\n", text.trim_end());
        }
    };
    part(conditions::line(data));
    if !throughput.is_empty() {
        part(format!("Throughput\n{}", throughput.terminal()));
        part(format!("Response time\n{}", latency.terminal()));
    }
    if let Some(service) = &service {
        part(format!("Service time\n{}", service.terminal()));
    }
    if let Some(failover) = &failover {
        part(format!("Fail-over\n{}", failover.terminal()));
    }
    part(bullets(&findings, table::one_line));
    part(bullets(&sections::invalid(data), table::one_line));
    part(sections::missing(data, table::one_line));
    Report { markdown, terminal }
}

fn bullets(sentences: &[String], escape: impl Fn(&str) -> String) -> String {
    sentences
        .iter()
        .map(|sentence| format!("- {}\n", escape(sentence)))
        .collect()
}
