//! One run: a fresh cluster, set up, loaded, audited, stopped and recorded.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use telegraft_cluster::http::Consistency;
use telegraft_cluster::local::{self, Links, LocalCluster, LocalOptions};
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;
use tokio::time::Instant;

use super::BenchError;
use super::progress::Progress;
use super::steer::{Steered, steer};
use crate::audit;
use crate::engine::Stop;
use crate::plan::Share;
use crate::results::ResultDir;
use crate::run::{Beside, Done, LEAD, Measured, Place, Run, RunError, Scenario, summary};
use crate::suite::{Suite, System, Workload};
use crate::world::Checks;

/// Until a fresh cluster serves: its processes start and elect a leader.
const READY: Duration = Duration::from_secs(20);

/// What all runs have in common.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) binary: PathBuf,
    pub(crate) suite: Suite,
    pub(crate) nonce: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) results: ResultDir,
    /// The file system's name that the data directories are on.
    pub(crate) file_system: String,
    pub(crate) stop: Stop,
    /// How long operations may take after the window.
    pub(crate) drain: Duration,
    /// Where the steps are recorded, if they are.
    pub(crate) record: Option<PathBuf>,
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// Unique in the result directory, as `telegraft-3-write-heavy-t1`.
    pub(crate) id: String,
    pub(crate) system: System,
    /// 0 when the system has none.
    pub(crate) replicas: usize,
    pub(crate) durability: Durability,
    pub(crate) mailbox: Mailbox,
    pub(crate) workload: Workload,
    pub(crate) trace: SharedTrace,
    pub(crate) trial: u32,
    pub(crate) seed: u64,
}

/// A recording that several runs share.
pub(crate) type SharedTrace = Option<Arc<crate::trace::Trace>>;

/// What the loaded cluster gave.
struct Loaded {
    measured: Measured,
    beside: Beside,
    notes: Vec<String>,
}

impl Bench {
    /// What a planned run is.
    pub(super) fn run(&self, planned: &Planned, scenario: &Scenario) -> Run {
        let suite = &self.suite;
        let null = planned.system == System::Null;
        Run {
            id: planned.id.clone(),
            suite: suite.name.clone(),
            system: planned.system.name().to_owned(),
            replicas: planned.replicas,
            durability: match planned.durability {
                _ if null => "-",
                // What is not on a disk is not made durable by a sync.
                Durability::Fsync if self.file_system == "tmpfs" => "fsync(tmpfs)",
                Durability::Fsync => "fsync",
                Durability::None => "none",
            }
            .to_owned(),
            mailbox: match planned.mailbox {
                _ if null => "-",
                Mailbox::Lanes => "lanes",
                Mailbox::Fifo => "fifo",
            }
            .to_owned(),
            trial: planned.trial,
            seed: planned.seed,
            warmup: suite.warmup,
            duration: suite.duration,
            drain: self.drain,
            nonce: self.nonce.clone(),
            share: Share::WHOLE,
            checks: match (planned.system, scenario.workload().consistency) {
                (System::Null, _) => Checks::Shape,
                (System::Telegraft, Consistency::Local) => Checks::MayBeStale,
                (System::Telegraft, _) => Checks::Full,
            },
        }
    }

    /// Does a run; none when that was interrupted before the load.
    ///
    /// # Errors
    /// [`BenchError::Run`] when this one could not be done, others when no other could either.
    pub(crate) async fn one(
        &self,
        planned: &Planned,
        progress: &mut Progress,
    ) -> Result<Option<Done>, BenchError> {
        let failed = |reason: String| BenchError::Run {
            run_id: planned.id.clone(),
            reason,
        };
        let trace = planned.trace.clone();
        let scenario = Scenario::new(planned.workload.clone(), planned.seed, trace);
        let scenario = scenario.map_err(failed)?;
        let run = self.run(planned, &scenario);
        let data_dir = self.data_dir.join(&run.id);
        let options = LocalOptions {
            binary: self.binary.clone(),
            system: match planned.system {
                System::Telegraft => local::System::Telegraft,
                System::Null => local::System::Null,
            },
            replicas: planned.replicas.max(1),
            data_dir: data_dir.clone(),
            base_port: None,
            durability: planned.durability,
            mailbox: planned.mailbox,
            ready_timeout: READY,
            links: Links::Direct,
            disk: None,
            segment_bytes: None,
        };
        progress.stage("starting the cluster");
        let Some(started) = self.unless_stopped(LocalCluster::start(options)).await else {
            // What was started is gone with the future.
            let _ = fs::remove_dir_all(&data_dir);
            return Ok(None);
        };
        let mut cluster = started.map_err(|error| failed(error.to_string()))?;
        let urls: Vec<String> = cluster.replicas().into_iter().map(|r| r.url).collect();
        let place = Place {
            urls: &urls,
            scraped: planned.system == System::Telegraft,
            results: &self.results,
            stop: &self.stop,
        };
        let ended = self
            .on(&mut cluster, &run, &scenario, &place, progress)
            .await;
        progress.stage("stopping the cluster");
        let stopped = cluster.stop().await;
        let ended = ended.map_err(|error| match error {
            RunError::Failed(reason) => failed(reason),
            RunError::Results(error) => BenchError::Results(error),
        })?;
        let Some(Loaded {
            measured,
            beside,
            mut notes,
        }) = ended
        else {
            let _ = fs::remove_dir_all(&data_dir);
            return Ok(None);
        };
        notes.extend(
            measured
                .notes
                .iter()
                .map(|note| format!("{}: {note}", run.id)),
        );
        // First of all, so that nothing else that goes wrong costs the results.
        let judgement = run.write(&scenario, &place, &measured, &beside)?;
        if let Err(error) = &stopped {
            notes.push(format!("{}: stopping the cluster: {error}", run.id));
        }
        self.data(&run, &data_dir, &beside.audit, &mut notes);
        progress.done(&summary(&run, &measured, &beside, &judgement));
        Ok(Some(Done {
            measured,
            beside,
            judgement,
            stopped: stopped.is_ok(),
            notes,
        }))
    }

    /// Tells what the audit found, and removes the replicas' data unless that explains it.
    fn data(&self, run: &Run, data_dir: &Path, audit: &audit::Verdict, notes: &mut Vec<String>) {
        match audit {
            audit::Verdict::Violated(findings) => {
                notes.push(format!("{}: {} findings", run.id, findings.count()));
                let told = findings.examples().iter();
                notes.extend(told.map(|finding| format!("  {finding}")));
            }
            audit::Verdict::Impossible(why) => {
                notes.push(format!("{}: the audit was not possible: {why}", run.id));
            }
            audit::Verdict::Ok | audit::Verdict::Skipped => {
                if let Err(error) = fs::remove_dir_all(data_dir) {
                    let path = data_dir.display();
                    notes.push(format!("{}: cannot remove {path}: {error}", run.id));
                }
                return;
            }
        }
        let kept = data_dir.display();
        notes.push(format!("  the replicas' data is kept in {kept}"));
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
        scenario: &Scenario,
        place: &Place<'_>,
        progress: &mut Progress,
    ) -> Result<Option<Loaded>, RunError> {
        progress.stage("setting up users, rooms and sessions");
        let setting_up = run.set_up(scenario, place, Instant::now());
        let Some(clients) = self.unless_stopped(setting_up).await else {
            return Ok(None);
        };
        let clients = clients?;
        progress.stage("warming up");
        let start = Instant::now() + LEAD;
        let record = self.record.as_deref();
        let steering = steer(
            cluster,
            &run.id,
            run.window(start),
            &scenario.workload().faults,
            &self.stop,
        );
        let loading = run.load(scenario, place, clients, start, record, |tick, leader| {
            progress.tick(&tick, leader);
        });
        let (measured, steered) = tokio::join!(loading, steering);
        let (measured, steered) = (measured?, steered?);
        progress.stage("auditing");
        let audit = self.audit(cluster, run, place, &measured, &steered).await?;
        let told = steered.notes.iter();
        Ok(Some(Loaded {
            notes: told.map(|note| format!("{}: {note}", run.id)).collect(),
            beside: Beside {
                cluster_cpu_s: steered.cluster_cpu_s,
                events: steered.events,
                faults: steered.hits,
                audit,
            },
            measured,
        }))
    }

    async fn audit(
        &self,
        cluster: &mut LocalCluster,
        run: &Run,
        place: &Place<'_>,
        measured: &Measured,
        steered: &Steered,
    ) -> Result<audit::Verdict, String> {
        let ended = cluster.ended();
        if !ended.is_empty() {
            let texts: Vec<String> = ended.into_iter().map(|(_, text)| text).collect();
            let impossible = audit::Verdict::Impossible(texts.join("\n"));
            return Ok(run.without_audit(measured, impossible));
        }
        for id in &steered.down {
            let restarted = cluster.restart(*id).await;
            restarted.map_err(|error| format!("cannot restart replica {id}: {error}"))?;
        }
        Ok(run.audit(measured, place).await)
    }
}
