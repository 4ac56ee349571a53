//! The design of the experiments: what was run, and on what.

use std::collections::BTreeSet;

use telegraft_loadgen::results::Environment;

use super::Context;
use super::table::{Cell, Column, Table};
use super::text::{Text, one_line};
use crate::data::{Data, Run, Source};
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

/// What was run: a row for each configuration.
pub(super) fn configurations(context: &Context<'_>) -> Table {
    let mut columns = vec![
        Column::text("workload", "workload"),
        Column::text("system", "system"),
    ];
    const SETTINGS: [Column; 9] = [
        Column::text("durability", "durability"),
        Column::text("consistency", "consistency"),
        Column::text("mailbox", "mailbox"),
        Column::text("targets", "targets"),
        Column::text("arrival", "arrival"),
        Column::text("clients", "clients"),
        Column::text("connections", "connections"),
        Column::text("message_bytes", "message bytes"),
        Column::text("warmup_s", "warm-up (s)"),
    ];
    columns.extend(SETTINGS);
    columns.extend([
        Column::text("duration_s", "counted (s)"),
        Column::text("trials", "trials"),
    ]);
    let mut table = Table::new("configurations", Text::default(), &columns);
    for group in &context.groups {
        let row = group.any();
        let system = match row.replicas {
            0 => row.system.clone(),
            n => format!("{} ×{n}", row.system),
        };
        let mut cells = vec![Cell::text(&row.workload), Cell::text(system)];
        cells.extend(settings(row).map(|(_, value)| Cell::Text(value)));
        let durations = spread(group.runs.iter().map(|run| run.any().duration_s));
        cells.push(Cell::Text(durations.map_or(String::new(), |durations| {
            let (min, max) = (plain(durations.min), plain(durations.max));
            if min == max {
                min
            } else {
                format!("{min} to {max}")
            }
        })));
        cells.push(Cell::text(group.runs.len().to_string()));
        table.row(cells);
    }
    let alike = alike(&mut table);
    let alike = match alike.is_empty() {
        true => String::new(),
        false => format!(" In all of them: {}.", alike.join(", ")),
    };
    let turns = match context.data.sources.len() {
        1 => " Trials come in turn.",
        _ => "",
    };
    table.caption = Text::parse(&format!("What was run.{turns}"))
        .then(Text::plain(alike))
        .then(Text::parse(
            " `-` stands where a setting means nothing for the system, and `unknown` where it is that of \
             a cluster that was up already.",
        ));
    table
}

/// Takes the columns out that say the same of all that they say something of, and says it; and
/// the connections, where each client has its own.
fn alike(table: &mut Table) -> Vec<String> {
    let mut said = Vec::new();
    let mut at = 2;
    while at < table.columns.len() {
        let column = table.columns[at];
        let mut values: Vec<String> = Vec::new();
        for cell in table.rows.iter().map(|row| row[at].shown()) {
            if cell != NOTHING && !values.contains(&cell) {
                values.push(cell);
            }
        }
        let clients = table.columns.iter().position(|c| c.key == "clients");
        let own = column.key == "connections"
            && clients.is_some_and(|other| table.rows.iter().all(|row| row[at] == row[other]));
        match values.as_slice() {
            [value] if !own => said.push(format!("{} {value}", column.head)),
            _ if own => {}
            _ => {
                at += 1;
                continue;
            }
        }
        table.columns.remove(at);
        for row in &mut table.rows {
            row.remove(at);
        }
    }
    said
}

/// On what.
pub(super) fn environment(data: &Data) -> Table {
    let columns = [
        Column::text("condition", "condition"),
        Column::text("value", "value"),
    ];
    let standing = data.runs.iter().any(Run::standing);
    let caption = Text::parse(match standing {
        true => {
            "What the load came from; of the machines of a cluster that was up already, the files \
                 say nothing. fdatasync was measured before the first run, with nothing else going on."
        }
        false => {
            "What it ran on. fdatasync was measured before the first run, with nothing else going on."
        }
    });
    let mut table = Table::new("environment", caption, &columns);
    for (name, value) in ENVIRONMENT {
        let value = by_directory(data, value);
        if !value.is_empty() {
            table.row(vec![Cell::text(name), Cell::Text(value)]);
        }
    }
    table
}

/// How much of it there was, in a sentence.
pub(super) fn extent(context: &Context<'_>) -> Option<Text> {
    let runs = &context.data.runs;
    let mut workloads: Vec<&str> = Vec::new();
    let mut counts = BTreeSet::new();
    for run in runs {
        let row = run.any();
        if !workloads.contains(&row.workload.as_str()) {
            workloads.push(&row.workload);
        }
        if row.replicas > 0 {
            counts.insert(row.replicas);
        }
    }
    let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
    let seconds: f64 = runs.iter().map(|run| run.any().duration_s).sum();
    let replicas = match counts.as_slice() {
        [] => String::new(),
        [one] if one == "1" => ", of 1 replica".to_owned(),
        counts => format!(", of {} replicas", listed(counts, "and")),
    };
    let plural = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    (!runs.is_empty()).then(|| {
        Text::plain(format!(
            "{} of {}{replicas}, under {} ({}), counted for {} s in all.",
            plural(runs.len(), "run"),
            plural(context.groups.len(), "configuration"),
            plural(workloads.len(), "workload"),
            workloads.join(", "),
            plain(seconds),
        ))
    })
}

/// `a, b and c`.
pub(super) fn listed(items: &[String], and: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} {and} {last}", head.join(", ")),
    }
}

/// The conditions that no number of `runs` should be without: settings, and the machine.
pub(super) fn conditions(data: &Data, runs: &[&Run]) -> String {
    let lines = line(data, runs).into_iter().filter(|line| !line.is_empty());
    lines.collect::<Vec<String>>().join(" · ")
}

/// The same in two lines.
pub(super) fn line(data: &Data, runs: &[&Run]) -> [String; 2] {
    let mut parts = Vec::new();
    for name in [
        "durability",
        "consistency",
        "mailbox",
        "clients",
        "message bytes",
    ] {
        let value = of_runs(runs, |run| {
            let found = settings(run.any()).into_iter().find(|(n, _)| *n == name);
            found.map_or(String::new(), |(_, value)| value)
        });
        if !value.is_empty() {
            parts.push(format!("{name} {value}"));
        }
    }
    // Of a cluster that was up elsewhere, the generator's disk says nothing.
    let fresh = |at: usize| runs.iter().any(|run| run.source == at && !run.standing());
    let sources: Vec<(usize, &Source)> = data
        .sources
        .iter()
        .enumerate()
        .filter(|(at, _)| runs.iter().any(|run| run.source == *at))
        .collect();
    let machine = each_once(sources.into_iter().filter_map(|(at, source)| {
        let e = source.environment.as_ref()?;
        let build = match e.profile.as_str() {
            "release" => String::new(),
            other => format!(" · {other} build"),
        };
        let machine = match fresh(at) {
            true => format!(
                "{} · {} · {}",
                processor(e),
                e.file_system,
                fdatasync_short(e)
            ),
            false => format!("load from {}", processor(e)),
        };
        Some((format!("{machine}{build}"), &*source.name))
    }));
    [parts.join(" · "), machine].map(|line| one_line(&line))
}

/// A setting's value, or all that it has.
fn of_runs(runs: &[&Run], value: impl Fn(&Run) -> String) -> String {
    let mut found: Vec<String> = Vec::new();
    for run in runs {
        let value = value(run);
        if value != NOTHING && !found.contains(&value) {
            found.push(value);
        }
    }
    listed(&found, "or")
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
