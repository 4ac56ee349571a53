//! The binary form of commands, as they stand in the log.
//!
//! One version byte; whether there is a key, and the key; the leader's clock; the kind of the
//! action and its fields. There is one form for each command and no other, so that the
//! action's bytes tell a retry from another request. Lengths and characters are HTTP's to
//! check; here only what is no command at all is an error.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::types::{Action, ChatMessage, Command, MessageRef, SessionKey};
use crate::codec::{self, DecodeError, Reader};

/// The version that is written, and the only one that is read.
const VERSION: u8 = 1;

const REGISTER_SESSION: u8 = 1;
const CREATE_USER: u8 = 2;
const CREATE_ROOM: u8 = 3;
const JOIN_ROOM: u8 = 4;
const SEND_MESSAGE: u8 = 5;

/// Bytes of an encoded command beside the strings of its action, at most: version, key,
/// clock, kind, two integers, a length.
const MAX_FIXED_BYTES: usize = 1 + (1 + 16) + 8 + 1 + 16 + 4;

impl Command {
    /// The binary form, as it stands in the log.
    pub fn encode(&self) -> Bytes {
        let strings = match &self.action {
            Action::RegisterSession | Action::JoinRoom { .. } => 0,
            Action::CreateUser { name } => name.len(),
            Action::CreateRoom {
                name, description, ..
            } => name.len() + 4 + description.len(),
            Action::SendMessage { body, .. } => body.len(),
        };
        let mut out = Vec::with_capacity(MAX_FIXED_BYTES + strings);
        out.push(VERSION);
        match self.key {
            None => out.push(0),
            Some(key) => {
                out.push(1);
                codec::put_u64(&mut out, key.session_id);
                codec::put_u64(&mut out, key.sequence);
            }
        }
        codec::put_u64(&mut out, self.sent_at_ms);
        self.action.encode(&mut out);
        out.into()
    }

    /// The command in a log entry's payload; a message's body is a slice of it, and UTF-8.
    pub fn decode(bytes: Bytes) -> Result<Command, DecodeError> {
        decode(bytes).map(|(command, _)| command)
    }
}

/// A hash of what a command asks for, whoever asks and whenever: equal in a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestHash(pub(super) u64);

/// The command in a payload, and the hash of its action.
pub(super) fn decode(bytes: Bytes) -> Result<(Command, RequestHash), DecodeError> {
    let mut reader = Reader::new(bytes.clone());
    let version = reader.u8("command version")?;
    if version != VERSION {
        return Err(DecodeError::Invalid {
            field: "command version",
            value: u64::from(version),
        });
    }
    let key = if reader.bool("command key")? {
        Some(SessionKey {
            session_id: reader.u64("session id")?,
            sequence: reader.u64("sequence")?,
        })
    } else {
        None
    };
    let sent_at_ms = reader.u64("command clock")?;
    let action_start = bytes.len() - reader.remaining();
    let action = Action::decode(&mut reader)?;
    reader.finish()?;
    let command = Command {
        key,
        sent_at_ms,
        action,
    };
    Ok((command, RequestHash(xxh3_64(&bytes[action_start..]))))
}

impl Action {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Action::RegisterSession => out.push(REGISTER_SESSION),
            Action::CreateUser { name } => {
                out.push(CREATE_USER);
                codec::put_bytes(out, name.as_bytes());
            }
            Action::CreateRoom {
                name,
                description,
                creator,
            } => {
                out.push(CREATE_ROOM);
                codec::put_bytes(out, name.as_bytes());
                codec::put_bytes(out, description.as_bytes());
                codec::put_u64(out, *creator);
            }
            Action::JoinRoom { room_id, user_id } => {
                out.push(JOIN_ROOM);
                codec::put_u64(out, *room_id);
                codec::put_u64(out, *user_id);
            }
            Action::SendMessage {
                room_id,
                author,
                body,
            } => {
                out.push(SEND_MESSAGE);
                codec::put_u64(out, *room_id);
                codec::put_u64(out, *author);
                codec::put_bytes(out, body);
            }
        }
    }

    fn decode(reader: &mut Reader) -> Result<Action, DecodeError> {
        Ok(match reader.u8("action")? {
            REGISTER_SESSION => Action::RegisterSession,
            CREATE_USER => Action::CreateUser {
                name: reader.string("user name")?,
            },
            CREATE_ROOM => Action::CreateRoom {
                name: reader.string("room name")?,
                description: reader.string("room description")?,
                creator: reader.u64("creator")?,
            },
            JOIN_ROOM => Action::JoinRoom {
                room_id: reader.u64("room id")?,
                user_id: reader.u64("user id")?,
            },
            SEND_MESSAGE => Action::SendMessage {
                room_id: reader.u64("room id")?,
                author: reader.u64("author")?,
                body: {
                    let body = reader.bytes("message body")?;
                    std::str::from_utf8(&body).map_err(|_| DecodeError::NotUtf8("message body"))?;
                    body
                },
            },
            other => {
                return Err(DecodeError::Invalid {
                    field: "action",
                    value: u64::from(other),
                });
            }
        })
    }
}

impl ChatMessage {
    /// The message that `reference` names, from its log entry's payload.
    pub fn from_payload(reference: MessageRef, payload: Bytes) -> Result<ChatMessage, DecodeError> {
        let command = Command::decode(payload)?;
        match command.action {
            Action::SendMessage {
                room_id,
                author,
                body,
            } if room_id == reference.room_id => Ok(ChatMessage {
                room_id,
                seq: reference.seq,
                author,
                sent_at_ms: command.sent_at_ms,
                body,
            }),
            Action::SendMessage { room_id, .. } => Err(DecodeError::Invalid {
                field: "room id of the message",
                value: room_id,
            }),
            _ => Err(DecodeError::Invalid {
                field: "log index of the message",
                value: reference.index,
            }),
        }
    }
}
