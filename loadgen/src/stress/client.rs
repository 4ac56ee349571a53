//! A client: one operation open at a time, each told to the history before it leaves and after it
//! was answered, and what came of it told exactly.
//!
//! An operation whose outcome nobody knows ends the life of its process in the history; the
//! client goes on as another one.

mod reads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use telegraft_cluster::chat::SESSION_WINDOW;
use telegraft_cluster::http::api::{MessageSent, NewMessage};
use telegraft_history::{Completion, Op};
use tokio::time::{Instant, sleep};

use super::pages;
use super::world::{Room, World};
use crate::body::{self, MIN_BYTES, MessageId};
use crate::call::{Caller, Failed, Limits, Request, Tries, Trouble, key};
use crate::client::Outcome;
use crate::draw::Draws;
use crate::plan::Kind;
use crate::recorder::Times;
use crate::routes::{Place, Routes};

/// The stream of draws that clients act by.
const STREAM: u64 = 0xc11e;
/// Between two operations of a client, at most; half of it on average. With 30 clients some 500
/// operations begin in a second: enough for every kind of race, and few enough that the history
/// of a long run can be kept and checked.
const THINK: Duration = Duration::from_millis(100);
/// Most pages are small.
const PAGE: u64 = 40;
/// A message's body, in bytes, beyond its id: few of them large, so that histories stay small.
const FILLING: usize = 200;
/// A typical body, in bytes.
pub(super) const TYPICAL_BYTES: usize = MIN_BYTES + FILLING / 2;
/// A body that fills disks, in bytes.
pub(super) const BALLAST_BYTES: usize = 32 << 10;

/// A write: it may take an election, and somebody else's deadline.
const WRITE: Limits = Limits {
    operation: Duration::from_secs(8),
    attempt: Duration::from_millis(2_500),
};
/// A write that is sent again and again while earlier tries are still on their way.
const STORM: Limits = Limits {
    operation: Duration::from_secs(4),
    attempt: Duration::from_millis(25),
};
/// A write that is given up before an election is over.
const IMPATIENT: Limits = Limits {
    operation: Duration::from_millis(250),
    attempt: Duration::from_millis(250),
};
/// A read: another replica is as good.
const READ: Limits = Limits {
    operation: Duration::from_secs(3),
    attempt: Duration::from_secs(3),
};
/// A write that is sent once: longer than a server's own deadline, whose answer tells more.
const ONCE: Limits = Limits {
    operation: Duration::from_secs(6),
    attempt: Duration::from_secs(6),
};

/// How a write is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// With a key, again until it is answered.
    Keyed,
    /// The same, impatiently.
    Storm,
    /// With a key, and given up soon: its outcome is often unknown.
    Impatient,
    /// Without a key, once.
    Unkeyed,
    /// With a key below the session's window, that was never used: it must be refused.
    Below(u64),
}

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    world: Arc<World>,
    number: u32,
    /// Its number among those with the same routes.
    nth: usize,
    process: u64,
    caller: Caller,
    draws: Draws,
    session: u64,
    sequence: u64,
    /// A key that was left out, and that the window has passed by.
    passed_by: Option<u64>,
    /// Messages that it began to send.
    messages: u32,
    /// By user.
    cursors: BTreeMap<u64, u64>,
    /// The room of its last write, and that write's index.
    written: Option<(usize, u64)>,
}

impl Client {
    /// The `number`-th client, whose requests go where `routes` says for its `nth` one.
    pub(super) fn new(
        world: Arc<World>,
        number: u32,
        nth: usize,
        http: reqwest::Client,
        routes: Arc<Routes>,
        session: u64,
    ) -> Self {
        let process = world.journal.process();
        Client {
            draws: Draws::new(world.seed, STREAM, u64::from(number)),
            process,
            caller: Caller::new(http, routes, nth),
            world,
            number,
            nth,
            session,
            sequence: 1,
            passed_by: None,
            messages: 0,
            cursors: BTreeMap::new(),
            written: None,
        }
    }

    /// Acts until the load is over.
    pub(super) async fn run(mut self) {
        loop {
            let micros = u64::try_from(THINK.as_micros()).unwrap_or(u64::MAX);
            let think = Duration::from_micros(self.draws.below(micros));
            let over = self.world.until;
            tokio::select! {
                () = sleep(think) => {}
                () = self.world.stop.stopped() => {}
            }
            if self.world.stop.is_stopped() || Instant::now() >= over {
                return;
            }
            match self.draws.below(100) {
                0..50 if self.world.board.take_large() => self.fill().await,
                0..45 => self.send().await,
                45..80 => self.read().await,
                _ => self.inbox().await,
            }
        }
    }

    /// A message into a room that is for nothing else.
    async fn fill(&mut self) {
        let world = Arc::clone(&self.world);
        let (room, author) = &world.ballast;
        self.write(None, room, *author, BALLAST_BYTES, How::Keyed)
            .await;
    }

    async fn send(&mut self) {
        let world = Arc::clone(&self.world);
        let user = &world.users[self.draws.place(world.users.len())];
        let nth = user.rooms[self.draws.place(user.rooms.len())];
        let bytes = MIN_BYTES + self.draws.place(FILLING);
        let how = match (self.passed_by.take(), self.draws.below(100)) {
            (Some(sequence), _) => How::Below(sequence),
            (None, 0..10) => How::Unkeyed,
            (None, 10..22) => How::Storm,
            (None, 22..30) => How::Impatient,
            (None, 30..33) => {
                // The next write moves the window past this one.
                self.passed_by = Some(self.sequence);
                self.sequence += SESSION_WINDOW + 1;
                How::Keyed
            }
            _ => How::Keyed,
        };
        let sent = self
            .write(Some(nth), &world.rooms[nth], user.id, bytes, how)
            .await;
        if !sent {
            // The window was not moved for sure.
            self.passed_by = None;
        }
    }

    /// Whether it was acknowledged.
    async fn write(
        &mut self,
        nth: Option<usize>,
        room: &Room,
        author: u64,
        bytes: usize,
        how: How,
    ) -> bool {
        let world = Arc::clone(&self.world);
        let message = MessageId {
            client: self.number,
            number: self.messages,
        };
        self.messages += 1;
        let op = Op::Send {
            room: room.id,
            id: pages::id(&world.nonce, message),
        };
        let mut text = Vec::with_capacity(bytes);
        body::write(&mut text, &world.nonce, message, bytes);
        let text = String::from_utf8(text).expect("ASCII");
        let body = NewMessage {
            author,
            body: text.into(),
        };
        let body = serde_json::to_vec(&body).expect("numbers and text have a JSON form");
        let path = format!("/v1/rooms/{}/messages", room.id);
        let request = Request {
            method: Method::POST,
            url: |routes: &Routes, place: Place| routes.url(place, &path),
            body: Some(body.into()),
            key: match how {
                How::Unkeyed => None,
                How::Below(sequence) => Some(key(self.session, sequence)),
                How::Keyed | How::Storm | How::Impatient => {
                    self.sequence += 1;
                    Some(key(self.session, self.sequence - 1))
                }
            },
        };
        self.caller.limits = match how {
            How::Keyed | How::Below(_) => WRITE,
            How::Storm => STORM,
            How::Impatient => IMPATIENT,
            How::Unkeyed => ONCE,
        };
        let (mut tries, began) = (Tries::default(), Instant::now());
        world.journal.invoke(self.process, &op);
        let stop = world.stop.clone();
        let answer = tokio::select! {
            biased;
            answer = async {
                if how == How::Unkeyed {
                    let place = self.next_place();
                    self.caller.once(&request, place, &mut tries).await
                } else {
                    self.caller.call(&request, &mut tries).await
                }
            } => Some(answer),
            () = stop.stopped() => None,
        };
        let completion = match &answer {
            // Nobody waits for it any more.
            None => Completion::Unknown,
            Some(Ok(bytes)) => self.sent(nth, room, bytes, how),
            Some(Err(failed)) => {
                self.judge_refusal(&op, failed, how);
                if failed.maybe {
                    Completion::Unknown
                } else {
                    Completion::Fail
                }
            }
        };
        self.done(Kind::Send, &op, &completion, began, &tries);
        matches!(completion, Completion::Sent { .. })
    }

    fn sent(&mut self, nth: Option<usize>, room: &Room, bytes: &Bytes, how: How) -> Completion {
        let world = &self.world;
        let sent: MessageSent = match serde_json::from_slice(bytes) {
            Ok(sent) => sent,
            Err(error) => {
                world
                    .board
                    .is_wrong(|| format!("a message was sent and the answer is {error}"));
                return Completion::Unknown;
            }
        };
        if sent.room_id != room.id {
            let (was, is) = (room.id, sent.room_id);
            let text = || format!("a message for room {was} was acknowledged for room {is}");
            world.board.is_wrong(text);
        }
        if let How::Below(sequence) = how {
            world.board.is_wrong(|| {
                format!(
                    "session {} accepted the write {sequence}, which is below its window",
                    self.session
                )
            });
        }
        room.learn(sent.seq);
        if let Some(nth) = nth {
            self.written = Some((nth, sent.index));
        }
        Completion::Sent {
            seq: sent.seq,
            log_index: sent.index,
            term: sent.term,
        }
    }

    /// Refusals that no server may give: what they speak of is there, and known to be.
    fn judge_refusal(&self, op: &Op, failed: &Failed, how: How) {
        let Trouble::Status(status) = failed.trouble else {
            return;
        };
        let board = &self.world.board;
        match (status, how) {
            (409, How::Below(_)) => {
                board.below_window.fetch_add(1, Ordering::Relaxed);
            }
            (408 | 500.., _) => {}
            _ => board.is_wrong(|| format!("{op:?} was refused: {failed}")),
        }
    }

    /// The operation has an outcome.
    fn done(
        &mut self,
        kind: Kind,
        op: &Op,
        completion: &Completion,
        began: Instant,
        tries: &Tries,
    ) {
        let world = &self.world;
        world.journal.complete(self.process, op, completion);
        let done = Instant::now();
        let (outcome, count) = match completion {
            Completion::Fail => (Outcome::Failed, &world.board.failed),
            Completion::Unknown => (Outcome::Unknown, &world.board.unknown),
            _ => (Outcome::Ok, &world.board.ok),
        };
        count.fetch_add(1, Ordering::Relaxed);
        let retries = tries.attempts.saturating_sub(1);
        world.board.retries.fetch_add(retries, Ordering::Relaxed);
        let times = Times {
            due: began,
            taken: began,
            done,
        };
        let recorder = world.recorder.lock();
        recorder
            .unwrap_or_else(PoisonError::into_inner)
            .record(kind, times, outcome, tries);
        if outcome == Outcome::Unknown {
            self.process = world.journal.process();
        }
    }

    fn next_place(&mut self) -> Place {
        let place = self.caller.routes.first(self.nth, self.caller.operations);
        self.caller.operations += 1;
        place
    }
}
