//! What the numbers were measured under.

use telegraft_loadgen::results::Environment;

use super::old_table::{Align, Table, one_line};
use crate::data::{Data, Run};
use crate::number::{plain, sig3, spread};
use crate::summary::settings;

/// What stands where there is nothing to say, as for the mailbox of `null`.
const NOTHING: &str = "-";

/// One thing to say of a directory's environment.
type OfEnvironment = fn(&Environment) -> String;

/// What there is to say of a directory's environment.
const ENVIRONMENT: [(&str, OfEnvironment); 9] = [
    ("host", |e| e.host.clone()),
    ("processor", processor),
    ("memory", memory),
    ("kernel", |e| e.kernel.clone()),
    ("file system", |e| e.file_system.clone()),
    ("fdatasync of 4 KiB, alone", fdatasync),
    ("started", |e| e.started_at.clone()),
    ("telegraft", version),
    ("compiler", |e| e.rustc.clone()),
];

/// All of them, as a table.
pub(super) fn conditions(data: &Data) -> Table {
    let mut table = Table::new(&[("condition", Align::Left), ("value", Align::Left)]);
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            table.row(vec![name.to_owned(), value]);
        }
    };
    for at in 0..data.runs.first().map_or(0, |run| settings(run.any()).len()) {
        let name = settings(data.runs[0].any())[at].0;
        row(
            name,
            by_workload(data, |run| settings(run.any())[at].1.clone()),
        );
    }
    let durations = data.runs.iter().map(|run| run.any().duration_s);
    if let Some(durations) = spread(durations) {
        let (min, max) = (plain(durations.min), plain(durations.max));
        let range = if min == max {
            min
        } else {
            format!("{min} to {max}")
        };
        row("counted (s)", range);
    }
    let trials = data.runs.iter().map(|run| run.any().trial).max();
    row("trials", trials.map_or(String::new(), |n| n.to_string()));
    for (name, value) in ENVIRONMENT {
        row(name, by_directory(data, value));
    }
    table
}

/// The ones that no number should be without, in two lines.
pub(super) fn line(data: &Data) -> String {
    let mut parts = Vec::new();
    for name in [
        "durability",
        "consistency",
        "mailbox",
        "clients",
        "message bytes",
    ] {
        let value = by_workload(data, |run| {
            let found = settings(run.any()).into_iter().find(|(n, _)| *n == name);
            found.map_or(String::new(), |(_, value)| value)
        });
        if !value.is_empty() {
            parts.push(format!("{name} {value}"));
        }
    }
    let mut text = parts.join(" · ");
    let machine = by_directory(data, |e| {
        let build = match e.profile.as_str() {
            "release" => String::new(),
            other => format!(" · {other} build"),
        };
        format!(
            "{} · {} · {}{build}",
            processor(e),
            e.file_system,
            fdatasync_short(e)
        )
    });
    text += &format!("\n{machine}");
    text.lines().map(|line| one_line(line) + "\n").collect()
}

/// A setting's value; where it has several, each with the workloads that have it.
fn by_workload(data: &Data, value: impl Fn(&Run) -> String) -> String {
    let values = data
        .runs
        .iter()
        .map(|run| (value(run), &*run.any().workload));
    each_once(values.filter(|(value, _)| value != NOTHING))
}

/// What is so in all directories; where it differs, each with the directories of which it holds.
fn by_directory(data: &Data, value: impl Fn(&Environment) -> String) -> String {
    let sources = data.sources.iter();
    each_once(sources.filter_map(|s| Some((value(s.environment.as_ref()?), &*s.name))))
}

/// A value; of several, each once, with all that have it.
fn each_once<'a>(values: impl Iterator<Item = (String, &'a str)>) -> String {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for (value, owner) in values {
        match found.iter_mut().find(|(other, _)| *other == value) {
            Some((_, owners)) if owners.contains(&owner) => {}
            Some((_, owners)) => owners.push(owner),
            None => found.push((value, vec![owner])),
        }
    }
    match found.as_slice() {
        [(value, _)] => value.clone(),
        several => {
            let each = several
                .iter()
                .map(|(value, owners)| format!("{value} ({})", owners.join(", ")));
            each.collect::<Vec<String>>().join(", ")
        }
    }
}

fn processor(e: &Environment) -> String {
    let cpus = if e.cpus == 1 { "CPU" } else { "CPUs" };
    format!("{}, {} {cpus} usable", e.cpu, e.cpus)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "memory is given with three digits"
)]
fn memory(e: &Environment) -> String {
    format!("{} GiB", sig3(e.memory_bytes as f64 / f64::from(1 << 30)))
}

fn fdatasync(e: &Environment) -> String {
    let ms = |us: f64| sig3(us / 1000.0);
    let f = &e.fdatasync;
    format!(
        "p50 {} ms, p90 {} ms, p99 {} ms, longest {} ms, of {}",
        ms(f.p50_us),
        ms(f.p90_us),
        ms(f.p99_us),
        ms(f.max_us),
        f.samples
    )
}

fn fdatasync_short(e: &Environment) -> String {
    let ms = |us: f64| sig3(us / 1000.0);
    let f = &e.fdatasync;
    format!("fdatasync p50 {} ms, p99 {} ms", ms(f.p50_us), ms(f.p99_us))
}

fn version(e: &Environment) -> String {
    let revision = match &e.git_revision {
        Some(revision) => format!("revision {revision}"),
        None => "revision unknown".to_owned(),
    };
    let warning = if e.profile == "release" { "" } else { "⚠ " };
    format!("{}, {revision}, {warning}{} build", e.version, e.profile)
}
