//! Load generation: replays chat workloads against a cluster and records what came of them.

pub mod results;
pub mod values;
