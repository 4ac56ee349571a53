//! The chat again, as plainly as it can be said.

use std::collections::{BTreeMap, BTreeSet};

use super::LIMITS;
use crate::chat::*;

#[derive(Debug, Default)]
pub(super) struct ModelRoom {
    name: String,
    members: BTreeSet<u64>,
    pub(super) messages: Vec<(LogIndex, Term)>,
}

#[derive(Debug)]
struct ModelSession {
    id: u64,
    last_used: LogIndex,
    done: BTreeMap<u64, (Action, Outcome)>,
}

impl ModelSession {
    fn remembered(&self) -> BTreeMap<u64, (Action, Outcome)> {
        let highest = self.done.keys().max().copied().unwrap_or(0);
        let done = self.done.clone().into_iter();
        done.filter(|(sequence, _)| highest - sequence < LIMITS.window)
            .collect()
    }
}

#[derive(Debug, Default)]
pub(super) struct Model {
    users: Vec<String>,
    pub(super) rooms: Vec<ModelRoom>,
    sessions: Vec<ModelSession>,
    /// How often each kind of thing happened: a history that misses one shows nothing of it.
    pub(super) seen: BTreeMap<&'static str, u64>,
}

impl Model {
    fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub(super) fn apply(&mut self, entry: &Entry) -> Option<Outcome> {
        let index = entry.index;
        let open = self.sessions.len();
        self.sessions
            .retain(|session| session.last_used + LIMITS.idle_entries >= index);
        if self.sessions.len() < open {
            self.see("idle for too long");
        }
        let Payload::Command(payload) = &entry.payload else {
            return None;
        };
        let command = Command::decode(payload.clone()).ok()?;
        let Some(key) = command.key else {
            return Some(self.act(entry, &command.action));
        };
        let session = self
            .sessions
            .iter_mut()
            .find(|session| session.id == key.session_id);
        let Some(session) = session else {
            self.see("expired");
            return Some(Outcome::Refused(WriteError::SessionExpired(key.session_id)));
        };
        session.last_used = index;
        let highest = session.done.keys().max().copied().unwrap_or(0);
        if key.sequence + LIMITS.window <= highest {
            self.see("unknown");
            return Some(Outcome::Refused(WriteError::OutcomeUnknown(key.sequence)));
        }
        if let Some((action, outcome)) = session.done.get(&key.sequence) {
            if *action == command.action {
                let outcome = outcome.clone();
                self.see(match outcome {
                    Outcome::Refused(_) => "refused again",
                    _ => "answered again",
                });
                return Some(outcome);
            }
            self.see("reused");
            return Some(Outcome::Refused(WriteError::KeyReused));
        }
        let late = key.sequence < highest;
        let outcome = self.act(entry, &command.action);
        if late {
            self.see("out of order");
        }
        if let Some(session) = self
            .sessions
            .iter_mut()
            .find(|session| session.id == key.session_id)
        {
            let done = (command.action, outcome.clone());
            session.done.insert(key.sequence, done);
        }
        while self
            .sessions
            .iter()
            .map(|session| session.remembered().len())
            .sum::<usize>()
            > LIMITS.outcomes
        {
            self.see("too many outcomes");
            self.expire();
        }
        Some(outcome)
    }

    fn expire(&mut self) {
        let oldest = self
            .sessions
            .iter()
            .enumerate()
            .min_by_key(|(_, session)| (session.last_used, session.id))
            .map(|(at, _)| at)
            .unwrap();
        self.sessions.remove(oldest);
    }

    fn room(&mut self, id: u64) -> Option<&mut ModelRoom> {
        self.rooms
            .iter_mut()
            .zip(1..)
            .find_map(|(room, number)| (number == id).then_some(room))
    }

    fn act(&mut self, entry: &Entry, action: &Action) -> Outcome {
        let refused = Outcome::Refused;
        let is_user = |model: &Model, id: u64| id >= 1 && id <= model.users.len() as u64;
        match action {
            Action::RegisterSession => {
                self.sessions.push(ModelSession {
                    id: entry.index,
                    last_used: entry.index,
                    done: BTreeMap::new(),
                });
                if self.sessions.len() > LIMITS.sessions {
                    self.see("too many sessions");
                    self.expire();
                }
                Outcome::SessionRegistered {
                    session_id: entry.index,
                    window: LIMITS.window,
                }
            }
            Action::CreateUser { name } => {
                if self.users.contains(name) {
                    return refused(WriteError::NameTaken);
                }
                self.users.push(name.clone());
                Outcome::UserCreated {
                    user_id: self.users.len() as u64,
                }
            }
            Action::CreateRoom { name, creator, .. } => {
                if !is_user(self, *creator) {
                    return refused(WriteError::NoSuchUser(*creator));
                }
                if self.rooms.iter().any(|room| room.name == *name) {
                    return refused(WriteError::NameTaken);
                }
                self.rooms.push(ModelRoom {
                    name: name.clone(),
                    members: BTreeSet::from([*creator]),
                    messages: Vec::new(),
                });
                Outcome::RoomCreated {
                    room_id: self.rooms.len() as u64,
                }
            }
            Action::JoinRoom { room_id, user_id } => {
                let known = is_user(self, *user_id);
                let Some(room) = self.room(*room_id) else {
                    return refused(WriteError::NoSuchRoom(*room_id));
                };
                if !known {
                    return refused(WriteError::NoSuchUser(*user_id));
                }
                if !room.members.insert(*user_id) {
                    self.see("joined twice");
                }
                Outcome::Joined
            }
            Action::SendMessage {
                room_id, author, ..
            } => {
                let known = is_user(self, *author);
                let Some(room) = self.room(*room_id) else {
                    return refused(WriteError::NoSuchRoom(*room_id));
                };
                if !known {
                    return refused(WriteError::NoSuchUser(*author));
                }
                if !room.members.contains(author) {
                    self.see("no member");
                    return refused(WriteError::NotMember {
                        user_id: *author,
                        room_id: *room_id,
                    });
                }
                room.messages.push((entry.index, entry.term));
                Outcome::Sent {
                    room_id: *room_id,
                    seq: room.messages.len() as u64,
                    index: entry.index,
                    term: entry.term,
                }
            }
        }
    }

    /// All of a room's messages.
    fn references(&self, room_id: u64) -> Vec<MessageRef> {
        let room = &self.rooms[room_id as usize - 1];
        let messages = room.messages.iter().zip(1..);
        messages
            .map(|((index, _), seq)| MessageRef {
                room_id,
                seq,
                index: *index,
            })
            .collect()
    }

    pub(super) fn query(&self, query: &Query, applied: LogIndex) -> Result<Found, QueryError> {
        let is_room = |id: u64| id >= 1 && id <= self.rooms.len() as u64;
        let place = |at: Option<usize>| at.map(|at| at as u64 + 1);
        match *query {
            Query::UserNamed { ref name } => {
                let at = self.users.iter().position(|user| user == name);
                place(at).map(Found::User).ok_or(QueryError::NoUserNamed)
            }
            Query::RoomNamed { ref name } => {
                let at = self.rooms.iter().position(|room| room.name == *name);
                place(at).map(Found::Room).ok_or(QueryError::NoRoomNamed)
            }
            Query::Members { room_id, .. } | Query::Messages { room_id, .. }
                if !is_room(room_id) =>
            {
                Err(QueryError::NoSuchRoom(room_id))
            }
            Query::Members {
                room_id,
                after,
                limit,
            } => {
                let mut members = Vec::new();
                for id in 1..=self.users.len() as u64 {
                    let room = &self.rooms[room_id as usize - 1];
                    if id > after && members.len() < limit && room.members.contains(&id) {
                        members.push((id, self.users[id as usize - 1].clone()));
                    }
                }
                Ok(Found::Members(members))
            }
            Query::Messages {
                room_id,
                page,
                limit,
            } => {
                let mut all = self.references(room_id);
                match page {
                    Page::After(seq) => {
                        all.retain(|message| message.seq > seq);
                        all.truncate(limit);
                    }
                    Page::Before(_) | Page::Latest => {
                        if let Page::Before(seq) = page {
                            all.retain(|message| message.seq < seq);
                        }
                        all.reverse();
                        all.truncate(limit);
                        all.reverse();
                    }
                }
                Ok(Found::Messages(all))
            }
            Query::Inbox {
                user_id,
                after,
                limit,
            } => {
                if user_id == 0 || user_id > self.users.len() as u64 {
                    return Err(QueryError::NoSuchUser(user_id));
                }
                let mut all: Vec<_> = (1..=self.rooms.len() as u64)
                    .filter(|id| self.rooms[*id as usize - 1].members.contains(&user_id))
                    .flat_map(|id| self.references(id))
                    .filter(|message| message.index > after)
                    .collect();
                all.sort_by_key(|message| message.index);
                all.truncate(limit);
                let cursor = match all.last() {
                    Some(last) if all.len() == limit => last.index,
                    None if limit == 0 => after,
                    _ => after.max(applied),
                };
                Ok(Found::Inbox {
                    messages: all,
                    cursor,
                })
            }
        }
    }
}
