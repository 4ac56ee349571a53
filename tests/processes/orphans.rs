//! `telegraft cluster`, and what is left when it ends: nothing.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use telegraft_cluster::local::{FileLock, Replica};

use crate::chat::{get, http};
use crate::harness::{BINARY, lives, slot, until};

/// A running `telegraft cluster`; killed, and its replicas with it, when this is dropped.
struct Launched {
    child: Child,
    replicas: Vec<Replica>,
    _slot: FileLock,
}

impl Launched {
    async fn start(more: &[&str]) -> Launched {
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

    fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    /// Waits for its end; its exit code, if it has one.
    async fn ended(&mut self) -> Option<i32> {
        let what = "the launcher ends";
        until(what, async || self.child.try_wait().expect("our child"))
            .await
            .code()
    }

    async fn replicas_end(&self) {
        for replica in &self.replicas {
            let what = format!("replica {} (process {}) ends", replica.id, replica.pid);
            until(&what, async || (!lives(replica.pid)).then_some(())).await;
        }
    }

    fn temporary_dir(&self) -> PathBuf {
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

fn kill(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // It may have ended just now.
    let _ = kill_process(pid.expect("a process id"), signal);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_command_serves_and_ctrl_c_stops_all() {
    let mut launched = Launched::start(&[]).await;
    let http = http();
    for (id, replica) in (1..).zip(&launched.replicas) {
        assert_eq!(replica.id, id);
        let ready = get(&http, &format!("{}/readyz", replica.url)).await;
        assert_eq!(ready.expect("it serves").status, 200);
        assert!(lives(replica.pid));
    }
    let dir = launched.temporary_dir();
    assert!(dir.exists());
    launched.signal(Signal::INT);
    assert_eq!(launched.ended().await, Some(0));
    assert!(!launched.replicas.iter().any(|replica| lives(replica.pid)));
    assert!(!dir.exists(), "{} is left", dir.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_stops_all_too() {
    let mut launched = Launched::start(&[]).await;
    launched.signal(Signal::TERM);
    assert_eq!(launched.ended().await, Some(0));
    assert!(!launched.replicas.iter().any(|replica| lives(replica.pid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_replica_outlives_a_killed_launcher() {
    let dir = tempfile::tempdir().expect("a directory for the cluster");
    let path = dir.path().display().to_string();
    let mut launched = Launched::start(&["--data-dir", &path]).await;
    launched.signal(Signal::KILL);
    assert_eq!(launched.ended().await, None);
    launched.replicas_end().await;

    // Nor does anything else of it stand in the way of the next one.
    let again = Launched::start(&["--data-dir", &path]).await;
    let urls = |launched: &Launched| -> Vec<String> {
        let replicas = launched.replicas.iter();
        replicas.map(|replica| replica.url.clone()).collect()
    };
    assert_eq!(urls(&again), urls(&launched));
}
