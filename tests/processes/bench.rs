//! `telegraft bench`, whole: its exit code, its result directory, and what it leaves behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use telegraft_loadgen::results::{ResultDir, RunRow};
use tempfile::TempDir;

use crate::harness::{BINARY, slot, until};

const SUITE: &str = r#"
systems = ["telegraft", "null"]
replicas = [3]
workloads = ["mixed"]
warmup = "100ms"
duration = "500ms"
durability = "none"

[workload.mixed]
clients = 4
message_bytes = 64

[workload.mixed.population]
users = 6
rooms = 3
rooms_per_user = 2
prefill = 3

[workload.mixed.operations.send]
weight = 2

[workload.mixed.operations.read]
weight = 1
page = "latest"
limit = 5

[workload.mixed.operations.inbox]
weight = 1
limit = 50
"#;

/// `bench` with `suite`, its results in `results` of the directory.
fn bench(dir: &Path, suite: &str, more: &[&str]) -> Command {
    let path = dir.join("mine.toml");
    fs::write(&path, suite).expect("the suite is written");
    let mut command = Command::new(BINARY);
    command.arg("bench").arg(&path).args(more);
    command.arg("--out").arg(results(dir));
    command
}

fn results(dir: &Path) -> PathBuf {
    dir.join("results")
}

fn rows(dir: &Path) -> Vec<RunRow> {
    let results = ResultDir::open(&results(dir)).expect("the results are there");
    let read = results.read_runs().expect("runs.csv is there");
    assert_eq!(read.problems, []);
    read.rows.into_iter().map(|(_, row)| row).collect()
}

fn text(output: &Output) -> String {
    let streams = [&output.stdout, &output.stderr];
    streams.map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

async fn output(command: &mut Command) -> Output {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let waited = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = waited.await.expect("the thread does not panic");
    output.expect("the program runs")
}

#[tokio::test]
async fn a_suite_is_run_audited_and_recorded() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let output = output(&mut bench(dir.path(), SUITE, &["--seed", "7"])).await;
    let told = text(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");

    let rows = rows(dir.path());
    let of = |run: &str| -> Vec<&RunRow> { rows.iter().filter(|row| row.run_id == run).collect() };
    let (ours, null) = (of("telegraft-3-mixed-t1"), of("null-mixed-t1"));
    assert_eq!(ours.len() + null.len(), rows.len(), "{told}");
    for (run, replicas, audit, durability) in [(&ours, 3, "ok", "none"), (&null, 0, "skipped", "-")]
    {
        let ops: Vec<&str> = run.iter().map(|row| row.op.as_str()).collect();
        assert_eq!(ops, ["send", "read", "inbox", "all"]);
        for row in run {
            assert!(row.ok > 0, "{row:?}");
            assert_eq!(row.failed + row.unknown + row.unfinished, 0, "{row:?}");
            assert_eq!((row.audit.as_str(), row.verdict.as_str()), (audit, "valid"));
            assert_eq!(
                (row.replicas, row.durability.as_str()),
                (replicas, durability)
            );
            assert_eq!((row.seed, row.trial, row.clients), (7, 1, 4));
        }
    }
    let results = ResultDir::open(&results(dir.path())).expect("the results are there");
    let latencies = results.read_total_hlog("telegraft-3-mixed-t1");
    let latencies = latencies.expect("the latencies are there");
    let send = latencies.merged("send").expect("sends have latencies");
    assert_eq!(send.len(), ours[0].ok);
    let seconds = results
        .read_intervals()
        .expect("intervals.csv is there")
        .rows;
    let sends = seconds.iter().map(|(_, row)| row);
    let sends = sends.filter(|row| row.run_id == "telegraft-3-mixed-t1" && row.op == "send");
    assert_eq!(sends.map(|row| row.ok).sum::<u64>(), ours[0].ok);
    assert!(results.read_suite().is_ok() && results.read_environment().is_ok());
    assert!(
        !results.path().join("data").exists(),
        "the replicas' data is gone"
    );

    // The same report comes from the files alone.
    let report = results.path().join("report.md");
    let first = fs::read_to_string(&report).expect("a report");
    fs::remove_file(&report).expect("it can be removed");
    let again = Command::new(BINARY)
        .arg("report")
        .arg(results.path())
        .output();
    let again = again.expect("the program runs");
    assert_eq!(again.stdout, output.stdout);
    assert_eq!(fs::read_to_string(&report).expect("a report"), first);
}

#[tokio::test]
async fn a_leader_that_is_killed_costs_nothing_that_was_acknowledged() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let suite = format!("{SUITE}\n[[workload.mixed.faults]]\nat = \"300ms\"\nkill = \"leader\"\n");
    let more = ["--systems", "telegraft", "--duration", "4s"];
    let output = output(&mut bench(dir.path(), &suite, &more)).await;
    let told = text(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let rows = rows(dir.path());
    let all = rows.iter().find(|row| row.op == "all").expect("a row");
    assert_eq!(
        (all.audit.as_str(), all.verdict.as_str()),
        ("ok", "valid"),
        "{told}"
    );
    assert!(all.retries > 0, "the load met the fault: {all:?}");
    assert!(all.failover_ms.is_some_and(|ms| ms > 0.0), "{all:?}");
    assert!(told.contains("after kill -9 of the leader"), "{told}");
}

#[tokio::test]
async fn what_was_measured_before_an_interruption_is_kept() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let more = [
        "--trials",
        "1000",
        "--replicas",
        "1",
        "--systems",
        "telegraft",
    ];
    let mut command = bench(dir.path(), SUITE, &more);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.expect("a process has an id");
    let runs = results(dir.path()).join("runs.csv");
    until("the first run's rows", async || runs.exists().then_some(())).await;
    kill_process(pid, Signal::INT).expect("the program is there");
    let waited = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = waited.await.expect("the thread does not panic");
    let output = output.expect("the program ends");
    assert_eq!(output.status.code(), Some(105));

    let rows = rows(dir.path());
    assert_eq!(rows[0].run_id, "telegraft-1-mixed-t1");
    assert_eq!(rows[0].verdict, "valid");
    let last = rows.last().expect("there are rows").trial;
    assert!(last < 1000);
    for row in &rows {
        let verdict = row.verdict.as_str();
        let fine = verdict == "valid" || (row.trial == last && verdict == "invalid:interrupted");
        assert!(fine, "{row:?}");
    }
    assert!(!results(dir.path()).join("data").exists());
}
