//! The closed loop: every client has one operation open and begins the next when it is done.
//!
//! The clients are spread over threads, each with a runtime, connections and a recorder of its
//! own, so that no operation waits for a lock or wakes another thread.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep_until};

use crate::call::{OPERATION_DEADLINE, connections};
use crate::client::Client;
use crate::plan::Step;
use crate::recorder::{Counts, Recorder, Window};

/// After the window, open operations may still complete: each has an outcome by its deadline.
const DRAIN: Duration = OPERATION_DEADLINE.saturating_add(Duration::from_secs(1));
/// After an interruption nobody wants to wait.
const INTERRUPTED_DRAIN: Duration = Duration::from_secs(1);
/// How often progress is told.
const TICK: Duration = Duration::from_secs(1);
/// Ticks that may wait to be shown; more are left out, since progress is only looked at.
pub const TICKS_CAPACITY: usize = 64;

/// Ends a load early.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<StopState>);

#[derive(Debug, Default)]
struct StopState {
    stopped: AtomicBool,
    waiters: Notify,
}

impl Stop {
    /// No client begins another operation.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
        self.0.waiters.notify_waiters();
    }

    /// Whether it is stopped.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }

    /// Completes once it is stopped.
    pub async fn stopped(&self) {
        let mut notified = pin!(self.0.waiters.notified());
        // Registered before looking, so that no stop falls between.
        notified.as_mut().enable();
        if !self.is_stopped() {
            notified.await;
        }
    }
}

/// What one thread's clients did in one second, for the progress.
#[derive(Debug)]
pub struct Tick {
    /// The second, from the window's beginning.
    pub second: usize,
    /// All kinds together.
    pub counts: Counts,
}

/// A load, done.
#[derive(Debug)]
pub struct Loaded {
    /// The clients with what they know.
    pub clients: Vec<Client>,
    /// What they measured, all together.
    pub recorder: Recorder,
}

/// Loads with all of `clients` until the window is over or `stop` says so.
///
/// # Errors
/// When a thread cannot be started or fails.
pub async fn load(
    clients: Vec<Client>,
    window: Window,
    threads: usize,
    stop: &Stop,
    ticks: &mpsc::Sender<Tick>,
) -> Result<Loaded, String> {
    let threads = threads.clamp(1, clients.len().max(1));
    let mut groups: Vec<Vec<Client>> = (0..threads).map(|_| Vec::new()).collect();
    for (nth, client) in clients.into_iter().enumerate() {
        groups[nth % threads].push(client);
    }
    let mut done = Vec::new();
    for (nth, group) in groups.into_iter().enumerate() {
        let (answer, answered) = oneshot::channel();
        let (stop, ticks) = (stop.clone(), ticks.clone());
        thread::Builder::new()
            .name(format!("load-{nth}"))
            .spawn(move || {
                // Whoever waits may be gone: then nobody wants it.
                let _ = answer.send(thread_main(group, window, stop, ticks));
            })
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        done.push(answered);
    }
    let mut loaded = Loaded {
        clients: Vec::new(),
        recorder: Recorder::new(window),
    };
    for answered in done {
        let part = answered
            .await
            .map_err(|_| "a thread of clients failed".to_owned())??;
        loaded.clients.extend(part.clients);
        loaded.recorder.merge(&part.recorder);
    }
    Ok(loaded)
}

fn thread_main(
    clients: Vec<Client>,
    window: Window,
    stop: Stop,
    ticks: mpsc::Sender<Tick>,
) -> Result<Loaded, String> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start a runtime: {error}"))?;
    runtime.block_on(group(clients, window, stop, ticks))
}

/// What the clients of a thread share.
struct Group {
    window: Window,
    stop: Stop,
    recorder: Mutex<Recorder>,
    /// The drain is over.
    given_up: Notify,
}

impl Group {
    /// For the moment of writing a number down: no other thread ever has it.
    fn record(&self, write: impl FnOnce(&mut Recorder)) {
        write(&mut self.recorder.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

async fn group(
    clients: Vec<Client>,
    window: Window,
    stop: Stop,
    ticks: mpsc::Sender<Tick>,
) -> Result<Loaded, String> {
    let http = connections()?;
    let group = Arc::new(Group {
        window,
        stop: stop.clone(),
        recorder: Mutex::new(Recorder::new(window)),
        given_up: Notify::new(),
    });
    let ticker = tokio::spawn(tick(Arc::clone(&group), ticks));
    let mut running = JoinSet::new();
    for client in clients {
        let client = client.moved_to(http.clone());
        running.spawn(run(client, Arc::clone(&group)));
    }

    let mut clients = Vec::new();
    let ended = async {
        tokio::select! {
            () = sleep_until(window.to) => sleep_until(window.to + DRAIN).await,
            () = stop.stopped() => tokio::time::sleep(INTERRUPTED_DRAIN).await,
        }
    };
    let mut ended = pin!(ended);
    let mut given_up = false;
    loop {
        tokio::select! {
            client = running.join_next() => match client {
                Some(client) => {
                    clients.push(client.map_err(|error| format!("a client failed: {error}"))?);
                }
                None => break,
            },
            () = &mut ended, if !given_up => {
                given_up = true;
                group.given_up.notify_waiters();
            }
        }
    }
    ticker.abort();
    // The ticker that held the other handle is gone as soon as it is awaited.
    let _ = ticker.await;
    let group = Arc::into_inner(group).expect("every client and the ticker are done");
    Ok(Loaded {
        clients,
        recorder: group
            .recorder
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
    })
}

/// One client, until the window is over.
async fn run(mut client: Client, group: Arc<Group>) -> Client {
    let mut open: Option<(Step, Instant)> = None;
    {
        let operations = async {
            while !group.stop.is_stopped() {
                let due = Instant::now();
                if due >= group.window.to {
                    break;
                }
                let step = client.next_step();
                open = Some((step, due));
                let outcome = client.perform(step).await;
                let now = Instant::now();
                group.record(|recorder| {
                    recorder.record(step.kind, due, now, outcome, &client.tries);
                });
                open = None;
            }
        };
        let mut given_up = pin!(group.given_up.notified());
        given_up.as_mut().enable();
        tokio::select! {
            biased;
            () = operations => {}
            () = given_up => {}
        }
    }
    if let Some((step, due)) = open {
        client.give_up();
        group.record(|recorder| {
            recorder.unfinished(step.kind, due, Instant::now(), &client.tries);
        });
    }
    client
}

/// Tells what every second brought when it is over.
async fn tick(group: Arc<Group>, ticks: mpsc::Sender<Tick>) {
    let mut beats = interval_at(group.window.from + TICK, TICK);
    for second in 0.. {
        beats.tick().await;
        let mut counts = Counts::default();
        group.record(|recorder| {
            // In a second in which nothing completed there is nothing.
            if let Some(kinds) = recorder.seconds.get(second) {
                kinds.iter().for_each(|kind| counts.add(kind));
            }
        });
        if second >= group.window.seconds() {
            return;
        }
        // Nobody may be looking (any more).
        let _ = ticks.try_send(Tick { second, counts });
    }
}
