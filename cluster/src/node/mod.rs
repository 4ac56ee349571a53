//! One replica: the actors around the Raft core.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::log::Durability;
use crate::raft::NodeId;

/// How the consensus actor takes its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mailbox {
    /// Lanes with priority: shutdown, timer, log completions, peers, clients.
    #[default]
    Lanes,
    /// One plain queue, first in, first out.
    Fifo,
}

/// What a replica is started with.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// This replica.
    pub id: NodeId,
    /// Where clients reach it (HTTP).
    pub listen: SocketAddr,
    /// Where its peers reach it.
    pub peer_listen: SocketAddr,
    /// The first members and where each listens for peers, itself included; counts at
    /// bootstrap only.
    pub peers: BTreeMap<NodeId, String>,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Whether an empty data directory may become a new replica.
    pub bootstrap: bool,
    /// The HTTP address that it tells others; by default from `listen`.
    pub advertise_url: Option<String>,
    /// The cluster's id; by default a hash of `peers`.
    pub cluster_id: Option<String>,
    /// Its mailbox.
    pub mailbox: Mailbox,
    /// Whether writes are synced.
    pub durability: Durability,
    /// Listen beyond loopback, though nothing is encrypted.
    pub insecure: bool,
}

/// Why a replica could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The options make no sense together.
    #[error("{0}")]
    Options(String),
    /// Anything else; the text says what and where.
    #[error("{0}")]
    Failed(String),
}

/// Runs a replica until `shutdown` completes (then it stops cleanly) or it has to stop.
#[allow(
    unused_variables,
    clippy::todo,
    clippy::unused_async,
    reason = "skeleton"
)]
pub async fn run(
    options: NodeOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), NodeError> {
    todo!()
}
