//! Carries a schedule out, and looks whether what it does has an effect.

mod strike;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use telegraft_cluster::local::{LinkCounts, LinkFault, LocalCluster, LocalError};
use telegraft_cluster::raft::NodeId;
use tokio::time::{Instant, sleep};

use super::board::Board;
use super::fault::{Action, Whom};
use super::journal::Journal;
use super::lookout::{Lookout, leader, seconds_since};
use super::schedule::{Fault, Schedule, fits};
use super::tally::Tallies;
use super::targets::{Choice, Link};
use crate::bench::steer::Usage;
use crate::engine::Stop;
use crate::results::{EventRow, SCHEMA_VERSION};

/// How often it is looked whether a replica died by itself.
const LOOK: Duration = Duration::from_millis(200);
/// How long a fault that is aimed at the leader waits for one.
const FIND_LEADER: Duration = Duration::from_millis(1_500);
/// From a replica's end to its new start, at least: what the old process has answered is in the
/// history by then, before anything that the new one answers.
const LAST_ANSWERS: Duration = Duration::from_millis(300);
/// How much longer a fault goes on that is its kind's first and has had no effect yet; never
/// longer than the load.
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
    /// When it ends: no fault begins after it.
    pub(super) over: Instant,
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
    /// Faults that were not begun: nobody was there to be hit, or the load was over.
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
        let over = self.over;
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
        self.reached(over).await?;
        Ok(())
    }

    /// What comes next, and when. A fault that began late lasts as long as it should all the same,
    /// and the next one waits where it would be too much beside it.
    fn next(&self, schedule: &Schedule, begun: usize) -> Option<(Instant, Turn)> {
        let going = &self.state.going;
        let ends = going
            .iter()
            .map(|(nth, going)| (going.until, Turn::Ends(*nth)));
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

    /// Ends everything that goes on, and the rest when something cannot be ended.
    ///
    /// # Errors
    /// When it cannot be ended: the first that there was.
    pub(super) async fn heal(&mut self) -> Result<(), String> {
        let mut healed = Ok(());
        for nth in self.state.going.keys().copied().collect::<Vec<_>>() {
            healed = healed.and(self.end(nth).await);
        }
        healed = healed.and(self.look_after().await);
        healed.and(told("mend all links", self.cluster.clear_links()))?;
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
            self.board.starts(id);
            // Told before it is done: what the new process answers comes after it.
            self.told("start", id, "");
            told("start again", self.cluster.restart(id).await)?;
        }
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
        let tally = self.state.tallies.get(&fault.action.kind());
        Choice {
            all,
            up,
            leader,
            first: tally.is_none_or(|tally| tally.happened == 0),
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
