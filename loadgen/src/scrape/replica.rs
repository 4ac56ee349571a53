//! One replica: asking it, and what its answers tell of a second.

use reqwest::Url;
use telegraft_cluster::http::NodeStatus;
use tokio::time::Instant;

use super::metrics::Metrics;
use crate::results::{ClusterRow, SCHEMA_VERSION};

/// The longest answer that is read, in bytes: `/metrics` has some ten thousand.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// What `role` may be.
const ROLES: [&str; 4] = ["leader", "follower", "candidate", "learner"];
/// What it is in a row of a replica that did not answer.
const UNREACHABLE: &str = "unreachable";

/// Where a replica is asked.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) status: Url,
    pub(super) metrics: Url,
}

/// What a replica answered.
#[derive(Clone, Debug)]
pub(super) struct Scrape {
    /// When its metrics came.
    pub(super) at: Instant,
    pub(super) status: NodeStatus,
    pub(super) metrics: Metrics,
}

impl Scrape {
    /// Asks a replica, one question after the other.
    ///
    /// # Errors
    /// Why there is no answer, or that it is not what it should be.
    pub(super) async fn take(http: &reqwest::Client, of: &Addresses) -> Result<Scrape, String> {
        let status = get(http, &of.status).await?;
        let status: NodeStatus =
            serde_json::from_slice(&status).map_err(|error| format!("{}: {error}", of.status))?;
        if !ROLES.contains(&status.role.as_str()) {
            return Err(format!("{}: {:?} is no role", of.status, status.role));
        }
        let metrics = get(http, &of.metrics).await?;
        Ok(Scrape {
            at: Instant::now(),
            status,
            metrics: Metrics::of(&String::from_utf8_lossy(&metrics)),
        })
    }

    /// The row of the second that this ends, and `earlier` began. `highest` is the highest last
    /// index of all replicas.
    pub(super) fn row(
        &self,
        run_id: &str,
        second: u32,
        highest: u64,
        earlier: Option<&Scrape>,
    ) -> ClusterRow {
        let status = &self.status;
        let mut row = ClusterRow {
            replica: status.id,
            role: status.role.clone(),
            term: Some(status.term),
            commit_index: Some(status.commit_index),
            applied_index: Some(status.applied_index),
            last_index: Some(status.last_index),
            lag_entries: Some(highest.saturating_sub(status.last_index)),
            anon_bytes: self.metrics.anon_bytes,
            ..unreachable(run_id, second)
        };
        let Some(earlier) = earlier else {
            return row;
        };
        let (now, before) = (&self.metrics, &earlier.metrics);
        let seconds = self.at.duration_since(earlier.at).as_secs_f64();
        if seconds <= 0.0 || now.are_another_process_s(before) {
            return row;
        }
        let rate = |now: Option<f64>, before: Option<f64>| Some((now? - before?) / seconds);
        row.cpu_cores = rate(now.cpu_s, before.cpu_s).map(|cores| rounded(cores, 1e3));
        row.log_bytes_per_s = rate(now.log_bytes, before.log_bytes).map(|rate| rounded(rate, 1e1));
        row.fdatasyncs_per_s = rate(now.syncs, before.syncs).map(|rate| rounded(rate, 1e1));
        let percentiles = |stage: usize| {
            let added = match (&now.stages[stage], &before.stages[stage]) {
                (Some(now), Some(before)) => now.since(before),
                _ => None,
            };
            [0.5, 0.99].map(|q| added.as_ref()?.quantile(q).map(microseconds))
        };
        [row.queue_p50_us, row.queue_p99_us] = percentiles(0);
        [row.log_write_p50_us, row.log_write_p99_us] = percentiles(1);
        [row.commit_p50_us, row.commit_p99_us] = percentiles(2);
        [row.apply_p50_us, row.apply_p99_us] = percentiles(3);
        row
    }
}

/// The row of a replica that did not answer; who it is is not known here.
pub(super) fn unreachable(run_id: &str, second: u32) -> ClusterRow {
    ClusterRow {
        schema_version: SCHEMA_VERSION,
        run_id: run_id.to_owned(),
        second,
        replica: 0,
        role: UNREACHABLE.to_owned(),
        term: None,
        commit_index: None,
        applied_index: None,
        last_index: None,
        lag_entries: None,
        cpu_cores: None,
        anon_bytes: None,
        log_bytes_per_s: None,
        fdatasyncs_per_s: None,
        queue_p50_us: None,
        queue_p99_us: None,
        log_write_p50_us: None,
        log_write_p99_us: None,
        commit_p50_us: None,
        commit_p99_us: None,
        apply_p50_us: None,
        apply_p99_us: None,
    }
}

/// A measurement with no more digits than it has meaning: `steps` in one.
pub(super) fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

pub(super) fn microseconds(seconds: f64) -> u64 {
    // Saturates, and there is no negative bound.
    (seconds * 1e6).round() as u64
}

/// The body of an answer that tells of success.
async fn get(http: &reqwest::Client, url: &Url) -> Result<Vec<u8>, String> {
    let failed = |error: reqwest::Error| format!("{url}: {error}");
    let mut answer = http.get(url.clone()).send().await.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(format!("{url}: {}", answer.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(format!("{url}: more than {MAX_ANSWER_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
