//! Carries the faults of a plan out.

use std::path::Path;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use telegraft_cluster::env::{Disk as _, NetworkCounts, SimDisk};
use telegraft_cluster::raft::NodeId;
use tokio::time::{sleep, timeout};

use crate::fault::{Disks, Fault, Target};
use crate::plan::Due;
use crate::world::{DATA_DIR, Down, World};

/// How long a leader may take to hand over when it stops (as in the product's `run`).
const HAND_OVER: Duration = Duration::from_millis(1_500);

/// How long a node's next sync is waited for.
const SYNC_WITHIN: Duration = Duration::from_secs(3);
/// How often is looked for it, and for the end of the node.
const SYNC_LOOK: Duration = Duration::from_millis(5);
/// How long a node may run after a sync of its log has failed.
const STOPS_WITHIN: Duration = Duration::from_millis(250);

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
        let id = target.settle(self.world.plan().nodes, leader, &mut self.rng);
        let up = self.world.all_up();
        if up.is_empty() || up.iter().any(|(other, _)| *other == id) {
            return id;
        }
        // A fault of a node that is down changes nothing.
        up[self.rng.random_range(0..up.len())].0
    }

    fn is_up(&self, id: NodeId) -> bool {
        self.world.up(id).is_some()
    }

    /// The fault is in force, if that is so.
    fn took_hold(&self, fault: &Fault, so: bool) {
        if so {
            self.world.judge().took_hold(fault.kind());
        }
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
                self.took_hold(fault, !links.is_empty());
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
                let spoilt =
                    |counts: NetworkCounts| counts.lost + counts.duplicated + counts.reordered;
                let before = spoilt(self.world.network().counts());
                self.world.spoil(self.number, &links, Some(*faults));
                sleep(self.length).await;
                let happened = spoilt(self.world.network().counts()) > before;
                let late = !faults.delay.1.is_zero() && !links.is_empty();
                self.took_hold(fault, happened || late);
                self.world.spoil(self.number, &links, None);
                self.ended(fault);
            }
            Fault::BreakConnections => {
                let nodes = self.world.plan().nodes;
                self.tell(fault, "some");
                let before = self.world.network().counts().broken;
                for a in 1..=nodes {
                    for b in 1..=nodes {
                        if a != b && self.rng.random_bool(0.5) {
                            self.world.network().break_connections(a, b);
                        }
                    }
                }
                let broken = self.world.network().counts().broken > before;
                self.took_hold(fault, broken);
            }
            Fault::Pause(target) => {
                let id = self.node(*target);
                self.tell_of(fault, id);
                self.took_hold(fault, self.is_up(id));
                self.world.pause(id);
                sleep(self.length).await;
                self.world.resume(id);
                self.ended(fault);
            }
            Fault::StopInside(target, reads) => {
                let id = self.node(*target);
                if self.world.up(id).is_some() {
                    self.tell_of(fault, id);
                    let stood = self.world.stop_inside(id, *reads, self.length).await;
                    self.took_hold(fault, stood);
                }
            }
            Fault::Kill(target) => self.down(fault, *target, Down::Killed).await,
            Fault::Power(target) => self.down(fault, *target, Down::Power).await,
            Fault::PowerAtEffect(target, effects) => {
                let id = self.node(*target);
                self.tell_of(fault, id);
                let disk = self.world.disk(id);
                let before = disk.counts().crashes;
                disk.cut_power_after(*effects);
                sleep(self.length).await;
                disk.disarm();
                self.took_hold(fault, disk.counts().crashes > before || !disk.has_power());
            }
            Fault::KillAll => self.all_down(fault, Down::Killed).await,
            Fault::PowerAll => self.all_down(fault, Down::Power).await,
            Fault::FailSync(target) => {
                let id = self.node(*target);
                self.tell_of(fault, id);
                self.fail_sync(fault, id).await;
            }
            Fault::SlowDisk(disks, most) => {
                let ids = self.disks(*disks);
                self.tell(fault, &format!("nodes {ids:?}"));
                self.took_hold(fault, ids.iter().any(|id| self.is_up(*id)));
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
                self.hang_sync(fault, id).await;
            }
            Fault::Flip => self.flip(fault).await,
            Fault::FlipRunning(target) => {
                let id = self.node(*target);
                self.flip_running(fault, id);
                sleep(self.length).await;
            }
            Fault::Wipe => {
                let id = self.node(Target::Any);
                if !self.world.may_lose() || !self.is_up(id) {
                    return;
                }
                self.tell_of(fault, id);
                self.took_hold(fault, true);
                self.world.hold(id);
                self.world.bring_down(id, Down::Killed, self.seed);
                self.world.wipe(id);
                sleep(self.length).await;
                self.world.let_go(id).await;
            }
            Fault::FullDisk(disks, left) => {
                let ids = self.disks(*disks);
                self.tell(fault, &format!("nodes {ids:?}"));
                let refused = || -> u64 {
                    let disks = ids.iter().map(|id| self.world.disk(*id));
                    disks.map(|disk| disk.counts().refused).sum()
                };
                let before = refused();
                for id in &ids {
                    self.world.full_disk(*id, self.number, Some(*left));
                }
                sleep(self.length).await;
                for id in &ids {
                    self.world.full_disk(*id, self.number, None);
                }
                self.took_hold(fault, refused() > before);
                self.ended(fault);
            }
            Fault::StepClock(target, millis) => {
                let id = self.node(*target);
                if let Some(up) = self.world.up(id) {
                    self.tell_of(fault, id);
                    self.took_hold(fault, *millis != 0);
                    up.sim.step_wall_clock(*millis);
                }
            }
            Fault::Drift(target, ppm) => {
                let id = self.node(*target);
                self.tell_of(fault, id);
                self.took_hold(fault, *ppm != 0 && self.is_up(id));
                self.world.drift(id, self.number, Some(*ppm));
                sleep(self.length).await;
                self.world.drift(id, self.number, None);
                self.ended(fault);
            }
            Fault::Stop(target) => {
                let id = self.node(*target);
                let Some(up) = self.world.up(id) else {
                    return;
                };
                self.tell_of(fault, id);
                self.took_hold(fault, true);
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

    /// Lets a node's next write hang, and waits until it is done.
    async fn hang_sync(&mut self, fault: &Fault, id: NodeId) {
        let Some(up) = self.world.up(id) else {
            return;
        };
        self.tell_of(fault, id);
        up.sim.hang_next_write(self.length);
        let mut waited = Duration::ZERO;
        while up.sim.hang_is_ahead() && waited < SYNC_WITHIN {
            sleep(SYNC_LOOK).await;
            waited += SYNC_LOOK;
        }
        let same_life = self.world.up(id).is_some_and(|now| now.life == up.life);
        if up.sim.hang_is_ahead() || !same_life {
            up.sim.disarm_hang();
            return;
        }
        self.tell(fault, &format!("a write of node {id} hangs"));
        self.took_hold(fault, true);
        sleep(self.length).await;
        self.ended(fault);
    }

    /// Lets a node's next sync fail, and holds the node to stop.
    async fn fail_sync(&mut self, fault: &Fault, id: NodeId) {
        let disk = self.world.disk(id);
        let before = disk.counts().failed_syncs;
        disk.fail_next_sync();
        let mut waited = Duration::ZERO;
        while disk.counts().failed_syncs == before {
            if waited >= SYNC_WITHIN {
                disk.disarm();
                return;
            }
            sleep(SYNC_LOOK).await;
            waited += SYNC_LOOK;
        }
        self.took_hold(fault, true);
        // It may have ended already, and its next life have begun.
        let Some(path) = disk.failed_sync() else {
            return;
        };
        let life = self.world.up(id).map(|up| up.life);
        let mut ran = Duration::ZERO;
        while ran < STOPS_WITHIN {
            sleep(SYNC_LOOK).await;
            if disk.failed_sync().is_none() || self.world.up(id).map(|up| up.life) != life {
                return;
            }
            if !self.world.disturbances(id).1 {
                ran += SYNC_LOOK;
            }
        }
        // Peers' directories are written again when they connect again; the log never is.
        if life.is_some() && path.starts_with(Path::new(DATA_DIR).join("log")) {
            let text = format!(
                "node {id} goes on after a sync of {} failed",
                path.display()
            );
            self.world.judge().fail("failed-sync-stops", text);
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
        self.took_hold(fault, self.is_up(id));
        self.world.hold(id);
        self.world.bring_down(id, down, self.seed);
        sleep(self.length).await;
        self.world.let_go(id).await;
    }

    async fn all_down(&mut self, fault: &Fault, down: Down) {
        self.tell(fault, "all");
        self.took_hold(fault, !self.world.all_up().is_empty());
        let nodes = 1..=self.world.plan().nodes;
        for id in nodes.clone() {
            self.world.hold(id);
            self.world.bring_down(id, down, self.seed);
        }
        self.world.judge().all_down();
        sleep(self.length).await;
        for id in nodes {
            self.world.let_go(id).await;
        }
    }

    /// Flips bits of a running node's log, as long as a majority stays whole.
    fn flip_running(&mut self, fault: &Fault, id: NodeId) {
        if !self.world.may_lose() || !self.is_up(id) {
            return;
        }
        let disk = self.world.disk(id);
        let directory = Path::new(DATA_DIR).join("log");
        let mut names: Vec<String> = disk.list(&directory).unwrap_or_default();
        names.retain(|name| name.ends_with(".log"));
        names.sort();
        let mut spare = WHOLE_END;
        let mut flips = 0;
        for name in names.iter().rev() {
            let path = directory.join(name);
            let (_, written) = extent(disk.as_ref(), &path);
            let through = written.saturating_sub(spare);
            spare = spare.saturating_sub(written);
            let mut block = 0;
            while block < through {
                let offset = block + self.rng.random_range(0..FLIP_EACH.min(through - block));
                disk.flip(&path, offset, self.rng.random_range(0..8));
                flips += 1;
                block += FLIP_EACH;
            }
        }
        if flips > 0 {
            self.tell(fault, &format!("node {id}, {flips} bits"));
            self.took_hold(fault, true);
            self.world.flipped(id);
        }
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
            let (length, written) = extent(disk.as_ref(), &path);
            if length > 0 {
                // Mostly where something is written: after that are zeros.
                let within = if self.rng.random_bool(0.8) && written > 0 {
                    written
                } else {
                    length
                };
                let offset = self.rng.random_range(0..within);
                self.tell(fault, &format!("node {id}, {segment} at {offset}"));
                self.took_hold(fault, true);
                self.world.flipped(id);
                disk.flip(&path, offset, self.rng.random_range(0..8));
            }
        }
        sleep(self.length).await;
        self.world.let_go(id).await;
    }
}

/// How much of the end of a running node's log stays whole: a bad last write looks like a torn one.
const WHOLE_END: u64 = 4_096;
/// Of what is before, in each so many bytes a bit is flipped.
const FLIP_EACH: u64 = 512;

/// The length of a file, and that of what is written in it: zeros follow.
fn extent(disk: &SimDisk, path: &Path) -> (u64, u64) {
    let contents = disk.open(path).and_then(|file| {
        let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(0)];
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    });
    let bytes = contents.unwrap_or_default();
    let written = bytes.iter().rposition(|byte| *byte != 0);
    (
        bytes.len() as u64,
        written.map_or(0, |last| last as u64 + 1),
    )
}

fn shown(links: &[(NodeId, NodeId)]) -> String {
    let mut text = String::new();
    for (from, to) in links {
        text.push_str(&format!("{from}→{to} "));
    }
    text.trim_end().to_owned()
}
