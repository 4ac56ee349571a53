//! Beside the load: what it costs, and what is done to the cluster meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use telegraft_cluster::local::{LocalCluster, cpu_seconds};
use telegraft_cluster::raft::NodeId;
use tokio::time::{Instant, sleep_until};

use crate::closed::Stop;
use crate::recorder::Window;
use crate::suite::{Fault, Kill};

/// To find the leader that is to be killed: there is one, unless it was killed just now.
const FIND_LEADER: Duration = Duration::from_secs(5);

/// What was seen.
#[derive(Debug)]
pub(super) struct Steered {
    /// When the part that counts ended: at the window's end, or at an interruption.
    pub(super) ended_at: Instant,
    /// Processor time of this process in that part, in seconds.
    pub(super) generator_cpu_s: f64,
    /// The same of the cluster's processes.
    pub(super) cluster_cpu_s: f64,
    /// Who was killed, and when.
    pub(super) killed: Vec<(NodeId, Instant)>,
}

/// Processor time by process.
#[derive(Debug, Default)]
struct Usage(BTreeMap<u32, f64>);

impl Usage {
    /// Looks at the cluster's processes. What was seen of one that is gone stays.
    fn look(&mut self, cluster: &LocalCluster) {
        for replica in cluster.replicas() {
            if let Ok(seconds) = cpu_seconds(replica.pid) {
                self.0.insert(replica.pid, seconds);
            }
        }
    }

    fn sum(&self) -> f64 {
        self.0.values().sum()
    }
}

fn own_cpu() -> f64 {
    // There always is this process, and Linux always has /proc; without it nothing is known.
    cpu_seconds(std::process::id()).unwrap_or(0.0)
}

/// Waits for `moment`; false when the load is stopped before.
async fn reached(moment: Instant, stop: &Stop) -> bool {
    tokio::select! {
        () = sleep_until(moment) => true,
        () = stop.stopped() => false,
    }
}

/// Watches the window, and carries the faults out.
///
/// # Errors
/// When a fault cannot be carried out.
pub(super) async fn steer(
    cluster: &mut LocalCluster,
    window: Window,
    faults: &[Fault],
    stop: &Stop,
) -> Result<Steered, String> {
    let mut killed = Vec::new();
    let mut going = reached(window.from, stop).await;
    let mut usage = Usage::default();
    usage.look(cluster);
    let (cluster_before, own_before) = (usage.sum(), own_cpu());
    let mut faults = faults.to_vec();
    faults.sort_by_key(|fault| fault.at);
    for Fault { at, kill } in faults {
        going = going && reached(window.from + at, stop).await;
        if !going {
            break;
        }
        let Kill::Leader = kill;
        let leader = cluster.wait_for_leader(FIND_LEADER).await;
        let leader = leader.map_err(|error| format!("cannot kill the leader: {error}"))?;
        usage.look(cluster);
        let now = Instant::now();
        let done = cluster.kill(leader).await;
        done.map_err(|error| format!("cannot kill the leader: {error}"))?;
        killed.push((leader, now));
    }
    if going {
        reached(window.to, stop).await;
    }
    let ended_at = Instant::now().clamp(window.from, window.to);
    usage.look(cluster);
    Ok(Steered {
        ended_at,
        generator_cpu_s: own_cpu() - own_before,
        cluster_cpu_s: usage.sum() - cluster_before,
        killed,
    })
}
