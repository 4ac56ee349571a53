//! File systems that run full, as tmpfs of a size that the test sets. Mounting takes the right
//! to; without it these tests say so and check nothing.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use serde_json::json;
use tempfile::TempDir;

use crate::chat::{Chat, Sent, post};
use crate::harness::{Cluster, slot, until};

/// Room for the first segment of a log (32 MiB) and what else a replica keeps, and not for a
/// second segment.
const SMALL_MIB: u64 = 40;
/// Room for two more.
const LARGE_MIB: u64 = 120;
/// A message's size. The limit of a body is 64 KiB, its JSON included.
const TEXT_BYTES: usize = 60_000;
/// More messages than `SMALL_MIB` has room for.
const MAX_MESSAGES: usize = 1000;

/// A file system in memory; unmounted when this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one at `path`; none where that is not allowed.
    fn mount(path: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(path).expect("a directory to mount on");
        let size = size(SMALL_MIB);
        match mount("tmpfs", path, "tmpfs", MountFlags::empty(), &*size) {
            Ok(()) => Some(SmallDisk(path.to_owned())),
            Err(error) => {
                eprintln!("SKIPPED: a full disk needs the right to mount a tmpfs: {error}");
                None
            }
        }
    }

    fn make_room(&self) {
        let size = size(LARGE_MIB);
        mount_remount(&self.0, MountFlags::empty(), &*size).expect("it can be made larger");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Detached: a replica may still have it open.
        if let Err(error) = unmount(&self.0, UnmountFlags::DETACH) {
            eprintln!("{} stays mounted: {error}", self.0.display());
        }
    }
}

fn size(mib: u64) -> CString {
    CString::new(format!("size={mib}m")).expect("no zero in it")
}

/// A cluster of three, some of whose replicas have a small disk. Dropped in this order.
struct Setup {
    cluster: Cluster,
    disks: Vec<SmallDisk>,
}

async fn start(small: &[u64]) -> Option<Setup> {
    let slot = slot().await;
    let dir = TempDir::new().expect("a directory for the cluster");
    let disks = small
        .iter()
        .map(|id| SmallDisk::mount(&dir.path().join(format!("node-{id}"))))
        .collect::<Option<Vec<_>>>()?;
    let cluster = Cluster::start_in(dir, 3, slot).await;
    Some(Setup { cluster, disks })
}

/// A large text of its own.
fn text(number: usize) -> String {
    format!("{number:<TEXT_BYTES$}")
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disks_refuse_writes_and_serve_reads_until_there_is_room() {
    let Some(Setup { cluster, disks }) = start(&[1, 2, 3]).await else {
        return;
    };
    let chat = Chat::new(cluster.urls()).await;
    let mut session = chat.session().await;
    let leader = cluster.leader().await;
    let path = format!("{}{}", cluster.replica(leader).url, chat.messages_path());

    let mut sent = Vec::new();
    let mut unknown = Vec::new();
    let refused = loop {
        assert!(sent.len() < MAX_MESSAGES, "the disk never runs full");
        let (key, text) = (session.next_key(), text(sent.len()));
        let answer = post(&chat.http, &path, Some(&key), &chat.message(&text)).await;
        let answer = answer.expect("the leader answers");
        match answer.status {
            201 => sent.push(Sent {
                key,
                text,
                seq: answer.number("seq"),
            }),
            // It was in the pipeline when the disks ran full.
            504 => unknown.push((key, text)),
            _ => break answer,
        }
    };
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.problem(), "disk-full", "{refused:?}");

    // All that was acknowledged can be read from every replica; and the leader leads on, since
    // heartbeats need no room.
    for url in cluster.urls() {
        let texts = chat.read(&url).await;
        assert!(texts.len() <= sent.len() + unknown.len());
        for Sent { seq, text, .. } in &sent {
            let found = &texts[*seq as usize - 1];
            assert!(found == text, "message {seq} is lost on {url}");
        }
    }
    let user = json!({"name": "bertha"});
    let url = format!("{}/v1/users", cluster.replica(leader).url);
    let other = post(&chat.http, &url, None, &user).await;
    assert_eq!(other.expect("it answers").problem(), "disk-full");
    assert_eq!(cluster.leader().await, leader);

    disks.iter().for_each(SmallDisk::make_room);
    for (key, text) in unknown {
        sent.push(chat.send(&key, &text).await);
    }
    for number in 0..10 {
        let (key, text) = (session.next_key(), format!("there is room, {number}"));
        sent.push(chat.send(&key, &text).await);
    }
    chat.holds_exactly(&sent).await;
    cluster.local.stop().await.expect("it stops cleanly");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_disk_is_full_holds_nobody_up_and_catches_up() {
    let Some(Setup { mut cluster, disks }) = start(&[2]).await else {
        return;
    };
    let chat = Chat::new(cluster.urls()).await;
    let mut session = chat.session().await;
    // The small disk is to be a follower's.
    until("another replica leads", async || {
        if cluster.leader().await != 2 {
            return Some(());
        }
        cluster.local.kill(2).await.expect("it is killed");
        cluster.leader().await;
        cluster.local.restart(2).await.expect("it starts again");
        None
    })
    .await;

    // A little more than it has room for.
    let mut sent = Vec::new();
    let messages = (SMALL_MIB << 20) as usize / TEXT_BYTES;
    for number in 0..messages {
        sent.push(chat.send(&session.next_key(), &text(number)).await);
    }
    let url = cluster.replica(2).url;
    let have = async || {
        chat.try_read(&url, "local")
            .await
            .map_or(0, |texts| texts.len())
    };
    assert!(have().await < sent.len(), "its disk is full");

    disks[0].make_room();
    until("the follower has caught up", async || {
        (have().await == sent.len()).then_some(())
    })
    .await;
    chat.holds_exactly(&sent).await;
}
