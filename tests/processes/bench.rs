//! `telegraft bench`, whole: its exit code, its result directory, and what it leaves behind.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{BINARY, slot};
use crate::runs::{Ended, Results, Running, assert_sound, due, file, place, run, telegraft};

const SUITE: &str = r#"
systems = ["telegraft", "null"]
replicas = [3]
workloads = ["mixed"]
warmup = "100ms"
duration = "500ms"
durability = "none"

[workload.mixed]
message_bytes = 64

[workload.mixed.arrival]
model = "closed"
clients = 4

[workload.mixed.population]
users = 6
rooms = 3
rooms_per_user = 2
prefill = 3

[workload.mixed.operations.send]
weight = 2

[workload.mixed.operations.read]
page = "latest"
limit = 5

[workload.mixed.operations.inbox]
limit = 50
"#;

/// `bench` with a file, its results in `results` of the directory.
async fn bench(dir: &Path, suite: &str, more: &[&str]) -> Ended {
    let suite = file(dir, "mine.toml", suite);
    let out = place(dir, "results");
    let mut command = telegraft(&["bench", &suite, "--out", &out]);
    Running::start(command.args(more)).ended().await
}

fn results(dir: &Path) -> Results {
    Results::open(dir.join("results"))
}

#[tokio::test]
async fn a_suite_is_run_audited_and_recorded() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let told = bench(dir.path(), SUITE, &["--seed", "7"]).await.with(0);

    let results = results(dir.path());
    assert_eq!(results.runs(), ["telegraft-3-mixed-t1", "null-mixed-t1"]);
    for (id, replicas, audit, durability) in [
        ("telegraft-3-mixed-t1", 3, "ok", "none"),
        ("null-mixed-t1", 0, "skipped", "-"),
    ] {
        let of = results.rows.iter().filter(|row| row.run_id == id);
        let ops: Vec<&str> = of.clone().map(|row| row.op.as_str()).collect();
        assert_eq!(ops, ["send", "read", "inbox", "all"]);
        for row in of {
            assert!(row.ok > 0, "{row:?}");
            assert_eq!(due(row), row.ok, "{row:?}");
            assert_eq!(row.audit, audit, "{row:?}");
            assert_eq!(
                (row.replicas, row.durability.as_str()),
                (replicas, durability)
            );
            assert_eq!((row.seed, row.trial, row.clients), (7, 1, 4));
        }
        results.check_sums(id);
    }
    assert_sound(results.row("telegraft-3-mixed-t1", "all"));
    assert!(results.dir.read_suite().is_ok() && results.dir.read_environment().is_ok());
    assert!(
        !results.dir.path().join("data").exists(),
        "the replicas' data is gone"
    );
    // To a pipe there are lines, and nothing that only a terminal understands.
    let lines = [
        "[1/2] telegraft-3-mixed-t1",
        "[2/2] null-mixed-t1",
        "Results:",
    ];
    for line in lines {
        assert!(told.stderr.contains(line), "{}", told.stderr);
    }
    assert!(!told.stderr.contains(['\r', '\x1b']), "{:?}", told.stderr);

    // The same report comes from the files alone.
    let report = results.dir.path().join("report.md");
    let first = fs::read_to_string(&report).expect("a report");
    fs::remove_file(&report).expect("it can be removed");
    let again = run(&["report", &place(dir.path(), "results")])
        .await
        .with(0);
    assert_eq!(again.stdout, told.stdout);
    assert_eq!(fs::read_to_string(&report).expect("a report"), first);
}

/// One workload with an SLO, to be run once with one replica.
fn with_slo(slo: &str) -> String {
    let mixed = SUITE.split_once("[workload.mixed]").expect("it is there").1;
    format!(
        "{}\n[slo.send]\n{slo}\n",
        mixed.replace("[workload.mixed.", "[")
    )
}

#[tokio::test]
async fn an_slo_that_is_missed_ends_it_with_its_own_code_and_says_by_how_much() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let short = ["--replicas", "1", "--warmup", "0s", "--duration", "500ms"];

    let impossible = with_slo("response_p99 = \"1us\"\nok_per_s = \"1M\"");
    let told = bench(dir.path(), &impossible, &short).await.with(99);
    let slo = results(dir.path()).only().slo.clone();
    for part in [
        "send: response_p99 ",
        ", bound 1",
        " times",
        "send: ok_per_s ",
    ] {
        assert!(slo.contains(part), "{slo}");
        let line = told
            .stderr
            .lines()
            .find(|line| line.contains("SLO missed: ") && line.contains(part));
        assert!(line.is_some(), "{part:?} is not in: {}", told.stderr);
    }
    assert!(slo.starts_with("missed: "), "{slo}");
    assert!(told.stdout.contains("missed: "), "{}", told.stdout);

    let dir = TempDir::new().expect("a directory");
    let generous = with_slo("response_p99 = \"1m\"\nfailed = 0.5\nok_per_s = 1");
    let told = bench(dir.path(), &generous, &short).await.with(0);
    assert_eq!(results(dir.path()).only().slo, "met");
    assert!(!told.stderr.contains("SLO missed"), "{}", told.stderr);
}

#[tokio::test]
async fn a_terminal_has_bars() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let suite = file(dir.path(), "mine.toml", SUITE);
    let out = place(dir.path(), "results");
    // `script` gives the program a terminal.
    let call = format!("'{BINARY}' bench '{suite}' --systems null --duration 1s --out '{out}'");
    let mut command = Command::new("script");
    command.args(["-qec", &call, "/dev/null"]);
    let ended = Running::start(command.env("TERM", "xterm")).ended().await;
    let told = ended.with(0).stdout;
    assert!(told.contains("0/1 runs, 0:0"), "{told}");
    assert!(told.contains("null-mixed-t1: warming up"), "{told}");
    assert!(
        told.contains("null-mixed-t1: ") && told.contains("\r"),
        "{told}"
    );
}
