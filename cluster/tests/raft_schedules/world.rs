//! The world that the cores live in: a clock, a network, disks, clients and faults.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use telegraft_cluster::raft::{
    Body, Completion, Config, Entry, Fetch, HardState, LogIndex, Message, NodeId, Payload, Raft,
    ReadContext, ReadMode, Role,
};
use telegraft_cluster::time::Time;

use crate::disk::Disk;
use crate::judge::{Judge, Verdict, rule};
use crate::plan::{MS, Nanos, Plan, Way};
use crate::tally::Tally;

/// Events of one schedule. A long one has some ten thousands.
const MAX_EVENTS: u64 = 1_000_000;
/// After the faults, all must be healed within this many election timeouts…
const HEAL_TIMEOUTS: u64 = 20;
/// …and as long again as it takes to send and write every entry by itself.
const HEAL_ENTRY: Nanos = 8 * MS;
/// And what is asked of the healed cluster answered within this many.
const ANSWER_TIMEOUTS: u64 = 6;

#[derive(Debug)]
enum Input {
    Completed(Completion),
    Peer(NodeId, Message),
    Unreachable(NodeId),
    Fetched(Fetch, Vec<Entry>),
    Propose(Bytes),
    Read(ReadContext, ReadMode),
    Transfer(NodeId),
}

impl Input {
    fn lane(&self) -> u8 {
        match self {
            Input::Completed(_) => 0,
            Input::Peer(..) | Input::Unreachable(_) | Input::Fetched(..) => 1,
            Input::Propose(_) | Input::Read(..) | Input::Transfer(_) => 2,
        }
    }
}

#[derive(Debug)]
enum Event {
    Arrive(NodeId, Input),
    Wake(NodeId, u32),
    Synced(NodeId, u32),
    Read(NodeId, u32, Fetch),
    Fetched(NodeId, u32, Fetch, Vec<Entry>),
    Client,
    Begin(usize),
    Restart(NodeId),
    Space(NodeId),
    IsolateNow(NodeId, Nanos),
}

/// A node's clock: an origin of its own, and drift.
#[derive(Debug)]
struct Clock {
    origin: Nanos,
    ppm: i64,
    last: Time,
}

impl Clock {
    fn read(&mut self, now: Nanos) -> Time {
        self.last = self.look(now);
        self.last
    }

    fn look(&self, now: Nanos) -> Time {
        let drift = i128::from(now) * i128::from(self.ppm) / 1_000_000;
        let local = i128::from(self.origin) + i128::from(now) + drift;
        let local = Time::from_nanos(u64::try_from(local).expect("time is positive"));
        self.last.max(local)
    }

    /// The world's time at which this clock has reached `local`.
    fn when(&self, local: Time) -> Nanos {
        let since = i128::from(local.as_nanos().saturating_sub(self.origin));
        let world = since * 1_000_000 / (1_000_000 + i128::from(self.ppm)) + 1;
        u64::try_from(world).unwrap_or(u64::MAX)
    }
}

struct Node {
    core: Option<Raft>,
    life: u32,
    clock: Clock,
    inbox: Vec<Input>,
    wake_at: Option<Nanos>,
    stopped_until: Nanos,
    grace: Option<Time>,
    slow_disk: (Nanos, Nanos),
    full_until: Nanos,
    spins: u32,
}

/// A way that is cut, or slow, until some time.
struct Cut {
    until: Nanos,
    /// Bit `to` of element `from`.
    ways: [u8; 8],
    /// None: cut; else how much longer messages take.
    lag: Option<Nanos>,
}

mod network;
mod trouble;
mod wake;

/// All that one schedule is made of.
pub(crate) struct World<'a> {
    plan: &'a Plan,
    now: Nanos,
    calm: bool,
    events: BTreeMap<(Nanos, u64), Event>,
    numbered: u64,
    nodes: BTreeMap<NodeId, Node>,
    disks: BTreeMap<NodeId, Disk>,
    judge: Judge,
    cuts: Vec<Cut>,
    bad_network_until: Nanos,
    last_append: BTreeMap<(NodeId, NodeId), Nanos>,
    network_rng: StdRng,
    disk_rng: StdRng,
    client_rng: StdRng,
    core_rng: StdRng,
    next_command: u64,
    next_read: u64,
    trace: Option<&'a mut Vec<String>>,
}

/// Runs one schedule; a core's panic is a broken rule too.
pub(crate) fn run(plan: &Plan, trace: Option<&mut Vec<String>>) -> Result<Tally, String> {
    catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(plan, trace);
        world.live()?;
        Ok(world.judge.tally)
    }))
    .unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(format!("panic: {}", words.unwrap_or_default()))
    })
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan, trace: Option<&'a mut Vec<String>>) -> Self {
        let rng = |stream| StdRng::seed_from_u64(plan.seed.wrapping_mul(8).wrapping_add(stream));
        let genesis: Vec<Entry> = (1..=plan.genesis)
            .map(|index| Entry {
                index,
                term: 1,
                payload: Payload::Command(Bytes::from(format!("genesis {index}"))),
            })
            .collect();
        let hard_state = HardState {
            term: u64::from(plan.genesis > 0),
            vote: None,
        };
        let mut judge = Judge::new(plan);
        judge.genesis(&genesis);
        let mut world = World {
            plan,
            now: 0,
            calm: false,
            events: BTreeMap::new(),
            numbered: 0,
            nodes: BTreeMap::new(),
            disks: BTreeMap::new(),
            judge,
            cuts: Vec::new(),
            bad_network_until: 0,
            last_append: BTreeMap::new(),
            network_rng: rng(1),
            disk_rng: rng(2),
            client_rng: rng(3),
            core_rng: rng(4),
            next_command: 0,
            next_read: 0,
            trace,
        };
        for (id, (origin, ppm)) in (1..).zip(&plan.clocks) {
            let base = world.base(id);
            let kept = genesis[usize::try_from(base.0).expect("a few")..].to_vec();
            world.disks.insert(id, Disk::new(base, hard_state, kept));
            let node = Node {
                core: None,
                life: 0,
                clock: Clock {
                    origin: *origin,
                    ppm: *ppm,
                    last: Time::ZERO,
                },
                inbox: Vec::new(),
                wake_at: None,
                stopped_until: 0,
                grace: None,
                slow_disk: (0, 0),
                full_until: 0,
                spins: 0,
            };
            world.nodes.insert(id, node);
        }
        for id in world.ids() {
            world.start(id, plan.genesis > 0);
        }
        for (number, planned) in plan.faults.iter().enumerate() {
            world.schedule(planned.at, Event::Begin(number));
        }
        world.schedule(plan.client_gap, Event::Client);
        world
    }

    fn ids(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    fn base(&self, id: NodeId) -> (LogIndex, u64) {
        let base = self.plan.bases[usize::try_from(id - 1).expect("a few")];
        (base, u64::from(base > 0))
    }

    fn schedule(&mut self, at: Nanos, event: Event) {
        self.numbered += 1;
        self.events.insert((at.max(self.now), self.numbered), event);
    }

    fn note(&mut self, words: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>10.3}ms {}", now as f64 / 1e6, words()));
        }
    }

    fn timeout(&self) -> Nanos {
        u64::try_from(self.plan.config.election_timeout.as_nanos()).expect("it is short")
    }

    /// The faults, then the calm.
    fn live(&mut self) -> Verdict {
        while self.now < self.plan.calm_at {
            self.step()?;
        }
        self.calm_down();
        let entries =
            self.judge.committed() + self.disks.values().map(Disk::last_index).max().unwrap_or(0);
        let until = self.now + HEAL_TIMEOUTS * self.timeout() + HEAL_ENTRY * entries;
        while !self.healed() {
            rule!(self.now < until, "not healed:\n{}", self.picture());
            self.step_for(self.timeout() / 8)?;
        }
        let until = self.now + ANSWER_TIMEOUTS * self.timeout();
        let wanted = self.judge.committed() + 1;
        for id in self.ids() {
            self.read_at(id, ReadMode::Linearizable);
            self.read_at(id, ReadMode::Lease);
        }
        while self.judge.committed() < wanted || !self.healed() {
            rule!(self.now < until, "no answers:\n{}", self.picture());
            // It is refused while a transfer lasts.
            if let Some(leader) = self.leader()
                && self.judge.committed() < wanted
            {
                self.propose_at(leader);
            }
            self.step_for(self.timeout() / 8)?;
        }
        Ok(())
    }

    fn step_for(&mut self, time: Nanos) -> Verdict {
        let until = self.now + time;
        while self
            .events
            .first_key_value()
            .is_some_and(|((at, _), _)| *at <= until)
        {
            self.step()?;
        }
        self.now = until;
        Ok(())
    }

    fn step(&mut self) -> Verdict {
        rule!(
            self.numbered < MAX_EVENTS,
            "the cores keep each other busy without end"
        );
        let ((at, _), event) = self.events.pop_first().expect("clocks run on");
        self.now = at;
        match event {
            Event::Arrive(id, input) => self.arrive(id, input),
            Event::Wake(id, life) => {
                let node = &self.nodes[&id];
                if node.life == life && node.wake_at == Some(at) {
                    self.wake(id)?;
                }
            }
            Event::Synced(id, life) => {
                if self.nodes[&id].life == life {
                    let completion = self.disk(id).finish();
                    self.arrive(id, Input::Completed(completion));
                    self.sync(id);
                }
            }
            Event::Read(id, life, fetch) => {
                if self.nodes[&id].life == life {
                    let mut entries =
                        self.disks[&id].read(fetch.first, fetch.last, fetch.max_bytes);
                    let mut at = self.now;
                    if !self.calm {
                        if self.disk_rng.random_bool(0.1) {
                            entries.clear();
                        }
                        // What was read may lie about while the log goes on.
                        let longest = if self.disk_rng.random_bool(0.2) {
                            self.timeout() * 4
                        } else {
                            self.timeout() / 5
                        };
                        at += self.disk_rng.random_range(0..=longest);
                    }
                    self.schedule(at, Event::Fetched(id, life, fetch, entries));
                }
            }
            Event::Fetched(id, life, fetch, entries) => {
                if self.nodes[&id].life == life {
                    self.arrive(id, Input::Fetched(fetch, entries));
                }
            }
            Event::Client => self.client(),
            Event::Begin(number) => {
                if !self.calm {
                    self.fault(number);
                }
            }
            Event::Restart(id) => {
                if self.nodes[&id].core.is_none() {
                    self.start(id, true);
                }
            }
            Event::Space(id) => {
                self.disk(id).full = self.now < self.nodes[&id].full_until;
                self.sync(id);
            }
            Event::IsolateNow(id, lasts) => {
                if !self.calm {
                    self.isolate(id, Way::Both, lasts);
                }
            }
        }
        Ok(())
    }

    fn disk(&mut self, id: NodeId) -> &mut Disk {
        self.disks.get_mut(&id).expect("every node has one")
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).expect("it exists")
    }

    // ---- Lives and deaths.

    fn start(&mut self, id: NodeId, restarted: bool) {
        let tail = match self.disk_rng.random_range(0..4) {
            0 => 0,
            1 => usize::MAX,
            _ => {
                let all = self.disks[&id].len();
                self.disk_rng.random_range(0..=all)
            }
        };
        let restored = self.disks[&id].restored(self.plan.configuration.clone(), tail, restarted);
        let seed = self.core_rng.random();
        let config = Config {
            id,
            ..self.plan.config.clone()
        };
        let base = self.base(id).0;
        let now = self.now;
        let local = self.node(id).clock.read(now);
        self.note(|| {
            format!(
                "n{id} starts: {:?}, log to {} with {} in memory",
                restored.hard_state,
                restored.last_index,
                restored.tail.len()
            )
        });
        self.judge
            .started(id, &self.disks[&id], base, restarted, local);
        let core = Raft::new(config, restored, seed, local);
        let node = self.node(id);
        node.core = Some(core);
        self.wake_by(id, now);
    }

    fn crash(&mut self, id: NodeId, down: Nanos) {
        if self.nodes[&id].core.is_none() {
            return;
        }
        self.note(|| format!("n{id} dies"));
        let node = self.nodes.get_mut(&id).expect("it exists");
        node.core = None;
        node.life += 1;
        node.inbox.clear();
        node.wake_at = None;
        node.stopped_until = 0;
        node.grace = None;
        let disk = self.disks.get_mut(&id).expect("every node has one");
        disk.crash(&mut self.disk_rng);
        self.schedule(self.now + down, Event::Restart(id));
    }

    /// All faults end.
    fn calm_down(&mut self) {
        self.note(|| "calm".to_string());
        self.calm = true;
        self.cuts.clear();
        self.bad_network_until = 0;
        for id in self.ids() {
            self.disk(id).full = false;
            let now = self.now;
            let node = self.node(id);
            node.slow_disk = (0, 0);
            node.stopped_until = 0;
            if node.core.is_none() {
                self.start(id, true);
            }
            self.wake_by(id, now);
            self.sync(id);
        }
    }

    fn leader(&self) -> Option<NodeId> {
        self.nodes
            .iter()
            .filter_map(|(id, node)| Some((id, node.core.as_ref()?.status())))
            .filter(|(_, status)| status.role == Role::Leader)
            .max_by_key(|(_, status)| status.term)
            .map(|(id, _)| *id)
    }

    /// One leader whom all follow, all committed and handed out, all logs equal, no read open.
    fn healed(&self) -> bool {
        let Some(leader) = self.leader() else {
            return false;
        };
        let committed = self.judge.committed();
        self.nodes.iter().all(|(id, node)| {
            let Some(core) = &node.core else { return false };
            let status = core.status();
            status.leader == Some(leader)
                && (status.role == Role::Leader) == (*id == leader)
                && status.serving == (*id == leader)
                && status.last_index == committed
                && status.commit_index == committed
                && status.durable_index == committed
                && self.judge.handed_out(*id) == committed
                && self.judge.open_reads(*id) == 0
                && self.judge.same_logs(*id, leader)
                && self.disks[id].is_idle()
        })
    }

    fn picture(&self) -> String {
        let mut picture = format!("committed: {}\n", self.judge.committed());
        for (id, node) in &self.nodes {
            let status = node.core.as_ref().map(Raft::status);
            picture += &format!(
                "n{id}: handed out {}, {} reads open, {status:?}\n",
                self.judge.handed_out(*id),
                self.judge.open_reads(*id)
            );
        }
        picture
    }
}

/// A message in few words.
fn brief(message: &Message) -> String {
    let term = message.term;
    match &message.body {
        Body::AppendEntries {
            prev_index,
            prev_term,
            entries,
            commit,
            round,
        } => {
            let terms: Vec<String> = entries.iter().map(|entry| entry.term.to_string()).collect();
            format!(
                "AppendEntries t{term} after {prev_index}t{prev_term} [{}] commit {commit} round {round}",
                terms.join(" ")
            )
        }
        body => format!("t{term} {body:?}"),
    }
}
