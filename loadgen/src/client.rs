//! One closed-loop client: carries the steps of its plan out and checks every answer against
//! what it was told before.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::{Method, Url};
use telegraft_cluster::http::Consistency;
use telegraft_cluster::http::api::{InboxPage, MessagePage, MessageSent};

use crate::body::{self, MessageId};
use crate::call::{Caller, Failed, Request, Tries, Trouble, key};
use crate::findings::Findings;
use crate::ledger::{Ledger, Place};
use crate::plan::{Kind, Plan, Step, rooms_of};
use crate::routes::Routes;
use crate::suite::{ReadPage, Workload};

/// How closely answers are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// Against everything the client was told before.
    Full,
    /// As [`Full`](Checks::Full), but reads may be stale.
    MayBeStale,
    /// Their shape alone: the system keeps nothing.
    Shape,
}

/// What all clients of a run have in common.
#[derive(Debug)]
pub struct World {
    /// The run's nonce.
    pub nonce: String,
    /// What clients do.
    pub workload: Workload,
    /// How closely answers are checked.
    pub checks: Checks,
    /// Ids of the users, by their place in the population.
    pub users: Vec<u64>,
    /// Ids of the rooms, by their place in the population.
    pub rooms: Vec<u64>,
    /// By replica and room: where messages are sent.
    send_urls: Vec<Vec<Url>>,
}

impl World {
    /// The world with its population in it.
    pub fn new(
        nonce: String,
        workload: Workload,
        checks: Checks,
        users: Vec<u64>,
        rooms: Vec<u64>,
        routes: &Routes,
    ) -> Self {
        let send_url = |place, room: &u64| routes.url(place, &format!("/v1/rooms/{room}/messages"));
        let send_urls = (0..routes.count())
            .map(|place| rooms.iter().map(|room| send_url(place, room)).collect())
            .collect();
        World {
            nonce,
            workload,
            checks,
            users,
            rooms,
            send_urls,
        }
    }

    fn checked(&self) -> bool {
        self.checks != Checks::Shape
    }

    fn fresh(&self) -> bool {
        self.checks == Checks::Full
    }

    /// What reads ask for beyond the page.
    fn consistency(&self) -> &'static str {
        match self.workload.consistency {
            Consistency::Linearizable => "",
            Consistency::Lease => "&consistency=lease",
            Consistency::Local => "&consistency=local",
        }
    }
}

/// What came of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered, and the answer holds.
    Ok,
    /// It surely had no effect.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// One user's inbox, as far as it was read.
#[derive(Debug)]
struct InboxSeen {
    cursor: Option<String>,
    /// The last message of each of the user's rooms, by the room's id.
    rooms: Vec<(u64, u64)>,
}

/// A client.
#[derive(Debug)]
pub struct Client {
    number: u32,
    world: Arc<World>,
    caller: Caller,
    session: u64,
    next_sequence: u64,
    plan: Plan,
    /// What it knows of its messages.
    pub ledger: Ledger,
    /// What it found wrong.
    pub findings: Findings,
    /// How often the operation that is open, or was last, was tried.
    pub tries: Tries,
    /// The highest log index that it was told.
    pub last_index: u64,
    /// By room: the last message that it was shown or had acknowledged.
    seen: Vec<u64>,
    /// By room: up to where it has read.
    read: Vec<u64>,
    /// By its users.
    inboxes: Vec<InboxSeen>,
    /// The message that is being sent.
    open: Option<u32>,
    buffer: Vec<u8>,
}

impl Client {
    /// A client with an open session, whose next write has the number `next_sequence`.
    pub fn new(world: Arc<World>, caller: Caller, session: (u64, u64), plan: Plan) -> Self {
        let population = &world.workload.population;
        let inboxes = plan.users().iter().map(|user| InboxSeen {
            cursor: None,
            rooms: rooms_of(population, *user)
                .map(|room| (world.rooms[room], 0))
                .collect(),
        });
        Client {
            number: u32::try_from(caller.client).expect("clients are bounded"),
            inboxes: inboxes.collect(),
            seen: vec![0; world.rooms.len()],
            read: vec![0; world.rooms.len()],
            world,
            caller,
            session: session.0,
            next_sequence: session.1,
            plan,
            ledger: Ledger::default(),
            findings: Findings::default(),
            tries: Tries::default(),
            last_index: 0,
            open: None,
            buffer: Vec::new(),
        }
    }

    /// The same client on the connections of another thread.
    pub fn moved_to(mut self, http: reqwest::Client) -> Self {
        self.caller.http = http;
        self
    }

    /// Which client it is.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What it has in common with the others.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The next step of the plan.
    pub fn next_step(&mut self) -> Step {
        self.plan.step()
    }

    /// Carries a step out.
    pub async fn perform(&mut self, step: Step) -> Outcome {
        self.tries.clear();
        let done = match step.kind {
            Kind::Send => self.send(step.user, step.room).await,
            Kind::Read => self.read(step.room).await,
            Kind::Inbox => self.inbox(step.user).await,
        };
        match done {
            Ok(()) => Outcome::Ok,
            // A read has no effect, so that it failed is known.
            Err(failed) if failed.maybe && step.kind == Kind::Send => Outcome::Unknown,
            Err(_) => Outcome::Failed,
        }
    }

    /// Gives the operation that is open up: nobody knows what comes of it.
    pub fn give_up(&mut self) {
        if let Some(number) = self.open.take() {
            self.ledger.unknown.insert(number);
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Why it was not acknowledged. The ledger knows, too.
    pub async fn send(&mut self, user: usize, room: usize) -> Result<(), Failed> {
        let number = self.ledger.take_number();
        self.open = Some(number);
        let author = self.world.users[user];
        let body = self.message(author, number);
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let world = Arc::clone(&self.world);
        let request = Request {
            method: Method::POST,
            url: |_: &Routes, place: usize| world.send_urls[place][room].clone(),
            body: Some(body),
            key: Some(key(self.session, sequence)),
        };
        let answer = self.caller.call(&request, &mut self.tries).await;
        let done = answer.and_then(|bytes| self.sent(room, author, number, &bytes));
        self.open = None;
        if let Err(failed) = &done
            && failed.maybe
        {
            self.ledger.unknown.insert(number);
        }
        done
    }

    /// The JSON of a message. Neither part has anything in it that JSON writes otherwise.
    fn message(&mut self, author: u64, number: u32) -> Bytes {
        self.buffer.clear();
        write!(self.buffer, "{{\"author\":{author},\"body\":\"").expect("a vector takes it");
        let id = MessageId {
            client: self.number,
            number,
        };
        let bytes = self.world.workload.message_bytes;
        body::write(&mut self.buffer, &self.world.nonce, id, bytes);
        self.buffer.extend_from_slice(b"\"}");
        Bytes::copy_from_slice(&self.buffer)
    }

    /// A message was acknowledged, if the answer is one.
    fn sent(&mut self, room: usize, author: u64, number: u32, bytes: &[u8]) -> Result<(), Failed> {
        let answer: MessageSent =
            serde_json::from_slice(bytes).map_err(|error| self.malformed("send", &error))?;
        let place = Place {
            room_id: answer.room_id,
            seq: answer.seq,
            author,
        };
        // It is acknowledged whatever else is wrong, so the audit looks for it.
        self.ledger.acknowledge(self.number, number, place);
        self.last_index = self.last_index.max(answer.index);
        let room_id = self.world.rooms[room];
        if answer.room_id != room_id {
            return Err(self.wrong(|| {
                format!(
                    "a message to room {room_id} was put into room {}",
                    answer.room_id
                )
            }));
        }
        let seen = self.seen[room];
        if answer.seq <= seen && self.world.checked() {
            return Err(self.wrong(|| {
                format!(
                    "a new message of room {room_id} got seq {}, and {seen} was there before",
                    answer.seq
                )
            }));
        }
        self.seen[room] = answer.seq;
        Ok(())
    }

    async fn read(&mut self, room: usize) -> Result<(), Failed> {
        let read = self.world.workload.operations.read;
        let read = read.expect("the plan has reads only when the workload has");
        let room_id = self.world.rooms[room];
        let (limit, consistency) = (read.limit, self.world.consistency());
        let mut path = format!("/v1/rooms/{room_id}/messages?limit={limit}{consistency}");
        let after = match read.page {
            ReadPage::Latest => None,
            ReadPage::SinceLastSeen => Some(self.read[room]),
        };
        if let Some(after) = after {
            path.push_str("&after=");
            path.push_str(&after.to_string());
        }
        let request = Request::get(|routes: &Routes, place| routes.url(place, &path));
        let bytes = self.caller.call(&request, &mut self.tries).await?;
        let page: MessagePage<'_> =
            serde_json::from_slice(&bytes).map_err(|error| self.malformed("read", &error))?;
        let seqs = page.messages.iter().map(|message| message.seq);
        self.page(room, after, limit, seqs)
    }

    /// Judges a page of a room: `after` some seq, or the latest.
    fn page(
        &mut self,
        room: usize,
        after: Option<u64>,
        limit: usize,
        seqs: impl ExactSizeIterator<Item = u64> + Clone,
    ) -> Result<(), Failed> {
        let room_id = self.world.rooms[room];
        let count = seqs.len();
        let first = seqs.clone().next();
        let gapless = |first: u64| seqs.clone().zip(first..).all(|(seq, next)| seq == next);
        if count > limit || !first.is_none_or(gapless) {
            return Err(self.wrong(|| {
                format!("a page of room {room_id} has a gap or more than {limit} messages")
            }));
        }
        let begins = match after {
            Some(after) => first.is_none_or(|first| first == after + 1),
            None => first.is_none_or(|first| first == 1 || count == limit),
        };
        if !begins && self.world.checked() {
            return Err(self.wrong(|| {
                format!("a page of room {room_id} after {after:?} begins with seq {first:?}")
            }));
        }
        let seen = self.seen[room];
        let last = first.map_or(after.unwrap_or(0), |first| first + count as u64 - 1);
        let complete = after.is_none() || count < limit;
        if self.world.fresh() && complete && last < seen {
            return Err(self.wrong(|| {
                format!(
                    "a page of room {room_id} ends with seq {last}, and {seen} was there before"
                )
            }));
        }
        self.seen[room] = seen.max(last);
        if after.is_some() {
            self.read[room] = last;
        }
        Ok(())
    }

    async fn inbox(&mut self, user: usize) -> Result<(), Failed> {
        let inbox = self.world.workload.operations.inbox;
        let limit = inbox
            .expect("the plan has inboxes only when the workload has")
            .limit;
        let of = self.plan.users().iter().position(|other| *other == user);
        let of = of.expect("the plan has this client's users only");
        let (user_id, consistency) = (self.world.users[user], self.world.consistency());
        let mut path = format!("/v1/users/{user_id}/inbox?limit={limit}{consistency}");
        if let Some(cursor) = &self.inboxes[of].cursor {
            path.push_str("&after=");
            path.push_str(cursor);
        }
        let request = Request::get(|routes: &Routes, place| routes.url(place, &path));
        let bytes = self.caller.call(&request, &mut self.tries).await?;
        let page: InboxPage<'_> =
            serde_json::from_slice(&bytes).map_err(|error| self.malformed("inbox", &error))?;
        self.inboxes[of].cursor = Some(page.cursor);
        if !self.world.checked() {
            return Ok(());
        }
        for message in &page.messages {
            let (room_id, seq) = (message.room_id, message.seq);
            let rooms = &mut self.inboxes[of].rooms;
            let expected = rooms.iter_mut().find(|(room, _)| *room == room_id);
            let Some((_, last)) = expected else {
                return Err(self.wrong(|| {
                    format!("the inbox of user {user_id} has a message of room {room_id}")
                }));
            };
            let before = std::mem::replace(last, seq);
            if seq != before + 1 {
                return Err(self.wrong(|| {
                    format!(
                        "the inbox of user {user_id} goes from seq {before} to {seq} in room \
                         {room_id}"
                    )
                }));
            }
        }
        if page.messages.len() >= limit {
            return Ok(());
        }
        let rooms = rooms_of(&self.world.workload.population, user);
        for (nth, room) in rooms.enumerate() {
            let (room_id, last) = self.inboxes[of].rooms[nth];
            let seen = self.seen[room];
            if self.world.fresh() && last < seen {
                return Err(self.wrong(|| {
                    format!(
                        "the inbox of user {user_id} ends with seq {last} of room {room_id}, \
                         and {seen} was there before"
                    )
                }));
            }
            self.seen[room] = seen.max(last);
        }
        Ok(())
    }

    fn malformed(&mut self, what: &str, error: &serde_json::Error) -> Failed {
        self.tries.troubles.push(Trouble::Malformed);
        Failed {
            trouble: Trouble::Malformed,
            maybe: true,
            detail: format!("the answer to a {what} cannot be read: {error}"),
        }
    }

    /// An answer contradicts what is known: a finding, and no success.
    fn wrong(&mut self, text: impl Fn() -> String) -> Failed {
        self.tries.troubles.push(Trouble::Wrong);
        let client = self.number;
        self.findings
            .add(|| format!("client {client} was told: {}", text()));
        Failed {
            trouble: Trouble::Wrong,
            // What was acknowledged is in the ledger already.
            maybe: false,
            detail: text(),
        }
    }
}
