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

type Change = fn(&mut Story, &Facts, &mut StdRng) -> bool;

/// A way to make one thing untrue, and the rules that it breaks.
struct Mutation(&'static str, Change, &'static [&'static str]);

const MUTATIONS: [Mutation; 26] = [
    Mutation("wrong seq", sends::wrong_seq, &["order-conflict", "duplicate"]),
    Mutation("log indexes swapped", sends::log_indexes_swapped, &["order-conflict"]),
    Mutation("log against time", sends::log_against_time, &["real-time-order"]),
    Mutation("same log index", sends::same_log_index, &["order-conflict"]),
    Mutation("acknowledged earlier", sends::acknowledged_earlier, &["real-time-order"]),
    Mutation("sent later", sends::sent_later, &["real-time-order", "future-read"]),
    Mutation("failed is visible", sends::failed_is_visible, &["failed-appeared"]),
    Mutation("acknowledged, never there", sends::acknowledged_but_never_there, &["lost", "stale-read"]),
    Mutation("lost", reads::lost, &["lost", "stale-read"]),
    Mutation("hole in the final read", reads::hole_in_the_final_read, &["gap"]),
    Mutation("first missing", reads::first_missing, &["gap"]),
    Mutation("hole in a local read", reads::hole_in_a_local_read, &["gap", "not-a-prefix"]),
    Mutation("values swapped", reads::values_swapped, &["order-conflict", "not-a-prefix"]),
    Mutation("local read no prefix", reads::local_no_prefix, &["order-conflict", "not-a-prefix"]),
    Mutation("message doubled", reads::message_doubled, &["duplicate"]),
    Mutation("unknown twice", reads::unknown_twice, &["duplicate"]),
    Mutation("never sent", reads::never_sent, &["phantom"]),
    Mutation("stale by one", reads::stale_by_one, &["stale-read"]),
    Mutation("page short", reads::page_short, &["page-short"]),
    Mutation("from the future", reads::from_the_future, &["future-read"]),
    Mutation("applied index too low", reads::applied_index_too_low, &["applied-index"]),
    Mutation("applied index stale", reads::applied_index_stale, &["stale-read", "applied-index"]),
    Mutation("backwards", reads::backwards, &["backwards-read"]),
    Mutation("inbox misses one", inboxes::misses_one, &["inbox-missing"]),
    Mutation("inbox order swapped", inboxes::order_swapped, &["inbox-order"]),
    Mutation("digest changed", inboxes::digest_changed, &["digest"]),
];
