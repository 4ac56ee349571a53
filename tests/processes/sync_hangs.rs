//! Disks that hang: an fdatasync that does not come back for as long as the test wants.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use telegraft_cluster::local::{LocalCluster, LocalOptions};
use tempfile::TempDir;

use crate::chat::{Chat, Load, metric};
use crate::harness::{Cluster, options, slot, until};
use crate::preload::{HANGING_FDATASYNC, Preloaded};

/// How long the clients here wait for an answer, as they tell the server.
const DEADLINE: Duration = Duration::from_secs(2);
/// How much later than that an answer may come.
const MARGIN: Duration = Duration::from_secs(1);
/// How long a disk hangs at least: a few election timeouts, which are at most 1.2 s.
const HANG: Duration = Duration::from_secs(4);

/// A cluster with disks that can hang.
struct Hanging {
    cluster: Cluster,
    program: Preloaded,
}

impl Hanging {
    async fn start(replicas: usize, programs: &Path) -> Option<Hanging> {
        let slot = slot().await;
        let program = Preloaded::compile(HANGING_FDATASYNC, programs)?;
        let dir = TempDir::new().expect("a directory for the cluster");
        let options = LocalOptions {
            binary: program.binary.clone(),
            ..options(dir.path(), replicas)
        };
        let local = LocalCluster::start(options).await;
        let local = local.expect("the cluster starts");
        Some(Hanging {
            cluster: Cluster { local, dir, slot },
            program,
        })
    }

    /// From now on the replica's next fdatasync hangs.
    fn hang(&self, id: u64) {
        fs::write(self.program.trigger(id), "").expect("it is written");
    }

    /// Waits until a thread of the replica hangs. Something must be written meanwhile.
    async fn hangs(&self, id: u64) {
        let sign = self.program.trigger(id).with_extension("hangs");
        let what = format!("replica {id} hangs in fdatasync");
        until(&what, async || sign.exists().then_some(())).await;
    }

    /// The replica's disk is well again.
    fn mend(&self, id: u64) {
        let trigger = self.program.trigger(id);
        fs::remove_file(&trigger).expect("it hung until now");
        // It is made before each look at the trigger; one that is made late does no harm.
        let _ = fs::remove_file(trigger.with_extension("hangs"));
    }

    async fn term(&self, chat: &Chat, id: u64) -> f64 {
        metric(&chat.http, &self.cluster.replica(id).url, "telegraft_term").await
    }
}

/// Sends a message to one replica, whose client waits for [`DEADLINE`]; the status.
///
/// # Panics
/// There is no answer within the deadline and the margin.
async fn send_in_time(chat: &Chat, url: &str, key: &str, text: &str) -> u16 {
    let begun = Instant::now();
    let request = chat
        .http
        .post(format!("{url}{}", chat.messages_path()))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .header("telegraft-timeout", DEADLINE.as_millis().to_string())
        .body(chat.message(text).to_string());
    let answer = request.send().await.expect("it answers");
    assert!(
        begun.elapsed() < DEADLINE + MARGIN,
        "{} after {:?}",
        answer.status(),
        begun.elapsed()
    );
    answer.status().as_u16()
}

/// Reads the newest message by one replica, whose client waits for [`DEADLINE`]; the status.
///
/// # Panics
/// There is no answer within the deadline and the margin.
async fn read_in_time(chat: &Chat, url: &str, consistency: &str) -> u16 {
    let begun = Instant::now();
    let path = chat.messages_path();
    let request = chat
        .http
        .get(format!("{url}{path}?limit=1&consistency={consistency}"))
        .header("telegraft-timeout", DEADLINE.as_millis().to_string());
    let answer = request.send().await.expect("it answers");
    assert!(
        begun.elapsed() < DEADLINE + MARGIN,
        "{} after {:?}",
        answer.status(),
        begun.elapsed()
    );
    answer.status().as_u16()
}

const CONSISTENCIES: [&str; 3] = ["linearizable", "lease", "local"];

/// One disk of three, a follower's and then the leader's: a majority is left, so writes are
/// acknowledged through everyone, in the same term, and reads are served. (The follower whose disk
/// hangs is sent nothing more once its window is full: what it has not got it cannot serve, and
/// says so in time.) And a leader that is told to stop hands over and ends, though its log writer
/// never comes back.
#[tokio::test(flavor = "multi_thread")]
async fn one_hanging_disk_of_three_is_not_felt_and_does_not_hold_up_a_stop() {
    let programs = TempDir::new().expect("a directory");
    let Some(mut hanging) = Hanging::start(3, programs.path()).await else {
        return;
    };
    let chat = Chat::new(hanging.cluster.urls()).await;
    let load = Load::start(&chat, 4).await;
    load.goes_on(20).await;
    let leader = hanging.cluster.leader().await;
    let follower = hanging.cluster.follower().await;
    let lagging = hanging.cluster.replica(follower).url;
    let term = hanging.term(&chat, leader).await;
    let mut session = chat.session().await;
    let mut sent = Vec::new();
    for id in [follower, leader] {
        hanging.hang(id);
        hanging.hangs(id).await;
        let begun = Instant::now();
        while begun.elapsed() < HANG {
            for url in &chat.urls {
                let (key, text) = (session.next_key(), format!("{id} hangs, {}", sent.len()));
                assert_eq!(send_in_time(&chat, url, &key, &text).await, 201);
                sent.push(chat.send(&key, &text).await);
                for consistency in CONSISTENCIES {
                    let status = read_in_time(&chat, url, consistency).await;
                    let may_lag = id == follower && *url == lagging && consistency != "local";
                    assert!(
                        status == 200 || may_lag && status == 503,
                        "{status} by {url}"
                    );
                }
            }
            load.goes_on(1).await;
        }
        assert_eq!(hanging.cluster.leader().await, leader, "while {id} hangs");
        assert_eq!(hanging.term(&chat, leader).await, term, "while {id} hangs");
        if id != leader {
            hanging.mend(id);
        }
    }
    sent.extend(load.stop().await);

    // Less than the five seconds for which a request may be open by default, and far less than the
    // disk will hang.
    let begun = Instant::now();
    let stopped = hanging.cluster.local.terminate(leader).await;
    stopped.expect("it ends, and cleanly");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_ne!(hanging.cluster.leader().await, leader);
    hanging.mend(leader);
    let started = hanging.cluster.local.restart(leader).await;
    started.expect("it starts again");
    chat.holds_exactly(&sent).await;
}

/// Two disks of three: nothing can be acknowledged, and everyone is told in time. The leader is
/// still answered by a majority, so it leads on in the same term and serves reads.
#[tokio::test(flavor = "multi_thread")]
async fn hanging_disks_of_a_majority_hold_writes_up_and_neither_reads_nor_heartbeats() {
    let programs = TempDir::new().expect("a directory");
    let Some(hanging) = Hanging::start(3, programs.path()).await else {
        return;
    };
    let chat = Chat::new(hanging.cluster.urls()).await;
    let mut session = chat.session().await;
    let mut sent = vec![chat.send(&session.next_key(), "before").await];
    let leader = hanging.cluster.leader().await;
    let term = hanging.term(&chat, leader).await;
    let followers: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    for id in &followers {
        hanging.hang(*id);
    }
    let mut unknown = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < HANG {
        // One write through each replica, at the same time, and reads beside them.
        let mut writes = tokio::task::JoinSet::new();
        for url in &chat.urls {
            let (key, text) = (session.next_key(), format!("stuck {}", unknown.len()));
            unknown.push((key.clone(), text.clone()));
            let (chat, url) = (chat.clone(), url.clone());
            writes.spawn(async move { send_in_time(&chat, &url, &key, &text).await });
        }
        for url in &chat.urls {
            for consistency in CONSISTENCIES {
                assert_eq!(read_in_time(&chat, url, consistency).await, 200, "by {url}");
            }
        }
        while let Some(status) = writes.join_next().await {
            assert_eq!(status.expect("it is answered in time"), 504);
        }
    }
    for id in &followers {
        hanging.hangs(*id).await;
    }
    assert_eq!(hanging.cluster.leader().await, leader);
    assert_eq!(hanging.term(&chat, leader).await, term);

    for id in followers {
        hanging.mend(id);
    }
    for (key, text) in unknown {
        sent.push(chat.send(&key, &text).await);
    }
    chat.holds_exactly(&sent).await;
}

/// Alone with a disk that hangs, a replica tells its clients in time, and stops when it is told
/// to. Started again it has what it acknowledged, and the write in between once.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_alone_with_a_hanging_disk_answers_in_time_and_stops() {
    let programs = TempDir::new().expect("a directory");
    let Some(mut hanging) = Hanging::start(1, programs.path()).await else {
        return;
    };
    let chat = Chat::new(hanging.cluster.urls()).await;
    let mut session = chat.session().await;
    let mut sent = vec![chat.send(&session.next_key(), "before").await];
    hanging.hang(1);
    let (key, text) = (session.next_key(), "stuck");
    let status = send_in_time(&chat, &chat.urls[0], &key, text).await;
    assert_eq!(status, 504);
    hanging.hangs(1).await;
    let status = read_in_time(&chat, &chat.urls[0], "linearizable").await;
    assert_eq!(status, 200);

    let begun = Instant::now();
    let stopped = hanging.cluster.local.terminate(1).await;
    stopped.expect("it ends, and cleanly");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    hanging.mend(1);
    let started = hanging.cluster.local.restart(1).await;
    started.expect("it starts again");
    sent.push(chat.send(&key, text).await);
    chat.holds_exactly(&sent).await;
}
