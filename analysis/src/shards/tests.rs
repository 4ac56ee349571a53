//! Every column of a merged row, against the row that one generator would have written.

use hdrhistogram::Histogram;
use telegraft_loadgen::results::{SCHEMA_VERSION, latency_histogram};

use super::*;

const DURATION_S: f64 = 10.0;

/// Latencies over four decades, none of them round.
fn known() -> Vec<u64> {
    (0..50_021_u64)
        .map(|n| 37 + n * n * 7_919 % 90_000_049 / (1 + n % 211))
        .collect()
}

fn histogram(latencies: &[u64]) -> Histogram<u64> {
    let mut histogram = latency_histogram();
    for us in latencies {
        histogram.record(*us).expect("it is below an hour");
    }
    histogram
}

/// A run of sends alone with these latencies, service times half as long, and `failed` more.
pub(crate) fn run(shard: &str, latencies: &[u64], failed: u64) -> Run {
    let response = histogram(latencies);
    let halves: Vec<u64> = latencies.iter().map(|us| us / 2).collect();
    let service = histogram(&halves);
    let at = |h: &Histogram<u64>, per_mille| LatencyUs::at(h, per_mille, failed);
    let row = RunRow {
        schema_version: SCHEMA_VERSION,
        run_id: "telegraft-3-send-t1".to_owned(),
        config_hash: "00ff".to_owned(),
        suite: "default".to_owned(),
        workload: "send".to_owned(),
        system: "telegraft".to_owned(),
        replicas: 3,
        durability: "fsync".to_owned(),
        consistency: "linearizable".to_owned(),
        mailbox: "lanes".to_owned(),
        targets: "leader".to_owned(),
        arrival: "open".to_owned(),
        clients: 64,
        connections: 64,
        message_bytes: 128,
        target_rate_per_s: Some(5_000.0),
        trial: 1,
        seed: 42,
        started_at: "2026-03-01T12:30:05Z".to_owned(),
        warmup_s: 1.0,
        duration_s: DURATION_S,
        op: "send".to_owned(),
        attempts: response.len() + failed,
        retries: 0,
        ok: response.len(),
        failed,
        unknown: 0,
        unfinished: 0,
        ok_per_s: per_s(response.len(), DURATION_S),
        response_mean_us: Some(Latencies::of(&response).mean_us()),
        response_p50_us: at(&response, 500),
        response_p90_us: at(&response, 900),
        response_p95_us: at(&response, 950),
        response_p99_us: at(&response, 990),
        response_p999_us: at(&response, 999),
        response_max_us: at(&response, 1000),
        service_p50_us: at(&service, 500),
        service_p99_us: at(&service, 990),
        service_p999_us: at(&service, 999),
        generator_cpu_cores: 0.25,
        cluster_cpu_cores: 1.5,
        schedule_lag_p99_us: Some(200),
        audit: "ok".to_owned(),
        verdict: VALID.to_owned(),
        failover_ms: None,
        shard: shard.to_owned(),
        queue_p99_us: Some(30),
        generator_delay_p99_us: Some(40),
        steady: STEADY.to_owned(),
        slo: MET.to_owned(),
    };
    let tagged = [("send", response), ("send-service", service)];
    Run {
        latencies: tagged
            .map(|(tag, h)| (tag.to_owned(), Latencies::of(&h)))
            .into(),
        ..Run::new(vec![row])
    }
}

/// `known`, dealt to four like cards, each with `failed` more.
fn dealt(failed: u64) -> Vec<Run> {
    let known = known();
    (0..4)
        .map(|part| {
            let share: Vec<u64> = known.iter().skip(part).step_by(4).copied().collect();
            run(&format!("{}/4", part + 1), &share, failed)
        })
        .collect()
}

fn shares() -> Shares {
    Shares {
        of: 4,
        found: Vec::new(),
        wrong: Vec::new(),
    }
}

#[test]
fn every_column_is_the_one_of_the_unsplit_histogram() {
    for failed in [0, 2, 20, 200, 3_000] {
        let whole = run("1/4", &known(), 4 * failed);
        let (merged, apart) = sum(&dealt(failed), shares());
        assert_eq!(apart, None);
        assert_eq!(merged.latencies, whole.latencies, "bucket by bucket");
        let expected = RunRow {
            generator_cpu_cores: 1.0,
            ..whole.rows[0].clone()
        };
        assert_eq!(merged.rows, [expected], "{failed} failed in each");
    }
}

/// The mean of the parts' percentiles would be another number.
#[test]
fn parts_of_unequal_size_and_speed_are_weighed_by_what_they_hold() {
    let mut known = known();
    known.sort_unstable();
    // The fastest nine tenths by one, the rest by three others.
    let (fast, slow) = known.split_at(known.len() * 9 / 10);
    let third = slow.len() / 3;
    let parts = [
        fast,
        &slow[..third],
        &slow[third..2 * third],
        &slow[2 * third..],
    ];
    let runs: Vec<Run> = (1..)
        .zip(parts)
        .map(|(number, part)| run(&format!("{number}/4"), part, 0))
        .collect();
    let (merged, _) = sum(&runs, shares());
    let whole = run("1/4", &known, 0);
    let columns = |run: &Run| {
        let row = &run.rows[0];
        (
            [
                row.response_p50_us,
                row.response_p90_us,
                row.response_p95_us,
            ],
            [
                row.response_p99_us,
                row.response_p999_us,
                row.response_max_us,
            ],
            [row.service_p50_us, row.service_p99_us, row.service_p999_us],
            row.response_mean_us,
        )
    };
    assert_eq!(columns(&merged), columns(&whole));
}

#[test]
fn the_worst_of_each_column_is_told() {
    let mut runs = dealt(0);
    runs[1].rows[0].schedule_lag_p99_us = Some(900);
    runs[2].rows[0].queue_p99_us = None;
    runs[2].rows[0].cluster_cpu_cores = 1.75;
    runs[3].rows[0].slo = "missed: send response_p99 31.2 ms > 20 ms (1.56 x)".to_owned();
    runs[3].rows[0].steady = "the queue grows".to_owned();
    runs[1].rows[0].failover_ms = Some(700.0);
    runs[2].rows[0].failover_ms = Some(640.0);
    for (at, verdict) in [
        "invalid:not-steady",
        "invalid:generator-saturated",
        "invalid:not-steady",
    ]
    .into_iter()
    .enumerate()
    {
        runs[at].rows[0].verdict = verdict.to_owned();
    }
    let (merged, _) = sum(&runs, shares());
    let row = &merged.rows[0];
    assert_eq!(row.schedule_lag_p99_us, Some(900));
    assert_eq!(row.queue_p99_us, Some(30));
    assert!((row.cluster_cpu_cores - 1.75).abs() < 1e-9);
    assert_eq!(
        row.slo,
        "missed: shard 4/4: send response_p99 31.2 ms > 20 ms (1.56 x)"
    );
    assert_eq!(row.steady, "shard 4/4: the queue grows");
    assert_eq!(row.failover_ms, Some(640.0));
    assert_eq!(row.verdict, "invalid:generator-saturated");

    runs[0].rows[0].verdict = "invalid:of-a-later-version".to_owned();
    let (merged, _) = sum(&runs, shares());
    assert_eq!(merged.rows[0].verdict, "invalid:of-a-later-version");
}

/// A share that was not judged has nothing to tell.
#[test]
fn what_a_share_does_not_say_is_not_told() {
    let mut runs = dealt(0);
    for run in &mut runs[1..3] {
        run.rows[0].slo.clear();
        run.rows[0].steady.clear();
    }
    let (merged, _) = sum(&runs, shares());
    assert_eq!((&*merged.rows[0].slo, &*merged.rows[0].steady), ("", ""));
    runs[1].rows[0].steady = "not judged: it has faults".to_owned();
    let (merged, _) = sum(&runs, shares());
    assert_eq!(
        merged.rows[0].steady,
        "shard 2/4: not judged: it has faults"
    );
}

#[test]
fn rows_that_one_share_has_lost_are_lost() {
    let mut runs = dealt(0);
    let whole = Shares { of: 4, ..shares() };
    let (merged, _) = sum(&runs, whole.clone());
    assert!(merged.valid());
    runs[3].lacking = vec![ALL.to_owned()];
    let (merged, _) = sum(&runs, whole);
    assert!(!merged.valid());
    assert_eq!(merged.verdict(), "incomplete: its row \"all\" is missing");
}
