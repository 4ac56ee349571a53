//! A simulated process and its machine: clock, stops, the latency of its log's writes.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::gate::Gate;
use super::pipe::between;
use super::spawner::SimSpawner;
use crate::env::Clock;
use crate::time::Time;

/// What the wall clock of a new machine shows, in milliseconds: some day of the simulated world.
const WALL_MS: u64 = 1_700_000_000_000;
/// How long a write to the log takes unless set otherwise, at least and at most.
const WRITE_LATENCY: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(5));

/// A simulated process and its machine. Clones are the same one; it outlives its crashes, so
/// that its clocks go on.
#[derive(Clone, Debug)]
pub struct SimNode(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    rng: StdRng,
    /// The clock showed `shown` at `base`, and has gone `ppm` millionths too fast since.
    base: Instant,
    shown: Time,
    ppm: i64,
    origin: Time,
    wall_step_ms: i64,
    paused: bool,
    /// Readings of the clock until the process stops, and for how long it will.
    stop: Option<(u32, Duration)>,
    /// It was stopped inside a poll, until then.
    stands_until: Option<Instant>,
    /// Tasks that were woken while it stood still.
    parked: BTreeMap<u64, Waker>,
    next_key: u64,
    tasks: Vec<AbortHandle>,
    /// Counts crashes.
    life: u64,
    /// What others run inside the process, and how they are told of a crash. (They are woken
    /// in the order of their keys; tokio's `watch` wakes in an order of chance.)
    inside: BTreeMap<u64, Waker>,
    write_latency: (Duration, Duration),
    hang: Option<Duration>,
}

impl State {
    fn reading(&self, at: Instant) -> Time {
        let elapsed = at.saturating_duration_since(self.base).as_nanos();
        let elapsed = i128::try_from(elapsed).expect("a simulation is short");
        let ahead = elapsed * i128::from(self.ppm) / 1_000_000;
        let elapsed = u64::try_from(elapsed + ahead).expect("a clock does not run backwards");
        self.shown + Duration::from_nanos(elapsed)
    }

    /// The moment that the process lives in: the end of the stop that it is in.
    fn moment(&self) -> Instant {
        let now = Instant::now();
        self.stands_until.map_or(now, |until| until.max(now))
    }

    fn stands(&self) -> bool {
        self.paused
            || self
                .stands_until
                .is_some_and(|until| Instant::now() < until)
    }

    fn wake_all(&mut self) {
        for waker in std::mem::take(&mut self.parked).into_values() {
            waker.wake();
        }
    }
}

impl SimNode {
    /// A machine whose monotonic clock shows `origin` now.
    pub fn new(seed: u64, origin: Time) -> Self {
        SimNode(Arc::new(Mutex::new(State {
            rng: StdRng::seed_from_u64(seed),
            base: Instant::now(),
            shown: origin,
            ppm: 0,
            origin,
            wall_step_ms: 0,
            paused: false,
            stop: None,
            stands_until: None,
            parked: BTreeMap::new(),
            next_key: 0,
            tasks: Vec::new(),
            write_latency: WRITE_LATENCY,
            hang: None,
            life: 0,
            inside: BTreeMap::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// Its clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SimClock(self.clone()))
    }

    /// What its actors are started with.
    pub fn spawner(&self) -> Arc<SimSpawner> {
        Arc::new(SimSpawner::of(self.clone()))
    }

    /// Stops the process, as SIGSTOP does: from now on none of its tasks is polled. Time goes
    /// on, and what others send to it waits.
    pub fn pause(&self) {
        self.lock().paused = true;
    }

    /// Lets it go on, as SIGCONT does (unless it is stopped inside a poll).
    pub fn resume(&self) {
        self.lock().paused = false;
        self.wake_if_running();
    }

    /// Whether it stands still now, by [`SimNode::pause`] or [`SimNode::stop_inside`].
    pub fn is_paused(&self) -> bool {
        self.lock().stands()
    }

    /// Waits until it does not stand still.
    pub async fn wait_until_running(&self) {
        Gate::new(self.clone(), Box::pin(std::future::ready(()))).await;
    }

    /// Runs `future` as a part of the process, such as a client's request in its hands: it
    /// stands still when the process does. `None` when the process crashes before it ends.
    pub async fn run_inside<T>(&self, future: impl Future<Output = T> + Send) -> Option<T> {
        let life = self.lock().life;
        let mut gate = Gate::new(self.clone(), Box::pin(future));
        std::future::poll_fn(|context| {
            if !self.is_in(life, gate.key(), context.waker()) {
                return Poll::Ready(None);
            }
            Pin::new(&mut gate).poll(context).map(Some)
        })
        .await
    }

    /// Stops the process at the `reads`-th next reading of its monotonic clock (1 is the very
    /// next), in the middle of whatever it does then, for `length`: that reading shows the time
    /// after the stop already, and so do later ones of the same poll. None of its tasks is
    /// polled before the stop is over, so what the poll hands to others of them leaves then;
    /// see [`SimNetwork::attach`](super::SimNetwork::attach) for what it writes itself.
    ///
    /// # Panics
    /// When `reads` is 0.
    pub fn stop_inside(&self, reads: u32, length: Duration) {
        assert!(reads > 0, "a reading that is over cannot be stopped at");
        self.lock().stop = Some((reads, length));
    }

    /// Whether a stop that was asked for has not begun yet.
    pub fn stop_is_ahead(&self) -> bool {
        self.lock().stop.is_some()
    }

    /// Until when it is stopped inside a poll, if it is.
    pub(super) fn stands_until(&self) -> Option<Instant> {
        self.lock().stands_until
    }

    /// From now on its clocks run `ppm` millionths too fast.
    ///
    /// # Panics
    /// When they would run backwards.
    pub fn set_drift(&self, ppm: i64) {
        assert!(ppm > -1_000_000, "a clock does not run backwards");
        let mut state = self.lock();
        let now = state.moment();
        state.shown = state.reading(now);
        state.base = now;
        state.ppm = ppm;
    }

    /// Sets its wall clock forwards or back, in milliseconds.
    pub fn step_wall_clock(&self, ms: i64) {
        let mut state = self.lock();
        state.wall_step_ms = state.wall_step_ms.saturating_add(ms);
    }

    /// From now on a write to its log takes a time between the shortest and the longest.
    pub fn set_write_latency(&self, latency: (Duration, Duration)) {
        self.lock().write_latency = latency;
    }

    /// The next write to its log takes this long, once.
    pub fn hang_next_write(&self, length: Duration) {
        self.lock().hang = Some(length);
    }

    /// Whether the write that is to take long has not begun yet.
    pub fn hang_is_ahead(&self) -> bool {
        self.lock().hang.is_some()
    }

    /// Takes back a hang that has not begun.
    pub fn disarm_hang(&self) {
        self.lock().hang = None;
    }

    /// How long the write takes that begins now.
    pub(super) fn draw_write_latency(&self) -> Duration {
        let mut state = self.lock();
        let latency = state.write_latency;
        let drawn = between(&mut state.rng, latency);
        state.hang.take().unwrap_or(drawn)
    }

    /// Ends the process: none of its tasks is polled again, and its connections are closed
    /// before time goes on. It can be started anew at once.
    pub fn crash(&self) {
        let mut state = self.lock();
        for task in state.tasks.drain(..) {
            task.abort();
        }
        state.paused = false;
        state.stop = None;
        state.stands_until = None;
        state.hang = None;
        state.wake_all();
        state.life += 1;
        for waker in std::mem::take(&mut state.inside).into_values() {
            waker.wake();
        }
    }

    /// Whether the process is still in this life; the waker is woken when it is not any more.
    fn is_in(&self, life: u64, key: u64, waker: &Waker) -> bool {
        let mut state = self.lock();
        let alive = state.life == life;
        if alive {
            state.inside.insert(key, waker.clone());
        }
        alive
    }

    pub(super) fn own(&self, task: AbortHandle) {
        let mut state = self.lock();
        state.tasks.retain(|task| !task.is_finished());
        state.tasks.push(task);
    }

    pub(super) fn next_key(&self) -> u64 {
        let mut state = self.lock();
        state.next_key += 1;
        state.next_key
    }

    /// While the process stands still, keeps what wakes a task once it goes on, and is true.
    pub(super) fn park(&self, key: u64, waker: &Waker) -> bool {
        let mut state = self.lock();
        let stands = state.stands();
        if stands {
            state.parked.insert(key, waker.clone());
        }
        stands
    }

    pub(super) fn unpark(&self, key: u64) {
        // A poisoned lock means that a test is failing already.
        if let Ok(mut state) = self.0.lock() {
            state.parked.remove(&key);
            state.inside.remove(&key);
        }
    }

    fn wake_if_running(&self) {
        let mut state = self.lock();
        if !state.stands() {
            state.wake_all();
        }
    }

    /// Reads the clock, which is where a stop begins.
    fn read_clock(&self) -> Time {
        let mut state = self.lock();
        if let Some((reads, length)) = state.stop {
            state.stop = (reads > 1).then(|| (reads - 1, length));
            if reads == 1 {
                let until = state.moment() + length;
                state.stands_until = Some(until);
                let node = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep_until(until).await;
                    node.wake_if_running();
                });
            }
        }
        state.reading(state.moment())
    }

    /// What its monotonic clock shows, without reading it: no stop begins.
    pub fn shows(&self) -> Time {
        let state = self.lock();
        state.reading(state.moment())
    }

    fn read_wall_clock(&self) -> u64 {
        let state = self.lock();
        let since = state.reading(state.moment()).since(state.origin);
        let elapsed = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        WALL_MS
            .saturating_add(elapsed)
            .saturating_add_signed(state.wall_step_ms)
    }
}

/// The clocks of a simulated machine.
#[derive(Clone, Debug)]
pub struct SimClock(SimNode);

impl SimClock {
    /// The clocks of a machine of their own, whose monotonic one shows `origin` now.
    pub fn new(origin: Time) -> Self {
        SimClock(SimNode::new(0, origin))
    }
}

impl Clock for SimClock {
    fn now(&self) -> Time {
        self.0.read_clock()
    }

    fn wall_ms(&self) -> u64 {
        self.0.read_wall_clock()
    }
}
