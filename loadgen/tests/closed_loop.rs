//! The load itself, against the null system on loopback.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{NONCE, Reply, Scripted, client, workload};
use telegraft_cluster::http::{HttpOptions, Null, serve};
use telegraft_loadgen::call::Trouble;
use telegraft_loadgen::client::{Checks, Client};
use telegraft_loadgen::closed::{Stop, load};
use telegraft_loadgen::plan::Kind;
use telegraft_loadgen::recorder::Window;
use telegraft_loadgen::routes::Routes;
use telegraft_loadgen::setup::{Scene, set_up};
use telegraft_loadgen::suite::Workload;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Starts the null system; its address. It ends with the test's runtime.
async fn null() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let backend = Arc::new(Null::new(url.clone()));
    let served = serve(
        listener,
        backend,
        HttpOptions::default(),
        std::future::pending(),
    );
    tokio::spawn(served);
    url
}

async fn populated(workload: &Workload) -> Vec<Client> {
    let routes = Arc::new(Routes::new(&[null().await], workload.targets).unwrap());
    let scene = Scene {
        nonce: NONCE.to_owned(),
        workload: workload.clone(),
        checks: Checks::Shape,
        seed: 7,
    };
    set_up(&scene, &routes).await.unwrap()
}

fn window(warmup: Duration, duration: Duration) -> Window {
    let now = Instant::now();
    Window {
        from: now + warmup,
        to: now + warmup + duration,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_was_due_is_counted_and_nothing_else() {
    let workload = workload(5);
    let clients = populated(&workload).await;
    assert_eq!(clients.len(), 5);
    let first: u64 = clients
        .iter()
        .map(|client| client.ledger.acknowledged.len())
        .sum();
    assert_eq!(first, 3 * 4, "the rooms' first messages are in the ledgers");
    let users = &clients[0].world().users;
    assert_eq!(users.len(), 6);

    let window = window(Duration::from_millis(100), Duration::from_millis(1_200));
    let (ticks, mut ticked) = mpsc::channel(64);
    let loaded = load(clients, window, 2, &Stop::default(), &ticks)
        .await
        .unwrap();
    drop(ticks);

    assert_eq!(loaded.clients.len(), 5);
    let total = loaded.recorder.total();
    for kind in Kind::ALL {
        let counts = &total[kind.index()];
        assert!(counts.ok > 0, "{kind:?}");
        assert_eq!(counts.missed(), 0, "{kind:?}: {:?}", counts.troubles);
        assert_eq!(
            (counts.attempts, counts.retries),
            (counts.ok, 0),
            "{kind:?}"
        );
        assert_eq!(
            counts.latency.len(),
            counts.ok,
            "every success has a latency"
        );
        assert!(counts.latency.min() >= 1);
    }
    let seconds = &loaded.recorder.seconds;
    assert_eq!(seconds.len(), 2);
    assert!(seconds.iter().all(|second| second[0].ok > 0));
    // The ledgers have the warm-up's messages, too.
    let sent: u64 = loaded
        .clients
        .iter()
        .map(|client| u64::from(client.ledger.sent))
        .sum();
    let acknowledged = loaded
        .clients
        .iter()
        .map(|client| client.ledger.acknowledged.len());
    assert_eq!(acknowledged.sum::<u64>(), sent);
    assert!(sent - first > total[Kind::Send.index()].ok);
    assert!(
        loaded
            .clients
            .iter()
            .all(|client| client.findings.is_empty())
    );
    let mut told = 0;
    while let Some(tick) = ticked.recv().await {
        assert_eq!(tick.second, 0, "the second second was not whole");
        told += tick.counts.ok;
    }
    let whole: u64 = seconds[0].iter().map(|counts| counts.ok).sum();
    assert!(told <= whole && told > 0, "{told} of {whole} were told of");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_a_load_early() {
    let clients = populated(&workload(2)).await;
    let hour = window(Duration::ZERO, Duration::from_secs(3_600));
    let stop = Stop::default();
    let (ticks, mut ticked) = mpsc::channel(64);
    let loading = load(clients, hour, 2, &stop, &ticks);
    let stopping = async {
        ticked.recv().await.unwrap();
        stop.stop();
    };
    let (loaded, ()) = tokio::join!(loading, stopping);
    let mut recorder = loaded.unwrap().recorder;
    recorder.end_at(Instant::now());
    assert!(recorder.length() < Duration::from_secs(600));
    let [send, read, inbox] = recorder.total();
    assert!(send.ok > 0 && read.ok > 0 && inbox.ok > 0);
    assert_eq!(send.missed() + read.missed() + inbox.missed(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_at_the_end_is_unfinished_and_unknown() {
    let server = Scripted::start(|_| Reply::Hang).await;
    let mut workload = workload(1);
    workload.operations.read = None;
    workload.operations.inbox = None;
    let clients = vec![client(&[&server.url], &workload, |_| {})];
    let stop = Stop::default();
    let (ticks, mut ticked) = mpsc::channel(64);
    let hour = window(Duration::ZERO, Duration::from_secs(3_600));
    let loading = load(clients, hour, 1, &stop, &ticks);
    let stopping = async {
        ticked.recv().await.unwrap();
        stop.stop();
    };
    let (loaded, ()) = tokio::join!(loading, stopping);
    let loaded = loaded.unwrap();
    let [send, _, _] = loaded.recorder.total();
    assert_eq!((send.ok, send.unfinished, send.attempts), (0, 1, 1));
    let ledger = &loaded.clients[0].ledger;
    assert_eq!(ledger.sent, 1);
    assert!(ledger.unknown.contains(0) && ledger.acknowledged.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_counted_by_kind() {
    let mut turn = 0_u64;
    let server = Scripted::start(move |seen| {
        turn += 1;
        if turn.is_multiple_of(3) {
            return Reply::Answer(503, String::new());
        }
        // Some rooms do not take anything.
        if seen.path.contains("/11/") {
            return Reply::Answer(404, String::new());
        }
        let room = seen.path.split('/').nth(3).unwrap();
        let body = format!(r#"{{"room_id":{room},"seq":{turn},"index":{turn},"term":1}}"#);
        Reply::Answer(201, body)
    })
    .await;
    let mut workload = workload(1);
    workload.operations.read = None;
    workload.operations.inbox = None;
    let clients = vec![client(&[&server.url], &workload, |_| {})];
    let (ticks, _ticked) = mpsc::channel(64);
    let window = window(Duration::ZERO, Duration::from_millis(500));
    let loaded = load(clients, window, 1, &Stop::default(), &ticks)
        .await
        .unwrap();
    let [send, _, _] = loaded.recorder.total();
    assert!(send.ok > 0 && send.failed > 0);
    assert_eq!(send.troubles[&Trouble::Status(404)], send.failed);
    assert_eq!(send.troubles[&Trouble::Status(503)], send.retries);
    assert_eq!(send.attempts, send.due() + send.retries);
    assert_eq!(server.seen().len() as u64, send.attempts);
}
