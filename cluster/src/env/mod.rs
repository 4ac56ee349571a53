//! What a node takes from the world, passed in: clock, disk, transport, spawning, randomness.
//! Production uses the operating system's; the simulator its own.

mod disk;

pub use disk::{Disk, DiskFile};
