//! One run: a fresh cluster, set up, loaded, audited, stopped and recorded.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use telegraft_cluster::http::Consistency;
use telegraft_cluster::local::{self, LocalCluster, LocalOptions};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::progress::Progress;
use super::rows::Measured;
use super::steer::{Steered, steer};
use super::{BenchError, Run};
use crate::audit::{self, Expected, audit};
use crate::client::{Checks, Client};
use crate::closed::{Stop, TICKS_CAPACITY, load};
use crate::findings::Findings;
use crate::recorder::{Recorder, Window};
use crate::results::ResultDir;
use crate::routes::Routes;
use crate::setup::{Scene, set_up};
use crate::suite::{Suite, System};

/// Until a fresh cluster serves: its processes start and elect a leader.
const READY: Duration = Duration::from_secs(20);

/// What all runs have in common.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) binary: PathBuf,
    pub(super) suite: Suite,
    pub(super) nonce: String,
    pub(super) data_dir: PathBuf,
    pub(super) results: ResultDir,
    /// The file system's name that the data directories are on.
    pub(super) file_system: String,
    pub(super) stop: Stop,
}

/// How a run ended.
pub(super) enum Ended {
    /// It was interrupted before anything was measured.
    BeforeLoad,
    /// Its rows are in the result directory.
    Recorded {
        audit: audit::Verdict,
        interrupted: bool,
        notes: Vec<String>,
    },
}

/// A load, and what it cost.
struct Loaded {
    clients: Vec<Client>,
    recorder: Recorder,
    steered: Steered,
    began: SystemTime,
}

impl Bench {
    pub(super) async fn one(
        &self,
        run: &Run,
        progress: &mut Progress,
    ) -> Result<Ended, BenchError> {
        let failed = |reason: String| BenchError::Run {
            run_id: run.id.clone(),
            reason,
        };
        let data_dir = self.data_dir.join(&run.id);
        let options = LocalOptions {
            binary: self.binary.clone(),
            system: match run.system {
                System::Telegraft => local::System::Telegraft,
                System::Null => local::System::Null,
            },
            replicas: run.replicas.max(1),
            data_dir: data_dir.clone(),
            base_port: None,
            durability: self.suite.durability,
            mailbox: self.suite.mailbox,
            ready_timeout: READY,
        };
        progress.stage("starting the cluster");
        let Some(started) = self.unless_stopped(LocalCluster::start(options)).await else {
            // What was started is gone with the future.
            let _ = fs::remove_dir_all(&data_dir);
            return Ok(Ended::BeforeLoad);
        };
        let mut cluster = started.map_err(|error| failed(error.to_string()))?;
        let ended = self.on(&mut cluster, run, progress).await;
        progress.stage("stopping the cluster");
        let stopped = cluster.stop().await;
        let ended = ended.map_err(failed)?;
        stopped.map_err(|error| failed(error.to_string()))?;
        let Some((loaded, verdict)) = ended else {
            let _ = fs::remove_dir_all(&data_dir);
            return Ok(Ended::BeforeLoad);
        };

        let keep = matches!(
            verdict,
            audit::Verdict::Violated(_) | audit::Verdict::Impossible(_)
        );
        let mut notes = Vec::new();
        if let audit::Verdict::Violated(findings) = &verdict {
            notes.push(format!("{}: {} findings", run.id, findings.count()));
            let told = findings.examples().iter();
            notes.extend(told.map(|finding| format!("  {finding}")));
        }
        if let audit::Verdict::Impossible(why) = &verdict {
            notes.push(format!("{}: the audit was not possible: {why}", run.id));
        }
        if keep {
            notes.push(format!(
                "  the replicas' data is kept in {}",
                data_dir.display()
            ));
        } else {
            fs::remove_dir_all(&data_dir).map_err(|error| {
                failed(format!("cannot remove {}: {error}", data_dir.display()))
            })?;
        }
        let interrupted = self.stop.is_stopped();
        let measured = Measured {
            run,
            suite: &self.suite,
            file_system: &self.file_system,
            began: loaded.began,
            recorder: &loaded.recorder,
            steered: &loaded.steered,
            audit: &verdict,
            interrupted,
        };
        if let Some(ms) = measured.failover_ms() {
            notes.push(format!(
                "{}: no write succeeded for {:.2} s after kill -9 of the leader",
                run.id,
                ms / 1e3
            ));
        }
        measured.write(&self.results)?;
        progress.done(&measured.summary());
        Ok(Ended::Recorded {
            audit: verdict,
            interrupted,
            notes,
        })
    }

    /// The future's output, or none when the job is interrupted before.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.stop.stopped() => None,
        }
    }

    /// Sets up, loads and audits; none when that was interrupted before the load.
    async fn on(
        &self,
        cluster: &mut LocalCluster,
        run: &Run,
        progress: &mut Progress,
    ) -> Result<Option<(Loaded, audit::Verdict)>, String> {
        let urls: Vec<String> = cluster.replicas().into_iter().map(|r| r.url).collect();
        let routes = Arc::new(Routes::new(&urls, run.workload.targets)?);
        let scene = Scene {
            nonce: self.nonce.clone(),
            workload: run.workload.clone(),
            checks: match (run.system, run.workload.consistency) {
                (System::Null, _) => Checks::Shape,
                (System::Telegraft, Consistency::Local) => Checks::MayBeStale,
                (System::Telegraft, _) => Checks::Full,
            },
            seed: run.seed,
        };
        progress.stage("setting up users, rooms and sessions");
        let Some(clients) = self.unless_stopped(set_up(&scene, &routes)).await else {
            return Ok(None);
        };
        let loaded = self.load(cluster, run, clients?, progress).await?;
        let verdict = self.judge(cluster, run, &loaded, &urls, progress).await?;
        Ok(Some((loaded, verdict)))
    }

    async fn load(
        &self,
        cluster: &mut LocalCluster,
        run: &Run,
        clients: Vec<Client>,
        progress: &mut Progress,
    ) -> Result<Loaded, String> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        progress.stage("warming up");
        let now = Instant::now();
        let window = Window {
            from: now + self.suite.warmup,
            to: now + self.suite.warmup + self.suite.duration,
        };
        let began = SystemTime::now() + self.suite.warmup;
        let (ticks, mut ticked) = mpsc::channel(TICKS_CAPACITY);
        let threads = threads.min(clients.len());
        let loading = async {
            // The sender goes with the load, which ends the progress.
            let ticks = ticks;
            load(clients, window, threads, &self.stop, &ticks).await
        };
        let showing = async {
            while let Some(tick) = ticked.recv().await {
                progress.tick(tick, threads);
            }
        };
        let steering = steer(cluster, window, &run.workload.faults, &self.stop);
        let (loaded, steered, ()) = tokio::join!(loading, steering, showing);
        let (mut loaded, steered) = (loaded?, steered?);
        loaded.recorder.end_at(steered.ended_at);
        Ok(Loaded {
            clients: loaded.clients,
            recorder: loaded.recorder,
            steered,
            began,
        })
    }

    async fn judge(
        &self,
        cluster: &mut LocalCluster,
        run: &Run,
        loaded: &Loaded,
        urls: &[String],
        progress: &mut Progress,
    ) -> Result<audit::Verdict, String> {
        // What clients were told wrong is wrong whatever the replicas hold.
        let mut told = Findings::default();
        for client in &loaded.clients {
            told.merge(client.findings.clone());
        }
        if run.system == System::Null {
            return Ok(audit::Verdict::Skipped);
        }
        let violated = |findings: Findings| {
            if findings.is_empty() {
                audit::Verdict::Skipped
            } else {
                audit::Verdict::Violated(findings)
            }
        };
        progress.stage("auditing");
        let ended = cluster.ended();
        if !ended.is_empty() {
            let texts: Vec<String> = ended.into_iter().map(|(_, text)| text).collect();
            return Ok(audit::Verdict::Impossible(texts.join("\n")));
        }
        for (id, _) in &loaded.steered.killed {
            let restarted = cluster.restart(*id).await;
            restarted.map_err(|error| format!("cannot restart replica {id}: {error}"))?;
        }
        let expected = Expected {
            nonce: self.nonce.clone(),
            message_bytes: run.workload.message_bytes,
            rooms: loaded
                .clients
                .first()
                .map_or_else(Vec::new, |client| client.world().rooms.clone()),
            ledgers: ledgers(&loaded.clients),
        };
        let last_index = loaded.clients.iter().map(|client| client.last_index).max();
        let auditing = audit(expected, urls, last_index.unwrap_or(0));
        let Some(found) = self.unless_stopped(auditing).await else {
            return Ok(violated(told));
        };
        Ok(match found {
            audit::Verdict::Violated(findings) => {
                told.merge(findings);
                audit::Verdict::Violated(told)
            }
            _ if !told.is_empty() => audit::Verdict::Violated(told),
            other => other,
        })
    }
}

/// By the clients' numbers: threads give them back in any order.
fn ledgers(clients: &[Client]) -> Vec<crate::ledger::Ledger> {
    let mut sorted: Vec<&Client> = clients.iter().collect();
    sorted.sort_unstable_by_key(|client| client.number());
    sorted
        .into_iter()
        .map(|client| client.ledger.clone())
        .collect()
}
