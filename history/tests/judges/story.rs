//! A large history as its lines, which mutations change one by one, beside what really happened.

use telegraft_history::{Completion, History, Op, Verdict};

/// A message where it stands in the log.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) log_index: u64,
    pub(crate) room: u64,
    pub(crate) seq: u64,
    pub(crate) id: String,
}

/// A line of the history; its time is its place.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Member {
        room: u64,
        user: u64,
    },
    Invoke {
        process: u64,
        op: Op,
    },
    Complete {
        process: u64,
        op: Op,
        completion: Completion,
    },
    Nemesis {
        f: &'static str,
        replica: Option<u64>,
    },
    Digest {
        replica: u64,
        log_index: u64,
        value: String,
    },
}

/// A history, and the log as it truly was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub(crate) lines: Vec<Line>,
    pub(crate) log: Vec<Message>,
}

impl Story {
    /// A page of a room as it stood at a log index.
    pub(crate) fn page(&self, room: u64, after: u64, limit: u32, at: u64) -> Vec<(u64, String)> {
        let applied = &self.log[..self.log.partition_point(|m| m.log_index <= at)];
        let page = applied.iter().filter(|m| m.room == room && m.seq > after);
        page.take(limit as usize)
            .map(|m| (m.seq, m.id.clone()))
            .collect()
    }

    /// A page of what stands in some rooms above a log index, and the index of its last message.
    pub(crate) fn inbox(
        &self,
        rooms: &[u64],
        after: u64,
        limit: u32,
        at: u64,
    ) -> (Vec<(u64, u64, String)>, u64) {
        let from = self.log.partition_point(|m| m.log_index <= after);
        let to = self.log.partition_point(|m| m.log_index <= at).max(from);
        let page: Vec<&Message> = self.log[from..to]
            .iter()
            .filter(|m| rooms.contains(&m.room))
            .take(limit as usize)
            .collect();
        let last = page.last().map_or(after, |m| m.log_index);
        let values = page.iter().map(|m| (m.room, m.seq, m.id.clone())).collect();
        (values, last)
    }

    /// The same history for the checker.
    pub(crate) fn history(&self) -> History {
        let mut history = History::new();
        for (time, line) in (1..).zip(&self.lines) {
            match line {
                Line::Member { room, user } => history.member(time, *room, *user),
                Line::Invoke { process, op } => history.invoke(time, *process, op),
                Line::Complete {
                    process,
                    op,
                    completion,
                } => history.complete(time, *process, op, completion),
                Line::Nemesis { f, replica } => history.nemesis(time, f, *replica, ""),
                Line::Digest {
                    replica,
                    log_index,
                    value,
                } => history.digest(time, *replica, *log_index, value),
            }
        }
        history
    }

    /// The checker's verdict.
    pub(crate) fn verdict(&self) -> Verdict {
        telegraft_history::check(&self.history())
    }
}
