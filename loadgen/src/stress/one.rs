//! A stress run: a fresh cluster, load and faults, healing, the last reads, and the verdict.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use telegraft_cluster::local::{LinkCounts, LocalCluster, cpu_seconds};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::board::Board;
use super::client::Client;
use super::journal::Journal;
use super::keep::keep;
use super::lookout::{Lookout, watch};
use super::nemesis::{Nemesis, State};
use super::place::{Place, options};
use super::plan::Plan;
use super::progress::Progress;
use super::rows::{self, Known, pass_seconds};
use super::settle::{Readers, settled};
use super::verdict::{self, Facts};
use super::world::{People, Room, World, set_up};
use super::{Outcome, StressError, summary};
use crate::bench::environment;
use crate::call::connections;
use crate::collect::{Collected, Collector};
use crate::engine::{SECONDS_CAPACITY, Stop};
use crate::recorder::{Recorder, Window};
use crate::results::EventRow;
use crate::routes::Routes;
use crate::suite::Targets;

/// How long clients may take to end after the load: the longest operation, and a little.
const LAST_OPERATIONS: Duration = Duration::from_secs(15);

/// What the loaded cluster gave.
struct Loaded {
    state: State,
    collected: Collected,
    window: Window,
    began: SystemTime,
    generator_cpu_s: f64,
    links: LinkCounts,
    cuts_counted: bool,
    board: Arc<Board>,
    leaders: Vec<EventRow>,
    /// How long it took until everyone was well again.
    heal: Option<Duration>,
    /// What failed, beside the cluster's promises.
    failures: Vec<String>,
}

/// Does it.
pub(super) async fn run(plan: Plan, place: Place, stop: Stop) -> Result<Outcome, StressError> {
    let environment = environment(&place.data_dir, &plan.job.build).await?;
    place.results.write_environment(&environment)?;
    let durability = match plan.disk() {
        Some(_) => "fsync(tmpfs)",
        None if environment.file_system == "tmpfs" => "fsync(tmpfs)",
        None => "fsync",
    };
    let progress = Progress::new(plan.job.quiet, plan.job.duration);
    for line in &plan.skipped {
        progress.note(line);
    }
    progress.stage(&format!("starting {} replicas", plan.job.replicas));
    let journal = Journal::create(&place.history, stop.clone());
    let journal = journal.map(Arc::new).map_err(|error| {
        StressError::Failed(format!("cannot write {}: {error}", place.history.display()))
    })?;
    let options = options(&plan, &place.data_dir);
    let Some(started) = unless(&stop, LocalCluster::start(options)).await else {
        return Err(StressError::Interrupted);
    };
    let mut cluster = started.map_err(|error| StressError::Failed(error.to_string()))?;
    let loaded = load(&mut cluster, &plan, &place, &journal, &stop, &progress).await;
    progress.stage("checking the history");
    let mut loaded = match loaded {
        Ok(Some(loaded)) => loaded,
        Ok(None) => {
            let _ = cluster.stop().await;
            return Err(StressError::Interrupted);
        }
        Err(why) => {
            let _ = cluster.stop().await;
            return Err(StressError::Failed(why));
        }
    };
    journal.finish().map_err(|error| {
        StressError::Failed(format!("cannot write {}: {error}", place.history.display()))
    })?;
    let interrupted = stop.is_stopped();
    let check = verdict::check(&place.history);
    let checked = match interrupted {
        true => check.await,
        // Who interrupts the check does not wait for its verdict.
        false => match unless(&stop, check).await {
            Some(checked) => checked,
            None => Err(StressError::Unchecked(place.history.clone())),
        },
    };
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => {
            let _ = cluster.stop().await;
            return Err(error);
        }
    };
    let wrong = !loaded.board.wrong().is_empty() || !loaded.state.deaths.is_empty();
    let explains = !checked.is_consistent() || wrong || !loaded.failures.is_empty();
    if explains
        && plan.disk().is_some()
        && let Err(error) = keep(&place.data_dir, plan.job.replicas)
    {
        let why = format!("the replicas' data is not kept: {error}");
        loaded.failures.push(why);
    }
    if let Err(error) = cluster.stop().await {
        loaded.failures.push(format!("stopping: {error}"));
    }
    let facts = Facts {
        plan: &plan,
        run_id: &place.run_id,
        durability,
        interrupted,
        state: &loaded.state,
        links: loaded.links,
        cuts_counted: loaded.cuts_counted,
        board: &loaded.board,
        heal: loaded.heal,
        failures: &loaded.failures,
        window: loaded.window,
    };
    let verdict = facts.verdict(checked);
    verdict::write(&place.results, &verdict)?;
    let mut events = [loaded.state.events.as_slice(), &loaded.leaders].concat();
    events.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    place.results.append_events(&events)?;
    let known = Known {
        plan: &plan,
        run_id: &place.run_id,
        durability,
        collected: &loaded.collected,
        window: loaded.window,
        began: loaded.began,
        generator_cpu_s: loaded.generator_cpu_s,
        cluster_cpu_s: loaded.state.usage.sum(),
        audit: &verdict.audit(),
        verdict: verdict.run_verdict(),
    };
    // Last, so that a run that has its rows has everything.
    rows::write(&place.results, &known)?;
    progress.finish();
    if verdict.is_well() {
        // Nobody will want to look at them.
        let _ = fs::remove_dir_all(&place.data_dir);
    }
    Ok(Outcome {
        directory: place.results.path().to_owned(),
        summary: summary::text(&verdict, place.results.path()),
        verdict,
    })
}

/// The future's output, or none when the run is interrupted before.
async fn unless<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = stop.stopped() => None,
    }
}

/// Loads the cluster while the schedule is carried out, heals it and reads everything; none when
/// that was interrupted before the load.
async fn load(
    cluster: &mut LocalCluster,
    plan: &Plan,
    place: &Place,
    journal: &Arc<Journal>,
    stop: &Stop,
    progress: &Progress,
) -> Result<Option<Loaded>, String> {
    let job = &plan.job;
    let urls: Vec<String> = cluster.replicas().into_iter().map(|r| r.url).collect();
    progress.stage("setting up users, rooms and sessions");
    let setting_up = set_up(&urls, &place.nonce, job.rooms, job.clients, journal);
    let Some(people) = unless(stop, setting_up).await else {
        return Ok(None);
    };
    let people = people?;
    let window = {
        let from = Instant::now();
        Window {
            from,
            to: from + job.duration,
        }
    };
    let (began, before) = (SystemTime::now(), own_cpu_s());
    let recorder = Recorder::new(window, stop.clone(), false);
    let recorder = Arc::new(Mutex::new(recorder));
    let hlog = place.results.create_interval_hlog(&place.run_id, began);
    let hlog = hlog.map_err(|error| error.to_string())?;
    let collector = Collector::new(&place.run_id, rows::KINDS.to_vec(), 1, window, hlog);
    let (seconds, passed) = mpsc::channel(SECONDS_CAPACITY);
    let board = Arc::new(Board::default());
    let lookout = Lookout::new(&urls)?;
    let http = connections()?;
    let rooms = people.rooms.clone();
    let readers = Readers {
        http: http.clone(),
        routes: Arc::new(Routes::new(&urls, Targets::Any)?),
        journal: Arc::clone(journal),
        nonce: place.nonce.clone(),
        rooms,
        ballast: people.ballast.0,
        users: people.users.iter().map(|user| user.id).collect(),
    };
    let sessions = people.sessions.clone();
    let world = Arc::new(world(
        plan, place, people, journal, &board, &recorder, stop, window,
    ));
    let mut clients = clients(&world, &http, &urls, &sessions)?;
    progress.stage(&format!(
        "{} clients, {} faults",
        job.clients,
        plan.schedule.faults.len()
    ));

    // Ends what looks on, once the clients have ended.
    let over = Stop::default();
    let mut nemesis = Nemesis {
        cluster,
        lookout: lookout.clone(),
        journal: Arc::clone(journal),
        board: Arc::clone(&board),
        stop: stop.clone(),
        run_id: place.run_id.clone(),
        from: window.from,
        over: window.to,
        logs: place.data_dir.clone(),
        state: State::default(),
    };
    let faults = async {
        let mut failures = Vec::new();
        if let Err(why) = nemesis.carry_out(&plan.schedule).await {
            failures.push(why);
        }
        if let Err(why) = nemesis.heal().await {
            failures.push(why);
        }
        let healing = healing(lookout.clone(), job.replicas);
        // Whoever waits for a replica that was down has an answer soon.
        let last = async { while clients.join_next().await.is_some() {} };
        if timeout(LAST_OPERATIONS, last).await.is_err() {
            failures.push("clients did not end".to_owned());
            clients.shutdown().await;
        }
        over.stop();
        (failures, healing)
    };
    let watching = watch(
        lookout.clone(),
        Arc::clone(&board),
        Arc::clone(journal),
        place.run_id.clone(),
        window.from,
        over.clone(),
    );
    let showing = progress.show(Arc::clone(&board), window.from, window.to, over.clone());
    let passing = pass_seconds(&recorder, seconds, over.clone());
    let collecting = collector.run(passed, |_| {});
    let ((mut failures, mut healing), leaders, (), (), collected) =
        tokio::join!(faults, watching, showing, passing, collecting);
    let collected = collected.map_err(|error| error.to_string())?;
    let generator_cpu_s = own_cpu_s() - before;
    let mut heal = None;
    if !stop.is_stopped() {
        progress.stage("waiting until everyone has caught up");
        let reading = async {
            let healed = healing.join_next().await.expect("it was begun");
            heal = Some(healed.map_err(|error| format!("healing was not seen: {error}"))??);
            // Since then the clients' last operations may have come to it.
            let index = settled(&lookout, job.replicas).await?;
            progress.stage("reading every room and inbox from every replica");
            readers.read_all(&lookout, index).await
        };
        if let Some(Err(why)) = unless(stop, reading).await {
            failures.push(why);
        }
    }
    let Nemesis { cluster, state, .. } = nemesis;
    let died = cluster.ended().into_iter().map(|(_, words)| words);
    failures.extend(died);
    let links = cluster.link_counts().unwrap_or_else(|error| {
        failures.push(error.to_string());
        LinkCounts::default()
    });
    Ok(Some(Loaded {
        links,
        cuts_counted: cluster.counts_cuts(),
        state,
        collected,
        window: window.until(stop),
        began,
        generator_cpu_s,
        board,
        leaders,
        heal,
        failures,
    }))
}

/// Begins to wait, beside what else is done, until everyone is well again; how long that took.
fn healing(lookout: Lookout, replicas: usize) -> JoinSet<Result<Duration, String>> {
    let ended = Instant::now();
    // Nobody waits for it any more when the run is interrupted: it ends when this is dropped.
    let mut healing = JoinSet::new();
    healing.spawn(async move {
        settled(&lookout, replicas).await?;
        Ok(ended.elapsed())
    });
    healing
}

#[expect(
    clippy::too_many_arguments,
    reason = "each of them is a part of the world"
)]
fn world(
    plan: &Plan,
    place: &Place,
    people: People,
    journal: &Arc<Journal>,
    board: &Arc<Board>,
    recorder: &Arc<Mutex<Recorder>>,
    stop: &Stop,
    window: Window,
) -> World {
    let (ballast, filler) = people.ballast;
    World {
        nonce: place.nonce.clone(),
        seed: plan.seed,
        rooms: people.rooms.into_iter().map(Room::new).collect(),
        users: people.users,
        ballast: (Room::new(ballast), filler),
        journal: Arc::clone(journal),
        board: Arc::clone(board),
        recorder: Arc::clone(recorder),
        stop: stop.clone(),
        until: window.to,
    }
}

/// A third of the clients follows the leader, a third stays with one replica, and a third goes
/// from one to the next. Each third is numbered by itself, so that whatever the number of replicas
/// is, each of them has clients that stay with it.
fn clients(
    world: &Arc<World>,
    http: &reqwest::Client,
    urls: &[String],
    sessions: &[u64],
) -> Result<JoinSet<()>, String> {
    let routes = [Targets::Leader, Targets::Any, Targets::RoundRobin]
        .map(|targets| Routes::new(urls, targets).map(Arc::new));
    let mut clients = JoinSet::new();
    for (number, session) in (0_u32..).zip(sessions) {
        let many = routes.len();
        let routes = routes[number as usize % many].clone()?;
        let nth = number as usize / many;
        let client = Client::new(
            Arc::clone(world),
            number,
            nth,
            http.clone(),
            routes,
            *session,
        );
        clients.spawn(client.run());
    }
    Ok(clients)
}

/// Processor time of this process, in seconds.
fn own_cpu_s() -> f64 {
    cpu_seconds(std::process::id()).unwrap_or(0.0)
}
