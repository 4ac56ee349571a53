//! From what was measured to the rows and files of the result directory.

use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use serde::Serialize;
use telegraft_cluster::http::Consistency;
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;
use xxhash_rust::xxh3::xxh3_64;

use super::Run;
use super::steer::Steered;
use crate::audit;
use crate::plan::Kind;
use crate::recorder::{ByKind, Counts, Recorder};
use crate::results::{
    IntervalRow, LatencyUs, ResultDir, ResultsError, RunRow, SCHEMA_VERSION, SERVICE_SUFFIX, utc,
};
use crate::suite::{Suite, System, Workload};

/// A run in which more than one in so many operations did not succeed measures something
/// other than its workload.
const MISSED_ONE_IN: u64 = 100;

/// What was measured.
pub(super) struct Measured<'a> {
    pub(super) run: &'a Run,
    pub(super) suite: &'a Suite,
    pub(super) file_system: &'a str,
    /// When the window began.
    pub(super) began: SystemTime,
    pub(super) recorder: &'a Recorder,
    pub(super) steered: &'a Steered,
    pub(super) audit: &'a audit::Verdict,
    pub(super) interrupted: bool,
}

/// What makes two runs comparable: everything but trial, seed and time.
#[derive(Serialize)]
struct Configuration<'a> {
    system: System,
    replicas: usize,
    workload_name: &'a str,
    workload: &'a Workload,
    warmup: Duration,
    duration: Duration,
    durability: &'a str,
    mailbox: &'a str,
}

impl Measured<'_> {
    /// Writes all of it.
    pub(super) fn write(&self, results: &ResultDir) -> Result<(), ResultsError> {
        let kinds = Kind::of(&self.run.workload.operations);
        let total = self.recorder.total();
        self.write_latencies(results, &kinds, &total)?;
        results.append_intervals(&self.interval_rows(&kinds))?;
        // Last, so that a run that has its row has everything.
        results.append_run(&self.run_rows(&kinds, &total))
    }

    fn write_latencies(
        &self,
        results: &ResultDir,
        kinds: &[Kind],
        total: &ByKind,
    ) -> Result<(), ResultsError> {
        let id = &self.run.id;
        let mut log = results.create_total_hlog(id, self.began)?;
        let mut seconds = results.create_interval_hlog(id, self.began)?;
        let length = Duration::from_secs_f64(self.seconds());
        for kind in kinds {
            let latency = &total[kind.index()].latency;
            // An operation of a closed loop is due when it is sent: both views are one.
            for tag in [kind.name().to_owned(), service(*kind)] {
                log.write(&tag, Duration::ZERO, length, latency)?;
            }
        }
        let second = Duration::from_secs(1);
        for (start, counts) in (0..).map(Duration::from_secs).zip(&self.recorder.seconds) {
            let length = length.saturating_sub(start).min(second);
            for kind in kinds {
                let latency = &counts[kind.index()].latency;
                for tag in [kind.name().to_owned(), service(*kind)] {
                    seconds.write(&tag, start, length, latency)?;
                }
            }
        }
        log.finish()?;
        seconds.finish()
    }

    fn interval_rows(&self, kinds: &[Kind]) -> Vec<IntervalRow> {
        let mut rows = Vec::new();
        for (second, counts) in (0..).zip(&self.recorder.seconds) {
            for kind in kinds {
                let counts = &counts[kind.index()];
                let latency = &counts.latency;
                let some = !latency.is_empty();
                let troubles = counts.troubles.iter();
                let failures: Vec<String> = troubles
                    .map(|(trouble, count)| format!("{trouble}:{count}"))
                    .collect();
                rows.push(IntervalRow {
                    schema_version: SCHEMA_VERSION,
                    run_id: self.run.id.clone(),
                    second,
                    op: kind.name().to_owned(),
                    ok: counts.ok,
                    failed: counts.failed,
                    unknown: counts.unknown,
                    response_p50_us: some.then(|| latency.value_at_quantile(0.5)),
                    response_p99_us: some.then(|| latency.value_at_quantile(0.99)),
                    response_max_us: some.then(|| latency.max()),
                    failures: failures.join(" "),
                });
            }
        }
        rows
    }

    fn run_rows(&self, kinds: &[Kind], total: &ByKind) -> Vec<RunRow> {
        let all = all(total);
        let mut rows: Vec<RunRow> = kinds
            .iter()
            .map(|kind| self.run_row(kind.name(), &total[kind.index()], &all))
            .collect();
        rows.push(self.run_row("all", &all, &all));
        rows
    }

    fn run_row(&self, op: &str, counts: &Counts, all: &Counts) -> RunRow {
        let run = self.run;
        let workload = &run.workload;
        let seconds = self.seconds();
        let latency = &counts.latency;
        let at = |per_mille| LatencyUs::at(latency, per_mille, counts.missed());
        RunRow {
            schema_version: SCHEMA_VERSION,
            run_id: run.id.clone(),
            config_hash: self.config_hash(),
            suite: self.suite.name.clone(),
            workload: workload.name.clone(),
            system: run.system.name().to_owned(),
            replicas: run.replicas,
            durability: self.durability(),
            consistency: consistency(workload.consistency).to_owned(),
            mailbox: self.mailbox().to_owned(),
            targets: workload.targets.name().to_owned(),
            arrival: "closed".to_owned(),
            clients: workload.clients,
            connections: workload.clients,
            message_bytes: workload.message_bytes,
            target_rate_per_s: None,
            trial: run.trial,
            seed: run.seed,
            started_at: utc::rfc3339(self.began),
            warmup_s: self.suite.warmup.as_secs_f64(),
            duration_s: seconds,
            op: op.to_owned(),
            attempts: counts.attempts,
            retries: counts.retries,
            ok: counts.ok,
            failed: counts.failed,
            unknown: counts.unknown,
            unfinished: counts.unfinished,
            ok_per_s: counts.ok as f64 / seconds,
            response_mean_us: mean(latency),
            response_p50_us: at(500),
            response_p90_us: at(900),
            response_p95_us: at(950),
            response_p99_us: at(990),
            response_p999_us: at(999),
            response_max_us: at(1000),
            service_p50_us: at(500),
            service_p99_us: at(990),
            service_p999_us: at(999),
            generator_cpu_cores: self.steered.generator_cpu_s.max(0.0) / seconds,
            cluster_cpu_cores: self.steered.cluster_cpu_s.max(0.0) / seconds,
            schedule_lag_p99_us: None,
            audit: self.audit.text(),
            verdict: self.verdict(all),
            failover_ms: self.failover_ms(),
        }
    }

    /// The seconds that counted.
    fn seconds(&self) -> f64 {
        self.recorder.length().as_secs_f64()
    }

    fn durability(&self) -> String {
        match (self.run.system, self.suite.durability) {
            (System::Null, _) => "-".to_owned(),
            // What is not on a disk is not made durable by a sync.
            (_, Durability::Fsync) if self.file_system == "tmpfs" => "fsync(tmpfs)".to_owned(),
            (_, Durability::Fsync) => "fsync".to_owned(),
            (_, Durability::None) => "none".to_owned(),
        }
    }

    fn mailbox(&self) -> &'static str {
        match (self.run.system, self.suite.mailbox) {
            (System::Null, _) => "-",
            (_, Mailbox::Lanes) => "lanes",
            (_, Mailbox::Fifo) => "fifo",
        }
    }

    fn config_hash(&self) -> String {
        let configuration = Configuration {
            system: self.run.system,
            replicas: self.run.replicas,
            workload_name: &self.run.workload.name,
            workload: &self.run.workload,
            warmup: self.suite.warmup,
            duration: self.suite.duration,
            durability: &self.durability(),
            mailbox: self.mailbox(),
        };
        let bytes = serde_json::to_vec(&configuration).expect("names and numbers have a JSON form");
        format!("{:016x}", xxh3_64(&bytes))
    }

    fn verdict(&self, all: &Counts) -> String {
        let why = match self.audit {
            audit::Verdict::Violated(_) | audit::Verdict::Impossible(_) => "audit",
            _ if self.interrupted => "interrupted",
            // With faults, some are lost on purpose.
            _ if self.run.workload.faults.is_empty() && too_many_missed(all) => "errors",
            _ => return "valid".to_owned(),
        };
        format!("invalid:{why}")
    }

    /// Of a run with faults: the longest time without a successful write after one.
    pub(super) fn failover_ms(&self) -> Option<f64> {
        let killed = &self.steered.killed;
        let ends = killed.iter().skip(1).map(|(_, next)| *next);
        let ends = ends.chain([self.steered.ended_at]);
        let gaps = killed.iter().zip(ends);
        let longest = gaps.map(|((_, lost), end)| self.recorder.longest_gap_ms(*lost, end));
        longest.max().map(|ms| ms as f64)
    }

    /// One line for the terminal.
    pub(super) fn summary(&self) -> String {
        let counts = all(&self.recorder.total());
        let at =
            |per_mille| latency_text(LatencyUs::at(&counts.latency, per_mille, counts.missed()));
        format!(
            "{}: {:.0}/s, p50 {}, p99 {}, {} missed, audit {}, {}",
            self.run.id,
            counts.ok as f64 / self.seconds(),
            at(500),
            at(990),
            counts.missed(),
            self.audit.text(),
            self.verdict(&counts),
        )
    }
}

/// All kinds together.
fn all(total: &ByKind) -> Counts {
    let mut all = Counts::default();
    for counts in total {
        all.add(counts);
    }
    all
}

fn too_many_missed(all: &Counts) -> bool {
    all.missed() > all.due() / MISSED_ONE_IN || all.ok == 0
}

fn service(kind: Kind) -> String {
    format!("{}{SERVICE_SUFFIX}", kind.name())
}

fn mean(latency: &Histogram<u64>) -> Option<f64> {
    (!latency.is_empty()).then(|| latency.mean())
}

pub(super) fn latency_text(latency: LatencyUs) -> String {
    match latency {
        LatencyUs::Known(us) => format!("{:.2} ms", us as f64 / 1e3),
        LatencyUs::BeyondTimeout => ">timeout".to_owned(),
        LatencyUs::None => "-".to_owned(),
    }
}

fn consistency(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Linearizable => "linearizable",
        Consistency::Lease => "lease",
        Consistency::Local => "local",
    }
}
