//! What came of a job, for people and for programs.

use std::path::PathBuf;

use serde::Serialize;

use super::{FoundMax, Limit, Probe, ProbeRow, table};
use crate::suite::{Suite, System, goals};

/// What came of it. The rows of every probe are in the result directory.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The result directory.
    pub directory: PathBuf,
    /// What was searched, for people.
    pub title: String,
    /// The workload's name.
    pub workload: String,
    /// What was measured.
    pub system: System,
    /// Its replicas; 0 when it has none.
    pub replicas: usize,
    /// What was found; none when the search ended before.
    pub found: Option<FoundMax>,
    /// Every probe, in order.
    pub probes: Vec<Probe>,
    /// The audit of the last probe found an acknowledged message lost, altered or doubled, or
    /// replicas that differ: exit code 3.
    pub violated: bool,
    /// Probes whose audit could not be made; they count as misses. Exit code 1.
    pub not_audited: usize,
    /// It was interrupted: exit code 105.
    pub interrupted: bool,
    /// Lines for the terminal, beyond the answer.
    pub notes: Vec<String>,
}

impl Outcome {
    /// The answer with every probe, for people.
    pub fn text(&self) -> String {
        let answer = match &self.found {
            Some(found) => found.to_string(),
            None => "nothing is found: the search ended before".to_owned(),
        };
        let curve = match self.probes.is_empty() {
            true => String::new(),
            false => format!("\n{}", table(&self.probes)),
        };
        format!("{}\n{answer}\n{curve}", self.title)
    }

    /// The same for programs: a JSON object in one line.
    pub fn json(&self) -> String {
        let found = self.found.as_ref();
        let rows = (1..).zip(&self.probes);
        let answer = Answer {
            workload: &self.workload,
            system: self.system,
            replicas: self.replicas,
            max_rate_per_s: found.map(|found| found.max_rate),
            limited_by: found.map(|found| found.limited_by),
            estimates_per_s: found.map_or(&[], |found| &found.estimates),
            spread: found.map(|found| found.spread),
            unstable: found.map(|found| found.unstable),
            interrupted: self.interrupted,
            violated: self.violated,
            directory: &self.directory.to_string_lossy(),
            probes: rows.map(|(nth, probe)| ProbeRow::new(nth, probe)).collect(),
        };
        serde_json::to_string(&answer).expect("names and numbers have a JSON form")
    }
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    workload: &'a str,
    system: System,
    replicas: usize,
    max_rate_per_s: Option<f64>,
    limited_by: Option<Limit>,
    estimates_per_s: &'a [f64],
    spread: Option<f64>,
    unstable: Option<bool>,
    interrupted: bool,
    violated: bool,
    directory: &'a str,
    probes: Vec<ProbeRow>,
}

/// What is searched, in a few lines.
pub(super) fn title(suite: &Suite, system: System, replicas: usize) -> String {
    let workload = &suite.workloads[0];
    let of = match (system, replicas) {
        (System::Null, _) => String::new(),
        (_, 1) => ", 1 replica".to_owned(),
        (_, many) => format!(", {many} replicas"),
    };
    let mut title = format!("{} on {system}{of}", workload.name);
    if let Some(polling) = &workload.polling {
        let polls = polling.rate(&workload.population);
        title.push_str(&format!(
            ", with {polls} polls a second beside the rate at all times"
        ));
    }
    for (operation, slo) in &workload.slo {
        title.push_str(&format!("\nSLO of {operation}: {}", goals(slo).join(", ")));
    }
    title
}
