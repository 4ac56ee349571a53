//! What the HTTP server needs of the thing behind it: a node, or the null system.

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chat::{Action, Answer, DigestAt, Outcome, Query, QueryError, SessionKey};
use crate::raft::{LogIndex, NodeId, Term};

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// Sees every write acknowledged before it began; costs a round of heartbeats.
    #[default]
    Linearizable,
    /// The same, on the word of the leader's lease (and bounded clock drift).
    Lease,
    /// Whatever this replica has applied.
    Local,
}

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderInfo {
    /// Its id.
    pub id: NodeId,
    /// Its HTTP address, once it is known, as `http://127.0.0.1:8351`.
    pub url: Option<String>,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This replica does not lead (a write); nothing was proposed.
    NotLeader,
    /// No leader is known; nothing was proposed.
    NoLeader,
    /// A bound was reached; nothing was proposed.
    Overloaded(&'static str),
    /// The log has no room; nothing was proposed.
    DiskFull,
    /// Proposed, and the answer did not come: it may or may not happen.
    Unknown,
    /// The deadline passed and nothing was proposed (a read).
    DeadlineExceeded,
    /// This replica's state differs from its leader's: it does not serve.
    Diverged {
        /// The first index known to differ.
        index: LogIndex,
    },
    /// The node is stopping; nothing was proposed.
    Stopping,
    /// The stored bytes of an answer cannot be read (they failed their checksum).
    Storage(String),
}

/// A member, for `/v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// Its id.
    pub id: NodeId,
    /// Where it listens for peers.
    pub peer: String,
    /// Whether it votes.
    pub voter: bool,
}

/// How far a peer is behind, for `/v1/status` of a leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// The peer.
    pub id: NodeId,
    /// Its last durable entry.
    pub match_index: LogIndex,
    /// Entries that the leader has and it has not.
    pub lag: u64,
    /// Whether its next index is still being searched for.
    pub probing: bool,
}

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// This replica.
    pub id: NodeId,
    /// The cluster.
    pub cluster_id: String,
    /// `leader`, `follower`, `candidate` or `learner`.
    pub role: String,
    /// Its term.
    pub term: Term,
    /// Who leads, if that is known.
    pub leader: Option<LeaderInfo>,
    /// Its commit index.
    pub commit_index: LogIndex,
    /// The last entry its state machine has applied.
    pub applied_index: LogIndex,
    /// Its last entry.
    pub last_index: LogIndex,
    /// Its first entry.
    pub first_index: LogIndex,
    /// Everyone who belongs.
    pub members: Vec<MemberStatus>,
    /// On a leader: its peers.
    pub peers: Vec<PeerStatus>,
    /// The digest at `applied_index`, 32 hexadecimal digits.
    pub digest: String,
}

/// The thing behind the server.
pub trait Backend: Send + Sync + 'static {
    /// Carries a write out; the outcome may be the state machine's refusal.
    fn write(
        &self,
        action: Action,
        key: Option<SessionKey>,
        deadline: Duration,
    ) -> impl Future<Output = Result<Outcome, Refusal>> + Send;

    /// Answers a read, with the index that was applied when it did. With `min_index`, not
    /// before that index is applied.
    fn read(
        &self,
        query: Query,
        consistency: Consistency,
        min_index: LogIndex,
        deadline: Duration,
    ) -> impl Future<Output = Result<(Result<Answer, QueryError>, LogIndex), Refusal>> + Send;

    /// A look inside; `Err` when it does not answer in time.
    fn status(&self) -> impl Future<Output = Result<NodeStatus, Refusal>> + Send;

    /// The digest at an index (none: at the last applied one) and that index.
    fn digest(
        &self,
        index: Option<LogIndex>,
    ) -> impl Future<Output = Result<(LogIndex, DigestAt), Refusal>> + Send;

    /// Who leads, as far as is known. Cheap: asked at every request.
    fn leader(&self) -> Option<LeaderInfo>;

    /// Whether this replica leads, as far as it knows. Cheap.
    fn leads(&self) -> bool;

    /// Whether requests can be served (a leader is known, the state is not diverged); why not.
    fn ready(&self) -> Result<(), String>;

    /// The metrics, in the Prometheus text format.
    fn metrics(&self) -> String;
}
