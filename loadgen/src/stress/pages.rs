//! Answers to reads, as the history has them.

use bytes::Bytes;
use telegraft_cluster::http::api::{InboxPage, MessagePage};
use telegraft_history::{Completion, Consistency};

use crate::body::{self, MessageId};

/// How much of a body that is none of ours is told, in characters.
const MAX_SHOWN: usize = 64;

/// What a message is called in the history; its body begins with it.
pub(super) fn id(nonce: &str, message: MessageId) -> String {
    format!("{nonce}-{}-{}", message.client, message.number)
}

/// The id of the message that `text` is the whole body of. A body that differs anywhere from what
/// was sent is told as it is, and is a message that nobody has sent.
fn id_of(text: &str, nonce: &str) -> String {
    if let Some((message, bytes)) = body::id(text, nonce)
        && bytes == text.len()
    {
        let mut whole = Vec::with_capacity(bytes);
        body::write(&mut whole, nonce, message, bytes);
        if whole == text.as_bytes() {
            return id(nonce, message);
        }
    }
    let shown: String = text.chars().take(MAX_SHOWN).collect();
    format!("altered: {shown}")
}

/// Where a page of a room is read.
pub(super) fn read_path(
    room: u64,
    after: u64,
    limit: u32,
    consistency: Consistency,
    min_index: u64,
) -> String {
    let consistency = consistency.name();
    let mut path =
        format!("/v1/rooms/{room}/messages?after={after}&limit={limit}&consistency={consistency}");
    if min_index > 0 {
        path.push_str(&format!("&min_index={min_index}"));
    }
    path
}

/// Where a page of an inbox is read.
pub(super) fn inbox_path(user: u64, after: u64, limit: u32, consistency: Consistency) -> String {
    let consistency = consistency.name();
    format!("/v1/users/{user}/inbox?after={after}&limit={limit}&consistency={consistency}")
}

/// A page of a room.
pub(super) fn read(bytes: &Bytes, nonce: &str) -> Result<Completion, String> {
    let page: MessagePage<'_> = serde_json::from_slice(bytes)
        .map_err(|error| format!("the answer cannot be read: {error}"))?;
    let values = page.messages.iter();
    let values = values.map(|message| (message.seq, id_of(&message.body, nonce)));
    Ok(Completion::Read {
        values: values.collect(),
        applied_index: page.applied_index,
    })
}

/// A page of an inbox.
pub(super) fn inbox(bytes: &Bytes, nonce: &str) -> Result<Completion, String> {
    let page: InboxPage<'_> = serde_json::from_slice(bytes)
        .map_err(|error| format!("the answer cannot be read: {error}"))?;
    let cursor = page.cursor.parse();
    let cursor = cursor.map_err(|_| format!("the cursor {:?} is no number", page.cursor))?;
    let values = page.messages.iter();
    let values = values.map(|message| (message.room_id, message.seq, id_of(&message.body, nonce)));
    Ok(Completion::Inbox {
        values: values.collect(),
        applied_index: page.applied_index,
        cursor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_told_by_its_id_if_it_is_whole() {
        let message = MessageId {
            client: 3,
            number: 14,
        };
        let mut body = Vec::new();
        body::write(&mut body, "5f3a9c21", message, 80);
        let body = String::from_utf8(body).expect("ASCII");
        assert_eq!(id_of(&body, "5f3a9c21"), "5f3a9c21-3-14");
        let mut altered = body.clone();
        altered.replace_range(70..71, "~");
        for other in [&altered, &body[..79], "hello"] {
            assert!(id_of(other, "5f3a9c21").starts_with("altered: "), "{other}");
        }
    }
}
