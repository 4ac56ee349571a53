//! The bodies of requests and answers, for the server and its clients alike.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Names the leader's URL on every answer.
pub const LEADER_HEADER: &str = "telegraft-leader";
/// `never` asks for 307 instead of forwarding.
pub const FORWARD_HEADER: &str = "telegraft-forward";
/// Marks a request that a replica forwarded: it goes no further.
pub const FORWARDED_HEADER: &str = "telegraft-forwarded";
/// Milliseconds that the client waits at most; lowers the server's own deadline.
pub const TIMEOUT_HEADER: &str = "telegraft-timeout";
/// `<session_id>/<sequence>`.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";

/// `POST /v1/sessions`, answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCreated {
    /// The session.
    pub session_id: u64,
    /// How many of its newest writes are remembered.
    pub window: u64,
}

/// `POST /v1/users`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// 1 to 64 characters, unique.
    pub name: String,
}

/// `POST /v1/users`, answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserCreated {
    /// The user.
    pub user_id: u64,
}

/// `GET /v1/users?name=`, answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserFound {
    /// The user.
    pub user_id: u64,
}

/// `POST /v1/rooms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRoom {
    /// 1 to 64 characters, unique.
    pub name: String,
    /// At most 1024 characters.
    #[serde(default)]
    pub description: String,
    /// A user.
    pub creator: u64,
}

/// `POST /v1/rooms`, answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomCreated {
    /// The room.
    pub room_id: u64,
}

/// `GET /v1/rooms?name=`, answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomFound {
    /// The room.
    pub room_id: u64,
}

/// `POST /v1/rooms/{room_id}/messages`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewMessage<'a> {
    /// A member of the room.
    pub author: u64,
    /// The text.
    #[serde(borrow)]
    pub body: Cow<'a, str>,
}

/// `POST /v1/rooms/{room_id}/messages`, answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageSent {
    /// The room.
    pub room_id: u64,
    /// The message's number there.
    pub seq: u64,
    /// Its log index.
    pub index: u64,
    /// Its term.
    pub term: u64,
}

/// One message of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<'a> {
    /// Its number in its room.
    pub seq: u64,
    /// Who sent it.
    pub author: u64,
    /// The text.
    #[serde(borrow)]
    pub body: Cow<'a, str>,
    /// Milliseconds since the epoch, by the leader's clock then.
    pub sent_at: u64,
}

/// `GET /v1/rooms/{room_id}/messages`, answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagePage<'a> {
    /// Oldest first.
    #[serde(borrow)]
    pub messages: Vec<Message<'a>>,
    /// The index that was applied when this was read.
    pub applied_index: u64,
}

/// One message of an inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxMessage<'a> {
    /// Its room.
    pub room_id: u64,
    /// Its number there.
    pub seq: u64,
    /// Who sent it.
    pub author: u64,
    /// The text.
    #[serde(borrow)]
    pub body: Cow<'a, str>,
    /// Milliseconds since the epoch, by the leader's clock then.
    pub sent_at: u64,
}

/// `GET /v1/users/{user_id}/inbox`, answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxPage<'a> {
    /// In log order.
    #[serde(borrow)]
    pub messages: Vec<InboxMessage<'a>>,
    /// Give it back as `after`; opaque.
    pub cursor: String,
    /// The index that was applied when this was read.
    pub applied_index: u64,
}

/// One member of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The user.
    pub user_id: u64,
    /// Its name.
    pub name: String,
}

/// `GET /v1/rooms/{room_id}/members`, answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberPage {
    /// In order of their ids.
    pub members: Vec<Member>,
    /// The index that was applied when this was read.
    pub applied_index: u64,
}

/// `GET /v1/digest`, answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestAnswer {
    /// The index.
    pub index: u64,
    /// 32 hexadecimal digits.
    pub digest: String,
}

/// An error, as RFC 9457 has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of error; stable: `urn:telegraft:problem:<name>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time, and where.
    pub detail: String,
    /// With 410 for a trimmed page: the first sequence number that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
}
