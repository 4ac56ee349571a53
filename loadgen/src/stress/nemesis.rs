//! Carries a schedule out, and looks whether what it does has an effect.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use telegraft_cluster::local::{LinkCounts, LinkFault, LocalCluster, LocalError};
use telegraft_cluster::raft::NodeId;
use tokio::time::{Instant, sleep, timeout};

use super::board::Board;
use super::fault::{Action, FaultKind, Whom};
use super::journal::Journal;
use super::lookout::{Lookout, leader, seconds_since};
use super::plan::FLOOD;
use super::schedule::{Fault, Schedule, fits};
use super::tally::Tallies;
use super::targets::{Choice, Link, links_text, together};
use crate::bench::steer::Usage;
use crate::engine::Stop;
use crate::results::{EventRow, SCHEMA_VERSION};

/// How often it is looked whether a replica died by itself.
const LOOK: Duration = Duration::from_millis(200);
/// How long a fault that is aimed at the leader waits for one.
const FIND_LEADER: Duration = Duration::from_millis(1_500);
/// How long a replica has to stop after SIGTERM; then it is killed, so that the other faults
/// keep their times.
const STOP: Duration = Duration::from_secs(3);
/// From a replica's end to its new start, at least: what the old process has answered is in the
/// history by then, before anything that the new one answers.
const LAST_ANSWERS: Duration = Duration::from_millis(300);
/// How much longer a fault goes on that is its kind's first and has had no effect yet.
const EXTENSION: Duration = Duration::from_secs(6);
/// Replicas that die by themselves, until the run is given up: one that cannot start dies for ever.
const MAX_DEATHS: usize = 10;
/// What a replica says when its disk is full.
const DISK_FULL: &str = "the log's disk is full";

/// What it has done to the cluster.
pub(super) struct Nemesis<'a> {
    pub(super) cluster: &'a mut LocalCluster,
    pub(super) lookout: Lookout,
    pub(super) journal: Arc<Journal>,
    pub(super) board: Arc<Board>,
    pub(super) stop: Stop,
    pub(super) run_id: String,
    /// When the load began.
    pub(super) from: Instant,
    /// Where the replicas' own logs are.
    pub(super) logs: PathBuf,
    pub(super) state: State,
}

/// The same, as it stands.
#[derive(Debug, Default)]
pub(super) struct State {
    going: BTreeMap<usize, Going>,
    down: BTreeSet<NodeId>,
    paused: BTreeSet<NodeId>,
    full: BTreeSet<NodeId>,
    /// Links that are not as they should be.
    links: BTreeMap<Link, LinkFault>,
    /// Processor time of the cluster's processes.
    pub(super) usage: Usage,
    /// What was done, and what had an effect.
    pub(super) tallies: Tallies,
    /// What was done, in order.
    pub(super) events: Vec<EventRow>,
    /// Replicas that ended though nobody ended them, with their last words.
    pub(super) deaths: Vec<String>,
    /// Faults that nobody could be found for.
    pub(super) notes: Vec<String>,
}

/// A fault that goes on.
#[derive(Debug)]
struct Going {
    action: Action,
    /// When it is to end.
    until: Instant,
    hit: Vec<NodeId>,
    links: BTreeMap<Link, LinkFault>,
    before: LinkCounts,
    /// How long the replicas' own logs were.
    logs: BTreeMap<NodeId, u64>,
    happened: bool,
}

/// The beginning or the end of a fault, by its place in the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Ends(usize),
    Begins(usize),
}

impl Nemesis<'_> {
    /// Carries the schedule out, and looks after the replicas until the load is over.
    ///
    /// # Errors
    /// When a fault cannot be carried out.
    pub(super) async fn carry_out(&mut self, schedule: &Schedule) -> Result<(), String> {
        for fault in &schedule.faults {
            let kind = fault.action.kind();
            self.state.tallies.entry(kind).or_default().scheduled += 1;
        }
        let over = self.from + schedule.duration;
        let mut begun = 0;
        while let Some((moment, turn)) = self.next(schedule, begun) {
            if !self.reached(moment.min(over)).await? {
                return Ok(());
            }
            match turn {
                Turn::Begins(nth) => {
                    begun += 1;
                    self.begin(nth, &schedule.faults[nth]).await?;
                }
                Turn::Ends(nth) => {
                    self.wait_for_effect(nth).await?;
                    self.end(nth).await?;
                }
            }
        }
        self.reached(self.from + schedule.duration).await?;
        Ok(())
    }

    /// What comes next, and when. A fault that began late lasts as long as it should all the same,
    /// and the next one waits where it would be too much beside it.
    fn next(&self, schedule: &Schedule, begun: usize) -> Option<(Instant, Turn)> {
        let going = &self.state.going;
        let ends = going.iter().map(|(nth, going)| (going.until, Turn::Ends(*nth)));
        let ends = ends.min();
        let begins = schedule.faults.get(begun).map(|fault| {
            let moment = self.from + fault.at;
            (moment, Turn::Begins(begun), fault.action)
        });
        let Some((moment, turn, action)) = begins else {
            return ends;
        };
        let beside = going.values().map(|going| &going.action);
        let fits = fits(beside, &action, self.cluster.replicas().len());
        match ends {
            Some(end) if !fits || end.0 <= moment => Some(end),
            _ => Some((moment, turn)),
        }
    }

    /// Ends everything that goes on.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub(super) async fn heal(&mut self) -> Result<(), String> {
        for nth in self.state.going.keys().copied().collect::<Vec<_>>() {
            self.end(nth).await?;
        }
        self.look_after().await?;
        told("mend all links", self.cluster.clear_links())?;
        self.journal.nemesis("heal", None, "everything is healed");
        Ok(())
    }

    /// Waits for `moment`; false when the run is stopped before.
    async fn reached(&mut self, moment: Instant) -> Result<bool, String> {
        loop {
            self.look_after().await?;
            if self.stop.is_stopped() {
                return Ok(false);
            }
            let now = Instant::now();
            if now >= moment {
                return Ok(true);
            }
            tokio::select! {
                () = sleep((moment - now).min(LOOK)) => {}
                () = self.stop.stopped() => {}
            }
        }
    }

    /// A replica that ended by itself is a failure, and is started again so that the run can
    /// tell more.
    async fn look_after(&mut self) -> Result<(), String> {
        self.state.usage.look(self.cluster);
        for (id, words) in self.cluster.ended() {
            self.journal.nemesis("died", Some(id), "by itself");
            self.event("died", id, "by itself");
            self.state.deaths.push(words);
            if self.state.deaths.len() >= MAX_DEATHS {
                return Err(format!("replicas died {MAX_DEATHS} times by themselves"));
            }
            self.state.paused.remove(&id);
            told("start again", self.cluster.restart(id).await)?;
            self.journal.nemesis("start", Some(id), "");
            self.event("start", id, "");
        }
        Ok(())
    }

    async fn begin(&mut self, nth: usize, fault: &Fault) -> Result<(), String> {
        let choice = self.choice(fault).await;
        let action = fault.action;
        let kind = action.kind();
        let hit = match action {
            Action::Kill(whom) | Action::Pause(whom) | Action::Restart(whom)
            | Action::DiskFull(whom) => choice.replicas(whom),
            _ => Vec::new(),
        };
        let links = choice.links(&action);
        if hit.is_empty() && links.is_empty() {
            let at = fault.at;
            let note = format!("{action} at {at:?}: no replica runs that it could hit");
            self.state.notes.push(note);
            return Ok(());
        }
        let whom = match kind.is_of_links() {
            true => links_text(links.keys()),
            false => ids_text(&hit),
        };
        let led = match choice.leader {
            Some(id) => format!("{id} leads"),
            None => "nobody is known to lead".to_owned(),
        };
        let detail = format!("{action}: {whom} ({led})");
        self.board.begins(nth, &format!("{action} ({whom})"));
        let logs = hit.iter().map(|id| (*id, self.log_bytes(*id))).collect();
        let mut going = Going {
            action,
            until: Instant::now() + fault.lasts,
            hit,
            links,
            before: self.cluster.link_counts(),
            logs,
            happened: false,
        };
        // Told before it is done: what it causes comes after it in the history.
        match going.hit.as_slice() {
            [] => self.told(kind.name(), 0, &detail),
            hit => {
                for id in hit {
                    self.told(kind.name(), *id, &detail);
                }
            }
        }
        match action {
            Action::Kill(_) => {
                for id in &going.hit {
                    told("kill", self.cluster.kill(*id).await)?;
                    self.state.down.insert(*id);
                }
                going.happened = true;
            }
            Action::Pause(_) => {
                for id in &going.hit {
                    told("stop", self.cluster.pause(*id).await)?;
                    self.state.paused.insert(*id);
                }
                going.happened = true;
            }
            Action::Restart(_) => {
                for id in &going.hit {
                    self.restart(*id).await?;
                }
                going.happened = true;
            }
            Action::DiskFull(_) => {
                for id in &going.hit {
                    told("fill the disk", self.cluster.fill_disk(*id))?;
                    self.state.full.insert(*id);
                }
                self.board.flood.store(FLOOD, Ordering::Relaxed);
            }
            _ => {}
        }
        self.state.tallies.entry(kind).or_default().done += 1;
        self.state.going.insert(nth, going);
        self.set_links()
    }

    /// SIGTERM, and started again when it has ended.
    async fn restart(&mut self, id: NodeId) -> Result<(), String> {
        match timeout(STOP, self.cluster.terminate(id)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.state.deaths.push(error.to_string()),
            // It was killed when its end was not waited for any longer.
            Err(_) => self.told("kill", id, "it did not stop in time"),
        }
        sleep(LAST_ANSWERS).await;
        self.told("start", id, "");
        told("start again", self.cluster.restart(id).await)
    }

    async fn end(&mut self, nth: usize) -> Result<(), String> {
        let Some(going) = self.state.going.remove(&nth) else {
            return Ok(());
        };
        let kind = going.action.kind();
        if going.happened || self.had_effect(&going) {
            self.state.tallies.entry(kind).or_default().happened += 1;
        }
        let end = kind.end_name();
        for id in &going.hit {
            if self.state.down.remove(id) {
                // First told: before it nobody answers, and after it one who may know less.
                self.told(end, *id, "");
                told("start again", self.cluster.restart(*id).await)?;
            }
            // One that died meanwhile was started again.
            if self.state.paused.remove(id) {
                told("let go on", self.cluster.resume(*id).await)?;
                self.told(end, *id, "");
            }
            if self.state.full.remove(id) {
                told("free the disk", self.cluster.free_disk(*id))?;
                self.told(end, *id, "");
            }
        }
        if self.state.full.is_empty() {
            self.board.flood.store(0, Ordering::Relaxed);
        }
        self.set_links()?;
        if kind.is_of_links() {
            self.told(end, 0, &going.action.to_string());
        }
        self.board.ends(nth);
        Ok(())
    }

    /// The first of its kind goes on until it has had an effect, but not for ever.
    async fn wait_for_effect(&mut self, nth: usize) -> Result<(), String> {
        let until = Instant::now() + EXTENSION;
        while let Some(going) = self.state.going.get(&nth) {
            let tally = self.state.tallies.get(&going.action.kind());
            let first = tally.is_none_or(|tally| tally.happened == 0);
            if !first || going.happened || self.had_effect(going) || Instant::now() >= until {
                break;
            }
            if !self.reached(Instant::now() + LOOK).await? {
                break;
            }
        }
        Ok(())
    }

    /// What the links and the replicas themselves have counted and said since it began.
    fn had_effect(&self, going: &Going) -> bool {
        let (now, before) = (self.cluster.link_counts(), going.before);
        match going.action.kind() {
            FaultKind::Kill | FaultKind::Pause | FaultKind::Restart => going.happened,
            FaultKind::Partition => {
                // In namespaces nobody counts; that the rules were set is all that is known.
                now == LinkCounts::default()
                    || now.dropped_by_cuts > before.dropped_by_cuts
                    || now.broken > before.broken
            }
            FaultKind::Delay | FaultKind::Throttle => now.delayed > before.delayed,
            FaultKind::Loss => now.lost > before.lost,
            FaultKind::Duplicate => now.duplicated > before.duplicated,
            FaultKind::Reorder => now.reordered > before.reordered,
            FaultKind::DiskFull => going.logs.iter().any(|(id, from)| {
                let log = fs::read(self.log(*id)).unwrap_or_default();
                let from = usize::try_from(*from).map_or(log.len(), |from| from.min(log.len()));
                String::from_utf8_lossy(&log[from..]).contains(DISK_FULL)
            }),
        }
    }

    /// Makes every link what the faults that go on make of it.
    fn set_links(&mut self) -> Result<(), String> {
        let mut wanted: BTreeMap<Link, LinkFault> = BTreeMap::new();
        for going in self.state.going.values() {
            for (link, fault) in &going.links {
                let set = wanted.entry(*link).or_default();
                *set = together(*set, *fault);
            }
        }
        for link in self.state.links.keys() {
            wanted.entry(*link).or_default();
        }
        for (link, fault) in &wanted {
            let is = self.state.links.get(link).copied().unwrap_or_default();
            if is != *fault {
                told("set a link", self.cluster.set_link(link.0, link.1, *fault))?;
            }
        }
        wanted.retain(|_, fault| *fault != LinkFault::default());
        self.state.links = wanted;
        Ok(())
    }

    /// What there is to choose from. A fault that is aimed at the leader waits for one, a little.
    async fn choice(&self, fault: &Fault) -> Choice {
        let all: Vec<NodeId> = self.cluster.replicas().iter().map(|r| r.id).collect();
        let (down, paused) = (&self.state.down, &self.state.paused);
        let runs = |id: &NodeId| !down.contains(id) && !paused.contains(id);
        let up: Vec<NodeId> = all.iter().copied().filter(runs).collect();
        let everyone = matches!(
            fault.action,
            Action::Kill(Whom::All) | Action::Pause(Whom::All) | Action::DiskFull(Whom::All)
        );
        let until = Instant::now() + FIND_LEADER;
        let leader = loop {
            let found = leader(&self.lookout.look().await).map(|(id, _)| id);
            if found.is_some() || everyone || up.is_empty() || Instant::now() >= until {
                break found;
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = self.stop.stopped() => break None,
            }
        };
        Choice {
            all,
            up,
            leader,
            draw: fault.draw,
        }
    }

    fn log(&self, id: NodeId) -> PathBuf {
        self.logs.join(format!("node-{id}.log"))
    }

    fn log_bytes(&self, id: NodeId) -> u64 {
        fs::metadata(self.log(id)).map_or(0, |log| log.len())
    }

    /// Writes into the history and among the events what is done to a replica, or (0) to links.
    fn told(&mut self, what: &str, id: NodeId, detail: &str) {
        self.journal.nemesis(what, (id > 0).then_some(id), detail);
        self.event(what, id, detail);
    }

    fn event(&mut self, what: &str, id: NodeId, detail: &str) {
        self.state.events.push(EventRow {
            schema_version: SCHEMA_VERSION,
            run_id: self.run_id.clone(),
            at_s: seconds_since(self.from),
            event: what.to_owned(),
            replica: id,
            detail: detail.to_owned(),
        });
    }
}

fn told<T>(what: &str, done: Result<T, LocalError>) -> Result<T, String> {
    done.map_err(|error| format!("cannot {what}: {error}"))
}

/// Replicas for people: `1, 3`.
fn ids_text(ids: &[NodeId]) -> String {
    let texts: Vec<String> = ids.iter().map(NodeId::to_string).collect();
    format!("replica {}", texts.join(", "))
}
