//! Suite and workload files, as their writers meet them.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod errors;
mod explain;
mod mutations;
mod overrides;
mod parts;
mod round_trip;

use std::fs;
use std::path::Path;
use std::time::Duration;

use telegraft_cluster::http::Consistency;
use telegraft_cluster::node::Mailbox;
use telegraft_loadgen::plan::Kind;
use telegraft_loadgen::suite::{
    self, Arrival, FaultAction, FaultTarget, Overrides, Popularity, ReadPage, Sizes, Spacing,
    Stage, Suite, SuiteError, System, Targets, Think,
};

const WORKLOAD: &str = r#"
message_bytes = "1KiB"

[arrival]
model = "closed"
clients = 8

[population]
users = 10
rooms = 4
rooms_per_user = 2

[operations.send]
weight = 3

[operations.read]
"#;

const SUITE: &str = r#"
systems = ["telegraft"]
replicas = [3]
workloads = ["small"]
"#;

/// A directory with a suite `all.toml` and a workload `small.toml`.
fn written(suite: &str, workload: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("all.toml"), suite).unwrap();
    fs::write(dir.path().join("small.toml"), workload).unwrap();
    dir
}

fn load_in(dir: &Path, overrides: &Overrides) -> Result<Suite, SuiteError> {
    suite::load(dir.join("all.toml").to_str().unwrap(), overrides)
}

/// `text` with one part of it written otherwise.
fn but(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

/// The texts of the files in `workloads/`.
fn shipped() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads");
    let mut paths: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

const SUITES: [&str; 5] = ["default", "replicas", "full", "failover", "original"];
const WORKLOADS: [&str; 7] = [
    "write-heavy",
    "read-heavy",
    "send-only",
    "read-only",
    "chat",
    "hot-room",
    "burst",
];

fn plain(name: &str) -> suite::Workload {
    suite::load_workload(name, &Overrides::default()).unwrap()
}

#[test]
fn every_file_that_is_shipped_is_built_in_and_right() {
    assert_eq!(shipped().len(), SUITES.len() + WORKLOADS.len());
    for name in SUITES {
        let suite = suite::load(name, &Overrides::default()).unwrap();
        assert_eq!(suite.name, name);
        assert!(!suite.description.is_empty(), "{name}");
    }
    for name in WORKLOADS {
        let workload = plain(name);
        assert_eq!(workload.name, name);
        assert!(!workload.description.is_empty(), "{name}");
    }
}

#[test]
fn the_main_job_stays_below_three_minutes() {
    let suite = suite::load("default", &Overrides::default()).unwrap();
    let names: Vec<&str> = suite.workloads.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(names, ["write-heavy", "read-heavy", "chat"]);
    assert_eq!(suite.systems, System::ALL);
    assert_eq!(suite.replicas, [1, 3, 5]);
    // The null system has no replicas, and runs once.
    let runs = (suite.replicas.len() + 1) * names.len() * suite.trials as usize;
    assert_eq!(runs, 24);
    let load = (suite.warmup + suite.duration) * u32::try_from(runs).unwrap();
    assert!(
        load <= Duration::from_secs(120),
        "and as much again for all around it: {load:?}"
    );
}

#[test]
fn the_write_up_stays_below_forty_minutes() {
    let suite = suite::load("full", &Overrides::default()).unwrap();
    let configurations = suite.configurations().unwrap();
    let runs: u32 = configurations.iter().map(|each| each.trials).sum();
    // As workloads/README.md says.
    assert_eq!((runs, suite.trials), (133, 5));
    let each = suite.warmup + suite.duration + Duration::from_millis(1500);
    let whole = each * runs;
    assert!(whole < Duration::from_secs(38 * 60), "{whole:?}");
    // What is compared with something differs from it in one respect.
    let of = |name: &str| {
        let found = configurations.iter().find(|each| each.name == name);
        found.unwrap_or_else(|| panic!("no {name}"))
    };
    let fifo = of("telegraft-3-busy-chat-fifo");
    assert_eq!(
        suite::Configuration {
            name: fifo.name.clone(),
            mailbox: Mailbox::Fifo,
            ..of("telegraft-3-busy-chat-lanes").clone()
        },
        *fifo
    );
    let lease = of("telegraft-3-read-only-lease");
    assert_eq!(lease.workload.consistency, Consistency::Lease);
    assert_eq!(lease.workload.targets, Targets::Leader);
    let local = of("telegraft-3-read-only-local");
    assert_eq!(local.workload.consistency, Consistency::Local);
    assert_eq!(local.workload.targets, Targets::Any);
    for (name, rate) in [
        ("2k", 2e3),
        ("6k", 6e3),
        ("10k", 1e4),
        ("14k", 14e3),
        ("16k", 16e3),
        ("18k", 18e3),
    ] {
        let offered = of(&format!("telegraft-3-offered-rate-{name}"));
        assert_eq!(offered.workload.arrival.peak(), Some(rate));
    }
    assert_eq!(of("telegraft-5-failover-killed").workload.faults.len(), 1);
}

#[test]
fn what_is_shipped_is_what_it_says() {
    let pure = plain("send-only");
    assert_eq!(pure.kinds(), [Kind::Send]);
    let pure = plain("read-only");
    assert_eq!(pure.kinds(), [Kind::Read]);
    let read = pure.operations.read.unwrap();
    assert_eq!((read.page, read.limit), (ReadPage::Latest, 20));
    assert!(pure.population.prefill >= read.limit, "pages are full");

    let chat = plain("chat");
    assert_eq!(chat.kinds(), [Kind::Send, Kind::Inbox, Kind::Join]);
    assert_eq!(chat.arrival.peak(), Some(202.0));
    assert!(matches!(chat.population.room_sizes, Popularity::Zipf(_)));
    assert!(matches!(chat.message_bytes, Sizes::LogNormal { .. }));
    let polling = chat.polling.unwrap();
    assert_eq!(
        (polling.every, polling.users),
        (Duration::from_secs(2), Some(400))
    );
    assert!((polling.rate(&chat.population) - 200.0).abs() < 1e-9);
    assert!(chat.slo["send"].response_p99.is_some() && chat.slo["inbox"].response_p99.is_some());

    let hot = plain("hot-room");
    assert_eq!(
        hot.population.popularity,
        Popularity::Hot {
            rooms: 1,
            share: 0.9
        }
    );
    let Arrival::Open { stages, .. } = plain("burst").arrival else {
        panic!("burst is an open loop");
    };
    assert!(
        stages
            .iter()
            .any(|stage| stage.to > Some(stage.rate * 10.0))
    );

    // A suite of one workload stands for it.
    let failover = plain("failover");
    let fault = failover.faults[0];
    assert_eq!(
        (fault.action, fault.to),
        (FaultAction::Kill, FaultTarget::Leader)
    );
    assert_eq!((fault.at, fault.lasts), (Duration::from_secs(2), None));
    assert_eq!(failover.max_errors, None, "faults make some fail");

    let original = suite::load("original", &Overrides::default()).unwrap();
    assert_eq!(original.replicas, [3, 5]);
    for workload in &original.workloads {
        assert_eq!(workload.operations.sequence, [Kind::Read, Kind::Send]);
        assert_eq!(
            (workload.population.users, workload.connections()),
            (100, 100)
        );
        let rate = workload
            .name
            .strip_prefix("original-")
            .unwrap()
            .parse::<f64>()
            .ok();
        assert_eq!(workload.arrival.peak(), rate, "{}", workload.name);
    }
}

#[test]
fn values_are_what_the_file_says_and_defaults_what_the_readme_says() {
    let dir = written(SUITE, WORKLOAD);
    let workload = load_in(dir.path(), &Overrides::default())
        .unwrap()
        .workloads
        .remove(0);
    assert_eq!(workload.name, "small");
    assert_eq!(workload.message_bytes, Sizes::Fixed(1024));
    assert_eq!(workload.targets, Targets::Leader);
    assert_eq!(workload.max_errors, Some(0.01));
    let closed = Arrival::Closed {
        clients: 8,
        think: Think::None,
    };
    assert_eq!(workload.arrival, closed);
    assert_eq!(workload.operations.send.unwrap().weight, 3);
    let read = workload.operations.read.unwrap();
    assert_eq!(
        (read.weight, read.page, read.limit),
        (1, ReadPage::SinceLastSeen, 50)
    );
    assert_eq!(workload.population.popularity, Popularity::Uniform);
    assert_eq!(workload.population.prefill, 0);

    let open = but(
        WORKLOAD,
        "model = \"closed\"\nclients = 8",
        "model = \"open\"\nrate = \"2k\"",
    );
    let dir = written(SUITE, &open);
    let workload = load_in(dir.path(), &Overrides::default())
        .unwrap()
        .workloads
        .remove(0);
    let open = Arrival::Open {
        connections: 64,
        spacing: Spacing::Poisson,
        stages: vec![Stage {
            rate: 2000.0,
            to: None,
            length: None,
        }],
    };
    assert_eq!(workload.arrival, open);
}

#[test]
fn a_suite_finds_the_workloads_beside_it() {
    let dir = written(SUITE, WORKLOAD);
    let suite = load_in(dir.path(), &Overrides::default()).unwrap();
    assert_eq!(suite.name, "all");
    let workload = &suite.workloads[0];
    // By path, from anywhere; and built-in ones stay reachable.
    let path = dir.path().join("small.toml").display().to_string();
    let overrides = Overrides {
        workloads: Some(vec![path, "write-heavy".to_owned()]),
        ..Overrides::default()
    };
    let suite = suite::load("default", &overrides).unwrap();
    assert_eq!(suite.workloads[0], *workload);
    assert_eq!(suite.workloads[1].name, "write-heavy");
    // By path relative to the suite.
    fs::create_dir(dir.path().join("below")).unwrap();
    fs::rename(
        dir.path().join("small.toml"),
        dir.path().join("below/small.toml"),
    )
    .unwrap();
    fs::write(
        dir.path().join("all.toml"),
        but(SUITE, "small", "below/small.toml"),
    )
    .unwrap();
    let suite = load_in(dir.path(), &Overrides::default()).unwrap();
    assert_eq!(suite.workloads[0], *workload);
}

#[test]
fn a_workload_is_a_suite_of_it_alone() {
    let suite = suite::load("chat", &Overrides::default()).unwrap();
    assert_eq!((suite.name.as_str(), suite.workloads.len()), ("chat", 1));
    assert_eq!(suite.workloads[0], plain("chat"));
    assert_eq!(
        (suite.replicas.as_slice(), suite.trials),
        ([3].as_slice(), 1)
    );
    assert_eq!((suite.warmup.as_secs(), suite.duration.as_secs()), (1, 10));
    let dir = written(SUITE, WORKLOAD);
    let path = dir.path().join("small.toml");
    let suite = suite::load(path.to_str().unwrap(), &Overrides::default()).unwrap();
    assert_eq!(
        (suite.name.as_str(), suite.workloads[0].name.as_str()),
        ("small", "small")
    );
}

#[test]
fn one_workload_is_found_by_name_by_file_and_in_a_suite_of_one() {
    let dir = written(SUITE, WORKLOAD);
    let load = |name: &str| {
        let path = dir.path().join(name);
        suite::load_workload(path.to_str().unwrap(), &Overrides::default())
    };
    assert_eq!(load("small.toml").unwrap(), load("all.toml").unwrap());
    let error = suite::load_workload("default", &Overrides::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("default.toml:5:"), "{error}");
    assert!(error.contains("write-heavy, read-heavy, chat"), "{error}");
}

#[test]
fn a_recording_counts_from_its_workload() {
    let trace = "[arrival]\nmodel = \"trace\"\nfile = \"day.csv\"\nspeed = 2\n";
    let dir = written(SUITE, trace);
    let workload = load_in(dir.path(), &Overrides::default())
        .unwrap()
        .workloads
        .remove(0);
    let arrival = Arrival::Trace {
        file: dir.path().join("day.csv"),
        speed: 2.0,
        connections: 64,
    };
    assert_eq!(workload.arrival, arrival);
    assert_eq!(
        (workload.population.users, workload.population.rooms),
        (1, 1)
    );
}

#[test]
fn what_cannot_be_found_or_put_together_is_said() {
    let load =
        |suite: &str, overrides: &Overrides| suite::load(suite, overrides).unwrap_err().to_string();
    let plain = Overrides::default();
    let text = load("nightly", &plain);
    assert!(
        text.contains("no suite \"nightly\"") && text.contains("default"),
        "{text}"
    );
    let text = load("orignal", &plain);
    assert!(text.contains("did you mean \"original\"?"), "{text}");
    let text = load("no/such.toml", &plain);
    assert!(text.contains("no/such.toml"), "{text}");
    let workloads = |names: &[&str]| Overrides {
        workloads: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..Overrides::default()
    };
    let text = load("default", &workloads(&["wirte-heavy"]));
    assert!(text.contains("no workload \"wirte-heavy\""), "{text}");
    assert!(text.contains("did you mean \"write-heavy\"?"), "{text}");
    let text = load("default", &workloads(&["send-only", "send-only"]));
    assert!(text.contains("named twice"), "{text}");
    let text = load("chat", &workloads(&["send-only"]));
    assert!(text.contains("chat is a workload already"), "{text}");
    let short = Overrides {
        duration: Some(Duration::from_secs(1)),
        ..Overrides::default()
    };
    let text = load("failover", &short);
    assert!(text.contains("has a fault at 2s"), "{text}");
    let few = Overrides {
        replicas: Some(vec![1]),
        ..Overrides::default()
    };
    let text = load("failover", &few);
    assert!(text.contains("fewer than 3"), "{text}");
}

#[test]
fn the_examples_of_the_readme_are_right() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    // The whole ones: the others are parts.
    let example = |start: &str| {
        let blocks = readme.split("```toml\n").skip(1);
        let texts = blocks.map(|block| block.split("```").next().unwrap_or(block));
        let found: Vec<&str> = texts.filter(|text| text.starts_with(start)).collect();
        let [text] = found.as_slice() else {
            panic!("{start}: {found:?}");
        };
        (*text).to_owned()
    };
    let suite = example("name = \"nightly\"") + &example("[[also]]");
    let dir = written(&suite, &example("description = \"Two hundred"));
    let suite = load_in(dir.path(), &Overrides::default()).unwrap();
    assert_eq!(suite.name, "nightly");
    let names: Vec<&str> = suite.workloads.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(names, ["write-heavy", "mine"]);
    let parts: Vec<&str> = suite.also.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(parts, ["fifo", "rate-5k"]);
    let small = dir.path().join("small.toml");
    suite::load_workload(small.to_str().unwrap(), &Overrides::default()).unwrap();
    // Every form of a value that the parts show is one.
    for line in readme.lines() {
        let popularity = line.strip_prefix("popularity = ");
        let sizes = line.strip_prefix("message_bytes = ");
        let text = match (popularity, sizes) {
            (Some(_), _) => but(
                WORKLOAD,
                "rooms_per_user = 2",
                &format!("rooms_per_user = 2\n{line}"),
            ),
            (_, Some(_)) => but(WORKLOAD, "message_bytes = \"1KiB\"", line),
            _ => continue,
        };
        fs::write(&small, text).unwrap();
        suite::load_workload(small.to_str().unwrap(), &Overrides::default()).expect(line);
    }
}
