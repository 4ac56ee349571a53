//! Local clusters: real processes of this program's own binary, on loopback.

mod command;
mod disks;
mod faults;
mod layout;
mod links;
mod lock;
mod namespaces;
mod options;
mod place;
mod ports;
mod probe;
mod process;
mod ready;
mod steer;
mod usage;

use std::path::PathBuf;

use tokio::task::JoinSet;

pub use disks::{DiskLimit, can_mount};
pub use links::{LinkCounts, LinkCut, LinkFault, Links};
pub use lock::FileLock;
pub use namespaces::{can_count_cuts, can_use_namespaces};
pub use options::{LocalOptions, System};
pub use usage::{anonymous_memory_bytes, cpu_seconds};

use disks::SmallDisk;
use links::FaultLinks;
use namespaces::Network;
use place::Place;
use probe::Probe;
use process::Process;
use steer::end;

use crate::raft::NodeId;

/// One process of a local cluster.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Replica {
    /// Its id.
    pub id: NodeId,
    /// Its HTTP address, as `http://127.0.0.1:8351`.
    pub url: String,
    /// Its peer address, or its proxy's.
    pub peer: String,
    /// Its process.
    pub pid: u32,
    /// Its data directory.
    pub data_dir: PathBuf,
}

/// Why a local cluster could not be started or steered.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The text says what and where, with the replica's last words where there are any.
    #[error("{0}")]
    Failed(String),
}

/// A running local cluster. Dropping it kills every process.
#[derive(Debug)]
pub struct LocalCluster {
    options: LocalOptions,
    /// Dropped before what their processes live on.
    members: Vec<Member>,
    fault_links: Option<FaultLinks>,
    network: Option<Network>,
    probe: Probe,
}

/// One replica, running or not.
#[derive(Debug)]
struct Member {
    replica: Replica,
    process: Option<Process>,
    /// Dropped after the process that writes on it.
    disk: Option<SmallDisk>,
    place: Place,
    log: PathBuf,
}

impl LocalCluster {
    /// Starts all replicas and waits until a leader serves. What a replica says on its standard
    /// error stands in `<data_dir>/node-<id>.log`.
    ///
    /// # Errors
    /// The directory or the ports cannot be had, a replica stops at once, or nobody serves in
    /// time.
    pub async fn start(options: LocalOptions) -> Result<Self, LocalError> {
        let options = options::absolute(options)?;
        let (places, network) = place::find(&options)?;
        let fault_links = match options.links {
            Links::Faulty { seed } => {
                let routes = (1..).zip(&places).map(|(id, place)| place.route(id));
                let routes: Vec<_> = routes.collect();
                Some(FaultLinks::start(seed, &routes)?)
            }
            Links::Direct | Links::Namespaces => None,
        };
        if options.disk.is_some() {
            disks::remove_stale();
        }
        let mut members = Vec::with_capacity(places.len());
        for (id, place) in (1..).zip(places) {
            let data_dir = options.data_dir.join(format!("node-{id}"));
            let disk = options.disk.map(|limit| SmallDisk::mount(&data_dir, limit));
            members.push(Member {
                replica: Replica {
                    id,
                    url: format!("http://{}", place.listen),
                    peer: place.peer.to_string(),
                    pid: 0,
                    data_dir,
                },
                process: None,
                disk: disk.transpose()?,
                place,
                log: options.data_dir.join(format!("node-{id}.log")),
            });
        }
        let mut cluster = LocalCluster {
            probe: Probe::new().map_err(LocalError::Failed)?,
            options,
            members,
            fault_links,
            network,
        };
        for index in 0..cluster.members.len() {
            cluster.spawn(index)?;
        }
        cluster.wait_until_ready().await?;
        Ok(cluster)
    }

    /// The replicas, running or not, in order of their ids. One that does not run has the
    /// process id that it had.
    pub fn replicas(&self) -> Vec<Replica> {
        let replicas = self.members.iter().map(|member| member.replica.clone());
        replicas.collect()
    }

    /// Replicas that have ended though nobody stopped them, and how: their exit status and the
    /// last lines of their logs.
    pub fn ended(&self) -> Vec<(NodeId, String)> {
        let ended = self.members.iter().filter_map(|member| {
            let process = member.process.as_ref()?;
            let status = process.exited()?;
            let id = member.replica.id;
            let log = member.log.display();
            let words = process.last_words();
            let text = format!("replica {id} has stopped ({status}); the end of {log}:\n{words}");
            Some((id, text))
        });
        ended.collect()
    }

    /// SIGTERM to all, and waits; kills what does not stop in time.
    ///
    /// # Errors
    /// A replica had to be killed, or did not end cleanly; all are gone nevertheless.
    pub async fn stop(mut self) -> Result<(), LocalError> {
        let mut ends = JoinSet::new();
        for member in &mut self.members {
            if let Some(process) = member.process.take() {
                let replica = member.replica.clone();
                ends.spawn(async move { end(&replica, &process).await });
            }
        }
        let mut errors = Vec::new();
        while let Some(joined) = ends.join_next().await {
            match joined {
                Ok(Ok(())) => {}
                Ok(Err(error)) => errors.push(error.to_string()),
                Err(error) => errors.push(error.to_string()),
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(LocalError::Failed(errors.join("\n")))
        }
    }

    fn index(&self, id: NodeId) -> Result<usize, LocalError> {
        self.members
            .iter()
            .position(|member| member.replica.id == id)
            .ok_or_else(|| LocalError::Failed(format!("there is no replica {id}")))
    }

    fn spawn(&mut self, index: usize) -> Result<(), LocalError> {
        let member = &self.members[index];
        let network = self.network.as_ref();
        let command = command::command(&self.options, &self.members, member, network);
        let member = &mut self.members[index];
        let process = Process::spawn(command, &member.log).map_err(|error| {
            LocalError::Failed(format!(
                "cannot start replica {} ({}, log {}): {error}",
                member.replica.id,
                self.options.binary.display(),
                member.log.display()
            ))
        })?;
        member.replica.pid = process.pid();
        member.process = Some(process);
        Ok(())
    }
}

impl Member {
    fn runs(&self) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| process.exited().is_none())
    }
}
