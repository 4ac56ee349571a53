//! What the tests with real processes share.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use telegraft_cluster::local::{FileLock, Links, LocalCluster, LocalOptions, Replica, System};
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;
use tempfile::TempDir;

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_telegraft");

/// Clusters that run at the same time on this machine, whoever started the tests: more of them
/// would starve each other's elections.
const SLOTS: usize = 2;
/// How long a test waits for its turn.
const SLOT_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a test waits for what takes a second when the machine is idle.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer.
///
/// # Panics
/// There is none within [`PATIENCE`].
pub(crate) async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask).await
}

async fn within<T>(patience: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Waits for the right to run a cluster.
pub(crate) async fn slot() -> FileLock {
    within(SLOT_TIMEOUT, "a turn to run a cluster", async || {
        (0..SLOTS).find_map(|slot| {
            FileLock::try_take(&format!("telegraft-test-slot-{slot}.lock"))
                .expect("the directory for temporary files is writable")
        })
    })
    .await
}

/// A cluster of the test's own. It is gone, and so is its directory, when this is dropped.
pub(crate) struct Cluster {
    pub(crate) local: LocalCluster,
    pub(crate) dir: TempDir,
    pub(crate) slot: FileLock,
}

impl Cluster {
    pub(crate) async fn start(replicas: usize) -> Cluster {
        let slot = slot().await;
        let dir = TempDir::new().expect("a directory for the cluster");
        Cluster::start_in(dir, replicas, slot).await
    }

    /// One that is started in another way than the others.
    pub(crate) async fn start_with(
        replicas: usize,
        change: impl FnOnce(&mut LocalOptions),
    ) -> Cluster {
        let slot = slot().await;
        let dir = TempDir::new().expect("a directory for the cluster");
        let mut options = options(dir.path(), replicas);
        change(&mut options);
        let local = LocalCluster::start(options)
            .await
            .expect("the cluster starts");
        Cluster { local, dir, slot }
    }

    /// Waits until a replica that is none of these leads.
    pub(crate) async fn leader_but(&self, not: &[u64]) -> u64 {
        until("another one leads", async || {
            let leader = self.local.wait_for_leader(PATIENCE).await.ok()?;
            (!not.contains(&leader)).then_some(leader)
        })
        .await
    }

    pub(crate) async fn start_in(dir: TempDir, replicas: usize, slot: FileLock) -> Cluster {
        let local = LocalCluster::start(options(dir.path(), replicas))
            .await
            .expect("the cluster starts");
        Cluster { local, dir, slot }
    }

    pub(crate) fn replica(&self, id: u64) -> Replica {
        let mut replicas = self.local.replicas().into_iter();
        replicas
            .find(|replica| replica.id == id)
            .expect("a replica of the cluster")
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        let replicas = self.local.replicas().into_iter();
        replicas.map(|replica| replica.url).collect()
    }

    pub(crate) async fn leader(&self) -> u64 {
        self.local
            .wait_for_leader(PATIENCE)
            .await
            .expect("somebody leads")
    }

    /// A replica that does not lead.
    pub(crate) async fn follower(&self) -> u64 {
        let leader = self.leader().await;
        let mut replicas = self.local.replicas().into_iter();
        replicas
            .find(|replica| replica.id != leader)
            .expect("more than one replica")
            .id
    }

    /// What a replica has said on its standard error, since the directory is there.
    pub(crate) fn log(&self, id: u64) -> String {
        fs::read_to_string(self.dir.path().join(format!("node-{id}.log"))).expect("its log")
    }

    /// Waits until a replica's log says something.
    pub(crate) async fn log_says(&self, id: u64, text: &str) {
        let what = format!("replica {id} says {text:?}");
        until(&what, async || self.log(id).contains(text).then_some(())).await;
    }
}

/// The options of all clusters here.
pub(crate) fn options(dir: &Path, replicas: usize) -> LocalOptions {
    LocalOptions {
        binary: PathBuf::from(BINARY),
        system: System::Telegraft,
        replicas,
        data_dir: dir.to_owned(),
        base_port: None,
        durability: Durability::Fsync,
        mailbox: Mailbox::Lanes,
        ready_timeout: PATIENCE,
        links: Links::Direct,
        disk: None,
        segment_bytes: None,
    }
}

/// Whether that process is there and is a replica or launcher of ours.
pub(crate) fn lives(pid: u32) -> bool {
    // What is dead and not yet reaped has no command line.
    fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| String::from_utf8_lossy(&line).contains("telegraft"))
}
