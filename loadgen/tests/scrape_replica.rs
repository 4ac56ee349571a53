//! The scraper against a replica as it is: the names of its metrics are those that are looked for.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use telegraft_cluster::chat::Action;
use telegraft_cluster::env::{Env, SimDisk, SystemClock, TcpAccept, TcpTransport, ThreadSpawner};
use telegraft_cluster::http::{self, Backend, HttpOptions};
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::{self, Mailbox, Settings};
use telegraft_cluster::raft::Configuration;
use telegraft_loadgen::results::ClusterRow;
use telegraft_loadgen::scrape::Scraper;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

/// Nothing here takes so long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn every_field_of_a_leader_that_writes_is_filled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let env = Env {
        clock: Arc::new(SystemClock),
        disk: Arc::new(SimDisk::new()),
        transport: Arc::new(TcpTransport),
        spawner: Arc::new(ThreadSpawner),
        seed: 7,
        observer: None,
    };
    let settings = Settings {
        id: 4,
        cluster_id: "test".to_owned(),
        members: Configuration {
            voters: BTreeMap::from([(4, "127.0.0.1:1".to_owned())]),
            learners: BTreeMap::new(),
        },
        data_dir: PathBuf::from("/data"),
        bootstrap: true,
        url: url.clone(),
        mailbox: Mailbox::Lanes,
        durability: Durability::Fsync,
        segment_bytes: 1 << 20,
        background_allocation: false,
        limits: node::Limits::default(),
    };
    let peers = TcpAccept::bind("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let running = node::start(env, settings, Box::new(peers)).await.unwrap();
    let node = running.node;
    let (stop_http, http_stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(http_stopped.await) };
    let options = HttpOptions::default();
    let server = tokio::spawn(http::serve(
        listener,
        Arc::new(node.clone()),
        options,
        shutdown,
    ));
    let leads = async {
        while node.ready().is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, leads).await.unwrap();

    let scraper = Scraper::new("run-t1".to_owned(), &[url]).unwrap();
    let mut leader = scraper.leader();
    let (stop, stopped) = oneshot::channel::<()>();
    let scraping = scraper.run(Instant::now(), async { drop(stopped.await) });
    let scraping = tokio::spawn(scraping);
    let scraped = timeout(PATIENCE, leader.changed());
    scraped.await.unwrap().unwrap();
    assert_eq!(*leader.borrow_and_update(), Some(4));
    // Of two seconds, in case that the machine has no time in one of them.
    for second in 0..2 {
        for user in 0..10 {
            let name = format!("user {user} of {second}");
            let written = node.write(Action::CreateUser { name }, None, PATIENCE);
            written.await.unwrap();
        }
        timeout(PATIENCE, leader.changed()).await.unwrap().unwrap();
        leader.borrow_and_update();
    }
    stop.send(()).unwrap();
    let scraped = timeout(PATIENCE, scraping).await.unwrap().unwrap();
    let rows = scraped.cluster;

    let filled = |row: &&ClusterRow| {
        let percentiles = [
            row.queue_p50_us,
            row.queue_p99_us,
            row.log_write_p50_us,
            row.log_write_p99_us,
            row.commit_p50_us,
            row.commit_p99_us,
            row.apply_p50_us,
            row.apply_p99_us,
        ];
        percentiles.iter().all(Option::is_some)
    };
    let row = rows
        .iter()
        .find(filled)
        .unwrap_or_else(|| panic!("{rows:#?}"));
    let who = (row.replica, row.role.as_str(), row.lag_entries);
    assert_eq!(who, (4, "leader", Some(0)));
    // Its first entry, and ten users at least.
    assert!(row.last_index >= Some(11), "{row:?}");
    assert!(row.applied_index >= Some(11), "{row:?}");
    assert!(
        row.log_bytes_per_s.is_some_and(|rate| rate > 100.0),
        "{row:?}"
    );
    assert!(
        row.fdatasyncs_per_s.is_some_and(|rate| rate > 0.0),
        "{row:?}"
    );
    let stages = scraped.stages.iter();
    let stages: Vec<&str> = stages.map(|row| row.stage.as_str()).collect();
    assert_eq!(
        stages,
        ["queue", "log_write", "commit", "apply", "log_sync"]
    );
    for row in &scraped.stages {
        // Of both seconds; the 20 users are a batch each, and one of their own.
        assert_eq!((row.replica, row.count), (4, 20), "{row:?}");
        let mean = row.mean_us.unwrap();
        assert!(mean > 0.0, "{row:?}");
        assert!(row.p50_us.is_some() && row.p50_us <= row.p99_us, "{row:?}");
    }
    assert_eq!(scraped.events, [], "it led from the first");
    if PathBuf::from("/proc/self/stat").exists() {
        assert!(
            row.cpu_cores.is_some() && row.anon_bytes.is_some(),
            "{row:?}"
        );
    }

    drop(stop_http);
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    node.stop();
}
