//! A node as its HTTP server sees it: requests go into the mailboxes, answers come back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::applier::{Ask, ReadyRead};
use super::mailbox::{ClientInput, Input, Lanes};
use super::metrics::Metrics;
use super::state::{Applied, Fatal, Phase, Shared, View};
use crate::chat::{Action, Command, Digest, DigestAt, Outcome, Query, SessionKey};
use crate::env::Clock;
use crate::http::{
    Backend, Consistency, LeaderInfo, MemberStatus, NodeStatus, PeerStatus, Refusal,
};
use crate::known_bugs::{self, KnownBug};
use crate::raft::{Configuration, LogIndex, NodeId, ReadMode, Role};

/// How long a look inside may take. It waits behind what is in the mailbox at most.
const STATUS_DEADLINE: Duration = Duration::from_secs(2);

/// A running replica. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Node(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) id: NodeId,
    pub(crate) cluster_id: String,
    pub(crate) members: Configuration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lanes: Lanes,
    pub(crate) asks: mpsc::Sender<Ask>,
    pub(crate) view: watch::Receiver<View>,
    pub(crate) applied: watch::Receiver<Applied>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) fatal: Fatal,
}

impl Node {
    pub(crate) fn new(inner: Inner) -> Self {
        Node(Arc::new(inner))
    }

    /// Waits until the node cannot go on; why.
    pub async fn failed(&self) -> String {
        self.0.fatal.raised().await
    }

    /// Begins to stop: a leader hands over, requests that are open are answered.
    pub fn drain(&self) {
        self.0.phase.send_if_modified(|phase| {
            let running = *phase == Phase::Running;
            if running {
                *phase = Phase::Draining;
            }
            running
        });
    }

    /// Waits until this replica does not lead (any more).
    pub async fn handed_over(&self) {
        if self.0.members.voters.len() <= 1 {
            // There is nobody to hand over to.
            return;
        }
        let mut view = self.0.view.clone();
        // An error means that the consensus actor is gone: it leads no more.
        let _ = view.wait_for(|view| view.role != Role::Leader).await;
    }

    /// Ends every actor. What is not answered yet never will be.
    pub fn stop(&self) {
        self.0.phase.send_replace(Phase::Stopped);
    }

    fn refuse_if_unfit(&self) -> Result<(), Refusal> {
        if let Some(index) = self.0.shared.diverged() {
            return Err(Refusal::Diverged { index });
        }
        Ok(())
    }

    fn to_consensus(&self, input: ClientInput) -> Result<(), Refusal> {
        self.0
            .lanes
            .clients
            .try_send(Input::Client(input))
            .map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => {
                    self.0.metrics.overload("mailbox");
                    Refusal::Overloaded("the mailbox is full")
                }
                mpsc::error::TrySendError::Closed(_) => Refusal::Stopping,
            })
    }

    fn to_applier(&self, ask: Ask) -> Result<(), Refusal> {
        self.0.asks.try_send(ask).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                self.0.metrics.overload("reads");
                Refusal::Overloaded("too many reads wait")
            }
            mpsc::error::TrySendError::Closed(_) => Refusal::Stopping,
        })
    }
}

impl Backend for Node {
    async fn write(
        &self,
        action: Action,
        key: Option<SessionKey>,
        deadline: Duration,
    ) -> Result<Outcome, Refusal> {
        self.refuse_if_unfit()?;
        let command = Command {
            key,
            sent_at_ms: self.0.clock.wall_ms(),
            action,
        };
        let (reply, answer) = oneshot::channel();
        self.to_consensus(ClientInput::Write {
            command: command.encode(),
            reply,
            queued_at: self.0.clock.now(),
        })?;
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            // The actor went away with it, or the time ran out: it may have been proposed.
            Ok(Err(_)) | Err(_) => Err(Refusal::Unknown),
        }
    }

    async fn read(
        &self,
        query: Query,
        consistency: Consistency,
        min_index: LogIndex,
        deadline: Duration,
    ) -> super::applier::ReadResult {
        self.refuse_if_unfit()?;
        let min_index = if known_bugs::active(KnownBug::MinIndexIgnored) {
            0
        } else {
            min_index
        };
        let (reply, answer) = oneshot::channel();
        let mode = match consistency {
            Consistency::Local => None,
            Consistency::Lease => Some(ReadMode::Lease),
            Consistency::Linearizable => Some(ReadMode::Linearizable),
        };
        match mode {
            None => self.to_applier(Ask::Local(ReadyRead {
                query,
                index: min_index,
                reply,
            }))?,
            Some(mode) => self.to_consensus(ClientInput::Read {
                query,
                min_index,
                mode,
                reply,
            })?,
        }
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Refusal::Stopping),
            Err(_) => Err(Refusal::DeadlineExceeded),
        }
    }

    async fn status(&self) -> Result<NodeStatus, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.to_consensus(ClientInput::Status(reply))?;
        let status = tokio::time::timeout(STATUS_DEADLINE, answer)
            .await
            .map_err(|_| Refusal::DeadlineExceeded)?
            .map_err(|_| Refusal::Stopping)?;
        let Applied { index, digest } = *self.0.applied.borrow();
        let role = match status.role {
            Role::Leader => "leader",
            Role::Follower => "follower",
            Role::PreCandidate | Role::Candidate => "candidate",
            Role::Learner => "learner",
        };
        let members = &self.0.members;
        Ok(NodeStatus {
            id: self.0.id,
            cluster_id: self.0.cluster_id.clone(),
            role: role.to_owned(),
            term: status.term,
            leader: status.leader.map(|id| LeaderInfo {
                id,
                url: self.0.shared.url(id),
            }),
            commit_index: status.commit_index,
            applied_index: index,
            last_index: status.last_index,
            first_index: status.first_index,
            members: members
                .members()
                .map(|(id, peer)| MemberStatus {
                    id,
                    peer: peer.to_owned(),
                    voter: members.voters.contains_key(&id),
                })
                .collect(),
            peers: status
                .peers
                .iter()
                .map(|peer| PeerStatus {
                    id: peer.id,
                    match_index: peer.match_index,
                    lag: status.last_index.saturating_sub(peer.match_index),
                    probing: peer.probing,
                })
                .collect(),
            digest: digest.to_string(),
        })
    }

    async fn digest(&self, index: Option<LogIndex>) -> Result<(LogIndex, DigestAt), Refusal> {
        let (reply, answer) = oneshot::channel();
        self.to_applier(Ask::Digest { index, reply })?;
        tokio::time::timeout(STATUS_DEADLINE, answer)
            .await
            .map_err(|_| Refusal::DeadlineExceeded)?
            .map_err(|_| Refusal::Stopping)
    }

    fn leader(&self) -> Option<LeaderInfo> {
        let id = self.0.view.borrow().leader?;
        Some(LeaderInfo {
            id,
            url: self.0.shared.url(id),
        })
    }

    fn leads(&self) -> bool {
        self.0.view.borrow().role == Role::Leader
    }

    fn ready(&self) -> Result<(), String> {
        if let Some(index) = self.0.shared.diverged() {
            return Err(format!(
                "the state differs from the leader's from index {index}"
            ));
        }
        if *self.0.phase.borrow() != Phase::Running {
            return Err("stopping".to_owned());
        }
        let view = *self.0.view.borrow();
        match (view.leader, view.role) {
            (None, _) => Err("no leader is known".to_owned()),
            (Some(_), Role::Leader) if !view.serving => {
                Err("the leader has committed nothing in its term yet".to_owned())
            }
            (Some(id), _) if self.0.shared.url(id).is_none() => {
                Err("the leader's address is not known yet".to_owned())
            }
            (Some(_), _) => Ok(()),
        }
    }

    fn metrics(&self) -> String {
        self.0.metrics.text()
    }
}

/// A look inside, for tests.
impl Node {
    /// How far the state machine is, and its digest there.
    pub fn applied(&self) -> (LogIndex, Digest) {
        let Applied { index, digest } = *self.0.applied.borrow();
        (index, digest)
    }

    /// Whether the log's disk is full.
    pub fn disk_full(&self) -> bool {
        self.0.shared.disk_full.load(Ordering::Relaxed)
    }
}
