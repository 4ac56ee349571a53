//! After the faults: everything must heal, within a time.

use std::collections::BTreeMap;
use std::time::Duration;

use telegraft_cluster::chat::Outcome;
use telegraft_cluster::http::{Backend as _, Consistency};
use telegraft_cluster::raft::{LogIndex, NodeId};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::ask::ask;
use crate::client::ROOMS;
use crate::operation::{Call, MessageId, Reply, Write};
use crate::world::World;

/// Within this, some node leads and serves.
const LEADER_WITHIN: Duration = Duration::from_secs(8);
/// Within this, all clients have their last answers.
const CLIENTS_WITHIN: Duration = Duration::from_secs(40);
/// Within this, all nodes have applied what the leader has committed.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);
/// The client that asks here.
const LAST_CLIENT: usize = 99;
/// The deadline of what is asked here.
const DEADLINE: Duration = Duration::from_secs(2);

/// Heals everything and holds the cluster to it. The first broken promise is told the judge.
pub(crate) async fn come_to_rest(world: &World, clients: JoinSet<()>) {
    if let Err(text) = rest(world, clients).await {
        world.judge().fail("heals", text);
    }
}

async fn rest(world: &World, mut clients: JoinSet<()>) -> Result<(), String> {
    world.judge().tell(|| "all faults are over".to_owned());
    world.judge().calm();
    leader_within(world, LEADER_WITHIN).await?;
    let finishing = async { while clients.join_next().await.is_some() {} };
    timeout(CLIENTS_WITHIN, finishing)
        .await
        .map_err(|_| format!("clients wait for answers after {CLIENTS_WITHIN:?} of calm"))?;
    let written = write_something(world).await?;
    let target = catch_up(world, written).await?;
    same_digests(world, target).await?;
    final_reads(world, target).await
}

async fn leader_within(world: &World, within: Duration) -> Result<NodeId, String> {
    let begun = Instant::now();
    loop {
        for (id, up) in world.all_up() {
            if up.node.leads() && up.node.ready().is_ok() {
                return Ok(id);
            }
        }
        if world.judge().violation().is_some() {
            return Err("the run has failed".to_owned());
        }
        if begun.elapsed() > within {
            return Err(format!("nobody leads after {within:?} of calm"));
        }
        sleep(LOOK).await;
    }
}

/// A new write succeeds; its log index.
async fn write_something(world: &World) -> Result<LogIndex, String> {
    let begun = Instant::now();
    let mut last = None;
    while begun.elapsed() < LEADER_WITHIN {
        let leader = leader_within(world, LEADER_WITHIN).await?;
        let call = Call::Write {
            write: Write::Register,
            key: None,
        };
        let reply = ask(world, LAST_CLIENT, leader, call, DEADLINE).await;
        if let Reply::Done(Outcome::SessionRegistered { session_id, .. }) = reply {
            return Ok(session_id);
        }
        last = Some(reply);
        sleep(LOOK).await;
    }
    Err(format!("no write succeeds in the calm: {last:?}"))
}

/// All nodes that are not lost are up and have applied `through`; the index that all have.
async fn catch_up(world: &World, through: LogIndex) -> Result<LogIndex, String> {
    let begun = Instant::now();
    loop {
        let up = world.all_up();
        let applied: BTreeMap<NodeId, LogIndex> = up
            .iter()
            .map(|(id, up)| (*id, up.node.applied().0))
            .collect();
        let behind: Vec<NodeId> = world
            .not_lost()
            .into_iter()
            .filter(|id| applied.get(id).copied().unwrap_or(0) < through)
            .collect();
        if behind.is_empty() {
            return Ok(applied.values().copied().min().unwrap_or(0));
        }
        if begun.elapsed() > CAUGHT_UP_WITHIN {
            return Err(format!(
                "nodes {behind:?} have not applied entry {through} after {CAUGHT_UP_WITHIN:?} of \
                 calm; applied are {applied:?}"
            ));
        }
        sleep(LOOK).await;
    }
}

async fn same_digests(world: &World, index: LogIndex) -> Result<(), String> {
    let mut digests = BTreeMap::new();
    for (id, up) in world.all_up() {
        let digest = up.node.digest(Some(index)).await;
        digests.insert(
            id,
            digest.map_err(|refusal| format!("node {id}: {refusal:?}"))?,
        );
    }
    let mut values = digests.values();
    let first = values.next();
    if values.any(|other| Some(other) != first) {
        return Err(format!("digests at entry {index} differ: {digests:?}"));
    }
    Ok(())
}

/// Every room, read whole at every node in every way, is the same.
async fn final_reads(world: &World, index: LogIndex) -> Result<(), String> {
    for room in 1..=ROOMS {
        let mut first: Option<Option<Vec<(u64, MessageId)>>> = None;
        for (id, _) in world.all_up() {
            for consistency in [
                Consistency::Local,
                Consistency::Lease,
                Consistency::Linearizable,
            ] {
                let call = Call::Page {
                    room,
                    after: 0,
                    limit: usize::MAX >> 1,
                    consistency,
                    min_index: index,
                };
                let shown = match ask(world, LAST_CLIENT, id, call, DEADLINE).await {
                    Reply::Page { messages, .. } => Some(messages),
                    Reply::NotFound { .. } => None,
                    other => {
                        return Err(format!(
                            "node {id} does not answer a {consistency:?} read of room {room} in \
                             the calm: {other}"
                        ));
                    }
                };
                match &first {
                    None => first = Some(shown),
                    Some(first) if *first == shown => {}
                    Some(first) => {
                        return Err(format!(
                            "node {id} shows room {room} as {shown:?}, another as {first:?}"
                        ));
                    }
                }
            }
        }
    }
    Ok(())
}
