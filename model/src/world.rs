//! All replicas, the network between them and what has happened: a state of the search, and the
//! ways on from it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use stateright::{Model, Property};
use telegraft_cluster::raft::{AppendResult, Body, NodeId, Role};

use crate::bounds::{MAX_NODES, MAX_WRITES, Used};
use crate::explorer::Explorer;
use crate::history::{Broken, History};
use crate::input::Input;
use crate::names::{MAX_NAMINGS, Prints, mix};
use crate::replica::{Outcome, Replica};
use crate::rules::Rule;
use crate::sights::Sight;
use crate::spent;
use crate::view::place;

/// The only property that the search knows; which rule is broken is in the state.
pub(crate) const SAFETY: &str = "safety";

/// One state of all.
#[derive(Clone, Debug)]
pub struct World {
    /// The replicas' numbers, in the order of their ids.
    pub(crate) replicas: [u32; MAX_NODES],
    /// The numbers of the letters that may arrive, in order.
    pub(crate) network: Arc<[u32]>,
    /// The sums of their prints.
    pub(crate) network_prints: Prints,
    history: History,
    pub(crate) used: Used,
    pub(crate) broken: Option<Rule>,
    /// The same for worlds that differ only in who is who.
    pub(crate) print: u64,
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.print);
    }
}

/// A step of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Something happens to a replica, beside messages: its place, and what.
    Happen(u8, Input),
    /// A letter arrives; without a bound on duplicates it may do so again.
    Deliver(u32),
    /// A letter arrives, and its duplicate stays on the way.
    Duplicate(u32),
    /// A letter is lost, and its sender is told.
    Lose(u32),
}

impl Explorer {
    /// The state after an action, and how a rule was broken by it. None when it leads nowhere
    /// new, or beyond the bounds.
    pub(crate) fn advance(&self, world: &World, action: Action) -> Option<(World, Option<String>)> {
        let mut used = world.used;
        let mut removed = None;
        let (at, input) = match action {
            Action::Happen(at, input) => (usize::from(at), input),
            Action::Deliver(letter) => {
                removed = self.bounds.duplicates.map(|_| letter);
                (place(self.letters.get(letter).to), Input::Deliver(letter))
            }
            Action::Duplicate(letter) => {
                used.duplicates += 1;
                (place(self.letters.get(letter).to), Input::Deliver(letter))
            }
            Action::Lose(letter) => {
                used.losses += 1;
                removed = self.bounds.duplicates.map(|_| letter);
                let letter = self.letters.get(letter);
                let to = u8::try_from(letter.to).expect("ids are small");
                (place(letter.from), Input::LoseTo(to))
            }
        };
        match input {
            Input::Propose(_) => used.commands += 1,
            Input::Crash { .. } => used.crashes += 1,
            Input::Beat => used.heartbeats += 1,
            Input::Read(_) => used.reads += 1,
            Input::HandOver(_) => used.transfers += 1,
            _ => {}
        }
        let before = world.replicas[at];
        let (next, sent, answered, sights) = match self.outcome(before, input) {
            Outcome::Went {
                next,
                sent,
                answered,
                sights,
            } => (*next, sent, answered, sights),
            Outcome::Broke { rule, text } => return Some(self.end(world, *rule, text.clone())),
        };
        let view = self.view(next);
        if view.term > self.last_term() {
            return None;
        }
        if view.writes > MAX_WRITES {
            self.cut.store(true, Ordering::Relaxed);
            return None;
        }
        let answers = answered.iter().any(|(_, index)| index.is_some());
        if next == before && sent.is_empty() && !answers && removed.is_none() {
            return None;
        }
        let mut after = world.clone();
        after.used = used;
        after.replicas[at] = next;
        let network_grew = self.carry(&mut after, sent, removed, next != before);
        if next == before && !network_grew && !answers && removed.is_none() {
            return None;
        }
        sights.iter().for_each(|sight| self.see(*sight));
        self.see_step(world, &after, action);
        match self.judge(&mut after, at, before, input, answered) {
            Ok(()) => {
                self.seal(&mut after);
                Some((after, None))
            }
            Err((rule, text)) => Some(self.end(&after, rule, text)),
        }
    }

    /// Takes note of what kind of step was taken.
    fn see_step(&self, before: &World, after: &World, action: Action) {
        let sight = match action {
            Action::Deliver(letter) | Action::Duplicate(letter) => {
                if after.network.binary_search(&letter).is_ok() {
                    self.see(Sight::StaysOnItsWay);
                }
                self.see_arrival(before, letter);
                Sight::Arrived
            }
            Action::Lose(_) => Sight::LossTold,
            Action::Happen(at, input) => match input {
                Input::Complete => Sight::Durable,
                Input::LosePatience => Sight::Campaigned,
                Input::BeDeserted => Sight::Deserted,
                Input::Beat => Sight::Beat,
                Input::Propose(_) => Sight::Proposed,
                Input::Crash { .. } => {
                    if self.view(before.replicas[usize::from(at)]).leads() {
                        self.see(Sight::LeaderCrashed);
                    }
                    Sight::Crashed
                }
                Input::Learn(_) => Sight::Learned,
                Input::Read(_) => Sight::ReadAsked,
                Input::HandOver(_) => Sight::HandOverAsked,
                Input::Deliver(_) | Input::LoseTo(_) => unreachable!("actions of their own"),
            },
        };
        self.see(sight);
    }

    fn see_arrival(&self, before: &World, letter: u32) {
        let letter = self.letters.get(letter);
        let receiver = &self.replica(before, place(letter.to)).view;
        let same_term = u64::from(receiver.term) == letter.message.term;
        match &letter.message.body {
            // What has matched was brought by a message of this leader that it sent later.
            Body::AppendEntries {
                prev_index,
                entries,
                ..
            } => {
                let end = prev_index + entries.len() as u64;
                let is_older = |(leader, matched, _)| leader == letter.from && matched > end;
                if same_term && receiver.followed.is_some_and(is_older) {
                    self.see(Sight::Overtaken);
                }
            }
            Body::AppendReply {
                result: AppendResult::Conflict { prev_index, .. },
                ..
            } if same_term && *prev_index > 0 => self.see(Sight::Refused),
            Body::TimeoutNow if same_term && receiver.role == Role::Follower => {
                self.see(Sight::HandedOver);
            }
            _ => {}
        }
    }

    fn judge(
        &self,
        after: &mut World,
        at: usize,
        before: u32,
        input: Input,
        answered: &[(u8, Option<u8>)],
    ) -> Result<(), Broken> {
        if let Input::Read(read) = input {
            after.history.ask(read);
        }
        let views = after.replicas.map(|replica| self.view(replica));
        let views = &views[..self.bounds.nodes];
        let see = |sight| self.see(sight);
        after.history.judge(self.view(before), at, views, see)?;
        let mut answered = answered.iter();
        answered.try_for_each(|(read, index)| after.history.answer(*read, *index))
    }

    /// The end of a path: a rule is broken.
    fn end(&self, world: &World, rule: Rule, text: String) -> (World, Option<String>) {
        let mut world = world.clone();
        world.broken = Some(rule);
        world.print = mix(world.print ^ (1 + rule as u64));
        (world, Some(text))
    }

    /// Puts letters on their way and takes one out, and those that can do nothing any more.
    /// Whether there are more than before.
    fn carry(&self, world: &mut World, sent: &[u32], removed: Option<u32>, prune: bool) -> bool {
        let mut network = None;
        let mut grew = false;
        for letter in sent {
            let now: &[u32] = network.as_deref().unwrap_or(&world.network);
            let Err(_) = now.binary_search(letter) else {
                continue;
            };
            if spent::is_spent(self, world, *letter) {
                continue;
            }
            let network = network.get_or_insert_with(|| world.network.to_vec());
            let at = network.partition_point(|other| other < letter);
            network.insert(at, *letter);
            grew = true;
        }
        if prune || removed.is_some() {
            let mut kept = network.take().unwrap_or_else(|| world.network.to_vec());
            // What was sent again by the step that took it in stays.
            let removed = removed.filter(|letter| !sent.contains(letter));
            kept.retain(|letter| {
                Some(*letter) != removed && !spent::is_spent(self, world, *letter)
            });
            network = Some(kept);
        }
        if let Some(network) = network {
            world.network_prints = [0; MAX_NAMINGS];
            for letter in &network {
                let prints = &self.letters.get(*letter).prints;
                for (sum, print) in world.network_prints.iter_mut().zip(prints) {
                    *sum = sum.wrapping_add(*print);
                }
            }
            world.network = network.into();
        }
        grew
    }

    /// Sets the print.
    fn seal(&self, world: &mut World) {
        let replicas = world
            .replicas
            .map(|replica| &self.replicas.get(replica).prints);
        world.print = self.print(world, replicas, &world.network_prints);
    }

    /// A world's print with these replicas, and these letters on their way: the least over all ways
    /// to name the replicas.
    pub(crate) fn print(
        &self,
        world: &World,
        replicas: [&Prints; MAX_NODES],
        network: &Prints,
    ) -> u64 {
        let nodes = self.bounds.nodes;
        let least = (0..self.namings.len())
            .map(|naming| {
                let mut sum = mix(network[naming]);
                for replica in &replicas[..nodes] {
                    sum = sum.wrapping_add(replica[naming]);
                }
                for (term, leader) in world.history.leaders() {
                    let name = self.namings.name(naming, leader);
                    sum = sum.wrapping_add(mix((term as u64) << 8 | name));
                }
                mix(sum)
            })
            .min();
        let least = least.expect("there is a naming");
        mix(least ^ mix(world.history.print() ^ mix(world.used.print())))
    }
}

impl Model for Explorer {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut replicas = [0; MAX_NODES];
        for (id, number) in (1..=self.bounds.nodes as NodeId).zip(&mut replicas) {
            let replica = Replica::fresh(id, &self.bounds, &self.namings);
            let identity = replica.identity(&self.bounds);
            *number = self.replicas.number_of(identity, || replica);
        }
        let mut world = World {
            replicas,
            network: Arc::from([]),
            network_prints: [0; MAX_NAMINGS],
            history: History::new(),
            used: Used::default(),
            broken: None,
            print: 0,
        };
        self.seal(&mut world);
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_some() || self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let (bounds, used) = (&self.bounds, &world.used);
        let nodes = u8::try_from(bounds.nodes).expect("bounds are small");
        for at in 0..nodes {
            let view = self.view(world.replicas[usize::from(at)]);
            let mut push = |input| actions.push(Action::Happen(at, input));
            if used.crashes < bounds.crashes {
                for survive in 0..=view.writes {
                    let crash = used.crashes + 1;
                    push(Input::Crash { survive, crash });
                }
            }
            let may_wait_long = view.term < self.last_term();
            if view.leads() {
                if may_wait_long && nodes > 1 {
                    push(Input::BeDeserted);
                }
                if used.heartbeats < bounds.heartbeats {
                    push(Input::Beat);
                }
                if used.commands < bounds.commands {
                    push(Input::Propose(used.commands));
                }
                if used.transfers < bounds.transfers {
                    let others = (1..=nodes).filter(|id| *id != at + 1);
                    others.for_each(|other| push(Input::HandOver(other)));
                }
            } else if may_wait_long {
                push(Input::LosePatience);
            }
            if !bounds.every_message {
                // Somebody who has a later term may have refused it anything.
                let all = &world.replicas[..usize::from(nodes)];
                let terms = all.iter().map(|other| self.view(*other).durable_term);
                let mut later: Vec<u8> = terms.filter(|term| *term > view.term).collect();
                later.sort_unstable();
                later.dedup();
                later.into_iter().for_each(|term| push(Input::Learn(term)));
            }
            let may_read = matches!(view.role, Role::Leader | Role::Follower);
            if may_read && used.reads < bounds.reads {
                push(Input::Read(used.reads));
            }
            if view.writes > 0 {
                push(Input::Complete);
            }
        }
        let may_duplicate = bounds.duplicates.is_some_and(|most| used.duplicates < most);
        for letter in world.network.iter().copied() {
            if used.losses < bounds.losses {
                actions.push(Action::Lose(letter));
            }
            if may_duplicate {
                actions.push(Action::Duplicate(letter));
            }
            actions.push(Action::Deliver(letter));
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        self.advance(world, action).map(|(next, _)| next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(SAFETY, |_, world: &World| {
            world.broken.is_none()
        })]
    }
}
