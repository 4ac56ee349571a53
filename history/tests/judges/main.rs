//! The judges of the checker.
//!
//! The checker decides whether a cluster kept its promises, so it is itself checked:
//! - [`compare`]: thousands of small random histories, on which its verdict must be that of two
//!   independent checkers of linearizability;
//! - [`elle`]: the same histories, exported, before a checker of transactions;
//! - [`mutations`]: large good histories with one thing in each made untrue;
//! - [`scale`]: what a check costs.
//!
//! The judges must be able to find something. Each of these changes of the checker was tried, and
//! was found by the tests named (mutations: and there by the kinds of mutations named):
//!
//! | changed | found by |
//! |---|---|
//! | it always says "consistent" | both of `compare`, both of `elle` on small histories, `mutations` |
//! | `sweep`: a send's log index may be below one acknowledged before | `compare`, `elle`, `mutations` (acknowledged earlier, sent later, log against time) |
//! | `sweep`: a read's applied index may be above that of a later send | `mutations` (applied index of the future) |
//! | `sweep`: a fresh read's applied index may be below one acknowledged before | `mutations` (applied index stale) |
//! | `sweep`: a replica may fall behind itself by 1,000 entries | `mutations` (backwards) |
//! | `pages`: "acknowledged before it began" turned round | all that ask the checker |
//! | `pages`: "its applied index covers the next message" turned round | `mutations` (page short) |
//! | `pages`: `min_index` passed over | `mutations` (min_index missed) |
//! | `inboxes`: the cursor that it began at passed over | `mutations` (inbox before its cursor) |
//! | `inboxes`: seqs that are left out passed over | `mutations` (inbox misses one) |
//! | `log_order`: the log's order within a room passed over, or only equal indexes seen | `mutations` (its next subtraction overflows) |
//! | `unplaced`: which bounds leave no place turned round | `compare`, all large good histories |
//! | `unplaced/bounds`: a page that ends before a message says nothing of it | `mutations` (unknown not shown) |
//! | `places`: a failed send may appear | `compare`, `elle`, `mutations` (failed is visible) |
//! | `places`: a message may be shown before it is sent | `mutations` (future at old index) |
//! | `places`: a message may be at two places | `compare`, `elle`, `mutations` (message doubled, unknown twice) |
//!
//! `TELEGRAFT_HISTORIES=100000 cargo test -p telegraft-history --test judges` draws more.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed expectation is a failed test; the histories are small"
)]

mod breaks;
mod case;
mod compare;
mod elle;
mod facts;
mod generate;
mod indexes;
mod mutations;
mod porcupine;
mod scale;
mod stateright;
mod story;
mod world;

/// How many small histories each judge gets, unless more are asked for.
const HISTORIES: usize = 2_500;

fn histories() -> usize {
    let asked = std::env::var("TELEGRAFT_HISTORIES").ok();
    asked.map_or(HISTORIES, |count| {
        count.parse().expect("TELEGRAFT_HISTORIES is a number")
    })
}
