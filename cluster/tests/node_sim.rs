//! Three whole nodes in one thread, on virtual time, network and disk.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may stop at the first surprise, as tests do"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use telegraft_cluster::chat::{Action, Answer, Outcome, Page, Query, SessionKey};
use telegraft_cluster::env::{Env, LinkFaults, SimClock, SimDisk, SimNetwork, SimSpawner};
use telegraft_cluster::http::{Backend, Consistency, Refusal};
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::{self, Mailbox, Node, Settings};
use telegraft_cluster::raft::{Configuration, NodeId};
use telegraft_cluster::time::Time;

const DEADLINE: Duration = Duration::from_secs(5);

/// A simulated cluster.
struct Cluster {
    seed: u64,
    network: SimNetwork,
    members: Configuration,
    mailbox: Mailbox,
    disks: BTreeMap<NodeId, Arc<SimDisk>>,
    nodes: BTreeMap<NodeId, (Node, Arc<SimSpawner>)>,
}

impl Cluster {
    async fn start(seed: u64, replicas: u64, mailbox: Mailbox) -> Cluster {
        let latency = (Duration::from_micros(50), Duration::from_millis(2));
        let network = SimNetwork::new(seed, latency);
        network.keep_text(true);
        let members = Configuration {
            voters: (1..=replicas)
                .map(|id| (id, format!("node{id}:1")))
                .collect(),
            learners: BTreeMap::new(),
        };
        let mut cluster = Cluster {
            seed,
            network,
            members,
            mailbox,
            disks: (1..=replicas)
                .map(|id| (id, Arc::new(SimDisk::new())))
                .collect(),
            nodes: BTreeMap::new(),
        };
        for id in 1..=replicas {
            cluster.boot(id, true).await;
        }
        cluster
    }

    async fn boot(&mut self, id: NodeId, bootstrap: bool) {
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(id);
        let spawner = Arc::new(SimSpawner::new(
            seed,
            (Duration::from_micros(100), Duration::from_millis(5)),
        ));
        let env = Env {
            clock: Arc::new(SimClock::new(Time::from_millis(1_000_000 * id))),
            disk: Arc::clone(&self.disks[&id]) as _,
            transport: Arc::new(self.network.transport(id)),
            spawner: Arc::clone(&spawner) as _,
            seed,
            observer: None,
        };
        let settings = Settings {
            id,
            cluster_id: "sim".to_owned(),
            members: self.members.clone(),
            data_dir: PathBuf::from("/data"),
            bootstrap,
            url: format!("http://node{id}"),
            mailbox: self.mailbox,
            durability: Durability::Fsync,
            segment_bytes: 1 << 20,
            background_allocation: false,
            limits: node::Limits::default(),
        };
        let listener = self.network.listen(id, &format!("node{id}:1"));
        let running = node::start(env, settings, Box::new(listener))
            .await
            .unwrap();
        self.nodes.insert(id, (running.node, spawner));
    }

    /// The node is gone; what it had not synced may be.
    fn crash(&mut self, id: NodeId) {
        let (_, spawner) = self.nodes.remove(&id).unwrap();
        spawner.crash();
        self.network.note(&format!("node {id} crashes"));
        self.disks[&id].crash(self.seed);
    }

    async fn leader(&self) -> NodeId {
        for _ in 0..1000 {
            for (id, (node, _)) in &self.nodes {
                if node.leads() && node.ready().is_ok() {
                    return *id;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no leader within 20 virtual seconds");
    }

    /// Writes until it is done, wherever the leader is; the answer goes into the trace.
    async fn write(&self, action: Action, key: Option<SessionKey>) -> Outcome {
        for _ in 0..100 {
            let leader = self.leader().await;
            let answer = self.nodes[&leader]
                .0
                .write(action.clone(), key, DEADLINE)
                .await;
            self.network.note(&format!("{action:?}: {answer:?}"));
            match answer {
                Ok(outcome) => return outcome,
                Err(
                    Refusal::NotLeader | Refusal::NoLeader | Refusal::Unknown | Refusal::Stopping,
                ) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(refusal) => panic!("{refusal:?}"),
            }
        }
        panic!("no answer to {action:?}");
    }

    async fn session(&self) -> u64 {
        match self.write(Action::RegisterSession, None).await {
            Outcome::SessionRegistered { session_id, .. } => session_id,
            other => panic!("{other:?}"),
        }
    }

    /// All messages of room 1 as replica `id` answers them.
    async fn bodies(&self, id: NodeId, consistency: Consistency, min_index: u64) -> Vec<Bytes> {
        let query = Query::Messages {
            room_id: 1,
            page: Page::After(0),
            limit: 1000,
        };
        let read = self.nodes[&id]
            .0
            .read(query, consistency, min_index, DEADLINE);
        match read.await.unwrap().0.unwrap() {
            Answer::Messages(messages) => messages.into_iter().map(|m| m.body).collect(),
            other => panic!("{other:?}"),
        }
    }

    async fn settled(&self) -> u64 {
        let leader = self.leader().await;
        let target = self.nodes[&leader].0.status().await.unwrap().commit_index;
        for _ in 0..1000 {
            if self
                .nodes
                .values()
                .all(|(node, _)| node.applied().0 >= target)
            {
                return target;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the replicas do not catch up");
    }
}

fn send(body: &str) -> Action {
    Action::SendMessage {
        room_id: 1,
        author: 1,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn simulate<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(story)
}

/// A life with a crash of the leader, a cut, and retries; its trace.
async fn life(seed: u64, mailbox: Mailbox) -> String {
    life_with(seed, mailbox, LinkFaults::default()).await
}

/// The same, while all links have these faults.
async fn life_with(seed: u64, mailbox: Mailbox, faults: LinkFaults) -> String {
    let mut cluster = Cluster::start(seed, 3, mailbox).await;
    for link in (1..=3).flat_map(|from| (1..=3).map(move |to| (from, to))) {
        cluster.network.set_faults(link.0, link.1, faults);
    }
    let session = cluster.session().await;
    cluster
        .write(Action::CreateUser { name: "ada".into() }, None)
        .await;
    let room = Action::CreateRoom {
        name: "lobby".into(),
        description: String::new(),
        creator: 1,
    };
    cluster.write(room, None).await;
    let mut sequence = 0;
    let mut acknowledged = Vec::new();
    for step in 0..30 {
        if step == 10 {
            let leader = cluster.leader().await;
            cluster.crash(leader);
            let sent = cluster.leader().await;
            assert_ne!(sent, leader);
            cluster.boot(leader, false).await;
        }
        if step == 20 {
            let leader = cluster.leader().await;
            for other in 1..=3 {
                cluster.network.cut(leader, other);
            }
        }
        if step == 25 {
            cluster.network.mend();
        }
        sequence += 1;
        let key = SessionKey {
            session_id: session,
            sequence,
        };
        let body = format!("message {step}");
        let outcome = cluster.write(send(&body), Some(key)).await;
        let again = cluster.write(send(&body), Some(key)).await;
        assert_eq!(outcome, again, "a retry has the first answer");
        assert!(matches!(outcome, Outcome::Sent { seq, .. } if seq == sequence));
        acknowledged.push(Bytes::from(body));
        let leader = cluster.leader().await;
        let seen = cluster.bodies(leader, Consistency::Linearizable, 0).await;
        assert_eq!(seen, acknowledged);
    }
    let target = cluster.settled().await;
    for id in 1..=3 {
        for consistency in [
            Consistency::Local,
            Consistency::Lease,
            Consistency::Linearizable,
        ] {
            assert_eq!(cluster.bodies(id, consistency, target).await, acknowledged);
        }
        let digest = cluster.nodes[&id].0.digest(Some(target)).await.unwrap();
        cluster.network.note(&format!("digest of {id}: {digest:?}"));
    }
    let digests: Vec<_> = {
        let mut digests = Vec::new();
        for (node, _) in cluster.nodes.values() {
            digests.push(node.digest(Some(target)).await.unwrap());
        }
        digests
    };
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
    cluster.network.trace()
}

#[test]
fn one_seed_gives_one_trace_byte_for_byte() {
    for mailbox in [Mailbox::Lanes, Mailbox::Fifo] {
        let first = simulate(life(7, mailbox));
        let second = simulate(life(7, mailbox));
        assert!(first.lines().count() > 200, "something happened");
        if first != second {
            let differs = first.lines().zip(second.lines()).position(|(a, b)| a != b);
            panic!("the traces differ from line {differs:?} on");
        }
        assert_ne!(
            first,
            simulate(life(8, mailbox)),
            "another seed is another story"
        );
    }
}

#[test]
fn many_seeds_tell_many_stories_and_all_end_well() {
    for seed in 100..130 {
        println!("seed {seed}");
        simulate(life(seed, Mailbox::Lanes));
    }
}

#[test]
fn lost_doubled_and_reordered_frames_cost_time_and_nothing_else() {
    let faults = LinkFaults {
        loss: 0.1,
        duplicate: 0.1,
        reorder: 0.1,
        delay: (Duration::ZERO, Duration::from_millis(5)),
    };
    for seed in 200..220 {
        println!("seed {seed}");
        let trace = simulate(life_with(seed, Mailbox::Lanes, faults));
        for fate in ["is lost", "is doubled", "is held back"] {
            assert!(trace.contains(fate), "{fate}");
        }
    }
}

#[test]
fn a_full_restart_keeps_everything() {
    simulate(async {
        let mut cluster = Cluster::start(3, 3, Mailbox::Lanes).await;
        cluster
            .write(Action::CreateUser { name: "ada".into() }, None)
            .await;
        let room = Action::CreateRoom {
            name: "lobby".into(),
            description: String::new(),
            creator: 1,
        };
        cluster.write(room, None).await;
        let mut sent = Vec::new();
        for step in 0..20 {
            let body = format!("message {step}");
            cluster.write(send(&body), None).await;
            sent.push(Bytes::from(body));
        }
        for id in 1..=3 {
            cluster.crash(id);
        }
        for id in 1..=3 {
            cluster.boot(id, false).await;
        }
        let leader = cluster.leader().await;
        let seen = cluster.bodies(leader, Consistency::Linearizable, 0).await;
        assert_eq!(seen, sent);
    });
}

#[test]
fn a_replica_counts_what_it_writes_and_where_the_time_goes() {
    simulate(async {
        let cluster = Cluster::start(9, 1, Mailbox::Lanes).await;
        let value = |name: &str| {
            let text = cluster.nodes[&1].0.metrics();
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value = value.unwrap_or_else(|| panic!("{name}: {text}"));
            value.parse::<f64>().unwrap()
        };
        cluster
            .write(Action::CreateUser { name: "ada".into() }, None)
            .await;
        let (bytes, syncs) = (
            "telegraft_log_written_bytes_total",
            "telegraft_log_syncs_total",
        );
        let before = (value(bytes), value(syncs));
        let room = Action::CreateRoom {
            name: "lobby".into(),
            description: "x".repeat(500),
            creator: 1,
        };
        cluster.write(room, None).await;
        let written = value(bytes) - before.0;
        assert!((500.0..1000.0).contains(&written), "{written} bytes");
        assert_eq!(value(syncs) - before.1, 1.0);
        for stage in ["queue", "replication", "apply"] {
            let count = format!("telegraft_stage_seconds_count{{stage=\"{stage}\"}}");
            assert_eq!(value(&count), 2.0, "{stage}");
        }
        // The leader's first entry and its term, too.
        let count = "telegraft_stage_seconds_count{stage=\"log_write\"}";
        assert!(value(count) >= 3.0);
        assert!(value("telegraft_log_sync_seconds_count") >= 3.0);
    });
}

#[test]
fn a_failed_sync_stops_the_node_and_acknowledges_nothing() {
    simulate(async {
        let cluster = Cluster::start(5, 1, Mailbox::Lanes).await;
        cluster
            .write(Action::CreateUser { name: "ada".into() }, None)
            .await;
        cluster.disks[&1].fail_next_sync();
        let node = &cluster.nodes[&1].0;
        let create = Action::CreateUser { name: "bob".into() };
        let answer = node.write(create, None, Duration::from_secs(1)).await;
        assert_eq!(answer, Err(Refusal::Unknown));
        let reason = node.failed().await;
        assert!(reason.contains("log"), "{reason}");
    });
}
