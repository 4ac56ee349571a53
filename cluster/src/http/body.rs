//! A request's body: reading it within bounds, and the write that it asks for.

use std::borrow::Cow;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use serde::Deserialize;
use tokio::time::timeout;

use super::MAX_BODY_BYTES;
use super::api::{NewMessage, NewRoom, NewUser};
use super::problem::{self, Failure, seconds};
use super::request::{ID_BOUND, Target};
use crate::chat::Action;

/// A name, in characters.
const MAX_NAME_CHARS: usize = 64;
/// A room's description, in characters.
const MAX_DESCRIPTION_CHARS: usize = 1024;
/// A body that is too large, or not wanted, is read on for so many bytes and no longer than
/// `DRAIN_TIME`: a client that is still sending reads its answer only then.
const DRAIN_BYTES: usize = 256 << 10;
/// See `DRAIN_BYTES`.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// The write that a POST or PUT of `target` with this body is.
pub(super) fn action(target: Target, body: &Bytes) -> Result<Action, Failure> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Failure::bad_request(format!(
            "the body is not UTF-8 from its byte {}",
            error.valid_up_to()
        ))
    })?;
    Ok(match target {
        Target::Sessions => {
            no_body(text)?;
            Action::RegisterSession
        }
        Target::Member { room_id, user_id } => {
            no_body(text)?;
            Action::JoinRoom { room_id, user_id }
        }
        Target::Users => {
            let NewUser { name } = parse(text)?;
            check_name(&name)?;
            Action::CreateUser { name }
        }
        Target::Rooms => {
            let NewRoom {
                name,
                description,
                creator,
            } = parse(text)?;
            check_name(&name)?;
            let chars = description.chars().count();
            if chars > MAX_DESCRIPTION_CHARS {
                return Err(Failure::bad_request(format!(
                    "the description has {chars} characters: {MAX_DESCRIPTION_CHARS} are allowed"
                )));
            }
            Action::CreateRoom {
                name,
                description,
                creator: check_id("creator", creator)?,
            }
        }
        Target::Messages { room_id } => {
            let NewMessage {
                author,
                body: message,
            } = parse(text)?;
            if message.is_empty() {
                return Err(Failure::bad_request(
                    "the message's body is empty: it must have a character at least",
                ));
            }
            Action::SendMessage {
                room_id,
                author: check_id("author", author)?,
                body: match message {
                    // What needs no unescaping is not copied.
                    Cow::Borrowed(text) => body.slice_ref(text.as_bytes()),
                    Cow::Owned(text) => Bytes::from(text),
                },
            }
        }
        _ => unreachable!("no other target takes a POST or PUT: see Target::allow"),
    })
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::bad_request(format!("the body does not fit: {error}")))
}

fn no_body(text: &str) -> Result<(), Failure> {
    match text.trim_ascii() {
        "" | "{}" => Ok(()),
        _ => Err(Failure::bad_request("this takes no body")),
    }
}

fn check_id(what: &str, id: u64) -> Result<u64, Failure> {
    if id < ID_BOUND {
        Ok(id)
    } else {
        Err(Failure::bad_request(format!(
            "{what} is {id}: it must be below 2^53"
        )))
    }
}

/// Refuses what is no name of a user or a room.
pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    let chars = name.chars().count();
    if !(1..=MAX_NAME_CHARS).contains(&chars) {
        return Err(Failure::bad_request(format!(
            "the name has {chars} characters: it must have 1 to {MAX_NAME_CHARS}"
        )));
    }
    if let Some(control) = name.chars().find(|char| char.is_control()) {
        return Err(Failure::bad_request(format!(
            "the name has the control character {control:?}"
        )));
    }
    Ok(())
}

/// Reads a body of at most [`MAX_BODY_BYTES`], in `time` at most.
pub(super) async fn read(body: &mut Incoming, time: Duration) -> Result<Bytes, Failure> {
    let too_large = || {
        Failure::new(
            problem::BODY_TOO_LARGE,
            format!("the body is longer than {MAX_BODY_BYTES} bytes"),
        )
    };
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let reading = async {
        // Nearly always the first frame is all, and is taken as it is.
        let mut whole = Bytes::new();
        let mut joined = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Failure::bad_request(format!("the body cannot be read: {error}"))
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if whole.len() + joined.len() + data.len() > MAX_BODY_BYTES {
                return Err(too_large());
            }
            if whole.is_empty() && joined.is_empty() {
                whole = data;
            } else {
                joined.extend_from_slice(&std::mem::take(&mut whole));
                joined.extend_from_slice(&data);
            }
            if body.is_end_stream() {
                break;
            }
        }
        Ok(if joined.is_empty() {
            whole
        } else {
            joined.freeze()
        })
    };
    timeout(time, reading).await.unwrap_or_else(|_| {
        Err(Failure::new(
            problem::REQUEST_TIMEOUT,
            format!("the body was not complete after {}", seconds(time)),
        ))
    })
}

/// Reads on what a refused request still sends, within bounds; whether that was all.
pub(super) async fn drain(headers_expect: bool, body: &mut Incoming) -> bool {
    if body.is_end_stream() {
        return true;
    }
    if headers_expect {
        // It waits to be told to send, and is told something else.
        return false;
    }
    let draining = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DRAIN_BYTES {
                return false;
            }
        }
        body.is_end_stream()
    };
    timeout(DRAIN_TIME, draining).await.unwrap_or(false)
}
