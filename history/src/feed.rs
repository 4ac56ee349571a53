//! Reads a history in blocks and takes its lines apart, ahead of who judges them.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::MAX_LINE_BYTES;
use crate::entry::{Entry, Value, any_line};
use crate::fast::plain_line;

/// What is read at once, in bytes: enough that handing it over costs nothing beside it.
const BLOCK_BYTES: usize = 1 << 20;

/// Batches that may wait for the judge: enough that neither waits for the other long.
pub(crate) const MAX_BATCHES: usize = 4;

/// The lines of a block.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The byte of the file that its first line begins at.
    pub(crate) offset: u64,
    pub(crate) entries: Vec<Entry>,
    /// The values of the entries' pages, one after the other.
    pub(crate) values: Vec<Value>,
    /// Why no line follows.
    pub(crate) end: Option<End>,
}

/// How the reading ended.
#[derive(Debug)]
pub(crate) enum End {
    /// At the file's end.
    Whole,
    /// At the file's end, in the middle of a line.
    Torn,
    /// The next line says nothing.
    Malformed(String),
    /// The next line is longer than [`MAX_LINE_BYTES`].
    TooLong,
    /// The file cannot be read.
    Unreadable(io::Error),
    /// The caller asked to stop.
    Stopped,
}

/// Reads all lines and hands them over. Ends early when `to` wants no more.
pub(crate) fn feed(
    mut from: impl Read,
    stop: Option<&AtomicBool>,
    mut to: impl FnMut(Batch) -> bool,
) {
    let mut block = Block::default();
    loop {
        let batch = if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            Batch {
                offset: block.offset,
                end: Some(End::Stopped),
                ..Batch::default()
            }
        } else {
            block.next(&mut from)
        };
        let is_last = batch.end.is_some();
        if !to(batch) || is_last {
            return;
        }
    }
}

/// The bytes that are read and not taken apart yet: less than a line, between two blocks.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    /// The byte of the file that `bytes` begin at.
    offset: u64,
}

impl Block {
    fn next(&mut self, from: &mut impl Read) -> Batch {
        let had = self.bytes.len();
        let read = from
            .by_ref()
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut self.bytes);
        let mut batch = Batch {
            offset: self.offset,
            ..Batch::default()
        };
        if let Err(error) = read {
            batch.end = Some(End::Unreadable(error));
            return batch;
        }
        let is_end = self.bytes.len() - had < BLOCK_BYTES;
        let mut at = 0;
        while at < self.bytes.len() {
            let rest = &self.bytes[at..];
            if let Some((entry, length)) = plain_line(rest, &mut batch.values) {
                batch.entries.push(entry);
                at += length;
                continue;
            }
            // A line that spans blocks is looked through again with each: MAX_LINE_BYTES bounds it.
            let end = rest.iter().position(|&byte| byte == b'\n');
            if end.unwrap_or(rest.len()) > MAX_LINE_BYTES {
                batch.end = Some(End::TooLong);
                return batch;
            }
            let line = match end {
                Some(end) => &rest[..end],
                None if is_end => rest,
                None => break,
            };
            match any_line(line, &mut batch.values) {
                Ok(entry) => batch.entries.push(entry),
                Err(_) if end.is_none() => {
                    batch.end = Some(End::Torn);
                    return batch;
                }
                Err(why) => {
                    batch.end = Some(End::Malformed(why));
                    return batch;
                }
            }
            at += line.len() + usize::from(end.is_some());
        }
        self.bytes.drain(..at);
        self.offset += at as u64;
        if is_end {
            batch.end = Some(End::Whole);
        }
        batch
    }
}
