//! Comparisons of made-up result directories, whole.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p telegraft-analysis --test compare` writes what is expected
//! anew; look at the difference before it is committed.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "tests may stop at the first surprise, and their numbers are small"
)]

mod inside;
mod made;

use std::fs;
use std::path::{Path, PathBuf};

use made::{AFTER, BEFORE, Made, Place, SENDS, write};
use telegraft_analysis::compare::{self, Comparison, Setting};
use telegraft_analysis::stats::NOISE;
use tempfile::TempDir;

/// What a comparison is written as is, letter for letter, what is committed.
fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/compare/expected")
        .join(name);
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(
        text == expected,
        "{} differs from what is written now:\n{text}",
        path.display()
    );
}

fn directory(in_: &TempDir, name: &str, place: &Place, configurations: &[Made]) -> Vec<PathBuf> {
    let path = in_.path().join(name);
    write(&path, place, configurations);
    vec![path]
}

/// One of each verdict, and of what cannot be compared.
fn before_and_after(dir: &TempDir) -> [Vec<PathBuf>; 2] {
    let reads = Made {
        workload: "read-only",
        tail_varies: 1.0,
        ..SENDS
    };
    let open = Made {
        workload: "chat",
        arrival: "open",
        ok_per_s: 500.0,
        ..SENDS
    };
    let killed = Made {
        workload: "kill-leader",
        trials: 2,
        ..SENDS
    };
    let five = Made {
        replicas: 5,
        ..SENDS
    };
    let before = [SENDS, five, reads.clone(), open.clone(), killed.clone()];
    let faster = Made {
        ok_per_s: 5_250.0,
        p50_us: 9_000.0 / 1.05,
        ..SENDS
    };
    let after = [
        faster,
        Made {
            replicas: 1,
            ..SENDS
        },
        Made {
            p99_us: 20_150.0,
            invalid: Some(2),
            ..reads
        },
        Made {
            p50_us: 9_900.0,
            timed_out: Some(3),
            ..open
        },
        Made {
            ok_per_s: 2_500.0,
            ..killed
        },
    ];
    [
        directory(dir, "before", &BEFORE, &before),
        directory(dir, "after", &AFTER, &after),
    ]
}

/// The verdict of the row of an operation's metric, from JSON.
fn verdict(comparison: &Comparison, workload: &str, metric: &str) -> String {
    row(comparison, workload, metric)["verdict"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn row(comparison: &Comparison, workload: &str, metric: &str) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(&comparison.json()).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let found = rows
        .iter()
        .filter(|row| row["workload"] == workload && row["metric"] == metric);
    let found: Vec<&serde_json::Value> = found.collect();
    assert_eq!(found.len(), 1, "{workload} {metric}: {json}");
    found[0].clone()
}

#[test]
fn two_sides_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let [before, after] = before_and_after(&dir);
    let comparison = compare::sides(&before, &after, NOISE).unwrap();
    check("sides.txt", &comparison.terminal());
    check("sides.md", &comparison.markdown());
    check("sides.json", &(comparison.json() + "\n"));
    for line in comparison
        .terminal()
        .lines()
        .filter(|line| line.contains("  "))
    {
        assert!(line.chars().count() <= 110, "too wide: {line}");
    }

    let back = compare::sides(&after, &before, NOISE).unwrap();
    for (metric, there, and_back) in [
        ("ok_per_s", "faster", "slower"),
        ("response_p50_us", "faster", "slower"),
        (
            "response_p99_us",
            "no-difference-seen",
            "no-difference-seen",
        ),
    ] {
        assert_eq!(verdict(&comparison, "write-heavy", metric), there);
        assert_eq!(verdict(&back, "write-heavy", metric), and_back);
    }
}

#[test]
fn what_lies_within_the_noise_threshold_does_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let [before, after] = before_and_after(&dir);
    for (noise, expected) in [(0.0, "faster"), (0.04, "faster"), (0.07, "within-noise")] {
        let comparison = compare::sides(&before, &after, noise).unwrap();
        assert_eq!(
            verdict(&comparison, "write-heavy", "ok_per_s"),
            expected,
            "{noise}"
        );
    }
}

/// Latencies are whole microseconds: that 3 become 4 may be a tenth of one.
#[test]
fn a_step_of_the_clock_is_noise() {
    let dir = tempfile::tempdir().unwrap();
    let fast = Made {
        p50_us: 3.0,
        tail_varies: 0.0,
        ..SENDS
    };
    let a = directory(&dir, "a", &BEFORE, std::slice::from_ref(&fast));
    for (us, expected) in [(4.0, "within-noise"), (5.0, "slower")] {
        let slow = Made {
            p50_us: us,
            ..fast.clone()
        };
        let b = directory(&dir, &format!("b{us}"), &AFTER, &[slow]);
        let comparison = compare::sides(&a, &b, NOISE).unwrap();
        assert_eq!(
            verdict(&comparison, "write-heavy", "response_p50_us"),
            expected
        );
    }
}

/// The p-values of a table of one row are not those of a longer one.
#[test]
fn the_correction_is_over_the_whole_table() {
    let dir = tempfile::tempdir().unwrap();
    let [before, after] = before_and_after(&dir);
    let comparison = compare::sides(&before, &after, NOISE).unwrap();
    let json: serde_json::Value = serde_json::from_str(&comparison.json()).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let tested: Vec<(f64, f64)> = rows
        .iter()
        .filter_map(|row| Some((row["p"].as_f64()?, row["p_adjusted"].as_f64()?)))
        .collect();
    assert_eq!(tested.len(), 7);
    let least = tested
        .iter()
        .copied()
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap();
    assert!((least.1 / least.0 - 7.0).abs() < 1e-12, "{least:?}");
}

#[test]
fn other_machines_and_the_same_runs_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let here = directory(&dir, "here", &BEFORE, &[SENDS]);
    let there = Place {
        cpu: "Other CPU",
        fdatasync_us: 190.0,
        ..AFTER
    };
    let there = directory(&dir, "there", &there, &[SENDS]);
    let text = compare::sides(&here, &there, NOISE).unwrap().terminal();
    assert!(
        text.contains("processor Example CPU @ 2.00GHz (A), Other CPU (B)"),
        "{text}"
    );
    assert!(text.contains("0.130 ms (A) and 0.190 ms (B)"), "{text}");
    assert!(
        text.contains("git revision 0123456789ab (A), ba9876543210 (B)"),
        "{text}"
    );
    assert!(text.contains("(drift)"), "{text}");

    let text = compare::sides(&here, &here, NOISE).unwrap().terminal();
    assert!(text.contains("5 runs are on both sides"), "{text}");

    let both = [here.clone(), there].concat();
    let text = compare::sides(&both, &here, NOISE).unwrap().terminal();
    assert!(text.contains("of A are of different machines"), "{text}");
}

/// The same name on both sides would be a riddle.
#[test]
fn what_has_no_partner_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let a = directory(
        &dir,
        "a",
        &BEFORE,
        &[
            SENDS,
            Made {
                replicas: 5,
                ..SENDS
            },
        ],
    );
    let fifo = Made {
        mailbox: "fifo",
        ..SENDS
    };
    let b = directory(&dir, "b", &AFTER, &[fifo]);
    let comparison = compare::sides(&a, &b, NOISE).unwrap();
    assert!(comparison.is_empty());
    let text = comparison.terminal();
    for told in [
        "write-heavy: telegraft ×3 (mailbox lanes, not fifo): only in A",
        "write-heavy: telegraft ×5: only in A",
        "write-heavy: telegraft ×3 (mailbox fifo, not lanes): only in B",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn directories_that_were_measured_by_turns_do_not_drift() {
    let dir = tempfile::tempdir().unwrap();
    let a = directory(&dir, "a", &BEFORE, &[SENDS]);
    let by_turns = Place {
        nonce: "77c1",
        from_s: 30,
        ..BEFORE
    };
    let b = directory(&dir, "b", &by_turns, &[SENDS]);
    let text = compare::sides(&a, &b, NOISE).unwrap().terminal();
    assert!(!text.contains('⚠'), "{text}");
}

#[test]
fn the_output_of_other_tools_is_compared() {
    let dir = tempfile::tempdir().unwrap();
    let ycsb = |name: &str, ops: f64, p99: u32| {
        let path = dir.path().join(name);
        let text = format!(
            "[OVERALL], Throughput(ops/sec), {ops}\n[INSERT], 99thPercentileLatency(us), {p99}\n"
        );
        fs::write(&path, text).unwrap();
        path
    };
    let before = [
        ycsb("1", 990.0, 800),
        ycsb("2", 1000.0, 805),
        ycsb("3", 1010.0, 810),
    ];
    let after = [
        ycsb("4", 1190.0, 801),
        ycsb("5", 1200.0, 806),
        ycsb("6", 1210.0, 809),
    ];
    let comparison = compare::sides(&before, &after, NOISE).unwrap();
    assert_eq!(verdict(&comparison, "YCSB", "ok_per_s"), "faster");
    let text = comparison.terminal();
    assert!(
        text.contains("(drift)") && !text.contains("different tools"),
        "{text}"
    );
    assert_eq!(
        verdict(&comparison, "YCSB", "response_p99_us"),
        "within-noise"
    );
    let comparison = compare::sides(&before[..1], &after, NOISE).unwrap();
    assert_eq!(verdict(&comparison, "YCSB", "ok_per_s"), "too-few-trials");

    let etcd = dir.path().join("etcd");
    fs::write(&etcd, "Summary:\n  Requests/sec:\t812.5\n").unwrap();
    let comparison = compare::sides(&before, std::slice::from_ref(&etcd), NOISE).unwrap();
    let row = row(&comparison, "YCSB → etcd benchmark", "response_p99_us");
    assert_eq!(row["verdict"], "untestable");
    assert_eq!(row["why"], "not in B");
    let text = comparison.terminal();
    assert!(text.contains("⚠ different tools"), "{text}");

    let results = directory(&dir, "results", &BEFORE, &[SENDS]);
    let text = compare::sides(&results, &before, NOISE).unwrap().terminal();
    assert!(text.contains("⚠ different tools"), "{text}");
    let mixed = [results, vec![etcd]].concat();
    let told = compare::sides(&mixed, &before, NOISE)
        .unwrap_err()
        .to_string();
    assert!(told.contains("a file among directories"), "{told}");
    let bad = dir.path().join("bad");
    fs::write(&bad, "\n[OVERALL], Throughput(ops/sec), x\n").unwrap();
    let told = compare::sides(&[bad], &before, NOISE)
        .unwrap_err()
        .to_string();
    assert!(told.contains("bad:2: \"x\" is no number"), "{told}");
}

#[test]
fn what_is_not_there_is_an_error_and_what_is_bad_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let missing = vec![dir.path().join("missing")];
    let there = directory(&dir, "there", &BEFORE, &[SENDS]);
    assert!(compare::sides(&missing, &there, NOISE).is_err());
    assert!(compare::by(&missing, Setting::Mailbox, NOISE).is_err());
    assert!(compare::halves(&missing, NOISE).is_err());

    fs::remove_file(there[0].join("environment.json")).unwrap();
    let runs = there[0].join("runs.csv");
    let text = fs::read_to_string(&runs).unwrap();
    fs::write(&runs, text.replacen(",closed,64,", ",closed,many,", 1)).unwrap();
    let text = compare::sides(&there, &there, NOISE).unwrap().terminal();
    assert!(text.contains("runs.csv:2: "), "{text}");
    assert!(
        text.contains("there (A) was measured on is not known"),
        "{text}"
    );
}
