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
mod usage;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
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
use probe::{Health, Probe};
use process::Process;

use crate::raft::NodeId;

/// How often it is looked whether a leader serves.
const READY_POLL: Duration = Duration::from_millis(20);
/// How long a cluster that has a leader waits for the other replicas to know it. It serves
/// without them.
const FOLLOWERS_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a replica may take to stop: it hands over (1.5 s) and answers what is open (8 s).
const STOP_TIMEOUT: Duration = Duration::from_secs(12);
/// How long a signal may take to stop a process.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(2);

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

    /// Waits until a leader serves; its id.
    ///
    /// # Errors
    /// None does in time, or no replica runs any more.
    pub async fn wait_for_leader(&self, timeout: Duration) -> Result<NodeId, LocalError> {
        let deadline = Instant::now() + timeout;
        loop {
            let healths = self.healths().await;
            let leader = healths
                .iter()
                .filter_map(|(id, health)| match health {
                    Health::Leads(term) => Some((*term, *id)),
                    _ => None,
                })
                .max();
            if let Some((_, id)) = leader {
                return Ok(id);
            }
            if self.members.iter().all(|member| !member.runs()) {
                let ends: Vec<String> = self.ended().into_iter().map(|(_, end)| end).collect();
                return Err(LocalError::Failed(format!(
                    "no replica runs\n{}",
                    ends.join("\n")
                )));
            }
            if Instant::now() >= deadline {
                return Err(self.nobody_leads(timeout, &healths));
            }
            tokio::time::sleep(READY_POLL).await;
        }
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

    /// kill -9, and waits until the process is gone.
    ///
    /// # Errors
    /// There is no such replica, or it does not die.
    pub async fn kill(&mut self, id: NodeId) -> Result<(), LocalError> {
        let index = self.index(id)?;
        if let Some(process) = self.members[index].process.take() {
            process
                .kill()
                .await
                .map_err(|error| LocalError::Failed(format!("replica {id}: {error}")))?;
        }
        Ok(())
    }

    /// Starts a stopped replica again on its directory and ports; does not wait for it to serve.
    ///
    /// # Errors
    /// There is no such replica, it runs, or it cannot be started.
    pub async fn restart(&mut self, id: NodeId) -> Result<(), LocalError> {
        let index = self.index(id)?;
        if self.members[index].runs() {
            return Err(LocalError::Failed(format!("replica {id} runs already")));
        }
        self.spawn(index)
    }

    /// SIGTERM to one replica, and waits until it is gone.
    ///
    /// # Errors
    /// There is no such replica, it does not stop in time (it is killed then) or not cleanly.
    pub async fn terminate(&mut self, id: NodeId) -> Result<(), LocalError> {
        let index = self.index(id)?;
        let Some(process) = self.members[index].process.take() else {
            return Ok(());
        };
        end(&self.members[index].replica, &process).await
    }

    /// SIGSTOP: the replica stands still, with all its connections open, until
    /// [`resume`](Self::resume).
    ///
    /// # Errors
    /// There is no such replica, or it does not run.
    pub async fn pause(&mut self, id: NodeId) -> Result<(), LocalError> {
        let process = self.running(id)?;
        signal(id, process, Signal::STOP)?;
        // The signal is on its way: the replica may run on for a moment.
        let deadline = Instant::now() + PAUSE_TIMEOUT;
        while !usage::is_stopped(process.pid()).unwrap_or(true) {
            if Instant::now() >= deadline {
                let text = format!("replica {id} does not stand still");
                return Err(LocalError::Failed(text));
            }
            tokio::time::sleep(process::POLL).await;
        }
        Ok(())
    }

    /// SIGCONT: a paused replica goes on.
    ///
    /// # Errors
    /// There is no such replica, or it does not run.
    pub async fn resume(&mut self, id: NodeId) -> Result<(), LocalError> {
        signal(id, self.running(id)?, Signal::CONT)
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

    fn running(&self, id: NodeId) -> Result<&Process, LocalError> {
        let member = &self.members[self.index(id)?];
        member
            .process
            .as_ref()
            .filter(|_| member.runs())
            .ok_or_else(|| LocalError::Failed(format!("replica {id} does not run")))
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

    /// Waits until a leader serves, and a little longer for the others to know it.
    async fn wait_until_ready(&self) -> Result<(), LocalError> {
        let timeout = self.options.ready_timeout;
        let deadline = Instant::now() + timeout;
        let mut led_since = None;
        loop {
            if let Some((_, end)) = self.ended().into_iter().next() {
                return Err(LocalError::Failed(end));
            }
            let healths = self.healths().await;
            let leads = |health: &Health| matches!(health, Health::Leads(_));
            if healths.iter().any(|(_, health)| leads(health)) {
                let since = *led_since.get_or_insert_with(Instant::now);
                let all = !healths
                    .iter()
                    .any(|(_, health)| matches!(health, Health::Not(_)));
                if all || since.elapsed() >= FOLLOWERS_TIMEOUT {
                    return Ok(());
                }
            }
            if Instant::now() >= deadline && led_since.is_none() {
                return Err(self.nobody_leads(timeout, &healths));
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// How each running replica is, all asked at once.
    async fn healths(&self) -> Vec<(NodeId, Health)> {
        let mut asked = JoinSet::new();
        for member in self.members.iter().filter(|member| member.runs()) {
            let (id, url) = (member.replica.id, member.replica.url.clone());
            let probe = self.probe.clone();
            let null = self.options.system == System::Null;
            asked.spawn(async move {
                let health = if null {
                    let ready = probe.ready(&url).await;
                    ready.map_or_else(Health::Not, |()| Health::Leads(0))
                } else {
                    probe.health(&url).await
                };
                (id, health)
            });
        }
        let mut healths: Vec<_> = asked.join_all().await;
        healths.sort_by_key(|(id, _)| *id);
        healths
    }

    fn nobody_leads(&self, timeout: Duration, healths: &[(NodeId, Health)]) -> LocalError {
        let mut text = format!("no leader serves after {timeout:?}");
        for (id, health) in healths {
            let how = match health {
                Health::Not(why) => why,
                Health::Serves | Health::Leads(_) => "it serves, and does not lead",
            };
            text.push_str(&format!("\nreplica {id}: {how}"));
        }
        for (_, end) in self.ended() {
            text.push_str(&format!("\n{end}"));
        }
        text.push_str(&format!(
            "\nthe replicas' logs are {}",
            self.options.data_dir.join("node-<id>.log").display()
        ));
        LocalError::Failed(text)
    }
}

impl Member {
    fn runs(&self) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| process.exited().is_none())
    }
}

fn signal(id: NodeId, process: &Process, signal: Signal) -> Result<(), LocalError> {
    process
        .signal(signal)
        .map_err(|error| LocalError::Failed(format!("cannot signal replica {id}: {error}")))
}

/// SIGTERM, and waits; then kill -9.
async fn end(replica: &Replica, process: &Process) -> Result<(), LocalError> {
    let id = replica.id;
    signal(id, process, Signal::TERM)?;
    // One that is paused would not hear of it.
    signal(id, process, Signal::CONT)?;
    match process.wait(STOP_TIMEOUT).await {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(LocalError::Failed(format!(
            "replica {id} did not stop cleanly ({status}):\n{}",
            process.last_words()
        ))),
        None => {
            process
                .kill()
                .await
                .map_err(|error| LocalError::Failed(format!("replica {id}: {error}")))?;
            Err(LocalError::Failed(format!(
                "replica {id} did not stop within {STOP_TIMEOUT:?} and was killed:\n{}",
                process.last_words()
            )))
        }
    }
}
