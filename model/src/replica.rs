//! One replica at one moment: the real core with a disk, and what any input makes of it.

use std::any::Any;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::{self, AssertUnwindSafe};
use std::sync::RwLock;
use std::time::Duration;

use bytes::Bytes;
use telegraft_cluster::raft::{
    Body, Completion, Config, Configuration, Envelope, Fingerprint, Message, NodeId, Raft,
    ReadContext, ReadMode, Restored, Role, Status,
};
use telegraft_cluster::time::Time;

use crate::bounds::Bounds;
use crate::disk::Disk;
use crate::input::{CodeHasher, Input};
use crate::letter::{Letter, forget_round, is_explored};
use crate::names::{Namings, Prints, identity};
use crate::rules::Rule;
use crate::sights::Sight;
use crate::verdict;
use crate::view::{View, small};

/// So much longer than a heartbeat interval that no number of heartbeats comes near it.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(3600);
const HEARTBEAT_INTERVAL: Duration = Duration::from_micros(1);
/// With reads there are no heartbeats, and no question is asked again.
const NEVER: Duration = Duration::from_secs(1_000_000 * 3600);
/// After this long, every promise and every patience has run out.
const LONG: Duration = Duration::from_secs(10 * 3600);
/// More than all logs and messages here.
const ROOM_BYTES: usize = 1 << 20;
/// More than an exploration can bring.
const ROOM: usize = 64;

/// What came of an input.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The replica as it is now, and what left it.
    Went {
        /// Its number.
        next: u32,
        /// The letters that it sent, by their numbers.
        sent: Box<[u32]>,
        /// Reads that were answered with an index, or refused.
        answered: Box<[(u8, Option<u8>)]>,
        sights: Box<[Sight]>,
    },
    /// A rule was broken, as the text says.
    Broke { rule: Rule, text: String },
}

/// What left a replica in a step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) replica: Replica,
    pub(crate) sent: Vec<Envelope>,
    pub(crate) answered: Vec<(u8, Option<u8>)>,
    pub(crate) sights: Vec<Sight>,
}

/// A replica at one moment.
#[derive(Debug)]
pub(crate) struct Replica {
    core: Raft,
    /// It stands still, unless time passes by an input. No state is told apart by it.
    clock: Time,
    disk: Disk,
    pub(crate) view: View,
    pub(crate) prints: Prints,
    /// What is known to come of inputs: the outcomes' numbers.
    outcomes: RwLock<HashMap<u32, u32, BuildHasherDefault<CodeHasher>>>,
}

impl Replica {
    /// A replica that has never run before.
    pub(crate) fn fresh(id: NodeId, bounds: &Bounds, namings: &Namings) -> Self {
        let disk = Disk::default();
        let core = Raft::new(
            config(id, bounds),
            restored(&disk, bounds, false),
            0,
            Time::ZERO,
        );
        Replica::new(core, Time::ZERO, disk, bounds, namings)
    }

    fn new(core: Raft, clock: Time, disk: Disk, bounds: &Bounds, namings: &Namings) -> Self {
        let view = View::new(&core, &disk);
        let mut replica = Replica {
            core,
            clock,
            disk,
            view,
            prints: [0; _],
            outcomes: RwLock::default(),
        };
        replica.prints = namings.prints(|hasher, name| replica.fingerprint(bounds, hasher, name));
        replica
    }

    fn fingerprint(
        &self,
        bounds: &Bounds,
        hasher: &mut dyn Hasher,
        name: &dyn Fn(NodeId) -> NodeId,
    ) {
        self.fingerprint_with(bounds, hasher, name, &|message| {
            is_explored(message, bounds)
        });
    }

    /// With those of the messages that are held back that matter.
    fn fingerprint_with(
        &self,
        bounds: &Bounds,
        hasher: &mut dyn Hasher,
        name: &dyn Fn(NodeId) -> NodeId,
        matters: &dyn Fn(&Message) -> bool,
    ) {
        let mut out = Fingerprint {
            hasher,
            name,
            reads: bounds.reads > 0,
            matters,
        };
        self.core.fingerprint(self.clock, &mut out);
        self.disk.fingerprint(&mut out);
    }

    /// Its prints, had it lost all messages that are held back.
    #[cfg(test)]
    pub(crate) fn prints_without_held(&self, bounds: &Bounds, namings: &Namings) -> Prints {
        namings.prints(|hasher, name| self.fingerprint_with(bounds, hasher, name, &|_| false))
    }

    /// What tells it from all other replicas and moments.
    pub(crate) fn identity(&self, bounds: &Bounds) -> u128 {
        identity(|hasher, name| self.fingerprint(bounds, hasher, name))
    }

    /// The number of the outcome of an input; `find` finds it the first time.
    pub(crate) fn outcome(&self, input: Input, find: impl FnOnce() -> u32) -> u32 {
        let code = input.code();
        let known = self.outcomes.read().expect("nobody panics here");
        if let Some(outcome) = known.get(&code) {
            return *outcome;
        }
        drop(known);
        let outcome = find();
        let mut known = self.outcomes.write().expect("nobody panics here");
        known.insert(code, outcome);
        outcome
    }

    /// What comes of an input; a panic of the core is an assertion of its that does not hold.
    pub(crate) fn step(
        &self,
        input: Input,
        letter: Option<&Letter>,
        bounds: &Bounds,
        namings: &Namings,
    ) -> Result<Step, (Rule, String)> {
        let run = || self.try_step(input, letter, bounds, namings);
        panic::catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|panic| Err((Rule::Assertions, text_of(&*panic))))
    }

    fn try_step(
        &self,
        input: Input,
        letter: Option<&Letter>,
        bounds: &Bounds,
        namings: &Namings,
    ) -> Result<Step, (Rule, String)> {
        let mut core = self.core.fork(0);
        let mut disk = self.disk.clone();
        let mut clock = self.clock;
        let mut sights = Vec::new();
        match input {
            Input::Deliver(_) => {
                let letter = letter.expect("a message comes with its letter");
                // Who would refuse, having promised it, may as well not have got the message: so
                // promises are over. A leader's refusal does not hang on time.
                let asks = matches!(letter.message.body, Body::RequestVote { .. });
                if asks && !self.view.leads() {
                    clock = clock + LONG;
                }
                core.step(clock, letter.from, letter.message.clone());
            }
            Input::Complete => {
                let completed = disk.complete().expect("a write is open");
                if !completed.vote_kept {
                    let text = format!("durable is now {:?}", disk.hard_state);
                    return Err((Rule::OneVote, text));
                }
                let completion = Completion {
                    entries_through: completed.batch,
                    hard_state_through: completed.batch,
                    last: disk.last(),
                };
                core.log_completed(clock, completion);
            }
            Input::LosePatience | Input::BeDeserted => {
                clock = clock + LONG;
                core.handle_timeout(clock);
                if !bounds.every_message {
                    grant_pre_votes(&mut core, clock, bounds);
                }
            }
            Input::Learn(term) => {
                let refusal = Message {
                    term: term.into(),
                    body: Body::Vote {
                        pre_vote: false,
                        granted: false,
                    },
                };
                // Whoever it is from: its term alone counts.
                let from = if core.status().id == 1 { 2 } else { 1 };
                core.step(clock, from, refusal);
            }
            Input::Beat => {
                clock = clock + HEARTBEAT_INTERVAL;
                core.handle_timeout(clock);
            }
            // A refusal leaves all as it was.
            Input::Propose(command) => {
                let _ = core.propose(clock, Bytes::copy_from_slice(&[command]));
            }
            Input::Crash { survive, crash } => {
                if survive > 0 {
                    sights.push(Sight::WritesSurvived);
                }
                for _ in 0..survive {
                    if disk.complete().is_some_and(|done| !done.vote_kept) {
                        let text = format!("durable is now {:?}", disk.hard_state);
                        return Err((Rule::OneVote, text));
                    }
                }
                if !disk.writes.is_empty() {
                    sights.push(Sight::WritesLost);
                    disk.writes.clear();
                }
                // Questions of different runs have different names, as a real seed makes sure.
                let seed = if bounds.reads > 0 { crash.into() } else { 0 };
                let restored = restored(&disk, bounds, true);
                core = Raft::new(config(core.status().id, bounds), restored, seed, clock);
            }
            Input::Read(read) => {
                core.read(clock, ReadContext(read.into()), ReadMode::Linearizable);
            }
            Input::HandOver(to) => {
                let _ = core.transfer_leadership(clock, to.into());
            }
            Input::LoseTo(peer) => core.peer_unreachable(clock, peer.into()),
        }
        let effects = core.take_effects(clock);
        disk.writes.extend(effects.append);
        let replica = Replica::new(core, clock, disk, bounds, namings);
        let mut sent = effects.messages;
        sent.retain(|envelope| is_explored(&envelope.message, bounds));
        if bounds.reads == 0 {
            // Letters that differ in rounds are one. Round 0 has always begun, and says nothing.
            sent.iter_mut()
                .for_each(|envelope| forget_round(&mut envelope.message));
        }
        let step = Step {
            replica,
            sent,
            answered: effects
                .reads
                .iter()
                .map(|(read, index)| (small(read.0), index.ok().map(small)))
                .collect(),
            sights,
        };
        let restarted = matches!(input, Input::Crash { .. });
        verdict::of_step(self, step, effects.committed.as_ref(), restarted)
    }

    pub(crate) fn id(&self) -> NodeId {
        self.core.status().id
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }
}

/// Everybody asked would vote for it.
fn grant_pre_votes(core: &mut Raft, now: Time, bounds: &Bounds) {
    let Status { id, term, .. } = core.status();
    for from in (1..=bounds.nodes as NodeId).filter(|from| *from != id) {
        if core.status().role != Role::PreCandidate {
            break;
        }
        let body = Body::Vote {
            pre_vote: true,
            granted: true,
        };
        let term = term + 1;
        core.step(now, from, Message { term, body });
    }
}

fn config(id: NodeId, bounds: &Bounds) -> Config {
    Config {
        id,
        election_timeout: ELECTION_TIMEOUT,
        heartbeat_interval: if bounds.reads > 0 {
            NEVER
        } else {
            HEARTBEAT_INTERVAL
        },
        max_append_bytes: if bounds.single_entries { 1 } else { ROOM_BYTES },
        max_inflight_appends: ROOM,
        max_open_bytes: ROOM_BYTES,
        tail_bytes: ROOM_BYTES,
        max_pending_reads: ROOM,
    }
}

fn restored(disk: &Disk, bounds: &Bounds, restarted: bool) -> Restored {
    let voters = (1..=bounds.nodes as NodeId).map(|id| (id, String::new()));
    Restored {
        hard_state: disk.hard_state,
        configuration: Configuration {
            voters: voters.collect(),
            ..Configuration::default()
        },
        base: (0, 0),
        term_runs: disk.term_runs(),
        last_index: disk.last().1,
        tail: disk.entries.clone(),
        restarted,
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
