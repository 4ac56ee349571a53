//! Result directories as they should not be: what is wrong is told with file, line and reason,
//! and the rest is reported. And large ones.

#![allow(
    clippy::unwrap_used,
    reason = "tests may stop at the first surprise, their helpers too"
)]

#[path = "files/csv.rs"]
mod csv;
#[path = "files/directories.rs"]
mod directories;
#[path = "files/histograms.rs"]
mod histograms;
mod large;
#[path = "files/mutated.rs"]
mod mutated;
#[path = "files/scale.rs"]
mod scale;

use std::fs;
use std::path::{Path, PathBuf};

use telegraft_analysis::report::{self, Report};
use telegraft_loadgen::find_max::ProbeRow;
use telegraft_loadgen::results::{
    ClusterRow, EventRow, LatencyUs, ResultDir, SCHEMA_VERSION, StageRow,
};

/// A run of the committed directory.
const RUN: &str = "telegraft-3-write-heavy-t1";

/// A committed directory.
fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// A copy of a committed directory, with the files that every new one has.
fn copy(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_into(name, copy.path());
    copy
}

fn copy_into(name: &str, to: &Path) {
    fs::create_dir_all(to.join("latency")).unwrap();
    for sub in ["", "latency"] {
        for entry in fs::read_dir(committed(name).join(sub)).unwrap() {
            let entry = entry.unwrap();
            let file = entry.file_name().into_string().unwrap();
            let result = entry.file_type().unwrap().is_file() && !file.starts_with("report");
            if result && !entry.path().ends_with("tables") {
                fs::copy(entry.path(), to.join(sub).join(file)).unwrap();
            }
        }
    }
    let dir = ResultDir::open(to).unwrap();
    if name != "open" && !to.join("cluster.csv").exists() {
        dir.append_cluster(&[second(0, 1, "leader"), second(0, 2, "follower")])
            .unwrap();
    }
    if name != "open" && !to.join("stages.csv").exists() {
        dir.append_stages(&[stage()]).unwrap();
        dir.append_events(&[event()]).unwrap();
    }
    if !to.join("find-max.csv").exists() {
        dir.append_probe(&probe()).unwrap();
    }
}

fn second(second: u32, replica: u64, role: &str) -> ClusterRow {
    ClusterRow {
        schema_version: SCHEMA_VERSION,
        run_id: RUN.to_owned(),
        second,
        replica,
        role: role.to_owned(),
        term: Some(2),
        commit_index: Some(100),
        applied_index: Some(100),
        last_index: Some(100),
        lag_entries: Some(0),
        cpu_cores: Some(0.4),
        anon_bytes: Some(1 << 24),
        log_bytes_per_s: Some(1e6),
        fdatasyncs_per_s: Some(100.0),
        queue_p50_us: Some(10),
        queue_p99_us: Some(20),
        log_write_p50_us: Some(100),
        log_write_p99_us: Some(200),
        commit_p50_us: None,
        commit_p99_us: None,
        apply_p50_us: None,
        apply_p99_us: None,
    }
}

fn stage() -> StageRow {
    StageRow {
        schema_version: SCHEMA_VERSION,
        run_id: RUN.to_owned(),
        replica: 1,
        stage: "queue".to_owned(),
        count: 100,
        mean_us: Some(12.5),
        p50_us: Some(10),
        p90_us: Some(15),
        p99_us: Some(20),
    }
}

fn event() -> EventRow {
    EventRow {
        schema_version: SCHEMA_VERSION,
        run_id: RUN.to_owned(),
        at_s: 4.5,
        event: "kill".to_owned(),
        replica: 1,
        detail: "leader".to_owned(),
    }
}

fn probe() -> ProbeRow {
    ProbeRow {
        schema_version: SCHEMA_VERSION,
        nth: 1,
        rate_per_s: 1_000.0,
        achieved_per_s: 999.0,
        p50_us: LatencyUs::Known(400),
        p99_us: LatencyUs::Known(2_000),
        p999_us: LatencyUs::BeyondTimeout,
        meets: true,
        valid: true,
        why: String::new(),
    }
}

fn report(dir: &Path) -> Report {
    report::write(dir).unwrap()
}

/// What a report says that is missing: of its marked lines, those that begin with a file.
fn missing(report: &Report) -> Vec<String> {
    let lines = report.terminal.lines();
    let marked = lines.filter_map(|line| line.strip_prefix("- ⚠ "));
    let of_file = |line: &&str| {
        let file = line.split(':').next();
        line.contains(':') && file.is_some_and(|file| !file.contains(' '))
    };
    marked.filter(of_file).map(str::to_owned).collect()
}

fn edit(path: &Path, change: impl Fn(String) -> String) {
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, change(text)).unwrap();
}
