//! What a replica counts, for `/metrics`.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::log::Written;

/// Buckets of all durations: from 10 µs, each 1.6 times the one before, to 27 s.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(1e-5, 1.6, 32))
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    stage: &'static str,
}

/// Why something was refused or dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    pub(crate) reason: &'static str,
}

/// The counters, gauges and histograms of one replica.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// From the client mailbox to the proposal.
    pub(crate) queue: Histogram,
    /// From the hand-over to the log writer until it is durable, per append.
    pub(crate) log_write: Histogram,
    /// From the proposal until it is committed.
    pub(crate) replication: Histogram,
    /// From committed to applied.
    pub(crate) apply: Histogram,
    /// One write and its fdatasync.
    sync: Histogram,
    log_bytes: Counter,
    log_syncs: Counter,
    /// Connections and frames from peers that were refused.
    pub(crate) peer_rejects: Family<Reason, Counter>,
    /// Frames to or from peers that were dropped because a bound was reached.
    pub(crate) frames_dropped: Family<Reason, Counter>,
    /// Client requests refused because a bound was reached.
    pub(crate) overloaded: Family<Reason, Counter>,
    /// Elections that this replica began.
    pub(crate) elections: Counter,
    /// Changes of leader that this replica has seen.
    pub(crate) leader_changes: Counter,
    pub(crate) term: Gauge,
    pub(crate) commit_index: Gauge,
    pub(crate) applied_index: Gauge,
    pub(crate) last_index: Gauge,
    pub(crate) is_leader: Gauge,
    pub(crate) kept_messages: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("telegraft");
        let stages = Family::<Stage, Histogram>::new_with_constructor(durations);
        let stage = |stage| stages.get_or_create(&Stage { stage }).clone();
        let metrics = Metrics {
            queue: stage("queue"),
            log_write: stage("log_write"),
            replication: stage("replication"),
            apply: stage("apply"),
            sync: durations(),
            log_bytes: Counter::default(),
            log_syncs: Counter::default(),
            peer_rejects: Family::default(),
            frames_dropped: Family::default(),
            overloaded: Family::default(),
            elections: Counter::default(),
            leader_changes: Counter::default(),
            term: Gauge::default(),
            commit_index: Gauge::default(),
            applied_index: Gauge::default(),
            last_index: Gauge::default(),
            is_leader: Gauge::default(),
            kept_messages: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register_with_unit(
            "stage",
            "Where a write's time goes on this replica: queue, log write, replication, apply",
            Unit::Seconds,
            stages,
        );
        registry.register_with_unit(
            "log_sync",
            "One write to the log and its fdatasync",
            Unit::Seconds,
            metrics.sync.clone(),
        );
        registry.register_with_unit(
            "log_written",
            "Written to the log",
            Unit::Bytes,
            metrics.log_bytes.clone(),
        );
        registry.register(
            "log_syncs",
            "fdatasyncs of the log",
            metrics.log_syncs.clone(),
        );
        registry.register(
            "peer_rejects",
            "Connections and frames from peers that were refused",
            metrics.peer_rejects.clone(),
        );
        registry.register(
            "frames_dropped",
            "Frames to or from peers dropped at a bound",
            metrics.frames_dropped.clone(),
        );
        registry.register(
            "overloaded",
            "Client requests refused at a bound",
            metrics.overloaded.clone(),
        );
        registry.register(
            "elections",
            "Elections that this replica began",
            metrics.elections.clone(),
        );
        registry.register(
            "leader_changes",
            "Changes of leader that this replica has seen",
            metrics.leader_changes.clone(),
        );
        for (name, help, gauge) in [
            ("term", "The current term", &metrics.term),
            ("commit_index", "The commit index", &metrics.commit_index),
            (
                "applied_index",
                "The last applied index",
                &metrics.applied_index,
            ),
            ("last_index", "The last index", &metrics.last_index),
            ("is_leader", "1 on the leader, else 0", &metrics.is_leader),
            (
                "kept_messages",
                "Chat messages in the index",
                &metrics.kept_messages,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        Metrics {
            registry,
            ..metrics
        }
    }

    /// One write and its sync took so long, and had written this before and that after it.
    pub(crate) fn log_synced(&self, took: Duration, before: Written, after: Written) {
        self.sync.observe(took.as_secs_f64());
        self.log_bytes.inc_by(after.bytes - before.bytes);
        self.log_syncs.inc_by(after.syncs - before.syncs);
    }

    /// A connection or frame from a peer was refused.
    pub(crate) fn reject_peer(&self, reason: &'static str) {
        self.peer_rejects.get_or_create(&Reason { reason }).inc();
    }

    /// A frame was dropped.
    pub(crate) fn drop_frame(&self, reason: &'static str) {
        self.frames_dropped.get_or_create(&Reason { reason }).inc();
    }

    /// A client's request was refused.
    pub(crate) fn overload(&self, reason: &'static str) {
        self.overloaded.get_or_create(&Reason { reason }).inc();
    }

    /// The text of `/metrics`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes all that is written to it");
        text
    }
}

/// A number as a gauge holds it.
pub(crate) fn gauge_value(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
