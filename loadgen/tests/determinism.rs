//! What is done follows from workload and seed alone: not from threads, machines or how fast
//! anything goes. Recordings show it, byte for byte.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use support::{Loadable, null, populated, slowed, workload};
use telegraft_loadgen::plan::{Kind, NO_ROOM, Share, Step};
use telegraft_loadgen::run::Scenario;
use telegraft_loadgen::suite::{
    Arrival, Operations, Polling, Popularity, Population, Sizes, Spacing, Stage, Think, Weight,
    Workload,
};
use telegraft_loadgen::trace::{Recording, Trace};
use tempfile::TempDir;

const SEED: u64 = 7;
const LENGTH: Duration = Duration::from_millis(400);
/// What a slow server adds to each answer: eight connections then carry out less than what is due.
const SLOW: Duration = Duration::from_millis(15);

/// Everything that can be drawn, drawn; some 480 operations in [`LENGTH`].
fn open() -> Workload {
    let mut open = workload(1);
    open.message_bytes = Sizes::LogNormal {
        median: 80,
        sigma: 0.8,
        max: 2_000,
    };
    open.population = Population {
        users: 40,
        rooms: 12,
        rooms_per_user: 3,
        room_sizes: Popularity::Zipf(0.9),
        popularity: Popularity::Zipf(1.1),
        prefill: 1,
    };
    open.arrival = Arrival::Open {
        connections: 8,
        spacing: Spacing::Poisson,
        stages: vec![Stage {
            rate: 500.0,
            to: Some(1_500.0),
            length: Some(LENGTH),
        }],
    };
    open.operations = Operations {
        join: Some(Weight { weight: 1 }),
        create_room: Some(Weight { weight: 1 }),
        ..open.operations
    };
    open.polling = Some(Polling {
        every: Duration::from_millis(100),
        users: Some(20),
        limit: 5,
    });
    open
}

fn scenario(workload: Workload) -> Scenario {
    Scenario::new(workload, SEED, None).unwrap()
}

/// A replay of the recording in `file`.
fn replay(file: &Path, speed: f64) -> Scenario {
    let mut workload = open();
    workload.arrival = Arrival::Trace {
        file: file.to_owned(),
        speed,
        connections: 8,
    };
    workload.polling = None;
    let trace = Scenario::read_trace(&workload).unwrap();
    Scenario::new(workload, SEED, trace).unwrap()
}

/// Where recordings go.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Loads as a scenario says and records that: where. `set` changes how.
    async fn record(
        &self,
        name: &str,
        scenario: &Scenario,
        slow: bool,
        set: impl FnOnce(&mut Loadable<'_>),
    ) -> PathBuf {
        let mut url = null().await;
        let clients = populated(scenario, &url).await;
        let clients = if slow {
            url = slowed(&url, SLOW).await;
            clients
                .iter()
                .map(|client| support::moved(client, scenario.workload(), &url))
                .collect()
        } else {
            clients
        };
        let path = self.file(name);
        let length = scenario.length().unwrap_or(LENGTH);
        let mut loadable = Loadable::new(scenario, SEED, length);
        loadable.record = Some(&path);
        set(&mut loadable);
        let (loaded, _) = loadable.run(clients).await;
        for client in loaded.clients {
            assert!(client.findings.is_empty(), "{:?}", client.findings);
        }
        path
    }

    /// The plan of an open scenario, written as a recording is.
    fn plan(&self, name: &str, scenario: &Scenario, seed: u64) -> PathBuf {
        let length = scenario.length().unwrap_or(LENGTH);
        let path = self.file(name);
        let (recording, mut parts) = Recording::begin(&path, 1).unwrap();
        for step in scenario.timeline(seed, Duration::ZERO, length).unwrap() {
            parts[0].push(&step);
        }
        drop(parts);
        let names = scenario.names();
        let user = |user| names.user(user);
        recording.finish(&user, &|room| names.room(room)).unwrap();
        path
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Equal to the last byte; if not, the first line that differs is told.
fn same(one: &Path, other: &Path) {
    if fs::read(one).unwrap() == fs::read(other).unwrap() {
        return;
    }
    let (one, other) = (lines(one), lines(other));
    let differs = (1..).zip(one.iter().zip(&other)).find(|(_, (a, b))| a != b);
    panic!(
        "{} and {} lines, the first that differs: {differs:?}",
        one.len(),
        other.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_load_is_its_plan_on_any_number_of_threads_and_any_server() {
    let (place, scenario) = (Place::new(), scenario(open()));
    let plan = place.plan("plan.csv", &scenario, SEED);
    let steps = lines(&plan).len();
    assert!((300..800).contains(&steps), "{steps} lines");
    for kind in Kind::ALL {
        let named = format!(",{},", kind.name());
        assert!(lines(&plan).iter().any(|line| line.contains(&named)));
    }
    for threads in [1, 2, 3] {
        let name = format!("{threads}.csv");
        let record = place.record(&name, &scenario, false, |load| load.threads = threads);
        same(&plan, &record.await);
    }
    let record = place.record("slow.csv", &scenario, true, |load| load.threads = 3);
    same(&plan, &record.await);

    let other = place.plan("other.csv", &scenario, SEED + 1);
    assert_ne!(fs::read(&plan).unwrap(), fs::read(&other).unwrap());
    let record = place.record("another.csv", &scenario, false, |load| load.seed = SEED + 1);
    same(&other, &record.await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequence_and_what_was_used_last_are_the_same_on_any_number_of_threads() {
    let place = Place::new();
    let mut in_turn = open();
    in_turn.operations.sequence = vec![Kind::Send, Kind::Read, Kind::Join];
    let mut latest = open();
    latest.population.popularity = Popularity::Latest(1.0);
    for (nth, workload) in [in_turn, latest].into_iter().enumerate() {
        let scenario = scenario(workload);
        let plan = place.plan(&format!("plan-{nth}.csv"), &scenario, SEED);
        let name = format!("{nth}.csv");
        let record = place.record(&name, &scenario, false, |load| load.threads = 3);
        same(&plan, &record.await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shares_of_four_machines_are_the_whole() {
    let (place, scenario) = (Place::new(), scenario(open()));
    let mut whole = lines(&place.plan("plan.csv", &scenario, SEED));
    let mut parts = Vec::new();
    for nth in 0..4 {
        let share = Share { nth, of: 4 };
        let set = |load: &mut Loadable<'_>| (load.share, load.threads) = (share, 2);
        let name = format!("{nth}.csv");
        let path = place.record(&name, &scenario, false, set).await;
        let own = lines(&path);
        assert!(own.len() > 30, "{} of {}", own.len(), whole.len());
        parts.extend(own.into_iter().skip(1));
    }
    whole.remove(0);
    whole.sort();
    parts.sort();
    assert_eq!(parts, whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_recorded_as_it_was() {
    let (place, scenario) = (Place::new(), scenario(open()));
    let first = place.record("first.csv", &scenario, false, |load| load.threads = 2);
    let first = first.await;
    let again = replay(&first, 1.0);
    let record = place.record("again.csv", &again, false, |load| load.threads = 3);
    same(&first, &record.await);

    let fast = replay(&first, 2.0);
    let record = place.record("fast.csv", &fast, true, |load| load.threads = 2);
    let fast = Trace::read(&record.await).unwrap();
    let first = Trace::read(&first).unwrap();
    let halved = first.steps.iter().map(|step| Step {
        due_ns: step.due_ns / 2,
        ..*step
    });
    assert_eq!(
        named(&fast, fast.steps.iter().copied()),
        named(&first, halved)
    );
}

/// What happened, with names, in no order.
fn named(
    trace: &Trace,
    steps: impl Iterator<Item = Step>,
) -> Vec<(u64, String, Kind, String, u32)> {
    let name = |step: Step| {
        let room = match step.room {
            NO_ROOM => String::new(),
            room => trace.rooms[room as usize].clone(),
        };
        let user = trace.users[step.user as usize].clone();
        (step.due_ns / 1_000, user, step.kind, room, step.size)
    };
    let mut named: Vec<_> = steps.map(name).collect();
    named.sort();
    named
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_a_coarse_clock_is_recorded_alike_by_any_number_of_threads() {
    // Four users, three moments: each has much to do at once, on every thread.
    let place = Place::new();
    let mut text = "offset,user,operation,room,size\n".to_owned();
    for nth in 0..120 {
        let (offset, user, room, size) = (nth / 40, nth % 4, nth % 5, 40 + nth * 7 % 60);
        let done = if nth % 3 == 0 { "read" } else { "send" };
        text.push_str(&format!("0.{offset},u{user},{done},r{room},{size}\n"));
    }
    let file = place.file("coarse.csv");
    fs::write(&file, text).unwrap();
    let scenario = replay(&file, 1.0);
    let plan = place.plan("plan.csv", &scenario, SEED);
    assert_eq!(lines(&plan).len(), 121);
    let again = replay(&plan, 1.0);
    for (threads, scenario) in [(1, &scenario), (3, &scenario), (2, &again)] {
        let name = format!("{threads}.csv");
        let record = place.record(&name, scenario, false, |load| load.threads = threads);
        same(&plan, &record.await);
    }
}

/// Whether a recording of a closed loop is one in which every client did what its plan begins
/// with. A recording does not tell clients apart: each step must be the next one of some client,
/// and `ends` are all ways to tell which.
fn follows(path: &Path, scenario: &Scenario, seed: u64) -> bool {
    let trace = Trace::read(path).unwrap();
    assert!(trace.steps.is_sorted_by_key(|step| step.due_ns));
    let number = |name: &str| -> u32 { name.rsplit('-').next().unwrap().parse().unwrap() };
    let clients = scenario.workload().connections();
    let key = |step: &Step| (step.kind, step.user, step.room, step.size);
    let plans: Vec<Vec<_>> = (0..clients)
        .map(|client| {
            let mut plan = scenario.client_plan(seed, client).unwrap();
            let steps = trace.steps.iter().map(|_| key(&plan.next(0)));
            steps.collect()
        })
        .collect();
    let mut ends = BTreeSet::from([vec![0; clients]]);
    for step in &trace.steps {
        let done = Step {
            user: number(&trace.users[step.user as usize]),
            room: match step.room {
                NO_ROOM => NO_ROOM,
                room => number(&trace.rooms[room as usize]),
            },
            ..*step
        };
        let mut next = BTreeSet::new();
        for end in &ends {
            for client in 0..clients {
                let at: usize = end[client];
                if plans[client][at] == key(&done) {
                    let mut end = end.clone();
                    end[client] += 1;
                    next.insert(end);
                }
            }
        }
        ends = next;
        assert!(ends.len() < 10_000, "steps are too much alike to tell");
    }
    !ends.is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_loop_is_the_beginning_of_its_clients_plans() {
    let place = Place::new();
    let mut drawn = open();
    drawn.polling = None;
    drawn.arrival = Arrival::Closed {
        clients: 3,
        think: Think::Exponential(Duration::from_millis(1)),
    };
    let mut in_turn = drawn.clone();
    in_turn.operations.sequence = vec![Kind::Send, Kind::Inbox, Kind::Read];
    for (nth, workload) in [drawn, in_turn].into_iter().enumerate() {
        let scenario = scenario(workload);
        let mut counts = Vec::new();
        for (threads, slow) in [(1, false), (3, false), (3, true)] {
            let name = format!("{nth}-{threads}-{slow}.csv");
            let set = |load: &mut Loadable<'_>| {
                (load.threads, load.duration) = (threads, Duration::from_millis(250));
            };
            let path = place.record(&name, &scenario, slow, set).await;
            assert!(follows(&path, &scenario, SEED), "{name}");
            assert!(!follows(&path, &scenario, SEED + 1), "{name}");
            counts.push(lines(&path).len());
        }
        assert!(counts.iter().all(|count| *count > 3), "{counts:?}");
    }
}
