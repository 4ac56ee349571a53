//! Brings the trials of one configuration together.
//!
//! Invalid runs never count here; the report shows them one by one.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use telegraft_loadgen::results::{LatencyUs, RunRow, SERVICE_SUFFIX};

use crate::data::{self, ALL, Data, Run, missed};
use crate::latencies::Latencies;

/// The ceiling that others are compared with.
const NULL: &str = "null";

/// The percentiles that are known, in thousandths; the last is the longest.
pub(crate) const PER_MILLE: [u64; 6] = [500, 900, 950, 990, 999, 1000];

/// The runs of one configuration.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    /// All of its trials.
    pub(crate) runs: Vec<&'a Run>,
    /// What tells it from others with the same workload, system and replicas; mostly empty.
    pub(crate) label: String,
    /// What it is made of.
    pub(crate) settings: Settings,
    known: Known,
}

/// Latencies that several readers look at, where there are any.
type Shared = Option<Rc<Pooled>>;

/// What was computed of a group's histograms: several tables and plots ask for the same.
#[derive(Debug, Default)]
struct Known {
    /// By operation and suffix.
    pooled: RefCell<HashMap<(String, String), Shared>>,
    /// By operation, suffix and thousandths.
    by_trial: RefCell<HashMap<(String, String, u64), Vec<LatencyUs>>>,
}

/// Names and values of [`settings`].
pub(crate) type Settings = [(&'static str, String); 9];

impl<'a> Group<'a> {
    pub(crate) fn any(&self) -> &'a RunRow {
        self.runs[0].any()
    }

    pub(crate) fn is_null(&self) -> bool {
        self.any().system == NULL
    }

    pub(crate) fn is_stress(&self) -> bool {
        self.runs[0].is_stress()
    }

    pub(crate) fn valid(&self) -> impl Iterator<Item = &'a Run> {
        self.runs.iter().copied().filter(|run| run.valid())
    }

    /// `telegraft ×3`, and what else tells it from others.
    pub(crate) fn system(&self) -> String {
        let row = self.any();
        let replicas = match row.replicas {
            0 => String::new(),
            n => format!(" ×{n}"),
        };
        format!("{}{replicas}{}", row.system, self.label)
    }

    /// Its operations, with `all` last, and only when there are several.
    pub(crate) fn operations(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for run in &self.runs {
            for row in run.operations() {
                if !names.contains(&row.op.as_str()) {
                    names.push(&row.op);
                }
            }
        }
        if names.len() > 1 {
            names.retain(|op| *op != ALL);
            names.push(ALL);
        }
        names
    }

    /// A value of each valid trial that has it, in the order of the trials.
    pub(crate) fn per_trial(&self, value: impl Fn(&Run) -> Option<f64>) -> Vec<f64> {
        self.valid().filter_map(value).collect()
    }

    /// Successful operations per second, of each valid trial.
    pub(crate) fn ok_per_s_by_trial(&self, op: &str) -> Vec<f64> {
        self.per_trial(|run| match run.row(op) {
            Some(row) => Some(row.ok_per_s),
            None => (op == ALL).then(|| run.ok_per_s()),
        })
    }

    /// All successful operations of the valid trials over all their seconds.
    #[allow(clippy::cast_precision_loss, reason = "no rate is measured to 53 bits")]
    pub(crate) fn pooled_ok_per_s(&self, op: &str) -> Option<f64> {
        let (mut ok, mut seconds) = (0_u64, 0.0);
        for run in self.valid() {
            let of_run = match run.row(op) {
                Some(row) => row.ok,
                None if op == ALL => run.total(|row| row.ok),
                None => continue,
            };
            ok = ok.saturating_add(of_run);
            seconds += run.any().duration_s;
        }
        (seconds > 0.0).then(|| ok as f64 / seconds)
    }

    /// A percentile of each valid trial, from its histogram or, where that is missing, from its
    /// row; `None` where neither has it.
    pub(crate) fn percentile_by_trial(
        &self,
        op: &str,
        suffix: &str,
        per_mille: u64,
    ) -> Vec<LatencyUs> {
        let key = (op.to_owned(), suffix.to_owned(), per_mille);
        if let Some(known) = self.known.by_trial.borrow().get(&key) {
            return known.clone();
        }
        let of_run = |run: &'a Run| match run.latencies_of(op, suffix) {
            Some(latencies) => latencies.at(per_mille, missed_of(run, op)),
            None => run
                .row(op)
                .map_or(LatencyUs::None, |row| recorded_at(row, suffix, per_mille)),
        };
        let found: Vec<LatencyUs> = self.valid().map(of_run).collect();
        self.known.by_trial.borrow_mut().insert(key, found.clone());
        found
    }

    /// The latencies of the valid trials, counted together: percentiles of several trials say
    /// nothing when they are averaged.
    pub(crate) fn latencies(&self, op: &str, suffix: &str) -> Option<Rc<Pooled>> {
        let key = (op.to_owned(), suffix.to_owned());
        if let Some(known) = self.known.pooled.borrow().get(&key) {
            return known.clone();
        }
        let valid: Vec<&Run> = self.valid().collect();
        let found = pooled(&valid, op, suffix).map(Rc::new);
        self.known.pooled.borrow_mut().insert(key, found.clone());
        found
    }
}

/// Operations of a run that were due and have no latency.
fn missed_of(run: &Run, op: &str) -> u64 {
    match run.row(op) {
        Some(row) => missed(row),
        None => run.total(missed),
    }
}

/// The latencies of `runs`, counted together.
pub(crate) fn pooled(runs: &[&Run], op: &str, suffix: &str) -> Option<Pooled> {
    let mut pooled: Option<Latencies> = None;
    let (mut due_missed, mut left_out) = (0_u64, 0);
    for run in runs {
        let Some(one) = run.latencies_of(op, suffix) else {
            left_out += 1;
            continue;
        };
        due_missed = due_missed.saturating_add(missed_of(run, op));
        pooled.get_or_insert_default().merge(&one);
    }
    let Some(latencies) = pooled else {
        return recorded(runs, op).filter(|_| suffix.is_empty());
    };
    Some(Pooled {
        latencies,
        missed: due_missed,
        left_out,
        recorded: None,
    })
}

/// Of a single trial without histograms, what its row says.
fn recorded(runs: &[&Run], op: &str) -> Option<Pooled> {
    let [only] = runs else { return None };
    let row = only.row(op)?;
    Some(Pooled {
        latencies: Latencies::default(),
        missed: missed(row),
        left_out: 1,
        recorded: Some(Recorded {
            ok: row.ok,
            percentiles: PER_MILLE.map(|per_mille| recorded_at(row, "", per_mille)),
        }),
    })
}

/// A percentile as a row has it; `None` where it has not.
fn recorded_at(row: &RunRow, suffix: &str, per_mille: u64) -> LatencyUs {
    match (suffix, per_mille) {
        ("", 500) => row.response_p50_us,
        ("", 900) => row.response_p90_us,
        ("", 950) => row.response_p95_us,
        ("", 990) => row.response_p99_us,
        ("", 999) => row.response_p999_us,
        ("", 1000) => row.response_max_us,
        (SERVICE_SUFFIX, 500) => row.service_p50_us,
        (SERVICE_SUFFIX, 990) => row.service_p99_us,
        (SERVICE_SUFFIX, 999) => row.service_p999_us,
        _ => LatencyUs::None,
    }
}

/// Latencies of several trials, counted together.
#[derive(Debug)]
pub(crate) struct Pooled {
    /// Empty where there is but one trial, and its histogram is missing.
    pub(crate) latencies: Latencies,
    /// Operations that were due in these trials and have no latency.
    pub(crate) missed: u64,
    /// Valid trials whose latencies are not among them: their file is missing or bad.
    pub(crate) left_out: usize,
    /// What the row of that one trial says.
    recorded: Option<Recorded>,
}

/// What a row says of latencies.
#[derive(Debug)]
struct Recorded {
    ok: u64,
    /// At [`PER_MILLE`].
    percentiles: [LatencyUs; PER_MILLE.len()],
}

impl Pooled {
    /// How many latencies they are.
    pub(crate) fn operations(&self) -> u64 {
        match &self.recorded {
            Some(recorded) => recorded.ok,
            None => self.latencies.count(),
        }
    }

    /// A percentile, in thousandths. Without histograms, only those of [`PER_MILLE`] are known.
    pub(crate) fn at(&self, per_mille: u64) -> LatencyUs {
        let Some(recorded) = &self.recorded else {
            return self.latencies.at(per_mille, self.missed);
        };
        let at = PER_MILLE.iter().position(|q| *q == per_mille);
        at.map_or(LatencyUs::None, |at| recorded.percentiles[at])
    }
}

/// All configurations: workloads in their order, in each the systems by name and replicas,
/// `null` last.
pub(crate) fn groups(data: &Data) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places: HashMap<data::Configuration<'_>, usize> = HashMap::new();
    for run in &data.runs {
        let place = *places.entry(run.configuration()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group {
                runs: vec![run],
                label: String::new(),
                settings: settings(run.any()),
                known: Known::default(),
            }),
        }
    }
    name(&mut groups, data);
    let mut workloads: HashMap<&str, usize> = HashMap::new();
    for group in &groups {
        let place = workloads.len();
        workloads.entry(&group.any().workload).or_insert(place);
    }
    groups.sort_by_key(|group| {
        let row = group.any();
        let workload = workloads.get(row.workload.as_str());
        (workload, group.is_null(), row.system.as_str(), row.replicas)
    });
    groups
}

/// Gives each group a label of the settings in which it differs from the first of its workload,
/// system and replicas, which is the suite's own; of the rate, where any differ; and of the
/// directory where the circumstances differ.
fn name(groups: &mut [Group<'_>], data: &Data) {
    let mut alike: BTreeMap<(&str, &str, usize), Vec<usize>> = BTreeMap::new();
    for (at, group) in groups.iter().enumerate() {
        let row = group.any();
        let key = (row.workload.as_str(), row.system.as_str(), row.replicas);
        alike.entry(key).or_default().push(at);
    }
    for alike in alike.into_values().filter(|alike| alike.len() > 1) {
        let all: Vec<_> = alike
            .iter()
            .map(|at| groups[*at].settings.clone())
            .collect();
        let place = |at: usize| groups[at].runs[0].circumstances;
        let elsewhere = alike.iter().any(|at| place(*at) != place(alike[0]));
        let rates = all.iter().any(|one| one[ARRIVAL] != all[0][ARRIVAL]);
        for (nth, at) in alike.iter().enumerate() {
            let mut label = String::new();
            for (setting, (name, value)) in all[nth].iter().enumerate() {
                let differs = all[nth][setting] != all[0][setting];
                if differs || (setting == ARRIVAL && rates) {
                    label += &format!(", {}", said(name, value));
                }
            }
            if elsewhere {
                let circumstances = groups[*at].runs[0].circumstances;
                label += &format!(", in {}", data.sources[circumstances].name);
            }
            if label.is_empty() && nth > 0 {
                label = format!(", configuration {}", groups[*at].any().config_hash);
            }
            groups[*at].label = label;
        }
    }
}

/// A setting, where it is clear which it is by its value alone.
fn said(name: &str, value: &str) -> String {
    match name {
        "consistency" | "mailbox" => value.to_owned(),
        "arrival" => value.replace("open at", "at"),
        "clients" | "connections" => format!("{value} {name}"),
        _ => format!("{name} {value}"),
    }
}

/// Where the arrival stands among [`settings`].
const ARRIVAL: usize = 4;

/// What a configuration is made of beyond workload, system and replicas, and is worth a name.
pub(crate) fn settings(row: &RunRow) -> Settings {
    [
        ("durability", row.durability.clone()),
        ("consistency", row.consistency.clone()),
        ("mailbox", row.mailbox.clone()),
        ("targets", row.targets.clone()),
        (
            "arrival",
            match row.target_rate_per_s {
                Some(rate) => format!("{} at {} ops/s", row.arrival, crate::number::plain(rate)),
                None => row.arrival.clone(),
            },
        ),
        ("clients", row.clients.to_string()),
        ("connections", row.connections.to_string()),
        ("message bytes", row.message_bytes.to_string()),
        ("warm-up (s)", crate::number::plain(row.warmup_s)),
    ]
}

/// The arrival of a load that does as much as it gets done; others do what they are offered.
pub(crate) const CLOSED: &str = "closed";

/// The null system under the same load as a group.
pub(crate) fn null_of<'g, 'a>(group: &Group<'_>, groups: &'g [Group<'a>]) -> Option<&'g Group<'a>> {
    fn load(row: &RunRow) -> (&str, &str, usize, usize, Option<u64>) {
        (
            &row.workload,
            &row.arrival,
            row.clients,
            row.message_bytes,
            row.target_rate_per_s.map(f64::to_bits),
        )
    }
    groups
        .iter()
        .filter(|other| other.is_null() && !group.is_null())
        .filter(|other| other.runs[0].circumstances == group.runs[0].circumstances)
        .find(|other| load(other.any()) == load(group.any()))
}

/// The ceiling of a group: what the null system does under the same load, unless both do what
/// they are offered.
pub(crate) fn ceiling<'g, 'a>(group: &Group<'_>, groups: &'g [Group<'a>]) -> Option<&'g Group<'a>> {
    (group.any().arrival == CLOSED)
        .then(|| null_of(group, groups))
        .flatten()
}
