//! The chat's vocabulary: what can be asked of it and what comes of it.

use bytes::Bytes;

use crate::raft::LogIndex;

/// Names a write of one client, so that a retry is known for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionKey {
    /// The session, from [`Outcome::SessionRegistered`].
    pub session_id: u64,
    /// The client's number for this write; each one new, in any order within the window.
    pub sequence: u64,
}

/// A write, as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its idempotency key, if the client gave one.
    pub key: Option<SessionKey>,
    /// The leader's wall clock, in milliseconds since the epoch.
    pub sent_at_ms: u64,
    /// What it does.
    pub action: Action,
}

/// What a write does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Opens a session.
    RegisterSession,
    /// Creates a user.
    CreateUser {
        /// Unique; 1 to 64 characters.
        name: String,
    },
    /// Creates a room; its creator is a member.
    CreateRoom {
        /// Unique; 1 to 64 characters.
        name: String,
        /// At most 1024 characters.
        description: String,
        /// A user.
        creator: u64,
    },
    /// Makes a user a member of a room; again is fine.
    JoinRoom {
        /// The room.
        room_id: u64,
        /// The user.
        user_id: u64,
    },
    /// Sends a message.
    SendMessage {
        /// The room.
        room_id: u64,
        /// Its author, a member.
        author: u64,
        /// The text, UTF-8.
        body: Bytes,
    },
}

/// What came of a write: a function of the log alone, remembered with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A session is open.
    SessionRegistered {
        /// Its id.
        session_id: u64,
        /// How many of its newest writes are remembered.
        window: u64,
    },
    /// A user exists now.
    UserCreated {
        /// Its id.
        user_id: u64,
    },
    /// A room exists now.
    RoomCreated {
        /// Its id.
        room_id: u64,
    },
    /// The user is a member.
    Joined,
    /// The message is in its room.
    Sent {
        /// The room.
        room_id: u64,
        /// Its number in the room: 1, 2, 3… without gaps.
        seq: u64,
        /// Its log index.
        index: u64,
        /// Its term.
        term: u64,
    },
    /// It was refused.
    Refused(WriteError),
}

/// Why the state machine refused a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Another user or room has that name.
    #[error("that name is taken")]
    NameTaken,
    /// No such user.
    #[error("there is no user {0}")]
    NoSuchUser(u64),
    /// No such room.
    #[error("there is no room {0}")]
    NoSuchRoom(u64),
    /// The author is no member of the room.
    #[error("user {user_id} is no member of room {room_id}")]
    NotMember {
        /// The author.
        user_id: u64,
        /// The room.
        room_id: u64,
    },
    /// The session was never opened, or has expired. Nothing was applied.
    #[error("session {0} is unknown or has expired")]
    SessionExpired(u64),
    /// The sequence number is below the session's window: what came of it is forgotten.
    /// Nothing was applied now.
    #[error("sequence {0} is below the session's window: its outcome is unknown")]
    OutcomeUnknown(u64),
    /// The key was used for another request. Nothing was applied.
    #[error("that idempotency key was used for another request")]
    KeyReused,
}

/// A read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// The user of a name.
    UserNamed {
        /// Its name.
        name: String,
    },
    /// The room of a name.
    RoomNamed {
        /// Its name.
        name: String,
    },
    /// A room's members, in order of their ids.
    Members {
        /// The room.
        room_id: u64,
        /// Only ids above this.
        after: u64,
        /// At most so many.
        limit: usize,
    },
    /// A page of a room's messages, oldest first.
    Messages {
        /// The room.
        room_id: u64,
        /// Which page.
        page: Page,
        /// At most so many.
        limit: usize,
    },
    /// Messages in all rooms of a user, in log order.
    Inbox {
        /// The user.
        user_id: u64,
        /// Only those whose log index is above this: the cursor.
        after: LogIndex,
        /// At most so many.
        limit: usize,
    },
}

/// Which page of a room's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The first messages with a higher seq.
    After(u64),
    /// The last messages with a lower seq.
    Before(u64),
    /// The last messages.
    Latest,
}

/// Where a message is: its body is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRef {
    /// Its room.
    pub room_id: u64,
    /// Its number there.
    pub seq: u64,
    /// Its log index.
    pub index: LogIndex,
}

/// What the state machine knows of a query's answer; message bodies are fetched by their
/// log indexes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A user's id.
    User(u64),
    /// A room's id.
    Room(u64),
    /// User ids and names.
    Members(Vec<(u64, String)>),
    /// Messages in the order of the answer.
    Messages(Vec<MessageRef>),
    /// Messages and the next cursor.
    Inbox {
        /// In log order.
        messages: Vec<MessageRef>,
        /// Give it back as `after`.
        cursor: LogIndex,
    },
}

/// Why a query has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No such user.
    #[error("there is no user {0}")]
    NoSuchUser(u64),
    /// No such room.
    #[error("there is no room {0}")]
    NoSuchRoom(u64),
    /// No user has that name.
    #[error("there is no user of that name")]
    NoUserNamed,
    /// No room has that name.
    #[error("there is no room of that name")]
    NoRoomNamed,
}

/// A message with its body, as an answer carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Its room.
    pub room_id: u64,
    /// Its number there.
    pub seq: u64,
    /// Who sent it.
    pub author: u64,
    /// The leader's clock when it was sent, in milliseconds since the epoch.
    pub sent_at_ms: u64,
    /// The text, UTF-8.
    pub body: Bytes,
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A user's id.
    User(u64),
    /// A room's id.
    Room(u64),
    /// User ids and names.
    Members(Vec<(u64, String)>),
    /// Messages, oldest first.
    Messages(Vec<ChatMessage>),
    /// Messages in log order, and the next cursor.
    Inbox {
        /// The messages.
        messages: Vec<ChatMessage>,
        /// Give it back as `after`.
        cursor: LogIndex,
    },
}
