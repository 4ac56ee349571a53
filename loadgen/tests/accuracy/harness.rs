//! Runs a workload against a server as `telegraft load` does, with its result files.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hdrhistogram::Histogram;
use telegraft_cluster::local::cpu_seconds;
use telegraft_loadgen::audit;
use telegraft_loadgen::engine::Stop;
use telegraft_loadgen::plan::{Share, Step};
use telegraft_loadgen::results::{Hlog, IntervalRow, ResultDir, RunRow};
use telegraft_loadgen::run::{Beside, Measured, Place, Run, Scenario};
use telegraft_loadgen::suite::{Overrides, load_workload};
use telegraft_loadgen::world::Checks;
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::server::Server;

/// Of every run.
pub const ID: &str = "null-0-accuracy-t1";

/// Only one test of this file measures at a time: they would measure each other.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends by `arrival`, the table of a workload file.
pub fn scenario(arrival: &str, seed: u64) -> Scenario {
    let text = format!(
        "message_bytes = 64\n[arrival]\n{arrival}\n\
         [population]\nusers = 20\nrooms = 8\nrooms_per_user = 2\n[operations.send]\n"
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("accuracy.toml");
    std::fs::write(&file, text).unwrap();
    let workload = load_workload(file.to_str().unwrap(), &Overrides::default()).unwrap();
    Scenario::new(workload, seed, None).unwrap()
}

/// Everything that is due in a run of `seconds`.
pub fn due(scenario: &Scenario, seed: u64, seconds: u64) -> Vec<Step> {
    let length = Duration::from_secs(seconds);
    let timeline = scenario.timeline(seed, Duration::ZERO, length).unwrap();
    timeline.collect()
}

/// How a run goes.
#[derive(Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub seconds: u64,
    pub drain: Duration,
    /// The server stands still from then on, for so long.
    pub stall: Option<(Duration, Duration)>,
}

/// What came of a run.
pub struct Ran {
    pub measured: Measured,
    /// When the load began.
    pub start: Instant,
    /// Messages that the server was sent by the load.
    pub served: u64,
    /// The row of sends in `runs.csv`.
    pub row: RunRow,
    pub intervals: Vec<IntervalRow>,
    pub total: Hlog,
    pub per_second: Hlog,
}

pub fn run(server: &Server, scenario: &Scenario, plan: Plan) -> Ran {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(ran(server, scenario, plan))
}

async fn ran(server: &Server, scenario: &Scenario, plan: Plan) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let results = ResultDir::create_at(&directory.path().join("results")).unwrap();
    let run = Run {
        id: ID.to_owned(),
        suite: "accuracy".to_owned(),
        system: "null".to_owned(),
        replicas: 0,
        durability: "-".to_owned(),
        mailbox: "-".to_owned(),
        trial: 1,
        seed: plan.seed,
        warmup: Duration::ZERO,
        duration: Duration::from_secs(plan.seconds),
        drain: plan.drain,
        nonce: "0badcafe".to_owned(),
        share: Share::WHOLE,
        checks: Checks::Shape,
    };
    let stop = Stop::default();
    let place = Place {
        urls: std::slice::from_ref(&server.url),
        scraped: false,
        results: &results,
        stop: &stop,
    };
    let clients = run.set_up(scenario, &place, Instant::now()).await.unwrap();
    let before = server.messages();
    let start = Instant::now();
    if let Some((after, length)) = plan.stall {
        server.stall(start + after, length);
    }
    let measured = run.load(scenario, &place, clients, start, None, |_, _| {});
    let measured = measured.await.unwrap();
    let served = server.messages() - before;
    let beside = Beside {
        cluster_cpu_s: 0.0,
        events: Vec::new(),
        faults: Vec::new(),
        audit: audit::Verdict::Skipped,
    };
    run.write(scenario, &place, &measured, &beside).unwrap();

    let rows = results.read_runs().unwrap();
    let intervals = results.read_intervals().unwrap();
    assert!(rows.problems.is_empty() && intervals.problems.is_empty());
    let row = rows.rows.into_iter().map(|(_, row)| row);
    Ran {
        measured,
        start,
        served,
        row: row.into_iter().find(|row| row.op == "send").unwrap(),
        intervals: intervals.rows.into_iter().map(|(_, row)| row).collect(),
        total: results.read_total_hlog(ID).unwrap(),
        per_second: results.read_interval_hlog(ID).unwrap(),
    }
}

impl Ran {
    /// What was due has an outcome, in every file the same.
    pub fn adds_up(&self, due: u64) {
        let Ran { row, intervals, .. } = self;
        let all = row.ok + row.failed + row.unknown + row.unfinished;
        assert_eq!(all, due, "{row:?}");
        let sum = |of: fn(&IntervalRow) -> u64| intervals.iter().map(of).sum::<u64>();
        assert_eq!(sum(|second| second.ok), row.ok);
        assert_eq!(sum(|second| second.failed), row.failed);
        assert_eq!(sum(|second| second.unknown), row.unknown);
        assert_eq!(sum(|second| second.unfinished), row.unfinished);
        assert_eq!(sum(|second| second.retries), row.retries);
        let seconds: Vec<u32> = intervals.iter().map(|second| second.second).collect();
        let length = u32::try_from(self.measured.window.seconds()).unwrap();
        assert!(seconds.into_iter().eq(0..length), "each second, in order");
        for tag in ["send", "send-service"] {
            let total = self.total.merged(tag).expect("the tag is there");
            let seconds = self.per_second.merged(tag).expect("the tag is there");
            assert_eq!(total.len(), row.ok, "{tag}: each success has a latency");
            assert_eq!(total, seconds, "{tag}: seconds add up, value for value");
        }
    }
}

/// How late a thread of its own is that sleeps until set moments: what the machine does to
/// everyone at the time.
pub struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Histogram<u64>>,
}

impl Probe {
    /// As often as operations are due at 2,000/s.
    const EVERY: Duration = Duration::from_micros(500);

    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut late = Histogram::new(3).unwrap();
            let mut due = std::time::Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                due += Self::EVERY;
                // What is due already is as late as it is.
                thread::sleep(due.saturating_duration_since(std::time::Instant::now()));
                let micros = due.elapsed().as_micros();
                late.record(u64::try_from(micros).unwrap()).unwrap();
            }
            late
        });
        Probe { stop, thread }
    }

    /// Microseconds.
    pub fn finish(self) -> Histogram<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// What others use of the machine's processors.
pub struct Others {
    began: Instant,
    used: f64,
}

impl Others {
    pub fn start() -> Self {
        Others {
            began: Instant::now(),
            used: Self::used(),
        }
    }

    /// Cores, on average since the start.
    pub fn cores(&self) -> f64 {
        let used = (Self::used() - self.used).max(0.0);
        used / self.began.elapsed().as_secs_f64()
    }

    /// Seconds of processor time that others had so far.
    fn used() -> f64 {
        let text = std::fs::read_to_string("/proc/stat").unwrap();
        let all: Vec<f64> = text
            .lines()
            .next()
            .unwrap()
            .split_whitespace()
            .skip(1)
            .map(|ticks| ticks.parse().unwrap())
            .collect();
        // user, nice, system and what the hypervisor gave to other machines; a hundred ticks a
        // second on every Linux.
        let busy = (all[0] + all[1] + all[2] + all[7]) / 100.0;
        busy - cpu_seconds(std::process::id()).unwrap()
    }
}
