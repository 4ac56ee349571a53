//! What a node takes from the world, passed in: clock, disk, transport, spawning, randomness.
//! Production uses the operating system's; the simulator its own.

mod clock;
mod disk;
mod fs_disk;
mod observer;
mod sim;
mod sim_disk;
mod spawner;
mod transport;

use std::sync::Arc;

pub use clock::{Clock, SystemClock};
pub use disk::{Disk, DiskFile};
pub use fs_disk::FsDisk;
pub use observer::{Observer, Queues};
pub use sim::{
    Cut, LinkFaults, NetworkCounts, SimClock, SimListener, SimNetwork, SimNode, SimSpawner,
    SimStream, SimTransport,
};
pub use sim_disk::{CrashState, CrashStates, DiskCounts, SimDisk};
pub use spawner::{BlockingActor, BlockingWork, Spawner, ThreadSpawner};
pub use transport::{BoxFuture, Listener, Stream, TcpAccept, TcpTransport, Transport};

/// Everything that a node takes from the world.
#[derive(Clone, Debug)]
pub struct Env {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where the log lives.
    pub disk: Arc<dyn Disk>,
    /// Opens connections to peers.
    pub transport: Arc<dyn Transport>,
    /// Starts actors.
    pub spawner: Arc<dyn Spawner>,
    /// All of the node's randomness comes from this.
    pub seed: u64,
    /// Who looks on; nobody in production.
    pub observer: Option<Arc<dyn Observer>>,
}
