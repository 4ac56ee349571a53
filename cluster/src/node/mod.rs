//! One replica: the actors around the Raft core.
//!
//! | actor | owns | is told by |
//! |---|---|---|
//! | consensus | the Raft core, pending replies | peers, clients, the log writer, its timer |
//! | log writer | the open segment; a thread of its own | consensus |
//! | applier | the chat's state | consensus; readers |
//! | peer links | a connection each | consensus |
//!
//! All mailboxes are bounded, and what happens when one is full is written at its bound.
//! Clock, disk, transport, spawning and randomness come in as an [`Env`], so that the same
//! actors run in a simulator.

mod applier;
mod consensus;
mod handle;
mod links;
mod mailbox;
mod metrics;
mod state;
pub(crate) mod wire;
mod writer;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::{StdRng, SysRng};
use rand::{RngExt, SeedableRng, TryRng};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use handle::Node;

use crate::chat::SessionLimits;
use crate::env::{Env, FsDisk, Listener, SystemClock, TcpAccept, TcpTransport, ThreadSpawner};
use crate::http;
use crate::log::{Durability, Identity, KnownPeers, Log, LogOptions};
use crate::raft::{Config, Configuration, NodeId, Raft, Role};

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

/// How long a follower waits for its leader, at least. Below the two seconds that a failover
/// may take, even when the first election is split; far above what a busy machine delays.
const ELECTION_TIMEOUT: Duration = Duration::from_millis(600);
/// How often a leader is heard: five may be late before anyone doubts it.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);
/// Entries in one AppendEntries, in bytes.
const MAX_APPEND_BYTES: usize = 256 << 10;
/// AppendEntries with entries open per follower: one is written there while the next is on its
/// way. What comes meanwhile gathers for the one after, so more would only be smaller.
const MAX_INFLIGHT_APPENDS: usize = 2;
/// Proposals not yet committed, or not yet durable on the leader's own disk, in bytes. At 128-byte
/// messages that is 100,000 of them, far more than all clients together have open; it bounds the
/// memory, and what a stuck disk holds. Half of what the applier keeps of the newest commands
/// ([`Limits::applier_tail_bytes`]): what is applied and not on the disk is read from there.
const MAX_OPEN_BYTES: usize = 16 << 20;
/// Reads waiting for a round.
const MAX_PENDING_READS: usize = 8192;
/// A log segment, in bytes: a few seconds of writing at full speed, so that the next one is
/// always ready before it is needed.
pub const DEFAULT_SEGMENT_BYTES: u64 = 32 << 20;
/// The smallest log segment that a replica takes, in bytes: a longest message has room in it.
pub const MIN_SEGMENT_BYTES: u64 = 128 << 10;
/// How long a leader may take to hand over when it stops.
const HAND_OVER_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long the HTTP server may take to answer what is open when it stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

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
    /// A log segment's size, in bytes; [`DEFAULT_SEGMENT_BYTES`] where nothing else is meant.
    pub segment_bytes: u64,
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

/// What a node is started with, its world apart.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This replica.
    pub id: NodeId,
    /// The cluster.
    pub cluster_id: String,
    /// The first members; counts at bootstrap only.
    pub members: Configuration,
    /// The data directory.
    pub data_dir: PathBuf,
    /// Whether an empty data directory may become a new replica.
    pub bootstrap: bool,
    /// The HTTP address that others are told.
    pub url: String,
    /// Its mailbox.
    pub mailbox: Mailbox,
    /// Whether writes are synced.
    pub durability: Durability,
    /// A segment's size, in bytes.
    pub segment_bytes: u64,
    /// Whether segments are allocated by a thread of their own (not in a simulator).
    pub background_allocation: bool,
    /// What is kept in memory and remembered.
    pub limits: Limits,
}

/// How much a replica keeps and remembers. The default is every real replica's; a simulator
/// makes it small, so that what happens beyond a limit happens within a few thousand entries.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The newest entries kept for followers that are a little behind, in bytes.
    pub raft_tail_bytes: usize,
    /// The newest entries kept to answer reads from, in bytes.
    pub applier_tail_bytes: usize,
    /// What sessions remember. It is a part of the state machine: all replicas have the same.
    pub sessions: SessionLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            raft_tail_bytes: 16 << 20,
            applier_tail_bytes: 32 << 20,
            sessions: SessionLimits::REPLICATED,
        }
    }
}

/// The cluster's id when none is given: a hash of its first members.
pub fn default_cluster_id(peers: &BTreeMap<NodeId, String>) -> String {
    let mut text = String::new();
    for (id, address) in peers {
        text.push_str(&format!("{id}={address},"));
    }
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}

/// What [`start`] has started.
#[derive(Debug)]
pub struct Running {
    /// The node.
    pub node: Node,
    /// Its actors; they end after [`Node::stop`].
    pub actors: Vec<JoinHandle<()>>,
}

/// Recovers the log and starts the actors.
///
/// # Errors
/// The data directory is another's, in use, or empty without `bootstrap`; or the log is
/// corrupt or unreadable.
pub async fn start(
    env: Env,
    settings: Settings,
    listener: Box<dyn Listener>,
) -> Result<Running, NodeError> {
    let mut seeds = StdRng::seed_from_u64(env.seed);
    let opening = {
        let env = env.clone();
        let settings = settings.clone();
        let seed = seeds.random();
        move || open(&env, &settings, seed)
    };
    let opened = applier::blocking(env.spawner.as_ref(), opening)
        .await
        .ok_or_else(|| NodeError::Failed("stopped while the log was opened".to_owned()))??;
    let Opened {
        identity,
        known,
        log,
        restored,
        lock,
    } = opened;
    let members = restored.configuration.clone();
    if !members.members().any(|(id, _)| id == settings.id) {
        tracing::warn!(id = settings.id, "this replica is no member of its cluster");
    }

    let metrics = Arc::new(metrics::Metrics::new());
    let shared = Arc::new(state::Shared::default());
    shared.set_url(settings.id, settings.url.clone());
    let fatal = state::Fatal::new();
    let (phase_tx, phase) = watch::channel(state::Phase::Running);
    let (lanes, mailbox) = mailbox::mailbox(settings.mailbox);
    let (work_tx, work) = mpsc::channel(applier::WORK_CAPACITY);
    let (asks_tx, asks) = mpsc::channel(applier::READS_CAPACITY);
    let (writer_tx, writer_queue) = mpsc::channel(writer::QUEUE_CAPACITY);
    let (applied_tx, applied) = watch::channel(state::Applied::default());
    let (diverged_tx, diverged) = mpsc::channel(16);
    let (view_tx, view) = watch::channel(state::View {
        role: Role::Follower,
        term: restored.hard_state.term,
        leader: None,
        serving: false,
    });

    let local = Arc::new(links::Local {
        env: env.clone(),
        identity,
        url: settings.url.clone(),
        members: members.clone(),
        known: Mutex::new(known),
        lanes: lanes.clone(),
        asks: asks_tx.clone(),
        shared: Arc::clone(&shared),
        metrics: Arc::clone(&metrics),
        phase: phase.clone(),
    });
    let mut outboxes = BTreeMap::new();
    let mut actors = Vec::new();
    for (id, address) in members.members().filter(|(id, _)| *id != settings.id) {
        let (outbox, link) = links::dial(&local, id, address.to_owned());
        outboxes.insert(id, outbox);
        actors.push(link);
    }

    let reader = log.reader();
    let writer = writer::LogWriter {
        log,
        queue: writer_queue,
        lanes: lanes.clone(),
        clock: Arc::clone(&env.clock),
        observer: env.observer.clone(),
        metrics: Arc::clone(&metrics),
        shared: Arc::clone(&shared),
        fatal: fatal.clone(),
        _lock: lock,
    };
    env.spawner
        .spawn_blocking_actor("log-writer", Box::new(writer))
        .map_err(|error| NodeError::Failed(format!("cannot start the log writer: {error}")))?;

    let applier = applier::Applier::new(
        reader.clone(),
        &settings.limits,
        work,
        asks,
        applier::Context {
            id: settings.id,
            clock: Arc::clone(&env.clock),
            spawner: Arc::clone(&env.spawner),
            observer: env.observer.clone(),
            metrics: Arc::clone(&metrics),
            shared: Arc::clone(&shared),
            fatal: fatal.clone(),
            applied: applied_tx,
            phase: phase.clone(),
            diverged: diverged_tx,
        },
    );
    let core = Raft::new(
        Config {
            id: settings.id,
            election_timeout: ELECTION_TIMEOUT,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            max_append_bytes: MAX_APPEND_BYTES,
            max_inflight_appends: MAX_INFLIGHT_APPENDS,
            max_open_bytes: MAX_OPEN_BYTES,
            tail_bytes: settings.limits.raft_tail_bytes,
            max_pending_reads: MAX_PENDING_READS,
        },
        restored,
        seeds.random(),
        env.clock.now(),
    );
    let consensus = consensus::Consensus::new(
        core,
        mailbox,
        consensus::Context {
            clock: Arc::clone(&env.clock),
            spawner: Arc::clone(&env.spawner),
            observer: env.observer.clone(),
            metrics: Arc::clone(&metrics),
            shared: Arc::clone(&shared),
            lanes: lanes.clone(),
            reader,
            outboxes,
            writer: writer_tx,
            applier: work_tx,
            applied: applied.clone(),
            view: view_tx,
            phase,
            diverged,
        },
    );
    actors.push(env.spawner.spawn(Box::pin(consensus.run())));
    actors.push(env.spawner.spawn(Box::pin(applier.run())));
    let accepting = links::accept(local, listener);
    actors.push(env.spawner.spawn(Box::pin(accepting)));
    let node = Node::new(handle::Inner {
        id: settings.id,
        cluster_id: settings.cluster_id,
        members,
        clock: env.clock,
        lanes,
        asks: asks_tx,
        view,
        applied,
        shared,
        metrics,
        phase: phase_tx,
        fatal,
    });
    Ok(Running { node, actors })
}

/// What opening the data directory gives.
struct Opened {
    identity: Identity,
    known: KnownPeers,
    log: Log,
    restored: crate::raft::Restored,
    lock: crate::log::DirectoryLock,
}

/// Opens the data directory. Blocks.
fn open(env: &Env, settings: &Settings, seed: u64) -> Result<Opened, NodeError> {
    let failed = |error: &dyn std::fmt::Display| NodeError::Failed(error.to_string());
    let disk = Arc::clone(&env.disk);
    let directory: &Path = &settings.data_dir;
    let (identity, lock) = Identity::load_or_create(
        disk.as_ref(),
        directory,
        &settings.cluster_id,
        settings.id,
        settings.bootstrap,
        seed,
    )
    .map_err(|error| failed(&error))?;
    let known = KnownPeers::load(Arc::clone(&disk), directory).map_err(|error| failed(&error))?;
    let (log, recovered) = Log::open(
        disk,
        &directory.join("log"),
        settings.bootstrap.then_some(&settings.members),
        LogOptions {
            durability: settings.durability,
            segment_bytes: settings.segment_bytes,
            tail_bytes: settings.limits.raft_tail_bytes,
            seed,
            background_allocation: settings.background_allocation,
        },
    )
    .map_err(|error| failed(&error))?;
    if recovered.restored.base.0 > 0 {
        return Err(NodeError::Failed(format!(
            "the log in {} begins after entry {}, and this version has no checkpoint to begin from",
            directory.display(),
            recovered.restored.base.0
        )));
    }
    if let Some((path, offset)) = &recovered.torn {
        tracing::warn!(
            "a torn batch at the end of the log was cut: {} at offset {offset}",
            path.display()
        );
    }
    if let Some(observer) = &env.observer {
        let now = env.clock.now();
        observer.started(now, &recovered.restored, recovered.torn.is_some());
    }
    Ok(Opened {
        identity,
        known,
        log,
        restored: recovered.restored,
        lock,
    })
}

/// Runs a replica until `shutdown` completes (then it stops cleanly) or it has to stop.
///
/// # Errors
/// It could not start, or could not go on; the text says what and where.
pub async fn run(
    options: NodeOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), NodeError> {
    check(&options)?;
    let failed = |what: &str, address: SocketAddr, error: std::io::Error| {
        NodeError::Failed(format!("cannot listen for {what} on {address}: {error}"))
    };
    let http_listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| failed("clients", options.listen, error))?;
    let peer_listener = TcpAccept::bind(options.peer_listen)
        .await
        .map_err(|error| failed("peers", options.peer_listen, error))?;
    let listening = http_listener.local_addr().unwrap_or(options.listen);
    let env = Env {
        clock: Arc::new(SystemClock),
        disk: Arc::new(FsDisk),
        transport: Arc::new(TcpTransport),
        spawner: Arc::new(ThreadSpawner),
        seed: SysRng
            .try_next_u64()
            .map_err(|error| NodeError::Failed(format!("no randomness: {error}")))?,
        observer: None,
    };
    let settings = Settings {
        id: options.id,
        cluster_id: options
            .cluster_id
            .unwrap_or_else(|| default_cluster_id(&options.peers)),
        members: Configuration {
            voters: options.peers,
            learners: BTreeMap::new(),
        },
        data_dir: options.data_dir,
        bootstrap: options.bootstrap,
        url: options
            .advertise_url
            .unwrap_or_else(|| format!("http://{listening}")),
        mailbox: options.mailbox,
        durability: options.durability,
        segment_bytes: options.segment_bytes,
        background_allocation: true,
        limits: Limits::default(),
    };
    let Running { node, mut actors } = start(env, settings, Box::new(peer_listener)).await?;
    tracing::info!(id = options.id, %listening, "the replica is up");

    let (stop_http, http_stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(http::serve(
        http_listener,
        Arc::new(node.clone()),
        http::HttpOptions::default(),
        async {
            let _ = http_stopped.await;
        },
    ));
    // An actor that ends while the node runs has met a broken invariant and told stderr.
    let ended = std::future::poll_fn(|context| {
        for actor in &mut actors {
            if let std::task::Poll::Ready(end) = std::pin::Pin::new(actor).poll(context) {
                return std::task::Poll::Ready(end);
            }
        }
        std::task::Poll::Pending
    });
    tokio::select! {
        biased;
        reason = node.failed() => return Err(NodeError::Failed(reason)),
        end = ended => {
            let why = end.err().map_or_else(|| "it ended".to_owned(), |error| error.to_string());
            return Err(NodeError::Failed(format!("an actor has stopped: {why}")));
        }
        () = shutdown => {}
    }

    tracing::info!("stopping");
    node.drain();
    if timeout(HAND_OVER_TIMEOUT, node.handed_over())
        .await
        .is_err()
    {
        tracing::warn!("nobody took leadership over in time");
    }
    let _ = stop_http.send(());
    let drained = timeout(DRAIN_TIMEOUT, server).await;
    node.stop();
    match drained {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(NodeError::Failed(format!("the HTTP server: {error}"))),
        Ok(Err(error)) => Err(NodeError::Failed(format!("the HTTP server: {error}"))),
        Err(_) => {
            tracing::warn!("some requests were not answered in time");
            Ok(())
        }
    }
}

/// Options that cannot work are refused before anything is touched.
fn check(options: &NodeOptions) -> Result<(), NodeError> {
    #[cfg(feature = "known-bugs")]
    if let Some(bug) = crate::known_bugs::from_environment()
        .map_err(|error| NodeError::Options(error.to_string()))?
    {
        tracing::warn!(%bug, "this replica has a known bug: {}", bug.about());
    }
    if options.id == 0 {
        return Err(NodeError::Options("a node's id is 1 or more".to_owned()));
    }
    if options.bootstrap && !options.peers.contains_key(&options.id) {
        return Err(NodeError::Options(format!(
            "--peers does not name node {} itself",
            options.id
        )));
    }
    if options.segment_bytes < MIN_SEGMENT_BYTES {
        return Err(NodeError::Options(format!(
            "a log segment of {} bytes is too small: {MIN_SEGMENT_BYTES} is the least",
            options.segment_bytes
        )));
    }
    if !options.insecure {
        for (what, address) in [
            ("--listen", options.listen),
            ("--peer-listen", options.peer_listen),
        ] {
            if !address.ip().is_loopback() {
                return Err(NodeError::Options(format!(
                    "{what} {address} is not a loopback address: nothing is encrypted and nobody \
                     is asked who they are; --insecure says that you accept that"
                )));
            }
        }
    }
    Ok(())
}
