//! `telegraft load`: a cluster that is up, loaded as its user would.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::until;
use crate::launched::{Launched, kill};
use crate::runs::{Results, Running, due, file, place, run, telegraft};

const MIXED: &str = r#"
message_bytes = { uniform = [40, 200] }

[arrival]
model = "closed"
clients = 4
think = "2ms"

[population]
users = 12
rooms = 4
rooms_per_user = 2
prefill = 2

[operations.send]
weight = 4

[operations.read]
weight = 3

[operations.inbox]
weight = 2

[operations.join]
weight = 1
"#;

fn nonce(results: &Results) -> String {
    let text = results.text("suite.toml");
    let line = text.lines().find(|line| line.starts_with("nonce"));
    line.expect("it notes its nonce").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_up_is_loaded_audited_and_recorded() {
    let launched = Launched::start(&[]).await;
    let targets = launched.targets();
    let dir = TempDir::new().expect("a directory");
    let mixed = file(dir.path(), "mixed.toml", MIXED);
    let load = ["load", &mixed, "--target", &targets, "--seed", "7"];
    let with = |more: &[&'static str], out: &str| {
        let out = place(dir.path(), out);
        let mut command = telegraft(&load);
        command.args(more).args(["--out", &out]);
        Running::start(&mut command).ended()
    };
    let short = ["--warmup", "300ms", "--duration", "2s"];

    let told = with(&short, "first").await.with(0);
    assert!(
        told.stderr.contains("[1/1] load-mixed-t1") && told.stderr.contains("Results: "),
        "{}",
        told.stderr
    );
    // To a pipe there are lines, and nothing that only a terminal understands.
    assert!(!told.stderr.contains(['\r', '\x1b']), "{:?}", told.stderr);
    let first = Results::open(dir.path().join("first"));
    let id = "load-mixed-t1";
    let ops: Vec<&str> = first.rows.iter().map(|row| row.op.as_str()).collect();
    assert_eq!(ops, ["send", "read", "inbox", "join", "all"]);
    for row in &first.rows {
        assert!(row.ok > 0, "{row:?}");
        assert_eq!(due(row), row.ok, "{row:?}");
        assert_eq!((row.audit.as_str(), row.replicas), ("ok", 3), "{row:?}");
        assert_eq!(
            (row.arrival.as_str(), row.clients, row.seed, row.trial),
            ("closed", 4, 7, 1)
        );
    }
    first.check_sums(id);
    assert!(first.text("report.md").contains(id));
    assert!(told.stdout.contains("mixed"), "{}", told.stdout);
    assert!(first.dir.read_environment().is_ok());
    cluster_rows(&first);

    // The plan is the same, and the names are not: nobody is answered from the run before.
    with(&short, "second").await.with(0);
    let second = Results::open(dir.path().join("second"));
    assert_eq!(
        (second.only().audit.as_str(), due(second.only())),
        ("ok", second.only().ok)
    );
    assert_eq!(second.only().config_hash, first.only().config_hash);
    assert_ne!(nonce(&second), nonce(&first));

    let more = [
        "--rate",
        "40",
        "--no-audit",
        "--warmup",
        "0s",
        "--duration",
        "1s",
    ];
    with(&more, "open").await.with(0);
    let open = Results::open(dir.path().join("open"));
    let row = open.only();
    assert_eq!(
        (row.arrival.as_str(), row.audit.as_str()),
        ("open", "skipped")
    );
    assert_eq!((row.target_rate_per_s, row.clients), (Some(40.0), 4));
    assert!((15..=80).contains(&due(row)), "{row:?}");
}

/// Every second knows every replica and one leader, and what is committed grows.
fn cluster_rows(results: &Results) {
    let read = results.dir.read_cluster().expect("cluster.csv is there");
    assert_eq!(read.problems, []);
    let mut leaders: BTreeMap<u32, usize> = BTreeMap::new();
    let mut commits: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (_, row) in &read.rows {
        assert!(
            ["leader", "follower"].contains(&row.role.as_str()),
            "{row:?}"
        );
        *leaders.entry(row.second).or_default() += usize::from(row.role == "leader");
        let commit = row.commit_index.expect("it answered");
        commits.entry(row.replica).or_default().push(commit);
    }
    assert_eq!(leaders.into_iter().collect::<Vec<_>>(), [(0, 1), (1, 1)]);
    assert_eq!(commits.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    for commits in commits.values() {
        assert!(commits.is_sorted(), "{commits:?}");
        assert!(commits.first() < commits.last(), "{commits:?}");
    }
    let stages = results.dir.read_stages().expect("stages.csv is there");
    assert_eq!(stages.problems, []);
    assert_eq!(stages.rows.len(), 3 * 5, "{:?}", stages.rows);
    let events = results.dir.read_events().expect("events.csv is there");
    assert_eq!((events.rows, events.problems), (vec![], vec![]));
}

#[tokio::test]
async fn a_workload_is_explained_without_a_cluster() {
    let told = run(&["load", "chat", "--explain"]).await.with(0).stdout;
    for part in ["500 users, 50 rooms", "send", "99", "100ms", "200"] {
        assert!(told.contains(part), "{part:?} is not in: {told}");
    }
    let closed = run(&["load", "write-heavy", "--explain", "--clients", "3"]).await;
    let told = closed.with(0).stdout;
    assert!(told.contains("Closed loop: each of 3 clients"), "{told}");
    assert!(told.contains("90 %"), "{told}");
    let open = run(&["load", "write-heavy", "--explain", "--rate", "70"]).await;
    let told = open.with(0).stdout;
    assert!(
        told.contains("70") && !told.contains("Closed loop"),
        "{told}"
    );
    // What cannot be run here can be explained here.
    let told = run(&["load", "failover", "--explain"]).await.with(0).stdout;
    assert!(told.contains("leader"), "{told}");
}

#[tokio::test]
async fn what_cannot_be_loaded_is_refused_with_a_reason() {
    let dir = TempDir::new().expect("a directory");
    let mixed = file(dir.path(), "mixed.toml", MIXED);
    // Nobody listens there, and nobody else gets the port meanwhile by chance.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it has one").port();
    drop(taken);
    let nobody = format!("http://127.0.0.1:{port}");
    let out = place(dir.path(), "out");
    let target = ["--target", &nobody, "--out", &out];
    let with = |arguments: Vec<&'static str>| -> Vec<&str> {
        let load = ["load", arguments[0]].into_iter();
        load.chain(target)
            .chain(arguments.into_iter().skip(1))
            .collect()
    };
    let moment = "2026-03-01T12:00:00Z";
    let cases: Vec<(Vec<&str>, i32, Vec<&str>)> = vec![
        (vec!["load", &mixed], 2, vec!["--target"]),
        (vec!["load", "--target", &nobody], 2, vec!["WORKLOAD"]),
        (
            with(vec!["write-heavey"]),
            2,
            vec!["write-heavey", "did you mean \"write-heavy\"?", "chat"],
        ),
        (with(vec!["./none.toml"]), 2, vec!["./none.toml"]),
        (with(vec!["default"]), 2, vec!["suite of 3 workloads"]),
        (
            with(vec!["failover"]),
            2,
            vec!["failover has faults", "telegraft bench"],
        ),
        (
            with(vec!["chat", "--start-at", "noon"]),
            2,
            vec!["\"noon\"", moment],
        ),
        (
            with(vec!["chat", "--shard", "5/4", "--start-at", moment]),
            2,
            vec!["\"5/4\"", "2/4"],
        ),
        (
            with(vec!["chat", "--shard", "0/4", "--start-at", moment]),
            2,
            vec!["\"0/4\""],
        ),
        (with(vec!["chat", "--shard", "2/4"]), 2, vec!["--start-at"]),
        (
            with(vec!["chat", "--rate", "0"]),
            2,
            vec!["no rate above zero"],
        ),
        (
            with(vec!["chat", "--speed", "2"]),
            2,
            vec!["--speed", "--replay"],
        ),
        (with(vec!["chat"]), 1, vec![&nobody, "refused"]),
        (
            vec!["load", &mixed, "--target", "127.0.0.1"],
            1,
            vec!["\"127.0.0.1\" is no URL"],
        ),
    ];
    for (arguments, code, parts) in cases {
        let ended = run(&arguments).await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
        for part in parts {
            let told = &ended.stderr;
            assert!(
                told.contains(part),
                "{arguments:?}: {part:?} is not in: {told}"
            );
        }
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
    assert!(
        !Path::new(&out).exists(),
        "nothing was measured, so there are no results"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_lost_meanwhile_makes_the_run_invalid() {
    let launched = Launched::start(&[]).await;
    let dir = TempDir::new().expect("a directory");
    let mixed = file(dir.path(), "mixed.toml", MIXED);
    let out = place(dir.path(), "out");
    let targets = launched.targets();
    let mut command = telegraft(&["load", &mixed, "--target", &targets, "--out", &out]);
    // With the audit, it would be waited for the replicas to come back.
    command.args(["--no-audit", "--warmup", "0s", "--duration", "1s"]);
    let load = Running::start(&mut command);
    let begun = dir.path().join("out/latency/load-mixed-t1.hlog");
    until("the load begins", async || begun.exists().then_some(())).await;
    // Not all of them: while one lives, the ports of the others are nobody else's.
    for replica in &launched.replicas[1..] {
        kill(replica.pid, Signal::KILL);
    }
    let told = load.ended().await.with(0);
    let results = Results::open(dir.path().join("out"));
    let row = results.only();
    assert_eq!(row.verdict, "invalid:errors", "{row:?}");
    assert_eq!(due(row) - row.ok, 4, "each client had one open: {row:?}");
    assert!(told.stderr.contains("invalid:errors: "), "{}", told.stderr);
    assert!(told.stdout.contains("invalid:errors"), "{}", told.stdout);
    let report = results.text("report.md");
    let line = report
        .lines()
        .find(|line| line.contains("load-mixed-t1") && line.contains("invalid:errors"));
    assert!(line.is_some_and(|line| line.contains('⚠')), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_load_keeps_what_it_measured() {
    let launched = Launched::start(&[]).await;
    let dir = TempDir::new().expect("a directory");
    let mixed = file(dir.path(), "mixed.toml", MIXED);
    let out = place(dir.path(), "out");
    let targets = launched.targets();
    let mut command = telegraft(&["load", &mixed, "--target", &targets, "--out", &out]);
    command.args(["--warmup", "0s", "--duration", "10m"]);
    let load = Running::start(&mut command);
    let begun = dir.path().join("out/latency/load-mixed-t1.hlog");
    until("the load begins", async || begun.exists().then_some(())).await;
    load.signal(Signal::INT);
    load.ended().await.with(105);
    let results = Results::open(dir.path().join("out"));
    let row = results.only();
    assert_eq!(
        (row.verdict.as_str(), row.audit.as_str()),
        ("invalid:interrupted", "ok")
    );
    assert!(row.duration_s < 60.0, "{row:?}");
    assert!(results.text("report.md").contains("invalid:interrupted"));
}
