//! A world of its own for whole nodes: virtual time, network and threads, all from one seed.
//!
//! It needs a current-thread tokio runtime whose time is paused: tokio then moves its clock to
//! the next timer whenever nothing else can run, so a simulated minute takes as long as its
//! work. The disk is [`SimDisk`](super::SimDisk).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

use super::{BlockingActor, BlockingWork, BoxFuture, Clock, Listener, Spawner, Stream, Transport};
use crate::raft::NodeId;
use crate::time::Time;

/// Bytes that one direction of a simulated connection holds.
const PIPE_BYTES: usize = 64 << 10;
/// Connections that may wait to be accepted.
const BACKLOG: usize = 16;

/// tokio's paused clock, with an origin of its own for each node.
#[derive(Clone, Copy, Debug)]
pub struct SimClock {
    start: Instant,
    origin: Time,
}

impl SimClock {
    /// A clock that shows `origin` now.
    pub fn new(origin: Time) -> Self {
        SimClock {
            start: Instant::now(),
            origin,
        }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Time {
        self.origin + self.start.elapsed()
    }

    fn wall_ms(&self) -> u64 {
        // Some day of the simulated world.
        1_700_000_000_000 + u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The network between simulated nodes, and what was said on it.
#[derive(Clone, Debug)]
pub struct SimNetwork(Arc<Mutex<Network>>);

#[derive(Debug)]
struct Network {
    rng: StdRng,
    start: Instant,
    listeners: BTreeMap<String, (NodeId, mpsc::Sender<DuplexStream>)>,
    /// Directions in which nothing passes.
    cut: BTreeSet<(NodeId, NodeId)>,
    latency: (Duration, Duration),
    trace: String,
}

impl SimNetwork {
    /// A network whose every piece of data takes a time between the two latencies.
    pub fn new(seed: u64, latency: (Duration, Duration)) -> Self {
        SimNetwork(Arc::new(Mutex::new(Network {
            rng: StdRng::seed_from_u64(seed),
            start: Instant::now(),
            listeners: BTreeMap::new(),
            cut: BTreeSet::new(),
            latency,
            trace: String::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Network> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// What `node` opens its connections with.
    pub fn transport(&self, node: NodeId) -> SimTransport {
        SimTransport {
            node,
            network: self.clone(),
        }
    }

    /// `node` listens on `address`; what listened there before does no more.
    pub fn listen(&self, node: NodeId, address: &str) -> SimListener {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        self.lock()
            .listeners
            .insert(address.to_owned(), (node, sender));
        SimListener(tokio::sync::Mutex::new(receiver))
    }

    /// From now on nothing passes from one node to the other: connections break when they
    /// are used.
    pub fn cut(&self, from: NodeId, to: NodeId) {
        self.lock().cut.insert((from, to));
    }

    /// All cuts are mended.
    pub fn mend(&self) {
        self.lock().cut.clear();
    }

    /// Adds a line to the trace, with the time.
    pub fn note(&self, what: &str) {
        let mut network = self.lock();
        let now = network.start.elapsed().as_nanos();
        writeln!(network.trace, "{now} {what}").expect("a string takes all");
    }

    /// All that has happened: each piece of data with its time, direction, length and hash.
    pub fn trace(&self) -> String {
        self.lock().trace.clone()
    }

    /// Decides about one piece of data: when it arrives, or that the connection breaks.
    fn pass(&self, from: NodeId, to: NodeId, data: &[u8]) -> Option<Duration> {
        let mut network = self.lock();
        let (shortest, longest) = network.latency;
        let delay = network.rng.random_range(shortest..=longest);
        let passes = !network.cut.contains(&(from, to));
        let now = network.start.elapsed().as_nanos();
        let hash = xxhash_rust::xxh3::xxh3_64(data);
        writeln!(
            network.trace,
            "{now} {from}->{to} {} {hash:016x} {}",
            data.len(),
            if passes { "passes" } else { "is cut" },
        )
        .expect("a string takes all");
        passes.then_some(delay)
    }

    /// Carries one direction of a connection.
    async fn carry(
        self,
        from: NodeId,
        to: NodeId,
        mut source: tokio::io::ReadHalf<DuplexStream>,
        mut sink: tokio::io::WriteHalf<DuplexStream>,
    ) {
        let mut buffer = vec![0; PIPE_BYTES];
        while let Ok(length @ 1..) = source.read(&mut buffer).await {
            let Some(delay) = self.pass(from, to, &buffer[..length]) else {
                break;
            };
            tokio::time::sleep(delay).await;
            if sink.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
        let _ = sink.shutdown().await;
    }
}

/// Opens simulated connections for one node.
#[derive(Clone, Debug)]
pub struct SimTransport {
    node: NodeId,
    network: SimNetwork,
}

impl Transport for SimTransport {
    fn connect(&self, address: String) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
            let (to, listener) = {
                let network = self.network.lock();
                let (to, listener) = network.listeners.get(&address).ok_or_else(refused)?;
                let cut = |from, to| network.cut.contains(&(from, to));
                if cut(self.node, *to) || cut(*to, self.node) {
                    return Err(io::Error::from(io::ErrorKind::HostUnreachable));
                }
                (*to, listener.clone())
            };
            let (ours, near) = tokio::io::duplex(PIPE_BYTES);
            let (far, theirs) = tokio::io::duplex(PIPE_BYTES);
            let (near_read, near_write) = tokio::io::split(near);
            let (far_read, far_write) = tokio::io::split(far);
            let out = self.network.clone();
            tokio::spawn(out.carry(self.node, to, near_read, far_write));
            let back = self.network.clone();
            tokio::spawn(back.carry(to, self.node, far_read, near_write));
            listener.try_send(theirs).map_err(|_| refused())?;
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}

/// Takes simulated connections in.
#[derive(Debug)]
pub struct SimListener(tokio::sync::Mutex<mpsc::Receiver<DuplexStream>>);

impl Listener for SimListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            match self.0.lock().await.recv().await {
                Some(stream) => Ok(Box::new(stream) as Box<dyn Stream>),
                // Another incarnation listens here now.
                None => std::future::pending().await,
            }
        })
    }
}

/// Runs everything of one node on the simulator's thread, and can end all of it at once.
#[derive(Debug)]
pub struct SimSpawner {
    tasks: Mutex<Vec<AbortHandle>>,
    seed: u64,
    sync_latency: (Duration, Duration),
}

impl SimSpawner {
    /// Writes to the log take a time between the two latencies.
    pub fn new(seed: u64, sync_latency: (Duration, Duration)) -> Self {
        SimSpawner {
            tasks: Mutex::default(),
            seed,
            sync_latency,
        }
    }

    /// The node is gone, between two steps.
    pub fn crash(&self) {
        let mut tasks = self.tasks.lock().expect("no holder of this lock panics");
        for task in tasks.drain(..) {
            task.abort();
        }
    }
}

impl Spawner for SimSpawner {
    fn spawn(&self, actor: BoxFuture<'static, ()>) -> JoinHandle<()> {
        let handle = tokio::spawn(actor);
        let mut tasks = self.tasks.lock().expect("no holder of this lock panics");
        tasks.retain(|task| !task.is_finished());
        tasks.push(handle.abort_handle());
        handle
    }

    fn spawn_blocking_actor(&self, _name: &str, actor: Box<dyn BlockingActor>) -> io::Result<()> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let (shortest, longest) = self.sync_latency;
        let latency = Box::new(move || rng.random_range(shortest..=longest));
        drop(self.spawn(actor.run_stepped(latency)));
        Ok(())
    }

    fn run_blocking(&self, work: BlockingWork) {
        work();
    }
}
