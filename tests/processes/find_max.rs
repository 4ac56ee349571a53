//! `telegraft find-max` against processes that are up already.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use telegraft_cluster::local::{LocalCluster, LocalOptions, System};
use tempfile::TempDir;

use crate::harness::{BINARY, options, slot};

async fn null(dir: &Path) -> LocalCluster {
    let started = LocalCluster::start(LocalOptions {
        system: System::Null,
        ..options(dir, 1)
    });
    started.await.expect("it starts")
}

async fn find_max(target: &str, out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(["find-max", "write-heavy", "--system", "null"]);
    command.args(["--target", target, "--clients", "4"]);
    command.args(["--duration", "300ms", "--warmup", "50ms"]);
    command.args(more).arg("--out").arg(out);
    let waited = tokio::task::spawn_blocking(move || command.output());
    let output = waited.await.expect("the thread does not panic");
    output.expect("the program runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_rate_of_what_is_up_is_searched() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let null = null(&dir.path().join("null")).await;
    let target = null.replicas()[0].url.clone();

    let out = dir.path().join("met");
    let bounds = ["--slo-p99", "5s", "--start-rate", "40", "--max-rate", "60"];
    let output = find_max(&target, &out, &bounds).await;
    let told = String::from_utf8_lossy(&output.stderr);
    let answer = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        answer.contains("at least 60 operations a second meet the SLO"),
        "{answer}"
    );
    assert!(
        answer.contains("median of 3 estimates: 60, 60, 60"),
        "{answer}"
    );
    assert!(answer.contains("p99.9"), "the curve: {answer}");
    assert!(told.contains("[1] null-write-heavy-p01 at 40/s"), "{told}");
    assert!(told.contains("60/s meets the SLO"), "{told}");
    for file in ["find-max.csv", "runs.csv", "suite.toml", "environment.json"] {
        assert!(out.join(file).is_file(), "{file}");
    }

    // No answer is there within a microsecond.
    let out = dir.path().join("missed");
    let bounds = ["--slo-p99", "1us", "--start-rate", "2", "--format", "json"];
    let output = find_max(&target, &out, &bounds).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(99), "{told}");
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(answer["limited_by"], "min-rate");
    assert_eq!(answer["probes"].as_array().map(Vec::len), Some(2));
    let rows = fs::read_to_string(out.join("find-max.csv")).expect("the probes");
    assert_eq!(rows.lines().count(), 3, "{rows}");
    null.stop().await.expect("it stops cleanly");
}
