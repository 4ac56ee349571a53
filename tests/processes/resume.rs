//! A suite that was ended in the middle, and gone on with.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use rustix::process::Signal;
use telegraft_loadgen::results::RunRow;
use tempfile::TempDir;

use crate::harness::{slot, until};
use crate::runs::{Ended, Results, Running, file, place, run, telegraft};

const SUITE: &str = r#"
replicas = [1]
workloads = ["sends"]
warmup = "0s"
duration = "1s"
trials = 4
durability = "none"

[workload.sends]
message_bytes = 64

[workload.sends.arrival]
model = "closed"
clients = 2

[workload.sends.population]
users = 4
rooms = 2
rooms_per_user = 1

[workload.sends.operations.send]
[workload.sends.operations.read]
"#;

const RUNS: [&str; 4] = [
    "telegraft-1-sends-t1",
    "telegraft-1-sends-t2",
    "telegraft-1-sends-t3",
    "telegraft-1-sends-t4",
];

/// Runs the suite, and ends it with `signal` in the middle of its second run or later.
async fn ended_early(dir: &Path, signal: Signal) -> Ended {
    let suite = file(dir, "mine.toml", SUITE);
    let out = place(dir, "results");
    let running = Running::start(&mut telegraft(&["bench", &suite, "--out", &out]));
    let second = dir.join(format!("results/latency/{}.hlog", RUNS[1]));
    until("the second run is loaded", async || {
        second.exists().then_some(())
    })
    .await;
    running.signal(signal);
    running.ended().await
}

fn results(dir: &Path) -> Results {
    Results::open(dir.join("results"))
}

/// The runs that are whole, with their rows.
fn whole(results: &Results) -> BTreeMap<String, Vec<RunRow>> {
    let mut runs: BTreeMap<String, Vec<RunRow>> = BTreeMap::new();
    for row in &results.rows {
        if row.verdict != "invalid:interrupted" {
            runs.entry(row.run_id.clone())
                .or_default()
                .push(row.clone());
        }
    }
    runs.retain(|_, rows| rows.iter().any(|row| row.op == "all"));
    runs
}

/// Goes on with what was there `before`; everything is there then, once.
async fn resumed(dir: &Path, before: &Results) {
    let there = whole(before);
    assert!((1..4).contains(&there.len()), "{:?}", before.rows);
    let suite = before.text("suite.toml");
    let directory = place(dir, "results");

    let told = run(&["bench", "--resume", &directory]).await.with(0);
    let missing = 4 - there.len();
    let line = format!(
        "{} runs were there already, {missing} were missing",
        there.len()
    );
    assert!(told.stderr.contains(&line), "{}", told.stderr);
    let begun = format!("[{}/4] ", there.len() + 1);
    assert!(told.stderr.contains(&begun), "{}", told.stderr);

    let after = results(dir);
    assert_eq!(after.runs(), RUNS);
    for (nth, id) in (1..).zip(RUNS) {
        let rows: Vec<&RunRow> = after.rows.iter().filter(|r| r.run_id == id).collect();
        let ops: Vec<&str> = rows.iter().map(|row| row.op.as_str()).collect();
        assert_eq!(ops, ["send", "read", "all"], "{id}");
        for row in rows {
            assert_eq!(
                (row.trial, row.seed, row.audit.as_str()),
                (nth, u64::from(nth), "ok")
            );
            assert_ne!(row.verdict, "invalid:interrupted", "{row:?}");
        }
        after.check_sums(id);
        let seconds = after.dir.read_cluster().expect("cluster.csv is there").rows;
        assert_eq!(
            seconds.iter().filter(|(_, row)| row.run_id == id).count(),
            1,
            "{id}"
        );
        let stages = after.dir.read_stages().expect("stages.csv is there").rows;
        assert_eq!(
            stages.iter().filter(|(_, row)| row.run_id == id).count(),
            5,
            "{id}"
        );
    }
    for (id, rows) in there {
        let now: Vec<RunRow> = after
            .rows
            .iter()
            .filter(|r| r.run_id == id)
            .cloned()
            .collect();
        assert_eq!(now, rows, "what was there is as it was");
    }
    assert_eq!(after.text("suite.toml"), suite);
    assert!(!dir.join("results/data").exists());
    assert!(after.dir.read_environment().is_ok());

    // Then there is nothing to do.
    let told = run(&["bench", "--resume", &directory, "--quiet"])
        .await
        .with(0);
    assert_eq!(told.stderr, "");
    let told = run(&["bench", "--resume", &directory]).await.with(0);
    let line = "Nothing was missing: all 4 runs were there already.";
    assert!(told.stderr.contains(line), "{}", told.stderr);
    assert!(
        !told.stderr.contains("telegraft-1-sends"),
        "{}",
        told.stderr
    );
    assert_eq!(results(dir).rows, after.rows);
}

#[tokio::test]
async fn a_suite_that_was_interrupted_is_gone_on_with() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let told = ended_early(dir.path(), Signal::INT).await.with(105);
    let hint = format!("telegraft bench --resume {}", place(dir.path(), "results"));
    assert!(told.stderr.contains(&hint), "{}", told.stderr);

    let results = results(dir.path());
    assert_eq!(results.rows[0].run_id, RUNS[0]);
    assert_ne!(results.rows[0].verdict, "invalid:interrupted");
    let last = results.rows.last().expect("there are rows");
    assert_eq!(last.verdict, "invalid:interrupted", "{last:?}");
    assert!(last.trial < 4);
    let marked = results.rows.iter().filter(|row| row.run_id == last.run_id);
    assert_eq!(marked.clone().count(), 3);
    assert!(marked.into_iter().all(|row| row.verdict == last.verdict));
    assert!(results.text("report.md").contains("invalid:interrupted"));
    assert!(!dir.path().join("results/data").exists());

    resumed(dir.path(), &results).await;
}

#[tokio::test]
async fn a_suite_that_was_killed_is_gone_on_with_whatever_is_torn() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    assert_eq!(ended_early(dir.path(), Signal::KILL).await.code, None);
    let path = dir.path().join("results");
    let before = results(dir.path());

    // As if it had been killed while it wrote: whole lines of a run that is not whole, and half
    // a line behind them.
    let torn = |name: &str, from: &str, to: &str| {
        let text = fs::read_to_string(path.join(name)).expect("the first run's rows");
        let copy: String = text
            .lines()
            .filter(|line| line.contains(from) && !line.contains(",all,"))
            .map(|line| line.replace(from, to) + "\n")
            .collect();
        assert!(!copy.is_empty(), "{text}");
        let half = &copy[..copy.len() - 9];
        let mut file = OpenOptions::new()
            .append(true)
            .open(path.join(name))
            .expect("a file");
        file.write_all(copy.as_bytes()).expect("it is written");
        file.write_all(half.as_bytes()).expect("it is written");
    };
    let last = RUNS[3];
    for name in ["runs.csv", "intervals.csv", "cluster.csv", "stages.csv"] {
        torn(name, RUNS[0], last);
    }
    fs::write(path.join(format!("latency/{last}.total.hlog")), "#[Lat").expect("it is written");
    fs::remove_file(path.join("environment.json")).expect("it was there");
    let runs = fs::read_to_string(path.join("runs.csv")).expect("it is there");
    assert!(!runs.ends_with('\n'));

    // Half a line is told where somebody reads, and is no run.
    let told = run(&["report", &path.display().to_string()]).await.with(0);
    assert!(told.stdout.contains("half-written"), "{}", told.stdout);
    resumed(dir.path(), &before).await;
}

#[tokio::test]
async fn what_is_no_result_directory_cannot_be_gone_on_with() {
    let dir = TempDir::new().expect("a directory");
    let told = run(&["bench", "--resume", "/nonexistent/results"])
        .await
        .with(1);
    assert!(
        told.stderr.contains("/nonexistent/results"),
        "{}",
        told.stderr
    );

    let empty = dir.path().display().to_string();
    let told = run(&["bench", "--resume", &empty]).await.with(1);
    for part in [&*empty, "suite.toml"] {
        assert!(told.stderr.contains(part), "{}", told.stderr);
    }
    // A suite that nobody has begun.
    file(dir.path(), "suite.toml", SUITE);
    let told = run(&["bench", "--resume", &empty]).await.with(1);
    assert!(told.stderr.contains("no nonce"), "{}", told.stderr);
    // It has its own suite.
    let told = run(&["bench", "chat", "--resume", &empty]).await.with(2);
    assert!(told.stderr.contains("--resume"), "{}", told.stderr);
    let told = run(&["bench", "--resume", &empty, "--seed", "3"])
        .await
        .with(2);
    assert!(told.stderr.contains("--resume"), "{}", told.stderr);
    let entries = fs::read_dir(dir.path()).expect("it is there").count();
    assert_eq!(entries, 1, "nothing was made");
}
