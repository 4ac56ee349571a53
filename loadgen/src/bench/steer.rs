//! Beside the load: what it costs the cluster, and what is done to it meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use telegraft_cluster::local::{LocalCluster, LocalError, cpu_seconds};
use telegraft_cluster::raft::NodeId;
use tokio::time::{Instant, sleep_until};

use crate::engine::Stop;
use crate::recorder::Window;
use crate::results::{EventRow, SCHEMA_VERSION};
use crate::suite::{Fault, FaultAction, FaultTarget};

/// To find the leader that is to be hit: there is one, unless it was killed just now.
const FIND_LEADER: Duration = Duration::from_secs(5);

/// What was seen.
#[derive(Debug)]
pub(super) struct Steered {
    /// Processor time of the cluster's processes in the window, in seconds.
    pub(super) cluster_cpu_s: f64,
    /// When replicas were hit, each with the moment of the next hit or the window's end.
    pub(super) hits: Vec<(Instant, Instant)>,
    /// Who is down, and started again before the audit.
    pub(super) down: BTreeSet<NodeId>,
    /// What was done to whom, in order.
    pub(super) events: Vec<EventRow>,
    /// The same, for people.
    pub(super) notes: Vec<String>,
}

/// Processor time by process.
#[derive(Debug, Default)]
pub(crate) struct Usage(BTreeMap<u32, f64>);

impl Usage {
    /// Looks at the cluster's processes. What was seen of one that is gone stays.
    pub(crate) fn look(&mut self, cluster: &LocalCluster) {
        for replica in cluster.replicas() {
            if let Ok(seconds) = cpu_seconds(replica.pid) {
                self.0.insert(replica.pid, seconds);
            }
        }
    }

    /// In seconds.
    pub(crate) fn sum(&self) -> f64 {
        self.0.values().sum()
    }
}

/// Waits for `moment`; false when the load is stopped before.
async fn reached(moment: Instant, stop: &Stop) -> bool {
    tokio::select! {
        () = sleep_until(moment) => true,
        () = stop.stopped() => false,
    }
}

/// The beginning or the end of a fault, by its place among them.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Begins(usize),
    Ends(usize),
}

/// Who is down or stands still, and since which fault.
#[derive(Debug, Default)]
struct Hit {
    by_fault: BTreeMap<usize, NodeId>,
    paused: BTreeSet<NodeId>,
    down: BTreeSet<NodeId>,
    /// What was done, when and to whom.
    done: Vec<Done>,
}

#[derive(Debug)]
struct Done {
    at: Instant,
    event: &'static str,
    to: NodeId,
    detail: &'static str,
}

impl Hit {
    fn note(&mut self, at: Instant, event: &'static str, to: NodeId, detail: &'static str) {
        let done = Done {
            at,
            event,
            to,
            detail,
        };
        self.done.push(done);
    }

    /// The rows of what was done since `from`.
    fn events(self, run_id: &str, from: Instant) -> Vec<EventRow> {
        let done = self.done.into_iter();
        done.map(|done| EventRow {
            schema_version: SCHEMA_VERSION,
            run_id: run_id.to_owned(),
            // To a millisecond.
            at_s: (done.at.saturating_duration_since(from).as_secs_f64() * 1e3).round() / 1e3,
            event: done.event.to_owned(),
            replica: done.to,
            detail: done.detail.to_owned(),
        })
        .collect()
    }
}

/// Watches the window, and carries the faults out.
///
/// # Errors
/// When a fault cannot be carried out.
pub(super) async fn steer(
    cluster: &mut LocalCluster,
    run_id: &str,
    window: Window,
    faults: &[Fault],
    stop: &Stop,
) -> Result<Steered, String> {
    let mut turns: Vec<(Duration, Turn)> = Vec::new();
    for (nth, fault) in faults.iter().enumerate() {
        turns.push((fault.at, Turn::Begins(nth)));
        if let Some(lasts) = fault.lasts {
            turns.push((fault.at + lasts, Turn::Ends(nth)));
        }
    }
    turns.sort_by_key(|(at, _)| *at);

    let mut going = reached(window.from, stop).await;
    let mut usage = Usage::default();
    usage.look(cluster);
    let before = usage.sum();
    let (mut hit, mut moments, mut notes) = (Hit::default(), Vec::new(), Vec::new());
    for (at, turn) in turns {
        // What would end after the window goes on until it.
        let moment = (window.from + at).min(window.to);
        going = going && reached(moment, stop).await;
        if !going {
            break;
        }
        usage.look(cluster);
        match turn {
            Turn::Begins(nth) => {
                let fault = &faults[nth];
                moments.push(Instant::now());
                let id = begin(cluster, fault, &mut hit, nth).await?;
                notes.push(format!("{} replica {id} at {at:?}", verb(fault.action)));
            }
            Turn::Ends(nth) => end(cluster, &mut hit, nth).await?,
        }
    }
    if going {
        reached(window.to, stop).await;
    }
    let ended_at = Instant::now().clamp(window.from, window.to);
    usage.look(cluster);
    for id in std::mem::take(&mut hit.paused) {
        resume(cluster, &mut hit, id).await?;
    }
    let ends = moments.iter().skip(1).copied().chain([ended_at]);
    Ok(Steered {
        cluster_cpu_s: usage.sum() - before,
        hits: moments.iter().copied().zip(ends).collect(),
        down: std::mem::take(&mut hit.down),
        events: hit.events(run_id, window.from),
        notes,
    })
}

fn verb(action: FaultAction) -> &'static str {
    match action {
        FaultAction::Kill => "kill -9 of",
        FaultAction::Pause => "SIGSTOP of",
        FaultAction::Restart => "restart of",
    }
}

/// Does it, to whom the fault says.
async fn begin(
    cluster: &mut LocalCluster,
    fault: &Fault,
    hit: &mut Hit,
    nth: usize,
) -> Result<NodeId, String> {
    let what = verb(fault.action);
    let failed = |error: String| format!("{what} the {}: {error}", name(fault.to));
    let leader = cluster.wait_for_leader(FIND_LEADER).await;
    let leader = leader.map_err(|error| failed(error.to_string()))?;
    let id = match fault.to {
        FaultTarget::Leader => leader,
        FaultTarget::Follower => {
            let replicas = cluster.replicas().into_iter().map(|replica| replica.id);
            let mut others = replicas
                .filter(|id| *id != leader && !hit.down.contains(id) && !hit.paused.contains(id));
            others
                .next()
                .ok_or_else(|| failed("none is up".to_owned()))?
        }
    };
    // A signal is the first thing that each of them does.
    let at = Instant::now();
    let done = match fault.action {
        FaultAction::Kill => {
            hit.note(at, "kill", id, name(fault.to));
            hit.down.insert(id);
            cluster.kill(id).await
        }
        FaultAction::Pause => {
            hit.note(at, "pause", id, name(fault.to));
            hit.paused.insert(id);
            cluster.pause(id).await
        }
        FaultAction::Restart => {
            hit.note(at, "restart", id, name(fault.to));
            match cluster.terminate(id).await {
                Ok(()) => start(cluster, hit, id).await,
                failed => failed,
            }
        }
    };
    done.map_err(|error| failed(error.to_string()))?;
    hit.by_fault.insert(nth, id);
    Ok(id)
}

/// What a fault did ends: the replica goes on, or is started again.
async fn end(cluster: &mut LocalCluster, hit: &mut Hit, nth: usize) -> Result<(), String> {
    let Some(id) = hit.by_fault.remove(&nth) else {
        return Ok(());
    };
    if hit.paused.remove(&id) {
        resume(cluster, hit, id).await?;
    }
    if hit.down.remove(&id) {
        let started = start(cluster, hit, id).await;
        started.map_err(|error| format!("cannot restart replica {id}: {error}"))?;
    }
    Ok(())
}

async fn start(cluster: &mut LocalCluster, hit: &mut Hit, id: NodeId) -> Result<(), LocalError> {
    cluster.restart(id).await?;
    hit.note(Instant::now(), "start", id, "");
    Ok(())
}

async fn resume(cluster: &mut LocalCluster, hit: &mut Hit, id: NodeId) -> Result<(), String> {
    let resumed = cluster.resume(id).await;
    resumed.map_err(|error| format!("cannot let replica {id} go on: {error}"))?;
    hit.note(Instant::now(), "resume", id, "");
    Ok(())
}

fn name(target: FaultTarget) -> &'static str {
    match target {
        FaultTarget::Leader => "leader",
        FaultTarget::Follower => "follower",
    }
}
