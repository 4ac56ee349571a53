//! Message bodies: each names the message that it is, so that what a replica holds can be
//! compared with what was sent, byte for byte, without keeping a list.
//!
//! `5f3a9c21-17-204-128-` (the run's nonce, the client, its number for the message, the size) and
//! then letters up to that size. Nothing in it is written otherwise in JSON.

use std::io::Write as _;

/// Bytes that an id can take: eight digits of the nonce, seven of the client, eight of the number
/// (no client sends more in a run), five of the size, and what stands between them.
pub const MIN_BYTES: usize = 32;

/// What bodies are filled up with.
const FILLING: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.";

/// Which message of a run a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The client, from 0.
    pub client: u32,
    /// The client's number for it, from 0.
    pub number: u32,
}

/// Appends the body of a message, `bytes` long, to `out`.
pub fn write(out: &mut Vec<u8>, nonce: &str, id: MessageId, bytes: usize) {
    let start = out.len();
    write!(out, "{nonce}-{}-{}-{bytes}-", id.client, id.number).expect("a vector takes every byte");
    let end = start + bytes;
    // Bodies of different messages differ everywhere, so that mixing two up shows.
    let mut from = (id.number as usize).wrapping_add(id.client as usize) % FILLING.len();
    while out.len() < end {
        let part = &FILLING[from..];
        let take = part.len().min(end - out.len());
        out.extend_from_slice(&part[..take]);
        from = 0;
    }
}

/// Which message of the run `nonce` a body claims to be, and its size.
pub fn id(body: &str, nonce: &str) -> Option<(MessageId, usize)> {
    let mut parts = body.strip_prefix(nonce)?.strip_prefix('-')?.splitn(4, '-');
    let client = parts.next()?.parse().ok()?;
    let number = parts.next()?.parse().ok()?;
    let bytes = parts.next()?.parse().ok()?;
    parts.next()?;
    Some((MessageId { client, number }, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_its_message_and_has_the_size() {
        for (client, number, bytes) in [(0, 0, 32), (17, 204, 128), (9_999_999, 99_999_999, 61_440)]
        {
            let mut body = Vec::new();
            let message = MessageId { client, number };
            write(&mut body, "5f3a9c21", message, bytes);
            let body = String::from_utf8(body).expect("ASCII");
            assert_eq!(body.len(), bytes, "{body}");
            assert_eq!(id(&body, "5f3a9c21"), Some((message, bytes)), "{body}");
            assert_eq!(id(&body, "5f3a9c22"), None, "{body}");
        }
        assert_eq!(id("hello", "5f3a9c21"), None);
        assert_eq!(id("5f3a9c21-1-x-32-", "5f3a9c21"), None);
    }
}
