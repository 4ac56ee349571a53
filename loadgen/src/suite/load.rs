//! Reading suites and single workloads.

use std::path::Path;
use std::time::Duration;

use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;

use super::bounds::{MAX_DURATION, MAX_LISTED, MAX_SEED, MIN_DURATION, REPLICAS, TRIALS};
use super::document::{Item, Table, Wrong};
use super::source::{SUITES, Source, WORKLOADS};
use super::{Overrides, Suite, SuiteError, System, Workload, overrides, read};

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
/// Beside [`KEYS`]: workloads of this suite alone, by name. They come before files and built-in
/// ones.
const INLINE: &str = "workload";

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
    overrides::check(overrides)?;
    let source = Source::find("suite", name, None, &[&SUITES, &WORKLOADS])?;
    let document = source.parse()?;
    let table = Table::root(&document);
    let (mut suite, places) = if is_workload(&table) {
        alone(&source, &table, overrides)?
    } else {
        suite(&source, &table, overrides)?
    };
    overrides::apply(&mut suite, overrides)?;
    let overridden = overrides.duration.is_some()
        || overrides.replicas.is_some()
        || overrides.systems.is_some()
        || overrides.trace.is_some();
    for (nth, workload) in suite.workloads.iter().enumerate() {
        let Err(message) = fits(workload, &suite) else {
            continue;
        };
        return Err(match places.get(nth).filter(|_| !overridden) {
            Some(at) => source.wrong(Wrong { at: *at, message }),
            None => SuiteError::Override(message),
        });
    }
    Ok(suite)
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
    let (mut suite, _) = suite(&source, &table, &Overrides::default())?;
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
    let suite = |key: &str| key == INLINE || KEYS.contains(&key) && !read::KEYS.contains(&key);
    let workload =
        |key: &str| key == "clients" || read::KEYS.contains(&key) && !KEYS.contains(&key);
    let count = |has: &dyn Fn(&str) -> bool| table.keys().filter(|(key, _)| has(key)).count();
    (count(&suite), count(&workload))
}

fn is_workload(table: &Table<'_>) -> bool {
    let (suite, workload) = votes(table);
    workload > suite
}

fn is_suite(table: &Table<'_>) -> bool {
    let (suite, workload) = votes(table);
    suite > workload
}

/// A file that is a workload.
fn workload(source: &Source, table: &Table<'_>) -> Result<Workload, SuiteError> {
    check_name("workload", &source.name).map_err(|why| source.refused(why))?;
    let directory = source.directory.as_deref().unwrap_or(Path::new(""));
    read::workload(table, &source.name, directory).map_err(|wrong| source.wrong(wrong))
}

/// A workload as a suite of it alone, and where it is named.
fn alone(
    source: &Source,
    table: &Table<'_>,
    overrides: &Overrides,
) -> Result<(Suite, Vec<usize>), SuiteError> {
    let workload = workload(source, table)?;
    if overrides.workloads.is_some() {
        return Err(SuiteError::Override(format!(
            "{} is a workload already: name a suite to run --workload with, or none",
            workload.name
        )));
    }
    let at = table.get("faults").map_or(0, |item| item.at);
    Ok((of_one(workload), vec![at]))
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
    }
}

/// A file that is a suite, and where it names each of its workloads (nowhere, if the overrides
/// do).
fn suite(
    source: &Source,
    table: &Table<'_>,
    overrides: &Overrides,
) -> Result<(Suite, Vec<usize>), SuiteError> {
    let mut suite = settings(source, table).map_err(|wrong| source.wrong(wrong))?;
    let inline = inline(source, table).map_err(|wrong| source.wrong(wrong))?;
    let listed = table.need("workloads", "workloads = [\"write-heavy\"]");
    let listed = listed.and_then(|item| item.list(MAX_LISTED, "[\"write-heavy\"]"));
    let listed = listed.map_err(|wrong| source.wrong(wrong))?;
    let mut places = Vec::new();
    if let Some(names) = &overrides.workloads {
        for name in names {
            // A path on the command line counts from where the caller is.
            let workload = find_workload(name, None, &inline)?;
            add(&mut suite.workloads, workload).map_err(SuiteError::Override)?;
        }
        return Ok((suite, places));
    }
    for item in listed {
        let name = item.text("names of workloads, as [\"write-heavy\"]");
        let name = name.map_err(|wrong| source.wrong(wrong))?;
        let workload = find_workload(name, source.directory.as_deref(), &inline);
        let workload = workload.map_err(|error| match error {
            error @ SuiteError::NotFound { .. } => source.wrong(item.wrong(error.to_string())),
            error => error,
        })?;
        add(&mut suite.workloads, workload).map_err(|why| source.wrong(item.wrong(why)))?;
        places.push(item.at);
    }
    Ok((suite, places))
}

fn add(workloads: &mut Vec<Workload>, workload: Workload) -> Result<(), String> {
    if workloads.iter().any(|other| other.name == workload.name) {
        return Err(format!(
            "two workloads have the name {}: results could not tell them apart",
            workload.name
        ));
    }
    workloads.push(workload);
    Ok(())
}

fn find_workload(
    name: &str,
    directory: Option<&Path>,
    inline: &[Workload],
) -> Result<Workload, SuiteError> {
    if let Some(workload) = inline.iter().find(|workload| workload.name == name) {
        return Ok(workload.clone());
    }
    let found = Source::find("workload", name, directory, &[&WORKLOADS]);
    let source = found.map_err(|error| match error {
        SuiteError::NotFound {
            what,
            name,
            mut known,
        } => {
            known.splice(0..0, inline.iter().map(|workload| workload.name.clone()));
            SuiteError::NotFound { what, name, known }
        }
        error => error,
    })?;
    let document = source.parse()?;
    let table = Table::root(&document);
    if is_suite(&table) {
        let message = format!("this is a suite, not a workload: say telegraft bench {name}");
        return Err(source.refused(message));
    }
    workload(&source, &table)
}

/// All of a suite but its workloads.
fn settings(source: &Source, table: &Table<'_>) -> Result<Suite, Wrong> {
    let known: Vec<&str> = KEYS.into_iter().chain([INLINE]).collect();
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
            Some(item) => distinct(&item, "[\"telegraft\", \"null\"]", |item| {
                item.named("system", &System::ALL.map(|all| (all.name(), all)))
            })?,
            None => vec![System::Telegraft],
        },
        replicas: match get("replicas") {
            Some(item) => distinct(&item, "[1, 3, 5]", |item| {
                item.places(REPLICAS, " replicas of one cluster")
            })?,
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
            Some(item) => {
                let (least, most) = TRIALS.into_inner();
                let trials = item.count(u64::from(least)..=u64::from(most), " trials")?;
                u32::try_from(trials).expect("the bounds fit")
            }
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
    })
}

/// A list in which nothing is twice: results could not tell the runs apart.
fn distinct<T: PartialEq>(
    item: &Item<'_>,
    example: &str,
    read: impl Fn(&Item<'_>) -> Result<T, Wrong>,
) -> Result<Vec<T>, Wrong> {
    let mut values = Vec::new();
    for item in item.list(MAX_LISTED, example)? {
        let value = read(&item)?;
        if values.contains(&value) {
            return Err(item.wrong("this is listed twice: results could not tell the runs apart"));
        }
        values.push(value);
    }
    Ok(values)
}

/// The workloads within a suite's file, in the order of their names.
fn inline(source: &Source, table: &Table<'_>) -> Result<Vec<Workload>, Wrong> {
    let Some(item) = table.get(INLINE) else {
        return Ok(Vec::new());
    };
    let table = item.table("tables by name, as [workload.mine]")?;
    let directory = source.directory.as_deref().unwrap_or(Path::new(""));
    let read = |(name, item): (&str, Item<'_>)| {
        check_name("workload", name).map_err(|why| item.wrong(why))?;
        let table = item.table("a workload, as [workload.mine]")?;
        read::workload(&table, name, directory)
    };
    table.items().map(read).collect()
}

/// Names of suites and workloads stand in names of files.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), String> {
    /// So that file names with something added are possible everywhere.
    const LETTERS: usize = 100;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.len() <= LETTERS && name.chars().all(plain) {
        return Ok(());
    }
    Err(format!(
        "the name of the {what}, {name:?}, stands in names of files: 1 to {LETTERS} letters, \
         digits, '_' and '-' only"
    ))
}

/// What a workload and the suite's settings together must keep.
fn fits(workload: &Workload, suite: &Suite) -> Result<(), String> {
    let Some(last) = workload.faults.iter().map(|fault| fault.at).max() else {
        return Ok(());
    };
    if last >= suite.duration {
        return Err(format!(
            "workload {} has a fault at {last:?}, and its run counts for {:?} only",
            workload.name, suite.duration
        ));
    }
    let has_cluster = suite.systems.contains(&System::Telegraft);
    if has_cluster && suite.replicas.iter().any(|replicas| *replicas < THREE) {
        return Err(format!(
            "workload {} stops a replica: fewer than {THREE} could not go on without it",
            workload.name
        ));
    }
    Ok(())
}
