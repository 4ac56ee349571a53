//! What a report answers for stress runs, also where their files are not as they should be.

use std::fs;
use std::path::{Path, PathBuf};

use telegraft_analysis::report::{self, Report};
use telegraft_loadgen::stress::{FaultKind, Judgement, StressVerdict, Tallies};
use tempfile::TempDir;

use crate::fixtures::{self, Stressed};

const RUN: &str = "telegraft-5-stress-s7";

/// A directory with one consistent run.
fn one() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results");
    Stressed::consistent(5, 7).write(&path);
    (dir, path)
}

fn verdict(path: &Path) -> PathBuf {
    path.join(format!("verdict/{RUN}.json"))
}

/// The report of one run, after its verdict was changed.
fn changed(change: impl FnOnce(&mut StressVerdict)) -> Report {
    let (_dir, path) = one();
    let mut told = Stressed::consistent(5, 7).told();
    change(&mut told);
    fs::write(verdict(&path), serde_json::to_vec(&told).unwrap()).unwrap();
    report::write(&path).unwrap()
}

/// The first sentence of the report.
fn answer(report: &Report) -> &str {
    let begins = ["- Consistent: ", "- ⚠ Inconclusive: ", "- ⚠ Violated: "];
    let mut lines = report.terminal.lines();
    let found = lines.find(|line| line.starts_with("- "));
    let found = found.unwrap_or_default();
    assert!(
        begins.iter().any(|begin| found.starts_with(begin)),
        "{found}"
    );
    found
}

#[test]
fn one_consistent_run_answers_the_question() {
    let (_dir, path) = one();
    let report = report::write(&path).unwrap();
    assert!(answer(&report).starts_with("- Consistent: in 1 stress run no answer"));
    assert!(
        !report.terminal.contains("was not audited"),
        "{}",
        report.terminal
    );
    for text in [
        "telegraft stress --replicas 5 --duration 60s --seed 7",
        "telegraft check history/telegraft-5-stress-s7.jsonl",
        "in any of them, so nothing is said of them: restart, throttle, duplicate, reorder.",
        "![Throughput over the seconds of a stress run.",
        "15,192 linearizable and 7,596 lease reads",
    ] {
        assert!(
            report.markdown.contains(text),
            "{text}\n{}",
            report.markdown
        );
    }
    assert!(!report.markdown.contains("What was broken"));
    let svg = format!("plots/stress-{RUN}.svg");
    assert!(
        fs::read_to_string(path.join(svg))
            .unwrap()
            .contains("a fault goes on")
    );
}

/// Each of these alone makes a run less than consistent, whatever its file calls it.
#[test]
fn a_run_that_shows_too_little_is_not_called_consistent() {
    type Change = fn(&mut StressVerdict);
    let changes: [(Change, &str); 8] = [
        (|v| v.heal_ms = None, "not seen to heal"),
        (
            |v| v.deaths.push("node 2: it is broken".to_owned()),
            "a replica died by itself",
        ),
        (
            |v| v.failures.push("the last reads: timeout".to_owned()),
            "the last reads: timeout",
        ),
        (|v| v.faults = Tallies::new(), "no fault was asked for"),
        (
            |v| v.faults.entry(FaultKind::Loss).or_default().happened = 0,
            "asked for, and never with an effect: loss",
        ),
        (|v| v.check.acknowledged = 0, "no message was acknowledged"),
        (
            |v| v.judgement = Judgement::Interrupted,
            "it was interrupted",
        ),
        (
            |v| v.judgement = Judgement::Failed,
            "its verdict does not say why",
        ),
    ];
    for (change, reason) in changes {
        let report = changed(change);
        let answer = answer(&report);
        assert!(
            answer.starts_with("- ⚠ Inconclusive: 1 of 1 stress run shows"),
            "{answer}"
        );
        assert!(
            report.terminal.contains(reason),
            "{reason}: {}",
            report.terminal
        );
    }
}

#[test]
fn what_met_cuts_in_namespaces_is_told_as_packets_or_as_not_counted() {
    let report = |counted| {
        changed(|v| {
            v.links = "namespaces".to_owned();
            v.cuts_counted = counted;
            v.link_totals.dropped_by_cuts = 1_234;
            v.link_totals.broken = 1;
        })
        .markdown
    };
    let packets = "in network namespaces 1,234 packets vanished, 1 packet answered by a reset";
    let (counted, uncounted) = (report(true), report(false));
    assert!(counted.contains(packets), "{counted}");
    assert!(!counted.contains("nobody counted"), "{counted}");
    assert!(!uncounted.contains(packets), "{uncounted}");
    assert!(uncounted.contains("nobody counted"), "{uncounted}");
}

/// And each of these makes it a violated one.
#[test]
fn a_violation_anywhere_in_the_file_counts() {
    type Change = fn(&mut StressVerdict);
    let changes: [Change; 3] = [
        |v| v.check.violated.extend([("lost".to_owned(), 1)]),
        |v| v.wrong_answers = 1,
        |v| v.judgement = Judgement::Violated,
    ];
    for change in changes {
        let report = changed(change);
        let answer = answer(&report);
        assert!(
            answer.starts_with("- ⚠ Violated: in 1 of 1 stress run"),
            "{answer}"
        );
        assert!(
            !report.markdown.contains("none of them missed"),
            "{}",
            report.markdown
        );
    }
}

#[test]
fn verdicts_that_cannot_be_read_are_named_and_their_runs_are_inconclusive() {
    let whole = serde_json::to_string_pretty(&Stressed::consistent(5, 7).told()).unwrap();
    let another = whole.replace(RUN, "telegraft-5-stress-s8");
    let later = whole.replacen("\"schema_version\": 1", "\"schema_version\": 9", 1);
    let half = &whole[..whole.len() / 2];
    let cases: [(&[u8], &str); 6] = [
        (b"", ".json:1: EOF while parsing"),
        (half.as_bytes(), "EOF while parsing"),
        (b"{\"schema_version\": 1}", ".json:1: missing field"),
        (b"\xff\xfe", ".json: it is no text in UTF-8"),
        (
            another.as_bytes(),
            "it is the verdict of another run, \"telegraft-5-stress-s8\"",
        ),
        (later.as_bytes(), ".json:1: this is format version 9"),
    ];
    for (bytes, told) in cases {
        let (_dir, path) = one();
        fs::write(verdict(&path), bytes).unwrap();
        inconclusive(&report::write(&path).unwrap(), told);
    }
    let (_dir, path) = one();
    fs::remove_file(verdict(&path)).unwrap();
    let report = report::write(&path).unwrap();
    inconclusive(&report, ".json: there is no such file");
    // What is left says how to do it again.
    assert!(
        report.markdown.contains("[stress]\nseed = 7"),
        "{}",
        report.markdown
    );
    let (_dir, path) = one();
    fs::remove_file(verdict(&path)).unwrap();
    fs::create_dir(verdict(&path)).unwrap();
    inconclusive(
        &report::write(&path).unwrap(),
        ".json: it is no regular file",
    );
}

fn inconclusive(report: &Report, told: &str) {
    let answer = answer(report);
    assert!(
        answer.starts_with("- ⚠ Inconclusive: 1 of 1 stress run shows"),
        "{answer}"
    );
    let named = format!("- ⚠ verdict/{RUN}.json");
    let mut lines = report.terminal.lines();
    let named = lines.any(|line| line.starts_with(&named) && line.contains(told));
    assert!(named, "{told}\n{}", report.terminal);
}

/// Violations of a run whose rows were lost are told.
#[test]
fn a_verdict_without_rows_counts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results");
    fixtures::stress(dir.path());
    fs::rename(dir.path().join("violated"), &path).unwrap();
    let runs = path.join("runs.csv");
    let text = fs::read_to_string(&runs).unwrap();
    let head = text.lines().next().unwrap();
    fs::write(&runs, format!("{head}\n")).unwrap();
    let report = report::write(&path).unwrap();
    assert!(answer(&report).starts_with("- ⚠ Violated: in 1 of 1 stress run"));
    let told = "runs.csv: telegraft-3-stress-s8 has a verdict (verdict/telegraft-3-stress-s8.json) and no row";
    assert!(report.terminal.contains(told), "{}", report.terminal);
}

/// A picture of somebody else's is shown as an image, which runs nothing.
#[test]
fn pictures_of_violations_are_images_of_the_page() {
    let dir = tempfile::tempdir().unwrap();
    fixtures::stress(dir.path());
    let path = dir.path().join("violated");
    let picture = path.join("verdict/telegraft-3-stress-s8.1.svg");
    fs::write(
        &picture,
        "<svg onload=\"alert(1)\"><script>'\"</script></svg>",
    )
    .unwrap();
    let report = report::write(&path).unwrap();
    let page = fs::read_to_string(path.join("report.html")).unwrap();
    let image = "<img src=\"data:image/svg+xml,%3Csvg%20onload%3D%22alert%281%29%22%3E";
    assert!(page.contains(image), "{page}");
    assert!(!page.contains("<svg onload") && !page.contains("'\"</script>"));
    let linked = "As a picture: `verdict/telegraft-3-stress-s8.1.svg`";
    assert!(report.markdown.contains(linked), "{}", report.markdown);
    fs::write(&picture, [0xff; 8]).unwrap();
    let report = report::write(&path).unwrap();
    let told = "- ⚠ verdict/telegraft-3-stress-s8.1.svg: it is no text in UTF-8";
    assert!(report.terminal.contains(told), "{}", report.terminal);
}
