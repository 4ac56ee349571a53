//! `[[also]]`: what a suite runs beside its product.

use std::collections::BTreeSet;

use super::bounds::{CONNECTIONS, MAX_LISTED, MAX_RATE, MIN_RATE};
use super::design::Part;
use super::document::{Item, Table};
use super::listed::{check_name, listed, replicas, systems, trials};
use super::load::{DURABILITIES, MAILBOXES};
use super::read::CONSISTENCIES;
use super::source::Source;
use super::{Suite, SuiteError, Targets, Workload};

/// The key of parts in a suite's file.
pub(super) const KEY: &str = "also";

const KEYS: [&str; 11] = [
    "name",
    "systems",
    "replicas",
    "workloads",
    "trials",
    "durability",
    "mailbox",
    "consistency",
    "targets",
    "clients",
    "rate",
];

const FORM: &str = "[[also]] with name = \"fifo\" and mailbox = \"fifo\"";

/// How many parts a suite's file has.
pub(super) fn count(table: &Table<'_>) -> usize {
    let listed = table
        .get(KEY)
        .and_then(|item| item.list(MAX_LISTED, FORM).ok());
    listed.map_or(0, |parts| parts.len())
}

/// Reads the parts of `suite`, whose product is read already, and for each of them where it names
/// its workloads (or the part, if it does not).
pub(super) fn parts(
    source: &Source,
    table: &Table<'_>,
    suite: &Suite,
    inline: &[Workload],
) -> Result<Vec<(Part, Vec<usize>)>, SuiteError> {
    let Some(item) = table.get(KEY) else {
        return Ok(Vec::new());
    };
    let items = item.list(MAX_LISTED, FORM);
    let mut reader = Reader {
        source,
        suite,
        inline,
        workloads: suite.workloads.clone(),
        names: BTreeSet::new(),
        parts: Vec::new(),
    };
    let product = suite.configurations()?;
    reader
        .names
        .extend(product.into_iter().map(|each| each.name));
    for item in items.map_err(|wrong| source.wrong(wrong))? {
        reader.part(&item)?;
    }
    Ok(reader.parts)
}

struct Reader<'a> {
    source: &'a Source,
    suite: &'a Suite,
    inline: &'a [Workload],
    /// Every workload until now: one name stands for one of them in results.
    workloads: Vec<Workload>,
    /// Of every configuration until now.
    names: BTreeSet<String>,
    parts: Vec<(Part, Vec<usize>)>,
}

impl Reader<'_> {
    fn part(&mut self, item: &Item<'_>) -> Result<(), SuiteError> {
        let wrong = |wrong| self.source.wrong(wrong);
        let table = item.table(&format!("tables, as {FORM}")).map_err(wrong)?;
        let mut part = self.settings(&table)?;
        let places = match table.get("workloads") {
            Some(item) => {
                let (workloads, places) = listed(self.source, &item, self.inline)?;
                part.workloads = workloads;
                places
            }
            None => vec![table.at; part.workloads.len()],
        };
        for (workload, at) in part.workloads.iter().zip(&places) {
            let other = self
                .workloads
                .iter()
                .find(|known| known.name == workload.name);
            if other.is_some_and(|other| other != workload) {
                return Err(self.source.wrong_at(
                    *at,
                    format!(
                        "another workload has the name {} and is not the same: results could not \
                         tell them apart",
                        workload.name
                    ),
                ));
            }
        }
        let configurations = part.configurations().map_err(|error| {
            let at = table.get("rate").map_or(table.at, |item| item.at);
            self.source.wrong_at(at, error.to_string())
        })?;
        for configuration in configurations {
            if self.names.contains(&configuration.name) {
                let at = table.get("name").map_or(table.at, |item| item.at);
                return Err(self.source.wrong_at(
                    at,
                    format!(
                        "with the name {:?}, two runs would be called {}: choose another one",
                        part.name,
                        configuration.run_id(1)
                    ),
                ));
            }
            self.names.insert(configuration.name);
        }
        self.workloads.extend(part.workloads.iter().cloned());
        self.parts.push((part, places));
        Ok(())
    }

    /// All of it but what its own `workloads` are.
    fn settings(&self, table: &Table<'_>) -> Result<Part, SuiteError> {
        let read = || {
            table.only(&KEYS)?;
            let name_item = table.need("name", "name = \"fifo\"")?;
            let name = name_item.text("text, as \"fifo\"")?;
            check_name("part", name).map_err(|why| name_item.wrong(why))?;
            if self.parts.iter().any(|(other, _)| other.name == name) {
                return Err(name_item.wrong(format!("two parts have the name {name}")));
            }
            let suite = self.suite;
            let get = |key| table.get(key);
            Ok(Part {
                name: name.to_owned(),
                systems: match get("systems") {
                    Some(item) => systems(&item)?,
                    None => suite.systems.clone(),
                },
                replicas: match get("replicas") {
                    Some(item) => replicas(&item)?,
                    None => suite.replicas.clone(),
                },
                workloads: suite.workloads.clone(),
                trials: match get("trials") {
                    Some(item) => trials(&item)?,
                    None => suite.trials,
                },
                durability: match get("durability") {
                    Some(item) => item.named("durability", &DURABILITIES)?,
                    None => suite.durability,
                },
                mailbox: match get("mailbox") {
                    Some(item) => item.named("mailbox", &MAILBOXES)?,
                    None => suite.mailbox,
                },
                consistency: match get("consistency") {
                    Some(item) => Some(item.named("consistency", &CONSISTENCIES)?),
                    None => None,
                },
                targets: match get("targets") {
                    Some(item) => {
                        let all = Targets::ALL.map(|all| (all.name(), all));
                        Some(item.named("targets", &all)?)
                    }
                    None => None,
                },
                clients: match get("clients") {
                    Some(item) => Some(item.places(CONNECTIONS, " clients or connections")?),
                    None => None,
                },
                rate: match get("rate") {
                    Some(item) => Some(item.number(MIN_RATE..=MAX_RATE, " a second")?),
                    None => None,
                },
            })
        };
        read().map_err(|wrong| self.source.wrong(wrong))
    }
}
