//! Which configurations are compared.

use super::Setting;
use super::trial::{self, Trial};
use crate::data::{Data, Run};
use crate::number::plain;
use crate::summary::settings;
use telegraft_loadgen::results::RunRow;

/// What `runs.csv` reads where a setting has no sense, as the mailbox of `null`.
const NOT_APPLICABLE: &str = "-";

/// The trials of one configuration.
#[derive(Clone, Debug)]
pub(super) struct Configuration {
    /// A row of it, for its settings; none of another tool's.
    row: Option<RunRow>,
    pub(super) workload: String,
    /// With what tells it from others of its workload, system and replicas.
    pub(super) system: String,
    /// Of what was counted, by the trial's number.
    trials: Vec<(u32, Trial)>,
    /// The directories that its trials are from.
    sources: Vec<usize>,
    /// Where it was measured, as [`Run::circumstances`]; 0 where that is no matter.
    circumstances: usize,
}

/// Two configurations, or two halves of one.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) workload: String,
    pub(super) system: String,
    /// The trials of both.
    pub(super) sides: [Vec<Trial>; 2],
    /// Whether they are from different directories.
    pub(super) apart: bool,
}

impl Configuration {
    /// One that another tool measured.
    pub(super) fn foreign(workload: &str, system: &str, trials: Vec<Trial>) -> Self {
        Configuration {
            row: None,
            workload: workload.to_owned(),
            system: system.to_owned(),
            trials: (1..).zip(trials).collect(),
            sources: Vec::new(),
            circumstances: 0,
        }
    }

    fn all(&self) -> Vec<Trial> {
        self.trials.iter().map(|(_, trial)| trial.clone()).collect()
    }

    /// `chat: telegraft ×3`.
    fn name(&self) -> String {
        format!("{}: {}", self.workload, self.system)
    }

    fn hash(&self) -> Option<&str> {
        self.row.as_ref().map(|row| row.config_hash.as_str())
    }
}

/// The configurations of one side: trials of equal configuration, wherever they were measured.
pub(super) fn configurations(data: &Data) -> Vec<Configuration> {
    grouped(data, |_| 0)
}

/// The same, but what was measured under other circumstances is another one.
pub(super) fn configurations_apart(data: &Data) -> Vec<Configuration> {
    grouped(data, |run| run.circumstances)
}

/// Workloads in their order, in each the systems by name and replicas, `null` last.
fn grouped(data: &Data, circumstances: impl Fn(&Run) -> usize) -> Vec<Configuration> {
    let mut found: Vec<Configuration> = Vec::new();
    for run in &data.runs {
        let row = run.any();
        let same = |one: &&mut Configuration| {
            one.circumstances == circumstances(run)
                && one.row.as_ref().is_some_and(|other| {
                    other.config_hash == row.config_hash
                        && other.workload == row.workload
                        && other.system == row.system
                        && other.replicas == row.replicas
                })
        };
        let at = match found.iter_mut().find(same) {
            Some(one) => one,
            None => {
                found.push(Configuration {
                    row: Some(row.clone()),
                    workload: row.workload.clone(),
                    system: String::new(),
                    trials: Vec::new(),
                    sources: Vec::new(),
                    circumstances: circumstances(run),
                });
                found.last_mut().expect("it was just added")
            }
        };
        if run.valid() {
            at.trials.push((row.trial, trial::of_run(run)));
            at.sources.push(run.source);
        }
    }
    for one in &mut found {
        one.sources.sort_unstable();
        one.sources.dedup();
    }
    let rows: Vec<RunRow> = found.iter().filter_map(|one| one.row.clone()).collect();
    let all = settled(&rows);
    let places: Vec<(String, usize)> = found
        .iter()
        .map(|one| (one.hash().unwrap_or_default().to_owned(), one.circumstances))
        .collect();
    for one in &mut found {
        if let Some(row) = &one.row {
            one.system = format!("{}{}", system(row), distinction(row, &all, None));
            let elsewhere =
                |(hash, at): &(String, usize)| *hash == row.config_hash && *at != one.circumstances;
            if places.iter().any(elsewhere) {
                one.system += &format!(", in {}", data.sources[one.circumstances].name);
            }
        }
    }
    let workloads: Vec<String> = found.iter().map(|one| one.workload.clone()).collect();
    found.sort_by_key(|one| {
        let workload = workloads.iter().position(|name| *name == one.workload);
        let row = one.row.as_ref();
        let system = row.map(|row| (row.system == "null", row.system.clone(), row.replicas));
        (workload, system)
    });
    found
}

/// `telegraft ×3`.
fn system(row: &RunRow) -> String {
    match row.replicas {
        0 => row.system.clone(),
        n => format!("{} ×{n}", row.system),
    }
}

/// A row of a configuration, and its [`settings`].
type Settled<'a> = (&'a RunRow, [(&'static str, String); 9]);

fn settled<'a>(rows: impl IntoIterator<Item = &'a RunRow>) -> Vec<Settled<'a>> {
    let rows = rows.into_iter();
    rows.map(|row| (row, settings(row))).collect()
}

/// The settings in which a configuration differs from others of `all` of its workload, system
/// and replicas.
fn distinction(row: &RunRow, all: &[Settled<'_>], except: Option<Setting>) -> String {
    let others = all.iter().filter(|(other, _)| {
        (&other.workload, &other.system, other.replicas)
            == (&row.workload, &row.system, row.replicas)
    });
    let others: Vec<&Settled<'_>> = others.collect();
    let mut text = String::new();
    for (at, (name, value)) in settings(row).into_iter().enumerate() {
        let differs = |(_, other): &&Settled<'_>| other[at].1 != value;
        if except.is_none_or(|setting| setting.name() != name) && others.iter().any(differs) {
            text += &format!(", {name} {value}");
        }
    }
    let hash = |(other, _): &&Settled<'_>| other.config_hash != row.config_hash;
    if text.is_empty() && except.is_none() && others.iter().any(hash) {
        text = format!(", configuration {}", row.config_hash);
    }
    text
}

/// The configurations of equal hash on two sides, and the names of those that only one side has.
pub(super) fn by_hash(a: &[Configuration], b: &[Configuration]) -> (Vec<Pair>, [Vec<String>; 2]) {
    let twin = |one: &Configuration, of: &[Configuration]| {
        of.iter().position(|other| {
            other.hash() == one.hash()
                && other.workload == one.workload
                && other.row.as_ref().map(system) == one.row.as_ref().map(system)
        })
    };
    let mut pairs = Vec::new();
    for one in a {
        pairs.extend(twin(one, b).map(|at| Pair {
            workload: one.workload.clone(),
            system: one.system.clone(),
            sides: [one.all(), b[at].all()],
            apart: true,
        }));
    }
    let alone = |side: &[Configuration], of: &[Configuration]| {
        let alone = side.iter().filter(|one| twin(one, of).is_none());
        alone.map(|one| one.name() + &nearest(one, of)).collect()
    };
    (pairs, [alone(a, b), alone(b, a)])
}

/// In what a configuration differs from one of the other side, if there is one of the same
/// workload, system and replicas.
fn nearest(one: &Configuration, of: &[Configuration]) -> String {
    let Some(row) = &one.row else {
        return String::new();
    };
    let mut alike = of.iter().filter_map(|other| other.row.as_ref());
    let Some(other) =
        alike.find(|other| other.workload == row.workload && system(other) == system(row))
    else {
        return String::new();
    };
    let all = |row: &RunRow| {
        let mut all = settings(row).to_vec();
        all.push(("duration (s)", plain(row.duration_s)));
        all
    };
    let mut differ: Vec<String> = all(row)
        .into_iter()
        .zip(all(other))
        .filter(|(one, other)| one != other)
        .map(|((name, one), (_, other))| format!("{name} {one}, not {other}"))
        .collect();
    if differ.is_empty() {
        // The workload's file says something else.
        differ.push(format!(
            "configuration {}, not {}",
            row.config_hash, other.config_hash
        ));
    }
    format!(" ({})", differ.join("; "))
}

/// Every configuration of one side with every one of the other, where they are of different
/// tools.
pub(super) fn each_with_each(a: &[Configuration], b: &[Configuration]) -> Vec<Pair> {
    let of = |one: &Configuration, other: &Configuration| Pair {
        workload: arrow(&one.workload, &other.workload),
        system: arrow(&one.system, &other.system),
        sides: [one.all(), other.all()],
        apart: true,
    };
    a.iter()
        .flat_map(|one| b.iter().map(move |other| of(one, other)))
        .collect()
}

/// What becomes of what, unless it stays.
fn arrow(from: &str, to: &str) -> String {
    match from == to {
        true => from.to_owned(),
        false => format!("{from} → {to}"),
    }
}

/// Configurations that differ in `setting` alone, each with the first of them; and the names of
/// those that differ from no other in it alone.
pub(super) fn by_setting(
    configurations: &[Configuration],
    setting: Setting,
) -> (Vec<Pair>, Vec<String>) {
    let all = settled(configurations.iter().filter_map(|one| one.row.as_ref()));
    let mut first: Vec<usize> = Vec::new();
    let mut paired: Vec<usize> = Vec::new();
    let mut pairs = Vec::new();
    for (at, one) in configurations.iter().enumerate() {
        let alike = |base: &&usize| differ_in(&configurations[**base], one, setting);
        let bases: Vec<usize> = first.iter().filter(alike).copied().collect();
        if bases.is_empty() {
            first.push(at);
        }
        for base in bases {
            paired.extend([base, at]);
            pairs.extend(pair(&configurations[base], one, setting, &all));
        }
    }
    let alone = (0..configurations.len()).filter(|at| !paired.contains(at));
    let names = alone.map(|at| configurations[at].name()).collect();
    (pairs, names)
}

fn pair(
    base: &Configuration,
    one: &Configuration,
    setting: Setting,
    all: &[Settled<'_>],
) -> Option<Pair> {
    let (from, to) = (base.row.as_ref()?, one.row.as_ref()?);
    let system = match setting {
        Setting::System => arrow(&system(from), &system(to)),
        Setting::Replicas => format!("{} → ×{}", system(from), to.replicas),
        _ => {
            let values = arrow(&value(from, setting), &value(to, setting));
            format!("{}, {values}", system(from))
        }
    };
    Some(Pair {
        workload: base.workload.clone(),
        system: system + &distinction(from, all, Some(setting)),
        sides: [base.all(), one.all()],
        apart: base.sources != one.sources,
    })
}

fn value(row: &RunRow, setting: Setting) -> String {
    match setting {
        Setting::Mailbox => row.mailbox.clone(),
        Setting::Consistency => row.consistency.clone(),
        Setting::Durability => row.durability.clone(),
        Setting::System => row.system.clone(),
        Setting::Replicas => row.replicas.to_string(),
        Setting::Targets => row.targets.clone(),
    }
}

/// Whether two configurations differ in `setting`, and in nothing else that a row tells. What
/// does not apply to one of two systems is no difference.
fn differ_in(one: &Configuration, other: &Configuration, setting: Setting) -> bool {
    let (Some(a), Some(b)) = (&one.row, &other.row) else {
        return false;
    };
    let settings = [
        Setting::Mailbox,
        Setting::Consistency,
        Setting::Durability,
        Setting::System,
        Setting::Replicas,
        Setting::Targets,
    ];
    let same = |which: Setting| {
        let (a, b) = (value(a, which), value(b, which));
        let none = |value: &str| value == NOT_APPLICABLE || value == "0";
        a == b || (setting == Setting::System && (none(&a) || none(&b)))
    };
    let rest = |row: &RunRow| {
        let load = (row.workload.clone(), row.arrival.clone());
        let sizes = (row.clients, row.connections, row.message_bytes);
        let times = (row.warmup_s.to_bits(), plain(row.duration_s));
        (load, sizes, times, row.target_rate_per_s.map(f64::to_bits))
    };
    let mut others = settings.into_iter().filter(|which| *which != setting);
    one.circumstances == other.circumstances
        && value(a, setting) != value(b, setting)
        && others.all(same)
        && rest(a) == rest(b)
}

/// The odd and the even trials of each configuration, and the names of those with one trial.
pub(super) fn halves(configurations: &[Configuration]) -> (Vec<Pair>, Vec<String>) {
    let (several, alone): (Vec<&Configuration>, Vec<&Configuration>) =
        configurations.iter().partition(|one| {
            let odd = |trial: &(u32, Trial)| trial.0 % 2 == 1;
            one.trials.iter().any(odd) && !one.trials.iter().all(odd)
        });
    let half = |one: &Configuration, odd: u32| {
        let trials = one.trials.iter().filter(|trial| trial.0 % 2 == odd);
        trials.map(|(_, trial)| trial.clone()).collect()
    };
    let pair = |one: &Configuration| Pair {
        workload: one.workload.clone(),
        system: one.system.clone(),
        sides: [half(one, 1), half(one, 0)],
        apart: false,
    };
    let names = alone.into_iter().map(Configuration::name).collect();
    (several.into_iter().map(pair).collect(), names)
}
