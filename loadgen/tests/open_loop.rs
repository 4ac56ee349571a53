//! The load itself: operations with due times of their own.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::time::Duration;

use support::{Loadable, Reply, Scripted, client, null, populated, total, workload};
use telegraft_loadgen::plan::Kind;
use telegraft_loadgen::run::Scenario;
use telegraft_loadgen::suite::{Arrival, Spacing, Stage};

/// Sends alone, evenly apart.
fn sends(connections: usize, rate: f64) -> Scenario {
    let mut workload = workload(1);
    workload.operations.read = None;
    workload.operations.inbox = None;
    workload.arrival = Arrival::Open {
        connections,
        spacing: Spacing::Constant,
        stages: vec![Stage {
            rate,
            to: None,
            length: None,
        }],
    };
    Scenario::new(workload, 7, None).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_was_due_is_done_and_counted() {
    let scenario = sends(4, 500.0);
    let clients = populated(&scenario, &null().await).await;
    let mut loadable = Loadable::new(&scenario, 7, Duration::from_millis(400));
    loadable.warmup = Duration::from_millis(100);
    loadable.threads = 2;
    let (loaded, seconds) = loadable.run(clients).await;
    let [send, ..] = total(&seconds);
    assert_eq!((send.ok, send.missed(), send.attempts), (200, 0, 200));
    assert_eq!((send.response.len(), send.service().len()), (200, 200));
    assert!(send.response.max() >= send.service().max());
    assert_eq!(loaded.timing.lag.len(), 200);
    assert_eq!(loaded.timing.queue.len(), 200);
    let sent: u64 = loaded
        .clients
        .iter()
        .map(|it| it.ledger.acknowledged.len())
        .sum();
    assert_eq!(sent, 250 + 3 * 4, "with the warm-up's, and the first ones");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_server_that_hangs_is_counted_and_left() {
    let server = Scripted::start(|_| Reply::Hang).await;
    let scenario = sends(1, 100.0);
    let clients = vec![client(&[&server.url], scenario.workload(), |_| {})];
    let mut loadable = Loadable::new(&scenario, 7, Duration::from_secs(3_600));
    loadable.stop_after_a_second = true;
    let (loaded, seconds) = loadable.run(clients).await;
    // One that is open; the others were never taken up.
    let [send, ..] = total(&seconds);
    assert_eq!((send.ok, send.failed, send.unknown), (0, 0, 0));
    assert!(send.unfinished >= 100, "{}", send.unfinished);
    assert_eq!(send.attempts, 1);
    assert!(seconds[0].queued >= 90, "{}", seconds[0].queued);
    let ledger = &loaded.clients[0].ledger;
    assert_eq!(ledger.sent, 1);
    assert!(ledger.unknown.contains(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_the_warm_up_ends_it() {
    let scenario = sends(2, 2_000.0);
    let clients = populated(&scenario, &null().await).await;
    let mut loadable = Loadable::new(&scenario, 7, Duration::from_secs(3_600));
    loadable.warmup = Duration::from_secs(3_600);
    loadable.stop.stop();
    let (loaded, seconds) = loadable.run(clients).await;
    let sent: u32 = loaded.clients.iter().map(|it| it.ledger.sent).sum();
    assert_eq!(sent, 3 * 4, "the first messages alone");
    assert_eq!(total(&seconds)[Kind::Send.index()].due(), 0);
}
