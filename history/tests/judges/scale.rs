//! What a check costs grows with the history, not with its square: a run of an hour is to be
//! judged in minutes.

use std::time::{Duration, Instant};

use crate::compare::explain;
use crate::world::{self, Size};

/// Ten times the operations may take so many times as long: a quadratic check takes a hundred
/// times. (Memory that is taken is touched, so the time bounds it too.)
const RATIO: u32 = 50;

/// The least time of a few checks, as other tests run beside.
fn check(operations: usize, times: usize) -> Duration {
    let size = Size {
        operations,
        rooms: 6,
        clients: 32,
        replicas: 3,
        whole_reads: false,
    };
    let history = world::good(1, size).history();
    let one = || {
        let begun = Instant::now();
        let verdict = telegraft_history::check(&history);
        assert!(verdict.is_consistent(), "{}", explain(&verdict));
        begun.elapsed()
    };
    (0..times).map(|_| one()).min().expect("at least once")
}

#[test]
fn ten_times_the_operations_take_about_ten_times_as_long() {
    let small = check(20_000, 3);
    let large = check(200_000, 3);
    println!("20k operations: {small:?}, 200k: {large:?}");
    assert!(large < small * RATIO, "20k: {small:?}, 200k: {large:?}");
}
