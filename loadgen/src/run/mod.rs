//! One run of a workload against replicas that are up: set up, loaded, audited, judged, recorded.
//!
//! `bench` starts a cluster for each, `load` and `find-max` take one that is there.

mod rows;
mod scenario;
mod verdict;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use telegraft_cluster::local::cpu_seconds;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::audit::{self, Expected, audit};
use crate::client::Client;
use crate::collect::{Collected, Collector, Tick};
use crate::engine::{Load, SECONDS_CAPACITY, Stop};
use crate::findings::Findings;
use crate::ledger::Ledger;
use crate::plan::Share;
use crate::recorder::{Timing, Window, Writes};
use crate::results::{ClusterRow, EventRow, ResultDir, ResultsError};
use crate::routes::Routes;
use crate::scrape::{Scraped, Scraper};
use crate::setup::{Scene, set_up};
use crate::trace::{Recording, RecordingPart};
use crate::world::Checks;
#[cfg(test)]
pub(crate) use rows::config_hash;
pub use rows::{latency_text, summary};
pub use scenario::Scenario;
pub(crate) use verdict::all;
pub use verdict::{Judgement, judge};

/// Until a load begins whose clients are ready: by then its threads are, too, and the first
/// operations are not late.
pub const LEAD: Duration = Duration::from_millis(50);

/// What a run is.
#[derive(Clone, Debug)]
pub struct Run {
    /// Unique in its result directory, as `telegraft-3-write-heavy-t1`.
    pub id: String,
    /// The suite's name.
    pub suite: String,
    /// What is measured, as `telegraft`.
    pub system: String,
    /// Its replicas; 0 when it has none, or nobody knows.
    pub replicas: usize,
    /// `fsync`, …, or `-`.
    pub durability: String,
    /// `lanes`, …, or `-`.
    pub mailbox: String,
    /// 1, 2, 3…
    pub trial: u32,
    /// Of the plan.
    pub seed: u64,
    /// Before anything counts.
    pub warmup: Duration,
    /// What counts.
    pub duration: Duration,
    /// What may still complete after it.
    pub drain: Duration,
    /// Stands in every name.
    pub nonce: String,
    /// Which of several machines this is.
    pub share: Share,
    /// How closely answers are checked.
    pub checks: Checks,
}

/// Why a run could not be done.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Something about the run itself.
    #[error("{0}")]
    Failed(String),
    /// A result file could not be written.
    #[error(transparent)]
    Results(#[from] ResultsError),
}

impl From<String> for RunError {
    fn from(why: String) -> Self {
        RunError::Failed(why)
    }
}

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// The clients with what they know, by number.
    pub clients: Vec<Client>,
    /// Counts and latencies.
    pub collected: Collected,
    /// When writes succeeded.
    pub writes: Writes,
    /// How well the generator kept time.
    pub timing: Timing,
    /// The part that counted, as it came to be.
    pub window: Window,
    /// When it began.
    pub began: SystemTime,
    /// Processor time of this process in it, in seconds.
    pub generator_cpu_s: f64,
    /// What the replicas told in it; nothing where they were not asked.
    pub scraped: Scraped,
    /// What it took notice of beside.
    pub notes: Vec<String>,
}

/// What else is known of a run when its rows are written.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Processor time of the cluster's processes in the window, in seconds.
    pub cluster_cpu_s: f64,
    /// The faults, and what ended them.
    pub events: Vec<EventRow>,
    /// When replicas were hit by faults, each with the moment up to which its effect counts.
    pub faults: Vec<(Instant, Instant)>,
    /// What the audit said.
    pub audit: audit::Verdict,
}

/// A run whose rows are written.
#[derive(Debug)]
pub struct Done {
    /// What was measured.
    pub measured: Measured,
    /// What else is known of it.
    pub beside: Beside,
    /// What is to be thought of it.
    pub judgement: Judgement,
    /// Whether all replicas ended as they were told to; nobody told those of others.
    pub stopped: bool,
    /// Lines for people.
    pub notes: Vec<String>,
}

/// Where a run is done.
#[derive(Debug)]
pub struct Place<'a> {
    /// The replicas' URLs.
    pub urls: &'a [String],
    /// Whether the replicas are asked each second how they are.
    pub scraped: bool,
    /// Where the results go.
    pub results: &'a ResultDir,
    /// Ends the load early.
    pub stop: &'a Stop,
}

impl Run {
    /// Creates users, rooms and first messages, by `deadline` if other machines take part.
    ///
    /// # Errors
    /// What could not be made, and why.
    pub async fn set_up(
        &self,
        scenario: &Scenario,
        place: &Place<'_>,
        deadline: Instant,
    ) -> Result<Vec<Client>, String> {
        let workload = scenario.workload();
        let routes = Arc::new(Routes::new(place.urls, workload.targets)?);
        let scene = Scene {
            nonce: self.nonce.clone(),
            people: Arc::clone(scenario.people()),
            connections: workload.connections(),
            consistency: workload.consistency,
            checks: self.checks,
            prefill_bytes: workload.message_bytes.typical(),
            share: self.share,
            all_users: workload.is_closed(),
            deadline,
        };
        set_up(scene, &routes).await
    }

    /// The part that counts of a run that begins at `start`.
    pub fn window(&self, start: Instant) -> Window {
        let from = start + self.warmup;
        Window {
            from,
            to: from + self.duration,
        }
    }

    /// Loads from `start` on. `look` is shown every second, and who leads.
    ///
    /// # Errors
    /// When the load or the recording fails, or results cannot be written.
    pub async fn load(
        &self,
        scenario: &Scenario,
        place: &Place<'_>,
        clients: Vec<Client>,
        start: Instant,
        record: Option<&Path>,
        mut look: impl FnMut(Tick, Option<u64>),
    ) -> Result<Measured, RunError> {
        let window = self.window(start);
        let until_start = start.saturating_duration_since(Instant::now());
        let began = SystemTime::now() + until_start + self.warmup;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(clients.len()).max(1);
        let (recording, parts) = match record {
            Some(path) => {
                let begun = Recording::begin(path, threads).map_err(|e| e.to_string())?;
                (Some(begun.0), begun.1)
            }
            None => (None, Vec::new()),
        };
        let (seconds, collected) = mpsc::channel(SECONDS_CAPACITY);
        let load = Load {
            work: scenario.work(self, &clients)?,
            clients,
            start,
            window,
            drain: self.drain,
            threads,
            stop: place.stop.clone(),
            seconds,
            recording: parts,
        };
        let hlog = place.results.create_interval_hlog(&self.id, began)?;
        let kinds = scenario.kinds().to_vec();
        let collector = Collector::new(&self.id, kinds, threads, window, hlog);
        let scraper = if place.scraped {
            Some(Scraper::new(self.id.clone(), place.urls)?)
        } else {
            None
        };
        let leader = scraper.as_ref().map(Scraper::leader);
        let (over, is_over) = oneshot::channel::<()>();
        let loading = async {
            let loaded = load.run().await;
            // Nobody may be scraping.
            let _ = over.send(());
            loaded
        };
        let scraping = async {
            let ended = async {
                let stop = place.stop.clone();
                tokio::select! {
                    () = sleep_until(window.to) => {}
                    () = stop.stopped() => {}
                    _ = is_over => {}
                }
            };
            match scraper {
                Some(scraper) => scraper.run(window.from, ended).await,
                None => Scraped::default(),
            }
        };
        let collecting = collector.run(collected, |tick| {
            look(tick, leader.as_ref().and_then(|leader| *leader.borrow()));
        });
        let (loaded, collected, scraped, generator_cpu_s) = tokio::join!(
            loading,
            collecting,
            scraping,
            own_cpu_in(window, place.stop)
        );
        let (mut loaded, collected) = (loaded?, collected?);
        loaded.clients.sort_unstable_by_key(Client::number);
        let mut measured = Measured {
            clients: loaded.clients,
            collected,
            writes: loaded.writes,
            timing: loaded.timing,
            window: window.until(place.stop),
            began,
            generator_cpu_s,
            scraped,
            notes: Vec::new(),
        };
        if let Some(recording) = recording {
            match finish(recording, loaded.recording, scenario).await {
                Ok(note) => measured.notes.push(note),
                // There may be nothing to record, and what was measured is kept.
                Err(why) if place.stop.is_stopped() => {
                    measured.notes.push(format!("not recorded: {why}"));
                }
                Err(why) => return Err(why.into()),
            }
        }
        Ok(measured)
    }

    /// The verdict where nobody reads what the replicas hold, or nobody can: `otherwise`, unless
    /// clients were told something wrong.
    pub fn without_audit(&self, measured: &Measured, otherwise: audit::Verdict) -> audit::Verdict {
        let told = told(measured);
        if self.checks == Checks::Shape || told.is_empty() {
            otherwise
        } else {
            audit::Verdict::Violated(told)
        }
    }

    /// Compares what the replicas at `urls` hold with what was acknowledged.
    pub async fn audit(&self, measured: &Measured, place: &Place<'_>) -> audit::Verdict {
        if self.checks == Checks::Shape {
            return audit::Verdict::Skipped;
        }
        let world = measured.clients.first().map(Client::world);
        let rooms = world.map_or_else(Vec::new, |world| world.rooms.clone());
        let created = measured
            .clients
            .iter()
            .flat_map(|client| client.created.clone());
        let ledgers: Vec<Ledger> = measured.clients.iter().map(|c| c.ledger.clone()).collect();
        let expected = Expected {
            nonce: self.nonce.clone(),
            rooms: rooms.into_iter().chain(created).collect(),
            share: self.share,
            ledgers,
        };
        let last_index = measured
            .clients
            .iter()
            .map(|client| client.last_index)
            .max();
        let found = tokio::select! {
            found = audit(expected, place.urls, last_index.unwrap_or(0)) => found,
            () = interrupted(place.stop) => audit::Verdict::Skipped,
        };
        match found {
            audit::Verdict::Violated(findings) => {
                let mut told = told(measured);
                told.merge(findings);
                audit::Verdict::Violated(told)
            }
            other => self.without_audit(measured, other),
        }
    }

    /// Writes everything that was measured.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(
        &self,
        scenario: &Scenario,
        place: &Place<'_>,
        measured: &Measured,
        beside: &Beside,
    ) -> Result<Judgement, ResultsError> {
        let judgement = judge(scenario.workload(), self, measured, beside, place.stop);
        rows::write(self, scenario, place.results, measured, beside, &judgement)?;
        Ok(judgement)
    }
}

/// What clients were told wrong, which is wrong whatever the replicas hold.
fn told(measured: &Measured) -> Findings {
    let mut told = Findings::default();
    for client in &measured.clients {
        told.merge(client.findings.clone());
    }
    told
}

/// An interrupted run is audited, too, unless it is stopped while that goes on.
async fn interrupted(stop: &Stop) {
    if stop.is_stopped() {
        std::future::pending::<()>().await;
    }
    stop.stopped().await;
}

async fn finish(
    recording: Recording,
    parts: Vec<RecordingPart>,
    scenario: &Scenario,
) -> Result<String, String> {
    drop(parts);
    let names = scenario.names();
    let written = tokio::task::spawn_blocking(move || {
        recording.finish(&|user| names.user(user), &|room| names.room(room))
    });
    let summary = written
        .await
        .expect("writing a recording does not panic")
        .map_err(|error| error.to_string())?;
    Ok(format!(
        "recorded {} operations in {}",
        summary.steps,
        summary.path.display()
    ))
}

/// Processor time of this process inside the window, in seconds.
async fn own_cpu_in(window: Window, stop: &Stop) -> f64 {
    // There always is this process, and Linux always has /proc; without it nothing is known.
    let own = || cpu_seconds(std::process::id()).unwrap_or(0.0);
    let reached = async |moment| {
        tokio::select! {
            () = sleep_until(moment) => {}
            () = stop.stopped() => {}
        }
    };
    reached(window.from).await;
    let before = own();
    reached(window.to).await;
    (own() - before).max(0.0)
}

/// The cluster's processor time in a window, in seconds, from what was scraped of it.
pub fn scraped_cpu_s(rows: &[ClusterRow]) -> f64 {
    let mut by_replica: BTreeMap<u64, f64> = BTreeMap::new();
    for row in rows {
        // Each row is a second long.
        *by_replica.entry(row.replica).or_default() += row.cpu_cores.unwrap_or(0.0);
    }
    by_replica.values().sum()
}
