//! Clusters in network namespaces, whose links the kernel cuts. That takes root; without it
//! these tests say so and check nothing.

use std::process::Command;
use std::time::Duration;

use telegraft_cluster::local::{LinkCut, LinkFault, Links, LocalCluster, can_use_namespaces};
use tempfile::TempDir;

use crate::chat::{Chat, Load};
use crate::harness::{Cluster, options, slot, until};

fn can() -> bool {
    let can = can_use_namespaces();
    if let Err(missing) = &can {
        println!("SKIPPED: {missing}");
    }
    can.is_ok()
}

fn ip(args: &[&str]) -> String {
    let output = Command::new("ip").args(args).output().expect("it runs");
    assert!(output.status.success(), "ip {args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// What there is of namespaces and interfaces.
fn networks() -> String {
    ip(&["netns", "list"]) + &ip(&["-oneline", "link", "show"])
}

/// The namespace that a replica is in.
fn namespace(cluster: &Cluster, id: u64) -> String {
    let pid = cluster.replica(id).pid.to_string();
    ip(&["netns", "identify", &pid]).trim().to_owned()
}

/// A process id that no process has any more.
fn gone() -> u32 {
    let mut child = Command::new("true").spawn().expect("it runs");
    let pid = child.id();
    child.wait().expect("it ends");
    pid
}

#[tokio::test(flavor = "multi_thread")]
async fn links_between_namespaces_are_cut_and_mended_and_nothing_is_left_behind() {
    if !can() {
        return;
    }
    let slot = slot().await;
    // What a launcher that was killed has left goes at the next start.
    let gone = gone();
    let stale = [format!("telegraft-{gone}-0-hub"), format!("tg{gone}n0")];
    let [hub, host] = &stale;
    ip(&["netns", "add", hub]);
    ip(&[
        "link", "add", host, "type", "veth", "peer", "name", "host", "netns", hub,
    ]);
    let dir = TempDir::new().expect("a directory for the cluster");
    let mut options = options(dir.path(), 3);
    options.links = Links::Namespaces;
    let local = LocalCluster::start(options.clone()).await;
    let local = local.expect("the cluster starts");
    let mut cluster = Cluster { local, dir, slot };
    for stale in stale {
        assert!(!networks().contains(&stale), "{stale} is left");
    }
    let mut names: Vec<String> = (1..=3).map(|id| namespace(&cluster, id)).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3, "each has its own: {names:?}");
    let of_cluster = names[0]
        .rsplit_once('-')
        .expect("it has parts")
        .0
        .to_owned();
    assert!(networks().contains(&of_cluster));

    let chat = Chat::new(cluster.urls()).await;
    let load = Load::start(&chat, 3).await;
    load.goes_on(30).await;
    let mut cuts = vec![LinkCut::Silent];
    if Command::new("nft").arg("--version").output().is_ok() {
        cuts.push(LinkCut::Reset);
    } else {
        println!("SKIPPED: resets need nft, of the package nftables");
    }
    for cut in cuts {
        let leader = cluster.leader().await;
        for other in (1..=3).filter(|id| *id != leader) {
            for (from, to) in [(leader, other), (other, leader)] {
                let set = cluster.local.set_link(from, to, LinkFault::cut(cut));
                set.expect("it is cut");
            }
        }
        cluster.leader_but(&[leader]).await;
        load.goes_on(30).await;
        cluster.local.clear_links().expect("they are mended");
        let url = cluster.replica(leader).url;
        until("it serves again", async || {
            chat.try_read(&url, "linearizable").await.ok()
        })
        .await;
    }
    // One way only: a leader that nobody hears.
    let leader = cluster.leader().await;
    for other in (1..=3).filter(|id| *id != leader) {
        let set = LinkFault::cut(LinkCut::Silent);
        let set = cluster.local.set_link(leader, other, set);
        set.expect("it is cut");
    }
    cluster.leader_but(&[leader]).await;
    cluster.local.clear_links().expect("they are mended");
    load.goes_on(30).await;
    let sent = load.stop().await;
    chat.holds_exactly(&sent).await;

    let slow = LinkFault {
        delay: Duration::from_millis(10),
        ..LinkFault::default()
    };
    assert!(cluster.local.set_link(1, 2, slow).is_err(), "only cuts");

    // `ip` has become the replica: signals reach it.
    let follower = cluster.follower().await;
    cluster
        .local
        .pause(follower)
        .await
        .expect("it stands still");
    cluster.local.resume(follower).await.expect("it goes on");
    cluster.local.kill(follower).await.expect("it is killed");
    cluster.local.restart(follower).await.expect("it starts");
    chat.holds_exactly(&sent).await;

    // Started again, it has the same addresses.
    let Cluster {
        local,
        dir: _dir,
        slot: _slot,
    } = cluster;
    let replicas = local.replicas();
    local.stop().await.expect("it stops cleanly");
    assert!(!networks().contains(&of_cluster), "{}", networks());
    let local = LocalCluster::start(options.clone()).await;
    let local = local.expect("it starts again");
    for (before, after) in replicas.iter().zip(local.replicas()) {
        assert_eq!((&before.url, &before.peer), (&after.url, &after.peer));
    }
    chat.holds_exactly(&sent).await;
    drop(local);
    let own = format!("telegraft-{}-", std::process::id());
    assert!(!ip(&["netns", "list"]).contains(&own), "{}", networks());

    options.links = Links::Direct;
    let error = LocalCluster::start(options).await;
    let error = error.expect_err("its addresses are in namespaces");
    assert!(error.to_string().contains("network namespaces"), "{error}");
}
