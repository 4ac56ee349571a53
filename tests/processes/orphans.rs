//! `telegraft cluster`, and what is left when it ends: nothing.

use rustix::process::Signal;

use crate::chat::{get, http};
use crate::harness::lives;
use crate::launched::Launched;

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
