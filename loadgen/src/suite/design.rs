//! What a suite comes to: its product of systems, replica counts and workloads, and the parts
//! beside it, as one list of what is run in every trial.

use telegraft_cluster::http::Consistency;
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;

use super::{Overrides, Suite, SuiteError, System, Targets, Workload, overrides};

/// A product of its own beside the suite's, trial by trial in turn with it, so that what changes
/// on the machine meanwhile meets both alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its name, which ends the names of its configurations, as `telegraft-3-write-heavy-fifo`.
    pub name: String,
    /// The systems.
    pub systems: Vec<System>,
    /// The replica counts of those that have replicas.
    pub replicas: Vec<usize>,
    /// The workloads, in order, before the part changes them: [`workloads_as_run`](Part::workloads_as_run).
    pub workloads: Vec<Workload>,
    /// How often it is run.
    pub trials: u32,
    /// Whether writes are synced.
    pub durability: Durability,
    /// The replicas' mailbox.
    pub mailbox: Mailbox,
    /// How fresh the reads of its workloads must be; `None`: as they say.
    pub consistency: Option<Consistency>,
    /// Which replicas the clients of its workloads talk to; `None`: as they say.
    pub targets: Option<Targets>,
    /// Clients of its closed loops, connections of its other workloads; `None`: as they say.
    pub clients: Option<usize>,
    /// Arrivals a second, which make its workloads open loops, as [`Overrides::rate`] does; `None`:
    /// as they say.
    pub rate: Option<f64>,
}

impl Part {
    /// Its workloads as they are run.
    ///
    /// # Errors
    /// One of them has no rate that could be another one: a recording, or one that only polls.
    /// ([`load`](super::load) gives no such part.)
    pub fn workloads_as_run(&self) -> Result<Vec<Workload>, SuiteError> {
        let wanted = Overrides {
            consistency: self.consistency,
            targets: self.targets,
            clients: self.clients,
            rate: self.rate,
            ..Overrides::default()
        };
        let mut workloads = self.workloads.clone();
        overrides::apply_to_workloads(&mut workloads, &wanted)?;
        Ok(workloads)
    }
}

/// What is run once in a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// Unique in its suite, as `telegraft-3-write-heavy`, or `telegraft-3-write-heavy-fifo` of the
    /// part `fifo`.
    pub name: String,
    /// What is measured.
    pub system: System,
    /// 0 when the system has none.
    pub replicas: usize,
    /// What clients do.
    pub workload: Workload,
    /// In how many trials: the first ones.
    pub trials: u32,
    /// Whether writes are synced.
    pub durability: Durability,
    /// The replicas' mailbox.
    pub mailbox: Mailbox,
}

impl Configuration {
    /// The id of its run in a trial, as `telegraft-3-write-heavy-t1`.
    pub fn run_id(&self, trial: u32) -> String {
        format!("{}-t{trial}", self.name)
    }
}

/// What a configuration is called.
pub(crate) fn configuration_name(
    system: System,
    replicas: usize,
    workload: &str,
    part: Option<&str>,
) -> String {
    let size = match system {
        System::Telegraft => format!("-{replicas}"),
        System::Null => String::new(),
    };
    let part = part.map_or_else(String::new, |part| format!("-{part}"));
    format!("{system}{size}-{workload}{part}")
}

impl Suite {
    /// What is run, in the order of every trial: the product, then each of the parts.
    ///
    /// # Errors
    /// As those of [`Part::workloads_as_run`].
    pub fn configurations(&self) -> Result<Vec<Configuration>, SuiteError> {
        let product = Product {
            part: None,
            systems: &self.systems,
            replicas: &self.replicas,
            trials: self.trials,
            durability: self.durability,
            mailbox: self.mailbox,
        };
        let mut configurations = product.of(&self.workloads);
        for part in &self.also {
            configurations.extend(part.configurations()?);
        }
        Ok(configurations)
    }
}

impl Part {
    /// What it adds to a suite.
    pub(super) fn configurations(&self) -> Result<Vec<Configuration>, SuiteError> {
        let product = Product {
            part: Some(&self.name),
            systems: &self.systems,
            replicas: &self.replicas,
            trials: self.trials,
            durability: self.durability,
            mailbox: self.mailbox,
        };
        Ok(product.of(&self.workloads_as_run()?))
    }
}

/// The runs of some configurations in turn: all that have a first trial, then all that have a
/// second one, and so on.
pub fn in_turn(configurations: &[Configuration]) -> impl Iterator<Item = (u32, &Configuration)> {
    let trials = configurations.iter().map(|each| each.trials).max();
    (1..=trials.unwrap_or(0)).flat_map(move |trial| {
        let of_it = configurations
            .iter()
            .filter(move |each| trial <= each.trials);
        of_it.map(move |each| (trial, each))
    })
}

/// All that configurations of one product share.
struct Product<'a> {
    part: Option<&'a str>,
    systems: &'a [System],
    replicas: &'a [usize],
    trials: u32,
    durability: Durability,
    mailbox: Mailbox,
}

impl Product<'_> {
    fn of(&self, workloads: &[Workload]) -> Vec<Configuration> {
        let mut configurations = Vec::new();
        for workload in workloads {
            for system in self.systems {
                // Systems without replicas run once, and there is nobody to kill.
                let counts: &[usize] = match system {
                    System::Telegraft => self.replicas,
                    System::Null if workload.faults.is_empty() => &[0],
                    System::Null => &[],
                };
                configurations.extend(counts.iter().map(|replicas| Configuration {
                    name: configuration_name(*system, *replicas, &workload.name, self.part),
                    system: *system,
                    replicas: *replicas,
                    workload: workload.clone(),
                    trials: self.trials,
                    durability: self.durability,
                    mailbox: self.mailbox,
                }));
            }
        }
        configurations
    }
}
