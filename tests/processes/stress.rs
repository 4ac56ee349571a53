//! `telegraft stress`, whole: faults happen, the history is whole, and the verdict can be trusted.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use telegraft_cluster::local::can_mount;
use telegraft_history::{CheckOptions, check_file};
use telegraft_loadgen::stress::{FaultKind, Judgement, StressVerdict};
use tempfile::TempDir;

use crate::harness::{BINARY, slot, until};
use crate::runs::{Ended, Results, Running, place, run, telegraft};

const RUN: &str = "telegraft-3-stress-s5";

/// A short run with few clients, its results in `results` of the directory.
fn stress(dir: &Path, more: &[&str]) -> Command {
    let out = place(dir, "results");
    let mut command = telegraft(&["stress", "--replicas", "3", "--seed", "5", "--out", &out]);
    command.args(["--clients", "12", "--rooms", "3", "--format", "json"]);
    command.args(more);
    command
}

fn history(dir: &Path) -> PathBuf {
    dir.join(format!("results/history/{RUN}.jsonl"))
}

fn verdict(told: &Ended) -> StressVerdict {
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(lines.len(), 1, "{}", told.stdout);
    serde_json::from_str(lines[0]).expect("a verdict")
}

#[tokio::test]
async fn a_run_has_its_faults_and_is_consistent_and_a_doctored_history_is_not() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let faults = "kill,pause,partition,loss";
    let mut command = stress(dir.path(), &["--duration", "12s", "--faults", faults]);
    let told = Running::start(&mut command).ended().await.with(0);

    let verdict = verdict(&told);
    assert_eq!(verdict.judgement, Judgement::Consistent, "{verdict:?}");
    assert_eq!(
        (verdict.seed, verdict.replicas, verdict.clients),
        (5, 3, 12)
    );
    let happened: Vec<FaultKind> = verdict.faults.keys().copied().collect();
    let asked = [
        FaultKind::Kill,
        FaultKind::Pause,
        FaultKind::Partition,
        FaultKind::Loss,
    ];
    assert_eq!(happened, asked);
    assert!(
        verdict.faults.values().all(|tally| tally.happened >= 1),
        "{verdict:?}"
    );
    assert!(
        verdict.link_totals.lost > 0 && verdict.heal_ms.is_some(),
        "{verdict:?}"
    );
    assert!(verdict.check.acknowledged > 100, "{verdict:?}");
    assert!(verdict.check.digests_compared >= 3, "{verdict:?}");
    assert!(verdict.check.longest_outage_ns > 0, "{verdict:?}");
    let again = [
        "--seed 5",
        "--replicas 3",
        "--faults kill,pause,partition,loss",
    ];
    assert!(
        again.iter().all(|part| verdict.command.contains(part)),
        "{verdict:?}"
    );

    let results = Results::open(dir.path().join("results"));
    assert_eq!(results.runs(), [RUN]);
    let report = results.text("report.md");
    assert!(report.contains(RUN), "{report}");
    results.check_sums(RUN);
    assert_eq!(results.row(RUN, "all").audit, "ok");
    let stored: StressVerdict =
        serde_json::from_str(&results.text(&format!("verdict/{RUN}.json"))).expect("a verdict");
    assert_eq!(stored.check, verdict.check);
    let events = results.dir.read_events().expect("events.csv is there").rows;
    let end = verdict.duration_s + 0.25;
    let late = events.iter().find(|(_, row)| {
        let begins = verdict.faults.keys().any(|kind| kind.name() == row.event);
        begins && row.at_s > end
    });
    assert!(late.is_none(), "a fault after the load: {late:?}");
    let events: BTreeSet<String> = events.into_iter().map(|(_, row)| row.event).collect();
    for event in [
        "kill",
        "start",
        "pause",
        "resume",
        "partition",
        "loss",
        "mend",
    ] {
        assert!(events.contains(event), "{event} is not in {events:?}");
    }
    let suite = results.dir.read_suite().expect("suite.toml is there");
    assert!(
        suite.contains("[[fault]]") && suite.contains("telegraft stress"),
        "{suite}"
    );
    assert!(results.dir.read_environment().is_ok());
    assert!(
        !results.dir.path().join("data").exists(),
        "the replicas' data is gone"
    );

    // The file alone gives the same verdict; and another one without a message that was
    // acknowledged.
    let path = history(dir.path());
    let again = check_file(&path, &CheckOptions::default()).expect("a history");
    assert_eq!(again, verdict.check);
    run(&["check", &path.display().to_string()]).await.with(0);
    let text = fs::read_to_string(&path).expect("the history is there");
    let doctored = dir.path().join("doctored.jsonl");
    fs::write(&doctored, doctor(&text)).expect("it is written");
    let told = run(&["check", &doctored.display().to_string()])
        .await
        .with(3);
    assert!(told.stdout.contains("gap: "), "{}", told.stdout);
}

/// The history without a message that was acknowledged, in all that the replicas show of it.
fn doctor(text: &str) -> String {
    let acknowledged = text
        .lines()
        .find(|line| line.contains(r#""type":"ok","f":"send""#))
        .expect("a send was acknowledged");
    let line: serde_json::Value = serde_json::from_str(acknowledged).expect("a line of JSON");
    let (id, seq) = (line["value"].as_str().expect("its id"), &line["seq"]);
    let lines = text.lines().map(|line| {
        let line = line.replace(&format!(r#"[{seq},"{id}"],"#), "");
        let line = line.replace(&format!(r#",[{seq},"{id}"]"#), "");
        line.replace(&format!(r#"[{seq},"{id}"]"#), "") + "\n"
    });
    lines.collect()
}

#[tokio::test]
async fn an_interrupted_run_keeps_what_it_has_and_leaves_no_process() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let more = ["--duration", "5m", "--faults", "kill,pause,partition"];
    let running = Running::start(&mut stress(dir.path(), &more));
    let path = history(dir.path());
    until("some operations and a fault are recorded", async || {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let fault = text.contains("nemesis");
        (fault && text.lines().count() > 200).then_some(())
    })
    .await;
    let layout = dir.path().join("results/data/cluster.json");
    assert!(layout.exists(), "the replicas' data is there meanwhile");
    running.signal(Signal::INT);
    let told = running.ended().await.with(105);
    let verdict = verdict(&told);
    assert_eq!(verdict.judgement, Judgement::Interrupted, "{verdict:?}");
    assert!(
        verdict.duration_s < 60.0 && verdict.check.acknowledged > 0,
        "{verdict:?}"
    );
    let stored = fs::read_to_string(dir.path().join(format!("results/verdict/{RUN}.json")));
    assert!(stored.expect("the verdict is kept").contains("interrupted"));
    let row = Results::open(dir.path().join("results"));
    assert_eq!(row.row(RUN, "all").verdict, "invalid:interrupted");
    until("no process works in its directory", async || {
        (!works_in(dir.path())).then_some(())
    })
    .await;
}

/// Whether a process was told of the directory.
fn works_in(dir: &Path) -> bool {
    let dir = dir.display().to_string();
    let processes = fs::read_dir("/proc").expect("there is /proc");
    processes.flatten().any(|process| {
        fs::read(process.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&dir))
    })
}

#[tokio::test]
async fn one_seed_gives_one_schedule() {
    let explain = async |seed: &str| {
        let faults = "kill,pause,restart,partition,delay";
        let arguments = ["stress", "--explain", "--seed", seed, "--faults", faults];
        run(&arguments).await.with(0).stdout
    };
    let told = explain("11").await;
    assert_eq!(told, explain("11").await);
    assert_ne!(told, explain("12").await);
    for part in [
        "--seed 11",
        "partition: ",
        "kill -9 of ",
        "everything is healed",
    ] {
        assert!(told.contains(part), "{part:?} is not in: {told}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_anything_is_started() {
    let dir = TempDir::new().expect("a directory");
    for (more, reason) in [
        (["--duration", "3s"], "is too short for each of kill, pause"),
        (["--duration", "3s"], "it takes "),
        (["--faults", "flood"], "no kind of fault"),
        (["--replicas", "0"], "from 1 to 99"),
    ] {
        let faults = ["--faults", "kill,pause,partition"];
        let faults: &[&str] = if more[0] == "--faults" { &[] } else { &faults };
        let mut command = telegraft(&["stress", "--out", &place(dir.path(), "results")]);
        let told = Running::start(command.args(faults).args(more))
            .ended()
            .await
            .with(2);
        assert!(told.stderr.contains(reason), "{reason:?}: {}", told.stderr);
    }
    let alone = ["stress", "--replicas", "1", "--faults", "partition"];
    let told = run(&alone).await.with(2);
    assert!(
        told.stderr.contains("one replica alone has no links"),
        "{}",
        told.stderr
    );
    assert!(!dir.path().join("results").exists(), "nothing was made");
}

#[tokio::test]
async fn a_full_disk_needs_the_right_to_mount_one() {
    // Without the right, whoever runs the tests.
    let without = |arguments: &[&str]| {
        if can_mount().is_err() {
            return telegraft(arguments);
        }
        let mut command = Command::new("setpriv");
        command.args([
            "--bounding-set",
            "-sys_admin",
            "--inh-caps",
            "-sys_admin",
            BINARY,
        ]);
        command.args(arguments);
        command
    };
    let ended = async |arguments: &[&str]| Running::start(&mut without(arguments)).ended().await;
    let told = ended(&["stress", "--faults", "kill,disk-full", "--duration", "1m"]).await;
    let told = told.with(2);
    assert!(
        told.stderr.contains("--faults disk-full: "),
        "{}",
        told.stderr
    );
    // What nobody asked for is left out, and that is said.
    let told = ended(&["stress", "--explain", "--seed", "3", "--duration", "1m"]).await;
    let told = told.with(0).stdout;
    assert!(told.contains("disk-full is left out: "), "{told}");
    assert!(!told.contains("full disk of"), "{told}");
}
