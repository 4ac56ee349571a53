//! Clusters whose replicas reach each other by proxies, which cut the links and do worse.

use std::time::Duration;

use telegraft_cluster::local::{LinkCut, LinkFault, Links, LocalCluster};

use crate::chat::{Chat, Load, Sent, Session, get};
use crate::harness::{Cluster, options, until};

const SEED: u64 = 11;

async fn start() -> Cluster {
    Cluster::start_with(3, |options| options.links = Links::Faulty { seed: SEED }).await
}

async fn send(chat: &Chat, session: &mut Session, messages: usize, sent: &mut Vec<Sent>) {
    for _ in 0..messages {
        let (key, text) = (session.next_key(), format!("message {}", sent.len()));
        sent.push(chat.send(&key, &text).await);
    }
}

/// The others.
fn but(not: u64) -> impl Iterator<Item = u64> {
    (1..=3).filter(move |id| *id != not)
}

fn cut(cluster: &mut Cluster, from: u64, to: u64, cut: LinkCut) {
    let set = cluster.local.set_link(from, to, LinkFault::cut(cut));
    set.expect("there is that link");
}

/// A leader whom nobody hears, and who hears nobody, is replaced, and finds back.
async fn a_leader_is_cut_off(how: LinkCut) {
    let mut cluster = start().await;
    let chat = Chat::new(cluster.urls()).await;
    let load = Load::start(&chat, 3).await;
    load.goes_on(30).await;

    let leader = cluster.leader().await;
    for other in but(leader) {
        cut(&mut cluster, leader, other, how);
        cut(&mut cluster, other, leader, how);
    }
    cluster.leader_but(&[leader]).await;
    load.goes_on(30).await;
    let counts = cluster.local.link_counts().expect("they are counted");
    match how {
        LinkCut::Reset => assert!(counts.broken >= 4, "{counts:?}"),
        LinkCut::Silent => {
            assert!(counts.dropped_by_cuts > 0, "{counts:?}");
            assert_eq!(counts.broken, 0, "{counts:?}");
        }
    }
    assert_eq!(counts.lost + counts.duplicated + counts.reordered, 0);

    cluster.local.clear_links().expect("they are mended");
    load.goes_on(30).await;
    let sent = load.stop().await;
    // By a linearizable read of each replica, the one that was cut off too.
    chat.holds_exactly(&sent).await;
    cluster.local.stop().await.expect("it stops cleanly");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_by_resets_is_replaced_and_finds_back() {
    a_leader_is_cut_off(LinkCut::Reset).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_in_silence_is_replaced_and_finds_back() {
    a_leader_is_cut_off(LinkCut::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_hears_no_leader_disturbs_nobody_and_catches_up() {
    let mut cluster = start().await;
    let chat = Chat::new(cluster.urls()).await;
    let mut session = chat.session().await;
    let mut sent = Vec::new();
    send(&chat, &mut session, 5, &mut sent).await;

    let leader = cluster.leader().await;
    let deaf = but(leader).next().expect("there are others");
    let term = term(&cluster, leader, &chat).await;
    cut(&mut cluster, leader, deaf, LinkCut::Silent);
    // It stands for election, in vain: the others hear their leader.
    let url = format!("{}/readyz", cluster.replica(deaf).url);
    until("it misses its leader", async || {
        let answer = get(&chat.http, &url).await.ok()?;
        (answer.status == 503).then_some(())
    })
    .await;
    send(&chat, &mut session, 20, &mut sent).await;
    assert_eq!(cluster.leader().await, leader);

    cluster.local.clear_links().expect("they are mended");
    chat.holds_exactly(&sent).await;
    assert_eq!(self::term(&cluster, leader, &chat).await, term);
    assert_eq!(cluster.leader().await, leader);
}

async fn term(cluster: &Cluster, id: u64, chat: &Chat) -> u64 {
    let url = format!("{}/v1/status", cluster.replica(id).url);
    let answer = get(&chat.http, &url).await.expect("it runs");
    answer.number("term")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_hears_nobody_makes_room_for_another() {
    let mut cluster = start().await;
    let chat = Chat::new(cluster.urls()).await;
    let load = Load::start(&chat, 3).await;
    load.goes_on(30).await;

    let leader = cluster.leader().await;
    for other in but(leader) {
        cut(&mut cluster, other, leader, LinkCut::Silent);
    }
    cluster.leader_but(&[leader]).await;
    load.goes_on(30).await;
    cluster.local.clear_links().expect("they are mended");
    let sent = load.stop().await;
    chat.holds_exactly(&sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_lost_doubled_and_out_of_order_harm_no_message() {
    let mut cluster = start().await;
    let chat = Chat::new(cluster.urls()).await;
    let bad = LinkFault {
        jitter: Duration::from_millis(5),
        loss: 0.1,
        duplicate: 0.1,
        reorder: 0.1,
        ..LinkFault::default()
    };
    for from in 1..=3 {
        for to in but(from) {
            let set = cluster.local.set_link(from, to, bad);
            set.expect("there is that link");
        }
    }
    let load = Load::start(&chat, 3).await;
    load.goes_on(200).await;
    let sent = load.stop().await;
    chat.holds_exactly(&sent).await;

    let counts = cluster.local.link_counts().expect("they are counted");
    for (name, count) in [
        ("lost", counts.lost),
        ("duplicated", counts.duplicated),
        ("reordered", counts.reordered),
    ] {
        let part = count as f64 / counts.frames as f64;
        assert!(
            (0.02..0.2).contains(&part),
            "{name}, seed {SEED}: {counts:?}"
        );
    }
    assert!(counts.delayed > 0, "{counts:?}");
    assert_eq!(counts.dropped_by_cuts + counts.broken, 0, "{counts:?}");
    cluster.local.clear_links().expect("they are mended");
    cluster.local.stop().await.expect("it stops cleanly");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_goes_on_with_proxies_and_without_them() {
    let Cluster { local, dir, slot } = start().await;
    let urls = |local: &LocalCluster| -> Vec<String> {
        let replicas = local.replicas().into_iter();
        replicas.map(|replica| replica.url).collect()
    };
    let chat = Chat::new(urls(&local)).await;
    let mut session = chat.session().await;
    let mut sent = Vec::new();
    send(&chat, &mut session, 3, &mut sent).await;
    assert!(local.link_counts().expect("they are counted").frames > 0);
    local.stop().await.expect("it stops cleanly");

    for links in [Links::Direct, Links::Faulty { seed: SEED }] {
        let mut options = options(dir.path(), 3);
        options.links = links;
        let mut local = LocalCluster::start(options).await.expect("it starts");
        assert_eq!(urls(&local), chat.urls);
        send(&chat, &mut session, 3, &mut sent).await;
        chat.holds_exactly(&sent).await;
        let through_proxies = links != Links::Direct;
        assert_eq!(
            local.link_counts().expect("they are counted").frames > 0,
            through_proxies
        );
        let silent = LinkFault::cut(LinkCut::Silent);
        assert_eq!(local.set_link(1, 2, silent).is_ok(), through_proxies);
        assert!(local.set_link(1, 4, silent).is_err(), "there is no fourth");
        assert!(local.set_link(1, 1, silent).is_err(), "it needs no link");
        local.clear_links().expect("they are mended");
        local.stop().await.expect("it stops cleanly");
    }
    drop(slot);
}
