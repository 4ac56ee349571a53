//! Connections to and from peers.
//!
//! Each replica dials each other one and speaks only on the connections that it dialed. What a
//! peer has to say first waits in its [`Outbox`]: votes, answers and reads overtake entries;
//! AppendEntries never overtake each other, because a heartbeat names the last entry sent
//! before it and would be refused if it came first.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use super::applier::Ask;
use super::mailbox::{Input, Lanes};
use super::metrics::Metrics;
use super::state::{Phase, Shared, stopped};
use super::wire::{Frame, Hello, Welcome, WireError};
use crate::env::{Env, Listener, Stream};
use crate::log::{Identity, KnownPeers};
use crate::raft::{Body, Configuration, Message, NodeId};

/// Frames that may wait for one peer in each lane.
const OUTBOX_FRAMES: usize = 1024;
/// Bytes of entries that may wait for one peer: a few windows of AppendEntries.
const OUTBOX_BYTES: usize = 8 << 20;
/// What is written to a connection at once, about, in bytes.
const WRITE_BYTES: usize = 512 << 10;
/// The pieces of memory that a connection is read into, in bytes.
const READ_BYTES: usize = 128 << 10;
/// A piece with less room than this is followed by a new one, in bytes.
const MIN_READ_BYTES: usize = 8 << 10;
/// How long a peer may take to accept a connection, or to take bytes from it.
const IO_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the other side may take for its part of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause before dialing again: the first, and the longest.
const REDIAL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// Connections of peers at once, those in their handshake too.
const MAX_CONNECTIONS: usize = 64;

/// The sending side of a link.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    urgent: mpsc::Sender<Frame>,
    entries: mpsc::Sender<Frame>,
    bytes: Arc<AtomicUsize>,
    connected: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
}

impl Outbox {
    /// Puts a frame in; false when it was dropped: the link is down or a bound was reached.
    pub(crate) fn send(&self, frame: Frame) -> bool {
        if !self.connected.load(Ordering::Relaxed) {
            return false;
        }
        let weight = weight(&frame);
        if self.bytes.load(Ordering::Relaxed) + weight > OUTBOX_BYTES {
            self.metrics.drop_frame("outbox-bytes");
            return false;
        }
        let in_order = matches!(
            frame,
            Frame::Raft(Message {
                body: Body::AppendEntries { .. },
                ..
            })
        );
        let lane = if in_order {
            &self.entries
        } else {
            &self.urgent
        };
        self.bytes.fetch_add(weight, Ordering::Relaxed);
        let sent = lane.try_send(frame).is_ok();
        if !sent {
            self.bytes.fetch_sub(weight, Ordering::Relaxed);
            self.metrics.drop_frame("outbox-frames");
        }
        sent
    }
}

/// The bytes of entries in a frame.
fn weight(frame: &Frame) -> usize {
    match frame {
        Frame::Raft(Message {
            body: Body::AppendEntries { entries, .. },
            ..
        }) => entries.iter().map(|entry| entry.encoded_len()).sum(),
        _ => 0,
    }
}

/// What the links know of this node.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) env: Env,
    pub(crate) identity: Identity,
    pub(crate) url: String,
    pub(crate) members: Configuration,
    pub(crate) known: Mutex<KnownPeers>,
    pub(crate) lanes: Lanes,
    pub(crate) asks: mpsc::Sender<Ask>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) phase: watch::Receiver<Phase>,
}

impl Local {
    /// Whether a replica is who it was: a new directory under a known id has forgotten its
    /// votes and what it acknowledged.
    fn check_directory(&self, peer: NodeId, directory_id: &str) -> Result<(), String> {
        let mut known = self.known.lock().expect("no holder of this lock panics");
        known
            .check_or_record(peer, directory_id)
            .map_err(|error| error.to_string())
    }
}

/// Starts the link to `peer`: its outbox, and its task.
pub(crate) fn dial(local: &Arc<Local>, peer: NodeId, address: String) -> (Outbox, JoinHandle<()>) {
    let (urgent, urgent_rx) = mpsc::channel(OUTBOX_FRAMES);
    let (entries, entries_rx) = mpsc::channel(OUTBOX_FRAMES);
    let outbox = Outbox {
        urgent,
        entries,
        bytes: Arc::default(),
        connected: Arc::default(),
        metrics: Arc::clone(&local.metrics),
    };
    let seed = local.env.seed ^ peer.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let link = Link {
        local: Arc::clone(local),
        peer,
        address,
        urgent: urgent_rx,
        entries: entries_rx,
        bytes: Arc::clone(&outbox.bytes),
        connected: Arc::clone(&outbox.connected),
        rng: StdRng::seed_from_u64(seed),
    };
    let task = local.env.spawner.spawn(Box::pin(link.run()));
    (outbox, task)
}

/// The link to one peer.
#[derive(Debug)]
struct Link {
    local: Arc<Local>,
    peer: NodeId,
    address: String,
    urgent: mpsc::Receiver<Frame>,
    entries: mpsc::Receiver<Frame>,
    bytes: Arc<AtomicUsize>,
    connected: Arc<AtomicBool>,
    rng: StdRng,
}

impl Link {
    async fn run(mut self) {
        let mut phase = self.local.phase.clone();
        tokio::select! {
            biased;
            () = stopped(&mut phase) => {}
            () = self.keep_up() => {}
        }
    }

    async fn keep_up(&mut self) {
        let mut pause = REDIAL.0;
        let mut last_error = String::new();
        loop {
            let error = match self.connect().await {
                Ok(stream) => {
                    tracing::debug!(peer = self.peer, "connected");
                    pause = REDIAL.0;
                    last_error.clear();
                    self.connected.store(true, Ordering::Relaxed);
                    let error = self.speak(stream).await;
                    self.connected.store(false, Ordering::Relaxed);
                    self.forget_queued();
                    // When the lane is full the core finds out by itself.
                    let _ = self
                        .local
                        .lanes
                        .peers
                        .try_send(Input::Unreachable(self.peer));
                    error.to_string()
                }
                Err(error) => error,
            };
            if error != last_error {
                tracing::warn!(peer = self.peer, address = self.address, "link: {error}");
                last_error = error;
            }
            tokio::time::sleep(pause.mul_f64(self.rng.random_range(0.5..1.0))).await;
            pause = (pause * 2).min(REDIAL.1);
        }
    }

    async fn connect(&mut self) -> Result<Box<dyn Stream>, String> {
        let dialing = self.local.env.transport.connect(self.address.clone());
        let mut stream = timeout(IO_TIMEOUT, dialing)
            .await
            .map_err(|_| "the connection timed out".to_owned())?
            .map_err(|error| format!("cannot connect: {error}"))?;
        let mut hello = Vec::new();
        Hello {
            cluster_id: self.local.identity.cluster_id.clone(),
            from: self.local.identity.node_id,
            to: self.peer,
            directory_id: self.local.identity.directory_id.clone(),
            url: self.local.url.clone(),
        }
        .encode(&mut hello);
        let handshake = async {
            stream
                .write_all(&hello)
                .await
                .map_err(|error| format!("handshake: {error}"))?;
            read_frame(&mut stream, &mut BytesMut::new(), Welcome::decode)
                .await
                .map_err(|error| format!("handshake: {error}"))
        };
        let welcome = timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .map_err(|_| "the handshake timed out".to_owned())??;
        match welcome {
            Welcome::Accepted { directory_id, url } => {
                self.local.check_directory(self.peer, &directory_id)?;
                self.local.shared.set_url(self.peer, url);
                Ok(stream)
            }
            Welcome::Refused(reason) => Err(format!("refused by the peer: {reason}")),
        }
    }

    /// Speaks until the connection breaks.
    async fn speak(&mut self, mut stream: Box<dyn Stream>) -> io::Error {
        let mut buffer = Vec::new();
        let mut nothing = [0; 1];
        loop {
            let first = tokio::select! {
                biased;
                Some(frame) = self.urgent.recv() => frame,
                Some(frame) = self.entries.recv() => frame,
                read = stream.read(&mut nothing) => {
                    return match read {
                        Err(error) => error,
                        Ok(0) => io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the peer"),
                        Ok(_) => io::Error::new(io::ErrorKind::InvalidData, "unexpected bytes"),
                    };
                }
            };
            let mut next = Some(first);
            while let Some(frame) = next {
                self.bytes.fetch_sub(weight(&frame), Ordering::Relaxed);
                frame.encode(&mut buffer);
                if buffer.len() >= WRITE_BYTES {
                    break;
                }
                next = self
                    .urgent
                    .try_recv()
                    .or_else(|_| self.entries.try_recv())
                    .ok();
            }
            match timeout(IO_TIMEOUT, stream.write_all(&buffer)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error,
                Err(_) => {
                    return io::Error::new(io::ErrorKind::TimedOut, "the peer takes no bytes");
                }
            }
            buffer.clear();
            buffer.shrink_to(2 * WRITE_BYTES);
        }
    }

    fn forget_queued(&mut self) {
        while let Ok(frame) = self.urgent.try_recv().or_else(|_| self.entries.try_recv()) {
            self.bytes.fetch_sub(weight(&frame), Ordering::Relaxed);
        }
    }
}

/// Takes peers' connections in until the node stops.
pub(crate) async fn accept(local: Arc<Local>, listener: Box<dyn Listener>) {
    let mut phase = local.phase.clone();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let latest: Latest = Arc::default();
    let accepting = async {
        loop {
            let stream = match listener.accept().await {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!("cannot accept a peer's connection: {error}");
                    // Out of file descriptors, most likely: give some time to close.
                    tokio::time::sleep(REDIAL.1).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                local.metrics.reject_peer("too-many-connections");
                continue;
            };
            let local_clone = Arc::clone(&local);
            let latest = Arc::clone(&latest);
            let (ours, theirs) = tokio::sync::oneshot::channel();
            let task = local.env.spawner.spawn(Box::pin(async move {
                if let Ok(abort) = theirs.await {
                    listen(local_clone, stream, &latest, abort).await;
                }
                drop(permit);
            }));
            // The task is told how to end itself, so that a newer connection can end it.
            let _ = ours.send(task.abort_handle());
        }
    };
    tokio::select! {
        biased;
        () = stopped(&mut phase) => {}
        () = accepting => {}
    }
    let mut latest = latest.lock().expect("no holder of this lock panics");
    for (_, task) in std::mem::take(&mut *latest) {
        task.abort();
    }
}

/// The newest connection of each peer: it replaces the one before, which may be half dead.
type Latest = Arc<Mutex<BTreeMap<NodeId, AbortHandle>>>;

/// Listens to one connection until it breaks or says something wrong.
async fn listen(
    local: Arc<Local>,
    mut stream: Box<dyn Stream>,
    latest: &Latest,
    myself: AbortHandle,
) {
    let mut input = BytesMut::new();
    let hello = timeout(
        HANDSHAKE_TIMEOUT,
        read_frame(&mut stream, &mut input, Hello::decode),
    )
    .await;
    let hello = match hello {
        Ok(Ok(hello)) => hello,
        Ok(Err(error)) => {
            local.metrics.reject_peer(error.reason());
            tracing::warn!("a connection on the peer port was dropped: {error}");
            return;
        }
        Err(_) => return local.metrics.reject_peer("handshake-timeout"),
    };
    let answer = match check(&local, &hello) {
        Ok(()) => Welcome::Accepted {
            directory_id: local.identity.directory_id.clone(),
            url: local.url.clone(),
        },
        Err((kind, reason)) => {
            local.metrics.reject_peer(kind);
            tracing::warn!(peer = hello.from, "a peer was refused: {reason}");
            Welcome::Refused(reason)
        }
    };
    let mut bytes = Vec::new();
    answer.encode(&mut bytes);
    let sent = timeout(HANDSHAKE_TIMEOUT, stream.write_all(&bytes)).await;
    if matches!(answer, Welcome::Refused(_)) || !matches!(sent, Ok(Ok(()))) {
        return;
    }
    let peer = hello.from;
    local.shared.set_url(peer, hello.url);
    {
        let mut latest = latest.lock().expect("no holder of this lock panics");
        if let Some(older) = latest.insert(peer, myself) {
            older.abort();
        }
    }
    loop {
        match read_frame(&mut stream, &mut input, Frame::decode).await {
            Ok(frame) => deliver(&local, peer, frame),
            Err(ReadError::Io(error)) => {
                tracing::debug!(peer, "a peer's connection ended: {error}");
                return;
            }
            Err(error) => {
                local.metrics.reject_peer(error.reason());
                tracing::warn!(peer, "a peer's connection was dropped: {error}");
                return;
            }
        }
    }
}

/// Whether a peer belongs.
fn check(local: &Local, hello: &Hello) -> Result<(), (&'static str, String)> {
    let identity = &local.identity;
    if hello.cluster_id != identity.cluster_id {
        let (theirs, ours) = (&hello.cluster_id, &identity.cluster_id);
        let reason = format!("it is of cluster {theirs}, this is cluster {ours}");
        return Err(("wrong-cluster", reason));
    }
    if hello.to != identity.node_id {
        let reason = format!(
            "it looks for node {}, this is {}",
            hello.to, identity.node_id
        );
        return Err(("wrong-node", reason));
    }
    if hello.from == identity.node_id {
        let reason = format!("it says that it is node {}, which this is", hello.from);
        return Err(("wrong-node", reason));
    }
    if !local.members.members().any(|(id, _)| id == hello.from) {
        return Err(("not-a-member", format!("{} is no member", hello.from)));
    }
    local
        .check_directory(hello.from, &hello.directory_id)
        .map_err(|reason| ("wrong-directory", reason))
}

/// Takes a peer's frame to whom it concerns. What does not fit is dropped: Raft sends again.
fn deliver(local: &Local, from: NodeId, frame: Frame) {
    let dropped = match frame {
        Frame::Raft(message) => local
            .lanes
            .peers
            .try_send(Input::Peer { from, message })
            .is_err(),
        Frame::Applied { index, digest } => local
            .asks
            .try_send(Ask::Report {
                from,
                index,
                digest,
            })
            .is_err(),
        Frame::Diverged { index } => {
            local.shared.set_diverged(index);
            false
        }
    };
    if dropped {
        local.metrics.drop_frame("mailbox");
    }
}

/// Why nothing more can be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Wire(#[from] WireError),
}

impl ReadError {
    fn reason(&self) -> &'static str {
        match self {
            ReadError::Io(_) => "io",
            ReadError::Wire(WireError::Magic) => "not-a-peer",
            ReadError::Wire(WireError::Version(_)) => "wrong-version",
            ReadError::Wire(WireError::Checksum) => "checksum",
            ReadError::Wire(_) => "garbage",
        }
    }
}

/// Reads until `decode` finds something whole.
async fn read_frame<T>(
    stream: &mut Box<dyn Stream>,
    input: &mut BytesMut,
    decode: impl Fn(&mut BytesMut) -> Result<Option<T>, WireError>,
) -> Result<T, ReadError> {
    loop {
        if let Some(frame) = decode(input)? {
            return Ok(frame);
        }
        // Entries stay slices of what was read, for as long as they are in memory: a new piece
        // for each of them would hold far more than they are.
        if input.capacity() - input.len() < MIN_READ_BYTES {
            input.reserve(READ_BYTES);
        }
        if stream.read_buf(input).await? == 0 {
            let ended = io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the peer");
            return Err(ended.into());
        }
    }
}
