//! What several actors and the HTTP side look at: small facts, published by one owner each.

use std::collections::BTreeMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::watch;

use crate::chat::Digest;
use crate::raft::{LogIndex, NodeId, Role, Term};

/// Who leads, as the consensus actor last saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) role: Role,
    pub(crate) term: Term,
    pub(crate) leader: Option<NodeId>,
    /// A leader that has committed in its own term.
    pub(crate) serving: bool,
}

/// How far the state machine is, as the applier last said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) index: LogIndex,
    pub(crate) digest: Digest,
}

/// Where the node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Running,
    /// A leader hands over; open requests are answered.
    Draining,
    /// Every actor ends.
    Stopped,
}

/// Waits until the node stops.
pub(crate) async fn stopped(phase: &mut watch::Receiver<Phase>) {
    // An error means that the node's handles are gone, which ends it too.
    let _ = phase.wait_for(|phase| *phase == Phase::Stopped).await;
}

/// Facts with one writer each.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The log has no room: writes are refused. The log writer says so.
    pub(crate) disk_full: AtomicBool,
    /// The first index at which the leader found our digest to differ; 0 while it agrees.
    diverged: AtomicU64,
    /// HTTP addresses, from the handshakes. Read by HTTP requests, not on the path of messages.
    urls: RwLock<BTreeMap<NodeId, String>>,
}

impl Shared {
    /// The index from which this replica's state is known to differ from its leader's.
    pub(crate) fn diverged(&self) -> Option<LogIndex> {
        match self.diverged.load(Ordering::Relaxed) {
            0 => None,
            index => Some(index),
        }
    }

    /// Remembers that it does.
    pub(crate) fn set_diverged(&self, index: LogIndex) {
        let first =
            self.diverged
                .compare_exchange(0, index.max(1), Ordering::Relaxed, Ordering::Relaxed);
        if first.is_ok() {
            tracing::error!(
                index,
                "this replica's state differs from its leader's: it stops serving"
            );
        }
    }

    /// A replica's HTTP address, once it is known.
    pub(crate) fn url(&self, id: NodeId) -> Option<String> {
        let urls = self.urls.read().expect("no holder of this lock panics");
        urls.get(&id).cloned()
    }

    /// Remembers a replica's HTTP address.
    pub(crate) fn set_url(&self, id: NodeId, url: String) {
        let mut urls = self.urls.write().expect("no holder of this lock panics");
        urls.insert(id, url);
    }
}

/// Says that the node cannot go on; the first reason counts.
#[derive(Clone, Debug)]
pub(crate) struct Fatal(watch::Sender<Option<String>>);

impl Fatal {
    pub(crate) fn new() -> Self {
        Fatal(watch::channel(None).0)
    }

    /// The node must stop, and why.
    pub(crate) fn raise(&self, reason: String) {
        self.0.send_if_modified(|first| {
            if first.is_some() {
                return false;
            }
            tracing::error!("{reason}");
            *first = Some(reason);
            true
        });
    }

    /// Waits until there is a reason.
    pub(crate) async fn raised(&self) -> String {
        let mut receiver = self.0.subscribe();
        let reason = receiver.wait_for(Option::is_some).await;
        reason
            .expect("this keeps the sender alive")
            .clone()
            .expect("waited for")
    }
}
