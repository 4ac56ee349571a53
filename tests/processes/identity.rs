//! Whose data directory it is.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use crate::chat::{Chat, Load, get, metric};
use crate::harness::{BINARY, Cluster, PATIENCE, POLL, until};

/// Runs a node that is refused; a port of its own each time, as it never gets that far.
///
/// # Panics
/// It is not refused: it runs on.
fn node(id: u64, dir: &Path, more: &[&str]) -> Output {
    let peers = format!("{id}=127.0.0.1:9,77=127.0.0.1:9");
    let mut child = Command::new(BINARY)
        .args(["node", "--id", &id.to_string()])
        .args(["--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"])
        .args(["--peers", &peers, "--data-dir"])
        .arg(dir)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("it is ours").is_none() {
        if Instant::now() >= deadline {
            child.kill().expect("it is ours");
            let said = child.wait_with_output().expect("it is gone").stderr;
            panic!("not refused: {}", String::from_utf8_lossy(&said));
        }
        std::thread::sleep(POLL);
    }
    child.wait_with_output().expect("what it said")
}

#[track_caller]
fn is_refused(output: &Output, why: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in why {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// The cluster that a directory belongs to.
fn cluster_id(dir: &Path) -> String {
    let text = fs::read_to_string(dir.join("identity.json")).expect("an identity");
    let identity: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    identity["cluster_id"].as_str().expect("a name").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_has_one_process_one_cluster_and_one_node() {
    let cluster = Cluster::start(1).await;
    let chat = Chat::new(cluster.urls()).await;
    let dir = cluster.replica(1).data_dir;
    let own = cluster_id(&dir);
    let path = dir.display().to_string();

    is_refused(&node(1, &dir, &["--cluster-id", &own]), &[&path, "in use"]);

    let mut session = chat.session().await;
    let sent = chat.send(&session.next_key(), "still here").await;
    chat.holds_exactly(&[sent]).await;
    let Cluster {
        local,
        dir: root,
        slot,
    } = cluster;
    local.stop().await.expect("it stops cleanly");

    is_refused(
        &node(1, &dir, &["--cluster-id", "another", "--bootstrap"]),
        &[&path, "another", &own],
    );
    is_refused(
        &node(2, &dir, &["--cluster-id", &own, "--bootstrap"]),
        &[&path, "node 1", "node 2"],
    );
    let empty = root.path().join("empty");
    is_refused(
        &node(1, &empty, &["--cluster-id", &own]),
        &[&empty.display().to_string(), "--bootstrap"],
    );
    assert!(!empty.join("identity.json").exists());

    // None of them has harmed it.
    let cluster = Cluster::start_in(root, 1, slot).await;
    assert_eq!(chat.read(&cluster.urls()[0]).await, ["still here"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_directory_was_lost_is_refused_by_its_peers() {
    let mut cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let load = Load::start(&chat, 4).await;
    load.goes_on(50).await;

    let lost = cluster.follower().await;
    cluster.local.kill(lost).await.expect("it is killed");
    let replica = cluster.replica(lost);
    fs::remove_dir_all(&replica.data_dir).expect("it is lost");
    cluster.local.restart(lost).await.expect("it starts empty");

    cluster.log_says(lost, "refused by the peer").await;
    let others: Vec<String> = cluster.urls();
    let others: Vec<String> = others
        .into_iter()
        .filter(|url| *url != replica.url)
        .collect();
    for url in &others {
        let name = "telegraft_peer_rejects_total{reason=\"wrong-directory\"}";
        let what = format!("{url} counts the refused directory");
        until(&what, async || {
            (metric(&chat.http, url, name).await > 0.0).then_some(())
        })
        .await;
    }
    // The others go on, and it has no part in it: it says so, and holds nothing.
    load.goes_on(50).await;
    let sent = load.stop().await;
    let remaining = Chat {
        urls: others,
        ..chat.clone()
    };
    remaining.holds_exactly(&sent).await;
    let ready = get(&chat.http, &format!("{}/readyz", replica.url)).await;
    assert_eq!(ready.expect("it runs").status, 503);
}
