//! A replica whose state machine has a bug that the others' have not.
//!
//! (Tests are built with the known bugs; none is switched on but by its test.)

use std::fs;
use std::os::unix::fs::PermissionsExt;

use telegraft_cluster::known_bugs::{KnownBug, VARIABLE};
use telegraft_cluster::local::{LocalCluster, LocalOptions};
use tempfile::TempDir;

use crate::chat::{Chat, get};
use crate::harness::{BINARY, Cluster, options, slot, until};

/// The replica that the bug befalls, and every how many entries.
const WRONG: u64 = 1;
const EVERY: u64 = 64;

/// A replica's digest at an index, as soon as it is there.
async fn digest(chat: &Chat, url: &str, index: u64) -> String {
    let url = format!("{url}/v1/digest?index={index}");
    until("the digest is known", async || {
        let answer = get(&chat.http, &url).await.ok()?;
        (answer.status == 200).then(|| answer.body["digest"].to_string())
    })
    .await
}

/// It is told that its state differs, stops serving and says from which index; the digests, asked
/// for index by index, show the very entry. The others go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_with_another_state_says_so_and_stops_serving() {
    let slot = slot().await;
    let dir = TempDir::new().expect("a directory for the cluster");
    let binary = dir.path().join("telegraft");
    let bug = KnownBug::OneReplicaSkipsEntries;
    let script = format!("#!/bin/sh\n{VARIABLE}={bug} exec '{BINARY}' \"$@\"\n");
    fs::write(&binary, script).expect("it is written");
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let data = dir.path().join("data");
    let started = LocalCluster::start(LocalOptions {
        binary,
        ..options(&data, 3)
    });
    let local = started.await.expect("the cluster starts");
    let mut cluster = Cluster { local, dir, slot };
    // A leader is what the others are compared with.
    until("another replica leads", async || {
        if cluster.leader().await != WRONG {
            return Some(());
        }
        cluster.local.kill(WRONG).await.expect("it is killed");
        cluster.leader().await;
        cluster.local.restart(WRONG).await.expect("it starts again");
        None
    })
    .await;

    let wrong = cluster.replica(WRONG).url;
    let right = Chat {
        urls: cluster
            .urls()
            .into_iter()
            .filter(|url| *url != wrong)
            .collect(),
        ..Chat::new(cluster.urls()).await
    };
    let mut session = right.session().await;
    let mut sent = Vec::new();
    let text = until("it says that its state differs", async || {
        let text = format!("message {}", sent.len());
        sent.push(right.send(&session.next_key(), &text).await);
        let ready = get(&right.http, &format!("{wrong}/readyz")).await.ok()?;
        let text = ready.body.to_string();
        (ready.status == 503 && text.contains("differs")).then_some(text)
    })
    .await;
    let told: u64 = text
        .split_once("from index ")
        .and_then(|(_, rest)| {
            rest.split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or_else(|| panic!("no index in {text}"));
    let refused = right.try_read(&wrong, "local").await;
    assert!(
        refused
            .as_ref()
            .is_err_and(|text| text.contains("diverged")),
        "{refused:?}"
    );
    right.holds_exactly(&sent).await;

    // The entry that it left out is the last one before which the digests are the same.
    let other = right.urls[0].clone();
    let mut first = None;
    for index in 1..=told {
        if digest(&right, &wrong, index).await != digest(&right, &other, index).await {
            first = Some(index);
            break;
        }
    }
    let first = first.expect("they differ at the index that was told");
    assert!(first.is_multiple_of(EVERY), "index {first} of {told}");
}
