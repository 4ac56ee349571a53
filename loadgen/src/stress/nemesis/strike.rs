//! How a fault begins and ends, and how it is known that it had an effect.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::Ordering;

use telegraft_cluster::local::LinkFault;
use telegraft_cluster::raft::NodeId;
use tokio::time::{Instant, sleep};

use super::{DISK_FULL, EXTENSION, Going, LAST_ANSWERS, LOOK, Nemesis, told};
use crate::stress::fault::{Action, FaultKind};
use crate::stress::plan::FLOOD;
use crate::stress::schedule::Fault;
use crate::stress::targets::{Link, links_text, together};

impl Nemesis<'_> {
    pub(super) async fn begin(&mut self, nth: usize, fault: &Fault) -> Result<(), String> {
        let choice = self.choice(fault).await;
        let action = fault.action;
        if Instant::now() >= self.over {
            // Others went on for longer than they should. Without load it would show nothing.
            let at = fault.at;
            let note = format!("{action} at {at:?}: the load was over before it could begin");
            self.state.notes.push(note);
            return Ok(());
        }
        let kind = action.kind();
        let hit = match action {
            Action::Kill(whom)
            | Action::Pause(whom)
            | Action::Restart(whom)
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
            before: told("count", self.cluster.link_counts())?,
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
                    going.happened |= self.restart(*id).await?;
                }
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

    /// SIGTERM, and started again when it has ended. Whether it ended well: one that hangs for
    /// longer than the launcher gives it, which kills it then, is told like one that died.
    async fn restart(&mut self, id: NodeId) -> Result<bool, String> {
        let ended = self.cluster.terminate(id).await;
        let well = ended.is_ok();
        if let Err(error) = ended {
            self.told("kill", id, "it did not end well at SIGTERM");
            self.state.deaths.push(error.to_string());
        }
        sleep(LAST_ANSWERS).await;
        self.told("start", id, "");
        self.board.starts(id);
        told("start again", self.cluster.restart(id).await)?;
        Ok(well)
    }

    pub(super) async fn end(&mut self, nth: usize) -> Result<(), String> {
        let Some(going) = self.state.going.remove(&nth) else {
            return Ok(());
        };
        let kind = going.action.kind();
        // It is ended, whether or not it can be told what it did.
        let happened = match going.happened {
            true => Ok(true),
            false => self.had_effect(&going),
        };
        if happened == Ok(true) {
            self.state.tallies.entry(kind).or_default().happened += 1;
        }
        let end = kind.end_name();
        for id in &going.hit {
            // Only what this fault has done: another one may have hit the same replica since. (And
            // one that died by itself was started again.)
            match kind {
                FaultKind::Kill if self.state.down.remove(id) => {
                    // First told: before it nobody answers, and after it one who may know less.
                    self.told(end, *id, "");
                    self.board.starts(*id);
                    told("start again", self.cluster.restart(*id).await)?;
                }
                FaultKind::Pause if self.state.paused.remove(id) => {
                    told("let go on", self.cluster.resume(*id).await)?;
                    self.told(end, *id, "");
                }
                FaultKind::DiskFull if self.state.full.remove(id) => {
                    told("free the disk", self.cluster.free_disk(*id))?;
                    self.told(end, *id, "");
                }
                _ => {}
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
        happened.map(drop)
    }

    /// The first of its kind goes on until it has had an effect, but not for ever.
    pub(super) async fn wait_for_effect(&mut self, nth: usize) -> Result<(), String> {
        let until = (Instant::now() + EXTENSION).min(self.over);
        while let Some(going) = self.state.going.get(&nth) {
            let tally = self.state.tallies.get(&going.action.kind());
            let first = tally.is_none_or(|tally| tally.happened == 0);
            if !first || going.happened || self.had_effect(going)? || Instant::now() >= until {
                break;
            }
            if !self.reached(Instant::now() + LOOK).await? {
                break;
            }
        }
        Ok(())
    }

    /// What the links and the replicas themselves have counted and said since it began.
    ///
    /// # Errors
    /// The links do not tell.
    fn had_effect(&self, going: &Going) -> Result<bool, String> {
        let (now, before) = (told("count", self.cluster.link_counts())?, going.before);
        Ok(match going.action.kind() {
            FaultKind::Kill | FaultKind::Pause | FaultKind::Restart => going.happened,
            FaultKind::Partition => {
                // Only links of this fault are cut: there is one partition at a time.
                now.dropped_by_cuts > before.dropped_by_cuts || now.broken > before.broken
            }
            FaultKind::Delay => now.delayed > before.delayed,
            FaultKind::Throttle => now.throttled > before.throttled,
            FaultKind::Loss => now.lost > before.lost,
            FaultKind::Duplicate => now.duplicated > before.duplicated,
            FaultKind::Reorder => now.reordered > before.reordered,
            FaultKind::DiskFull => going.logs.iter().any(|(id, from)| {
                let log = fs::read(self.log(*id)).unwrap_or_default();
                let from = usize::try_from(*from).map_or(log.len(), |from| from.min(log.len()));
                String::from_utf8_lossy(&log[from..]).contains(DISK_FULL)
            }),
        })
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
}

/// Replicas for people: `1, 3`.
fn ids_text(ids: &[NodeId]) -> String {
    let texts: Vec<String> = ids.iter().map(NodeId::to_string).collect();
    format!("replica {}", texts.join(", "))
}
