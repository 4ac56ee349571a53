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
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::LocalError;
use crate::raft::NodeId;
use link::{Counters, Link};

/// How the replicas of a local cluster reach each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// They do, on loopback.
    #[default]
    Direct,
    /// By proxies in this process, see [`LinkFault`]. They have a thread of their own.
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

/// What proxies have seen and done since the cluster was started, over all links. In namespaces the
/// kernel counts what met a cut, and nothing else is counted.
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
    /// Frames that a delay or its jitter held back.
    pub delayed: u64,
    /// Frames that waited until a throttled line had carried the ones before them; one that a
    /// delay held back, too, is counted there as well.
    pub throttled: u64,
    /// Frames that vanished in a cut link, those that waited in it included. In namespaces: packets.
    pub dropped_by_cuts: u64,
    /// Connections that a cut has broken. In namespaces: packets that were answered by a reset,
    /// those that would have opened a connection included.
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

/// The proxies of a cluster and the links between its replicas. When it has been dropped,
/// nobody listens on the proxies' ports any more.
#[derive(Debug)]
pub(super) struct FaultLinks {
    links: Arc<LinkMap>,
    counters: Arc<Counters>,
    proxies: Option<Proxies>,
}

/// The thread that the proxies run on: nothing else that this process does holds a link up.
#[derive(Debug)]
struct Proxies {
    /// Ends them when it is dropped.
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
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
    /// Starts the proxies.
    pub(super) fn start(seed: u64, routes: &[Route]) -> Result<Self, LocalError> {
        let mut listening = Vec::with_capacity(routes.len());
        for route in routes {
            let listener = TcpListener::bind(route.proxy).map_err(|error| {
                LocalError::Failed(format!(
                    "the proxy of replica {} cannot listen on {}: {error}",
                    route.id, route.proxy
                ))
            })?;
            listening.push((listener, *route));
        }
        FaultLinks::serve(seed, listening)
            .map_err(|error| LocalError::Failed(format!("cannot start the proxies: {error}")))
    }

    fn serve(seed: u64, listening: Vec<(TcpListener, Route)>) -> io::Result<Self> {
        let counters = Arc::<Counters>::default();
        let ids: Vec<NodeId> = listening.iter().map(|(_, route)| route.id).collect();
        let links = ids.iter().flat_map(|from| {
            let counters = &counters;
            let others = ids.iter().filter(move |to| *to != from);
            others.map(move |to| {
                let link = Link::new(seed, *from, *to, Arc::clone(counters));
                ((*from, *to), Arc::new(link))
            })
        });
        let links: Arc<LinkMap> = Arc::new(links.collect());

        let (stop, stopped) = oneshot::channel();
        let (started, starting) = mpsc::channel();
        let of_thread = Arc::clone(&links);
        let thread = std::thread::Builder::new()
            .name("link-proxies".to_owned())
            .spawn(move || run(listening, &of_thread, &started, stopped))?;
        starting
            .recv()
            .map_err(|_| io::Error::other("their thread has ended"))??;
        Ok(FaultLinks {
            links,
            counters,
            proxies: Some(Proxies { stop, thread }),
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

/// The proxies' thread. It says whether they have started, and ends with `stopped`.
fn run(
    listening: Vec<(TcpListener, Route)>,
    links: &Arc<LinkMap>,
    started: &mpsc::Sender<io::Result<()>>,
    stopped: oneshot::Receiver<()>,
) {
    let start = || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        for (listener, route) in listening {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            runtime.spawn(proxy::run(listener, route, Arc::clone(links)));
        }
        drop(inside);
        Ok(runtime)
    };
    // Whoever started them waits to hear of it.
    match start() {
        Ok(runtime) => {
            let _ = started.send(Ok(()));
            // With the runtime all its tasks are dropped, and their connections closed.
            let _ = runtime.block_on(stopped);
        }
        Err(error) => {
            let _ = started.send(Err(error));
        }
    }
}

impl Drop for FaultLinks {
    fn drop(&mut self) {
        if let Some(Proxies { stop, thread }) = self.proxies.take() {
            drop(stop);
            // A panic there has told stderr.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod peers;
#[cfg(test)]
mod tests;
