//! Connections: accepting them, their bounds, and their end.
//!
//! Every connection has a phase, which it notes with the time; one sweep in a while closes
//! those that have been in theirs for too long. That costs a request a few stores and no timer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::answer::Reply;
use super::backend::Backend;
use super::handler::Handler;
use super::io::{ClientIo, refusal};
use super::problem::Failure;
use super::{HttpOptions, MAX_HEAD_BYTES};

/// Descriptors left to the log, the peers and everything else.
const RESERVED_DESCRIPTORS: u64 = 512;
/// How long accepting rests when the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// How often it is looked for connections that have ended, while the server stops.
const DRAIN_INTERVAL: Duration = Duration::from_millis(5);
/// A sweep comes so often in the shortest timeout, ...
const SWEEPS_PER_TIMEOUT: u32 = 4;
/// ... and not more often than this.
const MIN_SWEEP_INTERVAL: Duration = Duration::from_millis(5);
/// At so many eighths of the connections that there may be, idle ones are closed sooner.
const CROWDED_EIGHTHS: usize = 7;

/// Serves until `shutdown`, and then what is open.
pub(super) async fn serve<B: Backend>(
    listener: TcpListener,
    backend: Arc<B>,
    options: HttpOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let server = Arc::new(Server {
        handler: Handler::new(backend, options),
        now_ms: AtomicU64::new(0),
        max_connections: raise_descriptors(options.max_connections),
        open: Mutex::default(),
    });
    let mut http = http1::Builder::new();
    http.header_read_timeout(None)
        // A client may say all it has to say and wait for the answer.
        .half_close(true)
        .max_buf_size(MAX_HEAD_BYTES)
        .writev(false);
    let shortest = options
        .head_timeout
        .min(options.idle_timeout)
        .min(options.crowded_idle_timeout);
    let pause = (shortest / SWEEPS_PER_TIMEOUT).max(MIN_SWEEP_INTERVAL);
    let mut clock = Clock::new(2 * pause);
    let mut sweeps = interval(pause);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            _ = sweeps.tick() => server.sweep(&mut clock, false),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => server.take(stream, &http),
                Err(error) if is_starved(&error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    server.sweep(&mut clock, true);
                    sleep(ACCEPT_PAUSE).await;
                }
                // That connection was gone before it was accepted.
                Err(error) => tracing::debug!(%error, "a connection was not accepted"),
            },
        }
    }
    drop(listener);
    server.drain(&mut clock).await;
    Ok(())
}

/// Whether the process or the system has no descriptor or memory left for a connection.
fn is_starved(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Lets the process have the descriptors that `wanted` connections need, if it may; how many
/// connections the limit leaves room for. The log fails where it gets none.
fn raise_descriptors(wanted: usize) -> usize {
    let needed = (wanted as u64).saturating_add(RESERVED_DESCRIPTORS);
    let limits = getrlimit(Resource::Nofile);
    let mut allowed = limits.current.unwrap_or(u64::MAX);
    let possible = limits.maximum.unwrap_or(u64::MAX).min(needed);
    if allowed < possible {
        let raised = Rlimit {
            current: Some(possible),
            maximum: limits.maximum,
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => allowed = possible,
            Err(error) => tracing::debug!(%error, "the limit of descriptors stays {allowed}"),
        }
    }
    let reserved = RESERVED_DESCRIPTORS.min(allowed / 2);
    let left = usize::try_from(allowed - reserved).unwrap_or(usize::MAX);
    if left < wanted {
        tracing::warn!("the limit of {allowed} descriptors leaves {left} connections");
    }
    wanted.min(left)
}

/// The time that phases are judged by. It stands still while the process does: what came
/// meanwhile has not been looked at, and nobody is to blame.
struct Clock {
    now: Duration,
    last: Instant,
    /// The longest step, somewhat more than the time between two sweeps.
    max_step: Duration,
}

impl Clock {
    fn new(max_step: Duration) -> Self {
        Clock {
            now: Duration::ZERO,
            last: Instant::now(),
            max_step,
        }
    }

    /// In milliseconds, from when the server was started.
    fn advance(&mut self) -> u64 {
        let now = Instant::now();
        self.now += now.duration_since(self.last).min(self.max_step);
        self.last = now;
        u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The open connections and, once they are spawned, the handles that end them.
type Open = HashMap<u64, (Arc<Phase>, Option<AbortHandle>)>;

struct Server<B> {
    handler: Handler<B>,
    /// The [`Clock`]'s, as of the last sweep: precise enough to judge a phase by.
    now_ms: AtomicU64,
    max_connections: usize,
    open: Mutex<Open>,
}

impl<B: Backend> Server<B> {
    /// Takes a new connection in, or turns it away.
    fn take(self: &Arc<Self>, stream: TcpStream, http: &http1::Builder) {
        let counters = &self.handler.counters;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection is gone already");
            return;
        }
        let number = counters.accepted.fetch_add(1, Ordering::Relaxed);
        let phase = Arc::new(Phase::new(self.now_ms.load(Ordering::Relaxed)));
        {
            let mut open = self.lock();
            if open.len() >= self.max_connections {
                drop(open);
                counters.refused.fetch_add(1, Ordering::Relaxed);
                self.turn_away(&stream);
                return;
            }
            open.insert(number, (Arc::clone(&phase), None));
        }
        counters.open.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            server: Arc::clone(self),
            phase,
            number,
        });
        let io = ClientIo::new(stream, Arc::clone(&connection));
        let serving = http.serve_connection(
            io,
            service_fn(move |request| {
                let connection = Arc::clone(&connection);
                async move { connection.answer(request).await }
            }),
        );
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
        // The task may have ended already, and its entry with it.
        if let Some((_, entry)) = self.lock().get_mut(&number) {
            *entry = Some(task.abort_handle());
        }
    }

    /// Says why before closing, as far as that goes without waiting.
    fn turn_away(&self, stream: &TcpStream) {
        // What is not read by then would make the answer's end a reset.
        let mut ignored = [0; 4096];
        let _ = stream.try_read(&mut ignored);
        let failure = Failure::overloaded("there are too many connections");
        let _ = stream.try_write(&refusal(&failure, self.handler.leader_url()));
    }

    /// Closes connections that have been in their phase for too long.
    fn sweep(&self, clock: &mut Clock, starved: bool) {
        let now = clock.advance();
        self.now_ms.store(now, Ordering::Relaxed);
        let options = &self.handler.options;
        let mut open = self.lock();
        let crowded = starved || open.len() * 8 >= self.max_connections * CROWDED_EIGHTHS;
        let idle = if crowded {
            options.crowded_idle_timeout.min(options.idle_timeout)
        } else {
            options.idle_timeout
        };
        let over = |limit: Duration, since: u64| {
            u128::from(now.saturating_sub(since)) >= limit.as_millis()
        };
        let closed = close(&open, |stage, since| match stage {
            Stage::Idle => over(idle, since),
            Stage::Head => over(options.head_timeout, since),
            Stage::Answering => over(options.idle_timeout, since),
            Stage::Busy | Stage::Closing => false,
        });
        // Looking through a map takes as long as it once was large.
        if open.len() * 8 < open.capacity() {
            open.shrink_to_fit();
        }
        drop(open);
        self.handler
            .counters
            .timed_out
            .fetch_add(closed.len() as u64, Ordering::Relaxed);
        abort(closed);
    }

    /// Ends all connections: the idle ones at once, the others with their answer, and what is
    /// left when the time is up anyhow.
    async fn drain(&self, clock: &mut Clock) {
        self.handler.draining.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + self.handler.options.drain_timeout;
        loop {
            self.sweep(clock, false);
            let late = Instant::now() >= deadline;
            let closed = {
                let open = self.lock();
                if open.is_empty() {
                    return;
                }
                if late {
                    tracing::warn!("{} connections are cut off", open.len());
                }
                close(&open, |stage, _| late || stage == Stage::Idle)
            };
            abort(closed);
            if late {
                return;
            }
            sleep(DRAIN_INTERVAL).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        // It guards no invariant that a panic could break.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the connections that `condition` holds of as closing; what ends them.
fn close(open: &Open, condition: impl Fn(Stage, u64) -> bool) -> Vec<AbortHandle> {
    open.values()
        .filter_map(|(phase, task)| {
            let task = task.as_ref()?;
            phase.close_if(&condition).then(|| task.clone())
        })
        .collect()
}

/// Not done under the lock: ending a connection takes it.
fn abort(closed: Vec<AbortHandle>) {
    for task in closed {
        task.abort();
    }
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It waits for a request.
    Idle,
    /// Part of a request's head is here.
    Head,
    /// A request is being read or carried out. Its own timeouts bound it.
    Busy,
    /// An answer is being sent.
    Answering,
    /// It is being closed and takes no request any more.
    Closing,
}

/// A stage and since when, in one word.
#[derive(Debug)]
struct Phase(AtomicU64);

impl Phase {
    const STAGE_BITS: u32 = 3;

    fn new(now_ms: u64) -> Self {
        Phase(AtomicU64::new(Phase::word(Stage::Idle, now_ms)))
    }

    fn word(stage: Stage, since_ms: u64) -> u64 {
        since_ms << Phase::STAGE_BITS | stage as u64
    }

    fn stage(word: u64) -> Stage {
        match word & ((1 << Phase::STAGE_BITS) - 1) {
            0 => Stage::Idle,
            1 => Stage::Head,
            2 => Stage::Busy,
            3 => Stage::Answering,
            _ => Stage::Closing,
        }
    }

    /// Moves on, if `from` is where it stands.
    fn advance(&self, from: Stage, to: Stage, now_ms: u64) {
        let word = self.0.load(Ordering::Relaxed);
        if Phase::stage(word) == from {
            // It fails only when the sweep closes the connection.
            let _ = self.0.compare_exchange(
                word,
                Phase::word(to, now_ms),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
    }

    /// A request begins; false when the connection is being closed.
    fn begin(&self, now_ms: u64) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        Phase::stage(word) != Stage::Closing
            && self
                .0
                .compare_exchange(
                    word,
                    Phase::word(Stage::Busy, now_ms),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// Closes the connection if `condition` holds of its stage and since when; whether it did.
    /// No request begins after that.
    fn close_if(&self, condition: impl Fn(Stage, u64) -> bool) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        condition(Phase::stage(word), word >> Phase::STAGE_BITS)
            && self
                .0
                .compare_exchange(
                    word,
                    Phase::word(Stage::Closing, 0),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }
}

/// One connection, as its I/O and its requests see it.
pub(super) struct Connection<B: Backend> {
    server: Arc<Server<B>>,
    phase: Arc<Phase>,
    number: u64,
}

impl<B: Backend> Connection<B> {
    async fn answer(&self, request: Request<Incoming>) -> Result<Reply, Infallible> {
        if !self.phase.begin(self.now_ms()) {
            // The task is being ended; nothing may begin.
            return std::future::pending().await;
        }
        let reply = self.server.handler.answer(request).await;
        self.phase
            .advance(Stage::Busy, Stage::Answering, self.now_ms());
        Ok(reply)
    }

    /// Bytes have come.
    pub(super) fn received(&self) {
        self.phase.advance(Stage::Idle, Stage::Head, self.now_ms());
    }

    /// Everything that was to be sent is sent.
    pub(super) fn flushed(&self) {
        self.phase
            .advance(Stage::Answering, Stage::Idle, self.now_ms());
    }

    /// The leader's URL as a header, if it is known.
    pub(super) fn leader_url(&self) -> Option<hyper::header::HeaderValue> {
        self.server.handler.leader_url()
    }

    fn now_ms(&self) -> u64 {
        self.server.now_ms.load(Ordering::Relaxed)
    }
}

impl<B: Backend> Drop for Connection<B> {
    fn drop(&mut self) {
        let counters = &self.server.handler.counters;
        counters.open.fetch_sub(1, Ordering::Relaxed);
        self.server.lock().remove(&self.number);
    }
}
