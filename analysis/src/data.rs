//! What result directories hold, shares of one run brought together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use telegraft_loadgen::find_max::ProbeRow;
use telegraft_loadgen::results::{Environment, EventRow, Problem, ResultDir, RunRow, StageRow};

use crate::AnalysisError;
use crate::circumstances;
use crate::cluster::Cluster;
use crate::completeness;
use crate::latencies::Latencies;
use crate::read::{self, Directory};
use crate::shards::{self, Shares};
use crate::stress::Stress;
use crate::timeline::{self, Timeline};

/// What `audit` reads where it found nothing wrong.
pub(crate) const AUDIT_FINE: [&str; 2] = ["ok", "skipped"];

/// What `verdict` reads where a run counts.
pub(crate) const VALID: &str = "valid";

/// The operation that is all of them together.
pub(crate) const ALL: &str = "all";

/// Suite and workload of stress runs.
const STRESS: &str = "stress";

/// What `event` reads where another leader was seen, which is no fault.
pub(crate) const LEADER: &str = "leader";

/// The content of one result directory or several.
#[derive(Debug)]
pub(crate) struct Data {
    /// In the order in which they were given.
    pub(crate) sources: Vec<Source>,
    /// In the order of the directories and their files.
    pub(crate) runs: Vec<Run>,
    /// Runs of `telegraft stress`, with their verdicts.
    pub(crate) stress: Vec<Stress>,
    /// What was left out of the report, and why.
    pub(crate) problems: Vec<Problem>,
}

/// One result directory.
#[derive(Debug)]
pub(crate) struct Source {
    /// The directory's name, or its path where several have the same name.
    pub(crate) name: String,
    /// `suite.toml`.
    pub(crate) suite: Option<String>,
    pub(crate) environment: Option<Environment>,
    /// How many runs it holds, or shares of them.
    pub(crate) runs: usize,
    /// `find-max.csv`: the probes of a search for the highest rate, in their order.
    pub(crate) probes: Vec<ProbeRow>,
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Its id, with the directory where several directories have that id.
    pub(crate) name: String,
    /// One for each operation, at least one.
    pub(crate) rows: Vec<RunRow>,
    /// By tag, as far as they could be read.
    pub(crate) latencies: BTreeMap<String, Latencies>,
    /// What its replicas did, where they were watched.
    pub(crate) cluster: Option<Cluster>,
    /// What happened second by second, of a few runs.
    pub(crate) timeline: Option<Timeline>,
    /// What its replicas' stages cost; empty where that was not measured.
    pub(crate) stages: Vec<StageRow>,
    /// Faults and changes of the leader, in the order of the file.
    pub(crate) events: Vec<EventRow>,
    /// When what counted began, since the epoch.
    pub(crate) start: Option<Duration>,
    /// The directory that it is from; of shares, the first one's.
    pub(crate) source: usize,
    /// The first directory that was made under the same circumstances. Trials of others are no
    /// trials of the same.
    pub(crate) circumstances: usize,
    /// What it was put together from, where several generators shared the load.
    pub(crate) shares: Option<Shares>,
    /// Operations, or `all`, whose rows are lost.
    pub(crate) lacking: Vec<String>,
}

/// What tells the runs of one configuration from others.
pub(crate) type Configuration<'a> = (&'a str, &'a str, usize, &'a str, usize);

impl Run {
    /// A run of these rows, at least one, of which nothing else is known.
    pub(crate) fn new(rows: Vec<RunRow>) -> Run {
        Run {
            name: rows[0].run_id.clone(),
            rows,
            latencies: BTreeMap::new(),
            cluster: None,
            timeline: None,
            stages: Vec::new(),
            events: Vec::new(),
            start: None,
            source: 0,
            circumstances: 0,
            shares: None,
            lacking: Vec::new(),
        }
    }

    /// Workload, system, replicas, the hash of all settings, and the circumstances.
    pub(crate) fn configuration(&self) -> Configuration<'_> {
        let row = self.any();
        (
            &row.workload,
            &row.system,
            row.replicas,
            &row.config_hash,
            self.circumstances,
        )
    }

    /// Whether something happened to the cluster while it ran.
    pub(crate) fn has_faults(&self) -> bool {
        self.rows.iter().any(|row| row.failover_ms.is_some())
            || self.events.iter().any(|event| event.event != LEADER)
    }

    /// Whether it is one of `telegraft stress`: faults and a history, and no rates to be compared.
    pub(crate) fn is_stress(&self) -> bool {
        let row = self.any();
        row.suite == STRESS && row.workload == STRESS && row.consistency == "mixed"
    }

    /// Whether it loaded a cluster that was up already, of which nobody knows how it keeps its log.
    pub(crate) fn standing(&self) -> bool {
        self.any().durability == "unknown"
    }

    /// A row, for what is the same in all of them.
    pub(crate) fn any(&self) -> &RunRow {
        &self.rows[0]
    }

    pub(crate) fn row(&self, op: &str) -> Option<&RunRow> {
        self.rows.iter().find(|row| row.op == op)
    }

    pub(crate) fn audit_fine(&self) -> bool {
        self.rows
            .iter()
            .all(|row| AUDIT_FINE.contains(&row.audit.as_str()))
    }

    /// Whether every replica was held against what was acknowledged, and nothing was wrong.
    pub(crate) fn audited(&self) -> bool {
        self.audit_fine() && self.rows.iter().all(|row| row.audit == AUDIT_FINE[0])
    }

    /// Whether its numbers count.
    pub(crate) fn valid(&self) -> bool {
        let whole = self.shares.as_ref().is_none_or(Shares::complete);
        whole
            && self.lacking.is_empty()
            && self.audit_fine()
            && self.rows.iter().all(|row| row.verdict == VALID)
    }

    /// What its rows say of its validity, each thing once.
    pub(crate) fn verdict(&self) -> String {
        let verdict = distinct(self.rows.iter().map(|row| &*row.verdict), VALID);
        let shares = self.shares.as_ref().filter(|shares| !shares.complete());
        let wrong = shares.map(Shares::wrong).into_iter();
        let wrong: Vec<String> = wrong.chain(completeness::told(&self.lacking)).collect();
        match wrong.join("; ") {
            none if none.is_empty() => verdict,
            wrong if verdict == VALID => format!("incomplete: {wrong}"),
            wrong => format!("{verdict}; incomplete: {wrong}"),
        }
    }

    /// A count over all operations: what the row `all` says, or the sum.
    pub(crate) fn total(&self, count: impl Fn(&RunRow) -> u64) -> u64 {
        match self.row(ALL) {
            Some(all) => count(all),
            None => sum(self.rows.iter().map(count)),
        }
    }

    /// Successful operations of all kinds per second.
    pub(crate) fn ok_per_s(&self) -> f64 {
        match self.row(ALL) {
            Some(all) => all.ok_per_s,
            None => self.rows.iter().map(|row| row.ok_per_s).sum(),
        }
    }

    /// Operations except `all`, or `all` where it stands alone.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &RunRow> {
        let alone = self.rows.len() == 1;
        self.rows.iter().filter(move |row| alone || row.op != ALL)
    }

    /// The latencies of an operation; of `all`, those of all operations together.
    /// None where some of them are not known.
    pub(crate) fn latencies_of(&self, op: &str, suffix: &str) -> Option<Latencies> {
        if let Some(found) = self.latencies.get(&format!("{op}{suffix}")) {
            return Some(found.clone());
        }
        let mut sum: Option<Latencies> = None;
        for row in self.operations().filter(|row| op == ALL && row.op != ALL) {
            let one = self.latencies.get(&format!("{}{suffix}", row.op))?;
            sum.get_or_insert_default().merge(one);
        }
        sum
    }
}

/// Operations that were due and have no latency.
pub(crate) fn missed(row: &RunRow) -> u64 {
    row.failed
        .saturating_add(row.unknown)
        .saturating_add(row.unfinished)
}

/// A sum of counts, whatever a file says that they are.
pub(crate) fn sum(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

/// What several say, each thing once, beside `fine`.
pub(crate) fn distinct<'a>(values: impl Iterator<Item = &'a str>, fine: &str) -> String {
    let mut found: Vec<&str> = Vec::new();
    for value in values {
        if value != fine && !found.contains(&value) {
            found.push(value);
        }
    }
    if found.is_empty() {
        return fine.to_owned();
    }
    found.join("; ")
}

impl Data {
    /// Reads the directories `paths`. One that is no result directory and holds some stands for
    /// these.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Data, AnalysisError> {
        let mut data = Data {
            sources: Vec::new(),
            runs: Vec::new(),
            stress: Vec::new(),
            problems: Vec::new(),
        };
        let mut directories: Vec<PathBuf> = Vec::new();
        let mut known: BTreeSet<PathBuf> = BTreeSet::new();
        for path in paths {
            let (found, problems) = read::directories(path)?;
            data.problems.extend(problems);
            for found in found {
                let canonical = found.canonicalize().unwrap_or_else(|_| found.clone());
                match known.insert(canonical) {
                    true => directories.push(found),
                    false => data.problems.push(Problem {
                        file: found.display().to_string(),
                        line: None,
                        reason: "it was given twice: it counts once".to_owned(),
                    }),
                }
            }
        }
        let mut opened = Vec::new();
        for (path, name) in directories.iter().zip(names(&directories)) {
            let mut read = Directory::open(ResultDir::open(path)?);
            let source = Source {
                name,
                suite: read.suite.take(),
                environment: read.environment.take(),
                runs: read.runs.len(),
                probes: std::mem::take(&mut read.probes),
            };
            let same = |other: &Source| {
                circumstances::same(other.environment.as_ref(), source.environment.as_ref())
            };
            let circumstances = data.sources.iter().position(same);
            let at = data.sources.len();
            for stress in &mut read.stress {
                stress.source = at;
            }
            for run in &mut read.runs {
                run.source = at;
                run.circumstances = circumstances.unwrap_or(at);
            }
            data.sources.push(source);
            opened.push(read);
        }
        let all: Vec<&Run> = opened.iter().flat_map(|read| &read.runs).collect();
        let lacking = completeness::lacking(&all);
        let runs = opened.iter_mut().flat_map(|read| &mut read.runs);
        for (run, lacking) in runs.zip(lacking) {
            run.lacking = lacking;
        }
        let all: Vec<&Run> = opened.iter().flat_map(|read| &read.runs).collect();
        let chosen = timeline::choose(&all);
        for (at, mut read) in opened.into_iter().enumerate() {
            let first = data.runs.len();
            let chosen = (0..read.runs.len()).filter(|run| chosen.contains(&(first + run)));
            let chosen = chosen.collect();
            read.read_measured(&chosen);
            let lost = read.runs.iter().filter_map(completeness::problem);
            read.problems.extend(lost);
            let mut problems = read::few(read.problems);
            if directories.len() > 1 {
                for problem in &mut problems {
                    problem.file = format!("{}/{}", data.sources[at].name, problem.file);
                }
            }
            data.problems.append(&mut problems);
            data.runs.append(&mut read.runs);
            data.stress.append(&mut read.stress);
        }
        shards::merge(&mut data);
        data.name_runs();
        Ok(data)
    }

    /// The rows and seconds of a stress run, where there are some.
    pub(crate) fn run_of(&self, stress: &Stress) -> Option<&Run> {
        let mut runs = self.runs.iter();
        runs.find(|run| run.source == stress.source && run.any().run_id == stress.run_id)
    }

    /// The name of the directory that a run is from.
    pub(crate) fn source_of(&self, run: &Run) -> &str {
        &self.sources[run.source].name
    }

    fn name_runs(&mut self) {
        let mut known: HashMap<String, usize> = HashMap::new();
        for run in &self.runs {
            *known.entry(run.name.clone()).or_default() += 1;
        }
        for run in &mut self.runs {
            if known.get(&run.name).is_some_and(|count| *count > 1) {
                run.name = format!("{}/{}", self.sources[run.source].name, run.name);
            }
        }
        for stress in &mut self.stress {
            let of = |run: &&Run| run.source == stress.source && run.any().run_id == stress.run_id;
            let run = self.runs.iter().find(of);
            stress.name = match run {
                Some(run) => run.name.clone(),
                None if self.sources.len() == 1 => stress.run_id.clone(),
                None => format!("{}/{}", self.sources[stress.source].name, stress.run_id),
            };
        }
    }
}

/// What the directories are called: their last names, or all of the path where these are equal.
fn names(directories: &[PathBuf]) -> Vec<String> {
    let last = |path: &Path| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| path.display().to_string())
    };
    let unique: BTreeSet<String> = directories.iter().map(|path| last(path)).collect();
    let all_differ = unique.len() == directories.len();
    directories
        .iter()
        .map(|path| match all_differ {
            true => last(path),
            false => path.display().to_string(),
        })
        .collect()
}
