//! From what was measured to the rows and files of the result directory.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use telegraft_cluster::http::Consistency;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use super::verdict::all;
use super::{Beside, Judgement, Measured, Run, Scenario};
use crate::collect;
use crate::plan::Share;
use crate::recorder::Counts;
use crate::results::{LatencyUs, ResultDir, ResultsError, RunRow, SCHEMA_VERSION, utc};
use crate::suite::Workload;

/// What makes two runs comparable: everything but trial, seed, time and shard.
#[derive(Serialize)]
struct Configuration<'a> {
    system: &'a str,
    replicas: usize,
    workload_name: &'a str,
    workload: &'a Workload,
    /// What was replayed.
    trace: Option<u64>,
    warmup: Duration,
    duration: Duration,
    durability: &'a str,
    mailbox: &'a str,
}

/// Writes all of it.
pub(super) fn write(
    run: &Run,
    scenario: &Scenario,
    results: &ResultDir,
    measured: &Measured,
    beside: &Beside,
    judgement: &Judgement,
) -> Result<(), ResultsError> {
    let mut log = results.create_total_hlog(&run.id, measured.began)?;
    for kind in scenario.kinds() {
        let counts = &measured.collected.total[kind.index()];
        collect::write(
            &mut log,
            *kind,
            Duration::ZERO,
            measured.window.length(),
            counts,
        )?;
    }
    log.finish()?;
    results.append_intervals(&measured.collected.rows)?;
    let scraped = &measured.scraped;
    results.append_cluster(&scraped.cluster)?;
    results.append_stages(&scraped.stages)?;
    let mut events = [beside.events.as_slice(), &scraped.events].concat();
    events.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    results.append_events(&events)?;
    let rows = Rows {
        run,
        scenario,
        measured,
        beside,
        judgement,
    };
    // Last, so that a run that has its rows has everything.
    results.append_run(&rows.all())
}

struct Rows<'a> {
    run: &'a Run,
    scenario: &'a Scenario,
    measured: &'a Measured,
    beside: &'a Beside,
    judgement: &'a Judgement,
}

impl Rows<'_> {
    fn all(&self) -> Vec<RunRow> {
        let total = &self.measured.collected.total;
        let kinds = self.scenario.kinds().iter();
        kinds
            .map(|kind| self.row(kind.name(), &total[kind.index()]))
            .chain([self.row("all", &all(total))])
            .collect()
    }

    fn row(&self, op: &str, counts: &Counts) -> RunRow {
        let Rows {
            run,
            measured,
            beside,
            judgement,
            ..
        } = self;
        let workload = self.scenario.workload();
        let timing = &measured.timing;
        let seconds = measured.window.length().as_secs_f64().max(1e-3);
        let at = |per_mille| LatencyUs::at(&counts.response, per_mille, counts.missed());
        let service = |per_mille| LatencyUs::at(counts.service(), per_mille, counts.missed());
        let known = |histogram: &Histogram<u64>| {
            (!histogram.is_empty()).then(|| histogram.value_at_quantile(0.99))
        };
        RunRow {
            schema_version: SCHEMA_VERSION,
            run_id: run.id.clone(),
            config_hash: config_hash(run, self.scenario),
            suite: run.suite.clone(),
            workload: workload.name.clone(),
            system: run.system.clone(),
            replicas: run.replicas,
            durability: run.durability.clone(),
            consistency: consistency(workload.consistency).to_owned(),
            mailbox: run.mailbox.clone(),
            targets: workload.targets.name().to_owned(),
            arrival: workload.arrival.name().to_owned(),
            clients: workload.connections(),
            connections: workload.connections(),
            message_bytes: workload.message_bytes.typical(),
            target_rate_per_s: self.scenario.offered_per_s(run.warmup, run.duration),
            trial: run.trial,
            seed: run.seed,
            started_at: utc::rfc3339(measured.began),
            warmup_s: run.warmup.as_secs_f64(),
            duration_s: seconds,
            op: op.to_owned(),
            attempts: counts.attempts,
            retries: counts.retries,
            ok: counts.ok,
            failed: counts.failed,
            unknown: counts.unknown,
            unfinished: counts.unfinished,
            ok_per_s: counts.ok as f64 / seconds,
            response_mean_us: mean(&counts.response),
            response_p50_us: at(500),
            response_p90_us: at(900),
            response_p95_us: at(950),
            response_p99_us: at(990),
            response_p999_us: at(999),
            response_max_us: at(1000),
            service_p50_us: service(500),
            service_p99_us: service(990),
            service_p999_us: service(999),
            generator_cpu_cores: measured.generator_cpu_s / seconds,
            cluster_cpu_cores: beside.cluster_cpu_s.max(0.0) / seconds,
            schedule_lag_p99_us: known(&timing.lag),
            audit: beside.audit.text(),
            verdict: judgement.verdict.clone(),
            failover_ms: failover_ms(measured, beside),
            shard: shard(run.share),
            queue_p99_us: known(&timing.queue),
            generator_delay_p99_us: known(&timing.delay),
            steady: judgement.steady.clone(),
            slo: judgement.slo.clone(),
        }
    }
}

/// The same for two runs exactly when the same was done by the same system: whatever the suite,
/// the part of it, the trial and the seed.
pub(crate) fn config_hash(run: &Run, scenario: &Scenario) -> String {
    let configuration = Configuration {
        system: &run.system,
        replicas: run.replicas,
        workload_name: &scenario.workload().name,
        workload: &scenario.workload().essence(),
        trace: scenario.trace().map(|trace| trace.hash),
        warmup: run.warmup,
        duration: run.duration,
        durability: &run.durability,
        mailbox: &run.mailbox,
    };
    let bytes = serde_json::to_vec(&configuration).expect("names and numbers have a JSON form");
    format!("{:016x}", xxh3_64(&bytes))
}

/// As it stands in `runs.csv`.
fn shard(share: Share) -> String {
    if share == Share::WHOLE {
        String::new()
    } else {
        format!("{}/{}", share.nth + 1, share.of)
    }
}

/// Of a run with faults: the longest time without a successful write after one.
pub(super) fn failover_ms(measured: &Measured, beside: &Beside) -> Option<f64> {
    let milli = |moment: Instant| {
        let since = moment.saturating_duration_since(measured.window.from);
        u64::try_from(since.as_millis()).expect("runs are bounded")
    };
    let gaps = beside.faults.iter().map(|(lost, until)| {
        let gap = measured.writes.longest_gap(milli(*lost), milli(*until));
        gap as f64
    });
    gaps.max_by(f64::total_cmp)
}

/// One line for the terminal.
pub fn summary(run: &Run, measured: &Measured, beside: &Beside, judgement: &Judgement) -> String {
    let counts = all(&measured.collected.total);
    let at = |per_mille| latency_text(LatencyUs::at(&counts.response, per_mille, counts.missed()));
    let mut line = format!(
        "{}: {:.0}/s, p50 {}, p99 {}, {} missed, audit {}, {}",
        run.id,
        counts.ok as f64 / measured.window.length().as_secs_f64().max(1e-3),
        at(500),
        at(990),
        counts.missed(),
        beside.audit.text(),
        judgement.verdict,
    );
    if !judgement.reason.is_empty() {
        line.push_str(": ");
        line.push_str(&judgement.reason);
    }
    if let Some(ms) = failover_ms(measured, beside) {
        let text = format!(
            "; {:.2} s without a successful write after a fault",
            ms / 1e3
        );
        line.push_str(&text);
    }
    line
}

/// As people read it.
pub fn latency_text(latency: LatencyUs) -> String {
    match latency {
        LatencyUs::Known(us) => format!("{:.2} ms", us as f64 / 1e3),
        LatencyUs::BeyondTimeout => ">timeout".to_owned(),
        LatencyUs::None => "-".to_owned(),
    }
}

fn mean(histogram: &Histogram<u64>) -> Option<f64> {
    (!histogram.is_empty()).then(|| histogram.mean())
}

fn consistency(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Linearizable => "linearizable",
        Consistency::Lease => "lease",
        Consistency::Local => "local",
    }
}
