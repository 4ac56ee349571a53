//! Brings the trials of one configuration together.
//!
//! Invalid runs never count here; the report shows them one by one.

use hdrhistogram::Histogram;
use telegraft_loadgen::results::{LatencyUs, RunRow, add};

use crate::data::{ALL, Data, Run, missed};
use crate::number::{Spread, spread};

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
}

impl<'a> Group<'a> {
    pub(crate) fn any(&self) -> &'a RunRow {
        self.runs[0].any()
    }

    pub(crate) fn is_null(&self) -> bool {
        self.any().system == NULL
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

    /// Successful operations per second, over the valid trials.
    pub(crate) fn ok_per_s(&self, op: &str) -> Option<Spread> {
        let of_run = |run: &Run| match run.row(op) {
            Some(row) => Some(row.ok_per_s),
            None => (op == ALL).then(|| run.ok_per_s()),
        };
        spread(self.valid().filter_map(of_run))
    }

    /// The median over the valid trials of what is the same for all operations of a run.
    pub(crate) fn median(&self, value: impl Fn(&RunRow) -> f64) -> Option<f64> {
        spread(self.valid().map(|run| value(run.any()))).map(|s| s.median)
    }

    /// The latencies of the valid trials, counted together: percentiles of several trials say
    /// nothing when they are averaged.
    pub(crate) fn latencies(&self, op: &str, suffix: &str) -> Option<Latencies> {
        let valid: Vec<&Run> = self.valid().collect();
        pooled(&valid, op, suffix)
    }
}

/// The latencies of `runs`, counted together.
pub(crate) fn pooled(runs: &[&Run], op: &str, suffix: &str) -> Option<Latencies> {
    let mut pooled: Option<Histogram<u64>> = None;
    let (mut due_missed, mut left_out) = (0, 0);
    for run in runs {
        let Some(one) = run.latencies_of(op, suffix) else {
            left_out += 1;
            continue;
        };
        due_missed += match run.row(op) {
            Some(row) => missed(row),
            None => run.total(missed),
        };
        match &mut pooled {
            None => pooled = Some(one),
            Some(sum) => add(sum, &one),
        }
    }
    let Some(pooled) = pooled else {
        return recorded(runs, op).filter(|_| suffix.is_empty());
    };
    Some(Latencies {
        operations: pooled.len(),
        left_out,
        percentiles: PER_MILLE.map(|q| LatencyUs::at(&pooled, q, due_missed)),
    })
}

/// Of a single trial without histograms, what its row says.
fn recorded(runs: &[&Run], op: &str) -> Option<Latencies> {
    let [only] = runs else { return None };
    let row = only.row(op)?;
    Some(Latencies {
        operations: row.ok,
        left_out: 1,
        percentiles: [
            row.response_p50_us,
            row.response_p90_us,
            row.response_p95_us,
            row.response_p99_us,
            row.response_p999_us,
            row.response_max_us,
        ],
    })
}

/// Latencies of several trials, counted together.
#[derive(Debug)]
pub(crate) struct Latencies {
    /// How many there are.
    pub(crate) operations: u64,
    /// Valid trials whose latencies are not among them: their file is missing or bad.
    pub(crate) left_out: usize,
    /// At [`PER_MILLE`].
    percentiles: [LatencyUs; PER_MILLE.len()],
}

impl Latencies {
    /// One of [`PER_MILLE`].
    pub(crate) fn at(&self, per_mille: u64) -> LatencyUs {
        let at = PER_MILLE.iter().position(|q| *q == per_mille);
        at.map_or(LatencyUs::None, |at| self.percentiles[at])
    }
}

/// All configurations: workloads in their order, in each the systems by name and replicas,
/// `null` last.
pub(crate) fn groups(data: &Data) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for run in &data.runs {
        let same = |group: &&mut Group<'_>| key(group.runs[0]) == key(run);
        match groups.iter_mut().find(same) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group {
                runs: vec![run],
                label: String::new(),
            }),
        }
    }
    let label = |group| label(group, &groups, data);
    let labels: Vec<String> = groups.iter().map(label).collect();
    for (group, label) in groups.iter_mut().zip(labels) {
        group.label = label;
    }
    let mut workloads: Vec<&str> = Vec::new();
    for group in &groups {
        if !workloads.contains(&group.any().workload.as_str()) {
            workloads.push(&group.any().workload);
        }
    }
    groups.sort_by_key(|group| {
        let row = group.any();
        let workload = workloads.iter().position(|name| *name == row.workload);
        (workload, group.is_null(), row.system.as_str(), row.replicas)
    });
    groups
}

fn key(run: &Run) -> (&str, &str, usize, &str, usize) {
    let row = run.any();
    (
        &row.workload,
        &row.system,
        row.replicas,
        &row.config_hash,
        run.circumstances,
    )
}

/// The settings in which a group differs from others of its workload, system and replicas, and
/// the directory where the circumstances differ.
fn label(group: &Group<'_>, groups: &[Group<'_>], data: &Data) -> String {
    let row = group.any();
    let alike = groups.iter().filter(|other| {
        let other = other.any();
        (&other.workload, &other.system, other.replicas)
            == (&row.workload, &row.system, row.replicas)
    });
    let alike: Vec<&Group<'_>> = alike.collect();
    let others: Vec<&RunRow> = alike.iter().map(|group| group.any()).collect();
    if others.len() < 2 {
        return String::new();
    }
    let mut label = String::new();
    for (name, value) in settings(row) {
        let same = |other: &&RunRow| settings(other).contains(&(name, value.clone()));
        if !others.iter().all(same) {
            label += &format!(", {name} {value}");
        }
    }
    let circumstances = group.runs[0].circumstances;
    if alike
        .iter()
        .any(|other| other.runs[0].circumstances != circumstances)
    {
        label += &format!(", in {}", data.sources[circumstances].name);
    }
    match label.is_empty() {
        true => format!(", configuration {}", row.config_hash),
        false => label,
    }
}

/// What a configuration is made of beyond workload, system and replicas, and is worth a name.
pub(crate) fn settings(row: &RunRow) -> [(&'static str, String); 9] {
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
    let load = |row: &RunRow| {
        (
            row.workload.clone(),
            row.arrival.clone(),
            row.clients,
            row.message_bytes,
            row.target_rate_per_s.map(f64::to_bits),
        )
    };
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
