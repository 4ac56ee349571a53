//! A stress run's rows among those of other runs: rates and latencies under faults.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use xxhash_rust::xxh3::xxh3_64;

use super::config;
use super::plan::Plan;
use crate::collect::{self, Collected};
use crate::engine::Stop;
use crate::plan::Kind;
use crate::recorder::{Counts, Recorder, Second, Window};
use crate::results::{LatencyUs, ResultDir, ResultsError, RunRow, SCHEMA_VERSION, utc};
use crate::run::all;

/// What clients do.
pub(super) const KINDS: [Kind; 3] = [Kind::Send, Kind::Read, Kind::Inbox];

/// Hands the seconds that are over on, until `stop`.
pub(super) async fn pass_seconds(
    recorder: &Mutex<Recorder>,
    seconds: mpsc::Sender<Second>,
    stop: Stop,
) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.stopped() => {}
        }
        let over = stop.is_stopped();
        let mut passed = Vec::new();
        {
            let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
            if over {
                recorder.finish();
            } else {
                recorder.pass(Instant::now(), 0);
            }
            passed.extend(std::iter::from_fn(|| recorder.take_over()));
        }
        for second in passed {
            // Who collects them has ended only if files cannot be written, and says so.
            let _ = seconds.send(second).await;
        }
        if over {
            return;
        }
    }
}

/// What is known of a run when its rows are written.
pub(super) struct Known<'a> {
    pub(super) plan: &'a Plan,
    pub(super) run_id: &'a str,
    pub(super) durability: &'a str,
    pub(super) collected: &'a Collected,
    pub(super) window: Window,
    pub(super) began: SystemTime,
    /// Processor time in the window, in seconds.
    pub(super) generator_cpu_s: f64,
    /// The same of the replicas. What one that was killed did after the last look at it, at most
    /// 0.2 s before, is missing.
    pub(super) cluster_cpu_s: f64,
    pub(super) audit: &'a str,
    pub(super) verdict: &'a str,
}

/// What makes two runs comparable: everything but the seed.
#[derive(Serialize)]
struct Configuration<'a> {
    replicas: usize,
    clients: usize,
    rooms: usize,
    duration: Duration,
    durability: &'a str,
    mailbox: &'a str,
    links: &'a str,
    kinds: &'a [super::FaultKind],
}

/// Writes them.
///
/// # Errors
/// When they cannot be written.
pub(super) fn write(results: &ResultDir, known: &Known<'_>) -> Result<(), ResultsError> {
    let mut log = results.create_total_hlog(known.run_id, known.began)?;
    for kind in KINDS {
        let counts = &known.collected.total[kind.index()];
        let length = known.window.length();
        collect::write(&mut log, kind, Duration::ZERO, length, counts)?;
    }
    log.finish()?;
    results.append_intervals(&known.collected.rows)?;
    let total = &known.collected.total;
    let rows = KINDS
        .iter()
        .map(|kind| known.row(kind.name(), &total[kind.index()]))
        .chain([known.row("all", &all(total))]);
    results.append_run(&rows.collect::<Vec<_>>())
}

impl Known<'_> {
    fn row(&self, op: &str, counts: &Counts) -> RunRow {
        let job = &self.plan.job;
        let seconds = self.window.length().as_secs_f64().max(1e-3);
        let at = |per_mille| LatencyUs::at(&counts.response, per_mille, counts.missed());
        let mailbox = config::mailbox(job.mailbox);
        let configuration = Configuration {
            replicas: job.replicas,
            clients: job.clients,
            rooms: job.rooms,
            duration: job.duration,
            durability: self.durability,
            mailbox,
            links: config::links(self.plan),
            kinds: &self.plan.kinds,
        };
        let bytes = serde_json::to_vec(&configuration).expect("plain data has a JSON form");
        RunRow {
            schema_version: SCHEMA_VERSION,
            run_id: self.run_id.to_owned(),
            config_hash: format!("{:016x}", xxh3_64(&bytes)),
            suite: "stress".to_owned(),
            workload: "stress".to_owned(),
            system: "telegraft".to_owned(),
            replicas: job.replicas,
            durability: self.durability.to_owned(),
            consistency: "mixed".to_owned(),
            mailbox: mailbox.to_owned(),
            targets: "mixed".to_owned(),
            arrival: "closed".to_owned(),
            clients: job.clients,
            connections: job.clients,
            message_bytes: super::client::TYPICAL_BYTES,
            target_rate_per_s: None,
            trial: 1,
            seed: self.plan.seed,
            started_at: utc::rfc3339(self.began),
            warmup_s: 0.0,
            duration_s: seconds,
            op: op.to_owned(),
            attempts: counts.attempts,
            retries: counts.retries,
            ok: counts.ok,
            failed: counts.failed,
            unknown: counts.unknown,
            unfinished: counts.unfinished,
            ok_per_s: counts.ok as f64 / seconds,
            response_mean_us: (!counts.response.is_empty()).then(|| counts.response.mean()),
            response_p50_us: at(500),
            response_p90_us: at(900),
            response_p95_us: at(950),
            response_p99_us: at(990),
            response_p999_us: at(999),
            response_max_us: at(1000),
            service_p50_us: at(500),
            service_p99_us: at(990),
            service_p999_us: at(999),
            generator_cpu_cores: self.generator_cpu_s.max(0.0) / seconds,
            cluster_cpu_cores: self.cluster_cpu_s.max(0.0) / seconds,
            schedule_lag_p99_us: None,
            audit: self.audit.to_owned(),
            verdict: self.verdict.to_owned(),
            failover_ms: None,
            shard: String::new(),
            queue_p99_us: None,
            generator_delay_p99_us: None,
            steady: "not judged: faults".to_owned(),
            slo: String::new(),
        }
    }
}
