//! Explores every state that a few replicas of the real Raft core can come into.
mod bounds;
mod disk;
mod history;
mod names;
mod replica;
mod rules;
mod search;
mod show;
mod spent;
mod table;
mod verdict;
mod world;

pub use bounds::{Bounds, MAX_COMMANDS, MAX_NODES, MAX_READS, MAX_TERMS};
pub use replica::Input;
pub use rules::{Rule, Sight};
pub use search::{Limits, Order, Progress, Report, search};
pub use world::{Action, Explorer, World};
