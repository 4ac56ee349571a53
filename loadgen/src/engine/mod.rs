//! Carries a plan out: clients on threads, each thread with a runtime, connections and a recorder
//! of its own, so that no operation waits for a lock or wakes another thread.
//!
//! In a closed loop every client has one operation open, and begins the next when that is done
//! and it has thought. In an open one operations have times of their own: everything that is
//! due is given to the clients that are free, and what finds none waits (`queue.rs`) without being
//! kept in a list, since due times can be computed again.

mod queue;
mod stop;
mod timer;

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::call::{OPERATION_DEADLINE, connections};
use crate::client::Client;
use crate::plan::{ClientPlan, Share, Step, Timeline};
use crate::recorder::{Recorder, Second, Times, Timing, Window, Writes};
use crate::trace::RecordingPart;
use queue::{Next, Queue};
pub use stop::Stop;
use timer::Timer;

/// After the window, operations may still complete: each that is open has an outcome by its
/// deadline.
pub const DRAIN: Duration = OPERATION_DEADLINE.saturating_add(Duration::from_secs(1));
/// After an interruption nobody wants to wait.
const INTERRUPTED_DRAIN: Duration = Duration::from_secs(1);
/// Seconds that may wait to be collected, of all threads; a thread keeps further ones.
pub const SECONDS_CAPACITY: usize = 64;
/// How often the runtime's delay is measured.
const PROBE: Duration = Duration::from_millis(10);
/// Tasks that a runtime runs before it looks at its sockets and timers again, at most: the
/// default (61) is half a millisecond and more of checking answers.
const EVENT_INTERVAL: u32 = 16;

/// What is to be carried out.
#[derive(Debug)]
pub enum Work {
    /// Each client's own plan, by the clients' order.
    Closed(Vec<ClientPlan>),
    /// One plan with set times for all.
    Open(Timeline),
}

/// A load.
#[derive(Debug)]
pub struct Load {
    /// The clients; of an open load, as many connections. No more are in use at a time; a few more
    /// may stand idle, since one returns to the others a moment after its answer, and who asks
    /// before that opens another. (To wait for it costs a tenth of a closed loop's throughput.)
    pub clients: Vec<Client>,
    /// What they do.
    pub work: Work,
    /// The run's beginning, which due times count from.
    pub start: Instant,
    /// The part that counts.
    pub window: Window,
    /// How long operations that were due may take after it.
    pub drain: Duration,
    /// Threads, at least one for every client.
    pub threads: usize,
    /// Ends it early.
    pub stop: Stop,
    /// Where each thread's seconds go, every one of the window in order.
    pub seconds: mpsc::Sender<Second>,
    /// Where each thread's steps are recorded, if they are.
    pub recording: Vec<RecordingPart>,
}

/// A load, done.
#[derive(Debug)]
pub struct Loaded {
    /// The clients with what they know, in any order.
    pub clients: Vec<Client>,
    /// When writes succeeded.
    pub writes: Writes,
    /// How well the generator kept time.
    pub timing: Timing,
    /// Where the steps went.
    pub recording: Vec<RecordingPart>,
}

impl Load {
    /// How many threads it has.
    pub fn thread_count(&self) -> usize {
        self.threads.clamp(1, self.clients.len().max(1))
    }

    /// Loads until the window is over or it is stopped.
    ///
    /// # Errors
    /// When a thread cannot be started or fails.
    pub async fn run(self) -> Result<Loaded, String> {
        let mut done = Vec::new();
        for (nth, part) in self.parts().into_iter().enumerate() {
            let (answer, answered) = oneshot::channel();
            thread::Builder::new()
                .name(format!("load-{nth}"))
                .spawn(move || {
                    // Whoever waits may be gone: then nobody wants it.
                    let _ = answer.send(part.main());
                })
                .map_err(|error| format!("cannot start a thread: {error}"))?;
            done.push(answered);
        }
        let mut loaded = Loaded {
            clients: Vec::new(),
            writes: Writes::default(),
            timing: Timing::default(),
            recording: Vec::new(),
        };
        for answered in done {
            let part = answered
                .await
                .map_err(|_| "a thread of clients failed".to_owned())??;
            loaded.clients.extend(part.clients);
            loaded.writes.add(&part.writes);
            loaded.timing.add(&part.timing);
            loaded.recording.extend(part.recording);
        }
        Ok(loaded)
    }

    /// What each thread does.
    fn parts(self) -> Vec<Part> {
        let threads = self.thread_count();
        let of = u32::try_from(threads).expect("threads are few");
        let mut recording = self.recording.into_iter();
        let (mut plans, timeline) = match self.work {
            Work::Closed(plans) => (plans.into_iter().map(Some).collect(), None),
            Work::Open(timeline) => (Vec::new(), Some(timeline.among(self.clients.len()))),
        };
        plans.resize_with(self.clients.len(), || None);
        let mut parts: Vec<Part> = (0..of)
            .map(|nth| Part {
                clients: Vec::new(),
                timeline: timeline
                    .as_ref()
                    .map(|timeline| timeline.of_thread(Share { nth, of })),
                start: self.start,
                window: self.window,
                drain: self.drain,
                stop: self.stop.clone(),
                seconds: self.seconds.clone(),
                recording: recording.next(),
            })
            .collect();
        for (nth, own) in self.clients.into_iter().zip(plans).enumerate() {
            parts[nth % threads].clients.push(own);
        }
        parts
    }
}

/// What one thread does.
struct Part {
    clients: Vec<(Client, Option<ClientPlan>)>,
    timeline: Option<Timeline>,
    start: Instant,
    window: Window,
    drain: Duration,
    stop: Stop,
    seconds: mpsc::Sender<Second>,
    recording: Option<RecordingPart>,
}

/// What the tasks of a thread share. Each lock is held for a moment, and no other thread ever
/// asks for it.
struct Group {
    start: Instant,
    window: Window,
    stop: Stop,
    recorder: Mutex<Recorder>,
    recording: Mutex<Option<RecordingPart>>,
    queue: Option<Mutex<Queue>>,
    /// By client: there is something for it.
    wake: Vec<Notify>,
    /// The drain is over.
    given_up: Notify,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Group {
    fn nanos(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.start);
        u64::try_from(since.as_nanos()).expect("runs are bounded")
    }

    fn moment(&self, nanos: u64) -> Instant {
        self.start + Duration::from_nanos(nanos)
    }

    fn waiting(&self, now: Instant) -> u64 {
        let queue = self.queue.as_ref();
        queue.map_or(0, |queue| locked(queue).waiting(self.nanos(now)))
    }

    fn note(&self, step: &Step) {
        if let Some(recording) = locked(&self.recording).as_mut() {
            recording.push(step);
        }
    }
}

impl Part {
    fn main(self) -> Result<Loaded, String> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .event_interval(EVENT_INTERVAL)
            .build()
            .map_err(|error| format!("cannot start a runtime: {error}"))?;
        runtime.block_on(self.run())
    }

    async fn run(self) -> Result<Loaded, String> {
        let http = connections()?;
        let timer = || Timer::new().map_err(|error| format!("cannot make a timer: {error}"));
        let recorder = Recorder::new(self.window, self.stop.clone(), self.timeline.is_some());
        let group = Arc::new(Group {
            start: self.start,
            window: self.window,
            stop: self.stop.clone(),
            recorder: Mutex::new(recorder),
            recording: Mutex::new(self.recording),
            queue: self
                .timeline
                .map(|timeline| Mutex::new(Queue::new(timeline))),
            wake: self.clients.iter().map(|_| Notify::new()).collect(),
            given_up: Notify::new(),
        });
        let mut beside = JoinSet::new();
        beside.spawn(hand_on(Arc::clone(&group), self.seconds.clone()));
        beside.spawn(probe(Arc::clone(&group), timer()?));
        if group.queue.is_some() {
            beside.spawn(dispatch(Arc::clone(&group), timer()?));
        }
        let mut running = JoinSet::new();
        for (place, (client, plan)) in self.clients.into_iter().enumerate() {
            let client = client.moved_to(http.clone());
            running.spawn(client_main(client, plan, place, Arc::clone(&group)));
        }

        let mut clients = Vec::new();
        let (window, stop) = (self.window, self.stop);
        let ended = async {
            tokio::select! {
                () = sleep_until(window.to) => {
                    tokio::select! {
                        () = sleep_until(window.to + self.drain) => {}
                        () = stop.stopped() => {}
                    }
                }
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
        beside.shutdown().await;
        let group = Arc::into_inner(group).expect("every client and what is beside is done");
        group.finish(clients, &self.seconds).await
    }
}

impl Group {
    async fn finish(
        self,
        clients: Vec<Client>,
        seconds: &mpsc::Sender<Second>,
    ) -> Result<Loaded, String> {
        let now = Instant::now();
        let from_ns = self.nanos(self.window.from);
        let end_ns = self.nanos(self.window.until(&self.stop).to);
        let mut recorder = self
            .recorder
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = self.queue {
            let mut queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
            queue.end_at(end_ns, |_| {});
            recorder.never_taken(&queue.left(from_ns), now);
        }
        recorder.finish();
        while let Some(second) = recorder.take_over() {
            // Nobody may be collecting any more.
            let _ = seconds.send(second).await;
        }
        let recording = self
            .recording
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(Loaded {
            clients,
            writes: recorder.writes,
            timing: recorder.timing,
            recording: recording.into_iter().collect(),
        })
    }
}

/// One client, until there is nothing more for it.
async fn client_main(
    mut client: Client,
    plan: Option<ClientPlan>,
    place: usize,
    group: Arc<Group>,
) -> Client {
    let mut open: Option<(Step, Instant)> = None;
    {
        let operations = async {
            match plan {
                Some(plan) => closed(&mut client, plan, &group, &mut open).await,
                None => taking(&mut client, place, &group, &mut open).await,
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
        let now = Instant::now();
        locked(&group.recorder).unfinished(step.kind, due, now, &client.tries);
    }
    client
}

/// A client of a closed loop.
async fn closed(
    client: &mut Client,
    mut plan: ClientPlan,
    group: &Group,
    open: &mut Option<(Step, Instant)>,
) {
    let mut free = Instant::now().max(group.start);
    loop {
        let begin = free + plan.think();
        if begin > free || free > Instant::now() {
            tokio::select! {
                () = sleep_until(begin.min(group.window.to)) => {}
                () = group.stop.stopped() => return,
            }
        }
        let taken = Instant::now();
        if taken >= group.window.to || group.stop.is_stopped() {
            return;
        }
        let step = plan.next(group.nanos(taken));
        group.note(&step);
        *open = Some((step, taken));
        let outcome = client.perform(&step).await;
        free = Instant::now();
        let times = Times {
            due: taken,
            taken,
            done: free,
        };
        locked(&group.recorder).record(step.kind, times, outcome, &client.tries);
        *open = None;
    }
}

/// A client that takes up what is due.
async fn taking(
    client: &mut Client,
    place: usize,
    group: &Group,
    open: &mut Option<(Step, Instant)>,
) {
    let queue = group.queue.as_ref().expect("an open load has a queue");
    let mut free = group.start;
    loop {
        let taken = Instant::now();
        // The lock is not held while it waits.
        let since = taken.checked_duration_since(group.start);
        let next = locked(queue).next(place, since.map(|_| group.nanos(taken)));
        let (step, waiting) = match next {
            Next::Over => return,
            Next::Due(step, waiting) => (step, waiting),
            Next::Later => {
                group.wake[place].notified().await;
                continue;
            }
        };
        let due = group.moment(step.due_ns);
        locked(&group.recorder).taken(due, free, taken, waiting);
        group.note(&step);
        *open = Some((step, due));
        let outcome = client.perform(&step).await;
        free = Instant::now();
        let times = Times {
            due,
            taken,
            done: free,
        };
        locked(&group.recorder).record(step.kind, times, outcome, &client.tries);
        *open = None;
    }
}

/// Wakes clients for what is due, when it is.
async fn dispatch(group: Arc<Group>, mut timer: Timer) {
    let queue = group.queue.as_ref().expect("an open load has a queue");
    loop {
        let Some(due) = locked(queue).next_due_ns() else {
            break;
        };
        tokio::select! {
            waited = timer.until(group.moment(due)) => {
                if let Err(error) = waited {
                    // Tokio's timer is too coarse, not wrong; the lag will tell.
                    tracing::warn!(%error, "the exact timer does not work");
                    sleep_until(group.moment(due)).await;
                }
            }
            () = group.stop.stopped() => break,
        }
        let now = group.nanos(Instant::now());
        locked(queue).release(now, |place| group.wake[place].notify_one());
    }
    // Also in the warm-up nothing is begun after a stop.
    let end = group.stop.at().unwrap_or(group.window.to);
    let end = group.nanos(end.min(group.window.to));
    locked(queue).end_at(end, |place| group.wake[place].notify_one());
}

/// Hands every second on when it is over.
async fn hand_on(group: Arc<Group>, seconds: mpsc::Sender<Second>) {
    for nth in 1.. {
        sleep_until(group.window.from + Duration::from_secs(nth)).await;
        let now = Instant::now();
        let queued = group.waiting(now);
        locked(&group.recorder).pass(now, queued);
        // First the place, then the second: this may be cancelled in between.
        while let Ok(place) = seconds.reserve().await {
            let Some(second) = locked(&group.recorder).take_over() else {
                break;
            };
            place.send(second);
        }
    }
}

/// Measures how late the runtime is, and how busy its thread.
async fn probe(group: Arc<Group>, mut timer: Timer) {
    if timer.until(group.window.from).await.is_err() {
        return;
    }
    let (began, cpu_began) = (Instant::now(), thread_cpu());
    let mut due = began;
    loop {
        due += PROBE;
        if timer.until(due).await.is_err() {
            return;
        }
        let now = Instant::now();
        if now >= group.window.to || group.stop.is_stopped() {
            return;
        }
        let busy = thread_cpu().saturating_sub(cpu_began).as_secs_f64()
            / now.saturating_duration_since(began).as_secs_f64();
        let mut recorder = locked(&group.recorder);
        recorder.delayed(due, now.saturating_duration_since(due));
        recorder.timing.busy = busy;
    }
}

/// Processor time of this thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
