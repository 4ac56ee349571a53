//! The judge is judged: each known bug of the core must make some schedule fail.
//!
//! `cargo test -p telegraft-cluster --features known-bugs --test raft_schedules known_bugs`

use std::panic;

use telegraft_cluster::known_bugs::{KnownBug, set_for_thread};

use crate::plan::Plan;
use crate::world;

/// Schedules that a bug may hide in. All were caught by one of the first ten.
const MOST_SCHEDULES: u64 = 200;

/// The known bugs of the core. The others are of its driver, the log, the chat or HTTP.
const OF_THE_CORE: &[KnownBug] = &[
    KnownBug::VoteBeforeDurable,
    KnownBug::VoteForgottenOnRestart,
    KnownBug::TwoVotesInATerm,
    KnownBug::VoteWithoutComparingLogs,
    KnownBug::NoPreVote,
    KnownBug::NoCheckQuorum,
    KnownBug::NoPromiseToLeader,
    KnownBug::NoPromiseAfterRestart,
    KnownBug::QuorumOneShort,
    KnownBug::OldTermCommittedByCounting,
    KnownBug::LeaderCountsItselfEarly,
    KnownBug::AcknowledgedBeforeDurable,
    KnownBug::SupersededSuffixAcknowledged,
    KnownBug::MatchingEntriesCut,
    KnownBug::CommitBeyondMatch,
    KnownBug::LeaseTooLong,
    KnownBug::LeaseFromAnswer,
    KnownBug::LeaseKeptAfterHandover,
    KnownBug::ReadWithoutRound,
    KnownBug::ReadJoinsOpenRound,
    KnownBug::ReadBeforeNoop,
    KnownBug::FollowerReadsOwnCommit,
    KnownBug::ReadQuestionReused,
    KnownBug::RoundOfEarlierTerm,
];

/// The first schedule that fails, and how; a broken assertion of the
/// core counts.
fn first_failure(bug: KnownBug) -> Option<(u64, String)> {
    for seed in 0..MOST_SCHEDULES {
        set_for_thread(Some(bug));
        let outcome = panic::catch_unwind(|| world::run(&Plan::new(seed, None), None));
        set_for_thread(None);
        match outcome {
            Ok(Ok(_)) => {}
            Ok(Err(broken)) => return Some((seed, broken)),
            Err(_) => return Some((seed, "an assertion of the core was broken".to_owned())),
        }
    }
    None
}

#[test]
fn every_known_bug_of_the_core_is_caught() {
    let mut missed = Vec::new();
    for bug in OF_THE_CORE {
        match first_failure(*bug) {
            Some((seed, broken)) => println!("{bug}: seed {seed}: {broken}"),
            None => missed.push(bug.name()),
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
