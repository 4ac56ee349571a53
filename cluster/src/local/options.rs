//! How a local cluster is started.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::{DiskLimit, Links, LocalError};
use crate::log::Durability;
use crate::node::Mailbox;

/// What is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum System {
    /// Replicas of the chat.
    #[default]
    Telegraft,
    /// One process of the HTTP server with nothing behind it: the ceiling.
    Null,
}

/// How a local cluster is started.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// The `telegraft` binary.
    pub binary: PathBuf,
    /// What is started.
    pub system: System,
    /// How many replicas.
    pub replicas: usize,
    /// Where the replicas' directories are made (`<dir>/node-<id>`); it continues what is there.
    pub data_dir: PathBuf,
    /// The first port to try; any free one by default.
    pub base_port: Option<u16>,
    /// Whether writes are synced.
    pub durability: Durability,
    /// The replicas' mailbox.
    pub mailbox: Mailbox,
    /// How long it may take until a leader serves.
    pub ready_timeout: Duration,
    /// How the replicas reach each other.
    pub links: Links,
    /// The size of each replica's disk. Such a disk is in memory: it is gone with the cluster.
    pub disk: Option<DiskLimit>,
    /// The size of the replicas' log segments, in bytes; theirs by default.
    pub segment_bytes: Option<u64>,
}

/// Makes the data directory, and its path and the binary's good wherever they are told.
pub(super) fn absolute(mut options: LocalOptions) -> Result<LocalOptions, LocalError> {
    if options.replicas == 0 {
        let text = "a cluster has at least one replica".to_owned();
        return Err(LocalError::Failed(text));
    }
    options.data_dir = fs::create_dir_all(&options.data_dir)
        .and_then(|()| fs::canonicalize(&options.data_dir))
        .map_err(|error| {
            let dir = options.data_dir.display();
            LocalError::Failed(format!("cannot make the directory {dir}: {error}"))
        })?;
    Ok(options)
}
