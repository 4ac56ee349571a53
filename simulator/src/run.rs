//! One run of one plan.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use telegraft_cluster::env::Disk as _;
use telegraft_cluster::known_bugs::KnownBug;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::calm;
use crate::client::Client;
use crate::judge::{Judge, Violation};
use crate::operation::{Call, MessageId, Reply, Write};
use crate::panics;
use crate::plan::Plan;
use crate::steer;
use crate::story::Story;
use crate::world::{DATA_DIR, World};

/// The faulty part ends here, whatever the clients have done by then.
const MOST_LENGTH: Duration = Duration::from_secs(150);
/// How often is looked whether it is over.
const LOOK: Duration = Duration::from_millis(100);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// How many nodes there were.
    pub nodes: u64,
    /// A hash of all that happened: network, effects, clients' calls.
    pub hash: u64,
    /// Operations of clients, with their retries.
    pub operations: u64,
    /// Calls of clients to nodes.
    pub calls: u64,
    /// How much time has passed in it.
    pub length: Duration,
    /// The kinds of its faults, as often as they were.
    pub faults: BTreeMap<&'static str, u64>,
    /// What was seen of what is to be seen in some runs.
    pub seen: BTreeMap<&'static str, u64>,
    /// What it broke.
    pub violation: Option<Violation>,
    /// What happened, if it was to be told.
    pub story: Vec<String>,
}

/// Runs a plan; with the feature `known-bugs`, with this bug.
pub fn run(plan: &Plan, with_story: bool, bug: Option<KnownBug>) -> Report {
    #[cfg(feature = "known-bugs")]
    telegraft_cluster::known_bugs::set_for_thread(bug);
    #[cfg(not(feature = "known-bugs"))]
    assert_eq!(bug, None, "known bugs need the feature known-bugs");
    panics::catch();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the system");
    let mut report = None;
    let ended = catch_unwind(AssertUnwindSafe(|| {
        report = Some(runtime.block_on(live(plan, with_story)));
        drop(runtime);
    }));
    let panics = panics::release();
    let mut report = report.unwrap_or_else(|| Report {
        seed: plan.seed,
        nodes: plan.nodes,
        hash: 0,
        operations: 0,
        calls: 0,
        length: Duration::ZERO,
        faults: BTreeMap::new(),
        seen: BTreeMap::new(),
        violation: None,
        story: Vec::new(),
    });
    if report.violation.is_none() && (ended.is_err() || !panics.is_empty()) {
        report.violation = Some(Violation {
            rule: "no-panic".to_owned(),
            text: panics.first().cloned().unwrap_or_default(),
            at: report.length,
        });
    }
    report
}

async fn live(plan: &Plan, with_story: bool) -> Report {
    let story = if with_story {
        Story::told()
    } else {
        Story::untold()
    };
    let judge = Judge::new(plan.nodes, plan.limits().sessions, story);
    let world = World::new(plan, judge.clone());
    for id in 1..=plan.nodes {
        world.start(id).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for client in &plan.clients {
        let client = Client::new(client.clone(), world.clone(), Arc::clone(&over));
        clients.spawn(client.run());
    }
    let mut faults = JoinSet::new();
    for (number, due) in plan.faults.iter().enumerate() {
        faults.spawn(steer::carry_out(world.clone(), number, due.clone()));
    }
    loop {
        sleep(LOOK).await;
        if let Some(panic) = panics::first() {
            judge.fail("no-panic", panic);
        }
        while faults.try_join_next().is_some() {}
        let now = judge.now();
        let enough = now >= plan.length && judge.operations() >= plan.operations;
        let idle = !clients.is_empty() && all_finished(&mut clients);
        if judge.violation().is_some() || faults.is_empty() && (enough || idle || now > MOST_LENGTH)
        {
            break;
        }
    }
    over.store(true, Ordering::Relaxed);
    if judge.violation().is_none() {
        world.heal();
        calm::come_to_rest(&world, clients).await;
        look_back(&world);
    }
    if let Some(panic) = panics::first() {
        judge.fail("no-panic", panic);
    }
    let hash = judge.end() ^ world.network().trace_hash();
    let mut kinds = BTreeMap::new();
    for due in &plan.faults {
        *kinds.entry(due.fault.kind()).or_default() += 1;
    }
    Report {
        seed: plan.seed,
        nodes: plan.nodes,
        hash,
        operations: judge.operations(),
        calls: judge.calls(|calls| calls.len() as u64),
        length: judge.now(),
        faults: kinds,
        seen: judge.seen(),
        violation: judge.violation(),
        story: judge.story(),
    }
}

/// Whether all clients have done what they had to (in a plan made smaller).
fn all_finished(clients: &mut JoinSet<()>) -> bool {
    while clients.try_join_next().is_some() {}
    clients.is_empty()
}

/// What can only be told at the end.
fn look_back(world: &World) {
    let judge = world.judge();
    let counts = world.network().counts();
    if counts.duplicated > 0 {
        judge.sometimes("frame-duplicated");
    }
    if counts.reordered > 0 {
        judge.sometimes("frame-reordered");
    }
    for id in 1..=world.plan().nodes {
        let segments = world.disk(id).list(&Path::new(DATA_DIR).join("log"));
        let segments = segments.unwrap_or_default();
        if segments
            .iter()
            .filter(|name| name.ends_with(".log"))
            .count()
            > 1
        {
            judge.sometimes("segment-sealed");
        }
    }
    // Messages whose senders never got an answer.
    let unknown = judge.calls(|calls| {
        let mut unknown: HashMap<MessageId, bool> = HashMap::new();
        for call in calls {
            if let (
                Call::Write {
                    write: Write::Send { id, .. },
                    ..
                },
                Some(reply),
            ) = (&call.call, &call.reply)
            {
                let open = unknown.entry(*id).or_insert(true);
                *open &= !matches!(reply, Reply::Done(_));
            }
        }
        unknown
    });
    let (did, did_not) = judge.facts(|facts| {
        let open = unknown.iter().filter(|(_, open)| **open);
        let (did, did_not): (Vec<_>, Vec<_>) =
            open.partition(|(id, _)| facts.truth.sends.contains_key(id));
        (did.len(), did_not.len())
    });
    if did > 0 {
        judge.sometimes("unknown-did-happen");
    }
    if did_not > 0 {
        judge.sometimes("unknown-did-not-happen");
    }
}
