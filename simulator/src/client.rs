//! A client: a session, and one operation after another until the run is over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use telegraft_cluster::chat::{Outcome, SessionKey, WriteError};
use telegraft_cluster::http::{Consistency, Refusal};
use telegraft_cluster::raft::{LogIndex, NodeId};
use tokio::time::{Instant, sleep};

use crate::ask::ask;
use crate::operation::{Call, MessageId, Reply, Write};
use crate::plan::ClientPlan;
use crate::world::World;

/// Rooms that are made; messages go to these.
pub(crate) const ROOMS: u64 = 4;
/// How long a client goes on trying to learn what came of a write.
const PATIENCE: Duration = Duration::from_secs(8);
/// The same once the faults are over: everything must have an answer then.
const CALM_PATIENCE: Duration = Duration::from_secs(30);
/// The pause before another try.
const RETRY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(150));
/// How many of its writes a client remembers, to try them again out of the blue.
const REMEMBERED: usize = 64;

/// A write of the past.
#[derive(Clone, Debug)]
struct Past {
    write: Write,
    key: SessionKey,
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    number: usize,
    plan: ClientPlan,
    world: World,
    over: Arc<AtomicBool>,
    rng: StdRng,
    session: Option<u64>,
    next_sequence: u64,
    user: Option<u64>,
    made_room: bool,
    joined: Vec<u64>,
    next_message: u64,
    past: VecDeque<Past>,
    /// The highest log index that it has been shown.
    shown: LogIndex,
    cursor: LogIndex,
    /// How far it has read each room.
    read: [u64; ROOMS as usize],
    hint: NodeId,
    /// Who answered its last write.
    led: NodeId,
    /// Who answered its writes before that one: it may not know yet that it leads no more.
    former: NodeId,
    done: u64,
    /// Some node has answered what it does now, or may have done it.
    answered: bool,
}

impl Client {
    /// A client of a plan; it stops taking up operations when `over` is set.
    pub(crate) fn new(plan: ClientPlan, world: World, over: Arc<AtomicBool>) -> Self {
        Client {
            number: plan.number,
            rng: StdRng::seed_from_u64(plan.seed),
            plan,
            world,
            over,
            session: None,
            next_sequence: 1,
            user: None,
            made_room: false,
            joined: Vec::new(),
            next_message: 1,
            past: VecDeque::new(),
            shown: 0,
            cursor: 0,
            read: [0; ROOMS as usize],
            hint: 1,
            led: 1,
            former: 1,
            done: 0,
            answered: false,
        }
    }

    /// Works until the run is over.
    pub(crate) async fn run(mut self) {
        while !self.over.load(Ordering::Relaxed) {
            self.answered = false;
            self.step().await;
            self.done += 1;
            if self.answered {
                self.world.judge().operation_done();
            }
            if self.plan.most > 0 && self.done >= self.plan.most {
                return;
            }
            let pause = self.rng.random_range(Duration::ZERO..self.plan.think);
            sleep(pause).await;
        }
    }

    async fn step(&mut self) {
        let Some(session) = self.session else {
            return self.register().await;
        };
        let Some(user) = self.user else {
            let name = format!("client {} in {session}", self.number);
            let outcome = self.keyed(Write::User(name)).await;
            if let Some(Outcome::UserCreated { user_id }) = outcome {
                self.user = Some(user_id);
            }
            return;
        };
        let own_room = self.number as u64;
        if own_room <= ROOMS && !self.made_room {
            let name = format!("room {own_room}");
            let outcome = self
                .keyed(Write::Room {
                    name,
                    creator: user,
                })
                .await;
            // Its name is taken when an earlier try was lost with its session.
            self.made_room = outcome.is_some();
            return;
        }
        if self.joined.len() < 2 && self.rng.random_bool(0.7) {
            return self.join(user).await;
        }
        match self.rng.random_range(0..100) {
            0..=41 => self.send(user).await,
            42..=45 => self.send_several(user).await,
            46..=51 => self.send_without_key(user).await,
            52..=79 => self.read_page().await,
            80..=88 => self.read_inbox(user).await,
            89 | 90 => self.join(user).await,
            91 | 92 => {
                let name = format!("friend {} of {}", self.done, self.number);
                self.keyed(Write::User(name)).await;
            }
            93..=97 => self.try_again().await,
            98 => {
                // The next operation opens another session; this one is left behind.
                self.session = None;
            }
            _ => self.hedge(user).await,
        }
    }

    fn deadline(&mut self) -> Duration {
        // Some wait for longer than a leader stands still.
        let longest = if self.rng.random_bool(0.2) {
            6_000
        } else {
            3_000
        };
        Duration::from_millis(self.rng.random_range(400..longest))
    }

    fn anyone(&mut self) -> NodeId {
        self.rng.random_range(1..=self.world.plan().nodes)
    }

    /// Whom to ask for a write: the leader, as far as anyone told.
    fn likely_leader(&mut self) -> NodeId {
        if self.rng.random_bool(0.05) {
            return self.anyone();
        }
        self.hint
    }

    /// Whom to ask after a reply that was no answer.
    fn learn(&mut self, from: NodeId, reply: &Reply) {
        use telegraft_cluster::http::Backend as _;
        let told = self.world.up(from).and_then(|up| up.node.leader());
        self.hint = match (reply, told) {
            (Reply::Refused(Refusal::NotLeader), Some(leader)) => leader.id,
            (Reply::Done(_), _) => from,
            _ => self.anyone(),
        };
        if matches!(reply, Reply::Done(_)) && from != self.led {
            self.former = std::mem::replace(&mut self.led, from);
        }
    }

    async fn ask(&mut self, to: NodeId, call: Call, deadline: Duration) -> Reply {
        let reply = ask(&self.world, self.number, to, call, deadline).await;
        self.answered |= counts(&reply);
        reply
    }

    fn message(&mut self) -> MessageId {
        self.next_message += 1;
        MessageId::new(self.number, self.next_message)
    }

    fn next_key(&mut self, session_id: u64) -> SessionKey {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        SessionKey {
            session_id,
            sequence,
        }
    }

    fn new_send(&mut self, user: u64) -> Write {
        // Mostly where it is a member.
        let room = if self.joined.is_empty() || self.rng.random_bool(0.03) {
            self.rng.random_range(1..=ROOMS)
        } else {
            self.joined[self.rng.random_range(0..self.joined.len())]
        };
        Write::Send {
            room,
            user,
            id: self.message(),
            bytes: self.rng.random_range(12..200),
        }
    }

    async fn register(&mut self) {
        let to = self.likely_leader();
        let deadline = self.deadline();
        let call = Call::Write {
            write: Write::Register,
            key: None,
        };
        let reply = self.ask(to, call, deadline).await;
        self.learn(to, &reply);
        match reply {
            Reply::Done(Outcome::SessionRegistered { session_id, .. }) => {
                self.session = Some(session_id);
                self.next_sequence = 1;
            }
            _ => self.wait_a_little().await,
        }
    }

    async fn wait_a_little(&mut self) {
        let pause = self.rng.random_range(RETRY.0..RETRY.1);
        sleep(pause).await;
    }

    /// A write with a key, tried until there is an answer or the client has had enough.
    async fn keyed(&mut self, write: Write) -> Option<Outcome> {
        let session = self.session?;
        let key = self.next_key(session);
        self.remember(&write, key);
        self.settle(write, key).await
    }

    fn remember(&mut self, write: &Write, key: SessionKey) {
        self.past.push_back(Past {
            write: write.clone(),
            key,
        });
        if self.past.len() > REMEMBERED {
            self.past.pop_front();
        }
    }

    async fn settle(&mut self, write: Write, key: SessionKey) -> Option<Outcome> {
        let begun = Instant::now();
        let soon_enough = self.rng.random_bool(0.1);
        loop {
            let to = self.likely_leader();
            let deadline = self.deadline();
            let call = Call::Write {
                write: write.clone(),
                key: Some(key),
            };
            let reply = self.ask(to, call, deadline).await;
            self.learn(to, &reply);
            match reply {
                Reply::Done(outcome) => return Some(self.settled(key, outcome)),
                reply if reply.is_unknown() && soon_enough => return None,
                _ => {}
            }
            let calm = self.over.load(Ordering::Relaxed);
            if calm && begun.elapsed() > CALM_PATIENCE {
                let text = format!(
                    "client {} has no answer to {} of {key:?} after {CALM_PATIENCE:?}, most of \
                     them calm",
                    self.number,
                    Call::Write {
                        write,
                        key: Some(key)
                    },
                );
                self.world.judge().fail("heals", text);
                return None;
            }
            if !calm && begun.elapsed() > PATIENCE {
                return None;
            }
            self.wait_a_little().await;
        }
    }

    fn settled(&mut self, key: SessionKey, outcome: Outcome) -> Outcome {
        match &outcome {
            Outcome::Refused(WriteError::SessionExpired(_))
                if self.session == Some(key.session_id) =>
            {
                self.session = None;
            }
            Outcome::Sent { index, .. } => self.shown = self.shown.max(*index),
            _ => {}
        }
        outcome
    }

    async fn send(&mut self, user: u64) {
        let write = self.new_send(user);
        self.keyed(write).await;
    }

    /// Several writes of one session at once, each to be tried again if need be.
    async fn send_several(&mut self, user: u64) {
        let Some(session) = self.session else {
            return;
        };
        let mut open = Vec::new();
        for _ in 0..self.rng.random_range(2..=4) {
            let write = self.new_send(user);
            let key = self.next_key(session);
            self.remember(&write, key);
            let call = Call::Write {
                write: write.clone(),
                key: Some(key),
            };
            let (world, number) = (self.world.clone(), self.number);
            let (to, deadline) = (self.likely_leader(), self.deadline());
            let asking = async move { ask(&world, number, to, call, deadline).await };
            open.push((write, key, tokio::spawn(asking)));
        }
        for (write, key, asking) in open {
            let reply = asking.await;
            self.answered |= reply.as_ref().is_ok_and(counts);
            match reply {
                Ok(Reply::Done(outcome)) => {
                    self.settled(key, outcome);
                }
                _ => {
                    self.settle(write, key).await;
                }
            }
        }
    }

    /// The same write at two nodes at once.
    async fn hedge(&mut self, user: u64) {
        let Some(session) = self.session else {
            return;
        };
        let write = self.new_send(user);
        let key = self.next_key(session);
        self.remember(&write, key);
        let call = Call::Write {
            write: write.clone(),
            key: Some(key),
        };
        let (here, there) = (self.hint, self.anyone());
        let deadline = self.deadline();
        let (first, second) = tokio::join!(
            ask(&self.world, self.number, here, call.clone(), deadline),
            ask(&self.world, self.number, there, call, deadline),
        );
        self.learn(here, &first);
        self.answered |= counts(&first) || counts(&second);
        for reply in [first, second] {
            if let Reply::Done(outcome) = reply {
                self.settled(key, outcome);
                return;
            }
        }
        self.settle(write, key).await;
    }

    async fn send_without_key(&mut self, user: u64) {
        let write = self.new_send(user);
        for _ in 0..4 {
            let call = Call::Write {
                write: write.clone(),
                key: None,
            };
            let to = self.likely_leader();
            let deadline = self.deadline();
            let reply = self.ask(to, call, deadline).await;
            self.learn(to, &reply);
            // Without a key another try might send it twice.
            if !crate::operation::surely_not_proposed(&reply) {
                return;
            }
            self.wait_a_little().await;
        }
    }

    async fn join(&mut self, user: u64) {
        let room = self.rng.random_range(1..=ROOMS);
        let outcome = self.keyed(Write::Join { room, user }).await;
        if outcome == Some(Outcome::Joined) && !self.joined.contains(&room) {
            self.joined.push(room);
        }
    }

    /// A write of the past once more: answered as the first time, or refused for good.
    async fn try_again(&mut self) {
        if self.past.is_empty() {
            return;
        }
        let at = if self.rng.random_bool(0.5) {
            self.rng.random_range(0..self.past.len())
        } else {
            0
        };
        let Past { write, key } = self.past[at].clone();
        self.settle(write, key).await;
    }

    fn consistency(&mut self) -> Consistency {
        match self.rng.random_range(0..3) {
            0 => Consistency::Linearizable,
            1 => Consistency::Lease,
            _ => Consistency::Local,
        }
    }

    /// Whom to ask for a read: the leader, the one before, or anyone.
    fn reader(&mut self) -> NodeId {
        match self.rng.random_range(0..4) {
            0 | 1 => self.hint,
            2 => self.former,
            _ => self.anyone(),
        }
    }

    async fn read_page(&mut self) {
        let room = self.rng.random_range(1..=ROOMS);
        let consistency = self.consistency();
        let min_index = if self.rng.random_bool(0.25) {
            self.shown
        } else {
            0
        };
        let slot = usize::try_from(room - 1).expect("rooms are few");
        let after = match self.rng.random_range(0..4) {
            0 => 0,
            _ => self.read[slot],
        };
        let limit = self.rng.random_range(5..60);
        let call = Call::Page {
            room,
            after,
            limit,
            consistency,
            min_index,
        };
        let to = self.reader();
        let deadline = self.deadline();
        let reply = self.ask(to, call, deadline).await;
        match reply {
            Reply::Page { messages, applied } => {
                self.shown = self.shown.max(applied);
                if let Some((last, _)) = messages.last() {
                    self.read[slot] = self.read[slot].max(*last);
                }
            }
            reply => self.learn(to, &reply),
        }
    }

    async fn read_inbox(&mut self, user: u64) {
        let consistency = self.consistency();
        let call = Call::Inbox {
            user,
            after: self.cursor,
            limit: self.rng.random_range(5..60),
            consistency,
        };
        let to = self.reader();
        let deadline = self.deadline();
        let reply = self.ask(to, call, deadline).await;
        match reply {
            Reply::Inbox {
                cursor, applied, ..
            } => {
                self.shown = self.shown.max(applied);
                self.cursor = cursor;
            }
            reply => self.learn(to, &reply),
        }
    }
}

/// Whether a reply makes a try an operation: an answer, or an outcome that nobody knows.
fn counts(reply: &Reply) -> bool {
    match reply {
        Reply::Done(_) | Reply::Page { .. } | Reply::Inbox { .. } | Reply::NotFound { .. } => true,
        Reply::Garbled(_) => true,
        reply => reply.is_unknown(),
    }
}
