//! Load generation: replays chat workloads against a cluster and records what came of them.

pub mod bench;
pub mod results;
pub mod suite;
pub mod values;
