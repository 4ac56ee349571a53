//! Replicas that are killed, stopped and started again, one by one.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::process::{self, Process};
use super::{LocalCluster, LocalError, Replica, usage};
use crate::raft::NodeId;

/// How long a replica may take to stop: it hands over (1.5 s) and answers what is open (8 s).
const STOP_TIMEOUT: Duration = Duration::from_secs(12);
/// How long a signal may take to stop a process.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(2);

impl LocalCluster {
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

    fn running(&self, id: NodeId) -> Result<&Process, LocalError> {
        let member = &self.members[self.index(id)?];
        member
            .process
            .as_ref()
            .filter(|_| member.runs())
            .ok_or_else(|| LocalError::Failed(format!("replica {id} does not run")))
    }
}

fn signal(id: NodeId, process: &Process, signal: Signal) -> Result<(), LocalError> {
    process
        .signal(signal)
        .map_err(|error| LocalError::Failed(format!("cannot signal replica {id}: {error}")))
}

/// SIGTERM, and waits; then kill -9.
pub(super) async fn end(replica: &Replica, process: &Process) -> Result<(), LocalError> {
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
