//! Reads: what the applied state says.

use super::Chat;
use super::types::{Found, Query, QueryError};
use crate::known_bugs::{self, KnownBug};

impl Chat {
    /// Answers a query from what is applied.
    ///
    /// An inbox's next cursor passes no message by: it is the last one of a full page, and
    /// else the applied index, as every later message has a higher one. It is never below
    /// the cursor given, which another replica may have made that is further on. What was
    /// sent to a room before its reader joined is in the inbox if it is above the cursor,
    /// and in the room's pages anyway.
    pub fn query(&self, query: &Query) -> Result<Found, QueryError> {
        match *query {
            Query::UserNamed { ref name } => {
                let user_id = self.users.named(name).ok_or(QueryError::NoUserNamed)?;
                Ok(Found::User(user_id))
            }
            Query::RoomNamed { ref name } => {
                let room_id = self.rooms.named(name).ok_or(QueryError::NoRoomNamed)?;
                Ok(Found::Room(room_id))
            }
            Query::Members {
                room_id,
                after,
                limit,
            } => {
                let room = self
                    .rooms
                    .get(room_id)
                    .ok_or(QueryError::NoSuchRoom(room_id))?;
                let members = room.members_after(after).take(limit).map(|id| {
                    let name = self.users.name(id).expect("a member is a user");
                    (id, name.to_owned())
                });
                Ok(Found::Members(members.collect()))
            }
            Query::Messages {
                room_id,
                page,
                limit,
            } => {
                let room = self
                    .rooms
                    .get(room_id)
                    .ok_or(QueryError::NoSuchRoom(room_id))?;
                Ok(Found::Messages(room.page(page, limit)))
            }
            Query::Inbox {
                user_id,
                after,
                limit,
            } => {
                let rooms = self
                    .users
                    .rooms(user_id)
                    .ok_or(QueryError::NoSuchUser(user_id))?;
                let rooms = if known_bugs::active(KnownBug::InboxKnowsFirstRoomOnly) {
                    &rooms[..rooms.len().min(1)]
                } else {
                    rooms
                };
                let messages = self.rooms.merged_after(rooms, after, limit);
                let all = messages.len() < limit;
                let cursor = if all || known_bugs::active(KnownBug::InboxCursorSkips) {
                    after.max(self.applied().0)
                } else {
                    messages.last().map_or(after, |message| message.index)
                };
                Ok(Found::Inbox { messages, cursor })
            }
        }
    }
}
