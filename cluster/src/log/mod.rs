//! The log: the cluster's only store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::codec::DecodeError;
use crate::env::Disk;
use crate::raft::{Append, Completion, Configuration, Entry, LogIndex, NodeId, Restored};

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
}

/// What recovery found beside what the core needs.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// What the core starts from.
    pub restored: Restored,
    /// A torn last batch that was cut: file and offset.
    pub torn: Option<(PathBuf, u64)>,
}

/// The writing side. It blocks; one thread owns it.
#[derive(Debug)]
pub struct Log {}

/// The reading side; cheap to clone, usable from any thread that may block.
#[derive(Clone, Debug)]
pub struct LogReader {}

#[allow(unused_variables, reason = "skeleton")]
#[allow(clippy::todo, clippy::unused_self, reason = "skeleton")]
impl Log {
    /// Opens the log in `dir`, recovering what is there. An empty directory becomes a new log
    /// whose first segment header carries `bootstrap`; without one it is an error.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        bootstrap: Option<&Configuration>,
        options: LogOptions,
    ) -> Result<(Log, Recovered), LogError> {
        todo!()
    }
    /// Writes all of `appends` (and what waits from before) as one batch, syncs it once, and
    /// says what is durable. With an empty slice it tries again what waits for space.
    ///
    /// # Errors
    /// A failed write or sync: the log is poisoned, every later call fails too, and the
    /// process must stop.
    pub fn append(&mut self, appends: Vec<Append>) -> Result<Completion, LogError> {
        todo!()
    }
    /// Whether entries wait because no segment could be allocated (the disk is full).
    pub fn out_of_space(&self) -> bool {
        todo!()
    }
    /// A reader over what is durable.
    pub fn reader(&self) -> LogReader {
        todo!()
    }
}

#[allow(unused_variables, reason = "skeleton")]
#[allow(clippy::todo, clippy::unused_self, reason = "skeleton")]
impl LogReader {
    /// Entries from `first` to at most `last`, stopping once `max_bytes` encoded bytes are
    /// there (one entry at least). Each one's checksum is verified.
    pub fn read(
        &self,
        first: LogIndex,
        last: LogIndex,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, LogError> {
        todo!()
    }
}

/// Who a data directory belongs to (`identity.json`), and the lock on it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// The cluster.
    pub cluster_id: String,
    /// The replica.
    pub node_id: NodeId,
    /// Random, made with the directory: another one under the same node id has forgotten
    /// its votes.
    pub directory_id: String,
}

#[allow(unused_variables, reason = "skeleton")]
#[allow(clippy::todo, reason = "skeleton")]
impl Identity {
    /// Takes the lock on a data directory and reads who it belongs to; an empty (or missing)
    /// directory becomes this replica's when `bootstrap` is set.
    ///
    /// # Errors
    /// Another process holds the lock; the directory is of another cluster or node; it is
    /// empty and `bootstrap` is not set; or the disk said no.
    pub fn load_or_create(
        disk: &dyn Disk,
        dir: &Path,
        cluster_id: &str,
        node_id: NodeId,
        bootstrap: bool,
        seed: u64,
    ) -> Result<(Identity, DirectoryLock), IdentityError> {
        todo!()
    }
}

/// The exclusive lock on a data directory, until it is dropped.
#[derive(Debug)]
pub struct DirectoryLock {}

/// Which directory each peer was first seen with (`peers.json`).
#[derive(Debug)]
pub struct KnownPeers {}

#[allow(unused_variables, reason = "skeleton")]
#[allow(clippy::todo, clippy::unused_self, reason = "skeleton")]
impl KnownPeers {
    /// Reads what is known in a data directory; nothing yet is fine.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn load(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, IdentityError> {
        todo!()
    }
    /// A peer under a new id is recorded, durably; under a known id its directory must be the
    /// same one.
    ///
    /// # Errors
    /// It is another directory: the peer has forgotten its votes. Or the disk said no.
    pub fn check_or_record(
        &mut self,
        peer: NodeId,
        directory_id: &str,
    ) -> Result<(), IdentityError> {
        todo!()
    }
}

/// Why a data directory is not ours to use, or a peer not who it was.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The text says what and where.
    #[error("{0}")]
    Refused(String),
}
