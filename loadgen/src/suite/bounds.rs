//! What values may be.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::body;

/// Clients of a closed loop, or connections of an open one: a process has some ten thousand of
/// them.
pub(super) const CONNECTIONS: RangeInclusive<usize> = 1..=10_000;
/// Bytes of a message: it carries its id, and what the interface takes (64 KiB) holds it with
/// everything around it.
pub(super) const MESSAGE_BYTES: RangeInclusive<usize> = body::MIN_BYTES..=60 << 10;
/// Users or rooms: each is a write before the load begins.
pub(super) const POPULATION: RangeInclusive<usize> = 1..=100_000;
/// Users times rooms of each: each is a write before the load begins, too.
pub(super) const MAX_MEMBERSHIPS: usize = 1_000_000;
/// Messages in a room before the load begins.
pub(super) const PREFILL: RangeInclusive<usize> = 0..=100_000;
/// More says nothing that a smaller one does not.
pub(super) const MAX_WEIGHT: u64 = 1_000_000;
/// Of a table of sizes: people write it.
pub(super) const MAX_SIZES: usize = 1_000;
/// Standard deviation of the logarithm of a size: at 5, one in six is 150 times the median.
pub(super) const SIGMA: RangeInclusive<f64> = 0.001..=5.0;
/// Exponents of popularity: at 10, the second room gets a thousandth.
pub(super) const EXPONENT: RangeInclusive<f64> = 0.001..=10.0;
/// Arrivals a second: more than a machine can send. Below the least, none would be due.
pub(super) const MAX_RATE: f64 = 1_000_000.0;
/// A rate other than zero is one in a thousand seconds at least: an hour has a few.
pub(super) const MIN_RATE: f64 = 0.001;
/// Stages of an arrival: people write them, or scripts.
pub(super) const MAX_STAGES: usize = 1_000;
/// Of a recording: a day in a minute and a half, or a second in a quarter of an hour.
pub(super) const SPEED: RangeInclusive<f64> = 0.001..=1_000.0;
/// Operations that are done in turn.
pub(super) const MAX_SEQUENCE: usize = 1_000;
/// Each takes some time of the window to show.
pub(super) const MAX_FAULTS: usize = 100;
/// Of one run, at most: a few rows for each of its seconds stay in memory until its end.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(3600);
/// Shorter times cannot be told apart from how long a timer sleeps.
pub(super) const MIN_DURATION: Duration = Duration::from_millis(1);
/// Replicas of one cluster: all of them run on this machine.
pub(super) const REPLICAS: RangeInclusive<usize> = 1..=99;
/// A trial is a whole run of everything.
pub(super) const TRIALS: RangeInclusive<u32> = 1..=1_000;
/// The seed of the last trial is a number, too.
pub(super) const MAX_SEED: u64 = u64::MAX - 1_000;
/// Workloads of a suite, or its replica counts.
pub(super) const MAX_LISTED: usize = 1_000;
