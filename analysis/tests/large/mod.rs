//! Large result directories, quickly: one run is written with the writers of the load generator,
//! and the others are copies of its rows and histograms under other names.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram;
use telegraft_loadgen::results::{
    ClusterRow, IntervalRow, LatencyUs, ResultDir, Row as _, RunRow, SCHEMA_VERSION,
    latency_histogram,
};

const OPERATIONS: [&str; 4] = ["send", "read", "inbox", "join"];

const REPLICAS: u64 = 3;

/// Trials of each configuration.
const TRIALS: usize = 5;

/// One of so many runs loses its leader.
const WITH_FAULTS: usize = 50;

/// The name of the run that is copied, as long as those of the others.
const COPIED: &str = "telegraft-3-load-00000";

fn id(run: usize) -> String {
    format!("telegraft-3-load-{run:05}")
}

/// A directory of `runs` runs of `seconds` intervals each, four operations and three replicas.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(
    path: &Path,
    runs: usize,
    seconds: u32,
) -> Result<(), Box<dyn std::error::Error>> {
    let dir = ResultDir::create_at(path)?;
    dir.write_suite("name = \"large\"\nnonce = \"1f\"\n")?;
    let histograms: Vec<(String, Histogram<u64>)> = (1..)
        .zip(OPERATIONS)
        .flat_map(|(nth, op)| {
            let service = latencies(300.0 * f64::from(nth));
            let response = latencies(400.0 * f64::from(nth));
            [
                (op.to_owned(), response),
                (format!("{op}-service"), service),
            ]
        })
        .collect();

    let began = UNIX_EPOCH + Duration::from_secs(1_772_368_205);
    let length = Duration::from_secs(u64::from(seconds));
    let mut log = dir.create_total_hlog(COPIED, began)?;
    for (tag, histogram) in &histograms {
        log.write(tag, Duration::ZERO, length, histogram)?;
    }
    log.finish()?;
    let latency = |run: &str| path.join("latency").join(format!("{run}.total.hlog"));
    for run in 1..runs {
        fs::copy(latency(COPIED), latency(&id(run)))?;
    }

    dir.append_intervals(&intervals(seconds))?;
    copies(path, IntervalRow::FILE, runs)?;
    dir.append_cluster(&cluster(seconds))?;
    copies(path, ClusterRow::FILE, runs)?;

    let rows: Vec<RunRow> = (0..runs)
        .flat_map(|run| {
            let of_op = histograms.iter().step_by(2);
            of_op.map(move |(op, histogram)| row(run, seconds, op, histogram))
        })
        .collect();
    dir.append_run(&rows)?;
    Ok(())
}

/// Appends the rows of one run again, for each of the others.
fn copies(path: &Path, file: &str, runs: usize) -> io::Result<()> {
    let text = fs::read_to_string(path.join(file))?;
    let (head, rows) = text.split_once('\n').unwrap_or_default();
    let mut writer = BufWriter::with_capacity(1 << 20, File::create(path.join(file))?);
    writeln!(writer, "{head}")?;
    for run in 0..runs {
        writer.write_all(rows.replace(COPIED, &id(run)).as_bytes())?;
    }
    writer.flush()
}

/// About log-normal, of thousands of different buckets, as a run of minutes has.
fn latencies(median_us: f64) -> Histogram<u64> {
    let mut histogram = latency_histogram();
    let mut state = 7_u64;
    let mut uniform = || {
        // A linear congruential generator (Knuth, MMIX): any shuffled numbers would do.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    };
    for _ in 0..100_000 {
        // A sum of twelve is nearly normal.
        let normal: f64 = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        let us = median_us * (0.9 * normal).exp();
        histogram.saturating_record_n(us as u64, 3);
    }
    histogram
}

fn row(run: usize, seconds: u32, op: &str, histogram: &Histogram<u64>) -> RunRow {
    let configuration = run / TRIALS;
    let at = |per_mille| LatencyUs::at(histogram, per_mille, 0);
    let mut hash = String::new();
    let _ = write!(hash, "{configuration:08x}");
    RunRow {
        schema_version: SCHEMA_VERSION,
        run_id: id(run),
        config_hash: hash,
        suite: "large".to_owned(),
        workload: format!("load-{}", configuration % 10),
        system: "telegraft".to_owned(),
        replicas: 3,
        durability: "fsync".to_owned(),
        consistency: "linearizable".to_owned(),
        mailbox: "lanes".to_owned(),
        targets: "leader".to_owned(),
        arrival: "closed".to_owned(),
        clients: 64,
        connections: 64,
        message_bytes: 64 + configuration / 10,
        target_rate_per_s: None,
        trial: u32::try_from(run % TRIALS).unwrap_or(0) + 1,
        seed: 42,
        started_at: "2026-03-01T12:30:06Z".to_owned(),
        warmup_s: 1.0,
        duration_s: f64::from(seconds),
        op: op.to_owned(),
        attempts: histogram.len(),
        retries: 0,
        ok: histogram.len(),
        failed: 0,
        unknown: 0,
        unfinished: 0,
        ok_per_s: histogram.len() as f64 / f64::from(seconds),
        response_mean_us: Some(histogram.mean()),
        response_p50_us: at(500),
        response_p90_us: at(900),
        response_p95_us: at(950),
        response_p99_us: at(990),
        response_p999_us: at(999),
        response_max_us: at(1000),
        service_p50_us: at(500),
        service_p99_us: at(990),
        service_p999_us: at(999),
        generator_cpu_cores: 0.42,
        cluster_cpu_cores: 1.37,
        schedule_lag_p99_us: None,
        audit: "ok".to_owned(),
        verdict: "valid".to_owned(),
        failover_ms: run.is_multiple_of(WITH_FAULTS).then_some(812.5),
        shard: String::new(),
        queue_p99_us: None,
        generator_delay_p99_us: Some(148),
        steady: "steady".to_owned(),
        slo: String::new(),
    }
}

fn intervals(seconds: u32) -> Vec<IntervalRow> {
    let of_second = |second: u32| {
        OPERATIONS.map(|op| IntervalRow {
            schema_version: SCHEMA_VERSION,
            run_id: COPIED.to_owned(),
            second,
            op: op.to_owned(),
            ok: 500 + u64::from(second % 7),
            failed: u64::from(second % 5),
            unknown: 0,
            response_p50_us: Some(400 + u64::from(second % 11)),
            response_p99_us: Some(3_400 + u64::from(second % 101)),
            response_max_us: Some(15_000 + u64::from(second)),
            failures: match second % 5 {
                0 => String::new(),
                failed => format!("503:{failed}"),
            },
            unfinished: 0,
            retries: u64::from(second % 3),
            service_p50_us: Some(390),
            service_p99_us: Some(3_300),
            queued: None,
        })
    };
    (0..seconds).flat_map(of_second).collect()
}

fn cluster(seconds: u32) -> Vec<ClusterRow> {
    let of = |second: u32, replica: u64| {
        let leader = replica == 1 + u64::from(second / 200) % REPLICAS;
        let index = u64::from(second) * 2_000 + 1_500;
        let timed = |us: u64| leader.then_some(us + u64::from(second % 13));
        ClusterRow {
            schema_version: SCHEMA_VERSION,
            run_id: COPIED.to_owned(),
            second,
            replica,
            role: if leader { "leader" } else { "follower" }.to_owned(),
            term: Some(1 + u64::from(second / 200)),
            commit_index: Some(index - replica),
            applied_index: Some(index - 2 * replica),
            last_index: Some(index),
            lag_entries: Some(u64::from(second % 17) * (replica - 1)),
            cpu_cores: Some(0.412 + f64::from(second % 10) / 1_000.0),
            anon_bytes: Some(31_457_280 + u64::from(second)),
            log_bytes_per_s: Some(351_232.5 + f64::from(second)),
            fdatasyncs_per_s: Some(612.5),
            queue_p50_us: timed(12),
            queue_p99_us: timed(97),
            log_write_p50_us: Some(131),
            log_write_p99_us: Some(404),
            commit_p50_us: timed(301),
            commit_p99_us: timed(902),
            apply_p50_us: timed(9),
            apply_p99_us: timed(44),
        }
    };
    let of_second = |second| (1..=REPLICAS).map(move |replica| of(second, replica));
    (0..seconds).flat_map(of_second).collect()
}
