//! The judges of the checker.
//!
//! The checker decides whether a cluster kept its promises, so it is itself checked:
//! - [`compare`]: thousands of small random histories, on which its verdict must be that of two
//!   independent checkers of linearizability;
//! - [`elle`]: the same histories, exported, before a checker of transactions;
//! - [`mutations`]: large good histories with one thing in each made untrue;
//! - [`scale`]: what a check costs.
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
