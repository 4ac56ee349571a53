//! Local clusters: real processes of this program's own binary, on loopback.

use std::path::PathBuf;
use std::time::Duration;

use crate::log::Durability;
use crate::node::Mailbox;
use crate::raft::NodeId;

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
}

/// One process of a local cluster.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Replica {
    /// Its id.
    pub id: NodeId,
    /// Its HTTP address, as `http://127.0.0.1:8351`.
    pub url: String,
    /// Its peer address.
    pub peer: String,
    /// Its process.
    pub pid: u32,
    /// Its data directory.
    pub data_dir: PathBuf,
}

/// Why a local cluster could not be started or steered.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The text says what and where, with the replica's last words where there are any.
    #[error("{0}")]
    Failed(String),
}

/// A running local cluster. Dropping it kills every process.
#[derive(Debug)]
pub struct LocalCluster {}

#[allow(
    unused_variables,
    clippy::todo,
    clippy::unused_async,
    clippy::unused_self,
    reason = "skeleton"
)]
impl LocalCluster {
    /// Starts all replicas and waits until a leader serves.
    pub async fn start(options: LocalOptions) -> Result<Self, LocalError> {
        todo!()
    }
    /// The replicas, running or not, in order of their ids.
    pub fn replicas(&self) -> Vec<Replica> {
        todo!()
    }
    /// Waits until a leader serves; its id.
    pub async fn wait_for_leader(&self, timeout: Duration) -> Result<NodeId, LocalError> {
        todo!()
    }
    /// kill -9, and waits until the process is gone.
    pub async fn kill(&mut self, id: NodeId) -> Result<(), LocalError> {
        todo!()
    }
    /// Starts a stopped replica again on its directory and ports; does not wait for it to serve.
    pub async fn restart(&mut self, id: NodeId) -> Result<(), LocalError> {
        todo!()
    }
    /// SIGTERM to all, and waits; kills what does not stop in time.
    pub async fn stop(self) -> Result<(), LocalError> {
        todo!()
    }
}
