//! Large directories take memory for what is kept of them, not for what they hold.

use std::process::Command;
use std::time::{Duration, Instant};

use super::*;

/// Where the child finds the directory.
const DIRECTORY: &str = "TELEGRAFT_LARGE_RESULTS";

/// With 50 runs of 600 intervals, decoded histograms kept as they are would take 75 MB, and the
/// rows of the CSV files as much again.
const MOST_KIB: u64 = 60 * 1024;

/// Many times what it takes, with other tests beside it.
const MOST_TIME: Duration = Duration::from_secs(60);

/// The twentieth part of 1,000 runs.
#[cfg(target_os = "linux")]
#[test]
fn fifty_runs_of_six_hundred_intervals_fit_into_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let large = dir.path().join("large");
    large::write(&large, 50, 600).unwrap();
    // Of its own process, the peak is that of the report alone.
    let began = Instant::now();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "scale::child", "--ignored", "--nocapture"])
        .env(DIRECTORY, &large)
        .output()
        .unwrap();
    let took = began.elapsed();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}");
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(peak < MOST_KIB, "{peak} KiB");
    assert!(took < MOST_TIME, "{took:?}");
    let markdown = fs::read_to_string(large.join("report.md")).unwrap();
    assert!(markdown.contains("telegraft-3-load-00049"));
}

#[test]
#[ignore = "the test above runs it"]
fn child() {
    let Some(dir) = std::env::var_os(DIRECTORY) else {
        return;
    };
    report(Path::new(&dir));
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("\n{}", peak.unwrap());
}
