//! The histograms of whole runs.

use std::fs;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;

use super::*;

fn path(dir: &Path) -> PathBuf {
    dir.join(format!("latency/{RUN}.total.hlog"))
}

/// What a report tells of the histograms of [`RUN`].
fn told(dir: &Path) -> Vec<String> {
    let file = format!("latency/{RUN}.total.hlog");
    let report = report(dir);
    assert!(report.terminal.contains("telegraft ×3"));
    missing(&report)
        .into_iter()
        .map(|line| match line.strip_prefix(&file) {
            Some(rest) => rest.to_owned(),
            None => panic!("{line}"),
        })
        .collect()
}

#[test]
fn one_that_is_absent_or_no_file() {
    let copy = copy("well");
    fs::remove_file(path(copy.path())).unwrap();
    assert_eq!(told(copy.path()), [": there is no such file"]);
    fs::create_dir(path(copy.path())).unwrap();
    assert_eq!(told(copy.path()), [": it is no regular file"]);
}

#[test]
fn one_that_does_not_decode_leaves_the_others() {
    let copy = copy("well");
    let whole = fs::read_to_string(path(copy.path())).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let send = lines
        .iter()
        .position(|line| line.starts_with("Tag=send"))
        .unwrap();
    let (head, encoded) = lines[send].rsplit_once(',').unwrap();
    for (bad, reason) in [
        ("!".to_owned(), "the histogram is no base64: "),
        (
            encoded[..encoded.len() / 8 * 4].to_owned(),
            "the histogram cannot be decoded: ",
        ),
        (
            encoded.replacen("H", "A", 2),
            "the histogram cannot be decoded: ",
        ),
    ] {
        let mut lines = lines.clone();
        let line = format!("{head},{bad}");
        lines[send] = &line;
        fs::write(path(copy.path()), lines.join("\n") + "\n").unwrap();
        let told = told(copy.path());
        let start = format!(":{}: {reason}", send + 1);
        assert!(told[0].starts_with(&start), "{start}: {told:?}");
        assert!(
            told[1].starts_with(": it has 0 latencies of send, and "),
            "{told:?}"
        );
        assert_eq!(told.len(), 2, "the reads are whole: {told:?}");
    }
    let torn = &whole[..whole.len() - 9];
    fs::write(path(copy.path()), torn).unwrap();
    assert_eq!(
        told(copy.path())[0],
        format!(
            ":{}: the last line is half-written: its writer was interrupted",
            lines.len()
        )
    );
}

/// Other tools keep other precisions; percentiles come from what there is.
#[test]
fn one_of_another_precision_counts() {
    let copy = copy("well");
    let runs = fs::read_to_string(copy.path().join("runs.csv")).unwrap();
    let ok = |op: &str| -> u64 {
        let row = runs
            .lines()
            .find(|line| line.contains(RUN) && line.contains(&format!(",{op},")));
        row.unwrap().split(',').nth(24).unwrap().parse().unwrap()
    };
    let dir = ResultDir::open(copy.path()).unwrap();
    let mut writer = dir.create_total_hlog(RUN, SystemTime::UNIX_EPOCH).unwrap();
    for op in ["send", "read"] {
        let mut coarse = Histogram::<u64>::new_with_bounds(1_000, 10_000_000, 1).unwrap();
        coarse.record_n(123_456, ok(op)).unwrap();
        writer
            .write(op, Duration::ZERO, Duration::from_secs(10), &coarse)
            .unwrap();
    }
    let mut unknown = Histogram::<u64>::new(3).unwrap();
    unknown.record(7).unwrap();
    writer
        .write("other", Duration::ZERO, Duration::from_secs(10), &unknown)
        .unwrap();
    writer.finish().unwrap();
    assert_eq!(
        told(copy.path()),
        [": runs.csv has no row of other: left out"]
    );
    // The slowest of all trials, as its bucket's upper bound.
    let report = report(copy.path());
    let row = "| write-heavy | send | telegraft ×3 |";
    let row = report
        .markdown
        .lines()
        .filter(|line| line.starts_with(row))
        .nth(1);
    assert!(row.unwrap().contains("| 127 |"), "{row:?}");
}

/// One reason for many files stands for all of them.
#[test]
fn many_of_them_are_told_in_few_lines() {
    let dir = tempfile::tempdir().unwrap();
    let large = dir.path().join("large");
    large::write(&large, 60, 1).unwrap();
    fs::remove_dir_all(large.join("latency")).unwrap();
    let missing = missing(&report(&large));
    let absent = missing
        .iter()
        .filter(|line| line.ends_with(": there is no such file"));
    // And environment.json.
    assert_eq!(absent.count(), 20 + 1 + 1, "{missing:?}");
    let more = "latency: 40 more of its files: there is no such file".to_owned();
    assert!(missing.contains(&more), "{missing:?}");
}

/// Each histogram is held against its row, and a bad one takes no good one with it.
#[test]
fn one_of_the_times_from_sending_or_of_all_operations_is_checked_too() {
    let copy = copy("open");
    let run = "telegraft-3-send-at-rate-t1";
    let file = format!("latency/{run}.total.hlog");
    let log = ResultDir::open(copy.path()).unwrap().read_total_hlog(run);
    let (length, mut intervals) = (Duration::from_secs(10), log.unwrap().intervals);
    let mut all = Histogram::<u64>::new(3).unwrap();
    for interval in &mut intervals {
        match interval.tag.as_str() {
            "send-service" => interval.histogram.record(7).unwrap(),
            "send" | "read" => all.add(&interval.histogram).unwrap(),
            _ => {}
        }
    }
    let dir = ResultDir::open(copy.path()).unwrap();
    let write = |all: &Histogram<u64>| {
        let mut writer = dir.create_total_hlog(run, SystemTime::UNIX_EPOCH).unwrap();
        for interval in &intervals {
            let histogram = &interval.histogram;
            writer
                .write(&interval.tag, Duration::ZERO, length, histogram)
                .unwrap();
        }
        writer.write("all", Duration::ZERO, length, all).unwrap();
        writer
            .write("all-service", Duration::ZERO, length, all)
            .unwrap();
        writer.finish().unwrap();
        let mut told = missing(&report(copy.path()));
        told.retain(|line| line.starts_with("latency/"));
        told
    };
    let of_service = format!(
        "{file}: it has 4501 latencies of send-service, and 4500 succeeded by runs.csv: left out"
    );
    assert_eq!(write(&all), std::slice::from_ref(&of_service));
    all.record(7).unwrap();
    let of_all = |tag: &str| {
        format!("{file}: it has 5001 latencies of {tag}, and 5000 succeeded by runs.csv: left out")
    };
    assert_eq!(write(&all), [of_service, of_all("all")]);
    // What is left: the response times, those of all operations from their sum.
    let text = report(copy.path()).markdown;
    let row = |op: &str| {
        let start = format!("| send-at-rate | {op} | ⚠ telegraft ×3 |");
        let mut rows = text.lines().filter(|line| line.starts_with(&start));
        rows.nth(1).unwrap().to_owned()
    };
    assert!(row("send").ends_with("| 4,500 |"), "{}", row("send"));
    assert!(row("all").ends_with("| 5,000 |"), "{}", row("all"));
}
