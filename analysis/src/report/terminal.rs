//! A report for the terminal: the tables that most look for, and what must not be overlooked.

use super::Context;
use super::cells::marked;
use super::design;
use super::document::Document;
use super::results::stress;
use super::runs::why_not;
use super::table::{MARK, Table};
use super::text::{Text, one_line};

/// The tables that a terminal shows, with their titles, in order.
const SHOWN: [(&str, &str); 17] = [
    ("directories", "Directories"),
    ("shards", "Shards"),
    ("stress-runs", "Stress"),
    ("stress-faults", "Faults"),
    ("stress-operations", "Operations under faults"),
    ("stress-staleness", "How far local reads were behind"),
    ("stress-violations", "What was broken"),
    ("throughput", "Throughput"),
    ("latency", "Response time (pooled)"),
    ("open-loop", "Open loop"),
    ("replicas", "Number of replicas (ratios)"),
    ("settings", "Settings (ratios)"),
    ("read-modes", "Read modes"),
    ("slos", "SLOs"),
    ("failover", "Fail-over"),
    ("find-max", "Highest rate"),
    (
        "original",
        "Beside the original (it ran on another machine)",
    ),
];

/// For a terminal of 110 columns; without colours.
pub(super) fn terminal(context: &Context<'_>, document: &Document, findings: &[Text]) -> String {
    let mut text = format!("{}\n", one_line(&document.title));
    let mut part = |content: String| {
        if !content.trim().is_empty() {
            text += &format!("\n{}\n", content.trim_end());
        }
    };
    part(design::line(context.data, &context.data.runs.iter().collect::<Vec<_>>()).join("\n"));
    // The answer is what is looked for first.
    part(bullets(stress::short(context).iter().map(Text::terminal)));
    let tables = document.tables();
    for (name, title) in SHOWN {
        let found: Option<&&Table> = tables.iter().find(|table| table.name == name);
        part(found.map_or(String::new(), |table| {
            format!("{title}\n{}", table.terminal())
        }));
    }
    let told = stress::short(context).len();
    part(bullets(findings.iter().skip(told).map(Text::terminal)));
    let invalid = context.data.runs.iter().filter(|run| !run.valid());
    part(bullets(invalid.map(|run| {
        one_line(&format!("{}: {}", marked(run), why_not(run)))
    })));
    let problems = context.data.problems.iter();
    part(bullets(
        problems.map(|problem| one_line(&format!("{MARK} {problem}"))),
    ));
    text
}

fn bullets(sentences: impl Iterator<Item = String>) -> String {
    sentences
        .map(|sentence| format!("- {sentence}\n"))
        .collect()
}
