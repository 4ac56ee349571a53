//! Large good histories, and what happens to them when one thing in them is made untrue.
//!
//! Every mutation is a violation by construction: it looks up, in the log as it truly was, a
//! place where the change contradicts something else that the history says. Whether it is caught
//! is left to the checker, and so is the name: each mutation lists the rules that it breaks by
//! their definitions, and one of these must be among the named ones.

mod inboxes;
mod reads;
mod sends;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::compare::explain;
use crate::facts::Facts;
use crate::story::Story;
use crate::world::{self, Size};
use crate::{HISTORIES, histories};

type Change = fn(&mut Story, &Facts, &mut StdRng) -> bool;

/// A way to make one thing untrue, and the rules that it breaks.
struct Mutation(&'static str, Change, &'static [&'static str]);

const MUTATIONS: [Mutation; 33] = [
    // Nobody was told its log index: it is the answers that contradict each other, and which of
    // them is wrong cannot be told. The name depends on what answers they are.
    Mutation(
        "unknown not shown",
        reads::unknown_not_shown,
        &[
            "page-short",
            "not-a-prefix",
            "backwards-read",
            "inbox-order",
        ],
    ),
    Mutation(
        "future at old index",
        reads::future_at_old_index,
        &["future-read"],
    ),
    Mutation(
        "applied index of the future",
        reads::applied_index_of_the_future,
        &["future-read", "applied-index"],
    ),
    Mutation(
        "wrong seq",
        sends::wrong_seq,
        &["order-conflict", "duplicate", "gap"],
    ),
    Mutation(
        "log indexes swapped",
        sends::log_indexes_swapped,
        &["order-conflict"],
    ),
    Mutation(
        "log against time",
        sends::log_against_time,
        &["real-time-order"],
    ),
    Mutation("same log index", sends::same_log_index, &["order-conflict"]),
    Mutation(
        "acknowledged earlier",
        sends::acknowledged_earlier,
        &["real-time-order"],
    ),
    Mutation(
        "sent later",
        sends::sent_later,
        &["real-time-order", "future-read"],
    ),
    Mutation(
        "failed is visible",
        sends::failed_is_visible,
        &["failed-appeared"],
    ),
    Mutation(
        "acknowledged, never there",
        sends::acknowledged_but_never_there,
        &["lost", "stale-read"],
    ),
    Mutation("lost", reads::lost, &["lost", "stale-read"]),
    Mutation(
        "hole in the final read",
        reads::hole_in_the_final_read,
        &["gap"],
    ),
    Mutation("first missing", reads::first_missing, &["gap"]),
    Mutation(
        "hole in a local read",
        reads::hole_in_a_local_read,
        &["gap", "not-a-prefix"],
    ),
    Mutation(
        "values swapped",
        reads::values_swapped,
        &["duplicate", "order-conflict", "not-a-prefix"],
    ),
    Mutation(
        "local read no prefix",
        reads::local_no_prefix,
        &["duplicate", "order-conflict", "not-a-prefix"],
    ),
    Mutation("message doubled", reads::message_doubled, &["duplicate"]),
    Mutation("unknown twice", reads::unknown_twice, &["duplicate"]),
    Mutation("never sent", reads::never_sent, &["phantom"]),
    Mutation("stale by one", reads::stale_by_one, &["stale-read", "lost"]),
    Mutation("page short", reads::page_short, &["page-short"]),
    Mutation("from the future", reads::from_the_future, &["future-read"]),
    Mutation(
        "applied index too low",
        reads::applied_index_too_low,
        &["applied-index"],
    ),
    Mutation(
        "applied index stale",
        reads::applied_index_stale,
        &["stale-read", "applied-index"],
    ),
    Mutation("backwards", reads::backwards, &["backwards-read"]),
    Mutation("inbox misses one", inboxes::misses_one, &["inbox-missing"]),
    Mutation(
        "inbox order swapped",
        inboxes::order_swapped,
        &["inbox-order"],
    ),
    Mutation(
        "inbox doubled",
        inboxes::doubled,
        &["duplicate", "inbox-order"],
    ),
    Mutation(
        "inbox before its cursor",
        inboxes::before_its_cursor,
        &["inbox-order"],
    ),
    Mutation("page long", reads::page_long, &["page-long"]),
    Mutation(
        "min_index missed",
        reads::min_index_missed,
        &["applied-index"],
    ),
    Mutation("digest changed", inboxes::digest_changed, &["digest"]),
];

/// The stories that are mutated: many small ones, some of a few thousand operations.
const OPERATIONS: [usize; 8] = [500, 500, 700, 500, 1_000, 500, 2_000, 5_000];
/// So many mutants of each kind are made of a small story, fewer of a larger one.
const MUTANTS: usize = 5;
/// The least number of mutants of each kind, of all stories together.
const LEAST: usize = 12;

/// More stories where more histories are asked for.
fn seeds() -> std::ops::Range<u64> {
    0..(OPERATIONS.len() * (histories() / HISTORIES).max(1)) as u64
}

pub(crate) fn story(seed: u64) -> Story {
    let operations = OPERATIONS[seed as usize % OPERATIONS.len()];
    world::good(seed, Size::drawn(seed, operations))
}

/// A story with one mutation of that name in it; none where it has no place for it.
pub(crate) fn mutant(name: &str, seed: u64, position: u64) -> Option<Story> {
    let Mutation(_, change, _) = MUTATIONS.iter().find(|m| m.0 == name).expect("a mutation");
    let mut story = story(seed);
    let facts = Facts::of(&story);
    let rng = &mut StdRng::seed_from_u64(seed << 16 | position);
    change(&mut story, &facts, rng).then_some(story)
}

#[test]
fn large_good_histories_are_consistent() {
    for seed in seeds() {
        let verdict = story(seed).verdict();
        assert!(
            verdict.is_consistent(),
            "seed {seed}: {}",
            explain(&verdict)
        );
    }
}

#[test]
fn every_mutation_is_caught_and_named() {
    let mut made = [0; MUTATIONS.len()];
    let mut missed = Vec::new();
    for seed in seeds() {
        let good = story(seed);
        let facts = Facts::of(&good);
        let operations = OPERATIONS[seed as usize % OPERATIONS.len()];
        let positions = (OPERATIONS[0] * MUTANTS / operations).max(1);
        for (kind, Mutation(name, change, rules)) in MUTATIONS.iter().enumerate() {
            for position in 0..positions as u64 {
                let rng = &mut StdRng::seed_from_u64(seed << 16 | position);
                let mut bad = good.clone();
                if !change(&mut bad, &facts, rng) {
                    continue;
                }
                made[kind] += 1;
                let verdict = bad.verdict();
                let named = |rule: &&str| verdict.violated.contains_key(*rule);
                if !rules.iter().any(named) {
                    missed.push(format!(
                        "seed {seed}, position {position}: {name:?} should break one of {rules:?}: {}",
                        explain(&verdict)
                    ));
                }
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    for (Mutation(name, ..), made) in MUTATIONS.iter().zip(made) {
        println!("{name}: {made}");
        assert!(made >= LEAST, "{name}: only {made} mutants were made");
    }
}
