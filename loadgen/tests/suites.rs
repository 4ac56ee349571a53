//! Suite and workload files, as their writers meet them.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use telegraft_cluster::http::Consistency;
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;
use telegraft_loadgen::suite::{self, Overrides, ReadPage, Suite, SuiteError, System, Targets};

const WORKLOAD: &str = r#"
clients = 8
message_bytes = "1KiB"

[population]
users = 10
rooms = 4
rooms_per_user = 2

[operations.send]
weight = 3

[operations.read]
weight = 1
page = "since-last-seen"
limit = 50
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

#[test]
fn what_every_binary_carries_is_well_formed() {
    let suite = suite::load("default", &Overrides::default()).unwrap();
    let names: Vec<&str> = suite.workloads.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(names, ["write-heavy", "read-heavy"]);
    assert_eq!(suite.systems, System::ALL);
    assert_eq!(suite.replicas, [1, 3, 5]);
    let failover = suite::load("failover", &Overrides::default()).unwrap();
    assert_eq!(failover.workloads[0].faults.len(), 1);
    let pure = Overrides {
        workloads: Some(vec!["send-only".to_owned(), "read-only".to_owned()]),
        ..Overrides::default()
    };
    let pure = suite::load("default", &pure).unwrap().workloads;
    assert_eq!(pure[0].message_bytes, 128);
    assert!(pure[0].operations.read.is_none() && pure[0].operations.inbox.is_none());
    assert!(pure[1].operations.send.is_none() && pure[1].operations.inbox.is_none());
    let read = pure[1].operations.read.unwrap();
    assert_eq!((read.page, read.limit), (ReadPage::Latest, 20));
    assert!(pure[1].population.prefill >= read.limit, "pages are full");
}

#[test]
fn a_suite_finds_the_workloads_beside_it() {
    let dir = written(SUITE, WORKLOAD);
    let suite = load_in(dir.path(), &Overrides::default()).unwrap();
    assert_eq!(suite.name, "all");
    let workload = &suite.workloads[0];
    assert_eq!(
        (workload.name.as_str(), workload.message_bytes),
        ("small", 1024)
    );
    assert_eq!(workload.targets, Targets::Leader);
    // By path, from anywhere; and built-in ones stay reachable.
    let path = dir.path().join("small.toml").display().to_string();
    let overrides = Overrides {
        workloads: Some(vec![path, "write-heavy".to_owned()]),
        ..Overrides::default()
    };
    let suite = suite::load("default", &overrides).unwrap();
    assert_eq!(suite.workloads[0], *workload);
    assert_eq!(suite.workloads[1].name, "write-heavy");
}

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
    assert_eq!(workload.clients, 3);
    assert_eq!(workload.consistency, Consistency::Lease);
    assert_eq!(workload.targets, Targets::RoundRobin);
}

#[test]
fn the_resolved_suite_is_enough_to_run_it_again() {
    let overrides = Overrides {
        clients: Some(5),
        duration: Some(Duration::from_millis(2500)),
        targets: Some(Targets::Any),
        consistency: Some(Consistency::Local),
        ..Overrides::default()
    };
    let dir = tempfile::tempdir().unwrap();
    for name in ["default", "failover"] {
        let suite = suite::load(name, &overrides).unwrap();
        let text = suite::resolved_text(&suite, "0badcafe");
        assert!(text.contains("0badcafe"));
        let path = dir.path().join("suite.toml");
        fs::write(&path, &text).unwrap();
        let again = suite::load(path.to_str().unwrap(), &Overrides::default()).unwrap();
        assert_eq!(again, suite, "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_line() {
    // Of the suite, of the workload, where, and what the message has in it.
    let cases: &[(&str, &str, &str, &[&str])] = &[
        (
            SUITE,
            &but(WORKLOAD, "clients", "clinets"),
            "small.toml:2",
            &["clinets", "`clients`"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "clients = 8", "clients = 0"),
            "small.toml:2",
            &["1 to 10000"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "clients = 8", "clients = -1"),
            "small.toml:2",
            &["negative"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "clients = 8", "clients = \"many\""),
            "small.toml:2",
            &["10k"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "clients = 8", "clients = 8.5"),
            "small.toml:2",
            &["a number"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "clients = 8", ""),
            "small.toml:",
            &["missing field `clients`"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "1KiB", "31"),
            "small.toml:3",
            &["32 to", "id"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "1KiB", "64KiB"),
            "small.toml:3",
            &["out of bounds"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "1KiB", "1K"),
            "small.toml:3",
            &["unknown unit"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "users = 10", "users = 0"),
            "small.toml:6",
            &["1 to"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "rooms_per_user = 2", "rooms_per_user = 5"),
            "small.toml:8",
            &["5 rooms when there are 4"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "rooms = 4", "rooms = 40"),
            "small.toml:8",
            &["leave some of 40 rooms empty"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "weight = 3", "weight = 0"),
            "small.toml:11",
            &["leave the"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "operations.send", "operations.sned"),
            "small.toml:10",
            &["`send`"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "since-last-seen", "newest"),
            "small.toml:15",
            &["`latest`"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "limit = 50", "limit = 1001"),
            "small.toml:16",
            &["1 to 1000"],
        ),
        (
            SUITE,
            &but(WORKLOAD, "clients = 8", "clients = 8\ntargets = \"all\""),
            "small.toml:3",
            &["`round-robin`"],
        ),
        (
            SUITE,
            "clients = 8\nmessage_bytes = 64\n[population]\nusers = 1\nrooms = 1\n\
             rooms_per_user = 1\n[operations]\n",
            "small.toml:",
            &["at least one operation"],
        ),
        (SUITE, "clients = ", "small.toml:1", &[]),
        (SUITE, SUITE, "small.toml:1", &["a suite, not a workload"]),
        (
            WORKLOAD,
            WORKLOAD,
            "all.toml:1",
            &["a workload, not a suite", "--workload"],
        ),
        (
            &but(SUITE, "replicas", "replcias"),
            WORKLOAD,
            "all.toml:3",
            &["`replicas`"],
        ),
        (
            &but(SUITE, "[3]", "[3, 0]"),
            WORKLOAD,
            "all.toml:3",
            &["1 to 99"],
        ),
        (
            &but(SUITE, "[3]", "[]"),
            WORKLOAD,
            "all.toml:3",
            &["1 to 99"],
        ),
        (
            &but(SUITE, "telegraft", "telegraf"),
            WORKLOAD,
            "all.toml:2",
            &["`telegraft`"],
        ),
        (
            &but(SUITE, "[\"telegraft\"]", "[]"),
            WORKLOAD,
            "all.toml:2",
            &["at least one system"],
        ),
        (
            &but(SUITE, "\"small\"", ""),
            WORKLOAD,
            "all.toml:4",
            &["at least one workload"],
        ),
        (
            &format!("{SUITE}duration = \"10\""),
            WORKLOAD,
            "all.toml:5",
            &["no unit", "10s"],
        ),
        (
            &format!("{SUITE}trials = 0"),
            WORKLOAD,
            "all.toml:5",
            &["1 to 1000"],
        ),
        (
            &format!("{SUITE}durability = \"async\""),
            WORKLOAD,
            "all.toml:5",
            &["`fsync`"],
        ),
    ];
    for (suite, workload, origin, parts) in cases {
        let dir = written(suite, workload);
        let error = load_in(dir.path(), &Overrides::default()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(origin), "{origin}: {text}\n{workload}");
        for part in *parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
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
    let text = load("no/such.toml", &plain);
    assert!(text.contains("no/such.toml"), "{text}");
    let text = load("write-heavy", &plain);
    assert!(text.contains("--workload write-heavy"), "{text}");
    let workloads = |names: &[&str]| Overrides {
        workloads: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..Overrides::default()
    };
    let text = load("default", &workloads(&["wirte-heavy"]));
    assert!(
        text.contains("no workload") && text.contains("write-heavy"),
        "{text}"
    );
    let text = load("default", &workloads(&["send-only", "send-only"]));
    assert!(text.contains("two workloads"), "{text}");
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
