//! Reading suites and single workloads.

use std::path::Path;
use std::time::Duration;

use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;

use super::bounds::{MAX_DURATION, MAX_SEED, MIN_DURATION};
use super::document::{Table, Wrong};
use super::listed::{INLINE, asked_for, check_name, inline, listed, replicas, systems, trials};
use super::source::{SUITES, Source, WORKLOADS};
use super::{Overrides, Suite, SuiteError, System, Workload, overrides, parts, read};

/// What a suite's file has at its top.
const KEYS: [&str; 12] = [
    "name",
    "description",
    "nonce",
    "systems",
    "replicas",
    "workloads",
    "warmup",
    "duration",
    "trials",
    "seed",
    "durability",
    "mailbox",
];
/// Beside [`KEYS`]: what stands in tables of its own.
const TABLES: [&str; 2] = [INLINE, parts::KEY];

pub(super) const DURABILITIES: [(&str, Durability); 2] =
    [("fsync", Durability::Fsync), ("none", Durability::None)];

pub(super) const MAILBOXES: [(&str, Mailbox); 2] =
    [("lanes", Mailbox::Lanes), ("fifo", Mailbox::Fifo)];

/// How long each run goes before it counts, if nobody says.
const WARMUP: Duration = Duration::from_secs(1);
/// How long each run counts, if nobody says.
const DURATION: Duration = Duration::from_secs(10);
/// Replicas, if nobody says: the fewest that go on without one.
const THREE: usize = 3;

/// Reads a suite (or a workload: then it is a suite of that alone), built in or a file, with its
/// workloads, and applies the overrides.
///
/// # Errors
/// What is wrong, with file and line.
pub fn load(name: &str, overrides: &Overrides) -> Result<Suite, SuiteError> {
    load_with_note(name, overrides).map(|(suite, _)| suite)
}

/// What [`load`] reads, and what of the file the overrides leave out, if they do, in a sentence.
///
/// # Errors
/// As those of [`load`].
pub fn load_with_note(
    name: &str,
    overrides: &Overrides,
) -> Result<(Suite, Option<String>), SuiteError> {
    overrides::check(overrides)?;
    let source = Source::find("suite", name, None, &[&SUITES, &WORKLOADS])?;
    let document = source.parse()?;
    let table = Table::root(&document);
    let Read {
        mut suite,
        places,
        left_out,
    } = if is_workload(&table) {
        alone(&source, &table, overrides)?
    } else {
        suite(&source, &table, overrides)?
    };
    overrides::apply(&mut suite, overrides)?;
    let overridden = overrides.duration.is_some() || !overrides.product().is_empty();
    let refused = |at: Option<&usize>, message| match at.filter(|_| !overridden) {
        Some(at) => source.wrong_at(*at, message),
        None => SuiteError::Override(message),
    };
    for (nth, workload) in suite.workloads.iter().enumerate() {
        fits(workload, &suite.systems, &suite.replicas, suite.duration)
            .map_err(|message| refused(places.product.get(nth), message))?;
    }
    for (part, places) in suite.also.iter().zip(&places.parts) {
        for (workload, at) in part.workloads.iter().zip(places) {
            fits(workload, &part.systems, &part.replicas, suite.duration)
                .map_err(|message| refused(Some(at), message))?;
        }
    }
    let note = (left_out > 0).then(|| {
        format!(
            "{} asks for a product of its own: what the suite runs beside it ([[also]], {}) is \
             left out",
            overrides.product().join(", "),
            match left_out {
                1 => "1 part".to_owned(),
                parts => format!("{parts} parts"),
            }
        )
    });
    Ok((suite, note))
}

/// Reads the one workload that `name` is or that the suite of this name consists of, built in or a
/// file, and applies those overrides that concern workloads. (`--replay` is a workload by itself:
/// then `name` does not count.)
///
/// Whether faults happen inside the run and the replicas are enough for them is for those to check
/// who know both.
///
/// # Errors
/// What is wrong, with file and line; of a suite with several workloads, which ones it has.
pub fn load_workload(name: &str, overrides: &Overrides) -> Result<Workload, SuiteError> {
    overrides::check(overrides)?;
    let mut workload = match &overrides.trace {
        Some(file) => overrides::trace(file)?,
        None => one_workload(name)?,
    };
    overrides::apply_to_workloads(std::slice::from_mut(&mut workload), overrides)?;
    Ok(workload)
}

/// What [`load_workload`] reads, as the suite of one run of it.
///
/// # Errors
/// As those of [`load_workload`].
pub fn load_alone(name: &str, overrides: &Overrides) -> Result<Suite, SuiteError> {
    let mut suite = of_one(load_workload(name, overrides)?);
    suite.warmup = overrides.warmup.unwrap_or(suite.warmup);
    suite.duration = overrides.duration.unwrap_or(suite.duration);
    suite.seed = overrides.seed.unwrap_or(suite.seed);
    Ok(suite)
}

fn one_workload(name: &str) -> Result<Workload, SuiteError> {
    let source = Source::find("workload", name, None, &[&WORKLOADS, &SUITES])?;
    let document = source.parse()?;
    let table = Table::root(&document);
    if !is_suite(&table) {
        return workload(&source, &table);
    }
    let mut suite = suite(&source, &table, &Overrides::default())?.suite;
    if suite.workloads.len() > 1 {
        let names = suite
            .workloads
            .iter()
            .map(|workload| workload.name.as_str());
        let at = table.get("workloads").map_or(0, |item| item.at);
        let message = format!(
            "this is a suite of {} workloads, and one is wanted: {}",
            suite.workloads.len(),
            names.collect::<Vec<_>>().join(", ")
        );
        return Err(source.wrong(Wrong { at, message }));
    }
    Ok(suite.workloads.remove(0))
}

/// How many keys at the top only a suite, and only a workload has.
fn votes(table: &Table<'_>) -> (usize, usize) {
    let suite =
        |key: &str| TABLES.contains(&key) || KEYS.contains(&key) && !read::KEYS.contains(&key);
    let workload =
        |key: &str| key == "clients" || read::KEYS.contains(&key) && !KEYS.contains(&key);
    let count = |has: &dyn Fn(&str) -> bool| table.keys().filter(|(key, _)| has(key)).count();
    (count(&suite), count(&workload))
}

fn is_workload(table: &Table<'_>) -> bool {
    let (suite, workload) = votes(table);
    workload > suite
}

pub(super) fn is_suite(table: &Table<'_>) -> bool {
    let (suite, workload) = votes(table);
    suite > workload
}

/// A file that is a workload.
pub(super) fn workload(source: &Source, table: &Table<'_>) -> Result<Workload, SuiteError> {
    check_name("workload", &source.name).map_err(|why| source.refused(why))?;
    let directory = source.directory.as_deref().unwrap_or(Path::new(""));
    read::workload(table, &source.name, directory).map_err(|wrong| source.wrong(wrong))
}

/// A workload as a suite of it alone, and where it is named.
fn alone(source: &Source, table: &Table<'_>, overrides: &Overrides) -> Result<Read, SuiteError> {
    let workload = workload(source, table)?;
    if overrides.workloads.is_some() {
        return Err(SuiteError::Override(format!(
            "{} is a workload already: name a suite to run --workload with, or none",
            workload.name
        )));
    }
    let at = table.get("faults").map_or(0, |item| item.at);
    Ok(Read {
        suite: of_one(workload),
        places: Places {
            product: vec![at],
            parts: Vec::new(),
        },
        left_out: 0,
    })
}

/// The suite of one workload, with nothing said otherwise.
fn of_one(workload: Workload) -> Suite {
    Suite {
        name: workload.name.clone(),
        description: workload.description.clone(),
        systems: vec![System::Telegraft],
        replicas: vec![THREE],
        workloads: vec![workload],
        warmup: WARMUP,
        duration: DURATION,
        trials: 1,
        seed: 1,
        durability: Durability::default(),
        mailbox: Mailbox::default(),
        also: Vec::new(),
    }
}

/// A suite that was read.
struct Read {
    suite: Suite,
    places: Places,
    /// Parts of its file that the overrides leave out.
    left_out: usize,
}

/// Where a suite's file names each of its workloads: nowhere, if the overrides do.
#[derive(Default)]
struct Places {
    product: Vec<usize>,
    parts: Vec<Vec<usize>>,
}

/// A file that is a suite.
fn suite(source: &Source, table: &Table<'_>, overrides: &Overrides) -> Result<Read, SuiteError> {
    let mut suite = settings(source, table).map_err(|wrong| source.wrong(wrong))?;
    let inline = inline(source, table).map_err(|wrong| source.wrong(wrong))?;
    let list = table.need("workloads", "workloads = [\"write-heavy\"]");
    let list = list.map_err(|wrong| source.wrong(wrong))?;
    let mut places = Places::default();
    if let Some(names) = &overrides.workloads {
        suite.workloads = asked_for(names, &inline)?;
    } else {
        (suite.workloads, places.product) = listed(source, &list, &inline)?;
    }
    let mut left_out = 0;
    if overrides.product().is_empty() {
        for (part, at) in parts::parts(source, table, &suite, &inline)? {
            suite.also.push(part);
            places.parts.push(at);
        }
    } else {
        left_out = parts::count(table);
    }
    Ok(Read {
        suite,
        places,
        left_out,
    })
}

/// All of a suite but its workloads.
fn settings(source: &Source, table: &Table<'_>) -> Result<Suite, Wrong> {
    let known: Vec<&str> = KEYS.into_iter().chain(TABLES).collect();
    table.only(&known)?;
    let get = |key| table.get(key);
    let name = match get("name") {
        Some(item) => {
            let name = item.text("text, as \"nightly\"")?;
            check_name("suite", name).map_err(|why| item.wrong(why))?;
            name
        }
        None => {
            let why = |why| table.wrong(format!("{why} (or say name = \"…\" in the file)"));
            check_name("suite", &source.name).map_err(why)?;
            source.name.as_str()
        }
    };
    if let Some(item) = get("nonce") {
        // Of a run that was made; a new one gets its own.
        item.text("text: a run notes its own in it")?;
    }
    Ok(Suite {
        name: name.to_owned(),
        description: match get("description") {
            Some(item) => item.text("text, as \"What it is for\"")?.to_owned(),
            None => String::new(),
        },
        systems: match get("systems") {
            Some(item) => systems(&item)?,
            None => vec![System::Telegraft],
        },
        replicas: match get("replicas") {
            Some(item) => replicas(&item)?,
            None => vec![THREE],
        },
        workloads: Vec::new(),
        warmup: match get("warmup") {
            Some(item) => item.duration(Duration::ZERO..=MAX_DURATION)?,
            None => WARMUP,
        },
        duration: match get("duration") {
            Some(item) => item.duration(MIN_DURATION..=MAX_DURATION)?,
            None => DURATION,
        },
        trials: match get("trials") {
            Some(item) => trials(&item)?,
            None => 1,
        },
        seed: match get("seed") {
            Some(item) => item.count(0..=MAX_SEED, "")?,
            None => 1,
        },
        durability: match get("durability") {
            Some(item) => item.named("durability", &DURABILITIES)?,
            None => Durability::default(),
        },
        mailbox: match get("mailbox") {
            Some(item) => item.named("mailbox", &MAILBOXES)?,
            None => Mailbox::default(),
        },
        also: Vec::new(),
    })
}

/// What a workload must keep together with what runs it, and for how long.
fn fits(
    workload: &Workload,
    systems: &[System],
    replicas: &[usize],
    duration: Duration,
) -> Result<(), String> {
    let Some(last) = workload.faults.iter().map(|fault| fault.at).max() else {
        return Ok(());
    };
    if last >= duration {
        return Err(format!(
            "workload {} has a fault at {last:?}, and its run counts for {duration:?} only",
            workload.name
        ));
    }
    let has_cluster = systems.contains(&System::Telegraft);
    if has_cluster && replicas.iter().any(|replicas| *replicas < THREE) {
        return Err(format!(
            "workload {} stops a replica: fewer than {THREE} could not go on without it",
            workload.name
        ));
    }
    Ok(())
}
