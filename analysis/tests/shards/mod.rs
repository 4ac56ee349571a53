//! Reports over several directories: shares of one run, and runs that are none.

use std::fs;
use std::path::{Path, PathBuf};

use telegraft_analysis::report::{self, Report};
use tempfile::TempDir;

use crate::fixtures::{self, Dealt, RUN, known, share};

/// All of the load, by one generator.
const WHOLE: Dealt = Dealt {
    shard: "",
    part: 0,
    parts: 1,
    failed: 0,
    verdict: "valid",
    audit: "ok",
};

/// The shards of four.
const FOUR: [&str; 4] = ["1/4", "2/4", "3/4", "4/4"];

/// The shares of a run dealt to four generators.
fn four() -> [Dealt; 4] {
    std::array::from_fn(|part| Dealt {
        shard: FOUR[part],
        part,
        parts: 4,
        ..WHOLE
    })
}

/// Directories with these shares, and the report over all of them.
struct Reported {
    dir: TempDir,
    report: Report,
}

fn reported(shares: &[Dealt]) -> Reported {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (1..=shares.len())
        .map(|n| dir.path().join(format!("generator-{n}")))
        .collect();
    for (path, dealt) in paths.iter().zip(shares) {
        share(path, *dealt);
    }
    let report = report::write_all(&paths, &paths[0]).unwrap();
    Reported { dir, report }
}

/// The rows of the tables of a report that tell what was measured.
fn rows(report: &Report) -> Vec<&str> {
    let measured = [
        "Results of the evaluation experiments",
        "Audit and verdict of every run",
    ];
    let mut found = Vec::new();
    for section in report.markdown.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap();
        if measured.contains(&title) {
            found.extend(section.lines().filter(|line| line.starts_with('|')));
        }
    }
    assert!(found.len() > 20, "{}", report.markdown);
    found
}

#[test]
fn four_shards_report_what_one_generator_would() {
    let whole = reported(&[WHOLE]);
    let shared = reported(&four());
    assert_eq!(rows(&shared.report), rows(&whole.report));

    let text = &shared.report.markdown;
    let from = "1: generator-1, 2: generator-2, 3: generator-3, 4: generator-4";
    let line = format!("| {RUN} | 4 of 4 | {from} | – |");
    assert!(text.contains(&line), "{text}");
    assert!(!text.contains("What is missing"), "{text}");

    // In any order.
    let [one, two, three, four] = four();
    let turned = reported(&[three, one, four, two]);
    assert_eq!(rows(&turned.report), rows(&whole.report));
}

#[test]
fn failures_of_all_shards_count_in_percentiles() {
    // Of 8,191 sends and 1,023 reads, 12 each: the p99.9 of both is not known, nor the p99 of
    // the reads. No share alone could tell.
    let whole = reported(&[Dealt {
        failed: 12,
        ..WHOLE
    }]);
    let shared = reported(&four().map(|dealt| Dealt { failed: 3, ..dealt }));
    assert_eq!(rows(&shared.report), rows(&whole.report));
    let timeouts = rows(&whole.report);
    let timeouts = timeouts.iter().filter(|row| row.contains(">timeout"));
    assert!(timeouts.count() >= 4, "{}", whole.report.markdown);
}

/// Against the sorted latencies themselves, without any histogram.
#[test]
fn percentiles_of_shards_are_those_of_the_latencies() {
    let shared = reported(&four());
    let mut send: Vec<u64> = known("send").into_iter().map(|(us, _)| us).collect();
    send.sort_unstable();
    let row = "| write-heavy | send | telegraft ×3 |";
    let latency = shared.report.markdown.split("## Latency").nth(1).unwrap();
    let cells = latency.lines().find(|line| line.starts_with(row)).unwrap();
    let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
    for (cell, per_mille) in cells[4..=8].iter().zip([500, 900, 990, 999, 1000]) {
        let rank = (send.len() * per_mille).div_ceil(1000);
        let exact_ms = send[rank - 1] as f64 / 1000.0;
        let told: f64 = cell.replace(',', "").parse().unwrap();
        // 0.1 % of a histogram of three digits, and half of the third digit printed.
        assert!(
            (told / exact_ms - 1.0).abs() < 0.006,
            "{per_mille}: {told} {exact_ms}"
        );
    }
    assert_eq!(cells[9], "8,191");
}

/// What is not as it should be is told, and the run is marked and counts in no median.
#[test]
fn shards_that_are_missing_double_or_of_another_division_are_told() {
    let [one, two, three, four] = four();
    let other = Dealt {
        shard: "2/3",
        ..two
    };
    let odd = Dealt { shard: "x", ..two };
    for (shares, count, told) in [
        (vec![one, two, four], "3 of 4", "shard 3 of 4 is missing"),
        (vec![two], "1 of 4", "shards 1, 3, 4 of 4 are missing"),
        (
            vec![one, two, two, three, four],
            "4 of 4",
            "shard 2/4 is there twice",
        ),
        (
            vec![one, other, three, four],
            "3 of 4",
            "shard 2/3 is of another division; shard 2 of 4 is missing",
        ),
        (vec![odd], "1 of ?", "shard \"x\" is no share, as 2/4 is"),
    ] {
        let Reported { report, .. } = reported(&shares);
        let text = &report.markdown;
        assert!(text.contains(&format!("| {count} |")), "{text}");
        assert!(
            text.contains(&format!("⚠ {RUN} | incomplete: {told} |")),
            "{told}: {text}"
        );
        assert!(text.contains("| ⚠ 0/1 | ok |"), "{text}");
        let line = format!("- ⚠ {RUN}: incomplete: {told}\n");
        assert!(report.terminal.contains(&line), "{}", report.terminal);
        let extra = shares.len() - 1 > usize::from(count.as_bytes()[0] - b'1');
        assert_eq!(
            text.contains(": left out"),
            extra || told.contains("no share")
        );
    }
}

#[test]
fn the_worst_verdict_counts_and_audits_are_told_by_shard() {
    let [one, two, three, four] = four();
    let lost = "1 acknowledged message is lost (room 7: 41)";
    let Reported { report, .. } = reported(&[
        Dealt {
            verdict: "invalid:errors",
            ..one
        },
        Dealt {
            verdict: "invalid:audit",
            audit: lost,
            ..two
        },
        three,
        Dealt {
            audit: "skipped",
            ..four
        },
    ]);
    let text = &report.markdown;
    let line = format!("⚠ {RUN} | invalid:audit | shard 2/4: {lost} |");
    assert!(text.contains(&line), "{text}");

    // What was not audited by one was not audited as a whole.
    let Reported { report, .. } = reported(&[
        one,
        two,
        three,
        Dealt {
            audit: "skipped",
            ..four
        },
    ]);
    let line = format!("| {RUN} | valid | skipped |");
    assert!(report.markdown.contains(&line), "{}", report.markdown);
}

#[test]
fn shards_without_their_latencies_have_no_percentiles() {
    let Reported { dir, .. } = reported(&four());
    let path = dir.path();
    let file = format!("latency/{RUN}.total.hlog");
    fs::remove_file(path.join("generator-3").join(&file)).unwrap();
    // The directory that holds the four stands for them.
    let report = report::write(path).unwrap();
    let text = &report.markdown;
    let told = format!("- ⚠ generator-3/{file}: there is no such file\n");
    assert!(report.terminal.contains(&told), "{}", report.terminal);
    let row = "| write-heavy | send | telegraft ×3 | – | – | – | – | – | ⚠ 8,191 |";
    assert!(text.contains(row), "{text}");
    assert!(path.join("report.md").is_file());
}

#[test]
fn shards_that_did_not_run_together_are_told_and_their_rate_counts_all_of_the_time() {
    let Reported { dir, .. } = reported(&four());
    let file = format!("latency/{RUN}.total.hlog");
    let log = dir.path().join("generator-4").join(file);
    let text = fs::read_to_string(&log).unwrap();
    let later = text.replace("StartTime: 1772368205.000", "StartTime: 1772368215.000");
    fs::write(&log, later).unwrap();
    let report = report::write(dir.path()).unwrap();
    let told = "its shards did not run together: the first began 20.0 s before the last ended, \
                and none is longer than 10.0 s";
    assert!(report.terminal.contains(told), "{}", report.terminal);
    // 8,191 in 20 s.
    let row = "| write-heavy | send | telegraft ×3 | 410 |";
    assert!(report.markdown.contains(row), "{}", report.markdown);
}

fn nonce(path: &Path, nonce: &str) {
    let suite = path.join("suite.toml");
    let text = fs::read_to_string(&suite).unwrap();
    fs::write(&suite, text.replace("5f3a", nonce)).unwrap();
}

/// Trials of several directories count together, unless another machine or program ran them.
#[test]
fn directories_that_are_no_shards_are_in_one_report() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
    fixtures::trials(&a, &[1_000, 2_000], 0);
    fixtures::trials(&b, &[3_000], 0);
    nonce(&b, "0001");
    let both = [a.clone(), b.clone()];
    let out = dir.path().join("both");
    let report = report::write_all(&both, &out).unwrap();
    let text = &report.markdown;
    assert_eq!(&fs::read_to_string(out.join("report.md")).unwrap(), text);
    let run = "telegraft-3-write-heavy-t1";
    for line in [
        "| a | 2026-03-01T12:30:05Z | 2 |".to_owned(),
        "| b | 2026-03-01T12:30:05Z | 1 |".to_owned(),
        format!("| a/{run} | valid | ok |"),
        format!("| b/{run} | valid | ok |"),
        "| telegraft-3-write-heavy-t2 | valid | ok |".to_owned(),
        // All three trials, counted together.
        "| write-heavy | send | telegraft ×3 | 2.00 | 3.00 | 3.00 | 3.00 | 3.00 | 300 |".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }

    let environment = b.join("environment.json");
    let json = fs::read_to_string(&environment).unwrap();
    fs::write(&environment, json.replace("bench-1", "bench-2")).unwrap();
    let text = report::write_all(&both, &out).unwrap().markdown;
    for line in [
        "| write-heavy | send | telegraft ×3, in a | 1.00 | 2.00 | 2.00 | 2.00 | 2.00 | 200 |",
        "| write-heavy | send | telegraft ×3, in b | 3.00 | 3.00 | 3.00 | 3.00 | 3.00 | 100 |",
        "| host | bench-1 (a), bench-2 (b) |",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }

    // Another kernel is another machine, and one that nobody knows is like no other.
    let apart = "| write-heavy | send | telegraft ×3, in b | 3.00 |";
    fs::write(&environment, json.replace("6.12.1", "6.12.2")).unwrap();
    let text = report::write_all(&both, &out).unwrap().markdown;
    assert!(text.contains(apart), "{text}");
    for path in &both {
        fs::remove_file(path.join("environment.json")).unwrap();
    }
    let text = report::write_all(&both, &out).unwrap().markdown;
    assert!(text.contains(apart), "{text}");
}

#[test]
fn what_is_given_twice_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let [a, copy] = ["a", "copy"].map(|name| dir.path().join(name));
    fixtures::trials(&a, &[1_000], 0);
    fixtures::trials(&copy, &[1_000], 0);
    let report = report::write_all(&[a.clone(), a.clone(), copy], &a).unwrap();
    let told = "a: it was given twice: it counts once\n";
    assert!(report.terminal.contains(told), "{}", report.terminal);
    let told = "- ⚠ copy/runs.csv: telegraft-3-write-heavy-t1 is the same run as another \
                directory's: it counts once\n";
    assert!(report.terminal.contains(told), "{}", report.terminal);
    assert!(report.markdown.contains("| 100 |\n"), "{}", report.markdown);
}
