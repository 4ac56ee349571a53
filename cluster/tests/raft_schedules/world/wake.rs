//! One wake-up of a node: inputs go in, time is judged, effects come out and are carried out.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use telegraft_cluster::raft::{Effects, NodeId, Raft, ReadMode};
use telegraft_cluster::time::Time;

use super::{Event, Input, World, brief};
use crate::judge::{Verdict, rule};
use crate::plan::{MS, Nanos};

/// A core that asks this often in a row to be woken at once keeps its thread spinning.
const MAX_SPINS: u32 = 20;

impl World<'_> {
    pub(super) fn arrive(&mut self, id: NodeId, input: Input) {
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

    pub(super) fn wake_by(&mut self, id: NodeId, at: Nanos) {
        let now = self.now;
        let node = self.node(id);
        let at = at.max(node.stopped_until).max(now);
        if node.wake_at.is_none_or(|earlier| at < earlier) {
            node.wake_at = Some(at);
            let life = node.life;
            self.schedule(at, Event::Wake(id, life));
        }
    }

    pub(super) fn wake(&mut self, id: NodeId) -> Verdict {
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

    pub(super) fn sync(&mut self, id: NodeId) {
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
