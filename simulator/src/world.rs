//! A cluster in a simulated world: machines with disks, on which nodes live and die.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use telegraft_cluster::env::{Cut, Disk, Env, LinkFaults, SimDisk, SimNetwork, SimNode};
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::{self, Node, Settings};
use telegraft_cluster::raft::{Configuration, NodeId};
use telegraft_cluster::time::Time;
use tokio::time::sleep;

use crate::judge::Judge;
use crate::plan::Plan;

/// Where every node has its data directory.
pub(crate) const DATA_DIR: &str = "/data";
/// How long a process that could not go on stays down before somebody starts it again.
const DOWN_AFTER_FAILURE: Duration = Duration::from_millis(700);
/// How often is looked whether a node that was stopped inside a poll goes on.
const STOP_LOOK: Duration = Duration::from_millis(10);
/// How often a node that does not start is tried, in the calm.
const MOST_STARTS: u32 = 200;

/// How a node goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// kill -9: what it has written stays.
    Killed,
    /// The power goes: what was not synced may be gone.
    Power,
}

/// The cluster and its world. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub(crate) struct World(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    plan: Plan,
    network: SimNetwork,
    judge: Judge,
    members: Configuration,
    machines: Mutex<BTreeMap<NodeId, Machine>>,
    links: Mutex<Links>,
}

/// What is wrong with links, by the fault that did it: a link is whole when nobody holds it.
#[derive(Debug, Default)]
struct Links {
    cuts: BTreeMap<(NodeId, NodeId), Vec<(usize, Cut)>>,
    frames: BTreeMap<(NodeId, NodeId), Vec<(usize, LinkFaults)>>,
}

/// A machine: its disk stays when its node dies.
#[derive(Debug)]
struct Machine {
    disk: Arc<SimDisk>,
    /// Its clocks and its process, whichever life that is in.
    sim: SimNode,
    /// Lives so far.
    lives: u32,
    up: Option<Up>,
    /// Faults that keep it down.
    holds: u32,
    /// Faults that keep it standing still.
    pauses: u32,
    /// Faults that stop it inside a poll, at a moment that only it knows.
    stops: u32,
    /// It never comes back.
    lost: bool,
    /// A start is under way.
    starting: bool,
    /// Starts that failed one after another.
    failed_starts: u32,
    /// Counts what may have kept it from answering.
    disturbances: u64,
    /// A bit of its disk was flipped since its last start.
    flipped: bool,
    /// It has another, empty disk than it had.
    wiped: bool,
    /// How fast its writes are, while a fault says so.
    slow: Vec<(usize, Duration)>,
    /// How much its disk holds, while faults say so.
    full: Vec<(usize, u64)>,
    /// How fast its clock runs, while faults say so.
    drifts: Vec<(usize, i64)>,
}

/// A running node.
#[derive(Clone, Debug)]
pub(crate) struct Up {
    /// Its handle.
    pub(crate) node: Node,
    /// Its strings.
    pub(crate) sim: SimNode,
    /// Which life this is.
    pub(crate) life: u32,
}

impl World {
    /// An empty world for a plan.
    pub(crate) fn new(plan: &Plan, judge: Judge) -> World {
        let members = Configuration {
            voters: (1..=plan.nodes).map(|id| (id, address(id))).collect(),
            learners: BTreeMap::new(),
        };
        let network = SimNetwork::new(plan.seed, plan.latency);
        let machine = |id| {
            // Clocks that count from a start tell nothing of each other.
            let origin = Time::from_millis(1_000_000 * id);
            let sim = SimNode::new(plan.seed.wrapping_mul(31).wrapping_add(id), origin);
            sim.set_write_latency(plan.write_latency);
            network.attach(id, &sim);
            let machine = Machine {
                disk: Arc::new(SimDisk::new()),
                sim,
                lives: 0,
                up: None,
                holds: 0,
                pauses: 0,
                stops: 0,
                lost: false,
                starting: false,
                failed_starts: 0,
                disturbances: 0,
                flipped: false,
                wiped: false,
                slow: Vec::new(),
                full: Vec::new(),
                drifts: Vec::new(),
            };
            (id, machine)
        };
        let machines = (1..=plan.nodes).map(machine).collect();
        World(Arc::new(Inner {
            judge,
            members,
            machines: Mutex::new(machines),
            network,
            links: Mutex::default(),
            plan: plan.clone(),
        }))
    }

    /// The plan.
    pub(crate) fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// The judge.
    pub(crate) fn judge(&self) -> &Judge {
        &self.0.judge
    }

    /// The network.
    pub(crate) fn network(&self) -> &SimNetwork {
        &self.0.network
    }

    fn machines(&self) -> MutexGuard<'_, BTreeMap<NodeId, Machine>> {
        let machines = self.0.machines.lock();
        machines.unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn with<T>(&self, id: NodeId, act: impl FnOnce(&mut Machine) -> T) -> T {
        act(self
            .machines()
            .get_mut(&id)
            .expect("every node has a machine"))
    }

    /// A node's disk.
    pub(crate) fn disk(&self, id: NodeId) -> Arc<SimDisk> {
        self.with(id, |machine| Arc::clone(&machine.disk))
    }

    /// A node, if it runs.
    pub(crate) fn up(&self, id: NodeId) -> Option<Up> {
        self.with(id, |machine| machine.up.clone())
    }

    /// All nodes that run.
    pub(crate) fn all_up(&self) -> Vec<(NodeId, Up)> {
        let machines = self.machines();
        let up = machines.iter();
        up.filter_map(|(id, machine)| Some((*id, machine.up.clone()?)))
            .collect()
    }

    /// The nodes that are not lost for good.
    pub(crate) fn not_lost(&self) -> Vec<NodeId> {
        let machines = self.machines();
        let alive = machines.iter().filter(|(_, machine)| !machine.lost);
        alive.map(|(id, _)| *id).collect()
    }

    /// Counts what may have kept the node from answering; whether it may stand still now.
    pub(crate) fn disturbances(&self, id: NodeId) -> (u64, bool) {
        self.with(id, |machine| {
            let stands = machine.pauses > 0 || machine.stops > 0;
            (machine.disturbances, stands)
        })
    }

    /// Stops a node in the middle of something, until it goes on; whether it was.
    pub(crate) async fn stop_inside(&self, id: NodeId, reads: u32, length: Duration) -> bool {
        let sim = self.with(id, |machine| {
            machine.stops += 1;
            machine.disturbances += 1;
            machine.sim.clone()
        });
        sim.stop_inside(reads, length);
        let mut stood = false;
        loop {
            let ahead = sim.stop_is_ahead();
            stood |= !ahead && sim.is_paused();
            if !ahead && !sim.is_paused() {
                break;
            }
            sleep(STOP_LOOK).await;
        }
        if stood {
            self.0.judge.sometimes("stopped-inside-a-poll");
        }
        self.with(id, |machine| {
            machine.stops -= 1;
            machine.disturbances += 1;
        });
        stood
    }

    /// Something may have kept the node from answering.
    pub(crate) fn disturb(&self, id: NodeId) {
        self.with(id, |machine| machine.disturbances += 1);
    }

    /// Starts a node, unless something keeps it down. The first time it makes its directory.
    pub(crate) async fn start(&self, id: NodeId) {
        let prepared = self.with(id, |machine| {
            if machine.lost || machine.starting || machine.up.is_some() || machine.holds > 0 {
                return None;
            }
            machine.starting = true;
            machine.lives += 1;
            let (disk, sim) = (Arc::clone(&machine.disk), machine.sim.clone());
            // Somebody who does not know better makes a new directory for a lost one.
            let bootstrap = machine.lives == 1 || machine.wiped;
            Some((disk, sim, machine.lives, bootstrap))
        });
        let Some((disk, sim, life, bootstrap)) = prepared else {
            return;
        };
        let plan = &self.0.plan;
        let seed = plan
            .seed
            .wrapping_mul(1_000_003)
            .wrapping_add(id * 1_000 + u64::from(life));
        let refused = disk.counts().refused;
        let observer = self
            .0
            .judge
            .observer(id, life, Arc::clone(&disk), sim.clone());
        let env = Env {
            clock: sim.clock(),
            disk: Arc::clone(&disk) as Arc<dyn Disk>,
            transport: Arc::new(self.0.network.transport(id)),
            spawner: sim.spawner(),
            seed,
            observer: Some(observer),
        };
        let settings = Settings {
            id,
            cluster_id: "sim".to_owned(),
            members: self.0.members.clone(),
            data_dir: PathBuf::from(DATA_DIR),
            bootstrap,
            url: format!("http://node{id}"),
            mailbox: plan.mailbox,
            durability: Durability::Fsync,
            segment_bytes: plan.segment_bytes,
            background_allocation: false,
            limits: plan.limits(),
        };
        let listener = self.0.network.listen(id, &address(id));
        self.0
            .judge
            .tell(|| format!("node {id} starts, life {life}"));
        let started = node::start(env, settings, Box::new(listener)).await;
        let up = Up {
            node: match started {
                Ok(running) => running.node,
                Err(error) => {
                    sim.crash();
                    let full = disk.counts().refused > refused;
                    self.could_not_start(id, &error.to_string(), full);
                    return;
                }
            },
            sim,
            life,
        };
        self.started(id, up);
    }

    fn started(&self, id: NodeId, up: Up) {
        let lied_to = self.0.judge.lied_to(id);
        let downed = self.with(id, |machine| {
            machine.starting = false;
            machine.failed_starts = 0;
            machine.flipped = false;
            machine.disturbances += 1;
            machine.up = Some(up.clone());
            machine.holds > 0
        });
        let wiped = self.with(id, |machine| machine.wiped);
        if lied_to && !wiped {
            self.lose(id, "it has lost what it had promised to keep");
            return;
        }
        if downed {
            self.bring_down(id, Down::Killed, 0);
            return;
        }
        let world = self.clone();
        let life = up.life;
        drop(tokio::spawn(async move {
            let reason = up.node.failed().await;
            drop(up);
            world.failed(id, life, &reason);
        }));
    }

    /// A node could not go on, and its process ends.
    fn failed(&self, id: NodeId, life: u32, reason: &str) {
        let same = self.with(id, |machine| {
            machine.up.as_ref().is_some_and(|up| up.life == life)
        });
        if !same {
            return;
        }
        self.0
            .judge
            .tell(|| format!("node {id} cannot go on: {reason}"));
        if self.with(id, |machine| machine.flipped) && reason.contains("corrupt") {
            self.0.judge.sometimes("corruption-refused-running");
            self.lose(id, reason);
            return;
        }
        if !self.disk_failed(id) {
            let text = format!("node {id} stops, and its disk did nothing to it: {reason}");
            self.0.judge.fail("stops-without-cause", text);
            return;
        }
        if self.disk(id).failed_sync().is_some() {
            self.0.judge.sometimes("failed-sync-stopped-a-node");
        }
        let down = self.how_it_went_down(id);
        if down == Down::Power {
            self.0.judge.sometimes("power-cut-at-an-effect");
        }
        self.hold(id);
        self.bring_down(id, down, u64::from(life));
        self.let_go_later(id, DOWN_AFTER_FAILURE);
    }

    /// Whether the disk has failed in this life: a sync, or all of it with the power.
    fn disk_failed(&self, id: NodeId) -> bool {
        let disk = self.disk(id);
        disk.failed_sync().is_some() || !disk.has_power()
    }

    /// Whether its machine has power.
    fn how_it_went_down(&self, id: NodeId) -> Down {
        if self.disk(id).has_power() {
            Down::Killed
        } else {
            Down::Power
        }
    }

    /// A node could not start; `full`: its disk had no room for something.
    fn could_not_start(&self, id: NodeId, reason: &str, full: bool) {
        self.0
            .judge
            .tell(|| format!("node {id} does not start: {reason}"));
        let (flipped, lives, tries) = self.with(id, |machine| {
            machine.starting = false;
            machine.failed_starts += 1;
            (machine.flipped, machine.lives, machine.failed_starts)
        });
        let corrupt = reason.contains("corrupt");
        if corrupt && flipped {
            self.0.judge.sometimes("corruption-refused-at-start");
            self.lose(id, reason);
            return;
        }
        if corrupt {
            let text =
                format!("node {id} finds its log corrupt, and nothing flipped a bit: {reason}");
            self.0.judge.fail("no-corruption-out-of-crashes", text);
            return;
        }
        if tries > MOST_STARTS || !full && !self.disk_failed(id) {
            let text = format!("node {id} does not start: {reason}");
            self.0.judge.fail("starts-again", text);
            return;
        }
        let down = self.how_it_went_down(id);
        self.end_process(id, down, u64::from(lives));
        self.hold(id);
        self.let_go_later(id, DOWN_AFTER_FAILURE);
    }

    fn let_go_later(&self, id: NodeId, after: Duration) {
        let world = self.clone();
        drop(tokio::spawn(async move {
            sleep(after).await;
            world.let_go(id).await;
        }));
    }

    /// A node goes down, if it is up; it stays so while something holds it.
    pub(crate) fn bring_down(&self, id: NodeId, down: Down, seed: u64) {
        let up = self.with(id, |machine| {
            machine.disturbances += 1;
            // Another process would not be the one that was stopped.
            machine.pauses = 0;
            // One that has lost its directory is left alone after that.
            machine.lost |= machine.wiped && machine.up.is_some();
            machine.up.take()
        });
        if let Some(up) = up {
            up.sim.crash();
            self.0
                .judge
                .tell(|| format!("node {id} is down ({down:?})"));
            self.0.judge.ended(id);
        }
        self.end_process(id, down, seed);
    }

    fn end_process(&self, id: NodeId, down: Down, seed: u64) {
        let disk = self.disk(id);
        match down {
            Down::Killed => disk.kill(),
            Down::Power => disk.crash(self.0.plan.seed ^ seed.rotate_left(17) ^ id),
        }
    }

    /// Keeps a node from being started.
    pub(crate) fn hold(&self, id: NodeId) {
        self.with(id, |machine| machine.holds += 1);
    }

    /// Starts a node when nothing else holds it.
    pub(crate) async fn let_go(&self, id: NodeId) {
        self.with(id, |machine| machine.holds -= 1);
        self.start(id).await;
    }

    /// A node never comes back.
    fn lose(&self, id: NodeId, why: &str) {
        self.0
            .judge
            .tell(|| format!("node {id} is out for good: {why}"));
        self.0.judge.sometimes("node-lost-for-good");
        self.with(id, |machine| machine.lost = true);
        self.bring_down(id, Down::Killed, 0);
    }

    /// Whether one more node may be lost for good.
    pub(crate) fn may_lose(&self) -> bool {
        let machines = self.machines();
        let gone = |machine: &&Machine| machine.lost || machine.flipped || machine.wiped;
        let lost = machines.values().filter(gone).count();
        lost < (machines.len() - 1) / 2
    }

    /// Notes that a bit of a stopped node's disk is flipped.
    pub(crate) fn flipped(&self, id: NodeId) {
        self.with(id, |machine| machine.flipped = true);
        self.0.judge.damaged(id);
    }

    /// A stopped node gets an empty disk in place of its own.
    pub(crate) fn wipe(&self, id: NodeId) {
        self.with(id, |machine| {
            machine.disk = Arc::new(SimDisk::new());
            machine.wiped = true;
        });
        self.0.judge.forgotten(id);
        self.0.judge.sometimes("directory-lost");
    }

    /// Stops a node from being polled.
    pub(crate) fn pause(&self, id: NodeId) {
        let up = self.with(id, |machine| {
            machine.pauses += 1;
            machine.disturbances += 1;
            machine.up.clone()
        });
        if let Some(up) = up {
            up.sim.pause();
        }
    }

    /// Lets it go on, when nothing else stops it.
    pub(crate) fn resume(&self, id: NodeId) {
        let up = self.with(id, |machine| {
            machine.pauses = machine.pauses.saturating_sub(1);
            machine.disturbances += 1;
            machine.up.clone().filter(|_| machine.pauses == 0)
        });
        if let Some(up) = up {
            up.sim.resume();
        }
    }

    /// A fault makes writes slow, or stops doing so.
    pub(crate) fn slow_disk(&self, id: NodeId, fault: usize, most: Option<Duration>) {
        let (shortest, usual) = self.0.plan.write_latency;
        self.with(id, |machine| {
            machine.slow.retain(|(by, _)| *by != fault);
            machine.slow.extend(most.map(|most| (fault, most)));
            let slowest = machine.slow.iter().map(|(_, most)| *most).max();
            let latency = (shortest, slowest.unwrap_or(usual));
            machine.sim.set_write_latency(latency);
        });
    }

    /// A fault leaves a disk room for so many bytes more, or (with none) lets go of it.
    pub(crate) fn full_disk(&self, id: NodeId, fault: usize, left: Option<u64>) {
        self.with(id, |machine| {
            machine.full.retain(|(by, _)| *by != fault);
            let used = machine.disk.used();
            machine.full.extend(left.map(|left| (fault, used + left)));
            let least = machine.full.iter().map(|(_, bytes)| *bytes).min();
            machine.disk.set_capacity(least);
        });
    }

    /// A fault makes a node's clock run fast or slow, also after a restart, or (with none) lets go
    /// of it.
    pub(crate) fn drift(&self, id: NodeId, fault: usize, ppm: Option<i64>) {
        self.with(id, |machine| {
            machine.drifts.retain(|(by, _)| *by != fault);
            machine.drifts.extend(ppm.map(|ppm| (fault, ppm)));
            let last = machine.drifts.last();
            machine.sim.set_drift(last.map_or(0, |(_, ppm)| *ppm));
        });
    }

    /// A fault cuts links, or (with none) lets go of those it cut.
    pub(crate) fn cut(&self, fault: usize, links: &[(NodeId, NodeId)], cut: Option<Cut>) {
        let mut all = self.links();
        for link in links {
            let cuts = all.cuts.entry(*link).or_default();
            cuts.retain(|(by, _)| *by != fault);
            cuts.extend(cut.map(|cut| (fault, cut)));
            match cuts.last() {
                Some((_, cut)) => self.0.network.cut_as(link.0, link.1, *cut),
                None => self.0.network.mend_link(link.0, link.1),
            }
        }
    }

    /// A fault spoils links' frames, or (with none) stops doing so.
    pub(crate) fn spoil(
        &self,
        fault: usize,
        links: &[(NodeId, NodeId)],
        faults: Option<LinkFaults>,
    ) {
        let mut all = self.links();
        for link in links {
            let frames = all.frames.entry(*link).or_default();
            frames.retain(|(by, _)| *by != fault);
            frames.extend(faults.map(|faults| (fault, faults)));
            let now = frames.last().map(|(_, faults)| *faults);
            self.0
                .network
                .set_faults(link.0, link.1, now.unwrap_or_default());
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        let links = self.0.links.lock();
        links.unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// All links are whole, no node stands still, disks have room and speed: what is down is
    /// started as soon as its fault lets go of it.
    pub(crate) fn heal(&self) {
        self.0.network.mend();
        self.0.network.clear_faults();
        for (_, up) in self.all_up() {
            up.sim.resume();
        }
        for id in 1..=self.0.plan.nodes {
            let disk = self.disk(id);
            disk.set_capacity(None);
            disk.disarm();
            // Who runs on a bad disk, or on another than its own, has to be replaced.
            let (flipped, wiped) = self.with(id, |machine| (machine.flipped, machine.wiped));
            if wiped || flipped && self.up(id).is_some() {
                self.lose(id, "its disk is not what it was");
            }
        }
    }
}

fn address(id: NodeId) -> String {
    format!("node{id}:1")
}
