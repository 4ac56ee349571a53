//! The main job, small: what it leaves and how it ends.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::chat::{get, http, metric};
use crate::harness::{BINARY, slot, until};

/// Each row of `runs.csv`, by the names of its columns.
fn rows(dir: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(dir.join("runs.csv")).expect("runs.csv");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a head").split(',').collect();
    // No field here holds a comma.
    let row = |line: &str| -> BTreeMap<String, String> {
        let fields = line.split(',').map(str::to_owned);
        let names = names.iter().map(|name| (*name).to_owned());
        names.zip(fields).collect()
    };
    lines.map(row).collect()
}

/// The first replica of the cluster that is being loaded.
fn first_replica(data: &Path) -> Option<String> {
    let run = fs::read_dir(data).ok()?.next()?.ok()?;
    let text = fs::read_to_string(run.path().join("cluster.json")).ok()?;
    let layout: serde_json::Value = serde_json::from_str(&text).ok()?;
    let listen = layout["replicas"][0]["listen"].as_str()?;
    Some(format!("http://{listen}"))
}

fn is_done(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_is_run_audited_and_reported() {
    let _slot = slot().await;
    let dir = tempfile::tempdir().expect("a directory for the results");
    let results = dir.path().join("results");
    let bench = Command::new(BINARY)
        .args(["bench", "--workload", "write-heavy", "--replicas", "1,3"])
        .args(["--duration", "500ms", "--warmup", "100ms", "--trials", "1"])
        .args(["--clients", "4", "--quiet", "--out"])
        .arg(&results)
        .output();
    let printed = is_done(&bench.expect("the program runs"));
    assert!(printed.contains("Throughput"), "{printed}");

    let rows = rows(&results);
    let audited = |system: &str, replicas: &str| {
        let all = rows.iter().find(|row| {
            row["system"] == system && row["replicas"] == replicas && row["op"] == "all"
        });
        let row = all.unwrap_or_else(|| panic!("no {system} of {replicas} replicas"));
        assert_ne!(row["ok"], "0", "{row:?}");
        row["audit"].clone()
    };
    assert_eq!(audited("telegraft", "1"), "ok");
    assert_eq!(audited("telegraft", "3"), "ok");
    assert_eq!(audited("null", "0"), "skipped");

    // The same report comes from the files alone.
    let report = results.join("report.md");
    let first = fs::read_to_string(&report).expect("a report");
    fs::remove_file(&report).expect("it can be removed");
    let again = Command::new(BINARY).arg("report").arg(&results).output();
    assert_eq!(is_done(&again.expect("the program runs")), printed);
    assert_eq!(fs::read_to_string(&report).expect("a report"), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_suite_keeps_and_marks_what_it_has() {
    let _slot = slot().await;
    let dir = tempfile::tempdir().expect("a directory for the results");
    let results = dir.path().join("results");
    let mut bench = Command::new(BINARY)
        .args(["bench", "--workload", "send-only", "--replicas", "1"])
        .args(["--systems", "telegraft", "--duration", "10m"])
        .args(["--warmup", "100ms", "--clients", "4", "--quiet", "--out"])
        .arg(&results)
        .stdout(Stdio::null())
        .spawn()
        .expect("the program runs");
    let pid = i32::try_from(bench.id()).ok().and_then(Pid::from_raw);
    let http = http();
    until("the load has begun", async || {
        assert!(bench.try_wait().expect("our child").is_none(), "it ended");
        let url = first_replica(&results.join("data"))?;
        get(&http, &format!("{url}/readyz")).await.ok()?;
        (metric(&http, &url, "telegraft_kept_messages").await > 200.0).then_some(())
    })
    .await;
    kill_process(pid.expect("a process id"), Signal::INT).expect("it runs");
    let status = until("it ends", async || bench.try_wait().expect("our child")).await;
    assert_eq!(status.code(), Some(105));
    let rows = rows(&results);
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!(row["verdict"], "invalid:interrupted", "{row:?}");
    }
    assert!(results.join("report.md").exists());
}
