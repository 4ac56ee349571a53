//! A disk that fails one fdatasync and then says that all is well.

use std::fs;

use telegraft_cluster::local::{LocalCluster, LocalOptions};
use tempfile::TempDir;

use crate::chat::{Chat, Load, post};
use crate::harness::{Cluster, options, slot, until};
use crate::preload::{FAILING_FDATASYNC, Preloaded};

/// Such a cluster, and what steers its disks.
async fn start(replicas: usize, programs: &TempDir) -> Option<(Cluster, Preloaded)> {
    let slot = slot().await;
    let program = Preloaded::compile(FAILING_FDATASYNC, programs.path())?;
    let dir = TempDir::new().expect("a directory for the cluster");
    let options = LocalOptions {
        binary: program.binary.clone(),
        ..options(dir.path(), replicas)
    };
    let local = LocalCluster::start(options).await;
    let local = local.expect("the cluster starts");
    Some((Cluster { local, dir, slot }, program))
}

/// A replica whose sync failed has stopped and told why; what it was asked then is not
/// acknowledged, with nobody else to ask. Started again, it has all that was, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_stops_the_process_and_is_never_tried_again() {
    let programs = TempDir::new().expect("a directory");
    let Some((mut cluster, program)) = start(1, &programs).await else {
        return;
    };
    let chat = Chat::new(cluster.urls()).await;
    let load = Load::start(&chat, 2).await;
    load.goes_on(50).await;
    let mut sent = load.stop().await;
    let mut session = chat.session().await;

    let trigger = program.trigger(1);
    fs::write(&trigger, "").expect("it is written");
    let (key, text) = (session.next_key(), "into the gap");
    let url = format!("{}{}", chat.urls[0], chat.messages_path());
    let answer = post(&chat.http, &url, Some(&key), &chat.message(text)).await;
    assert!(
        !answer.as_ref().is_ok_and(|answer| answer.status < 300),
        "acknowledged without a sync: {answer:?}"
    );
    cluster.log_says(1, "cannot sync").await;
    cluster
        .log_says(1, "the log cannot be written any more")
        .await;
    assert!(!trigger.exists(), "a sync has failed");

    // It may have reached the disk or not: the retry finds out, and happens once.
    cluster.local.kill(1).await.expect("it is gone");
    cluster.local.restart(1).await.expect("it starts again");
    sent.push(chat.send(&key, text).await);
    chat.holds_exactly(&sent).await;
}

/// The leader of three stops as well, and the others go on without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_sync_fails_stops_and_is_replaced() {
    let programs = TempDir::new().expect("a directory");
    let Some((mut cluster, program)) = start(3, &programs).await else {
        return;
    };
    let chat = Chat::new(cluster.urls()).await;
    let load = Load::start(&chat, 4).await;
    load.goes_on(50).await;
    let leader = cluster.leader().await;
    fs::write(program.trigger(leader), "").expect("it is written");
    let ended = until("the leader has stopped", async || {
        cluster.local.ended().into_iter().next()
    });
    let (id, end) = ended.await;
    assert_eq!(id, leader, "{end}");
    assert!(end.contains("exit status: 1"), "{end}");
    assert!(end.contains("cannot sync"), "{end}");

    // More than the clients had open: these are the new leader's.
    load.goes_on(50 + 4).await;
    assert_ne!(cluster.leader().await, leader);
    let started = cluster.local.restart(leader).await;
    started.expect("it starts again");
    let sent = load.stop().await;
    chat.holds_exactly(&sent).await;
}
