//! `telegraft cluster` as a user starts it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use telegraft_cluster::local::{FileLock, Replica};

use crate::harness::{BINARY, lives, slot, until};

/// A running `telegraft cluster`; killed, and its replicas with it, when this is dropped.
pub(crate) struct Launched {
    child: Child,
    pub(crate) replicas: Vec<Replica>,
    _slot: FileLock,
}

impl Launched {
    pub(crate) async fn start(more: &[&str]) -> Launched {
        let slot = slot().await;
        let mut child = Command::new(BINARY)
            .args(["cluster", "--replicas", "3", "--format", "json", "--quiet"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("the program runs");
        let stdout = child.stdout.take().expect("it was asked for");
        let mut launched = Launched {
            child,
            replicas: Vec::new(),
            _slot: slot,
        };
        let reading = tokio::task::spawn_blocking(move || {
            let lines = BufReader::new(stdout).lines().take(3);
            let lines: Result<Vec<String>, _> = lines.collect();
            lines.expect("it prints text")
        });
        for line in reading.await.expect("reading does not fail") {
            let value: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
            let names: Vec<&String> = value.as_object().expect("an object").keys().collect();
            assert_eq!(names, ["data_dir", "id", "peer", "pid", "url"]);
            let replica = serde_json::from_value(value).expect("a replica");
            launched.replicas.push(replica);
        }
        assert_eq!(launched.replicas.len(), 3);
        launched
    }

    /// As `--target` takes them.
    pub(crate) fn targets(&self) -> String {
        let urls: Vec<&str> = self.replicas.iter().map(|r| r.url.as_str()).collect();
        urls.join(",")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    /// Waits for its end; its exit code, if it has one.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let what = "the launcher ends";
        until(what, async || self.child.try_wait().expect("our child"))
            .await
            .code()
    }

    pub(crate) async fn replicas_end(&self) {
        for replica in &self.replicas {
            let what = format!("replica {} (process {}) ends", replica.id, replica.pid);
            until(&what, async || (!lives(replica.pid)).then_some(())).await;
        }
    }

    pub(crate) fn temporary_dir(&self) -> PathBuf {
        let parent = self.replicas[0].data_dir.parent();
        parent.expect("node-1 is in it").to_owned()
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // As a user would, so that it leaves nothing; then what a failed test has left.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
        }
        let _ = self.child.wait();
        for replica in self.replicas.iter().filter(|replica| lives(replica.pid)) {
            kill(replica.pid, Signal::KILL);
        }
    }
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // It may have ended just now.
    let _ = kill_process(pid.expect("a process id"), signal);
}
