//! What a suite runs beside its product: `[[also]]`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use telegraft_cluster::http::Consistency;
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;
use telegraft_loadgen::suite::{
    self, Arrival, Configuration, Overrides, Spacing, Stage, Suite, System, Targets, Think,
};

use super::{SUITE, WORKLOAD, but, load_in, written};

/// Parts that change everything that a part can, beside a product of two systems and workloads.
const PARTS: &str = r#"
name = "parts"
description = "Everything that a part may say"
systems = ["telegraft", "null"]
replicas = [1, 3]
workloads = ["small", "send-only"]
trials = 2

[workload.kill]
message_bytes = 64
arrival = { model = "open", rate = 10 }
population = { users = 1, rooms = 1, rooms_per_user = 1 }
operations.send = {}
faults = [{ at = "2s", action = "kill", to = "leader" }]

[[also]]
name = "fifo"
systems = ["telegraft"]
replicas = [3]
workloads = ["small"]
mailbox = "fifo"

[[also]]
name = "again"
trials = 1

[[also]]
name = "otherwise"
replicas = [5, 7]
workloads = ["read-only", "kill"]
trials = 3
durability = "none"
consistency = "local"
targets = "any"
clients = 256
rate = "5k"
"#;

/// The suite, and what it runs in every trial.
fn read(text: &str, overrides: &Overrides) -> (Suite, Vec<Configuration>) {
    let dir = written(text, WORKLOAD);
    let suite = load_in(dir.path(), overrides).unwrap();
    let configurations = suite.configurations().unwrap();
    (suite, configurations)
}

/// The ids of the runs, in order.
fn ids(suite: &Suite) -> Vec<String> {
    let configurations = suite.configurations().unwrap();
    let runs = suite::in_turn(&configurations);
    runs.map(|(trial, each)| each.run_id(trial)).collect()
}

fn named<'a>(configurations: &'a [Configuration], name: &str) -> &'a Configuration {
    let found = configurations.iter().find(|each| each.name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn trials_come_in_turn_and_in_each_the_product_before_the_parts() {
    let (suite, _) = read(PARTS, &Overrides::default());
    let product = [
        "telegraft-1-small",
        "telegraft-3-small",
        "null-small",
        "telegraft-1-send-only",
        "telegraft-3-send-only",
        "null-send-only",
    ];
    let otherwise = [
        "telegraft-5-read-only",
        "telegraft-7-read-only",
        "null-read-only",
        // Of the null system there is nobody to kill.
        "telegraft-5-kill",
        "telegraft-7-kill",
    ];
    let mut expected = Vec::new();
    for trial in 1..=3 {
        let mut add = |names: &[&str], part: &str| {
            let ids = names.iter().map(|name| format!("{name}{part}-t{trial}"));
            expected.extend(ids);
        };
        if trial <= 2 {
            add(&product, "");
            add(&["telegraft-3-small"], "-fifo");
        }
        if trial == 1 {
            add(&product, "-again");
        }
        add(&otherwise, "-otherwise");
    }
    assert_eq!(ids(&suite), expected);
    let unique: BTreeSet<&String> = expected.iter().collect();
    assert_eq!(unique.len(), expected.len());
}

#[test]
fn a_part_is_as_the_suite_but_for_what_it_says() {
    let (suite, configurations) = read(PARTS, &Overrides::default());
    let own = named(&configurations, "telegraft-3-small");
    let again = named(&configurations, "telegraft-3-small-again");
    let fifo = named(&configurations, "telegraft-3-small-fifo");
    let renamed = |of: &Configuration| Configuration {
        name: own.name.clone(),
        ..of.clone()
    };
    assert_eq!(
        renamed(again),
        Configuration {
            trials: 1,
            ..own.clone()
        }
    );
    assert_eq!(
        renamed(fifo),
        Configuration {
            mailbox: Mailbox::Fifo,
            ..own.clone()
        }
    );
    let otherwise = named(&configurations, "telegraft-5-read-only-otherwise");
    assert_eq!(otherwise.durability, Durability::None);
    assert_eq!(otherwise.mailbox, Mailbox::Lanes);
    assert_eq!(otherwise.trials, 3);
    let workload = &otherwise.workload;
    assert_eq!(workload.consistency, Consistency::Local);
    assert_eq!(workload.targets, Targets::Any);
    let arrival = Arrival::Open {
        connections: 256,
        spacing: Spacing::Poisson,
        stages: vec![Stage {
            rate: 5000.0,
            to: None,
            length: None,
        }],
    };
    assert_eq!(workload.arrival, arrival);
    // Its faults stay.
    let kill = named(&configurations, "telegraft-7-kill-otherwise");
    assert_eq!((kill.workload.faults.len(), kill.replicas), (1, 7));
    assert_eq!(kill.workload.arrival, arrival);
    // What the part says is not said of the workload elsewhere.
    assert_eq!(
        own.workload.arrival,
        Arrival::Closed {
            clients: 8,
            think: Think::None
        }
    );
    assert_eq!(suite.also[2].workloads[0], super::plain("read-only"));
}

#[test]
fn a_part_takes_its_settings_from_wherever_the_suite_does() {
    let text = format!(
        "{}[[also]]\nname = \"same\"\n",
        but(SUITE, "replicas = [3]", "mailbox = \"fifo\"\ntrials = 4")
    );
    let (suite, _) = read(&text, &Overrides::default());
    let part = &suite.also[0];
    assert_eq!(part.systems, [System::Telegraft]);
    assert_eq!(part.replicas, [3]);
    assert_eq!(part.workloads, suite.workloads);
    assert_eq!((part.trials, part.mailbox), (4, Mailbox::Fifo));
    assert_eq!(part.durability, Durability::Fsync);
    assert_eq!(
        (part.consistency, part.targets, part.clients, part.rate),
        (None, None, None, None)
    );
}

#[test]
fn overrides_count_for_more_than_what_a_part_says() {
    let overrides = Overrides {
        duration: Some(Duration::from_secs(4)),
        trials: Some(5),
        clients: Some(3),
        consistency: Some(Consistency::Lease),
        targets: Some(Targets::RoundRobin),
        durability: Some(Durability::Fsync),
        mailbox: Some(Mailbox::Fifo),
        ..Overrides::default()
    };
    let (suite, configurations) = read(PARTS, &overrides);
    assert_eq!(suite.duration, Duration::from_secs(4));
    for each in &configurations {
        assert_eq!(each.trials, 5, "{}", each.name);
        assert_eq!(each.durability, Durability::Fsync, "{}", each.name);
        assert_eq!(each.mailbox, Mailbox::Fifo, "{}", each.name);
        assert_eq!(each.workload.connections(), 3, "{}", each.name);
        assert_eq!(each.workload.consistency, Consistency::Lease);
        assert_eq!(each.workload.targets, Targets::RoundRobin);
    }
    // The rate of the part stays.
    let otherwise = named(&configurations, "telegraft-5-read-only-otherwise");
    assert_eq!(otherwise.workload.arrival.peak(), Some(5000.0));

    let rate = Overrides {
        rate: Some(70.0),
        ..Overrides::default()
    };
    let (_, configurations) = read(PARTS, &rate);
    for each in &configurations {
        assert_eq!(each.workload.arrival.peak(), Some(70.0), "{}", each.name);
    }
    let otherwise = named(&configurations, "telegraft-5-read-only-otherwise");
    assert_eq!(otherwise.workload.connections(), 256);
    // A speed is that of a recording, wherever it is.
    let recording = format!(
        "{SUITE}[workload.day]\narrival = {{ model = \"trace\", file = \"day.csv\" }}\n\
         [[also]]\nname = \"day\"\nworkloads = [\"day\"]\n"
    );
    let faster = Overrides {
        speed: Some(2.0),
        ..Overrides::default()
    };
    let (suite, _) = read(&recording, &faster);
    let arrival = &suite.also[0].workloads[0].arrival;
    assert!(matches!(arrival, Arrival::Trace { speed: 2.0, .. }));
}

#[test]
fn a_product_asked_for_leaves_the_parts_out_and_says_so() {
    let dir = written(PARTS, WORKLOAD);
    let path = dir.path().join("all.toml");
    let load =
        |overrides: &Overrides| suite::load_with_note(path.to_str().unwrap(), overrides).unwrap();
    let none = Overrides::default;
    let (suite, note) = load(&none());
    assert_eq!((suite.also.len(), note), (3, None));
    let asked = [
        (
            Overrides {
                systems: Some(vec![System::Null]),
                ..none()
            },
            "--systems asks",
        ),
        (
            Overrides {
                replicas: Some(vec![3]),
                ..none()
            },
            "--replicas asks",
        ),
        (
            Overrides {
                workloads: Some(vec!["chat".to_owned()]),
                ..none()
            },
            "--workload asks",
        ),
        (
            Overrides {
                trace: Some(PathBuf::from("day.csv")),
                replicas: Some(vec![3]),
                ..none()
            },
            "--replicas, --replay asks",
        ),
    ];
    for (overrides, part) in asked {
        let (suite, note) = load(&overrides);
        assert!(suite.also.is_empty(), "{part}");
        let note = note.unwrap();
        assert!(note.starts_with(part) && note.contains("3 parts"), "{note}");
    }
    // Where there are none, none are missed.
    let overrides = Overrides {
        replicas: Some(vec![3]),
        ..none()
    };
    let (_, note) = suite::load_with_note("default", &overrides).unwrap();
    assert_eq!(note, None);
}

#[test]
fn faults_of_a_part_fit_its_runs() {
    let refused = |text: &str, overrides: &Overrides| {
        let dir = written(text, WORKLOAD);
        load_in(dir.path(), overrides).unwrap_err().to_string()
    };
    let few = but(PARTS, "replicas = [5, 7]", "replicas = [5, 1]");
    let error = refused(&few, &Overrides::default());
    assert!(
        error.contains("all.toml:30: workload kill stops a replica"),
        "{error}"
    );
    let short = Overrides {
        duration: Some(Duration::from_secs(1)),
        ..Overrides::default()
    };
    let error = refused(PARTS, &short);
    assert!(
        error.starts_with("workload kill has a fault at 2s"),
        "{error}"
    );
}

#[test]
fn the_same_is_missing_after_the_suite_is_read_back() {
    let (suite, _) = read(PARTS, &Overrides::default());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("suite.toml");
    fs::write(&path, suite::resolved_text(&suite, "0badcafe")).unwrap();
    let again = suite::load(path.to_str().unwrap(), &Overrides::default()).unwrap();
    assert_eq!(again, suite);
    assert_eq!(ids(&again), ids(&suite));
}

#[test]
fn a_suite_is_outlined_before_it_is_run() {
    let (suite, _) = read(PARTS, &Overrides::default());
    let text = suite::outline(&suite).unwrap();
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/suites/explained/parts-suite.txt"
    );
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        fs::write(golden, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(golden).unwrap_or_default());
}

#[test]
fn a_single_workload_is_still_found_in_a_suite_with_parts() {
    let text = format!("{SUITE}[[also]]\nname = \"more\"\nworkloads = [\"chat\"]\nclients = 9\n");
    let dir = written(&text, WORKLOAD);
    let path = dir.path().join("all.toml");
    let workload = suite::load_workload(path.to_str().unwrap(), &Overrides::default()).unwrap();
    assert_eq!(
        (workload.name.as_str(), workload.connections()),
        ("small", 8)
    );
}

#[test]
fn one_name_stands_for_one_workload() {
    let text = format!(
        "{SUITE}[[also]]\nname = \"same\"\nworkloads = [\"./small.toml\"]\n\
         [[also]]\nname = \"other\"\nworkloads = [\"chat\",\n\"below/small.toml\"]\n"
    );
    let dir = written(&text, WORKLOAD);
    fs::create_dir(dir.path().join("below")).unwrap();
    let below = dir.path().join("below/small.toml");
    fs::write(&below, WORKLOAD).unwrap();
    let suite = load_in(dir.path(), &Overrides::default()).unwrap();
    assert_eq!(suite.also[0].workloads, suite.also[1].workloads[1..]);
    fs::write(&below, but(WORKLOAD, "clients = 8", "clients = 9")).unwrap();
    let error = load_in(dir.path(), &Overrides::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("all.toml:11: another workload has the name small"),
        "{error}"
    );
}
