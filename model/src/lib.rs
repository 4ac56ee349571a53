//! Explores every state that a few replicas of the real Raft core can come into.
//!
//! Within [`Bounds`] (so many replicas, terms, commands, crashes) all orders of all that may
//! happen are tried, and every state is held against the [`Rule`]s: those of the Raft paper, and
//! some of this implementation. The search is stateright's; what a replica does comes from
//! `telegraft_cluster::raft::Raft` itself. An input to a replica depends on nothing but the
//! replica, so its outcome is found once, with the real core, and remembered: there are thousands
//! of replica states where there are millions of worlds.
//!
//! # What may happen
//!
//! - **Network**: what was sent may arrive at any time, in any order, never, and again: any number
//!   of times, or so often as [`Bounds::duplicates`] allows.
//! - **Disk**: writes become durable one by one, in order, each at any time. A crash loses any
//!   number of the last ones that were not known to be durable, and all that is in memory; the
//!   replica starts again at once. (To be down is to get no messages.)
//! - **Time** is the search's to decide: any replica that does not lead may lose patience at any
//!   moment, any leader may be deserted, and every promise not to vote is over when somebody asks.
//!   So safety is shown without clocks; leases, which lean on them, are not explored.
//! - Clients propose commands, ask for linearizable reads, and hand leadership over.
//!
//! # What is left out, and why nothing is lost by it
//!
//! - **Who is who** does not matter: worlds that differ in ids alone are one (`names`).
//! - **Clocks, batch numbers, and without reads rounds**, decide nothing
//!   (`telegraft_cluster::raft::Fingerprint`).
//! - **Letters that are spent** are taken away (`spent`).
//! - **PreVote and refusals**, unless [`Bounds::every_message`] is set: who loses patience is given
//!   every pre-vote at once, and a replica may learn of any later durable term at any time. That
//!   is more than the messages could do, with one exception that makes no difference: a candidate
//!   that is refused by a majority goes on as a candidate, which can do all that the follower that
//!   it would have become can do. (A later TimeoutNow in the same term apart.)
//!
//! # What is not explored
//!
//! Several inputs in one wake-up of a replica; a full disk, where terms go on while entries wait;
//! reading from the log for followers far behind; learners; hand-overs that are given up; a
//! follower that asks the leader again. In the last term nobody loses patience. States are told
//! apart by 64 bits of hash: of 10^8 states, two are taken for one with a probability of 3 in
//! 10 000.

mod bounds;
mod disk;
mod explorer;
mod history;
mod input;
mod letter;
mod memory;
mod names;
mod replica;
mod rules;
mod search;
mod show;
mod sights;
#[cfg(test)]
mod soundness;
mod spent;
mod table;
mod verdict;
mod view;
mod world;

pub use bounds::{Bounds, MAX_COMMANDS, MAX_NODES, MAX_READS, MAX_TERMS};
pub use explorer::Explorer;
pub use input::Input;
pub use memory::default_memory_limit;
pub use rules::Rule;
pub use search::{End, Limits, Order, Progress, Report, search};
pub use sights::Sight;
pub use world::{Action, World};
