//! Which runs a suite comes to, in which order.

use super::BenchError;
use super::one::{Planned, SharedTrace};
use crate::run::Scenario;
use crate::suite::{Arrival, Suite, Workload, in_turn};

/// The runs of a suite. Trials come in turn, so that what changes on the machine meanwhile meets
/// all systems alike.
pub(super) fn plan(suite: &Suite) -> Result<Vec<Planned>, BenchError> {
    let configurations = suite.configurations()?;
    let mut traces = Traces(Vec::new());
    let mut runs = Vec::new();
    for (trial, configuration) in in_turn(&configurations) {
        runs.push(Planned {
            id: configuration.run_id(trial),
            system: configuration.system,
            replicas: configuration.replicas,
            durability: configuration.durability,
            mailbox: configuration.mailbox,
            workload: configuration.workload.clone(),
            trace: traces.of(&configuration.workload)?,
            trial,
            seed: suite.seed.wrapping_add(u64::from(trial) - 1),
        });
    }
    Ok(runs)
}

/// Recordings, with the arrivals that they are of: each is read once.
struct Traces(Vec<(Arrival, SharedTrace)>);

impl Traces {
    fn of(&mut self, workload: &Workload) -> Result<SharedTrace, BenchError> {
        let is_it = |(arrival, _): &&(Arrival, SharedTrace)| *arrival == workload.arrival;
        if let Some((_, trace)) = self.0.iter().find(is_it) {
            return Ok(trace.clone());
        }
        let trace = Scenario::read_trace(workload).map_err(BenchError::Trace)?;
        if trace.is_some() {
            self.0.push((workload.arrival.clone(), trace.clone()));
        }
        Ok(trace)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::bench::one::Bench;
    use crate::engine::{DRAIN, Stop};
    use crate::results::ResultDir;
    use crate::run::config_hash;
    use crate::suite::{self, Overrides};

    const SUITE: &str = r#"
systems = ["telegraft", "null"]
workloads = ["write-heavy"]
trials = 2

[[also]]
name = "again"

[[also]]
name = "said"
mailbox = "lanes"
durability = "fsync"
consistency = "linearizable"
targets = "leader"
clients = 64
trials = 1

[[also]]
name = "fifo"
mailbox = "fifo"

[[also]]
name = "no-sync"
durability = "none"

[[also]]
name = "lease"
consistency = "lease"

[[also]]
name = "any"
targets = "any"

[[also]]
name = "more"
clients = 65

[[also]]
name = "rate"
rate = 500

[[also]]
name = "faster"
rate = 501

[[also]]
name = "five"
replicas = [5]
"#;

    /// Every run's id with its `config_hash`.
    fn hashes(text: &str) -> BTreeMap<String, String> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("all.toml");
        fs::write(&path, text).expect("it is written");
        let suite = suite::load(&path.to_string_lossy(), &Overrides::default()).expect("right");
        let runs = plan(&suite).expect("no recording");
        let bench = Bench {
            binary: PathBuf::new(),
            suite,
            nonce: "0badcafe".to_owned(),
            data_dir: PathBuf::new(),
            results: ResultDir::create_at(&dir.path().join("results")).expect("it is made"),
            file_system: "ext4".to_owned(),
            stop: Stop::default(),
            drain: DRAIN,
            record: None,
        };
        let hashed = runs.into_iter().map(|planned| {
            let trace = planned.trace.clone();
            let scenario = Scenario::new(planned.workload.clone(), planned.seed, trace);
            let scenario = scenario.expect("it can be drawn");
            let hash = config_hash(&bench.run(&planned, &scenario), &scenario);
            (planned.id, hash)
        });
        hashed.collect()
    }

    #[test]
    fn configurations_have_the_same_hash_exactly_when_they_are_the_same() {
        let hashes = hashes(SUITE);
        let of = |system: &str, part: &str, trial: u32| {
            let id = format!("{system}-write-heavy{part}-t{trial}");
            hashes.get(&id).unwrap_or_else(|| panic!("no {id}"))
        };
        let parts = [
            "-fifo", "-no-sync", "-lease", "-any", "-more", "-rate", "-faster",
        ];
        let own = of("telegraft-3", "", 1);
        for same in [
            of("telegraft-3", "", 2),
            of("telegraft-3", "-again", 2),
            of("telegraft-3", "-said", 1),
        ] {
            assert_eq!(same, own);
        }
        let mut different = vec![own, of("telegraft-5", "-five", 1)];
        different.extend(parts.map(|part| of("telegraft-3", part, 1)));
        // Nobody waits for a mailbox or a disk there.
        for same in ["-again", "-said", "-fifo", "-no-sync", "-five"] {
            assert_eq!(of("null", same, 1), of("null", "", 1), "{same}");
        }
        different.push(of("null", "", 1));
        different.extend(parts[2..].iter().map(|part| of("null", part, 1)));
        for (nth, hash) in different.iter().enumerate() {
            assert!(!different[..nth].contains(hash), "{nth}: {different:?}");
        }
    }
}
