//! What the numbers were measured under.

use telegraft_loadgen::results::Environment;

use super::table::{Align, Table, one_line};
use crate::data::{Data, Run};
use crate::number::{plain, sig3, spread};
use crate::summary::settings;

/// What stands where there is nothing to say, as for the mailbox of `null`.
const NOTHING: &str = "-";

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
    if let Some(environment) = &data.environment {
        let e = environment;
        row("host", e.host.clone());
        row("processor", processor(e));
        row("memory", memory(e));
        row("kernel", e.kernel.clone());
        row("file system", e.file_system.clone());
        row("fdatasync of 4 KiB, alone", fdatasync(e));
        row("started", e.started_at.clone());
        row("telegraft", version(e));
        row("compiler", e.rustc.clone());
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
    if let Some(e) = &data.environment {
        text += &format!(
            "\n{} · {} · {}",
            processor(e),
            e.file_system,
            fdatasync_short(e)
        );
        if e.profile != "release" {
            text += &format!(" · {} build", e.profile);
        }
    }
    text.lines().map(|line| one_line(line) + "\n").collect()
}

/// A setting's value; where it has several, each with the workloads that have it.
fn by_workload(data: &Data, value: impl Fn(&Run) -> String) -> String {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for run in &data.runs {
        let value = value(run);
        if value == NOTHING {
            continue;
        }
        let workload = run.any().workload.as_str();
        match found.iter_mut().find(|(other, _)| *other == value) {
            Some((_, workloads)) if workloads.contains(&workload) => {}
            Some((_, workloads)) => workloads.push(workload),
            None => found.push((value, vec![workload])),
        }
    }
    match found.as_slice() {
        [(value, _)] => value.clone(),
        several => {
            let each = several
                .iter()
                .map(|(value, workloads)| format!("{value} ({})", workloads.join(", ")));
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
