//! Load generation: replays chat workloads against a cluster and records what came of them.

pub mod audit;
pub mod bench;
pub mod body;
pub mod call;
pub mod client;
pub mod closed;
pub mod draw;
pub mod findings;
pub mod ledger;
pub mod plan;
pub mod recorder;
pub mod results;
pub mod routes;
pub mod scrape;
pub mod setup;
pub mod steady;
pub mod suite;
pub mod values;
