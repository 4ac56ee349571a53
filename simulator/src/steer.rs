//! Carries the faults of a plan out.

use std::path::Path;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use telegraft_cluster::env::Disk as _;
use telegraft_cluster::raft::NodeId;
use tokio::time::{sleep, timeout};

use crate::fault::{Disks, Fault, Target};
use crate::plan::Due;
use crate::world::{DATA_DIR, Down, World};

/// How long a leader may take to hand over when it stops (as in the product's `run`).
const HAND_OVER: Duration = Duration::from_millis(1_500);

/// Carries one fault out: waits until it is due, begins it, and ends it.
pub(crate) async fn carry_out(world: World, number: usize, due: Due) {
    sleep(due.at).await;
    world.judge().fault(true);
    Steer {
        rng: StdRng::seed_from_u64(due.seed),
        number,
        length: due.length,
        seed: due.seed,
        world: world.clone(),
    }
    .run(&due.fault)
    .await;
    world.judge().fault(false);
}

struct Steer {
    world: World,
    number: usize,
    length: Duration,
    seed: u64,
    rng: StdRng,
}

impl Steer {
    fn node(&mut self, target: Target) -> NodeId {
        let leader = self.world.judge().leader();
        target.settle(self.world.plan().nodes, leader, &mut self.rng)
    }

    fn tell(&self, fault: &Fault, whom: &str) {
        let length = self.length.as_secs_f64();
        self.world
            .judge()
            .tell(|| format!("FAULT {fault}: {whom}, for {length:.3} s"));
    }

    fn tell_of(&self, fault: &Fault, id: NodeId) {
        self.tell(fault, &format!("node {id}"));
    }

    async fn run(&mut self, fault: &Fault) {
        match fault {
            Fault::Partition { shape, cut } => {
                let leader = self.world.judge().leader();
                let links = shape.links(self.world.plan().nodes, leader, self.seed);
                self.tell(fault, &shown(&links));
                self.world.cut(self.number, &links, Some(*cut));
                sleep(self.length).await;
                self.world.cut(self.number, &links, None);
                self.ended(fault);
            }
            Fault::Frames { faults, everywhere } => {
                let nodes = self.world.plan().nodes;
                let mut links = Vec::new();
                for a in 1..=nodes {
                    for b in 1..=nodes {
                        if a != b && (*everywhere || self.rng.random_bool(0.4)) {
                            links.push((a, b));
                        }
                    }
                }
                self.tell(fault, &shown(&links));
                self.world.spoil(self.number, &links, Some(*faults));
                sleep(self.length).await;
                self.world.spoil(self.number, &links, None);
                self.ended(fault);
            }
            Fault::BreakConnections => {
                let nodes = self.world.plan().nodes;
                self.tell(fault, "some");
                for a in 1..=nodes {
                    for b in 1..=nodes {
                        if a != b && self.rng.random_bool(0.5) {
                            self.world.network().break_connections(a, b);
                        }
                    }
                }
            }
            Fault::Pause(target) => {
                let id = self.node(*target);
                self.tell_of(fault, id);
                self.world.pause(id);
                sleep(self.length).await;
                self.world.resume(id);
                self.ended(fault);
            }
            Fault::StopInside(target, reads) => {
                let id = self.node(*target);
                if self.world.up(id).is_some() {
                    self.tell_of(fault, id);
                    self.world.stop_inside(id, *reads, self.length).await;
                }
            }
            Fault::Kill(target) => self.down(fault, *target, Down::Killed).await,
            Fault::Power(target) => self.down(fault, *target, Down::Power).await,
            Fault::PowerAtEffect(target, effects) => {
                let id = self.node(*target);
                self.tell_of(fault, id);
                self.world.disk(id).cut_power_after(*effects);
                sleep(self.length).await;
            }
            Fault::KillAll => self.all_down(fault, Down::Killed).await,
            Fault::PowerAll => self.all_down(fault, Down::Power).await,
            Fault::FailSync(target) => {
                let id = self.node(*target);
                self.tell_of(fault, id);
                self.world.disk(id).fail_next_sync();
            }
            Fault::SlowDisk(disks, most) => {
                let ids = self.disks(*disks);
                self.tell(fault, &format!("nodes {ids:?}"));
                for id in &ids {
                    self.world.slow_disk(*id, self.number, Some(*most));
                }
                sleep(self.length).await;
                for id in &ids {
                    self.world.slow_disk(*id, self.number, None);
                }
                self.ended(fault);
            }
            Fault::HangSync(target) => {
                let id = self.node(*target);
                if let Some(up) = self.world.up(id) {
                    self.tell_of(fault, id);
                    up.sim.hang_next_write(self.length);
                    sleep(self.length).await;
                }
            }
            Fault::Flip => self.flip(fault).await,
            Fault::FullDisk(disks, left) => {
                let ids = self.disks(*disks);
                self.tell(fault, &format!("nodes {ids:?}"));
                for id in &ids {
                    let disk = self.world.disk(*id);
                    disk.set_capacity(Some(disk.used() + left));
                }
                sleep(self.length).await;
                for id in &ids {
                    self.world.disk(*id).set_capacity(None);
                }
                self.ended(fault);
            }
            Fault::StepClock(target, millis) => {
                let id = self.node(*target);
                if let Some(up) = self.world.up(id) {
                    self.tell_of(fault, id);
                    up.sim.step_wall_clock(*millis);
                }
            }
            Fault::Drift(target, ppm) => {
                let id = self.node(*target);
                self.tell_of(fault, id);
                self.world.drift(id, *ppm);
                sleep(self.length).await;
                self.world.drift(id, 0);
                self.ended(fault);
            }
            Fault::Stop(target) => {
                let id = self.node(*target);
                let Some(up) = self.world.up(id) else {
                    return;
                };
                self.tell_of(fault, id);
                self.world.disturb(id);
                self.world.hold(id);
                up.node.drain();
                let _ = timeout(HAND_OVER, up.node.handed_over()).await;
                up.node.stop();
                sleep(Duration::from_millis(20)).await;
                self.world.bring_down(id, Down::Killed, 0);
                sleep(self.length).await;
                self.world.let_go(id).await;
            }
        }
    }

    fn ended(&self, fault: &Fault) {
        let kind = fault.kind();
        self.world.judge().tell(|| format!("the {kind} is over"));
    }

    fn disks(&mut self, disks: Disks) -> Vec<NodeId> {
        match disks {
            Disks::One(target) => vec![self.node(target)],
            Disks::All => (1..=self.world.plan().nodes).collect(),
        }
    }

    async fn down(&mut self, fault: &Fault, target: Target, down: Down) {
        let id = self.node(target);
        self.tell_of(fault, id);
        self.world.hold(id);
        self.world.bring_down(id, down, self.seed);
        sleep(self.length).await;
        self.world.let_go(id).await;
    }

    async fn all_down(&mut self, fault: &Fault, down: Down) {
        self.tell(fault, "all");
        let nodes = 1..=self.world.plan().nodes;
        for id in nodes.clone() {
            self.world.hold(id);
            self.world.bring_down(id, down, self.seed);
        }
        sleep(self.length).await;
        for id in nodes {
            self.world.let_go(id).await;
        }
        self.world.judge().sometimes("full-stop-recovered");
    }

    /// Flips a bit of a stopped node's log, as long as a majority stays whole.
    async fn flip(&mut self, fault: &Fault) {
        let id = self.node(Target::Any);
        if !self.world.may_lose() {
            return;
        }
        self.world.hold(id);
        self.world.bring_down(id, Down::Killed, self.seed);
        let disk = self.world.disk(id);
        let directory = Path::new(DATA_DIR).join("log");
        let segments: Vec<String> = disk.list(&directory).unwrap_or_default();
        let segments: Vec<_> = segments.iter().filter(|n| n.ends_with(".log")).collect();
        if !segments.is_empty() {
            let segment = segments[self.rng.random_range(0..segments.len())];
            let path = directory.join(segment);
            let length = disk.open(&path).and_then(|file| file.len()).unwrap_or(0);
            if length > 0 {
                let offset = self.rng.random_range(0..length);
                self.tell(fault, &format!("node {id}, {segment} at {offset}"));
                self.world.flipped(id);
                disk.flip(&path, offset, self.rng.random_range(0..8));
            }
        }
        sleep(self.length).await;
        self.world.let_go(id).await;
    }
}

fn shown(links: &[(NodeId, NodeId)]) -> String {
    let mut text = String::new();
    for (from, to) in links {
        text.push_str(&format!("{from}→{to} "));
    }
    text.trim_end().to_owned()
}
