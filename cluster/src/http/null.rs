//! The null system: what the server in front of it costs, and the client, and the network.
//!
//! Requests are parsed and checked as ever. Answers have the shape and size that a cluster's
//! would have, and nothing stands behind them: no consensus, no log, no names. A room or user
//! that was never created is unknown, as it should be; who is a member is not asked. Every name
//! is that of the newest user or room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::MAX_BODY_BYTES;
use super::backend::{Backend, Consistency, LeaderInfo, MemberStatus, NodeStatus, Refusal};
use crate::chat::{
    Action, Answer, ChatMessage, Digest, DigestAt, Outcome, Page, Query, QueryError, SessionKey,
    WriteError,
};
use crate::raft::LogIndex;

/// The only replica there is.
const ID: u64 = 1;
/// The term that it leads in.
const TERM: u64 = 1;
/// What it says of a session's window. It remembers nothing.
const WINDOW: u64 = 1024;
/// A message in a room that nobody has sent to, in bytes.
const DEFAULT_TEXT_BYTES: usize = 128;
/// Parts of a table with a lock each, so that creating a room disturbs few readers.
const SHARDS: usize = 64;
/// Every message's text, as far as it is needed.
static TEXT: [u8; MAX_BODY_BYTES] = [b'x'; MAX_BODY_BYTES];

/// A backend with nothing behind it.
#[derive(Debug)]
pub struct Null {
    url: String,
    sessions: AtomicU64,
    users: AtomicU64,
    rooms: AtomicU64,
    index: AtomicU64,
    known_rooms: Table<Room>,
    known_users: Table<User>,
}

/// What is counted of a room.
#[derive(Debug)]
struct Room {
    /// Its messages.
    messages: AtomicU64,
    /// How long the last one was, in bytes.
    text_bytes: AtomicUsize,
    /// Its members.
    members: AtomicU64,
}

impl Default for Room {
    fn default() -> Self {
        Room {
            messages: AtomicU64::new(0),
            text_bytes: AtomicUsize::new(DEFAULT_TEXT_BYTES),
            members: AtomicU64::new(0),
        }
    }
}

impl Room {
    fn text(&self) -> Bytes {
        Bytes::from_static(&TEXT[..self.text_bytes.load(Ordering::Relaxed).min(TEXT.len())])
    }
}

/// The rooms that a user has joined, for inboxes.
#[derive(Debug, Default)]
struct User {
    rooms: RwLock<Vec<(u64, Arc<Room>)>>,
}

/// Values by id.
#[derive(Debug)]
struct Table<T> {
    shards: [RwLock<HashMap<u64, Arc<T>>>; SHARDS],
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            shards: std::array::from_fn(|_| RwLock::default()),
        }
    }
}

impl<T: Default> Table<T> {
    fn get(&self, id: u64) -> Option<Arc<T>> {
        let known = self
            .shard(id)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        known.get(&id).map(Arc::clone)
    }

    fn create(&self, id: u64) {
        self.shard(id)
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::default());
    }

    fn shard(&self, id: u64) -> &RwLock<HashMap<u64, Arc<T>>> {
        &self.shards[usize::try_from(id).unwrap_or(0) % SHARDS]
    }
}

impl Null {
    /// One that says it is the leader, at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Null {
            url: url.into(),
            sessions: AtomicU64::new(0),
            users: AtomicU64::new(0),
            rooms: AtomicU64::new(0),
            index: AtomicU64::new(0),
            known_rooms: Table::default(),
            known_users: Table::default(),
        }
    }

    fn applied(&self) -> LogIndex {
        self.index.load(Ordering::Relaxed)
    }

    fn room(&self, room_id: u64) -> Result<Arc<Room>, QueryError> {
        self.known_rooms
            .get(room_id)
            .ok_or(QueryError::NoSuchRoom(room_id))
    }

    fn user(&self, user_id: u64) -> Result<Arc<User>, QueryError> {
        self.known_users
            .get(user_id)
            .ok_or(QueryError::NoSuchUser(user_id))
    }

    fn join(&self, room_id: u64, user_id: u64) -> Result<(), QueryError> {
        let room = self.room(room_id)?;
        let user = self.user(user_id)?;
        let mut rooms = user.rooms.write().unwrap_or_else(PoisonError::into_inner);
        if rooms.iter().all(|(id, _)| *id != room_id) {
            room.members.fetch_add(1, Ordering::Relaxed);
            rooms.push((room_id, room));
        }
        Ok(())
    }

    fn act(&self, action: Action) -> Result<Outcome, QueryError> {
        let index = next(&self.index);
        Ok(match action {
            Action::RegisterSession => Outcome::SessionRegistered {
                session_id: next(&self.sessions),
                window: WINDOW,
            },
            Action::CreateUser { .. } => {
                let user_id = next(&self.users);
                self.known_users.create(user_id);
                Outcome::UserCreated { user_id }
            }
            Action::CreateRoom { creator, .. } => {
                self.user(creator)?;
                let room_id = next(&self.rooms);
                self.known_rooms.create(room_id);
                self.join(room_id, creator)?;
                Outcome::RoomCreated { room_id }
            }
            Action::JoinRoom { room_id, user_id } => {
                self.join(room_id, user_id)?;
                Outcome::Joined
            }
            Action::SendMessage { room_id, body, .. } => {
                let room = self.room(room_id)?;
                room.text_bytes.store(body.len(), Ordering::Relaxed);
                Outcome::Sent {
                    room_id,
                    seq: next(&room.messages),
                    index,
                    term: TERM,
                }
            }
        })
    }

    fn find(&self, query: &Query) -> Result<Answer, QueryError> {
        match *query {
            Query::UserNamed { .. } => match self.users.load(Ordering::Relaxed) {
                0 => Err(QueryError::NoUserNamed),
                newest => Ok(Answer::User(newest)),
            },
            Query::RoomNamed { .. } => match self.rooms.load(Ordering::Relaxed) {
                0 => Err(QueryError::NoRoomNamed),
                newest => Ok(Answer::Room(newest)),
            },
            Query::Members {
                room_id,
                after,
                limit,
            } => self.members(room_id, after, limit),
            Query::Messages {
                room_id,
                page,
                limit,
            } => self.messages(room_id, page, limit),
            Query::Inbox {
                user_id,
                after,
                limit,
            } => self.inbox(user_id, after, limit),
        }
    }

    fn members(&self, room_id: u64, after: u64, limit: usize) -> Result<Answer, QueryError> {
        let last = self.room(room_id)?.members.load(Ordering::Relaxed);
        let end = after.saturating_add(limit as u64).min(last);
        Ok(Answer::Members(
            (after + 1..=end)
                .map(|id| (id, format!("user-{id}")))
                .collect(),
        ))
    }

    fn messages(&self, room_id: u64, page: Page, limit: usize) -> Result<Answer, QueryError> {
        let room = self.room(room_id)?;
        let last = room.messages.load(Ordering::Relaxed);
        let many = limit as u64;
        let (first, end) = match page {
            Page::After(seq) => (seq + 1, seq.saturating_add(many).min(last)),
            Page::Before(seq) => {
                let end = seq.saturating_sub(1).min(last);
                ((end + 1).saturating_sub(many).max(1), end)
            }
            Page::Latest => ((last + 1).saturating_sub(many).max(1), last),
        };
        let text = room.text();
        let sent_at_ms = now_ms();
        Ok(Answer::Messages(
            (first..=end)
                .map(|seq| ChatMessage {
                    room_id,
                    seq,
                    author: ID,
                    sent_at_ms,
                    body: text.clone(),
                })
                .collect(),
        ))
    }

    /// The cursor counts the messages in the user's rooms.
    fn inbox(&self, user_id: u64, after: LogIndex, limit: usize) -> Result<Answer, QueryError> {
        let user = self.user(user_id)?;
        let rooms = user.rooms.read().unwrap_or_else(PoisonError::into_inner);
        let last: u64 = rooms
            .iter()
            .map(|(_, room)| room.messages.load(Ordering::Relaxed))
            .sum();
        let end = after.saturating_add(limit as u64).min(last);
        let sent_at_ms = now_ms();
        let mut turns = rooms.iter().cycle();
        let messages = (after..end)
            .filter_map(|seq| {
                let (room_id, room) = turns.next()?;
                Some(ChatMessage {
                    room_id: *room_id,
                    seq: seq + 1,
                    author: ID,
                    sent_at_ms,
                    body: room.text(),
                })
            })
            .collect();
        Ok(Answer::Inbox {
            messages,
            cursor: end.max(after),
        })
    }
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|elapsed| u64::try_from(elapsed.as_millis()).ok())
        .unwrap_or_default()
}

fn next(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}

impl Backend for Null {
    async fn write(
        &self,
        action: Action,
        _key: Option<SessionKey>,
        _deadline: Duration,
    ) -> Result<Outcome, Refusal> {
        Ok(self.act(action).unwrap_or_else(|unknown| {
            Outcome::Refused(match unknown {
                QueryError::NoSuchUser(id) => WriteError::NoSuchUser(id),
                QueryError::NoSuchRoom(id) => WriteError::NoSuchRoom(id),
                QueryError::NoUserNamed | QueryError::NoRoomNamed => {
                    unreachable!("writes name by ids")
                }
            })
        }))
    }

    async fn read(
        &self,
        query: Query,
        _consistency: Consistency,
        _min_index: LogIndex,
        _deadline: Duration,
    ) -> Result<(Result<Answer, QueryError>, LogIndex), Refusal> {
        Ok((self.find(&query), self.applied()))
    }

    async fn status(&self) -> Result<NodeStatus, Refusal> {
        let index = self.applied();
        Ok(NodeStatus {
            id: ID,
            cluster_id: "null".to_owned(),
            role: "leader".to_owned(),
            term: TERM,
            leader: self.leader(),
            commit_index: index,
            applied_index: index,
            last_index: index,
            first_index: 1,
            members: vec![MemberStatus {
                id: ID,
                peer: String::new(),
                voter: true,
            }],
            peers: Vec::new(),
            digest: Digest::default().to_string(),
        })
    }

    async fn digest(&self, index: Option<LogIndex>) -> Result<(LogIndex, DigestAt), Refusal> {
        let applied = self.applied();
        let index = index.unwrap_or(applied);
        let digest = if index <= applied {
            DigestAt::Known(Digest::default())
        } else {
            DigestAt::NotYet
        };
        Ok((index, digest))
    }

    fn leader(&self) -> Option<LeaderInfo> {
        Some(LeaderInfo {
            id: ID,
            url: Some(self.url.clone()),
        })
    }

    fn leads(&self) -> bool {
        true
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn metrics(&self) -> String {
        String::new()
    }
}
