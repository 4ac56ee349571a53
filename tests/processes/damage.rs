//! Logs whose bytes are not what was written.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use telegraft_cluster::local::LocalCluster;

use crate::chat::{Chat, Load, post};
use crate::harness::{Cluster, options, until};

/// The segments of a replica's log, oldest first.
fn segments(data_dir: &Path) -> Vec<PathBuf> {
    let log = fs::read_dir(data_dir.join("log")).expect("a log");
    let mut segments: Vec<PathBuf> = log.map(|entry| entry.expect("a file").path()).collect();
    segments.sort();
    segments
}

/// Where `text` stands in some segment: the first time, or the last.
fn find(data_dir: &Path, text: &str, last: bool) -> (PathBuf, usize) {
    for path in segments(data_dir) {
        let bytes = fs::read(&path).expect("a segment");
        let mut windows = bytes.windows(text.len()).enumerate();
        let is_it = |(_, window): &(usize, &[u8])| *window == text.as_bytes();
        let found = if last {
            windows.rfind(is_it)
        } else {
            windows.find(is_it)
        };
        if let Some((offset, _)) = found {
            return (path, offset);
        }
    }
    panic!("{text:?} is not in the log in {}", data_dir.display());
}

fn flip_a_bit(path: &Path, offset: usize) {
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.expect("a segment");
    let mut byte = [0; 1];
    let offset = offset as u64;
    file.read_exact_at(&mut byte, offset).expect("a byte");
    file.write_all_at(&[byte[0] ^ 0x10], offset)
        .expect("a byte");
}

const TORN: &str = "a torn batch at the end of the log was cut";

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_a_follower_began_to_write_is_cut_and_reported() {
    let mut cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let load = Load::start(&chat, 4).await;
    load.goes_on(100).await;
    let mut sent = load.stop().await;
    let mut session = chat.session().await;
    let last = chat.send(&session.next_key(), "the last message").await;
    sent.push(last);

    let torn = cluster.follower().await;
    let replica = cluster.replica(torn);
    until("it has the last message", async || {
        let texts = chat.try_read(&replica.url, "local").await.ok()?;
        (texts.len() == sent.len()).then_some(())
    })
    .await;
    cluster.local.kill(torn).await.expect("it is killed");
    // The text of a message ends its batch, and nothing is behind it yet.
    let (path, offset) = find(&replica.data_dir, "the last message", true);
    let end = offset + "the last message".len();
    let bytes = fs::read(&path).expect("a segment");
    assert!(bytes[end..].iter().all(|byte| *byte == 0));
    let file = OpenOptions::new().write(true).open(&path);
    let file = file.expect("a segment");
    file.write_all_at(&[0xa5; 300], end as u64)
        .expect("there is room");
    cluster.local.restart(torn).await.expect("it starts again");

    cluster.log_says(torn, TORN).await;
    let report = format!("{} at offset {end}", path.display());
    assert!(cluster.log(torn).contains(&report), "{}", cluster.log(torn));
    sent.push(chat.send(&session.next_key(), "one more").await);
    chat.holds_exactly(&sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_write_that_was_not_acknowledged_can_be_tried_again() {
    let mut cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let mut session = chat.session().await;
    let first = chat.send(&session.next_key(), "acknowledged").await;

    // Alone, the leader writes what nobody can acknowledge. It knows that it is alone only a
    // little later: if that was too soon, it wrote nothing.
    let key = session.next_key();
    let text = "never acknowledged";
    let leader = until("the leader is left alone with a write", async || {
        let leader = cluster.leader().await;
        let others: Vec<u64> = cluster
            .local
            .replicas()
            .into_iter()
            .map(|replica| replica.id)
            .filter(|id| *id != leader)
            .collect();
        for id in &others {
            cluster.local.kill(*id).await.expect("it is killed");
        }
        let url = format!("{}{}", cluster.replica(leader).url, chat.messages_path());
        let answer = post(&chat.http, &url, Some(&key), &chat.message(text)).await;
        let answer = answer.expect("it answers");
        assert!(matches!(answer.status, 503 | 504), "{answer:?}");
        if answer.status == 504 {
            return Some(leader);
        }
        for id in others {
            cluster.local.restart(id).await.expect("it starts again");
        }
        None
    })
    .await;
    cluster.local.kill(leader).await.expect("it is killed");
    let (path, offset) = find(&cluster.replica(leader).data_dir, text, true);
    flip_a_bit(&path, offset);
    for replica in cluster.local.replicas() {
        let id = replica.id;
        cluster.local.restart(id).await.expect("it starts again");
    }
    cluster.log_says(leader, TORN).await;
    chat.holds_exactly(std::slice::from_ref(&first)).await;
    let second = chat.send(&key, text).await;
    chat.holds_exactly(&[first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_torn_on_all_replicas_at_once_lose_nothing_before_them() {
    let mut cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let mut session = chat.session().await;
    let mut sent = Vec::new();
    for number in 0..20 {
        let text = format!("message {number}");
        sent.push(chat.send(&session.next_key(), &text).await);
    }
    // The last message stands for one that was being written: what is torn was never
    // acknowledged. Here it was, and by tearing it everywhere it is lost.
    let last = chat.send(&session.next_key(), "the last message").await;
    for replica in cluster.local.replicas() {
        until("every replica has it", async || {
            let texts = chat.try_read(&replica.url, "local").await.ok()?;
            (texts.len() == sent.len() + 1).then_some(())
        })
        .await;
    }
    for replica in cluster.local.replicas() {
        cluster.local.kill(replica.id).await.expect("it is killed");
    }
    for replica in cluster.local.replicas() {
        let (path, offset) = find(&replica.data_dir, &last.text, true);
        flip_a_bit(&path, offset);
    }
    for replica in cluster.local.replicas() {
        let id = replica.id;
        cluster.local.restart(id).await.expect("it starts again");
        cluster
            .log_says(id, "a torn batch at the end of the log was cut")
            .await;
    }
    chat.holds_exactly(&sent).await;
    // The session goes on where the log now ends.
    let again = chat.send(&last.key, &last.text).await;
    assert_eq!(again.seq, last.seq);
    sent.push(again);
    chat.holds_exactly(&sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_the_middle_of_the_log_keeps_the_node_from_starting() {
    let mut cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let mut session = chat.session().await;
    let mut sent = vec![chat.send(&session.next_key(), "an early message").await];
    for number in 0..50 {
        let text = format!("message {number}");
        sent.push(chat.send(&session.next_key(), &text).await);
    }
    let damaged = cluster.follower().await;
    let replica = cluster.replica(damaged);
    until("it has all messages", async || {
        let texts = chat.try_read(&replica.url, "local").await.ok()?;
        (texts.len() == sent.len()).then_some(())
    })
    .await;
    cluster.local.kill(damaged).await.expect("it is killed");
    let (path, offset) = find(&replica.data_dir, "an early message", false);
    flip_a_bit(&path, offset);

    cluster
        .local
        .restart(damaged)
        .await
        .expect("the process starts");
    let end = until("it refuses to start", async || {
        cluster.local.ended().into_iter().next()
    });
    let (id, end) = end.await;
    assert_eq!(id, damaged);
    assert!(end.contains("exit status: 1"), "{end}");
    assert!(end.contains("corrupt"), "{end}");
    assert!(end.contains(&path.display().to_string()), "{end}");
    let told = end
        .split_once("at offset ")
        .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next())
        .and_then(|digits| digits.parse::<usize>().ok())
        .unwrap_or_else(|| panic!("no offset in: {end}"));
    // It names the batch, which is a little larger than the message.
    assert!(
        told <= offset && offset - told < 4096,
        "the bit at {offset} is looked for at {told}"
    );

    // The others go on without it, and it starts when the bit is right again.
    sent.push(chat.send(&session.next_key(), "a late message").await);
    flip_a_bit(&path, offset);
    cluster
        .local
        .restart(damaged)
        .await
        .expect("it starts again");
    chat.holds_exactly(&sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_with_a_corrupt_log_says_so_when_it_starts() {
    let cluster = Cluster::start(1).await;
    let chat = Chat::new(cluster.urls()).await;
    let mut session = chat.session().await;
    for number in 0..5 {
        let text = format!("message {number}");
        chat.send(&session.next_key(), &text).await;
    }
    let data_dir = cluster.replica(1).data_dir;
    let Cluster {
        local,
        dir,
        slot: _slot,
    } = cluster;
    local.stop().await.expect("it stops cleanly");
    let (path, offset) = find(&data_dir, "message 0", false);
    flip_a_bit(&path, offset);
    let error = LocalCluster::start(options(dir.path(), 1)).await;
    let error = error.expect_err("its log is corrupt").to_string();
    for part in ["replica 1", "corrupt", &path.display().to_string()] {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}
