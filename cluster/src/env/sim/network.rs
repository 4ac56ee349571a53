//! The network between simulated nodes: who listens where, which links are cut or faulty.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::ReadBuf;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::connection::{Connection, DIALER, LISTENER, Side, Step, Travel, arrival_of_end};
use super::node::SimNode;
use super::pipe::{Fate, between};
use super::stream::{SimListener, SimStream, SimTransport};
use super::trace::Trace;
use crate::raft::NodeId;

/// Connections that may wait to be accepted; more are not answered.
const BACKLOG: usize = 16;

/// What happens to the frames of one direction between two nodes, frame by frame. The first
/// frame of a connection, the handshake's, is only delayed.
///
/// Probabilities are between 0 and 1. A frame is held back behind up to four later ones, for
/// up to 50 ms; a copy comes right behind its frame or is held back too.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkFaults {
    /// The probability that a frame never arrives.
    pub loss: f64,
    /// The probability that it arrives twice.
    pub duplicate: f64,
    /// The probability that later ones overtake it.
    pub reorder: f64,
    /// What comes on top of the network's latency: between the shortest and the longest.
    pub delay: (Duration, Duration),
}

/// The two ways in which a link can be down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Someone answers with resets: connections dialed that way break at once, others when
    /// something is sent that way, and new ones are refused whoever dials.
    Reset,
    /// Packets vanish. What is sent waits for the mend, up to a fifth of a second longer,
    /// and connecting hangs. An end that gets no acknowledgement for 10 s breaks its
    /// connection; the other one only hears of it if that direction passes. (A cut of
    /// one direction stops the acknowledgements of the other.)
    Silent,
}

/// What the network has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// Frames sent.
    pub frames: u64,
    /// Frames of them that never arrive.
    pub lost: u64,
    /// Frames that arrive twice.
    pub duplicated: u64,
    /// Frames held back for others to overtake.
    pub reordered: u64,
    /// Frames sent into a silent cut, and attempts to connect that met a cut.
    pub cut: u64,
    /// Connections broken by cuts, by either end's giving up in one, or by [`SimNetwork::break_connections`].
    pub broken: u64,
}

/// The network between simulated nodes, and what was said on it.
#[derive(Clone, Debug)]
pub struct SimNetwork(Arc<Mutex<Network>>);

#[derive(Debug)]
struct Network {
    rng: StdRng,
    start: Instant,
    latency: (Duration, Duration),
    listeners: BTreeMap<String, (NodeId, mpsc::Sender<SimStream>)>,
    nodes: BTreeMap<NodeId, SimNode>,
    cuts: BTreeMap<(NodeId, NodeId), Cut>,
    faults: BTreeMap<(NodeId, NodeId), LinkFaults>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    counts: NetworkCounts,
    trace: Trace,
}

/// What a node that wants to connect meets.
pub(super) enum Dialed {
    /// A connection, whose other end is to be put into this queue.
    Open(SimStream, SimStream, mpsc::Sender<SimStream>),
    /// No answer: it may try again.
    Silence,
    /// A refusal.
    Refused(io::ErrorKind),
}

impl SimNetwork {
    /// A network whose every frame takes a time between the two latencies.
    pub fn new(seed: u64, latency: (Duration, Duration)) -> Self {
        SimNetwork(Arc::new(Mutex::new(Network {
            rng: StdRng::seed_from_u64(seed),
            start: Instant::now(),
            latency,
            listeners: BTreeMap::new(),
            nodes: BTreeMap::new(),
            cuts: BTreeMap::new(),
            faults: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            counts: NetworkCounts::default(),
            trace: Trace::default(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Network> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// What `node` opens its connections with.
    pub fn transport(&self, node: NodeId) -> SimTransport {
        SimTransport::new(node, self.clone())
    }

    /// `node` listens on `address`; what listened there before does no more.
    pub fn listen(&self, node: NodeId, address: &str) -> SimListener {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        self.lock()
            .listeners
            .insert(address.to_owned(), (node, sender));
        SimListener::new(receiver)
    }

    /// Tells the network which process `node` is: what that writes inside a stop (see
    /// [`SimNode::stop_inside`]) then leaves when the stop is over.
    pub fn attach(&self, node: NodeId, process: &SimNode) {
        self.lock().nodes.insert(node, process.clone());
    }

    /// From now on nothing passes from one node to the other, as by [`Cut::Reset`].
    pub fn cut(&self, from: NodeId, to: NodeId) {
        self.cut_as(from, to, Cut::Reset);
    }

    /// From now on nothing passes from one node to the other.
    pub fn cut_as(&self, from: NodeId, to: NodeId, cut: Cut) {
        let mut network = self.lock();
        network.cuts.insert((from, to), cut);
        network.apply_cuts();
        if cut == Cut::Reset {
            network.break_where(|connection| connection.link(DIALER) == (from, to));
        }
    }

    /// The link from one node to the other passes again.
    pub fn mend_link(&self, from: NodeId, to: NodeId) {
        let mut network = self.lock();
        network.cuts.remove(&(from, to));
        network.apply_cuts();
    }

    /// All cuts are mended.
    pub fn mend(&self) {
        let mut network = self.lock();
        network.cuts.clear();
        network.apply_cuts();
    }

    /// What happens from now on to frames from one node to the other.
    pub fn set_faults(&self, from: NodeId, to: NodeId, faults: LinkFaults) {
        self.lock().faults.insert((from, to), faults);
    }

    /// From now on nothing happens to frames on their way.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// All connections between two nodes are reset, whoever dialed them.
    pub fn break_connections(&self, one: NodeId, other: NodeId) {
        self.lock().break_where(|connection| {
            let link = connection.link(DIALER);
            link == (one, other) || link == (other, one)
        });
    }

    /// What the network has done so far.
    pub fn counts(&self) -> NetworkCounts {
        self.lock().counts
    }

    /// Adds a line to the trace, with the time.
    pub fn note(&self, what: &str) {
        let mut network = self.lock();
        let now = network.nanos(Instant::now());
        network.trace.note(now, what);
    }

    /// Whether the trace's text is kept from now on, which takes time and memory.
    pub fn keep_text(&self, keep: bool) {
        self.lock().trace.keep_text(keep);
    }

    /// The text of what has happened while it was kept: each frame with its time in
    /// nanoseconds, its direction, length and hash, and what became of it; and notes.
    pub fn trace(&self) -> String {
        self.lock().trace.text().to_owned()
    }

    /// The hash of all that has happened, kept as text or not.
    pub fn trace_hash(&self) -> u64 {
        self.lock().trace.hash()
    }

    /// The time that a packet takes from one node to the other.
    pub(super) fn packet_time(&self) -> Duration {
        let mut network = self.lock();
        let latency = network.latency;
        between(&mut network.rng, latency)
    }

    /// `from` tries to open a connection to `address`.
    pub(super) fn dial(&self, from: NodeId, address: &str) -> Dialed {
        let mut network = self.lock();
        let network = &mut *network;
        let Some((to, listener)) = network.listeners.get(address) else {
            return Dialed::Refused(io::ErrorKind::ConnectionRefused);
        };
        let cuts = [(from, *to), (*to, from)].map(|link| network.cuts.get(&link));
        if cuts.iter().any(Option::is_some) {
            network.counts.cut += 1;
            return if cuts[0] == Some(&Cut::Silent) || cuts == [None, Some(&Cut::Silent)] {
                Dialed::Silence
            } else {
                Dialed::Refused(io::ErrorKind::HostUnreachable)
            };
        }
        if listener.is_closed() {
            return Dialed::Refused(io::ErrorKind::ConnectionRefused);
        }
        if listener.capacity() == 0 {
            return Dialed::Silence;
        }
        let id = network.next_connection;
        network.next_connection += 1;
        let connection = Connection::new(from, *to, Instant::now());
        network.connections.insert(id, connection);
        let stream = |side| SimStream::new(self.clone(), id, side);
        Dialed::Open(stream(DIALER), stream(LISTENER), listener.clone())
    }

    pub(super) fn read(
        &self,
        id: u64,
        side: Side,
        buffer: &mut ReadBuf<'_>,
        waker: &Waker,
    ) -> Step {
        let mut network = self.lock();
        let network = &mut *network;
        let connection = network.connections.get_mut(&id);
        let connection = connection.expect("it is kept as long as it has a stream");
        let step = connection.read(side, Instant::now(), buffer, waker);
        network.counts.broken += u64::from(connection.has_newly_broken());
        step
    }

    pub(super) fn write(&self, id: u64, side: Side, bytes: &[u8], waker: &Waker) -> Step {
        let mut network = self.lock();
        let network = &mut *network;
        let connection = network.connections.get_mut(&id);
        let connection = connection.expect("it is kept as long as it has a stream");
        let link = connection.link(side);
        if network.cuts.get(&link) == Some(&Cut::Reset) {
            connection.break_now(io::ErrorKind::ConnectionReset);
        }
        let now = Instant::now();
        let sent = leaves(&network.nodes, link.0, now);
        let mut travel = Travel {
            sent,
            latency: network.latency,
            faults: &network.faults.get(&link).copied().unwrap_or_default(),
            rng: &mut network.rng,
        };
        let (counts, trace) = (&mut network.counts, &mut network.trace);
        let at = nanos(network.start, sent);
        let step = connection.write(side, now, bytes, &mut travel, waker, |frame, fate| {
            counts.frames += 1;
            match fate {
                Fate::Passes => {}
                Fate::Lost => counts.lost += 1,
                Fate::Duplicated => counts.duplicated += 1,
                Fate::HeldBack => counts.reordered += 1,
                Fate::Stuck => counts.cut += 1,
            }
            trace.frame(at, link, frame, fate);
        });
        network.counts.broken += u64::from(connection.has_newly_broken());
        step
    }

    /// One end says nothing more, or (`leave`) has dropped its stream.
    pub(super) fn end(&self, id: u64, side: Side, leave: bool) {
        // A poisoned lock means that a test is failing already.
        let Ok(mut network) = self.0.lock() else {
            return;
        };
        let network = &mut *network;
        let now = Instant::now();
        let connection = network.connections.get_mut(&id);
        let connection = connection.expect("it is kept as long as it has a stream");
        let sent = leaves(&network.nodes, connection.link(side).0, now);
        let arrival = arrival_of_end(sent, network.latency, &mut network.rng);
        if leave {
            connection.leave(side, now, arrival);
        } else {
            connection.finish(side, now, arrival);
        }
        network.counts.broken += u64::from(connection.has_newly_broken());
        if connection.is_over() {
            network.connections.remove(&id);
        }
    }
}

/// When that leaves which `node` writes now.
fn leaves(nodes: &BTreeMap<NodeId, SimNode>, node: NodeId, now: Instant) -> Instant {
    let stopped = nodes.get(&node).and_then(SimNode::stands_until);
    stopped.map_or(now, |until| until.max(now))
}

fn nanos(start: Instant, now: Instant) -> u64 {
    u64::try_from(now.duration_since(start).as_nanos()).unwrap_or(u64::MAX)
}

impl Network {
    fn nanos(&self, now: Instant) -> u64 {
        nanos(self.start, now)
    }

    /// Tells all connections which of their directions are cut in silence.
    fn apply_cuts(&mut self) {
        let now = Instant::now();
        for connection in self.connections.values_mut() {
            let silent = [DIALER, LISTENER]
                .map(|side| self.cuts.get(&connection.link(side)) == Some(&Cut::Silent));
            connection.set_silent(silent, now, &mut self.rng);
            self.counts.broken += u64::from(connection.has_newly_broken());
        }
    }

    fn break_where(&mut self, chosen: impl Fn(&Connection) -> bool) {
        for connection in self.connections.values_mut() {
            if chosen(connection) {
                connection.break_now(io::ErrorKind::ConnectionReset);
                self.counts.broken += u64::from(connection.has_newly_broken());
            }
        }
    }
}
