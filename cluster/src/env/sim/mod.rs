//! A world of its own for whole nodes: virtual time, network and processes, all from one seed.
//!
//! It needs a current-thread tokio runtime whose time is paused: tokio then moves its clock to
//! the next timer whenever nothing else can run, so a simulated minute takes as long as its
//! work. That clock moves in whole milliseconds, so shorter times are rounded up to the next.
//! The disk is [`SimDisk`](super::SimDisk).

mod connection;
mod gate;
mod network;
mod node;
mod pipe;
mod spawner;
mod stream;
mod trace;

pub use network::{Cut, LinkFaults, NetworkCounts, SimNetwork};
pub use node::{SimClock, SimNode};
pub use spawner::SimSpawner;
pub use stream::{SimListener, SimStream, SimTransport};
