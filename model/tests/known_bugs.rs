//! The search bites: with a known bug of the core it finds a way to a broken rule, a shortest one.
//!
//! `cargo test -p telegraft-model --features known-bugs --test known_bugs`
//!
//! Distinct states that were visited until then, breadth first:
//!
//! | bug | within | states |
//! |---|---|---|
//! | vote-before-durable | 2 replicas, 1 term | 2 |
//! | acknowledged-before-durable | 2 replicas, 1 term | 18 |
//! | leader-counts-itself-early | 2 replicas, 1 term | 36 |
//! | quorum-one-short | 3 replicas, 1 term | 75 |
//! | two-votes-in-a-term | 3 replicas, 1 term | 89 |
//! | follower-reads-own-commit | 2 replicas, 1 term, a read | 130 |
//! | vote-forgotten-on-restart | 3 replicas, 1 term, a crash | 172 |
//! | old-term-committed-by-counting | 2 replicas, 2 terms, entries one by one | 362 |
//! | matching-entries-cut | 2 replicas, 1 term, a command | 4 283 |
//! | read-before-noop | 2 replicas, 2 terms, a read | 14 658 |
//! | vote-without-comparing-logs | 3 replicas, 2 terms | 28 538 |
//! | superseded-suffix-acknowledged | 3 replicas, 2 terms, a crash | 111 164 |
//! | commit-beyond-match | 3 replicas, 2 terms, a heartbeat | 64 656 |

#![cfg(feature = "known-bugs")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use telegraft_cluster::known_bugs::KnownBug;
use telegraft_model::{Bounds, Explorer, Limits, Order, Rule, search};

/// Several times what any of them takes.
const MOST_STATES: usize = 3_000_000;

fn breaks(bug: KnownBug, rule: Rule, bounds: Bounds) {
    let limits = Limits {
        order: Order::BreadthFirst,
        threads: 1,
        max_states: Some(MOST_STATES),
        max_time: None,
    };
    let report = search(Explorer::new(bounds, Some(bug)).unwrap(), &limits, |_| {});
    let states = report.progress.unique;
    let Some((broken, way)) = report.broken else {
        panic!("{bug} was not found in {states} states");
    };
    println!("{bug}: {states} states\n{}", way.join("\n"));
    assert_eq!(broken, rule, "{bug}:\n{}", way.join("\n"));
}

#[test]
fn bugs_of_elections() {
    let one_term = Bounds::new(3, 1);
    breaks(
        KnownBug::VoteBeforeDurable,
        Rule::DurableTerm,
        Bounds::new(2, 1),
    );
    breaks(KnownBug::TwoVotesInATerm, Rule::OneVote, one_term);
    let crash = Bounds {
        crashes: 1,
        ..one_term
    };
    breaks(KnownBug::VoteForgottenOnRestart, Rule::OneVote, crash);
    breaks(
        KnownBug::VoteWithoutComparingLogs,
        Rule::LeaderCompleteness,
        Bounds::new(3, 2),
    );
}

#[test]
fn bugs_of_commitment() {
    breaks(
        KnownBug::QuorumOneShort,
        Rule::DurableCommit,
        Bounds::new(3, 1),
    );
    breaks(
        KnownBug::LeaderCountsItselfEarly,
        Rule::DurableCommit,
        Bounds::new(2, 1),
    );
    breaks(
        KnownBug::AcknowledgedBeforeDurable,
        Rule::DurableAcknowledgement,
        Bounds::new(2, 1),
    );
    let single_entries = Bounds {
        single_entries: true,
        ..Bounds::new(2, 2)
    };
    breaks(
        KnownBug::OldTermCommittedByCounting,
        Rule::OwnTermCommit,
        single_entries,
    );
    let command = Bounds {
        commands: 1,
        ..Bounds::new(2, 1)
    };
    breaks(KnownBug::MatchingEntriesCut, Rule::DurableCommit, command);
}

#[test]
fn a_bug_of_late_completions() {
    let crash = Bounds {
        crashes: 1,
        ..Bounds::new(3, 2)
    };
    breaks(
        KnownBug::SupersededSuffixAcknowledged,
        Rule::DurableAcknowledgement,
        crash,
    );
}

#[test]
fn a_bug_of_commit_indexes() {
    let heartbeat = Bounds {
        heartbeats: 1,
        ..Bounds::new(3, 2)
    };
    breaks(
        KnownBug::CommitBeyondMatch,
        Rule::StateMachineSafety,
        heartbeat,
    );
}

#[test]
fn bugs_of_reads() {
    let read = |terms| Bounds {
        reads: 1,
        duplicates: Some(0),
        ..Bounds::new(2, terms)
    };
    breaks(KnownBug::FollowerReadsOwnCommit, Rule::FreshRead, read(1));
    breaks(KnownBug::ReadBeforeNoop, Rule::FreshRead, read(2));
}
