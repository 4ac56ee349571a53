//! What the command line asks for counts for more than what the files say.

use std::path::PathBuf;
use std::time::Duration;

use telegraft_cluster::http::Consistency;
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;
use telegraft_loadgen::suite::{
    self, Arrival, Operations, Overrides, Spacing, Stage, System, Targets, Think,
};

#[test]
fn overrides_count() {
    let overrides = Overrides {
        systems: Some(vec![System::Null]),
        replicas: Some(vec![7]),
        workloads: Some(vec!["read-only".to_owned()]),
        duration: Some(Duration::from_millis(1500)),
        warmup: Some(Duration::ZERO),
        clients: Some(3),
        trials: Some(9),
        seed: Some(77),
        consistency: Some(Consistency::Lease),
        durability: Some(Durability::None),
        mailbox: Some(Mailbox::Fifo),
        targets: Some(Targets::RoundRobin),
        ..Overrides::default()
    };
    let suite = suite::load("default", &overrides).unwrap();
    assert_eq!(suite.systems, [System::Null]);
    assert_eq!(suite.replicas, [7]);
    assert_eq!(suite.duration, Duration::from_millis(1500));
    assert_eq!(suite.warmup, Duration::ZERO);
    assert_eq!((suite.trials, suite.seed), (9, 77));
    assert_eq!(suite.durability, Durability::None);
    assert_eq!(suite.mailbox, Mailbox::Fifo);
    let workload = &suite.workloads[0];
    assert_eq!(workload.name, "read-only");
    let closed = Arrival::Closed {
        clients: 3,
        think: Think::None,
    };
    assert_eq!(workload.arrival, closed);
    assert_eq!(workload.consistency, Consistency::Lease);
    assert_eq!(workload.targets, Targets::RoundRobin);
    assert_eq!(
        suite::load_workload("read-only", &overrides).unwrap(),
        *workload
    );
}

#[test]
fn a_rate_makes_every_workload_an_open_loop() {
    let arrival = |name, clients| {
        let overrides = Overrides {
            rate: Some(750.0),
            clients,
            ..Overrides::default()
        };
        suite::load_workload(name, &overrides).unwrap().arrival
    };
    let open = |connections, spacing| Arrival::Open {
        connections,
        spacing,
        stages: vec![Stage {
            rate: 750.0,
            to: None,
            length: None,
        }],
    };
    assert_eq!(arrival("write-heavy", None), open(64, Spacing::Poisson));
    assert_eq!(arrival("write-heavy", Some(9)), open(9, Spacing::Poisson));
    assert_eq!(arrival("burst", None), open(64, Spacing::Poisson));
    let overrides = Overrides {
        rate: Some(750.0),
        ..Overrides::default()
    };
    let original = suite::load("original", &overrides).unwrap();
    assert_eq!(original.workloads[0].arrival, open(100, Spacing::Constant));
    assert_eq!(original.workloads[5].arrival, open(100, Spacing::Poisson));
}

#[test]
fn a_recording_replaces_the_workloads() {
    let overrides = Overrides {
        trace: Some(PathBuf::from("some/where/monday.csv")),
        speed: Some(0.5),
        clients: Some(12),
        ..Overrides::default()
    };
    let suite = suite::load("failover", &overrides).unwrap();
    let [workload] = suite.workloads.as_slice() else {
        panic!("{:?}", suite.workloads);
    };
    assert_eq!(workload.name, "monday");
    let arrival = Arrival::Trace {
        file: std::env::current_dir()
            .unwrap()
            .join("some/where/monday.csv"),
        speed: 0.5,
        connections: 12,
    };
    assert_eq!(workload.arrival, arrival);
    assert_eq!(workload.operations, Operations::default());
    assert!(workload.faults.is_empty() && workload.slo.is_empty());
    let alone = suite::load_workload("whatever", &overrides).unwrap();
    assert_eq!(alone, *workload);
}

#[test]
fn overrides_that_make_no_sense_are_errors() {
    let none = Overrides::default;
    let trace = || Some(PathBuf::from("day.csv"));
    let cases: Vec<(Overrides, &str)> = vec![
        (
            Overrides {
                trace: trace(),
                rate: Some(5.0),
                ..none()
            },
            "--speed",
        ),
        (
            Overrides {
                trace: trace(),
                workloads: Some(vec!["chat".to_owned()]),
                ..none()
            },
            "--replay replaces",
        ),
        (
            Overrides {
                trace: Some(PathBuf::from("my day.csv")),
                ..none()
            },
            "letters, digits",
        ),
        (
            Overrides {
                trace: Some(PathBuf::from("/")),
                ..none()
            },
            "letters, digits",
        ),
        (
            Overrides {
                speed: Some(2.0),
                ..none()
            },
            "--speed is that of a recording",
        ),
        (
            Overrides {
                trace: trace(),
                speed: Some(0.0),
                ..none()
            },
            "0.001 to 1000",
        ),
        (
            Overrides {
                rate: Some(0.0),
                ..none()
            },
            "0.001 to 1000000",
        ),
        (
            Overrides {
                rate: Some(f64::NAN),
                ..none()
            },
            "NaN is out of bounds",
        ),
        (
            Overrides {
                rate: Some(f64::INFINITY),
                ..none()
            },
            "operations a second",
        ),
        (
            Overrides {
                clients: Some(0),
                ..none()
            },
            "1 to 10000",
        ),
        (
            Overrides {
                trials: Some(0),
                ..none()
            },
            "1 to 1000",
        ),
        (
            Overrides {
                replicas: Some(vec![0]),
                ..none()
            },
            "1 to 99",
        ),
        (
            Overrides {
                replicas: Some(vec![]),
                ..none()
            },
            "at least one",
        ),
        (
            Overrides {
                replicas: Some(vec![3, 3]),
                ..none()
            },
            "twice",
        ),
        (
            Overrides {
                systems: Some(vec![]),
                ..none()
            },
            "at least one",
        ),
        (
            Overrides {
                workloads: Some(vec![]),
                ..none()
            },
            "at least one",
        ),
        (
            Overrides {
                duration: Some(Duration::ZERO),
                ..none()
            },
            "1ms to 1h",
        ),
        (
            Overrides {
                duration: Some(Duration::MAX),
                ..none()
            },
            "1ms to 1h",
        ),
        (
            Overrides {
                warmup: Some(Duration::from_secs(3601)),
                ..none()
            },
            "0s to 1h",
        ),
        (
            Overrides {
                seed: Some(u64::MAX),
                ..none()
            },
            "the seed",
        ),
    ];
    for (overrides, part) in cases {
        let error = suite::load("default", &overrides).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_workload_that_only_polls_has_no_rate() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("polls.toml");
    let text = "message_bytes = 64\n[arrival]\nmodel = \"open\"\nrate = 0\n[polling]\n\
                every = \"1s\"\n[population]\nusers = 4\nrooms = 2\nrooms_per_user = 1\n";
    std::fs::write(&path, text).unwrap();
    let overrides = Overrides {
        rate: Some(5.0),
        ..Overrides::default()
    };
    let error = suite::load(path.to_str().unwrap(), &overrides)
        .unwrap_err()
        .to_string();
    assert!(error.contains("nothing but poll"), "{error}");
}
