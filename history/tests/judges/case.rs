//! A small history in a form that is easy to generate and to break, and its ways into the
//! checker's form.
//!
//! Times are the places of the events in the history: every invocation and every completion has
//! a time of its own, and the order of the times is the order of the lines.

use telegraft_history::{Completion, Consistency, History, Op, Verdict, Writer};

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// It was answered.
    Ok(T),
    /// It surely did not happen.
    Fail,
    /// Nobody knows whether it happened, or will.
    Unknown,
}

impl<T> Outcome<T> {
    pub(crate) fn ok(&self) -> Option<&T> {
        match self {
            Self::Ok(answer) => Some(answer),
            Self::Fail | Self::Unknown => None,
        }
    }

    pub(crate) fn ok_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Ok(answer) => Some(answer),
            Self::Fail | Self::Unknown => None,
        }
    }
}

/// Where a message came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) seq: u64,
    pub(crate) log_index: u64,
}

/// A page: sequence numbers with messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) values: Vec<(u64, u64)>,
    pub(crate) applied_index: u64,
}

/// What is asked of a room, and the answer.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Send {
        id: u64,
        outcome: Outcome<Ack>,
    },
    Read {
        after: u64,
        limit: u32,
        consistency: Consistency,
        replica: u64,
        outcome: Outcome<Page>,
    },
}

/// One operation of one process on one room.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) process: u64,
    pub(crate) room: u64,
    pub(crate) invoked: u64,
    pub(crate) completed: u64,
    pub(crate) what: What,
}

impl Operation {
    /// The message that it sends.
    pub(crate) fn sent(&self) -> Option<u64> {
        match self.what {
            What::Send { id, .. } => Some(id),
            What::Read { .. } => None,
        }
    }

    /// The acknowledgement of a send.
    pub(crate) fn ack(&self) -> Option<&Ack> {
        match &self.what {
            What::Send { outcome, .. } => outcome.ok(),
            What::Read { .. } => None,
        }
    }

    pub(crate) fn ack_mut(&mut self) -> Option<&mut Ack> {
        match &mut self.what {
            What::Send { outcome, .. } => outcome.ok_mut(),
            What::Read { .. } => None,
        }
    }

    /// The page of a read, where it began and how long it may have been.
    pub(crate) fn page(&self) -> Option<(u64, u32, &Page)> {
        match &self.what {
            What::Read {
                after,
                limit,
                outcome,
                ..
            } => outcome.ok().map(|page| (*after, *limit, page)),
            What::Send { .. } => None,
        }
    }

    pub(crate) fn page_mut(&mut self) -> Option<(u64, u32, &mut Page)> {
        match &mut self.what {
            What::Read {
                after,
                limit,
                outcome,
                ..
            } => outcome.ok_mut().map(|page| (*after, *limit, page)),
            What::Send { .. } => None,
        }
    }

    /// Whether it is a read that may be stale.
    pub(crate) fn is_local(&self) -> bool {
        matches!(
            self.what,
            What::Read {
                consistency: Consistency::Local,
                ..
            }
        )
    }

    /// Whether it is a send of which nobody knows what came.
    pub(crate) fn is_unknown_send(&self) -> bool {
        matches!(
            self.what,
            What::Send {
                outcome: Outcome::Unknown,
                ..
            }
        )
    }

    fn op(&self) -> Op {
        match self.what {
            What::Send { id, .. } => Op::Send {
                room: self.room,
                id: name(id),
            },
            What::Read {
                after,
                limit,
                consistency,
                replica,
                ..
            } => Op::Read {
                room: self.room,
                after,
                limit,
                consistency,
                replica,
                min_index: 0,
            },
        }
    }

    fn completion(&self) -> Completion {
        match &self.what {
            What::Send { outcome, .. } => match outcome {
                Outcome::Ok(ack) => Completion::Sent {
                    seq: ack.seq,
                    log_index: ack.log_index,
                    term: 1,
                },
                Outcome::Fail => Completion::Fail,
                Outcome::Unknown => Completion::Unknown,
            },
            What::Read { outcome, .. } => match outcome {
                Outcome::Ok(page) => Completion::Read {
                    values: page
                        .values
                        .iter()
                        .map(|&(seq, id)| (seq, name(id)))
                        .collect(),
                    applied_index: page.applied_index,
                },
                Outcome::Fail => Completion::Fail,
                Outcome::Unknown => Completion::Unknown,
            },
        }
    }
}

/// The text that stands for a message in the history.
pub(crate) fn name(id: u64) -> String {
    format!("m{id}")
}

/// One history, and what really happened in the world that it was made in.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) operations: Vec<Operation>,
    /// For each room from 0, what its list held in the end, by message.
    pub(crate) lists: Vec<Vec<u64>>,
}

/// An event of a history: an operation's beginning or end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Event {
    pub(crate) time: u64,
    pub(crate) completes: bool,
    pub(crate) operation: usize,
}

impl Case {
    /// All beginnings and ends, in order.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events: Vec<Event> = self
            .operations
            .iter()
            .enumerate()
            .flat_map(|(operation, o)| {
                [(o.invoked, false), (o.completed, true)].map(|(time, completes)| Event {
                    time,
                    completes,
                    operation,
                })
            })
            .collect();
        events.sort_unstable();
        events
    }

    /// Without the reads that may be stale: the part on which all the judges have a say.
    pub(crate) fn without_local_reads(mut self) -> Self {
        self.operations.retain(|o| !o.is_local());
        self
    }

    /// The same history for the checker.
    pub(crate) fn history(&self) -> History {
        let mut history = History::new();
        for event in self.events() {
            let o = &self.operations[event.operation];
            if event.completes {
                history.complete(event.time, o.process, &o.op(), &o.completion());
            } else {
                history.invoke(event.time, o.process, &o.op());
            }
        }
        history
    }

    /// The checker's verdict.
    pub(crate) fn verdict(&self) -> Verdict {
        telegraft_history::check(&self.history())
    }

    /// The history's lines, to be read by a person or by `telegraft check`.
    pub(crate) fn jsonl(&self) -> String {
        let mut lines = Vec::new();
        let mut writer = Writer::new(&mut lines);
        for event in self.events() {
            let o = &self.operations[event.operation];
            let written = if event.completes {
                writer.complete(event.time, o.process, &o.op(), &o.completion())
            } else {
                writer.invoke(event.time, o.process, &o.op())
            };
            written.expect("a Vec takes everything");
        }
        drop(writer);
        String::from_utf8(lines).expect("JSON is UTF-8")
    }
}
