//! Time, passed in.

use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::time::Time;

/// Tells the time. Waiting is tokio's business: in the simulator its clock is virtual too.
pub trait Clock: Debug + Send + Sync {
    /// The monotonic clock that leases and timeouts are counted on.
    fn now(&self) -> Time;
    /// The wall clock, in milliseconds since the epoch. Only the timestamps of messages
    /// come from it, and nothing depends on those.
    fn wall_ms(&self) -> u64;
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        // CLOCK_BOOTTIME runs on through a suspend: a lease must not sleep with the machine.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).expect("the time since boot is positive");
        let nanos = u64::try_from(now.tv_nsec).expect("nanoseconds are positive");
        Time::from_nanos(seconds * 1_000_000_000 + nanos)
    }

    fn wall_ms(&self) -> u64 {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }
}
