//! Answers as bytes.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::api::{
    InboxMessage, Member, Message, MessageSent, RoomCreated, RoomFound, SessionCreated,
    UserCreated, UserFound,
};
use super::problem::Failure;
use crate::chat::{Answer, ChatMessage, Outcome};
use crate::raft::LogIndex;

pub(super) type Reply = Response<Full<Bytes>>;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A message in a page without its text, in bytes: names, numbers and punctuation.
const MESSAGE_OVERHEAD: usize = 96;

/// Room for an answer of a few numbers, in bytes.
const SMALL: usize = 128;

pub(super) fn with_body(status: u16, content_type: HeaderValue, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() =
        StatusCode::from_u16(status).expect("every status of this interface is one");
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply
}

pub(super) fn json(status: u16, value: &impl Serialize) -> Reply {
    with_body(status, JSON, to_json(value))
}

pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SMALL);
    put(&mut bytes, value);
    bytes
}

/// What came of a write.
pub(super) fn outcome(outcome: Outcome) -> Result<Reply, Failure> {
    Ok(match outcome {
        Outcome::SessionRegistered { session_id, window } => {
            json(201, &SessionCreated { session_id, window })
        }
        Outcome::UserCreated { user_id } => json(201, &UserCreated { user_id }),
        Outcome::RoomCreated { room_id } => json(201, &RoomCreated { room_id }),
        Outcome::Joined => {
            let mut reply = Response::new(Full::default());
            *reply.status_mut() = StatusCode::NO_CONTENT;
            reply
        }
        Outcome::Sent {
            room_id,
            seq,
            index,
            term,
        } => json(
            201,
            &MessageSent {
                room_id,
                seq,
                index,
                term,
            },
        ),
        Outcome::Refused(error) => return Err(error.into()),
    })
}

/// What a read has found; a page is written straight into the bytes that are sent.
pub(super) fn found(answer: &Answer, applied_index: LogIndex) -> Reply {
    let room = |messages: &[ChatMessage]| {
        let texts: usize = messages.iter().map(|message| message.body.len()).sum();
        Vec::with_capacity(SMALL + texts + messages.len() * MESSAGE_OVERHEAD)
    };
    let mut bytes;
    match answer {
        Answer::User(user_id) => return json(200, &UserFound { user_id: *user_id }),
        Answer::Room(room_id) => return json(200, &RoomFound { room_id: *room_id }),
        Answer::Members(members) => {
            bytes = Vec::with_capacity(SMALL + members.len() * MESSAGE_OVERHEAD);
            list(&mut bytes, "members", members, |bytes, (user_id, name)| {
                put(
                    bytes,
                    &Member {
                        user_id: *user_id,
                        name: name.clone(),
                    },
                );
            });
        }
        Answer::Messages(messages) => {
            bytes = room(messages);
            list(&mut bytes, "messages", messages, |bytes, message| {
                put(
                    bytes,
                    &Message {
                        seq: message.seq,
                        author: message.author,
                        body: String::from_utf8_lossy(&message.body),
                        sent_at: message.sent_at_ms,
                    },
                );
            });
        }
        Answer::Inbox { messages, cursor } => {
            bytes = room(messages);
            list(&mut bytes, "messages", messages, |bytes, message| {
                put(
                    bytes,
                    &InboxMessage {
                        room_id: message.room_id,
                        seq: message.seq,
                        author: message.author,
                        body: String::from_utf8_lossy(&message.body),
                        sent_at: message.sent_at_ms,
                    },
                );
            });
            bytes.extend_from_slice(b",\"cursor\":\"");
            put(&mut bytes, cursor);
            bytes.push(b'"');
        }
    }
    bytes.extend_from_slice(b",\"applied_index\":");
    put(&mut bytes, &applied_index);
    bytes.push(b'}');
    with_body(200, JSON, bytes)
}

/// Opens an object with `name` and the list of `items`.
fn list<T>(bytes: &mut Vec<u8>, name: &str, items: &[T], put_item: impl Fn(&mut Vec<u8>, &T)) {
    bytes.extend_from_slice(b"{\"");
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b"\":[");
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            bytes.push(b',');
        }
        put_item(bytes, item);
    }
    bytes.push(b']');
}

fn put(bytes: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(bytes, value)
        .expect("these types have a JSON form, and memory no errors");
}

/// The metrics of the thing behind, followed by the server's own.
pub(super) fn metrics(mut text: String, own: &str) -> Reply {
    // OpenMetrics ends with a mark that nothing may follow; the older format has none.
    const END: &str = "# EOF\n";
    let open_metrics = text.ends_with(END);
    if open_metrics {
        text.truncate(text.len() - END.len());
    }
    text.push_str(own);
    let content_type = if open_metrics {
        text.push_str(END);
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    with_body(
        200,
        HeaderValue::from_static(content_type),
        text.into_bytes(),
    )
}

/// `/healthz` and `/readyz`, when all is well.
pub(super) fn well() -> Reply {
    with_body(200, JSON, br#"{"status":"ok"}"#.to_vec())
}
