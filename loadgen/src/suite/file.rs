//! Reading and writing the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;
use toml::Spanned;

use super::{Overrides, Suite, SuiteError, System, Workload, de};

/// The suites that every binary carries, so that it works from anywhere.
const SUITES: [(&str, &str); 2] = [
    ("default", include_str!("../../../workloads/default.toml")),
    ("failover", include_str!("../../../workloads/failover.toml")),
];

/// The workloads that every binary carries.
const WORKLOADS: [(&str, &str); 4] = [
    (
        "write-heavy",
        include_str!("../../../workloads/write-heavy.toml"),
    ),
    (
        "read-heavy",
        include_str!("../../../workloads/read-heavy.toml"),
    ),
    (
        "send-only",
        include_str!("../../../workloads/send-only.toml"),
    ),
    (
        "read-only",
        include_str!("../../../workloads/read-only.toml"),
    ),
];

/// Replicas of one cluster, at most: all of them run on this machine.
const MAX_REPLICAS: usize = 99;
/// Of one run, at most: the latencies of each of its seconds stay in memory until its end.
const MAX_DURATION: Duration = Duration::from_secs(3600);
/// A trial is a whole run of everything.
const MAX_TRIALS: u32 = 1000;

/// A suite's file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SuiteFile {
    /// By default the file's name, without its ending.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default)]
    description: String,
    /// Of a run that was made; a new one gets its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    #[serde(default = "only_telegraft")]
    systems: Vec<System>,
    #[serde(default = "three_replicas")]
    replicas: Spanned<Vec<usize>>,
    workloads: Spanned<Vec<Spanned<String>>>,
    #[serde(
        default = "one_second",
        deserialize_with = "de::duration",
        serialize_with = "de::duration_text"
    )]
    warmup: Duration,
    #[serde(
        default = "ten_seconds",
        deserialize_with = "de::duration",
        serialize_with = "de::duration_text"
    )]
    duration: Duration,
    #[serde(default = "one_trial")]
    trials: Spanned<u32>,
    #[serde(default = "first_seed")]
    seed: u64,
    #[serde(default)]
    durability: Durability,
    #[serde(default)]
    mailbox: Mailbox,
    /// Workloads of this suite alone, by name; they come before files and built-in ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    workload: BTreeMap<String, Workload>,
}

fn unspanned<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

fn only_telegraft() -> Vec<System> {
    vec![System::Telegraft]
}

fn three_replicas() -> Spanned<Vec<usize>> {
    unspanned(vec![3])
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn one_trial() -> Spanned<u32> {
    unspanned(1)
}

fn first_seed() -> u64 {
    1
}

/// A file's text, and what messages call it.
struct Source {
    /// The path, or `built-in workloads/default.toml`.
    origin: String,
    /// The name without its ending.
    name: String,
    /// Where names in it are looked for first.
    directory: Option<PathBuf>,
    text: String,
}

impl Source {
    /// `name` is a file, or `<name>.toml` in `directory`, or built in.
    fn find(
        what: &'static str,
        name: &str,
        directory: Option<&Path>,
        built_in: &[(&str, &str)],
    ) -> Result<Source, SuiteError> {
        if name.contains('/') || name.ends_with(".toml") {
            let path = directory.map_or_else(|| PathBuf::from(name), |dir| dir.join(name));
            if path.is_file() {
                return Source::read(&path);
            }
        } else {
            let sibling = directory.map(|dir| dir.join(format!("{name}.toml")));
            if let Some(path) = sibling.filter(|path| path.is_file()) {
                return Source::read(&path);
            }
            if let Some((name, text)) = built_in.iter().find(|(known, _)| *known == name) {
                return Ok(Source {
                    origin: format!("built-in workloads/{name}.toml"),
                    name: (*name).to_owned(),
                    directory: None,
                    text: (*text).to_owned(),
                });
            }
        }
        Err(SuiteError::NotFound {
            what,
            name: name.to_owned(),
            known: built_in
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
        })
    }

    fn read(path: &Path) -> Result<Source, SuiteError> {
        let text = fs::read_to_string(path).map_err(|error| SuiteError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Source {
            origin: path.display().to_string(),
            name: path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            directory: Some(path.parent().map_or_else(PathBuf::new, Path::to_owned)),
            text,
        })
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, SuiteError> {
        toml::from_str(&self.text)
            .map_err(|error| self.wrong(error.span().map_or(0, |span| span.start), error.message()))
    }

    /// Something is wrong at a byte of the text.
    fn wrong(&self, at: usize, message: impl Into<String>) -> SuiteError {
        let before = self.text.as_bytes().iter().take(at);
        SuiteError::Wrong {
            origin: self.origin.clone(),
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
            message: message.into(),
        }
    }

    /// Where `key` is set, for what concerns several keys.
    fn key(&self, key: &str) -> usize {
        let mut at = 0;
        for line in self.text.split_inclusive('\n') {
            let set = line.trim_start().strip_prefix(key);
            if set.is_some_and(|rest| rest.trim_start().starts_with('=')) {
                return at;
            }
            at += line.len();
        }
        0
    }

    /// Whether it sets `key` at the top.
    fn has(&self, key: &str) -> bool {
        toml::from_str::<toml::Table>(&self.text).is_ok_and(|table| table.contains_key(key))
    }
}

/// Reads a suite, built in or a file, and its workloads, and applies the overrides.
///
/// # Errors
/// What is wrong, with file and line.
pub fn load(name: &str, overrides: &Overrides) -> Result<Suite, SuiteError> {
    let source = match Source::find("suite", name, None, &SUITES) {
        Err(SuiteError::NotFound { .. })
            if WORKLOADS.iter().any(|(workload, _)| *workload == name) =>
        {
            return Err(SuiteError::Override(format!(
                "{name} is a workload, not a suite: say --workload {name}"
            )));
        }
        found => found?,
    };
    if source.has("operations") {
        return Err(source.wrong(
            0,
            format!("this is a workload, not a suite: say --workload {name}"),
        ));
    }
    let file: SuiteFile = source.parse()?;
    check(&source, &file)?;
    let workloads = workloads(&source, &file, overrides)?;

    let mut suite = Suite {
        name: file.name.unwrap_or_else(|| source.name.clone()),
        description: file.description,
        systems: file.systems,
        replicas: file.replicas.into_inner(),
        workloads,
        warmup: file.warmup,
        duration: file.duration,
        trials: file.trials.into_inner(),
        seed: file.seed,
        durability: file.durability,
        mailbox: file.mailbox,
    };
    apply(&mut suite, overrides);
    check_resolved(&suite)?;
    Ok(suite)
}

/// What the types do not say of a suite's file.
fn check(source: &Source, file: &SuiteFile) -> Result<(), SuiteError> {
    if file.workloads.get_ref().is_empty() {
        let at = file.workloads.span().start;
        return Err(source.wrong(at, "name at least one workload"));
    }
    if file.systems.is_empty() {
        return Err(source.wrong(source.key("systems"), "name at least one system"));
    }
    let replicas = file.replicas.get_ref();
    if replicas.is_empty() || !replicas.iter().all(|n| (1..=MAX_REPLICAS).contains(n)) {
        return Err(source.wrong(
            file.replicas.span().start,
            format!("a cluster has 1 to {MAX_REPLICAS} replicas: as replicas = [1, 3, 5]"),
        ));
    }
    if !(1..=MAX_TRIALS).contains(file.trials.get_ref()) {
        return Err(source.wrong(
            file.trials.span().start,
            format!("a suite has 1 to {MAX_TRIALS} trials"),
        ));
    }
    Ok(())
}

fn workloads(
    source: &Source,
    file: &SuiteFile,
    overrides: &Overrides,
) -> Result<Vec<Workload>, SuiteError> {
    for (name, workload) in &file.workload {
        check_workload(source, workload)?;
        if !is_name(name) {
            return Err(source.wrong(0, format!("workload {name:?}: {NAME_RULE}")));
        }
    }
    let wanted: Vec<(&str, Option<&Path>)> = match &overrides.workloads {
        // A path on the command line counts from where the caller is.
        Some(names) => names.iter().map(|name| (name.as_str(), None)).collect(),
        None => {
            let names = file.workloads.get_ref().iter();
            names
                .map(|name| (name.get_ref().as_str(), source.directory.as_deref()))
                .collect()
        }
    };
    let mut workloads: Vec<Workload> = Vec::new();
    for (name, directory) in wanted {
        let workload = match file.workload.get(name) {
            Some(workload) => Workload {
                name: name.to_owned(),
                ..workload.clone()
            },
            None => read_workload(name, directory)?,
        };
        if workloads.iter().any(|other| other.name == workload.name) {
            return Err(SuiteError::Override(format!(
                "two workloads have the name {}: results could not tell them apart",
                workload.name
            )));
        }
        workloads.push(workload);
    }
    Ok(workloads)
}

fn read_workload(name: &str, directory: Option<&Path>) -> Result<Workload, SuiteError> {
    let source = Source::find("workload", name, directory, &WORKLOADS)?;
    if source.has("workloads") {
        return Err(source.wrong(
            0,
            format!("this is a suite, not a workload: say telegraft bench {name}"),
        ));
    }
    if !is_name(&source.name) {
        return Err(source.wrong(0, format!("workload {:?}: {NAME_RULE}", source.name)));
    }
    let mut workload: Workload = source.parse()?;
    check_workload(&source, &workload)?;
    workload.name = source.name;
    Ok(workload)
}

const NAME_RULE: &str = "its name stands in names of files, so letters, digits, '_' and '-' only";

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !name.is_empty() && name.chars().all(plain)
}

/// What the types do not say of a workload.
fn check_workload(source: &Source, workload: &Workload) -> Result<(), SuiteError> {
    let population = workload.population;
    let operations = workload.operations;
    if operations == super::Operations::default() {
        let message = "name at least one operation: send, read or inbox, as [operations.send]";
        return Err(source.wrong(source.key("operations"), message));
    }
    if population.rooms_per_user > population.rooms {
        let message = format!(
            "a user cannot be a member of {} rooms when there are {}",
            population.rooms_per_user, population.rooms
        );
        return Err(source.wrong(source.key("rooms_per_user"), message));
    }
    if population.users.saturating_mul(population.rooms_per_user) < population.rooms {
        let message = format!(
            "{} users in {} rooms each leave some of {} rooms empty",
            population.users, population.rooms_per_user, population.rooms
        );
        return Err(source.wrong(source.key("rooms_per_user"), message));
    }
    Ok(())
}

fn apply(suite: &mut Suite, overrides: &Overrides) {
    fn set<T: Clone>(value: &mut T, wanted: &Option<T>) {
        if let Some(wanted) = wanted {
            value.clone_from(wanted);
        }
    }
    set(&mut suite.systems, &overrides.systems);
    set(&mut suite.replicas, &overrides.replicas);
    set(&mut suite.duration, &overrides.duration);
    set(&mut suite.warmup, &overrides.warmup);
    set(&mut suite.trials, &overrides.trials);
    set(&mut suite.seed, &overrides.seed);
    set(&mut suite.durability, &overrides.durability);
    set(&mut suite.mailbox, &overrides.mailbox);
    for workload in &mut suite.workloads {
        set(&mut workload.clients, &overrides.clients);
        set(&mut workload.consistency, &overrides.consistency);
        set(&mut workload.targets, &overrides.targets);
    }
}

/// What file and overrides together must keep.
fn check_resolved(suite: &Suite) -> Result<(), SuiteError> {
    let wrong = |message: String| Err(SuiteError::Override(message));
    if suite.duration.is_zero() || suite.duration > MAX_DURATION || suite.warmup > MAX_DURATION {
        return wrong("a run counts for more than no time, and for an hour at most".to_owned());
    }
    for workload in &suite.workloads {
        if !(1..=de::MAX_CLIENTS).contains(&workload.clients) {
            return wrong(format!("there are 1 to {} clients", de::MAX_CLIENTS));
        }
        let faulty = workload.faults.iter().map(|fault| fault.at).max();
        let Some(last) = faulty else { continue };
        if last >= suite.duration {
            return wrong(format!(
                "workload {} has a fault at {last:?}, and its run counts for {:?} only",
                workload.name, suite.duration
            ));
        }
        let has_cluster = suite.systems.contains(&System::Telegraft);
        if has_cluster && suite.replicas.iter().any(|replicas| *replicas < 3) {
            return wrong(format!(
                "workload {} kills a replica: fewer than 3 could not go on without it",
                workload.name
            ));
        }
    }
    Ok(())
}

/// The suite as one file, enough to run it again; `nonce` is noted in it.
pub fn resolved_text(suite: &Suite, nonce: &str) -> String {
    let names = suite.workloads.iter();
    let file = SuiteFile {
        name: Some(suite.name.clone()),
        description: suite.description.clone(),
        nonce: Some(nonce.to_owned()),
        systems: suite.systems.clone(),
        replicas: unspanned(suite.replicas.clone()),
        workloads: unspanned(names.clone().map(|w| unspanned(w.name.clone())).collect()),
        warmup: suite.warmup,
        duration: suite.duration,
        trials: unspanned(suite.trials),
        seed: suite.seed,
        durability: suite.durability,
        mailbox: suite.mailbox,
        workload: names.map(|w| (w.name.clone(), w.clone())).collect(),
    };
    toml::to_string(&file).expect("names, numbers and tables of them always are TOML")
}
