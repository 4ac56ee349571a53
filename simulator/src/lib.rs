//! Whole Telegraft clusters on virtual time, network and disk, judged seed by seed.
//!
//! A seed decides everything: a `plan::Plan` with cluster size, clients and faults. `run::run`
//! starts the real nodes (`telegraft_cluster::node`, with their actors, logs and chats) in a
//! simulated world, lets clients work while the faults come and go, then heals all and waits until
//! the cluster has come to rest. Meanwhile the `judge::Judge` looks inside every node and at every
//! client's calls, and holds them to the `invariants`. A plan that breaks one is made smaller
//! (`shrink`) and told as a story.
//!
//! Read on in `plan`, `fault` and `steer` (what goes wrong), `world` (machines and their nodes),
//! `client` and `ask` (the load), `facts` and `truth` (what is known from outside), `invariants`,
//! `sometimes` (what must be seen in some runs, or the runs prove little), `calm` (what must heal),
//! `fleet` (many seeds at once).
//!
//! All of it needs the feature `virtual-time`.

#![cfg(feature = "virtual-time")]

mod ask;
mod calm;
mod client;
mod facts;
pub mod fault;
pub mod fleet;
pub mod invariants;
pub mod judge;
pub mod operation;
mod panics;
pub mod plan;
pub mod report;
pub mod run;
pub mod shrink;
pub mod sometimes;
mod steer;
mod story;
mod truth;
mod world;
