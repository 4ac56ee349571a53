//! Reports of committed result directories, whole.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p telegraft-analysis` writes the directories and the
//! reports in `tests/data/` anew; look at the difference before it is committed.

#![allow(
    clippy::unwrap_used,
    reason = "tests may stop at the first surprise, their helpers too"
)]

mod fixtures;
mod shards;
mod stress;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use telegraft_analysis::report;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDENFILES").is_some()
}

/// Makes the committed directories anew, once, if that is wanted.
fn update() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let fixtures = [
            ("well", fixtures::well as fn(&Path)),
            ("troubled", fixtures::troubled),
            ("open", fixtures::open),
            ("shards", fixtures::shared),
            ("search", fixtures::search),
            ("stress", fixtures::stress),
        ];
        for (name, make) in fixtures.into_iter().filter(|_| updating()) {
            let _ = fs::remove_dir_all(data(name));
            make(&data(name));
        }
    });
}

/// A copy of a committed directory, without its report.
fn copy(name: &str) -> tempfile::TempDir {
    update();
    let copy = tempfile::tempdir().unwrap();
    copy_into(&data(name), copy.path());
    copy
}

fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let file = entry.file_name().into_string().unwrap();
        let to = to.join(&file);
        match entry.file_type().unwrap().is_file() {
            true if file.starts_with("report") => {}
            true => drop(fs::copy(entry.path(), to).unwrap()),
            false if file == "tables" => {}
            false => {
                fs::create_dir(&to).unwrap();
                copy_into(&entry.path(), &to);
            }
        }
    }
}

/// The report of a committed directory and all of its tables are, letter for letter, the
/// committed ones.
fn check(name: &str) {
    let copy = copy(name);
    let report = report::write(copy.path()).unwrap();
    let written = fs::read_to_string(copy.path().join("report.md")).unwrap();
    assert_eq!(written, report.markdown);
    golden(&data(name).join("report.md"), &report.markdown);
    golden(&data(name).join("report.txt"), &report.terminal);
    let mut names: Vec<_> = fs::read_dir(copy.path().join("tables"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    let tables = data(name).join("tables");
    if updating() {
        let _ = fs::remove_dir_all(&tables);
        fs::create_dir(&tables).unwrap();
    }
    for name in &names {
        let text = fs::read_to_string(copy.path().join("tables").join(name)).unwrap();
        golden(&tables.join(name), &text);
    }
    assert_eq!(fs::read_dir(&tables).unwrap().count(), names.len());
    for line in report.terminal.lines() {
        let table = !line.starts_with('-');
        assert!(!table || line.chars().count() <= 110, "too wide: {line}");
        assert!(!line.contains('\u{1b}'), "it has colours: {line}");
    }
}

fn golden(path: &Path, text: &str) {
    if updating() {
        fs::write(path, text).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(
        text == expected,
        "{} differs from what is reported now:\n{text}",
        path.display()
    );
}

#[test]
fn a_suite_that_went_well() {
    check("well");
}

/// One run whose audit failed, one that was interrupted with its row half-written, one whose
/// generator was saturated, one without histograms, one whose operations timed out.
#[test]
fn a_suite_with_invalid_and_interrupted_runs() {
    check("troubled");
}

/// Offered beside achieved, response beside service, SLOs, and the original's figures.
#[test]
fn open_loops_and_workloads_of_the_original() {
    check("open");
}

/// Four generators' shares of one run, which the report puts together.
#[test]
fn a_run_of_four_shards() {
    check("shards");
}

/// The probes of a search for the highest rate.
#[test]
fn a_search_for_the_highest_rate() {
    check("search");
}

/// A consistent run, one that is violated, and one in which a kind of fault never happened.
#[test]
fn stress_runs() {
    check("stress");
}

#[test]
fn a_suite_without_a_row_gets_a_report_that_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(
        data("well").join("suite.toml"),
        dir.path().join("suite.toml"),
    )
    .unwrap();
    let report = report::write(dir.path()).unwrap();
    for file in ["environment.json", "runs.csv", "intervals.csv"] {
        let line = format!("- ⚠ {file}: there is no such file\n");
        assert!(report.markdown.contains(&line), "{}", report.markdown);
        assert!(report.terminal.contains(&line), "{}", report.terminal);
    }
    assert!(report.markdown.contains("There is no run to report"));

    let absent = report::write(&dir.path().join("absent")).unwrap_err();
    assert!(absent.to_string().contains("absent"), "{absent}");
}

/// Somebody's own report is not written over.
#[test]
fn a_directory_without_results_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("report.md");
    fs::write(&own, "mine").unwrap();
    fs::create_dir(dir.path().join("chapters")).unwrap();
    let told = report::write(dir.path()).unwrap_err().to_string();
    let start = format!(
        "{}: it is no result directory: there is none of runs.csv, suite.toml",
        dir.path().display()
    );
    assert!(told.starts_with(&start), "{told}");
    assert_eq!(fs::read_to_string(&own).unwrap(), "mine");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

/// It can be shown where it cannot be written.
#[test]
fn a_report_that_cannot_be_written_is_there() {
    let copy = copy("well");
    let draft = report::draft(&[copy.path().to_owned()]).unwrap();
    assert!(!copy.path().join("report.md").exists());
    // No directory of this name can be made.
    let file = copy.path().join("runs.csv");
    let told = draft.write(&file).unwrap_err().to_string();
    assert!(told.contains("runs.csv"), "{told}");
    assert!(draft.report().terminal.contains("telegraft ×3"));
    assert_eq!(&report::write(copy.path()).unwrap(), draft.report());
}

#[test]
fn files_of_a_later_version_are_named_and_the_rest_is_reported() {
    let copy = copy("well");
    let path = copy.path().join("environment.json");
    let text = fs::read_to_string(&path).unwrap();
    let later = text.replace("\"schema_version\": 1", "\"schema_version\": 9");
    fs::write(&path, later).unwrap();
    let report = report::write(copy.path()).unwrap();
    let expected = "- ⚠ environment.json:1: this is format version 9, and this program knows \
                    versions up to 1: a later telegraft wrote it\n";
    assert!(report.terminal.contains(expected), "{}", report.terminal);
    assert!(report.terminal.contains("telegraft ×3"));
}

/// The median of three trials is one of them; percentiles come from all of them together.
#[test]
fn trials_are_pooled_and_never_averaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results");
    // 100 operations of 1 ms twice, and 100 of 100 ms: the pooled p50 is 1 ms and the p90
    // 100 ms, where averages would be 34 ms.
    fixtures::trials(&path, &[1_000, 1_000, 100_000], 0);
    let report = report::write(&path).unwrap();
    let latency = line_with(&report.markdown, "| write-heavy | send | telegraft ×3 |", 1);
    assert_eq!(
        latency,
        "| write-heavy | send | telegraft ×3 | 1.00 | 100 | 100 | 100 | 100 | 300 |"
    );
}

/// 2 of 102 fail in each trial: together 4 of 204, more than 1 %.
#[test]
fn what_failed_is_pooled_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results");
    fixtures::trials(&path, &[1_000, 1_000], 2);
    let report = report::write(&path).unwrap();
    assert_eq!(
        line_with(&report.markdown, "| write-heavy | send | telegraft ×3 |", 1),
        "| write-heavy | send | telegraft ×3 | 1.00 | 1.00 | >timeout | >timeout | >timeout | 200 |"
    );
}

/// Whatever its verdict says, a run that lost something does not count.
#[test]
fn a_run_whose_audit_failed_never_counts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results");
    fixtures::trials(&path, &[1_000, 2_000], 0);
    let runs = path.join("runs.csv");
    let text = fs::read_to_string(&runs).unwrap();
    let (first, second) = text.rsplit_once(",ok,valid,").unwrap();
    fs::write(&runs, format!("{first},1 message is lost,valid,{second}")).unwrap();
    let report = report::write(&path).unwrap();
    let throughput = line_with(
        &report.markdown,
        "| write-heavy | send | ⚠ telegraft ×3 |",
        0,
    );
    assert!(throughput.ends_with("| ⚠ 1/2 | ⚠ failed |"), "{throughput}");
    assert!(
        report
            .terminal
            .contains("⚠ The audit of telegraft-3-write-heavy-t2 found: 1 message"),
        "{}",
        report.terminal
    );
}

/// The `nth` line, from 0, that begins like this.
fn line_with<'a>(text: &'a str, start: &str, nth: usize) -> &'a str {
    text.lines()
        .filter(|line| line.starts_with(start))
        .nth(nth)
        .unwrap()
}

/// What is missing from a histogram must not make its percentiles look better.
#[test]
fn a_histogram_that_lacks_operations_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results");
    fixtures::trials(&path, &[1_000, 1_000], 0);
    let runs = path.join("runs.csv");
    let text = fs::read_to_string(&runs).unwrap();
    fs::write(&runs, text.replace(",100,0,0,0,", ",101,0,0,0,")).unwrap();
    let report = report::write(&path).unwrap();
    assert!(
        report
            .terminal
            .contains("it has 100 latencies of send, and 101 succeeded by runs.csv: left out"),
        "{}",
        report.terminal
    );
    assert_eq!(
        line_with(&report.markdown, "| write-heavy | send | telegraft ×3 |", 1),
        "| write-heavy | send | telegraft ×3 | – | – | – | – | – | ⚠ none |"
    );
}

/// A report made twice is the same, and the second does not read the first.
#[test]
fn a_report_can_be_made_again() {
    let copy = copy("troubled");
    let first = report::write(copy.path()).unwrap();
    assert_eq!(report::write(copy.path()).unwrap(), first);
    let left: Vec<_> = fs::read_dir(copy.path()).unwrap().collect();
    assert!(left.iter().all(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        !name.to_string_lossy().ends_with(".new")
    }));
}
