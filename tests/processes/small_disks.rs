//! Clusters on disks of a set size, which run full and are freed while they are in use.

use std::fs;

use telegraft_cluster::local::{DiskLimit, can_mount};

use crate::chat::{Chat, post};
use crate::harness::Cluster;

const DISK_BYTES: u64 = 4 << 20;
const SEGMENT_BYTES: u64 = 256 << 10;
const TEXT_BYTES: usize = 10_000;
/// More messages than two segments have room for: what is in use, and what is allocated ahead.
const MAX_MESSAGES: u64 = 3 * SEGMENT_BYTES / TEXT_BYTES as u64;

#[tokio::test(flavor = "multi_thread")]
async fn disks_that_are_filled_refuse_writes_until_they_are_freed_and_go_with_the_cluster() {
    if let Err(missing) = can_mount() {
        println!("SKIPPED: {missing}");
        return;
    }
    let mut cluster = Cluster::start_with(3, |options| {
        options.disk = Some(DiskLimit { bytes: DISK_BYTES });
        options.segment_bytes = Some(SEGMENT_BYTES);
    })
    .await;
    let mounts = || fs::read_to_string("/proc/self/mounts").expect("Linux has it");
    let dir = cluster.replica(1).data_dir.display().to_string();
    assert!(mounts().contains(&dir), "{dir} is mounted");

    let chat = Chat::new(cluster.urls()).await;
    let mut session = chat.session().await;
    let mut sent = vec![chat.send(&session.next_key(), "there is room").await];
    for id in 1..=3 {
        cluster.local.fill_disk(id).expect("it is filled");
    }
    let leader = cluster.leader().await;
    let path = format!("{}{}", cluster.replica(leader).url, chat.messages_path());
    let mut tried = 0;
    let mut unknown = Vec::new();
    loop {
        assert!(tried < MAX_MESSAGES, "the disk never runs full");
        tried += 1;
        let (key, text) = (session.next_key(), format!("{tried:<TEXT_BYTES$}"));
        let answer = post(&chat.http, &path, Some(&key), &chat.message(&text)).await;
        let answer = answer.expect("the leader answers");
        match answer.status {
            201 | 504 => unknown.push((key, text)),
            _ => {
                assert_eq!(answer.problem(), "disk-full", "{answer:?}");
                break;
            }
        }
    }
    for id in 1..=3 {
        cluster.local.free_disk(id).expect("it is freed");
        cluster.local.free_disk(id).expect("twice does no harm");
    }
    // Those that were acknowledged get the same answer again.
    for (key, text) in unknown {
        sent.push(chat.send(&key, &text).await);
    }
    sent.push(chat.send(&session.next_key(), "there is room again").await);
    chat.holds_exactly(&sent).await;

    // What it has lives as long as the cluster does, not its process.
    let follower = cluster.follower().await;
    cluster.local.kill(follower).await.expect("it is killed");
    cluster.local.restart(follower).await.expect("it starts");
    chat.holds_exactly(&sent).await;

    assert!(cluster.local.fill_disk(4).is_err(), "there is no fourth");
    let Cluster {
        local,
        dir: _dir,
        slot: _slot,
    } = cluster;
    local.stop().await.expect("it stops cleanly");
    assert!(!mounts().contains(&dir), "{dir} is still mounted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_not_limited_is_not_filled() {
    let mut cluster = Cluster::start(1).await;
    let error = cluster.local.fill_disk(1).expect_err("it is the machine's");
    assert!(error.to_string().contains("no disk of its own"), "{error}");
}
