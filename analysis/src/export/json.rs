//! Everything that is reported, as one JSON document.

use std::path::PathBuf;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::Value;
use telegraft_loadgen::results::{LatencyUs, RunRow, SERVICE_SUFFIX};

use crate::data::{Data, Run};
use crate::report::document::{Block, Document, Section};
use crate::report::table::{Table, TableJson};
use crate::summary::{Group, PER_MILLE, groups, settings};
use crate::{AnalysisError, report};

/// The version of the document.
const SCHEMA_VERSION: u32 = 1;

#[derive(Debug, Serialize)]
struct Everything<'a> {
    schema_version: u32,
    title: &'a str,
    directories: Vec<DirectoryJson<'a>>,
    runs: Vec<RunJson<'a>>,
    configurations: Vec<ConfigurationJson<'a>>,
    findings: Named<Vec<String>>,
    tables: Named<TableJson<'a>>,
    figures: Vec<FigureJson<'a>>,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct DirectoryJson<'a> {
    name: &'a str,
    runs: usize,
    environment: Option<Value>,
}

#[derive(Debug, Serialize)]
struct RunJson<'a> {
    name: &'a str,
    directory: &'a str,
    valid: bool,
    verdict: String,
    /// As in runs.csv, nulls where that is empty.
    operations: Vec<Value>,
}

#[derive(Debug, Serialize)]
struct ConfigurationJson<'a> {
    workload: &'a str,
    system: String,
    replicas: usize,
    config_hash: &'a str,
    settings: Named<String>,
    runs: Vec<&'a str>,
    valid_runs: usize,
    operations: Vec<OperationJson<'a>>,
}

#[derive(Debug, Serialize)]
struct OperationJson<'a> {
    op: &'a str,
    /// Of the valid runs that have histograms.
    latencies: Option<u64>,
    response_ms: Option<Named<Value>>,
    service_ms: Option<Named<Value>>,
}

#[derive(Debug, Serialize)]
struct FigureJson<'a> {
    name: &'a str,
    title: &'a str,
    alt: &'a str,
    caption: String,
}

/// An object, in order.
#[derive(Debug)]
struct Named<T>(Vec<(String, T)>);

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// All that is reported of the result directories `paths`, as JSON.
///
/// | key | what |
/// |---|---|
/// | `schema_version` | 1 |
/// | `title`, `directories`, `problems` | of what, and what could not be read |
/// | `runs` | `name`, `directory`, `valid`, `verdict`; `operations`: the rows of runs.csv, with the names and units that its columns have |
/// | `configurations` | `workload`, `system`, `replicas`, `config_hash`, `settings`, the names of its `runs`, and of each operation the percentiles of all valid trials counted together, in `response_ms` and `service_ms` |
/// | `findings` | of each section, its sentences |
/// | `tables` | by name: `caption`, `columns` (`key`, `head`, `unit`, `kind`), `rows` (by the columns' keys), `notes` |
/// | `figures` | the names of the files in `plots/`, with title and caption |
///
/// Numbers are numbers, intervals are objects with `low` and `high`; `null` is not known, and
/// `">timeout"` a percentile that too many operations without an answer hide.
///
/// # Errors
/// When a directory cannot be read.
pub fn json(paths: &[PathBuf]) -> Result<String, AnalysisError> {
    let data = Data::read(paths)?;
    Ok(everything(&data, &report::document(&data)))
}

fn everything(data: &Data, document: &Document) -> String {
    let groups = groups(data);
    let sources = data.sources.iter().map(|source| DirectoryJson {
        name: &source.name,
        runs: source.runs,
        environment: source.environment.as_ref().map(value),
    });
    let table = |table: &'_ Table| table.name.to_owned();
    let tables = document.tables();
    let figures = document.figures();
    let figures = figures.iter().map(|figure| FigureJson {
        name: &figure.name,
        title: &figure.title,
        alt: &figure.alt,
        caption: figure.caption.terminal(),
    });
    let mut findings = Vec::new();
    collect_findings(&document.sections, &mut findings);
    let all = Everything {
        schema_version: SCHEMA_VERSION,
        title: &document.title,
        directories: sources.collect(),
        runs: data.runs.iter().map(|run| of_run(data, run)).collect(),
        configurations: groups.iter().map(configuration).collect(),
        findings: Named(findings),
        tables: Named(tables.iter().map(|t| (table(t), t.json())).collect()),
        figures: figures.collect(),
        problems: data.problems.iter().map(ToString::to_string).collect(),
    };
    let text = serde_json::to_string_pretty(&all);
    text.expect("its keys are strings, and nothing in it fails") + "\n"
}

/// The sentences of each section's lists, and what must not be overlooked there.
fn collect_findings(sections: &[Section], found: &mut Vec<(String, Vec<String>)>) {
    for section in sections {
        let of = |block: &Block| match block {
            Block::List(items) | Block::Warnings(items) => items.clone(),
            _ => Vec::new(),
        };
        let texts = section.blocks.iter().flat_map(of);
        let sentences: Vec<String> = texts.map(|text| text.terminal()).collect();
        if !sentences.is_empty() {
            found.push((section.anchor.to_owned(), sentences));
        }
        collect_findings(&section.sections, found);
    }
}

fn of_run<'a>(data: &'a Data, run: &'a Run) -> RunJson<'a> {
    RunJson {
        name: &run.name,
        directory: data.source_of(run),
        valid: run.valid(),
        verdict: run.verdict(),
        operations: run.rows.iter().map(value).collect(),
    }
}

/// A row as it is written in its file; what is empty there is null.
fn value<T: Serialize>(row: &T) -> Value {
    let mut value = serde_json::to_value(row).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut value {
        for field in fields.values_mut() {
            if field.as_str() == Some("") {
                *field = Value::Null;
            }
        }
    }
    value
}

fn configuration<'a>(group: &Group<'a>) -> ConfigurationJson<'a> {
    let row: &'a RunRow = group.any();
    let operation = |op: &'a str| OperationJson {
        op,
        latencies: group.latencies(op, "").map(|found| found.operations()),
        response_ms: percentiles(group, op, ""),
        service_ms: percentiles(group, op, SERVICE_SUFFIX),
    };
    let settings = settings(row).into_iter();
    ConfigurationJson {
        workload: &row.workload,
        system: group.system(),
        replicas: row.replicas,
        config_hash: &row.config_hash,
        settings: Named(
            settings
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        ),
        runs: group.runs.iter().map(|run| run.name.as_str()).collect(),
        valid_runs: group.valid().count(),
        operations: group.operations().into_iter().map(operation).collect(),
    }
}

/// `p50`, `p99_9`, …, `max`.
fn percentiles(group: &Group<'_>, op: &str, suffix: &str) -> Option<Named<Value>> {
    let found = group.latencies(op, suffix)?;
    let of = |per_mille: u64| {
        let name = match (per_mille / 10, per_mille % 10) {
            (100, _) => "max".to_owned(),
            (percent, 0) => format!("p{percent}"),
            (percent, tenth) => format!("p{percent}_{tenth}"),
        };
        #[allow(
            clippy::cast_precision_loss,
            reason = "latencies stay far below 2^52 microseconds"
        )]
        let value = match found.at(per_mille) {
            LatencyUs::Known(us) => Value::from(us as f64 / 1000.0),
            LatencyUs::BeyondTimeout => Value::from(">timeout"),
            LatencyUs::None => Value::Null,
        };
        (name, value)
    };
    Some(Named(PER_MILLE.map(of).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::Cell;
    use crate::report::table::Column;
    use crate::report::text::Text;

    #[test]
    fn everything_is_found_by_name() {
        let directory =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/troubled");
        let data = Data::read(&[directory]).expect("it is committed");
        let mut table = Table::new("t", Text::default(), &[Column::number("n_ms", "n", "ms")]);
        table.row(vec![Cell::number(Some(1.5))]);
        let mut section = Section::new("speed", "Speed");
        section.list(vec![Text::parse("It is `fast`.")]);
        section.warnings(vec![Text::plain("⚠ Once.")]);
        section.table(table);
        let document = Document {
            title: "T".to_owned(),
            lead: Vec::new(),
            sections: vec![section],
        };
        let json: Value = serde_json::from_str(&everything(&data, &document)).expect("it is JSON");
        assert_eq!(json["schema_version"], 1);
        assert_eq!(json["tables"]["t"]["rows"][0]["n_ms"], 1.5);
        let findings = serde_json::json!(["It is fast.", "⚠ Once."]);
        assert_eq!(json["findings"]["speed"], findings);
        let runs = json["runs"].as_array().expect("there are runs");
        assert_eq!(runs.len(), data.runs.len());
        assert_eq!(runs[0]["operations"][0]["ok"], 4500);
        assert_eq!(runs[0]["operations"][0]["target_rate_per_s"], Value::Null);
        assert!(runs.iter().any(|run| run["valid"] == false));
        let configurations = json["configurations"].as_array().expect("there are some");
        let of_workload = configurations
            .iter()
            .find(|c| c["workload"] == "write-heavy");
        let p50 = &of_workload.expect("it is there")["operations"][0]["response_ms"]["p50"];
        assert!(
            p50.as_f64().is_some_and(|ms| ms > 0.0 && ms < 100.0),
            "{p50}"
        );
        assert!(!json["problems"].as_array().expect("a list").is_empty());
    }
}
