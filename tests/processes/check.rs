//! `telegraft check`: verdicts, pictures and exit codes, of files and result directories.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use telegraft_history::{Completion, Consistency, History, Op};

use crate::harness::BINARY;

fn check(path: &Path, more: &[&str]) -> Output {
    Command::new(BINARY)
        .arg("check")
        .arg(path)
        .args(more)
        .output()
        .expect("the program runs")
}

/// A message is acknowledged; a read shows `seen`.
fn history(seen: bool) -> History {
    let mut history = History::new();
    let send = Op::Send {
        room: 1,
        id: "a".to_owned(),
    };
    let sent = Completion::Sent {
        seq: 1,
        log_index: 5,
        term: 1,
    };
    history.invoke(1, 1, &send);
    history.complete(2, 1, &send, &sent);
    history.nemesis(3, "kill", Some(1), "");
    let read = Op::Read {
        room: 1,
        after: 0,
        limit: 10,
        consistency: Consistency::Linearizable,
        replica: 1,
        min_index: 0,
    };
    let values = seen.then(|| (1, "a".to_owned()));
    let page = Completion::Read {
        values: values.into_iter().collect(),
        applied_index: 5,
    };
    history.invoke(4, 2, &read);
    history.complete(5, 2, &read, &page);
    history
}

#[test]
fn the_exit_code_is_the_verdict() {
    let directory = tempfile::tempdir().unwrap();
    let good = directory.path().join("good.jsonl");
    fs::write(&good, history(true).as_bytes()).unwrap();
    let output = check(&good, &[]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(
        stdout.ends_with("Consistent: every promise was kept.\n"),
        "{stdout}"
    );

    let bad = directory.path().join("bad.jsonl");
    fs::write(&bad, history(false).as_bytes()).unwrap();
    let output = check(&bad, &[]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{stdout}");
    assert!(stdout.starts_with("lost: "), "{stdout}");
    assert!(stdout.contains("kill replica 1"), "{stdout}");
    let output = check(&bad, &["--quiet"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty() && output.stderr.is_empty());

    let broken = directory.path().join("broken.jsonl");
    fs::write(&broken, "{}\n").unwrap();
    let output = check(&broken, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("broken.jsonl: line 1: "), "{stderr}");
    let output = check(&good, &["--format", "xml"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_result_directory_is_checked_whole() {
    let directory = tempfile::tempdir().unwrap();
    let none = check(directory.path(), &[]);
    assert_eq!(none.status.code(), Some(1));
    let histories = directory.path().join("history");
    fs::create_dir(&histories).unwrap();
    assert_eq!(check(directory.path(), &[]).status.code(), Some(1));
    fs::write(histories.join("run-1.jsonl"), history(true).as_bytes()).unwrap();
    fs::write(histories.join("run-2.jsonl"), history(false).as_bytes()).unwrap();
    fs::write(histories.join("notes.txt"), "no history").unwrap();

    let pictures = directory.path().join("pictures");
    let pictures = pictures.to_str().unwrap();
    let output = check(
        directory.path(),
        &["--format", "json", "--timeline", pictures],
    );
    assert_eq!(output.status.code(), Some(3));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["consistent"], false);
    let verdicts = told["histories"].as_array().unwrap();
    assert_eq!(verdicts.len(), 2);
    assert_eq!(verdicts[0]["verdict"]["violations"], serde_json::json!([]));
    assert_eq!(verdicts[1]["verdict"]["violated"]["lost"], 1);
    let picture = fs::read_to_string(Path::new(pictures).join("run-2-01-lost.svg")).unwrap();
    roxmltree::Document::parse(&picture).unwrap();

    // What was found counts for more than what could not be read.
    fs::write(histories.join("run-0.jsonl"), "{}\n").unwrap();
    let output = check(directory.path(), &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("run-0.jsonl: line 1"));
}

#[test]
fn a_history_is_exported_for_checkers_of_transactions() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.jsonl");
    fs::write(&path, history(true).as_bytes()).unwrap();
    let output = check(&path, &["--export", "elle"]);
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["index"].clone(),
                line["type"].clone(),
                line["value"].clone(),
            )
        })
        .collect();
    let txn = |index: u64, kind: &str, value: serde_json::Value| (index.into(), kind.into(), value);
    assert_eq!(
        told,
        [
            txn(0, "invoke", serde_json::json!([["append", 1, "a"]])),
            txn(1, "ok", serde_json::json!([["append", 1, "a"]])),
            txn(3, "invoke", serde_json::json!([["r", 1, null]])),
            txn(4, "ok", serde_json::json!([["r", 1, ["a"]]])),
        ]
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 appends and 1 reads are exported"),);
}
