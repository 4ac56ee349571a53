//! The results, question by question.

/// The replica count that findings are told of, where it was run: the smallest that survives the
/// loss of a replica.
pub(super) const USUAL_REPLICAS: usize = 3;

pub(super) mod consistency;
pub(super) mod efficiency;
pub(super) mod failover;
pub(super) mod find_max;
pub(super) mod latency;
pub(super) mod replicas;
pub(super) mod settings;
pub(super) mod speed;
pub(super) mod stages;
pub(super) mod stress;
