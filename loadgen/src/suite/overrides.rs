//! What the caller wants otherwise than the files say.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{self, Path};
use std::time::Duration;

use telegraft_cluster::http::Consistency;

use super::bounds::{
    CONNECTIONS, MAX_DURATION, MAX_RATE, MAX_SEED, MIN_DURATION, MIN_RATE, REPLICAS, SPEED, TRIALS,
};
use super::listed::check_name;
use super::read::{DEFAULT_CONNECTIONS, MAX_ERRORS, RECORDED_BYTES};
use super::workload::{Arrival, Operations, Population, Sizes, Spacing, Stage, Workload};
use super::{Overrides, Suite, SuiteError, Targets};
use crate::values::duration_text;

/// What is wrong with them by themselves.
pub(super) fn check(overrides: &Overrides) -> Result<(), SuiteError> {
    check_values(overrides).map_err(SuiteError::Override)
}

fn check_values(overrides: &Overrides) -> Result<(), String> {
    if overrides.trace.is_some() && overrides.workloads.is_some() {
        return Err("--replay replaces the workloads, so --workload says nothing beside it".into());
    }
    if overrides.trace.is_some() && overrides.rate.is_some() {
        return Err(TRACE_HAS_NO_RATE.into());
    }
    distinct("systems", overrides.systems.as_deref())?;
    distinct("replicas", overrides.replicas.as_deref())?;
    distinct("workloads", overrides.workloads.as_deref())?;
    for replicas in overrides.replicas.iter().flatten() {
        within("replicas", Some(*replicas), &REPLICAS, |count| {
            count.to_string()
        })?;
    }
    let durations = MIN_DURATION..=MAX_DURATION;
    within(
        "the duration",
        overrides.duration,
        &durations,
        duration_text,
    )?;
    let warmups = Duration::ZERO..=MAX_DURATION;
    within("the warm-up", overrides.warmup, &warmups, duration_text)?;
    within("clients", overrides.clients, &CONNECTIONS, |count| {
        count.to_string()
    })?;
    let rates = MIN_RATE..=MAX_RATE;
    within("operations a second", overrides.rate, &rates, |rate| {
        rate.to_string()
    })?;
    within("the speed of a trace", overrides.speed, &SPEED, |speed| {
        speed.to_string()
    })?;
    within("trials", overrides.trials, &TRIALS, |trials| {
        trials.to_string()
    })?;
    within("the seed", overrides.seed, &(0..=MAX_SEED), |seed| {
        seed.to_string()
    })
}

const TRACE_HAS_NO_RATE: &str =
    "a trace has its own times: its speed (--speed) makes it faster or slower, not a rate";

/// A list has something in it, and nothing twice.
fn distinct<T: PartialEq>(what: &str, values: Option<&[T]>) -> Result<(), String> {
    match values {
        Some([]) => Err(format!("name at least one of the {what}")),
        Some(values) if has_twice(values) => Err(format!(
            "one of the {what} is named twice: results could not tell the runs apart"
        )),
        _ => Ok(()),
    }
}

/// A value, if there is one, is within bounds. (What is not a number is within none.)
fn within<T: PartialOrd + Copy>(
    what: &str,
    value: Option<T>,
    bounds: &RangeInclusive<T>,
    text: impl Fn(T) -> String,
) -> Result<(), String> {
    match value.filter(|value| !bounds.contains(value)) {
        Some(value) => Err(format!(
            "{what}: {} is out of bounds, {} to {}",
            text(value),
            text(*bounds.start()),
            text(*bounds.end())
        )),
        None => Ok(()),
    }
}

fn has_twice<T: PartialEq>(values: &[T]) -> bool {
    let mut rest = values;
    while let Some((first, others)) = rest.split_first() {
        if others.contains(first) {
            return true;
        }
        rest = others;
    }
    false
}

/// Applies those that [`check`] found in order.
pub(super) fn apply(suite: &mut Suite, overrides: &Overrides) -> Result<(), SuiteError> {
    set(&mut suite.systems, &overrides.systems);
    set(&mut suite.replicas, &overrides.replicas);
    set(&mut suite.duration, &overrides.duration);
    set(&mut suite.warmup, &overrides.warmup);
    set(&mut suite.trials, &overrides.trials);
    set(&mut suite.seed, &overrides.seed);
    set(&mut suite.durability, &overrides.durability);
    set(&mut suite.mailbox, &overrides.mailbox);
    if let Some(file) = &overrides.trace {
        suite.workloads = vec![trace(file)?];
    }
    let everywhere = suite.also.iter().flat_map(|part| &part.workloads);
    check_speed(suite.workloads.iter().chain(everywhere), overrides)?;
    change(&mut suite.workloads, overrides)?;
    for part in &mut suite.also {
        change(&mut part.workloads, overrides)?;
        set(&mut part.trials, &overrides.trials);
        set(&mut part.durability, &overrides.durability);
        set(&mut part.mailbox, &overrides.mailbox);
        // These are in the workloads now, and the part says nothing else any more.
        unless(&mut part.consistency, overrides.consistency.is_some());
        unless(&mut part.targets, overrides.targets.is_some());
        unless(&mut part.clients, overrides.clients.is_some());
        unless(&mut part.rate, overrides.rate.is_some());
    }
    Ok(())
}

fn unless<T>(value: &mut Option<T>, overridden: bool) {
    if overridden {
        *value = None;
    }
}

fn set<T: Clone>(value: &mut T, wanted: &Option<T>) {
    if let Some(wanted) = wanted {
        value.clone_from(wanted);
    }
}

/// Applies those that concern workloads (but not `trace`).
pub(super) fn apply_to_workloads(
    workloads: &mut [Workload],
    overrides: &Overrides,
) -> Result<(), SuiteError> {
    check_speed(workloads.iter(), overrides)?;
    change(workloads, overrides)
}

/// A speed is that of one of the workloads.
fn check_speed<'a>(
    mut workloads: impl Iterator<Item = &'a Workload>,
    overrides: &Overrides,
) -> Result<(), SuiteError> {
    let is_trace = |workload: &Workload| matches!(workload.arrival, Arrival::Trace { .. });
    if overrides.speed.is_some() && !workloads.any(is_trace) {
        return Err(SuiteError::Override(
            "--speed is that of a recording, and no workload is one: say --replay FILE".to_owned(),
        ));
    }
    Ok(())
}

fn change(workloads: &mut [Workload], overrides: &Overrides) -> Result<(), SuiteError> {
    for workload in workloads {
        set(&mut workload.consistency, &overrides.consistency);
        set(&mut workload.targets, &overrides.targets);
        if let Some(rate) = overrides.rate {
            open_loop(workload, rate)?;
        }
        match &mut workload.arrival {
            Arrival::Closed { clients, .. } => set(clients, &overrides.clients),
            Arrival::Open { connections, .. } => set(connections, &overrides.clients),
            Arrival::Trace {
                connections, speed, ..
            } => {
                set(connections, &overrides.clients);
                set(speed, &overrides.speed);
            }
        }
    }
    Ok(())
}

/// Makes it an open loop with one rate.
fn open_loop(workload: &mut Workload, rate: f64) -> Result<(), SuiteError> {
    let name = &workload.name;
    let spacing = match &workload.arrival {
        Arrival::Closed { .. } => Spacing::default(),
        Arrival::Open { spacing, .. } => *spacing,
        Arrival::Trace { .. } => {
            return Err(SuiteError::Override(format!(
                "workload {name}: {TRACE_HAS_NO_RATE}"
            )));
        }
    };
    if workload.operations == Operations::default() {
        return Err(SuiteError::Override(format!(
            "workload {name} does nothing but poll, so a rate has nothing to do more often"
        )));
    }
    workload.arrival = Arrival::Open {
        connections: workload.connections(),
        spacing,
        stages: vec![Stage {
            rate,
            to: None,
            length: None,
        }],
    };
    Ok(())
}

/// A recording as a workload, named after its file.
pub(super) fn trace(file: &Path) -> Result<Workload, SuiteError> {
    let refused = |why: String| SuiteError::Override(format!("--replay {}: {why}", file.display()));
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    check_name("workload", &name).map_err(refused)?;
    let path = path::absolute(file).map_err(|error| refused(error.to_string()))?;
    if path.to_str().is_none() {
        return Err(refused(
            "the path is not UTF-8, so that no file could name it".to_owned(),
        ));
    }
    Ok(Workload {
        name: name.into_owned(),
        description: format!("What {} recorded", file.display()),
        consistency: Consistency::default(),
        targets: Targets::default(),
        message_bytes: Sizes::Fixed(RECORDED_BYTES),
        max_errors: Some(MAX_ERRORS),
        population: Population::of_recording(),
        arrival: Arrival::Trace {
            file: path,
            speed: 1.0,
            connections: DEFAULT_CONNECTIONS,
        },
        operations: Operations::default(),
        polling: None,
        slo: BTreeMap::new(),
        faults: Vec::new(),
    })
}
