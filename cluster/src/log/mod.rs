//! The log: the cluster's only store.
//!
//! It is append-only. An entry at an index that is there already supersedes it and all that
//! follow; nothing is ever cut. Terms and votes are records among the entries, so one sync
//! covers both. Everything is little-endian; checksums are CRC32C, started with the salt of
//! the segment, so that bytes of another segment never pass.
//!
//! ```text
//! data-dir/log/  0000000001.log  0000000002.log  …  next.tmp (allocated ahead, all zeros)
//!
//! segment │ header │ batch │ batch │ batch │ zeros …                     │ reserve │
//!         of LogOptions::segment_bytes, allocated when it is made; only terms and votes may
//!         go into the reserve at its end
//!
//! header  │ magic 8 │ length 4 │ crc 4 │ version 4 │ salt 4 │ sequence 8 │ oldest 8
//!         │ first batch 8 │ first index 8 │ previous term 8 │ term 8 │ vote 8
//!         │ configuration in force │ zeros up to a multiple of 512 │
//!         crc covers what follows it. `oldest` is the sequence number of the oldest segment
//!         that belongs to the log; `first index` is that of the next entry, `previous term`
//!         the term of the entry before it.
//!
//! batch   │ magic 4 │ header crc 4 │ number 8 │ length 4 │ crc 4 │ records, `length` bytes │
//!         header crc covers number, length and crc; crc covers the records.
//!
//! record  │ length 4 │ crc 4 │ kind 1 │ body, `length` − 1 bytes │
//!         crc covers length, kind and body. Kind 1 is a term and vote (8 bytes each), always
//!         first in its batch; kind 2 an entry as in `Entry::encode`. The top bit of a length
//!         is never set, and that of the batch's magic is: a reader tells them apart.
//! ```
//!
//! One [`Log::append`] is one batch, one write and one sync. (Only what is larger than
//! `MAX_BATCH_BYTES` becomes several, each synced before the next is written: recovery holds
//! one batch in memory.) So what is written is in one of three
//! states: synced, the last batch, or zeros. A bad batch is torn if it is the last, and
//! then it was never acknowledged: it is zeroed. It is corrupt if anything was written after
//! it; a whole batch header with a higher number tells that, or a later segment. Records carry
//! checksums of their own so that reading one message does not cost reading its batch.
//!
//! A sector of 512 bytes is taken to be written whole or not at all: the next batch begins in
//! the sector that the last one ends in.
//!
//! Read on in `segment.rs` (the format), `writer.rs`, `recovery.rs`, `index.rs` and
//! `reader.rs`.

mod allocate;
mod contents;
mod files;
mod identity;
mod index;
mod known_peers;
mod reader;
mod recovery;
mod segment;
mod writer;

use std::path::{Path, PathBuf};

pub use identity::{DirectoryLock, Identity, IdentityError};
pub use known_peers::KnownPeers;
pub use reader::LogReader;
pub use writer::{Log, Written};

use crate::codec::DecodeError;
use crate::raft::{LogIndex, Restored};

/// Whether a write is waited for until it is on stable storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// fdatasync before it is acknowledged.
    #[default]
    Fsync,
    /// Written, not synced: survives a killed process, not a power cut.
    None,
}

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Whether appends are synced.
    pub durability: Durability,
    /// Size of a segment file, in bytes, all of it allocated ahead.
    pub segment_bytes: u64,
    /// How much of the newest entries recovery gives back in memory, in encoded bytes.
    pub tail_bytes: usize,
    /// Seed for segment salts.
    pub seed: u64,
    /// Whether a thread of its own prepares the next segment ahead of need. Without (in the
    /// simulator) the appending caller prepares it, at a fixed point, so that runs repeat.
    pub background_allocation: bool,
}

/// Why the log could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk said no.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried, as "cannot open".
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Bytes that were whole once are not any more.
    #[error("corrupt log: {path} at offset {offset}: {what}")]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The entry is not in the log (any more).
    #[error("entry {0} is not in the log")]
    NotThere(LogIndex),
    /// A record's bytes are whole and make no sense: written by another version.
    #[error("unreadable record in {path} at offset {offset}: {source}")]
    Undecodable {
        /// Which file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// There is no log, and nobody asked for a new one.
    #[error("there is no log in {0}; --bootstrap makes a new one")]
    Missing(PathBuf),
    /// An earlier write or sync has failed: nobody knows what is on the disk.
    #[error("the log takes nothing after an earlier failure: {0}")]
    Poisoned(String),
}

impl LogError {
    /// Names what was tried on which file.
    fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> LogError {
        let path = path.to_owned();
        move |source| LogError::Io {
            action,
            path,
            source,
        }
    }
}

/// What recovery found beside what the core needs.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// What the core starts from.
    pub restored: Restored,
    /// A torn last batch that was cut: file and offset.
    pub torn: Option<(PathBuf, u64)>,
}
