//! More than the cluster can take.
//!
//! Requests are large, so that few clients have more open at once than a leader may hold: its
//! 16 MiB of open proposals. The cluster and its load share the machine, perhaps
//! with other tests: rates without any overload were seen to vary by a factor of 2.8 from one window to
//! the next, as much as an overload could cost. So rates are printed, and only their collapse fails.
//! `TELEGRAFT_OVERLOAD_SECONDS=60 cargo test --test processes overload -- --nocapture` keeps it up
//! for a minute and prints what it measured; that takes some 20 GB of disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use telegraft_cluster::local::anonymous_memory_bytes;

use crate::chat::{Chat, get, metric};
use crate::harness::{Cluster, until};

/// A message's size. The limit of a body is 64 KiB, its JSON included.
const TEXT_BYTES: usize = 60_000;
/// Clients that the cluster has no trouble with: 2 MB open at once.
const FEW: usize = 32;
/// Clients that have 29 MB open at once.
const MANY: usize = 480;
/// A share of the peak that no noise of a shared machine explains.
const COLLAPSE: f64 = 0.1;
/// How long each rate is measured, by default.
const WINDOW: Duration = Duration::from_secs(3);
/// How often memory is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(250);
/// A replica's memory: 16 MiB of proposals, 16 MiB of the log's tail and 16 MiB for the applier, a
/// body and buffers for each connection (160 KiB × 480), and as much again for what the allocator
/// keeps.
const MEMORY: u64 = 256 << 20;
/// No refusal takes longer, though client and server wait for the same two cores.
const QUICK: Duration = Duration::from_secs(2);

/// What became of the requests of some clients.
#[derive(Debug, Default)]
struct Outcomes {
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
    unknown: AtomicUsize,
    slowest_refusal_ms: AtomicUsize,
}

/// Clients that write to one replica as fast as they can, and wait when they are told to.
struct Clients {
    stop: Arc<AtomicBool>,
    outcomes: Arc<Outcomes>,
    tasks: tokio::task::JoinSet<()>,
}

impl Clients {
    fn start(chat: &Chat, url: &str, count: usize) -> Clients {
        let stop = Arc::new(AtomicBool::new(false));
        let outcomes = Arc::new(Outcomes::default());
        let url = format!("{url}{}", chat.messages_path());
        let body = chat.message(&"x".repeat(TEXT_BYTES)).to_string();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..count {
            let request = chat
                .http
                .post(&url)
                .header("content-type", "application/json")
                .body(body.clone());
            let (stop, outcomes) = (Arc::clone(&stop), Arc::clone(&outcomes));
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let request = request.try_clone().expect("its body is in memory");
                    outcomes.ask(request).await;
                }
            });
        }
        Clients {
            stop,
            outcomes,
            tasks,
        }
    }

    /// How many writes are acknowledged in a second, on average over that long; `look` is called
    /// a few times meanwhile.
    async fn rate(&self, window: Duration, mut look: impl FnMut()) -> f64 {
        let (begun, before) = (Instant::now(), self.acknowledged());
        while begun.elapsed() < window {
            tokio::time::sleep(LOOK).await;
            look();
        }
        let done = self.acknowledged() - before;
        f64::from(u32::try_from(done).expect("a few seconds' writes"))
            / begun.elapsed().as_secs_f64()
    }

    fn acknowledged(&self) -> usize {
        self.outcomes.acknowledged.load(Ordering::Relaxed)
    }

    async fn stop(mut self) -> Arc<Outcomes> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a client does not fail");
        }
        self.outcomes
    }
}

impl Outcomes {
    async fn ask(&self, request: reqwest::RequestBuilder) {
        let begun = Instant::now();
        let response = request.send().await.expect("it answers");
        let status = response.status().as_u16();
        let wait = response.headers().get("retry-after").cloned();
        let text = response.text().await.expect("a whole answer");
        match status {
            201 => drop(self.acknowledged.fetch_add(1, Ordering::Relaxed)),
            503 => {
                assert!(text.contains("problem:overloaded"), "{text}");
                let took = usize::try_from(begun.elapsed().as_millis()).expect("seconds");
                self.slowest_refusal_ms.fetch_max(took, Ordering::Relaxed);
                self.refused.fetch_add(1, Ordering::Relaxed);
                let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
                tokio::time::sleep(Duration::from_secs(wait.expect("it says when"))).await;
            }
            504 => drop(self.unknown.fetch_add(1, Ordering::Relaxed)),
            _ => panic!("{status}: {text}"),
        }
    }
}

/// How long it is kept up.
fn overload_window() -> Duration {
    std::env::var("TELEGRAFT_OVERLOAD_SECONDS").map_or(WINDOW, |seconds| {
        Duration::from_secs(seconds.parse().expect("a number of seconds"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_at_once_and_costs_nothing_else() {
    let cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let leader = cluster.replica(cluster.leader().await);
    let term = async || metric(&chat.http, &leader.url, "telegraft_term").await;
    let first_term = term().await;

    let few = Clients::start(&chat, &leader.url, FEW);
    until("it is warm", async || {
        (few.acknowledged() > 2 * FEW).then_some(())
    })
    .await;
    let peak = few.rate(WINDOW, || {}).await;
    let outcomes = few.stop().await;
    assert_eq!(outcomes.refused.load(Ordering::Relaxed), 0, "{outcomes:?}");

    let many = Clients::start(&chat, &leader.url, MANY);
    let mut memory = 0;
    let refused = "telegraft_overloaded_total{reason=\"open-proposals\"}";
    until("there is too much", async || {
        (metric(&chat.http, &leader.url, refused).await > 0.0).then_some(())
    })
    .await;
    let look = || {
        for replica in cluster.local.replicas() {
            let bytes = anonymous_memory_bytes(replica.pid).expect("it runs");
            memory = memory.max(bytes);
        }
    };
    let overloaded = many.rate(overload_window(), look).await;
    // Others are served meanwhile.
    let read = format!("{}{}?limit=1", leader.url, chat.messages_path());
    let read = get(&chat.http, &read).await.expect("it answers");
    assert_eq!(read.status, 200, "{read:?}");
    let outcomes = many.stop().await;

    let few = Clients::start(&chat, &leader.url, FEW);
    let afterwards = few.rate(WINDOW, || {}).await;
    let later = few.stop().await;
    println!(
        "{peak:.0}/s, with {MANY} clients {overloaded:.0}/s, afterwards {afterwards:.0}/s; \
         {outcomes:?}; {} MiB",
        memory >> 20
    );
    assert!(outcomes.refused.load(Ordering::Relaxed) > 0, "{outcomes:?}");
    let slowest = outcomes.slowest_refusal_ms.load(Ordering::Relaxed) as u128;
    assert!(slowest < QUICK.as_millis(), "{outcomes:?}");
    assert!(overloaded > peak * COLLAPSE, "{overloaded}/s of {peak}/s");
    assert!(afterwards > peak * COLLAPSE, "{afterwards}/s of {peak}/s");
    // Whatever the machine does to rates: nothing is left of it that anyone is refused for.
    assert_eq!(later.refused.load(Ordering::Relaxed), 0, "{later:?}");
    assert_eq!(later.unknown.load(Ordering::Relaxed), 0, "{later:?}");
    assert!(memory < MEMORY, "{memory} bytes");
    assert_eq!(cluster.leader().await, leader.id);
    assert_eq!(term().await, first_term, "nobody was elected");
}
