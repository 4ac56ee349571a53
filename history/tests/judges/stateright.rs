//! The second judge: stateright's `LinearizabilityTester`, an exhaustive search over the
//! processes' orders. It gets all rooms as one object, so that it also judges whether looking at
//! them one by one, as the others do, is enough.

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use crate::case::{Case, Outcome, What};
use crate::porcupine::page;

/// The rooms.
#[derive(Clone, Debug)]
struct Rooms(Vec<Vec<u64>>);

#[derive(Clone, Debug)]
enum Call {
    Append { room: u64, id: u64 },
    Read { room: u64, after: u64, limit: u32 },
}

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Seq(u64),
    Page(Vec<(u64, u64)>),
}

impl SequentialSpec for Rooms {
    type Op = Call;
    type Ret = Answer;

    fn invoke(&mut self, call: &Call) -> Answer {
        match *call {
            Call::Append { room, id } => {
                let list = &mut self.0[room as usize];
                list.push(id);
                Answer::Seq(list.len() as u64)
            }
            Call::Read { room, after, limit } => {
                Answer::Page(page(&self.0[room as usize], after, limit))
            }
        }
    }
}

/// Whether the history is linearizable. Reads that may be stale have no say, operations that
/// surely did not happen no effect; an unknown one is never answered.
pub(crate) fn linearizable(case: &Case) -> bool {
    let rooms = Rooms(vec![Vec::new(); case.lists.len()]);
    let mut tester = LinearizabilityTester::new(rooms);
    for event in case.events() {
        let o = &case.operations[event.operation];
        let (call, answer) = match &o.what {
            What::Send { id, outcome } => {
                let call = Call::Append {
                    room: o.room,
                    id: *id,
                };
                match outcome {
                    Outcome::Ok(ack) => (call, Some(Answer::Seq(ack.seq))),
                    Outcome::Unknown => (call, None),
                    Outcome::Fail => continue,
                }
            }
            What::Read {
                after,
                limit,
                outcome: Outcome::Ok(page),
                ..
            } if !o.is_local() => {
                let call = Call::Read {
                    room: o.room,
                    after: *after,
                    limit: *limit,
                };
                (call, Some(Answer::Page(page.values.clone())))
            }
            What::Read { .. } => continue,
        };
        let told = if !event.completes {
            tester.on_invoke(o.process, call)
        } else if let Some(answer) = answer {
            tester.on_return(o.process, answer)
        } else {
            continue;
        };
        told.expect("a process has one operation open at a time");
    }
    tester.is_consistent()
}
