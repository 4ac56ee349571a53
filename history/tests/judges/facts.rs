//! What is true of a good story, as the mutations need it to know what they break.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;
use telegraft_history::{Completion, Consistency, Op};

use crate::story::{Line, Message, Story};
use crate::world::WHOLE;

/// When a send was asked for and answered, as places in the story's lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Send {
    pub(crate) invoked: usize,
    pub(crate) completed: usize,
    pub(crate) acknowledged: bool,
    pub(crate) unknown: bool,
}

/// An answered read of a room.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) invoked: usize,
    pub(crate) completed: usize,
    pub(crate) room: u64,
    pub(crate) after: u64,
    pub(crate) limit: u32,
    pub(crate) replica: u64,
    pub(crate) consistency: Consistency,
    pub(crate) length: usize,
    /// The last sequence number that it shows, or the one after which it found nothing.
    pub(crate) last: u64,
    pub(crate) applied_index: u64,
    pub(crate) min_index: u64,
}

impl Read {
    /// Whether it claims that nothing followed.
    pub(crate) fn to_the_end(&self) -> bool {
        self.length < self.limit as usize
    }

    /// Whether it has to show everything that was acknowledged before it began.
    pub(crate) fn fresh(&self) -> bool {
        self.consistency != Consistency::Local
    }
}

/// An answered read of an inbox.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    pub(crate) completed: usize,
    pub(crate) user: u64,
    pub(crate) after: u64,
    pub(crate) limit: u32,
    pub(crate) length: usize,
}

/// Everything that the mutations look up.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) sends: BTreeMap<String, Send>,
    pub(crate) reads: Vec<Read>,
    pub(crate) inboxes: Vec<Inbox>,
    pub(crate) log: Vec<Message>,
    rooms: BTreeMap<u64, Vec<usize>>,
    /// Lines at which a replica began anew, and which one.
    pub(crate) starts: Vec<(usize, u64)>,
    /// The first line of the reads that end the story.
    pub(crate) finals: usize,
}

impl Facts {
    pub(crate) fn of(story: &Story) -> Self {
        let mut facts = Self {
            log: story.log.clone(),
            rooms: story.rooms.clone(),
            finals: story.lines.len(),
            ..Self::default()
        };
        let mut open = BTreeMap::new();
        for (line, what) in story.lines.iter().enumerate() {
            match what {
                Line::Invoke { process, .. } => {
                    open.insert(*process, line);
                }
                Line::Complete {
                    process,
                    op,
                    completion,
                } => {
                    let invoked = open.remove(process).expect("it was invoked");
                    facts.note(line, invoked, op, completion);
                }
                Line::Nemesis { replica, .. } => {
                    facts.starts.extend(replica.map(|replica| (line, replica)));
                }
                Line::Member { .. } | Line::Digest { .. } => {}
            }
        }
        let last_send = facts.sends.values().map(|send| send.completed).max();
        let last_send = last_send.unwrap_or_default();
        let finals = facts.reads.iter().filter(|r| r.limit == WHOLE);
        let after_all = finals.filter(|r| r.after == 0 && r.invoked > last_send);
        facts.finals = after_all.map(|r| r.invoked).min().unwrap_or(facts.finals);
        facts
    }

    fn note(&mut self, completed: usize, invoked: usize, op: &Op, completion: &Completion) {
        match (op, completion) {
            (Op::Send { id, .. }, _) => {
                let send = Send {
                    invoked,
                    completed,
                    acknowledged: matches!(completion, Completion::Sent { .. }),
                    unknown: matches!(completion, Completion::Unknown),
                };
                self.sends.insert(id.clone(), send);
            }
            (
                Op::Read {
                    room,
                    after,
                    limit,
                    consistency,
                    replica,
                    min_index,
                },
                Completion::Read {
                    values,
                    applied_index,
                },
            ) => self.reads.push(Read {
                invoked,
                completed,
                room: *room,
                after: *after,
                limit: *limit,
                replica: *replica,
                consistency: *consistency,
                length: values.len(),
                last: values.last().map_or(*after, |(seq, _)| *seq),
                applied_index: *applied_index,
                min_index: *min_index,
            }),
            (
                Op::Inbox {
                    user, after, limit, ..
                },
                Completion::Inbox { values, .. },
            ) => self.inboxes.push(Inbox {
                completed,
                user: *user,
                after: *after,
                limit: *limit,
                length: values.len(),
            }),
            _ => {}
        }
    }

    /// Whether a replica was not started anew between two lines.
    pub(crate) fn stayed_up(&self, replica: u64, from: usize, to: usize) -> bool {
        let starts = self.starts.iter();
        let mut of_it = starts.filter(|(_, started)| *started == replica);
        !of_it.any(|(line, _)| (from..to).contains(line))
    }

    /// The message at a place of a room.
    pub(crate) fn message(&self, room: u64, seq: u64) -> Option<&Message> {
        let place = self.rooms.get(&room)?.get(seq.checked_sub(1)? as usize)?;
        self.log.get(*place)
    }

    /// The number of messages of a room in the end.
    pub(crate) fn length(&self, room: u64) -> u64 {
        let last = self.log.iter().rfind(|m| m.room == room);
        last.map_or(0, |m| m.seq)
    }

    pub(crate) fn acknowledged(&self, message: &Message) -> bool {
        self.sends[&message.id].acknowledged
    }
}

/// One of those for which something holds, each as likely as the others.
pub(crate) fn pick<'a, T>(
    all: impl IntoIterator<Item = &'a T>,
    rng: &mut StdRng,
    holds: impl Fn(&T) -> bool,
) -> Option<&'a T> {
    let found: Vec<&T> = all.into_iter().filter(|one| holds(one)).collect();
    (!found.is_empty()).then(|| found[rng.random_range(0..found.len())])
}
