//! Load generation: replays chat workloads against a cluster and records what came of them.

pub mod audit;
pub mod bench;
pub mod body;
pub mod call;
pub mod client;
pub mod collect;
pub mod draw;
pub mod engine;
pub mod find_max;
pub mod findings;
pub mod ledger;

pub mod load;
pub mod plan;
pub mod recorder;
pub mod results;
pub mod routes;
pub mod run;
pub mod scrape;
pub mod setup;
pub mod slo;
pub mod steady;
pub mod stress;
pub mod suite;
pub mod trace;
pub mod values;
pub mod world;
