//! Processes that are killed: what was acknowledged is there, and was done once.

use telegraft_cluster::local::{
    LocalCluster, LocalOptions, System, anonymous_memory_bytes, cpu_seconds,
};

use crate::chat::{Chat, Load, get};
use crate::harness::{Cluster, PATIENCE, lives, options, slot, until};

const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn any_replica_takes_any_request() {
    let cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let mut session = chat.session().await;
    let mut sent = Vec::new();
    for (number, url) in (1..).zip(cluster.urls()) {
        let through_one = Chat {
            urls: vec![url],
            ..chat.clone()
        };
        let text = format!("message {number}");
        sent.push(through_one.send(&session.next_key(), &text).await);
        assert_eq!(sent.last().map(|sent| sent.seq), Some(number));
        // What one replica acknowledged, a linearizable read of any other sees.
        chat.holds_exactly(&sent).await;
    }
    cluster.local.stop().await.expect("it stops cleanly");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_killed_under_load() {
    let mut cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let load = Load::start(&chat, CLIENTS).await;
    load.goes_on(100).await;
    for _ in 0..2 {
        let leader = cluster.leader().await;
        cluster.local.kill(leader).await.expect("it is killed");
        // More than the clients had open: these are new.
        load.goes_on(100 + CLIENTS).await;
        assert_ne!(cluster.leader().await, leader);
        cluster
            .local
            .restart(leader)
            .await
            .expect("it starts again");
        load.goes_on(100).await;
    }
    let sent = load.stop().await;
    chat.holds_exactly(&sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_replicas_are_killed_and_started_again() {
    let mut cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let load = Load::start(&chat, CLIENTS).await;
    load.goes_on(200).await;
    for replica in cluster.local.replicas() {
        cluster.local.kill(replica.id).await.expect("it is killed");
    }
    for replica in cluster.local.replicas() {
        cluster
            .local
            .restart(replica.id)
            .await
            .expect("it starts again");
    }
    load.goes_on(100 + CLIENTS).await;
    let sent = load.stop().await;
    chat.holds_exactly(&sent).await;

    // A retry with the same key gets the first answer, from a state that was rebuilt too, and
    // writes nothing. Each session remembers its newest writes.
    let mut newest: Vec<_> = sent.iter().rev().take(CLIENTS).collect();
    newest.sort_by_key(|sent| sent.seq);
    for first in newest {
        let again = chat.send(&first.key, &first.text).await;
        assert_eq!(again.seq, first.seq, "key {}", first.key);
    }
    chat.holds_exactly(&sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_was_down_catches_up() {
    let mut cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let down = cluster.follower().await;
    cluster.local.kill(down).await.expect("it is killed");
    let load = Load::start(&chat, CLIENTS).await;
    load.goes_on(300).await;
    let sent = load.stop().await;
    cluster.local.restart(down).await.expect("it starts again");

    // Its own state, not the leader's: a local read.
    let url = cluster.replica(down).url;
    until("the follower has caught up", async || {
        let texts = chat.try_read(&url, "local").await.ok()?;
        (texts.len() == sent.len()).then_some(())
    })
    .await;
    chat.holds_exactly(&sent).await;

    // The digests of all replicas agree where all of them are.
    let mut digests = Vec::new();
    let status = get(&chat.http, &format!("{url}/v1/status")).await;
    let index = status.expect("a status").number("applied_index");
    for url in cluster.urls() {
        let digest = format!("{url}/v1/digest?index={index}");
        let what = format!("{url} has applied index {index}");
        digests.push(
            until(&what, async || {
                let answer = get(&chat.http, &digest).await.ok()?;
                (answer.status == 200).then_some(answer.body)
            })
            .await,
        );
    }
    assert!(
        digests.iter().all(|digest| *digest == digests[0]),
        "{digests:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_leader_is_replaced_and_comes_back_as_a_follower() {
    let mut cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let leader = cluster.leader().await;
    cluster.local.pause(leader).await.expect("it stands still");
    let others: Vec<String> = cluster
        .local
        .replicas()
        .into_iter()
        .filter(|replica| replica.id != leader)
        .map(|replica| replica.url)
        .collect();
    let without = Chat {
        urls: others,
        ..chat.clone()
    };
    let mut session = without.session().await;
    let sent = without.send(&session.next_key(), "while it was away").await;
    cluster.local.resume(leader).await.expect("it goes on");
    // It must not answer from what it knew.
    let texts = chat.read(&cluster.replica(leader).url).await;
    assert_eq!(texts, [sent.text.as_str()]);
    chat.holds_exactly(&[sent]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_continues_on_its_directory() {
    let cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let mut session = chat.session().await;
    let sent = chat.send(&session.next_key(), "before").await;
    let Cluster { local, dir, slot } = cluster;
    local.stop().await.expect("it stops cleanly");

    let cluster = Cluster::start_in(dir, 3, slot).await;
    assert_eq!(cluster.urls(), chat.urls, "the addresses are in the logs");
    chat.holds_exactly(std::slice::from_ref(&sent)).await;
    let after = chat.send(&session.next_key(), "after").await;
    chat.holds_exactly(&[sent, after]).await;

    // It runs, so nobody else can start it.
    let again = LocalCluster::start(options(cluster.dir.path(), 3)).await;
    let error = again.expect_err("it runs already").to_string();
    assert!(error.contains("cluster.json"), "{error}");
    assert!(cluster.local.wait_for_leader(PATIENCE).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_null_system_is_one_process_that_takes_the_same_requests() {
    let _slot = slot().await;
    let dir = tempfile::tempdir().expect("a directory for its log");
    let options = LocalOptions {
        system: System::Null,
        ..options(dir.path(), 3)
    };
    let local = LocalCluster::start(options).await.expect("it starts");
    let replicas = local.replicas();
    assert_eq!(replicas.len(), 1);
    assert_eq!(local.wait_for_leader(PATIENCE).await.ok(), Some(1));
    let chat = Chat::new(vec![replicas[0].url.clone()]).await;
    let mut session = chat.session().await;
    for seq in 1..=3 {
        let sent = chat.send(&session.next_key(), "into the void").await;
        assert_eq!(sent.seq, seq);
    }
    assert!(cpu_seconds(replicas[0].pid).is_ok());
    assert!(anonymous_memory_bytes(replicas[0].pid).is_ok_and(|bytes| bytes > 0));
    local.stop().await.expect("it stops cleanly");
    assert!(!lives(replicas[0].pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_replicas_than_the_directory_has_is_refused() {
    let cluster = Cluster::start(1).await;
    let Cluster {
        local,
        dir,
        slot: _slot,
    } = cluster;
    local.stop().await.expect("it stops cleanly");
    let error = LocalCluster::start(options(dir.path(), 3)).await;
    let error = error.expect_err("it is of one replica").to_string();
    assert!(
        error.contains("a cluster of 1 replicas, not of 3"),
        "{error}"
    );
}
