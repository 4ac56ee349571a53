//! The load itself: closed loops, against the null system on loopback.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::time::Duration;

use support::{Loadable, Reply, Scripted, client, null, populated, total, workload};
use telegraft_loadgen::call::Trouble;
use telegraft_loadgen::engine::Stop;
use telegraft_loadgen::plan::Kind;
use telegraft_loadgen::run::Scenario;
use telegraft_loadgen::suite::Workload;

fn scenario(workload: Workload) -> Scenario {
    Scenario::new(workload, 7, None).unwrap()
}

/// Only sends, by one client.
fn sends() -> Workload {
    let mut workload = workload(1);
    workload.operations.read = None;
    workload.operations.inbox = None;
    workload
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_was_due_is_counted_and_nothing_else() {
    let scenario = scenario(workload(5));
    let clients = populated(&scenario, &null().await).await;
    assert_eq!(clients.len(), 5);
    let first: u64 = clients
        .iter()
        .map(|client| client.ledger.acknowledged.len())
        .sum();
    assert_eq!(first, 3 * 4, "the rooms' first messages are in the ledgers");
    assert_eq!(clients[0].world().users.len(), 6);

    let mut loadable = Loadable::new(&scenario, 7, Duration::from_millis(1_200));
    loadable.warmup = Duration::from_millis(100);
    loadable.threads = 2;
    let (loaded, seconds) = loadable.run(clients).await;

    assert_eq!(loaded.clients.len(), 5);
    let sum = total(&seconds);
    for kind in [Kind::Send, Kind::Read, Kind::Inbox] {
        let counts = &sum[kind.index()];
        assert!(counts.ok > 0, "{kind:?}");
        assert_eq!(counts.missed(), 0, "{kind:?}: {:?}", counts.troubles);
        assert_eq!(
            (counts.attempts, counts.retries),
            (counts.ok, 0),
            "{kind:?}"
        );
        assert_eq!(
            counts.response.len(),
            counts.ok,
            "every success has a latency"
        );
        assert!(counts.response.min() >= 1);
        assert!(counts.service.is_none(), "in a closed loop both are one");
    }
    let others = [Kind::Join, Kind::CreateRoom];
    assert!(others.iter().all(|kind| sum[kind.index()].due() == 0));
    // Each thread told of each second, in order.
    let mut told: Vec<usize> = seconds.iter().map(|second| second.second).collect();
    told.sort_unstable();
    assert_eq!(told, [0, 0, 1, 1]);
    assert!(seconds.iter().all(|second| second.queued == 0));
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
    assert!(sent - first >= sum[Kind::Send.index()].ok);
    assert!(
        loaded
            .clients
            .iter()
            .all(|client| client.findings.is_empty())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_a_load_early() {
    let scenario = scenario(workload(2));
    let clients = populated(&scenario, &null().await).await;
    let mut loadable = Loadable::new(&scenario, 7, Duration::from_secs(3_600));
    loadable.threads = 2;
    loadable.stop_after_a_second = true;
    let (_, seconds) = loadable.run(clients).await;
    assert!(seconds.len() < 600);
    let [send, read, inbox, ..] = total(&seconds);
    assert!(send.ok > 0 && read.ok > 0 && inbox.ok > 0);
    assert_eq!(send.missed() + read.missed() + inbox.missed(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_before_the_window_leaves_nothing_to_count() {
    let scenario = scenario(workload(2));
    let clients = populated(&scenario, &null().await).await;
    let mut loadable = Loadable::new(&scenario, 7, Duration::from_secs(3_600));
    loadable.warmup = Duration::from_secs(3_600);
    loadable.stop = Stop::default();
    loadable.stop.stop();
    let (loaded, seconds) = loadable.run(clients).await;
    assert_eq!(loaded.clients.len(), 2);
    assert!(total(&seconds).iter().all(|counts| counts.due() == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_at_the_end_is_unfinished_and_unknown() {
    let server = Scripted::start(|_| Reply::Hang).await;
    let scenario = scenario(sends());
    let clients = vec![client(&[&server.url], scenario.workload(), |_| {})];
    let mut loadable = Loadable::new(&scenario, 7, Duration::from_secs(3_600));
    loadable.stop_after_a_second = true;
    let (loaded, seconds) = loadable.run(clients).await;
    let [send, ..] = total(&seconds);
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
    let scenario = scenario(sends());
    let clients = vec![client(&[&server.url], scenario.workload(), |_| {})];
    let loadable = Loadable::new(&scenario, 7, Duration::from_millis(500));
    let (_, seconds) = loadable.run(clients).await;
    let [send, ..] = total(&seconds);
    assert!(send.ok > 0 && send.failed > 0);
    assert_eq!(send.troubles[&Trouble::Status(404)], send.failed);
    assert_eq!(send.troubles[&Trouble::Status(503)], send.retries);
    assert_eq!(send.attempts, send.due() + send.retries);
    assert_eq!(server.seen().len() as u64, send.attempts);
}
