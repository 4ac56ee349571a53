//! The chat as it ought to be: a second, plain implementation of the state machine, fed with the
//! committed entries. Written for reading, not for speed; it shares nothing with the real one but
//! the decoding of commands.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use telegraft_cluster::chat::{Action, Command, Outcome, SessionKey, SessionLimits, WriteError};
use telegraft_cluster::raft::{Entry, LogIndex, Payload, Term};

use crate::operation::MessageId;

/// A message in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Which.
    pub id: MessageId,
    /// Its log index.
    pub index: LogIndex,
    /// Its term.
    pub term: Term,
}

/// A message in an inbox: its log index; its room, its number there, and which it is.
pub(crate) type InInbox = (LogIndex, (u64, u64, MessageId));

/// A room.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// When it was created.
    pub since: LogIndex,
    /// Its messages; seq counts from 1.
    pub messages: Vec<Placed>,
    /// Members, and the index from which on they are.
    pub members: BTreeMap<u64, LogIndex>,
}

impl Room {
    /// How many messages it had when `applied` was the last applied entry.
    pub fn count_at(&self, applied: LogIndex) -> usize {
        self.messages.partition_point(|m| m.index <= applied)
    }
}

/// What is remembered of a session.
#[derive(Clone, Debug, Default)]
struct Session {
    last_used: LogIndex,
    outcomes: BTreeMap<u64, (Action, Outcome)>,
    highest: Option<u64>,
}

/// Every committed entry carried out.
#[derive(Debug)]
pub struct Truth {
    limits: SessionLimits,
    /// Users' names, in order of their ids, and when each came.
    pub users: Vec<(String, LogIndex)>,
    /// Rooms, in order of their ids.
    pub rooms: Vec<Room>,
    room_names: BTreeSet<String>,
    sessions: BTreeMap<u64, Session>,
    remembered: usize,
    applied: LogIndex,
    /// Where each message's command stands in the log, every time, and what came of it.
    pub sends: HashMap<MessageId, Vec<(LogIndex, Outcome)>>,
    /// What came of each key, every time that it stood in the log.
    pub keys: HashMap<(u64, u64), Vec<(LogIndex, Outcome)>>,
    /// Sessions that were opened, by the index that names them.
    pub opened: BTreeSet<LogIndex>,
}

impl Truth {
    /// Before the first entry.
    pub fn new(limits: SessionLimits) -> Self {
        Truth {
            limits,
            users: Vec::new(),
            rooms: Vec::new(),
            room_names: BTreeSet::new(),
            sessions: BTreeMap::new(),
            remembered: 0,
            applied: 0,
            sends: HashMap::new(),
            keys: HashMap::new(),
            opened: BTreeSet::new(),
        }
    }

    /// The last applied entry.
    pub fn applied(&self) -> LogIndex {
        self.applied
    }

    /// A room by its id.
    pub fn room(&self, id: u64) -> Option<&Room> {
        self.rooms.get(usize::try_from(id.checked_sub(1)?).ok()?)
    }

    /// Carries the next entry out.
    pub fn apply(&mut self, entry: &Entry) -> Option<Outcome> {
        self.applied = entry.index;
        let idle = self.limits.idle_entries;
        while let Some((id, session)) = self.oldest_session()
            && entry.index - session.last_used > idle
        {
            self.expire(id);
        }
        let Payload::Command(bytes) = &entry.payload else {
            return None;
        };
        let command = Command::decode(bytes.clone()).ok()?;
        let outcome = self.carry_out(entry, &command);
        if let Some(key) = command.key {
            self.keys
                .entry((key.session_id, key.sequence))
                .or_default()
                .push((entry.index, outcome.clone()));
        }
        if let Action::SendMessage { body, .. } = &command.action
            && let Some(id) = MessageId::from_body(body)
        {
            self.sends
                .entry(id)
                .or_default()
                .push((entry.index, outcome.clone()));
        }
        Some(outcome)
    }

    fn oldest_session(&self) -> Option<(u64, &Session)> {
        let oldest = self
            .sessions
            .iter()
            .min_by_key(|(id, session)| (session.last_used, **id))?;
        Some((*oldest.0, oldest.1))
    }

    fn expire(&mut self, id: u64) {
        if let Some(session) = self.sessions.remove(&id) {
            self.remembered -= session.outcomes.len();
        }
    }

    fn carry_out(&mut self, entry: &Entry, command: &Command) -> Outcome {
        let Some(key) = command.key else {
            return self.act(entry, &command.action);
        };
        if let Some(answer) = self.answer_from_memory(entry.index, key, &command.action) {
            return answer;
        }
        let outcome = self.act(entry, &command.action);
        if let Some(session) = self.sessions.get_mut(&key.session_id) {
            if session.highest.is_none_or(|highest| highest < key.sequence) {
                session.highest = Some(key.sequence);
                let keep = (key.sequence + 1).saturating_sub(self.limits.window);
                let kept = session.outcomes.split_off(&keep);
                self.remembered -= session.outcomes.len();
                session.outcomes = kept;
            }
            let memory = (command.action.clone(), outcome.clone());
            session.outcomes.insert(key.sequence, memory);
            self.remembered += 1;
        }
        while self.remembered > self.limits.outcomes {
            let (oldest, _) = self.oldest_session().expect("somebody remembers");
            self.expire(oldest);
        }
        outcome
    }

    /// What a key alone decides; none when the write is new.
    fn answer_from_memory(
        &mut self,
        index: LogIndex,
        key: SessionKey,
        action: &Action,
    ) -> Option<Outcome> {
        let Some(session) = self.sessions.get_mut(&key.session_id) else {
            let expired = WriteError::SessionExpired(key.session_id);
            return Some(Outcome::Refused(expired));
        };
        session.last_used = index;
        if let Some(highest) = session.highest
            && key.sequence + self.limits.window <= highest
        {
            let unknown = WriteError::OutcomeUnknown(key.sequence);
            return Some(Outcome::Refused(unknown));
        }
        let (first, outcome) = session.outcomes.get(&key.sequence)?;
        Some(if first == action {
            outcome.clone()
        } else {
            Outcome::Refused(WriteError::KeyReused)
        })
    }

    fn act(&mut self, entry: &Entry, action: &Action) -> Outcome {
        let index = entry.index;
        match action {
            Action::RegisterSession => {
                let session = Session {
                    last_used: index,
                    ..Session::default()
                };
                self.sessions.insert(index, session);
                self.opened.insert(index);
                while self.sessions.len() > self.limits.sessions {
                    let (oldest, _) = self.oldest_session().expect("there are sessions");
                    self.expire(oldest);
                }
                Outcome::SessionRegistered {
                    session_id: index,
                    window: self.limits.window,
                }
            }
            Action::CreateUser { name } => {
                if self.users.iter().any(|(taken, _)| taken == name) {
                    return Outcome::Refused(WriteError::NameTaken);
                }
                self.users.push((name.clone(), index));
                Outcome::UserCreated {
                    user_id: self.users.len() as u64,
                }
            }
            Action::CreateRoom { name, creator, .. } => {
                if !self.is_user(*creator) {
                    return Outcome::Refused(WriteError::NoSuchUser(*creator));
                }
                if !self.room_names.insert(name.clone()) {
                    return Outcome::Refused(WriteError::NameTaken);
                }
                self.rooms.push(Room {
                    since: index,
                    messages: Vec::new(),
                    members: BTreeMap::from([(*creator, index)]),
                });
                Outcome::RoomCreated {
                    room_id: self.rooms.len() as u64,
                }
            }
            Action::JoinRoom { room_id, user_id } => {
                if self.room(*room_id).is_none() {
                    return Outcome::Refused(WriteError::NoSuchRoom(*room_id));
                }
                if !self.is_user(*user_id) {
                    return Outcome::Refused(WriteError::NoSuchUser(*user_id));
                }
                let room = self.room_mut(*room_id).expect("it is there");
                room.members.entry(*user_id).or_insert(index);
                Outcome::Joined
            }
            Action::SendMessage {
                room_id,
                author,
                body,
            } => {
                let is_user = self.is_user(*author);
                let Some(room) = self.room_mut(*room_id) else {
                    return Outcome::Refused(WriteError::NoSuchRoom(*room_id));
                };
                if !room.members.contains_key(author) {
                    return Outcome::Refused(if is_user {
                        WriteError::NotMember {
                            user_id: *author,
                            room_id: *room_id,
                        }
                    } else {
                        WriteError::NoSuchUser(*author)
                    });
                }
                room.messages.push(Placed {
                    id: MessageId::from_body(body).unwrap_or(MessageId(u64::MAX)),
                    index,
                    term: entry.term,
                });
                Outcome::Sent {
                    room_id: *room_id,
                    seq: room.messages.len() as u64,
                    index,
                    term: entry.term,
                }
            }
        }
    }

    fn is_user(&self, id: u64) -> bool {
        id >= 1 && id <= self.users.len() as u64
    }

    fn room_mut(&mut self, id: u64) -> Option<&mut Room> {
        self.rooms
            .get_mut(usize::try_from(id.checked_sub(1)?).ok()?)
    }

    /// The page that a replica with `applied` entries owes.
    pub fn page(
        &self,
        room: u64,
        after: u64,
        limit: usize,
        applied: LogIndex,
    ) -> Option<Vec<(u64, MessageId)>> {
        let room = self.room(room).filter(|room| room.since <= applied)?;
        let count = room.count_at(applied);
        let start = usize::try_from(after).unwrap_or(usize::MAX).min(count);
        let end = start.saturating_add(limit).min(count);
        let page = room.messages[start..end].iter().zip(start as u64 + 1..);
        Some(page.map(|(placed, seq)| (seq, placed.id)).collect())
    }

    /// The inbox that a replica with `applied` entries owes, each message with its log index.
    pub fn inbox(
        &self,
        user: u64,
        after: LogIndex,
        limit: usize,
        applied: LogIndex,
    ) -> Option<Vec<InInbox>> {
        let (_, since) = self
            .users
            .get(usize::try_from(user.checked_sub(1)?).ok()?)?;
        if *since > applied {
            return None;
        }
        let mut found = Vec::new();
        for (room, id) in self.rooms.iter().zip(1..) {
            if room.members.get(&user).is_none_or(|since| *since > applied) {
                continue;
            }
            let first = room.count_at(after);
            let last = room
                .count_at(applied)
                .max(first)
                .min(first.saturating_add(limit));
            for (placed, seq) in room.messages[first..last].iter().zip(first as u64 + 1..) {
                found.push((placed.index, (id, seq, placed.id)));
            }
        }
        found.sort_unstable();
        found.truncate(limit);
        Some(found)
    }
}
