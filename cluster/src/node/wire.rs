//! Frames between replicas.
//!
//! A connection is dialed by the one who speaks on it; the other only listens, so each pair of
//! replicas has two. It opens with a [`Hello`] and its [`Welcome`], then carries frames:
//!
//! ```text
//! length u32 | CRC32C u32 | kind u8 | body      (length counts kind and body; so does the CRC)
//! ```

use bytes::{Buf, Bytes, BytesMut};

use crate::chat::Digest;
use crate::codec::{self, DecodeError, Reader};
use crate::raft::{AppendResult, Body, Entry, LogIndex, Message, NodeId};

/// The version of all that is in this file; peers of another one are refused.
pub(crate) const PROTOCOL_VERSION: u32 = 1;

/// The first bytes of a connection.
const MAGIC: u32 = u32::from_le_bytes(*b"TGPL");

/// Bytes before a frame's kind: length and checksum.
const FRAME_HEADER_BYTES: usize = 8;

/// The longest frame, in bytes: an AppendEntries of 256 KiB and one more entry of the longest
/// kind (a 64 KiB body and its head) stay far below it.
pub(crate) const MAX_FRAME_BYTES: usize = 1 << 20;

/// The longest hello or welcome, in bytes: ids and a URL.
pub(crate) const MAX_HANDSHAKE_BYTES: usize = 4096;

/// Why bytes from a peer were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("not a Telegraft peer")]
    Magic,
    #[error("protocol version {0}, this is version {PROTOCOL_VERSION}")]
    Version(u32),
    #[error("a frame of {0} bytes is too long")]
    TooLong(usize),
    #[error("a frame without a kind")]
    Empty,
    #[error("a frame's checksum does not match")]
    Checksum,
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    #[error("an undecodable frame: {0}")]
    Decode(#[from] DecodeError),
}

/// What the dialing side says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub cluster_id: String,
    pub from: NodeId,
    pub to: NodeId,
    pub directory_id: String,
    /// Where the sender serves HTTP.
    pub url: String,
}

/// What the listening side answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Welcome {
    /// Speak.
    Accepted { directory_id: String, url: String },
    /// Go away, and why.
    Refused(String),
}

/// What is said after the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The Raft core speaks.
    Raft(Message),
    /// A follower's applied index and digest, for its leader to compare.
    Applied { index: LogIndex, digest: Digest },
    /// The leader's digest at that index differs.
    Diverged { index: LogIndex },
}

const KIND_REQUEST_VOTE: u8 = 1;
const KIND_VOTE: u8 = 2;
const KIND_APPEND_ENTRIES: u8 = 3;
const KIND_APPEND_MATCHED: u8 = 4;
const KIND_APPEND_CONFLICT: u8 = 5;
const KIND_READ_INDEX: u8 = 6;
const KIND_READ_INDEX_REPLY: u8 = 7;
const KIND_TIMEOUT_NOW: u8 = 8;
const KIND_APPLIED: u8 = 9;
const KIND_DIVERGED: u8 = 10;
const KIND_HELLO: u8 = 11;
const KIND_WELCOME: u8 = 12;
const KIND_REFUSED: u8 = 13;

/// Appends a frame around what `body` writes.
fn put_frame(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    out.push(kind);
    body(out);
    let content = start + FRAME_HEADER_BYTES;
    let length = u32::try_from(out.len() - content).expect("a frame is below 4 GiB");
    let crc = crc32c::crc32c(&out[content..]);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..content].copy_from_slice(&crc.to_le_bytes());
}

/// Takes a whole frame off `input`, header and all, or nothing while it is not all there. Its
/// checksum is not looked at.
pub(crate) fn take_raw_frame(
    input: &mut BytesMut,
    max_bytes: usize,
) -> Result<Option<BytesMut>, WireError> {
    if input.len() < FRAME_HEADER_BYTES {
        return Ok(None);
    }
    let length = u32::from_le_bytes(input[..4].try_into().expect("four bytes")) as usize;
    if length > max_bytes {
        return Err(WireError::TooLong(length));
    }
    if length == 0 {
        return Err(WireError::Empty);
    }
    if input.len() < FRAME_HEADER_BYTES + length {
        input.reserve(FRAME_HEADER_BYTES + length - input.len());
        return Ok(None);
    }
    Ok(Some(input.split_to(FRAME_HEADER_BYTES + length)))
}

/// Takes a whole frame off `input`: its kind and body, or nothing while it is not all there.
fn take_frame(input: &mut BytesMut, max_bytes: usize) -> Result<Option<(u8, Bytes)>, WireError> {
    let Some(mut frame) = take_raw_frame(input, max_bytes)? else {
        return Ok(None);
    };
    let crc = u32::from_le_bytes(frame[4..8].try_into().expect("four bytes"));
    frame.advance(FRAME_HEADER_BYTES);
    let mut content = frame.freeze();
    if crc32c::crc32c(&content) != crc {
        return Err(WireError::Checksum);
    }
    let kind = content.get_u8();
    Ok(Some((kind, content)))
}

impl Hello {
    /// Appends the opening of a connection.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_frame(out, KIND_HELLO, |out| {
            codec::put_u32(out, MAGIC);
            codec::put_u32(out, PROTOCOL_VERSION);
            codec::put_bytes(out, self.cluster_id.as_bytes());
            codec::put_u64(out, self.from);
            codec::put_u64(out, self.to);
            codec::put_bytes(out, self.directory_id.as_bytes());
            codec::put_bytes(out, self.url.as_bytes());
        });
    }

    /// Takes the opening of a connection off `input`, once it is all there.
    pub(crate) fn decode(input: &mut BytesMut) -> Result<Option<Hello>, WireError> {
        let Some((kind, body)) = take_frame(input, MAX_HANDSHAKE_BYTES)? else {
            return Ok(None);
        };
        if kind != KIND_HELLO {
            return Err(WireError::Kind(kind));
        }
        let mut reader = Reader::new(body);
        if reader.u32("magic")? != MAGIC {
            return Err(WireError::Magic);
        }
        let version = reader.u32("protocol version")?;
        if version != PROTOCOL_VERSION {
            return Err(WireError::Version(version));
        }
        let hello = Hello {
            cluster_id: reader.string("cluster id")?,
            from: reader.u64("sender")?,
            to: reader.u64("receiver")?,
            directory_id: reader.string("directory id")?,
            url: reader.string("HTTP address")?,
        };
        reader.finish()?;
        Ok(Some(hello))
    }
}

impl Welcome {
    /// Appends the answer to a hello.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Welcome::Accepted { directory_id, url } => put_frame(out, KIND_WELCOME, |out| {
                codec::put_bytes(out, directory_id.as_bytes());
                codec::put_bytes(out, url.as_bytes());
            }),
            Welcome::Refused(reason) => put_frame(out, KIND_REFUSED, |out| {
                codec::put_bytes(out, reason.as_bytes());
            }),
        }
    }

    /// Takes the answer to a hello off `input`, once it is all there.
    pub(crate) fn decode(input: &mut BytesMut) -> Result<Option<Welcome>, WireError> {
        let Some((kind, body)) = take_frame(input, MAX_HANDSHAKE_BYTES)? else {
            return Ok(None);
        };
        let mut reader = Reader::new(body);
        let welcome = match kind {
            KIND_WELCOME => Welcome::Accepted {
                directory_id: reader.string("directory id")?,
                url: reader.string("HTTP address")?,
            },
            KIND_REFUSED => Welcome::Refused(reader.string("reason")?),
            other => return Err(WireError::Kind(other)),
        };
        reader.finish()?;
        Ok(Some(welcome))
    }
}

impl Frame {
    /// Appends the frame.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Frame::Raft(message) => encode_message(message, out),
            Frame::Applied { index, digest } => put_frame(out, KIND_APPLIED, |out| {
                codec::put_u64(out, *index);
                out.extend_from_slice(&digest.0.to_le_bytes());
            }),
            Frame::Diverged { index } => put_frame(out, KIND_DIVERGED, |out| {
                codec::put_u64(out, *index);
            }),
        }
    }

    /// Takes one frame off `input`, once it is all there. Commands are slices of it.
    pub(crate) fn decode(input: &mut BytesMut) -> Result<Option<Frame>, WireError> {
        let Some((kind, body)) = take_frame(input, MAX_FRAME_BYTES)? else {
            return Ok(None);
        };
        let mut reader = Reader::new(body);
        let frame = match kind {
            KIND_APPLIED => Frame::Applied {
                index: reader.u64("applied index")?,
                digest: Digest(reader.u128("digest")?),
            },
            KIND_DIVERGED => Frame::Diverged {
                index: reader.u64("diverged index")?,
            },
            _ => Frame::Raft(Message {
                term: reader.u64("term")?,
                body: decode_body(kind, &mut reader)?,
            }),
        };
        reader.finish()?;
        Ok(Some(frame))
    }
}

fn encode_message(message: &Message, out: &mut Vec<u8>) {
    let kind = match &message.body {
        Body::RequestVote { .. } => KIND_REQUEST_VOTE,
        Body::Vote { .. } => KIND_VOTE,
        Body::AppendEntries { .. } => KIND_APPEND_ENTRIES,
        Body::AppendReply {
            result: AppendResult::Matched { .. },
            ..
        } => KIND_APPEND_MATCHED,
        Body::AppendReply {
            result: AppendResult::Conflict { .. },
            ..
        } => KIND_APPEND_CONFLICT,
        Body::ReadIndex { .. } => KIND_READ_INDEX,
        Body::ReadIndexReply { .. } => KIND_READ_INDEX_REPLY,
        Body::TimeoutNow => KIND_TIMEOUT_NOW,
    };
    put_frame(out, kind, |out| {
        codec::put_u64(out, message.term);
        match &message.body {
            Body::RequestVote {
                pre_vote,
                transfer,
                last_index,
                last_term,
            } => {
                out.push(u8::from(*pre_vote));
                out.push(u8::from(*transfer));
                codec::put_u64(out, *last_index);
                codec::put_u64(out, *last_term);
            }
            Body::Vote { pre_vote, granted } => {
                out.push(u8::from(*pre_vote));
                out.push(u8::from(*granted));
            }
            Body::AppendEntries {
                prev_index,
                prev_term,
                entries,
                commit,
                round,
            } => {
                codec::put_u64(out, *prev_index);
                codec::put_u64(out, *prev_term);
                codec::put_u64(out, *commit);
                codec::put_u64(out, *round);
                codec::put_u32(
                    out,
                    u32::try_from(entries.len()).expect("a frame's entries are few"),
                );
                for entry in entries {
                    entry.encode(out);
                }
            }
            Body::AppendReply { round, result } => {
                codec::put_u64(out, *round);
                match result {
                    AppendResult::Matched { durable } => codec::put_u64(out, *durable),
                    AppendResult::Conflict {
                        prev_index,
                        hint_index,
                        hint_term,
                    } => {
                        codec::put_u64(out, *prev_index);
                        codec::put_u64(out, *hint_index);
                        codec::put_u64(out, *hint_term);
                    }
                }
            }
            Body::ReadIndex { context } => codec::put_u64(out, *context),
            Body::ReadIndexReply { context, index } => {
                codec::put_u64(out, *context);
                out.push(u8::from(index.is_some()));
                codec::put_u64(out, index.unwrap_or(0));
            }
            Body::TimeoutNow => {}
        }
    });
}

fn decode_body(kind: u8, reader: &mut Reader) -> Result<Body, WireError> {
    Ok(match kind {
        KIND_REQUEST_VOTE => Body::RequestVote {
            pre_vote: reader.bool("pre-vote")?,
            transfer: reader.bool("transfer")?,
            last_index: reader.u64("last index")?,
            last_term: reader.u64("last term")?,
        },
        KIND_VOTE => Body::Vote {
            pre_vote: reader.bool("pre-vote")?,
            granted: reader.bool("granted")?,
        },
        KIND_APPEND_ENTRIES => {
            let prev_index = reader.u64("previous index")?;
            let prev_term = reader.u64("previous term")?;
            let commit = reader.u64("commit index")?;
            let round = reader.u64("round")?;
            let count = reader.u32("number of entries")? as usize;
            // A lying count must not reserve memory that the frame cannot fill.
            let mut entries =
                Vec::with_capacity(count.min(reader.remaining() / Entry::OVERHEAD_BYTES));
            for offset in 1..=count as u64 {
                let entry = Entry::decode(reader)?;
                if Some(entry.index) != prev_index.checked_add(offset) {
                    return Err(DecodeError::Invalid {
                        field: "entry index",
                        value: entry.index,
                    }
                    .into());
                }
                entries.push(entry);
            }
            Body::AppendEntries {
                prev_index,
                prev_term,
                entries,
                commit,
                round,
            }
        }
        KIND_APPEND_MATCHED => Body::AppendReply {
            round: reader.u64("round")?,
            result: AppendResult::Matched {
                durable: reader.u64("durable index")?,
            },
        },
        KIND_APPEND_CONFLICT => Body::AppendReply {
            round: reader.u64("round")?,
            result: AppendResult::Conflict {
                prev_index: reader.u64("previous index")?,
                hint_index: reader.u64("hint index")?,
                hint_term: reader.u64("hint term")?,
            },
        },
        KIND_READ_INDEX => Body::ReadIndex {
            context: reader.u64("read context")?,
        },
        KIND_READ_INDEX_REPLY => {
            let context = reader.u64("read context")?;
            let known = reader.bool("whether there is an index")?;
            let index = reader.u64("read index")?;
            Body::ReadIndexReply {
                context,
                index: known.then_some(index),
            }
        }
        KIND_TIMEOUT_NOW => Body::TimeoutNow,
        other => return Err(WireError::Kind(other)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::Payload;

    fn frames() -> Vec<Frame> {
        let raft = |body| Frame::Raft(Message { term: 7, body });
        let entries = vec![
            Entry {
                index: 5,
                term: 6,
                payload: Payload::Noop,
            },
            Entry {
                index: 6,
                term: 7,
                payload: Payload::Command(Bytes::from_static(b"hello")),
            },
        ];
        vec![
            raft(Body::RequestVote {
                pre_vote: true,
                transfer: false,
                last_index: 3,
                last_term: 2,
            }),
            raft(Body::Vote {
                pre_vote: false,
                granted: true,
            }),
            raft(Body::AppendEntries {
                prev_index: 4,
                prev_term: 6,
                entries,
                commit: 4,
                round: 9,
            }),
            raft(Body::AppendReply {
                round: 9,
                result: AppendResult::Matched { durable: 6 },
            }),
            raft(Body::AppendReply {
                round: 9,
                result: AppendResult::Conflict {
                    prev_index: 4,
                    hint_index: 2,
                    hint_term: 1,
                },
            }),
            raft(Body::ReadIndex { context: 1 }),
            raft(Body::ReadIndexReply {
                context: 1,
                index: Some(6),
            }),
            raft(Body::ReadIndexReply {
                context: 2,
                index: None,
            }),
            raft(Body::TimeoutNow),
            Frame::Applied {
                index: 6,
                digest: Digest(u128::MAX - 5),
            },
            Frame::Diverged { index: 6 },
        ]
    }

    #[test]
    fn frames_come_back_as_they_went_however_they_are_cut() {
        let mut bytes = Vec::new();
        for frame in frames() {
            frame.encode(&mut bytes);
        }
        for chunk in [1, 7, bytes.len()] {
            let mut input = BytesMut::new();
            let mut seen = Vec::new();
            for piece in bytes.chunks(chunk) {
                input.extend_from_slice(piece);
                while let Some(frame) = Frame::decode(&mut input).unwrap() {
                    seen.push(frame);
                }
            }
            assert_eq!(seen, frames());
            assert!(input.is_empty());
        }
    }

    #[test]
    fn a_flipped_bit_is_never_taken_for_another_frame() {
        for frame in frames() {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            for bit in 0..bytes.len() * 8 {
                let mut broken = bytes.clone();
                broken[bit / 8] ^= 1 << (bit % 8);
                let outcome = Frame::decode(&mut BytesMut::from(&broken[..]));
                assert!(!matches!(outcome, Ok(Some(_))), "bit {bit} of {frame:?}");
            }
        }
    }

    #[test]
    fn handshakes_are_checked() {
        let hello = Hello {
            cluster_id: "c".into(),
            from: 1,
            to: 2,
            directory_id: "d".into(),
            url: "http://127.0.0.1:1".into(),
        };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        assert_eq!(
            Hello::decode(&mut BytesMut::from(&bytes[..])),
            Ok(Some(hello))
        );
        for (offset, expected) in [(9, WireError::Magic), (13, WireError::Version(254))] {
            let mut other = bytes.clone();
            other[offset] = !other[offset];
            let crc = crc32c::crc32c(&other[8..]);
            other[4..8].copy_from_slice(&crc.to_le_bytes());
            assert_eq!(
                Hello::decode(&mut BytesMut::from(&other[..])),
                Err(expected)
            );
        }
        let mut http = BytesMut::from(&b"GET / HTTP/1.1\r\n\r\n"[..]);
        assert!(matches!(
            Hello::decode(&mut http),
            Err(WireError::TooLong(_))
        ));
        for welcome in [
            Welcome::Accepted {
                directory_id: "d".into(),
                url: "u".into(),
            },
            Welcome::Refused("another cluster".into()),
        ] {
            let mut bytes = Vec::new();
            welcome.encode(&mut bytes);
            assert_eq!(
                Welcome::decode(&mut BytesMut::from(&bytes[..])),
                Ok(Some(welcome))
            );
        }
    }
}
