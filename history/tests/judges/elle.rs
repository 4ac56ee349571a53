//! The third judge: adya, which infers the dependencies of transactions from list-append
//! histories as Elle does, and looks for cycles among them and real time.
//!
//! # What it can see
//!
//! With one operation to a transaction, and strict serializability asked for:
//! - a failed send that appears (G1a), a message twice in one list (duplicate-elements), lists
//!   neither of which is a prefix of the other (incompatible-order);
//! - reads that are stale or from the future, acknowledged messages that later reads miss, and
//!   messages ordered against real time: cycles of its dependencies with the real-time order,
//!   across rooms too (G0-realtime, G1c-realtime, G-single-realtime).
//!
//! # What it cannot see
//!
//! What the export leaves out (see [`telegraft_history::export`]): sequence numbers, so gaps in
//! them and acknowledgements that tell a wrong one; log and applied indexes; local reads, inboxes,
//! digests. Messages that nobody sent it passes over. And a message that is lost is lost only to
//! those who read later.
//!
//! # What is compared
//!
//! It must accept every history that the checker accepts. And of those that are not
//! linearizable even when no acknowledgement tells a sequence number (which porcupine decides on
//! exactly the transactions that were exported) it must find an anomaly in every one.

use adya::{Opts, Valid, Workload};
use telegraft_history::{Line, export, parse_line};

use crate::case::{Case, Outcome, What};
use crate::compare::{explain, made};
use crate::story::Story;

use crate::{generate, histories, mutations, porcupine};

/// The anomalies that adya finds.
fn anomalies(lines: &[u8]) -> Vec<String> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    let lines = lines.map(|line| -> Line { parse_line(line).unwrap() });
    let mut out = Vec::new();
    export::elle(lines, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let history = adya::History::from_json(&text).unwrap();
    let report = adya::check(&history, Workload::ListAppend, &Opts::default());
    // Where nothing can be inferred it says "unknown", which is no anomaly.
    if report.valid == Valid::False {
        report.anomaly_types
    } else {
        Vec::new()
    }
}

fn of_story(story: &Story) -> Vec<String> {
    anomalies(story.history().as_bytes())
}

/// The part of a small history that is exported: whole lists, without the places that
/// acknowledgements told.
fn exported(case: &Case) -> Case {
    let mut exported = case.clone();
    exported.operations.retain(|o| match &o.what {
        What::Send { .. } => true,
        What::Read {
            after,
            limit,
            outcome: Outcome::Ok(page),
            ..
        } => *after == 0 && page.values.len() < *limit as usize,
        What::Read { .. } => false,
    });
    // A list has no other places than those of its order.
    for o in &mut exported.operations {
        if let Some((_, _, page)) = o.page_mut() {
            for (seq, (place, _)) in (1..).zip(&mut page.values) {
                *place = seq;
            }
        }
    }
    exported
}

#[test]
fn adya_accepts_what_the_checker_accepts() {
    for seed in 0..histories() as u64 {
        let good = generate::good(seed);
        let drawn = made(seed).map(|(_, case)| case);
        for case in [Some(good), drawn].into_iter().flatten() {
            let found = anomalies(case.jsonl().as_bytes());
            let verdict = case.verdict();
            assert!(
                found.is_empty() || !verdict.is_consistent(),
                "seed {seed}: adya finds {found:?}, the checker nothing\n{}",
                case.jsonl()
            );
        }
    }
}

#[test]
fn adya_finds_what_the_lists_alone_show() {
    let mut bad = 0;
    for seed in 0..histories() as u64 {
        let Some((kind, case)) = made(seed) else {
            continue;
        };
        if porcupine::linearizable_without_acks(&exported(&case)) {
            continue;
        }
        bad += 1;
        assert!(
            !anomalies(case.jsonl().as_bytes()).is_empty(),
            "seed {seed} ({kind}): adya finds nothing\n{}",
            case.jsonl()
        );
        let verdict = case.verdict();
        assert!(
            !verdict.is_consistent(),
            "seed {seed} ({kind}): {}",
            explain(&verdict)
        );
    }
    assert!(bad >= histories() / 10, "{bad} of {} are bad", histories());
}

/// Mutations of large stories that the reads in the end show, or the order against real time.
const SEEN: [&str; 8] = [
    "failed is visible",
    "acknowledged, never there",
    "acknowledged earlier",
    "sent later",
    "lost",
    "hole in the final read",
    "message doubled",
    "unknown twice",
];

/// Mutations of what a list-append history does not tell.
const UNSEEN: [&str; 8] = [
    "log indexes swapped",
    "log against time",
    "same log index",
    "never sent",
    "applied index too low",
    "inbox misses one",
    "page short",
    "digest changed",
];

#[test]
fn adya_sees_of_large_stories_what_it_can() {
    let seeds = || 0..4;
    for seed in seeds() {
        let found = of_story(&mutations::story(seed));
        assert!(found.is_empty(), "seed {seed}: {found:?}");
    }
    let mutants = |name| seeds().filter_map(move |seed| mutations::mutant(name, seed, 0));
    for name in SEEN {
        assert!(mutants(name).count() > 0, "{name}");
        for (n, story) in mutants(name).enumerate() {
            assert!(
                !of_story(&story).is_empty(),
                "{name}, mutant {n}: nothing is found"
            );
        }
    }
    for name in UNSEEN {
        assert!(mutants(name).count() > 0, "{name}");
        for (n, story) in mutants(name).enumerate() {
            let found = of_story(&story);
            assert!(found.is_empty(), "{name}, mutant {n}: {found:?}");
        }
    }
}
