//! What is taken from a replica's `/metrics`.

use super::exposition::{Sample, samples};
use super::histogram::Histogram;

/// The stages, as the files name them. The first four are labels of one metric.
pub(super) const STAGES: [&str; 5] = ["queue", "log_write", "commit", "apply", "log_sync"];
/// The labels, in the same order.
const LABELS: [&str; 4] = ["queue", "log_write", "replication", "apply"];
/// The one that is a metric of its own.
const LOG_SYNC: usize = 4;

/// What is not there or no measurement is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Metrics {
    pub(super) cpu_s: Option<f64>,
    pub(super) anon_bytes: Option<u64>,
    pub(super) log_bytes: Option<f64>,
    pub(super) syncs: Option<f64>,
    /// In the order of [`STAGES`], in seconds.
    pub(super) stages: [Option<Histogram>; STAGES.len()],
}

impl Metrics {
    pub(super) fn of(text: &str) -> Metrics {
        let mut found = Metrics::default();
        let mut buckets: [Vec<(f64, f64)>; STAGES.len()] = Default::default();
        let mut sums = [None; STAGES.len()];
        for sample in samples(text) {
            let value = Some(sample.value).filter(|value| value.is_finite() && *value >= 0.0);
            match sample.name {
                "process_cpu_seconds_total" => found.cpu_s = value,
                "process_resident_anonymous_bytes" => {
                    found.anon_bytes = value.map(|bytes| bytes as u64);
                }
                "telegraft_log_written_bytes_total" => found.log_bytes = value,
                "telegraft_log_syncs_total" => found.syncs = value,
                name => {
                    if let Some(stage) = stage(name.strip_suffix("_bucket"), &sample) {
                        let bound = sample.label("le").and_then(|le| le.parse().ok());
                        buckets[stage].extend(bound.map(|bound| (bound, sample.value)));
                    } else if let Some(stage) = stage(name.strip_suffix("_sum"), &sample) {
                        sums[stage] = value;
                    }
                }
            }
        }
        for ((stage, buckets), sum) in found.stages.iter_mut().zip(buckets).zip(sums) {
            *stage = Histogram::of(buckets).map(|histogram| histogram.with_sum(sum));
        }
        found
    }

    /// Whether something counts less than before: then the process has restarted, and what
    /// counts more tells as little.
    pub(super) fn are_another_process_s(&self, before: &Metrics) -> bool {
        let less = |now: Option<f64>, before: Option<f64>| now < before && now.is_some();
        let count = |stage: &Option<Histogram>| stage.as_ref().map(Histogram::count);
        let mut stages = self.stages.iter().zip(&before.stages);
        less(self.cpu_s, before.cpu_s)
            || less(self.log_bytes, before.log_bytes)
            || less(self.syncs, before.syncs)
            || stages.any(|(now, before)| less(count(now), count(before)))
    }
}

/// The stage whose histogram a sample belongs to.
fn stage(histogram: Option<&str>, sample: &Sample<'_>) -> Option<usize> {
    match histogram? {
        "telegraft_stage_seconds" => {
            let label = sample.label("stage")?;
            LABELS.iter().position(|known| *known == label)
        }
        "telegraft_log_sync_seconds" => Some(LOG_SYNC),
        _ => None,
    }
}
