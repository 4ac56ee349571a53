//! From tables to workloads: one file of this directory for each part of a workload's file.

mod arrival;
mod faults;
mod operations;
mod population;
mod slo;

use std::collections::BTreeMap;
use std::path::Path;

use telegraft_cluster::http::Consistency;

use super::Targets;
use super::bounds::{MAX_SIZES, MAX_WEIGHT, MESSAGE_BYTES, SIGMA};
use super::document::{Item, Table, Wrong};
use super::workload::{Arrival, Operations, Population, Sizes, Workload};

pub(super) use arrival::{DEFAULT_CONNECTIONS, SPACINGS};
pub(super) use faults::{ACTIONS, TARGETS};
pub(super) use operations::PAGES;

/// What a workload's file has at its top.
pub(super) const KEYS: [&str; 11] = [
    "description",
    "consistency",
    "targets",
    "message_bytes",
    "max_errors",
    "arrival",
    "population",
    "operations",
    "polling",
    "slo",
    "faults",
];

/// Names in files.
pub(super) const CONSISTENCIES: [(&str, Consistency); 3] = [
    ("linearizable", Consistency::Linearizable),
    ("lease", Consistency::Lease),
    ("local", Consistency::Local),
];

/// Before a run without faults is `invalid:errors`.
pub(super) const MAX_ERRORS: f64 = 0.01;

/// Of messages in a recording that does not say how long they were.
pub(super) const RECORDED_BYTES: usize = 128;

/// Reads a workload; paths in it count from `directory`.
pub(super) fn workload(table: &Table<'_>, name: &str, directory: &Path) -> Result<Workload, Wrong> {
    if let Some(clients) = table.get("clients") {
        return Err(clients.wrong(format!(
            "`clients` stands in [{0}] now: [{0}], and under it model = \"closed\" and \
             clients = 64",
            table.path_of("arrival")
        )));
    }
    table.only(&KEYS)?;
    let arrival = table.need(
        "arrival",
        "[arrival], with model = \"closed\" and clients = 64",
    )?;
    let arrival = arrival::arrival(&arrival, directory)?;
    let (population, operations) = match arrival {
        Arrival::Trace { .. } => {
            recorded(table)?;
            (Population::of_recording(), Operations::default())
        }
        _ => living(table, &arrival)?,
    };
    let faults = match table.get("faults") {
        Some(item) => faults::faults(&item)?,
        None => Vec::new(),
    };
    let mut workload = Workload {
        name: name.to_owned(),
        description: match table.get("description") {
            Some(item) => item.text("text, as \"What it stands for\"")?.to_owned(),
            None => String::new(),
        },
        consistency: match table.get("consistency") {
            Some(item) => item.named("consistency", &CONSISTENCIES)?,
            None => Consistency::default(),
        },
        targets: match table.get("targets") {
            Some(item) => item.named("targets", &Targets::ALL.map(|all| (all.name(), all)))?,
            None => Targets::default(),
        },
        message_bytes: message_bytes(table, &arrival)?,
        max_errors: match table.get("max_errors") {
            Some(item) => Some(item.share()?),
            None if faults.is_empty() => Some(MAX_ERRORS),
            None => None,
        },
        population,
        polling: match table.get("polling") {
            Some(item) => Some(operations::polling(&item, &arrival, &population)?),
            None => None,
        },
        arrival,
        operations,
        slo: BTreeMap::new(),
        faults,
    };
    if let Some(item) = table.get("slo") {
        workload.slo = slo::slo(&item, &workload)?;
    }
    Ok(workload)
}

/// A trace has its users, rooms and operations from the recording.
fn recorded(table: &Table<'_>) -> Result<(), Wrong> {
    for key in ["population", "operations", "polling"] {
        if let Some(item) = table.get(key) {
            return Err(item.wrong(format!(
                "a trace has no [{key}]: who did what, and when, is in the recording"
            )));
        }
    }
    Ok(())
}

/// Who is there and what they do, of what is no recording.
fn living(table: &Table<'_>, arrival: &Arrival) -> Result<(Population, Operations), Wrong> {
    let population = table.need(
        "population",
        "[population], with users = 100, rooms = 20 and rooms_per_user = 3",
    )?;
    let population = population::population(&population)?;
    let polls = table.get("polling").is_some();
    let operations = match table.get("operations") {
        Some(item) => operations::operations(&item)?,
        None => Operations::default(),
    };
    match arrival.peak() {
        Some(0.0) if polls => {}
        Some(0.0) => {
            let item = table.get("arrival").expect("it was read");
            return Err(item
                .wrong("nothing would ever be due: a rate of 0 is for a workload with [polling]"));
        }
        _ if operations == Operations::default() => {
            let message = "name at least one operation (send, read, inbox, join, create-room), \
                           as [operations.send]";
            return Err(match table.get("operations") {
                Some(item) => item.wrong(message),
                None => table.wrong(message),
            });
        }
        _ => {}
    }
    Ok((population, operations))
}

const SIZES: &str = "a size as 128 or \"1KiB\", { uniform = [32, 512] }, \
                     { log-normal = { median = 90, sigma = 0.9, max = \"4KiB\" } } or \
                     { table = [[64, 60], [512, 40]] }";
/// Why a message is not shorter or longer.
const WHY: &str = " bytes: a message carries its id, and the interface takes no more";

fn message_bytes(table: &Table<'_>, arrival: &Arrival) -> Result<Sizes, Wrong> {
    match table.get("message_bytes") {
        Some(item) => sizes(&item),
        None if matches!(arrival, Arrival::Trace { .. }) => Ok(Sizes::Fixed(RECORDED_BYTES)),
        None => Err(table.wrong("missing `message_bytes`: as message_bytes = 128")),
    }
}

fn sizes(item: &Item<'_>) -> Result<Sizes, Wrong> {
    if !item.is_table() {
        return if item.is_number_or_text() {
            Ok(Sizes::Fixed(item.bytes(MESSAGE_BYTES, WHY)?))
        } else {
            Err(item.wanted(SIZES))
        };
    }
    let (form, item) = item.choice(&["uniform", "log-normal", "table"], SIZES)?;
    match form {
        "uniform" => {
            let [least, most] = item.pair("two sizes, as [32, 512]")?;
            let [from, to] = [
                least.bytes(MESSAGE_BYTES, WHY)?,
                most.bytes(MESSAGE_BYTES, WHY)?,
            ];
            if from > to {
                return Err(most.wrong(format!(
                    "sizes from {from} to {to}: the smaller one comes first, as [32, 512]"
                )));
            }
            Ok(Sizes::Uniform(from, to))
        }
        "log-normal" => {
            let table = item.table("{ median = 90, sigma = 0.9, max = \"4KiB\" }")?;
            table.only(&["median", "sigma", "max"])?;
            let median = table.need("median", "median = 90")?;
            let median = median.bytes(MESSAGE_BYTES, WHY)?;
            let sigma = table.need("sigma", "sigma = 0.9")?.number(SIGMA, "")?;
            let longest = table.need("max", "max = \"4KiB\"")?;
            let max = longest.bytes(MESSAGE_BYTES, WHY)?;
            if max < median {
                return Err(longest.wrong(format!(
                    "half of the sizes are above {median}: max is no less than that"
                )));
            }
            Ok(Sizes::LogNormal { median, sigma, max })
        }
        _ => sizes_table(&item),
    }
}

fn sizes_table(item: &Item<'_>) -> Result<Sizes, Wrong> {
    const ROW: &str = "a size and its weight, as [512, 30]";
    let mut sizes: Vec<(usize, f64)> = Vec::new();
    for row in item.list(MAX_SIZES, "[[64, 60], [512, 40]]")? {
        let [size, weight] = row.pair(ROW)?;
        let bytes = size.bytes(MESSAGE_BYTES, WHY)?;
        if sizes.iter().any(|(other, _)| *other == bytes) {
            return Err(size.wrong(format!("the size {bytes} is there twice: add the weights")));
        }
        let least = 1.0 / MAX_WEIGHT as f64;
        sizes.push((bytes, weight.number(least..=MAX_WEIGHT as f64, "")?));
    }
    Ok(Sizes::Table(sizes))
}
