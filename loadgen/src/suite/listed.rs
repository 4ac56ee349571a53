//! What a suite's product is made of, and that of each of its parts: lists of systems, of replica
//! counts and of workloads.

use std::path::Path;

use super::bounds::{MAX_LISTED, REPLICAS, TRIALS};
use super::document::{Item, Table, Wrong};
use super::load::{is_suite, workload};
use super::source::{Source, WORKLOADS};
use super::{SuiteError, System, Workload, read};

/// The key of the workloads of a suite alone, by name. They come before files and built-in ones.
pub(super) const INLINE: &str = "workload";

/// What a list of workloads looks like.
pub(super) const EXAMPLE: &str = "[\"write-heavy\"]";

pub(super) fn systems(item: &Item<'_>) -> Result<Vec<System>, Wrong> {
    distinct(item, "[\"telegraft\", \"null\"]", |item| {
        item.named("system", &System::ALL.map(|all| (all.name(), all)))
    })
}

pub(super) fn replicas(item: &Item<'_>) -> Result<Vec<usize>, Wrong> {
    distinct(item, "[1, 3, 5]", |item| {
        item.places(REPLICAS, " replicas of one cluster")
    })
}

pub(super) fn trials(item: &Item<'_>) -> Result<u32, Wrong> {
    let (least, most) = TRIALS.into_inner();
    let trials = item.count(u64::from(least)..=u64::from(most), " trials")?;
    Ok(u32::try_from(trials).expect("the bounds fit"))
}

/// The workloads that a list in a file names, and where it names each of them.
pub(super) fn listed(
    source: &Source,
    list: &Item<'_>,
    inline: &[Workload],
) -> Result<(Vec<Workload>, Vec<usize>), SuiteError> {
    let items = list.list(MAX_LISTED, EXAMPLE);
    let mut workloads = Vec::new();
    let mut places = Vec::new();
    for item in items.map_err(|wrong| source.wrong(wrong))? {
        let name = item.text("names of workloads, as [\"write-heavy\"]");
        let name = name.map_err(|wrong| source.wrong(wrong))?;
        let workload = find_workload(name, source.directory.as_deref(), inline);
        let workload = workload.map_err(|error| match error {
            error @ SuiteError::NotFound { .. } => source.wrong(item.wrong(error.to_string())),
            error => error,
        })?;
        add(&mut workloads, workload).map_err(|why| source.wrong(item.wrong(why)))?;
        places.push(item.at);
    }
    Ok((workloads, places))
}

/// The workloads that the command line names.
pub(super) fn asked_for(
    names: &[String],
    inline: &[Workload],
) -> Result<Vec<Workload>, SuiteError> {
    let mut workloads = Vec::new();
    for name in names {
        // A path on the command line counts from where the caller is.
        let workload = find_workload(name, None, inline)?;
        add(&mut workloads, workload).map_err(SuiteError::Override)?;
    }
    Ok(workloads)
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
pub(super) fn inline(source: &Source, table: &Table<'_>) -> Result<Vec<Workload>, Wrong> {
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

/// Names of suites, of workloads and of parts stand in names of files.
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
