//! The first judge: porcupine-rs, a search in the manner of Wing and Gong with Lowe's cache
//! ("Testing for linearizability", 2017), as in Go's Porcupine.
//!
//! Linearizability is local (Herlihy and Wing, 1990), so the rooms are judged one by one. An
//! operation whose outcome is unknown stays open to the end of time: it may take effect at any
//! moment after its invocation, and at the very end it disturbs nobody.

use porcupine_rs::{Model, Operation as Interval, check_operations};

use crate::case::{Case, Outcome, What};

/// An append-only list. With sequence numbers the acknowledgement of an append tells its place;
/// without them only the reads do, which is all that a list-append history can say.
#[derive(Clone, Debug)]
struct Room;

#[derive(Clone, Debug)]
enum Step {
    Append {
        id: u64,
        /// The place that was told, if one was.
        seq: Option<u64>,
    },
    Read {
        after: u64,
        limit: u32,
        values: Vec<(u64, u64)>,
    },
}

impl Model for Room {
    type State = Vec<u64>;
    type Op = Step;
    type Metadata = ();

    fn init() -> Self::State {
        Vec::new()
    }

    fn step(list: &Self::State, step: &Step) -> (bool, Self::State) {
        match step {
            Step::Append { id, seq } => {
                let mut longer = list.clone();
                longer.push(*id);
                let right = seq.is_none_or(|seq| seq == longer.len() as u64);
                (right, longer)
            }
            Step::Read {
                after,
                limit,
                values,
            } => (page(list, *after, *limit) == *values, list.clone()),
        }
    }
}

/// What a list answers to a read.
pub(crate) fn page(list: &[u64], after: u64, limit: u32) -> Vec<(u64, u64)> {
    (1..)
        .zip(list.iter().copied())
        .skip(after as usize)
        .take(limit as usize)
        .collect()
}

/// Whether every room of the history is linearizable. Reads that may be stale have no say, and
/// operations that surely did not happen no effect.
pub(crate) fn linearizable(case: &Case) -> bool {
    rooms(case).all(|room| judge(case, room, true))
}

/// The same, of what is left when nobody is told a sequence number at an acknowledgement.
pub(crate) fn linearizable_without_acks(case: &Case) -> bool {
    rooms(case).all(|room| judge(case, room, false))
}

fn rooms(case: &Case) -> std::ops::Range<u64> {
    0..case.lists.len() as u64
}

fn judge(case: &Case, room: u64, acks: bool) -> bool {
    let operations = case.operations.iter().filter(|o| o.room == room);
    let intervals: Vec<Interval<Room>> = operations
        .filter(|o| !o.is_local())
        .filter_map(|o| {
            let (op, ends) = match &o.what {
                What::Send { id, outcome } => match outcome {
                    Outcome::Ok(ack) => {
                        let seq = acks.then_some(ack.seq);
                        (Step::Append { id: *id, seq }, true)
                    }
                    Outcome::Unknown => (Step::Append { id: *id, seq: None }, false),
                    Outcome::Fail => return None,
                },
                What::Read {
                    after,
                    limit,
                    outcome,
                    ..
                } => {
                    let step = Step::Read {
                        after: *after,
                        limit: *limit,
                        values: outcome.ok()?.values.clone(),
                    };
                    (step, true)
                }
            };
            Some(Interval {
                client_id: u32::try_from(o.process).ok(),
                call_time: i64::try_from(o.invoked).expect("times are small"),
                return_time: if ends {
                    i64::try_from(o.completed).expect("times are small")
                } else {
                    i64::MAX
                },
                op,
                metadata: None,
            })
        })
        .collect();
    check_operations(&intervals)
}
