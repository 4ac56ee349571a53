//! Links between replicas that do wrong: each peer connection runs through a proxy in this
//! process, which cuts, delays, throttles, loses, repeats and reorders what is said on it.
//!
//! Each replica has one proxy, at the address that its peers dial; the replica itself listens
//! on a port that nobody else is told. So the peers' lists are the same everywhere, and a
//! directory may be started with proxies one time and without them the next.
//!
//! A replica speaks only on the connections that it dialed (see `node/wire.rs`): what `from` says
//! to `to` are the hello and the frames on those, and the welcome on the ones that `to` dialed.
//! Frames are taken whole; hellos and welcomes are only cut or delayed.

mod forward;
mod link;
mod proxy;
mod queue;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::LocalError;
use crate::raft::NodeId;
use link::{Counters, Link};

/// How the replicas of a local cluster reach each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// They do, on loopback.
    #[default]
    Direct,
    /// By proxies in this process, see [`LinkFault`]. They are tasks of the runtime that starts
    /// the cluster: what blocks all its threads holds every link up.
    Faulty {
        /// What befalls the n-th frame of a link is a function of this and of the fault then.
        seed: u64,
    },
    /// Each in a network namespace of its own, see [`can_use_namespaces`](super::can_use_namespaces);
    /// as root, on Linux.
    Namespaces,
}

/// What a link from one replica to another does to what is said on it; nothing by default.
/// Several things at once are done in this order: cut, loss, duplication, throttling, delay,
/// reordering.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkFault {
    /// Nothing passes.
    pub cut: Option<LinkCut>,
    /// How long everything takes, at least.
    pub delay: Duration,
    /// How much longer it may take, evenly distributed. The order stays.
    pub jitter: Duration,
    /// How many bytes pass in a second.
    pub bytes_per_s: Option<u64>,
    /// The probability that a frame is lost.
    pub loss: f64,
    /// The probability that a frame comes twice.
    pub duplicate: f64,
    /// The probability that a frame is overtaken by the next one, if that comes soon.
    pub reorder: f64,
}

/// How a link is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkCut {
    /// Connections break, and new ones as soon as they are made.
    Reset,
    /// What is said vanishes, and nobody is told; a new connection waits for its hello or welcome.
    Silent,
}

/// What proxies have seen and done since the cluster was started, over all links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Frames that replicas sent.
    pub frames: u64,
    /// Frames that were lost.
    pub lost: u64,
    /// Copies of frames that were added.
    pub duplicated: u64,
    /// Frames that another one has overtaken.
    pub reordered: u64,
    /// Frames that left later than they came, because of a delay or a throttle.
    pub delayed: u64,
    /// Frames that vanished in a cut link, those that waited in it included.
    pub dropped_by_cuts: u64,
    /// Connections that a cut has broken.
    pub broken: u64,
}

impl LinkFault {
    /// A link that is cut and does nothing else.
    pub fn cut(cut: LinkCut) -> Self {
        LinkFault {
            cut: Some(cut),
            ..LinkFault::default()
        }
    }

    /// What is wrong with the numbers.
    pub(super) fn check(&self) -> Result<(), LocalError> {
        let probabilities = [
            ("loss", self.loss),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
        ];
        for (name, probability) in probabilities {
            if !(0.0..=1.0).contains(&probability) {
                let text = format!("a link's {name} of {probability} is no probability");
                return Err(LocalError::Failed(text));
            }
        }
        if self.bytes_per_s == Some(0) {
            let text = "a link of 0 bytes a second never passes any: cut it instead".to_owned();
            return Err(LocalError::Failed(text));
        }
        Ok(())
    }
}

/// The proxies of a cluster and the links between its replicas. Dropping it ends them.
#[derive(Debug)]
pub(super) struct FaultLinks {
    links: Arc<LinkMap>,
    counters: Arc<Counters>,
    /// The proxies; each ends its connections when it ends.
    _proxies: JoinSet<()>,
}

/// The links by who speaks and who is spoken to.
type LinkMap = BTreeMap<(NodeId, NodeId), Arc<Link>>;

/// Where a replica's proxy listens, and where the replica does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) id: NodeId,
    pub(super) proxy: SocketAddr,
    pub(super) replica: SocketAddr,
}

impl FaultLinks {
    /// Starts the proxies on the runtime that this is called in.
    pub(super) async fn start(seed: u64, routes: &[Route]) -> Result<Self, LocalError> {
        let counters = Arc::<Counters>::default();
        let links = routes.iter().flat_map(|from| {
            let counters = &counters;
            let others = routes.iter().filter(|to| to.id != from.id);
            others.map(|to| {
                let link = Link::new(seed, from.id, to.id, Arc::clone(counters));
                ((from.id, to.id), Arc::new(link))
            })
        });
        let links: Arc<LinkMap> = Arc::new(links.collect());
        let mut proxies = JoinSet::new();
        for route in routes {
            let listener = TcpListener::bind(route.proxy).await.map_err(|error| {
                LocalError::Failed(format!(
                    "the proxy of replica {} cannot listen on {}: {error}",
                    route.id, route.proxy
                ))
            })?;
            proxies.spawn(proxy::run(listener, *route, Arc::clone(&links)));
        }
        Ok(FaultLinks {
            links,
            counters,
            _proxies: proxies,
        })
    }

    /// Sets what the link does from now on, also to the connections that are open.
    pub(super) fn set(&self, from: NodeId, to: NodeId, fault: LinkFault) -> Result<(), LocalError> {
        let Some(link) = self.links.get(&(from, to)) else {
            let text = format!("there is no link from replica {from} to replica {to}");
            return Err(LocalError::Failed(text));
        };
        link.set(fault);
        Ok(())
    }

    pub(super) fn clear(&self) {
        for link in self.links.values() {
            link.set(LinkFault::default());
        }
    }

    pub(super) fn counts(&self) -> LinkCounts {
        self.counters.read()
    }
}

#[cfg(test)]
mod tests;
