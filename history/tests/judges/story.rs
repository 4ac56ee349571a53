//! A large history as its lines, which mutations change one by one, beside what really happened.

use std::collections::BTreeMap;

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
    /// The places of each room's messages in it.
    pub(crate) rooms: BTreeMap<u64, Vec<usize>>,
}

impl Story {
    /// Puts a message at the end of its room and of the log, and tells its seq.
    pub(crate) fn append(&mut self, room: u64, log_index: u64, id: String) -> u64 {
        let places = self.rooms.entry(room).or_default();
        places.push(self.log.len());
        let seq = places.len() as u64;
        self.log.push(Message {
            log_index,
            room,
            seq,
            id,
        });
        seq
    }

    /// A page of a room as it stood at a log index.
    pub(crate) fn page(&self, room: u64, after: u64, limit: u32, at: u64) -> Vec<(u64, String)> {
        let places = self.rooms.get(&room).map_or(&[][..], Vec::as_slice);
        let from = places.get(after as usize..).unwrap_or_default();
        let messages = from.iter().map(|place| &self.log[*place]);
        let applied = messages.take_while(|m| m.log_index <= at);
        applied
            .take(limit as usize)
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

    /// The rooms of a user.
    pub(crate) fn rooms_of(&self, user: u64) -> Vec<u64> {
        let members = self.lines.iter().filter_map(|line| match line {
            Line::Member { room, user } => Some((*room, *user)),
            _ => None,
        });
        let of_user = members.filter(|(_, member)| *member == user);
        of_user.map(|(room, _)| room).collect()
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
