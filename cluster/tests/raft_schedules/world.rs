//! The world that the cores live in: a clock, a network, disks, clients and faults.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use telegraft_cluster::raft::{
    Body, Completion, Config, Effects, Entry, Fetch, HardState, LogIndex, Message, NodeId, Payload,
    Raft, ReadContext, ReadMode, Role,
};
use telegraft_cluster::time::Time;

use crate::disk::Disk;
use crate::judge::{Judge, Verdict, rule};
use crate::plan::{Fault, MS, Nanos, Plan, Target, Way};
use crate::tally::Tally;

/// After the faults, all must be healed within this many election timeouts…
const HEAL_TIMEOUTS: u64 = 20;
/// …and as long again as it takes to send and write every entry by itself.
const HEAL_ENTRY: Nanos = 8 * MS;
/// And what is asked of the healed cluster answered within this many.
const ANSWER_TIMEOUTS: u64 = 6;
/// A core that asks this often in a row to be woken at once keeps its thread spinning.
const MAX_SPINS: u32 = 20;

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
                        let longest = if self.disk_rng.random_bool(0.1) {
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

    // ---- One wake-up of a node.

    fn arrive(&mut self, id: NodeId, input: Input) {
        let node = self.nodes.get_mut(&id).expect("it exists");
        if node.core.is_none() {
            return;
        }
        node.inbox.push(input);
        let drain = if self.plan.drain > 0 {
            self.network_rng.random_range(0..=self.plan.drain)
        } else {
            0
        };
        self.wake_by(id, self.now + drain);
    }

    fn wake_by(&mut self, id: NodeId, at: Nanos) {
        let now = self.now;
        let node = self.node(id);
        let at = at.max(node.stopped_until).max(now);
        if node.wake_at.is_none_or(|earlier| at < earlier) {
            node.wake_at = Some(at);
            let life = node.life;
            self.schedule(at, Event::Wake(id, life));
        }
    }

    fn wake(&mut self, id: NodeId) -> Verdict {
        let now = self.now;
        let stopped_until = self.nodes[&id].stopped_until;
        self.node(id).wake_at = None;
        if stopped_until > now {
            self.wake_by(id, stopped_until);
            return Ok(());
        }
        let mut inputs = std::mem::take(&mut self.node(id).inbox);
        let prioritised = self.plan.prioritised;
        if prioritised {
            inputs.sort_by_key(Input::lane);
        }
        // The process may be stopped in the middle of its work.
        let stop = (inputs.len() > 1 && !self.calm && self.network_rng.random_bool(0.01))
            .then(|| self.network_rng.random_range(1..inputs.len()));
        let mut timed = !prioritised;
        let busy = !inputs.is_empty();
        let completed = inputs.iter().any(|input| input.lane() == 0);
        for (number, input) in inputs.into_iter().enumerate() {
            if stop.is_none_or(|stop| number < stop) {
                if !timed && input.lane() == 2 {
                    self.judge_timeouts(id);
                    timed = true;
                }
                self.feed(id, input)?;
            } else {
                self.node(id).inbox.push(input);
            }
        }
        if stop.is_some() {
            let pause = self.network_rng.random_range(MS..=self.timeout() * 2);
            self.node(id).stopped_until = now + pause;
            self.wake_by(id, now + pause);
            return Ok(());
        }
        if !timed || !prioritised {
            self.judge_timeouts(id);
        }
        let local = self.node(id).clock.read(now);
        let core = self.node(id).core.as_mut().expect("it runs");
        let effects = core.take_effects(local);
        self.judge.effects(id, &effects, &self.disks, local)?;
        if completed {
            let status = self.nodes[&id].core.as_ref().map(Raft::status);
            let durable = status.map_or(0, |status| status.durable_index);
            self.judge.durable(id, durable)?;
        }
        self.carry_out(id, effects);
        self.set_timer(id, busy)
    }

    fn feed(&mut self, id: NodeId, input: Input) -> Verdict {
        let now = self.now;
        let clocks = if matches!(input, Input::Read(_, ReadMode::Lease)) {
            let alive = self.nodes.iter().filter(|(_, node)| node.core.is_some());
            alive
                .map(|(id, node)| (*id, node.clock.look(now)))
                .collect()
        } else {
            BTreeMap::new()
        };
        let node = self.nodes.get_mut(&id).expect("it exists");
        let local = node.clock.read(now) + Duration::from_nanos(100);
        node.clock.last = local;
        let core = node.core.as_mut().expect("it runs");
        let words = self.trace.is_some().then(|| story(id, &input));
        match input {
            Input::Completed(completion) => {
                self.judge.completed(id, &completion);
                core.log_completed(local, completion);
            }
            Input::Peer(from, message) => {
                self.judge.received(id, from, &message, local);
                core.step(local, from, message);
            }
            Input::Unreachable(peer) => core.peer_unreachable(local, peer),
            Input::Fetched(fetch, entries) => {
                self.judge.fetched(id, fetch.peer, &entries);
                core.entries_fetched(local, fetch.peer, fetch.first, entries);
            }
            Input::Propose(command) => {
                let answer = core.propose(local, command.clone());
                self.judge.proposed(id, &command, &answer)?;
                self.note(|| format!("n{id}: {answer:?}"));
            }
            Input::Read(context, mode) => {
                self.judge.read(id, context, mode, &clocks);
                core.read(local, context, mode);
            }
            Input::Transfer(to) => {
                core.transfer_leadership(local, to);
            }
        }
        if let Some(words) = words {
            self.note(|| words);
        }
        Ok(())
    }

    fn judge_timeouts(&mut self, id: NodeId) {
        let now = self.now;
        let grace = self.plan.grace;
        let stall = self.plan.config.election_timeout / 2;
        let node = self.node(id);
        let local = node.clock.read(now);
        let core = node.core.as_mut().expect("it runs");
        if let Some(grace) = grace {
            match node.grace {
                Some(until) if local < until => return,
                Some(_) => node.grace = None,
                None if local.since(core.poll_timeout()) > stall => {
                    node.grace = Some(local + grace);
                    return;
                }
                None => {}
            }
        }
        core.handle_timeout(local);
        self.judge.timed(id, local);
    }

    fn set_timer(&mut self, id: NodeId, busy: bool) -> Verdict {
        let now = self.now;
        let slack = self.network_rng.random_range(0..=MS);
        let node = self.node(id);
        let core = node.core.as_ref().expect("it runs");
        let wanted = core.poll_timeout().max(node.grace.unwrap_or(Time::ZERO));
        let at = node.clock.when(wanted);
        node.spins = if busy || at > now { 0 } else { node.spins + 1 };
        let spins = node.spins;
        rule!(
            spins < MAX_SPINS,
            "n{id} asks to be woken at once, again and again"
        );
        let at = if spins > 0 || at <= now {
            now
        } else {
            at.saturating_add(slack)
        };
        self.wake_by(id, at);
        Ok(())
    }

    fn carry_out(&mut self, id: NodeId, effects: Effects) {
        if let Some(append) = effects.append {
            self.note(|| {
                let entries: Vec<String> = append
                    .entries
                    .iter()
                    .map(|entry| format!("{}t{}", entry.index, entry.term))
                    .collect();
                format!(
                    "n{id} writes {}: {:?} [{}]",
                    append.batch,
                    append.hard_state,
                    entries.join(" ")
                )
            });
            self.disk(id).hand(append);
            self.sync(id);
        }
        for envelope in effects.messages {
            self.send(id, envelope.to, envelope.message);
        }
        if let Some(committed) = effects.committed {
            self.note(|| format!("n{id} hands out up to {}", committed.through));
        }
        for (context, outcome) in effects.reads {
            self.note(|| format!("n{id} answers read {}: {outcome:?}", context.0));
        }
        for fetch in effects.fetches {
            let life = self.nodes[&id].life;
            let longest = if self.calm { MS } else { self.timeout() / 5 };
            let at = self.now + self.disk_rng.random_range(MS / 10..=longest);
            self.note(|| format!("n{id} fetches {fetch:?}"));
            self.schedule(at, Event::Read(id, life, fetch));
        }
    }

    fn sync(&mut self, id: NodeId) {
        let disk = self.disks.get_mut(&id).expect("every node has one");
        if !disk.begin(&mut self.disk_rng) {
            return;
        }
        let (shortest, longest) = self.plan.sync;
        let longest = if self.calm { MS } else { longest };
        let node = &self.nodes[&id];
        let extra = if self.now < node.slow_disk.0 {
            node.slow_disk.1
        } else {
            0
        };
        let life = node.life;
        let takes = self.disk_rng.random_range(shortest..=longest) + extra;
        self.schedule(self.now + takes, Event::Synced(id, life));
    }

    // ---- The network.

    fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        let now = self.now;
        let bit = 1u8 << to;
        let row = usize::try_from(from).expect("a few");
        let mut cut = false;
        let mut lag = 0;
        for way in self.cuts.iter().filter(|way| way.until > now) {
            if way.ways[row] & bit != 0 {
                match way.lag {
                    None => cut = true,
                    Some(more) => lag += more,
                }
            }
        }
        let rng = &mut self.network_rng;
        let (mut lost, mut doubled, mut late) = (self.plan.lost, self.plan.doubled, self.plan.late);
        if now < self.bad_network_until {
            (lost, doubled, late) = (0.3, 0.2, 0.3);
        }
        if self.calm {
            (lost, doubled, late) = (0.0, 0.0, 0.0);
        }
        let timeout = u64::try_from(self.plan.config.election_timeout.as_nanos()).unwrap_or(0);
        let dropped = cut || rng.random_bool(lost);
        let told = dropped && rng.random_bool(0.3);
        let copies = if rng.random_bool(doubled) { 2 } else { 1 };
        let mut arrivals = Vec::new();
        for _ in 0..copies {
            let (shortest, longest) = self.plan.latency;
            let longest = if self.calm { MS } else { longest };
            let mut takes = rng.random_range(shortest..=longest) + lag;
            if rng.random_bool(late) {
                takes += rng.random_range(0..=timeout * 2);
            }
            arrivals.push(now + takes);
        }
        self.note(|| {
            let fate = if dropped { " (lost)" } else { "" };
            format!("n{from} → n{to}: {}{fate}", brief(&message))
        });
        if told {
            self.schedule(now + MS, Event::Arrive(from, Input::Unreachable(to)));
        }
        if dropped {
            return;
        }
        let keeps_order =
            (self.plan.ordered || self.calm) && matches!(message.body, Body::AppendEntries { .. });
        for at in arrivals {
            let at = if keeps_order {
                let last = self.last_append.entry((from, to)).or_default();
                *last = at.max(*last);
                *last
            } else {
                at
            };
            self.schedule(at, Event::Arrive(to, Input::Peer(from, message.clone())));
        }
    }

    // ---- Clients.

    fn client(&mut self) {
        if self.calm {
            return;
        }
        let burst = if self.client_rng.random_bool(0.1) {
            self.client_rng.random_range(2..=12)
        } else {
            1
        };
        let id = self.somebody();
        for _ in 0..burst {
            if self.client_rng.random_bool(self.plan.reads) {
                let mode = if self.client_rng.random_bool(0.5) {
                    ReadMode::Lease
                } else {
                    ReadMode::Linearizable
                };
                self.read_at(id, mode);
            } else {
                self.propose_at(id);
            }
        }
        let gap = self.client_rng.random_range(0..=2 * self.plan.client_gap);
        self.schedule(self.now + gap, Event::Client);
    }

    /// One who thinks that it leads, mostly.
    fn somebody(&mut self) -> NodeId {
        let leaders: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, node)| {
                node.core
                    .as_ref()
                    .is_some_and(|core| core.status().role == Role::Leader)
            })
            .map(|(id, _)| *id)
            .collect();
        if leaders.is_empty() || self.client_rng.random_bool(0.3) {
            return self.client_rng.random_range(1..=self.nodes.len() as u64);
        }
        leaders[self.client_rng.random_range(0..leaders.len())]
    }

    fn propose_at(&mut self, id: NodeId) {
        self.next_command += 1;
        let mut command = format!("command {}", self.next_command);
        let padding = self.client_rng.random_range(0..60);
        command.extend(std::iter::repeat_n('.', padding));
        self.schedule(
            self.now,
            Event::Arrive(id, Input::Propose(Bytes::from(command))),
        );
    }

    fn read_at(&mut self, id: NodeId, mode: ReadMode) {
        self.next_read += 1;
        let context = ReadContext(self.next_read);
        self.schedule(self.now, Event::Arrive(id, Input::Read(context, mode)));
    }

    // ---- Faults.

    fn fault(&mut self, number: usize) {
        let planned = &self.plan.faults[number];
        let (lasts, until) = (planned.lasts, self.now + planned.lasts);
        self.note(|| {
            format!(
                "--- fault {number}: {:?} for {}ms",
                planned.fault,
                lasts / MS
            )
        });
        let who = |target: &Target| match target {
            Target::Node(id) => *id,
            Target::Leader => self.leader().unwrap_or(1),
        };
        match &planned.fault {
            Fault::Isolate(target, way) => {
                let id = who(target);
                self.isolate(id, *way, lasts);
            }
            Fault::Split(mask) => {
                let mask = *mask;
                self.cut(until, None, |from, to| {
                    (mask >> from & 1) != (mask >> to & 1)
                });
            }
            Fault::Bridge(middle) => {
                let middle = *middle;
                self.cut(until, None, |from, to| {
                    from != middle && to != middle && from % 2 != to % 2
                });
            }
            Fault::Ring => {
                let count = self.nodes.len() as u64;
                self.cut(until, None, |from, to| {
                    let apart = from.abs_diff(to);
                    apart != 1 && apart != count - 1
                });
            }
            Fault::OneLink(one, other) => {
                let (one, other) = (*one, *other);
                self.cut(until, None, |from, to| (from, to) == (one, other));
            }
            Fault::Crash(target) => {
                let id = who(target);
                self.crash(id, lasts);
            }
            Fault::CrashAll => {
                for id in self.ids() {
                    let down = self.disk_rng.random_range(MS..=lasts.max(2 * MS));
                    self.crash(id, down);
                }
            }
            Fault::Pause(target) => {
                let id = who(target);
                self.node(id).stopped_until = until;
            }
            Fault::PauseAndIsolate(target) => {
                let id = who(target);
                self.node(id).stopped_until = until;
                self.isolate(id, Way::Both, 2 * lasts);
                for _ in 0..3 {
                    self.read_at(id, ReadMode::Lease);
                    self.read_at(id, ReadMode::Linearizable);
                }
            }
            Fault::SlowDisk(target, by) => {
                let (id, by) = (who(target), *by);
                self.node(id).slow_disk = (until, by);
            }
            Fault::SlowDiskAndIsolate(target, by) => {
                let (id, by) = (who(target), *by);
                self.node(id).slow_disk = (until, by);
                self.isolate(id, Way::Both, lasts);
                for _ in 0..3 {
                    self.propose_at(id);
                }
            }
            Fault::FullDisk(target) => {
                let id = who(target);
                self.disk(id).full = true;
                self.node(id).full_until = until;
                self.schedule(until, Event::Space(id));
            }
            Fault::BadNetwork => self.bad_network_until = until,
            Fault::Lag(target, way, by) => {
                let (id, way, by) = (who(target), *way, *by);
                self.one_way(id, way, until, Some(by));
            }
            Fault::Transfer(to) => {
                let id = who(&Target::Leader);
                self.arrive(id, Input::Transfer(*to));
            }
            Fault::TransferAndIsolate(to, after) => {
                let id = who(&Target::Leader);
                self.arrive(id, Input::Transfer(*to));
                self.schedule(self.now + after, Event::IsolateNow(id, lasts));
                let gap = self.timeout() / 20;
                for number in 1..20 {
                    self.next_read += 1;
                    let read = Input::Read(ReadContext(self.next_read), ReadMode::Lease);
                    self.schedule(self.now + number * gap, Event::Arrive(id, read));
                }
            }
        }
    }

    fn isolate(&mut self, id: NodeId, way: Way, lasts: Nanos) {
        self.one_way(id, way, self.now + lasts, None);
    }

    fn one_way(&mut self, id: NodeId, way: Way, until: Nanos, lag: Option<Nanos>) {
        self.cut(until, lag, |from, to| match way {
            Way::Both => from == id || to == id,
            Way::In => to == id,
            Way::Out => from == id,
        });
    }

    fn cut(&mut self, until: Nanos, lag: Option<Nanos>, is_cut: impl Fn(NodeId, NodeId) -> bool) {
        let mut ways = [0u8; 8];
        for from in self.ids() {
            for to in self.ids() {
                if from != to && is_cut(from, to) {
                    ways[usize::try_from(from).expect("a few")] |= 1 << to;
                }
            }
        }
        let now = self.now;
        self.cuts.retain(|cut| cut.until > now);
        self.cuts.push(Cut { until, ways, lag });
    }
}

fn story(id: NodeId, input: &Input) -> String {
    match input {
        Input::Peer(from, message) => format!("n{id} ← n{from}: {}", brief(message)),
        Input::Fetched(fetch, entries) => {
            format!("n{id} got {} entries for n{}", entries.len(), fetch.peer)
        }
        other => format!("n{id}: {other:?}"),
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
