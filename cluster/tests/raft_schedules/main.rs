//! Thousands of random schedules of the Raft core, under an independent judge.
//!
//! Each schedule comes from one seed: a cluster of one to five cores (mostly three and five),
//! a network that loses, doubles, delays and cuts, disks that are slow, full, and forget on a
//! crash what was not yet durable, processes that are stopped and die, clients that write and
//! read. The [`judge`] looks at all that goes into the cores and comes out, after every step.
//! Then the faults end, and all must heal.
//!
//! A failure prints its seed, the few faults that suffice for it, and the end of the story.
//! `TELEGRAFT_SEED=7 cargo test -p telegraft-cluster --test raft_schedules -- --nocapture`
//! tells all of that seed's story; with `TELEGRAFT_KEEP=0,3` only these of its faults happen.
//! `TELEGRAFT_SCHEDULES=100000` runs that many schedules per test.
//!
//! # Does it bite?
//!
//! Each of these was once built into the core, and the schedules failed, all by the rule meant
//! for it:
//!
//! - Elections: messages leave before term and vote are durable; a vote is given twice, or
//!   without comparing logs; vote or term forgotten by a restart; pre-votes, or a past term's
//!   votes, counted; a quorum one short; no PreVote; no CheckQuorum.
//! - Promises and leases: no promise after hearing from a leader, or after a restart, or one
//!   that ends with the term; the lease counted from the answer, without a margin for drift,
//!   kept after TimeoutNow; a transfer without its mark.
//! - Replication: entries acknowledged before they are durable; a completion that counts a
//!   superseded suffix; a durable index that outlives it; matching entries cut; commit not
//!   bounded by the last new entry; entries sent that were read for an earlier step; a heartbeat's
//!   answer that waits for entries; memory let go before it was handed out.
//! - Commitment: an earlier term's entry committed by counting; the leader counted before its
//!   own disk; learners counted.
//! - Reads: answered without a round, by one already under way, or by one of an earlier term
//!   of the same leader; before the term's first commit; at an index one short; at a follower
//!   from its own commit index, or by the answer to a question of an earlier life.
//! - Healing: hints ignored, lost entries not noticed, an unreachable peer not probed, a failed
//!   read of the log or a lost question not repeated, reads forgotten when a leader steps back.

mod disk;
mod judge;
#[cfg(feature = "known-bugs")]
mod known_bugs;
mod plan;
mod tally;
mod world;

use std::collections::BTreeSet;
use std::env;

use plan::Plan;
use tally::Tally;

/// Schedules of each of the tests below.
const SCHEDULES: u64 = 500;
/// Lines of the story that a failure tells.
const STORY_LINES: usize = 80;

fn number_from(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// Runs the schedules of this part.
fn run_part(part: u64) {
    if let Some(seed) = number_from("TELEGRAFT_SEED") {
        if part == 0 {
            replay(seed);
        }
        return;
    }
    let count = number_from("TELEGRAFT_SCHEDULES").unwrap_or(SCHEDULES);
    let mut sum = Tally::default();
    for seed in (0..count).map(|number| number * 4 + part) {
        match world::run(&Plan::new(seed, None), None) {
            Ok(tally) => sum.add(&tally),
            Err(broken) => panic!("{}", explain(seed, &broken)),
        }
    }
    println!("{sum}");
    let missing = sum.missing();
    assert!(missing.is_empty(), "met too rarely: {missing:?}\n{sum}");
}

fn replay(seed: u64) {
    let keep = env::var("TELEGRAFT_KEEP").ok().map(|list| {
        list.split(',')
            .filter_map(|number| number.parse().ok())
            .collect::<BTreeSet<usize>>()
    });
    let mut story = Vec::new();
    let outcome = world::run(&Plan::new(seed, keep.as_ref()), Some(&mut story));
    println!("{}", story.join("\n"));
    if let Err(broken) = outcome {
        panic!("seed {seed}: {broken}");
    }
}

/// Leaves out every fault without which it still fails, and tells what is left.
fn explain(seed: u64, broken: &str) -> String {
    let mut keep: BTreeSet<usize> = (0..Plan::new(seed, None).faults.len()).collect();
    for fault in keep.clone() {
        keep.remove(&fault);
        if world::run(&Plan::new(seed, Some(&keep)), None).is_ok() {
            keep.insert(fault);
        }
    }
    let plan = Plan::new(seed, Some(&keep));
    let mut story = Vec::new();
    let fewer = world::run(&plan, Some(&mut story)).err();
    let kept: Vec<String> = keep.iter().map(ToString::to_string).collect();
    let end = &story[story.len().saturating_sub(STORY_LINES)..];
    format!(
        "seed {seed}: {broken}\n\nwith faults {} only: {}\n{plan:#?}\n{}\n\n\
         replay: TELEGRAFT_SEED={seed} [TELEGRAFT_KEEP={}] cargo test -p telegraft-cluster \
         --test raft_schedules -- --nocapture",
        kept.join(","),
        fewer.unwrap_or_default(),
        end.join("\n"),
        kept.join(","),
    )
}

#[test]
fn schedules_first_quarter() {
    run_part(0);
}

#[test]
fn schedules_second_quarter() {
    run_part(1);
}

#[test]
fn schedules_third_quarter() {
    run_part(2);
}

#[test]
fn schedules_fourth_quarter() {
    run_part(3);
}
