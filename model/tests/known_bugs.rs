//! The search bites: with a known bug of the core it finds a way to a broken rule.
//!
//! `cargo test -p telegraft-model --features known-bugs --test known_bugs`
//!
//! Distinct states that were visited until then. Breadth first, which finds a shortest way:
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
//! | round-of-earlier-term | 2 replicas, 2 terms, a read | 6 088 |
//!
//! Depth first, where the shortest way is too long for breadth:
//!
//! | bug | within | states |
//! |---|---|---|
//! | read-question-reused | 2 replicas, 1 term, a command, 2 reads, a duplicate | 25 834 |
//! | read-without-round | 3 replicas, 2 terms, a read | 2 300 230 |
//! | read-joins-open-round | 3 replicas, 2 terms, a read | 3 269 014 |
//!
//! The last two need three replicas: a leader that does not know yet that it is one no more must be
//! outvoted by the others. Of two it would have to vote itself. Bugs of leases and of promises need
//! clocks, which the model has not; the simulator finds those.

#![cfg(feature = "known-bugs")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::ops::ControlFlow;

use telegraft_cluster::known_bugs::KnownBug;
use telegraft_model::{Bounds, Explorer, Limits, Order, Rule, search};

/// Several times what any of them takes.
const MOST_STATES: usize = 10_000_000;

/// One thread goes the same way each time.
fn breaks(bug: KnownBug, rule: Rule, bounds: Bounds) {
    breaks_in_order(Order::BreadthFirst, bug, rule, bounds);
}

fn breaks_in_order(order: Order, bug: KnownBug, rule: Rule, bounds: Bounds) {
    let limits = Limits {
        order,
        threads: 1,
        max_states: Some(MOST_STATES),
        max_time: None,
        max_memory: None,
    };
    let explorer = Explorer::new(bounds, Some(bug)).unwrap();
    let report = search(explorer, &limits, |_| ControlFlow::Continue(()));
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
    // The leader asserts that no round is answered before it has begun.
    breaks(KnownBug::RoundOfEarlierTerm, Rule::Assertions, read(2));
    let again = Bounds {
        commands: 1,
        reads: 2,
        duplicates: Some(1),
        ..read(1)
    };
    let bug = KnownBug::ReadQuestionReused;
    breaks_in_order(Order::DepthFirst, bug, Rule::FreshRead, again);
}

/// A leader that was superseded answers: three replicas are the fewest of which the others can
/// elect another and commit without it.
fn bug_of_a_superseded_leader(bug: KnownBug) {
    let bounds = Bounds {
        reads: 1,
        duplicates: Some(0),
        ..Bounds::new(3, 2)
    };
    breaks_in_order(Order::DepthFirst, bug, Rule::FreshRead, bounds);
}

#[test]
fn a_read_without_a_round() {
    bug_of_a_superseded_leader(KnownBug::ReadWithoutRound);
}

#[test]
fn a_read_that_joins_an_open_round() {
    bug_of_a_superseded_leader(KnownBug::ReadJoinsOpenRound);
}
