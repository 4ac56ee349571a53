//! A client: carries operations out, one after the other, and checks every answer against what
//! clients were told before.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderValue;
use telegraft_cluster::http::Consistency;
use telegraft_cluster::http::api::{InboxPage, MessagePage, MessageSent, NewRoom, RoomCreated};

use crate::body::{self, MessageId};
use crate::call::{Caller, Failed, Request, Tries, Trouble, key};
use crate::findings::Findings;
use crate::ledger::{Ledger, Place};
use crate::plan::{Kind, Step};
use crate::routes::Routes;
use crate::world::World;

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

/// A client: one connection's worth of operations, one after the other.
#[derive(Debug)]
pub struct Client {
    number: u32,
    world: Arc<World>,
    caller: Caller,
    session: u64,
    next_sequence: u64,
    /// What it knows of its messages.
    pub ledger: Ledger,
    /// What it found wrong.
    pub findings: Findings,
    /// How often the operation that is open, or was last, was tried.
    pub tries: Tries,
    /// The highest log index that it was told.
    pub last_index: u64,
    /// Ids of the rooms that it created, beyond the population's.
    pub created: Vec<u64>,
    /// Rooms that it began to create.
    creations: u32,
    /// The message that is being sent.
    open: Option<u32>,
    buffer: Vec<u8>,
}

impl Client {
    /// A client with an open session, whose next write has the number `session.1`. `number`
    /// tells it from all others of the run, on every machine.
    pub fn new(number: u32, world: Arc<World>, caller: Caller, session: (u64, u64)) -> Self {
        Client {
            number,
            world,
            caller,
            session: session.0,
            next_sequence: session.1,
            ledger: Ledger::default(),
            findings: Findings::default(),
            tries: Tries::default(),
            last_index: 0,
            created: Vec::new(),
            creations: 0,
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
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Carries an operation out.
    pub async fn perform(&mut self, step: &Step) -> Outcome {
        self.tries.clear();
        let done = match step.kind {
            Kind::Send => self.send(step.user, step.room, step.size as usize).await,
            Kind::Read => self.read(step).await,
            Kind::Inbox => self.inbox(step.user, step.size as usize).await,
            Kind::Join => self.join(step.user, step.room).await,
            Kind::CreateRoom => self.create_room(step.user).await,
        };
        match done {
            Ok(()) => Outcome::Ok,
            // A read has no effect, so that it failed is known.
            Err(failed) if failed.maybe && step.kind.is_write() => Outcome::Unknown,
            Err(_) => Outcome::Failed,
        }
    }

    /// Gives the operation that is open up: nobody knows what comes of it.
    pub fn give_up(&mut self) {
        if let Some(number) = self.open.take() {
            self.ledger.unknown.insert(number);
        }
    }

    /// The key of its next write.
    fn next_key(&mut self) -> HeaderValue {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        key(self.session, sequence)
    }

    /// Sends a message of `bytes`.
    ///
    /// # Errors
    /// Why it was not acknowledged. The ledger knows, too.
    pub async fn send(&mut self, user: u32, room: u32, bytes: usize) -> Result<(), Failed> {
        let number = self.ledger.take_number();
        self.open = Some(number);
        let author = self.world.users[user as usize];
        let room_id = self.world.rooms[room as usize];
        let seen = self.world.seen(room);
        let path = format!("/v1/rooms/{room_id}/messages");
        let request = Request {
            method: Method::POST,
            url: |routes: &Routes, place| routes.url(place, &path),
            body: Some(self.message(author, number, bytes)),
            key: Some(self.next_key()),
        };
        let answer = self.caller.call(&request, &mut self.tries).await;
        let done = answer.and_then(|answer| {
            let sent: MessageSent = self.parsed("send", &answer)?;
            let place = Place {
                room_id: sent.room_id,
                seq: sent.seq,
                author,
                bytes,
            };
            // It is acknowledged whatever else is wrong, so the audit looks for it.
            self.ledger.acknowledge(self.number, number, place);
            self.last_index = self.last_index.max(sent.index);
            self.sent(room, seen, &sent)
        });
        self.open = None;
        if let Err(failed) = &done
            && failed.maybe
        {
            self.ledger.unknown.insert(number);
        }
        done
    }

    /// The JSON of a message. Neither part has anything in it that JSON writes otherwise.
    fn message(&mut self, author: u64, number: u32, bytes: usize) -> Bytes {
        self.buffer.clear();
        write!(self.buffer, "{{\"author\":{author},\"body\":\"").expect("a vector takes it");
        let id = MessageId {
            client: self.number,
            number,
        };
        body::write(&mut self.buffer, &self.world.nonce, id, bytes);
        self.buffer.extend_from_slice(b"\"}");
        Bytes::copy_from_slice(&self.buffer)
    }

    /// Judges where a message was put, when `seen` was the room's last before it was sent.
    fn sent(&mut self, room: u32, seen: u64, sent: &MessageSent) -> Result<(), Failed> {
        let room_id = self.world.rooms[room as usize];
        if sent.room_id != room_id {
            return Err(self.wrong(|| {
                format!(
                    "a message to room {room_id} was put into room {}",
                    sent.room_id
                )
            }));
        }
        if sent.seq <= seen && self.world.checked() {
            return Err(self.wrong(|| {
                format!(
                    "a new message of room {room_id} got seq {}, and {seen} was there before",
                    sent.seq
                )
            }));
        }
        self.world.see(room, sent.seq);
        Ok(())
    }

    async fn read(&mut self, step: &Step) -> Result<(), Failed> {
        let (user, room, limit) = (step.user, step.room, step.size as usize);
        let room_id = self.world.rooms[room as usize];
        let seen = self.world.seen(room);
        let own = self.world.people.rooms_of(user);
        let nth = own.binary_search(&room);
        let nth = nth.expect("a user reads rooms that it is a member of");
        let after = (!step.latest).then(|| self.world.state(user).read[nth]);
        let consistency = parameter(self.world.consistency);
        let mut path = format!("/v1/rooms/{room_id}/messages?limit={limit}{consistency}");
        if let Some(after) = after {
            path.push_str("&after=");
            path.push_str(&after.to_string());
        }
        let request = Request::get(|routes: &Routes, place| routes.url(place, &path));
        let bytes = self.caller.call(&request, &mut self.tries).await?;
        let page: MessagePage<'_> = self.parsed("read", &bytes)?;
        let seqs = page.messages.iter().map(|message| message.seq);
        let last = self.page(room_id, after, limit, seen, seqs)?;
        self.world.see(room, last);
        if after.is_some() {
            let mut state = self.world.state(user);
            state.read[nth] = state.read[nth].max(last);
        }
        Ok(())
    }

    /// Judges a page of a room, `after` some seq or the latest, when `seen` was the room's last
    /// before it was asked for: its last.
    fn page(
        &mut self,
        room_id: u64,
        after: Option<u64>,
        limit: usize,
        seen: u64,
        seqs: impl ExactSizeIterator<Item = u64> + Clone,
    ) -> Result<u64, Failed> {
        let count = seqs.len();
        let first = seqs.clone().next();
        let gapless = |first: u64| {
            seqs.clone()
                .zip(first..=u64::MAX)
                .all(|(seq, next)| seq == next)
        };
        if count > limit || !first.is_none_or(gapless) {
            return Err(self.wrong(|| {
                format!("a page of room {room_id} has a gap or more than {limit} messages")
            }));
        }
        let begins = match after {
            Some(after) => first.is_none_or(|first| first == after.saturating_add(1)),
            None => first.is_none_or(|first| first == 1 || count == limit),
        };
        if !begins && self.world.checked() {
            return Err(self.wrong(|| {
                format!("a page of room {room_id} after {after:?} begins with seq {first:?}")
            }));
        }
        let last = first.map_or(after.unwrap_or(0), |first| {
            first.saturating_add(count as u64 - 1)
        });
        let complete = after.is_none() || count < limit;
        if self.world.fresh() && complete && last < seen {
            return Err(self.wrong(|| {
                format!(
                    "a page of room {room_id} ends with seq {last}, and {seen} was there before"
                )
            }));
        }
        Ok(last)
    }

    async fn inbox(&mut self, user: u32, limit: usize) -> Result<(), Failed> {
        let user_id = self.world.users[user as usize];
        let world = Arc::clone(&self.world);
        let own = world.people.rooms_of(user);
        let seen: Vec<u64> = own.iter().map(|room| world.seen(*room)).collect();
        let (cursor, mut lasts) = {
            let state = world.state(user);
            (state.cursor.clone(), state.inbox.clone())
        };
        let consistency = parameter(world.consistency);
        let mut path = format!("/v1/users/{user_id}/inbox?limit={limit}{consistency}");
        if let Some(cursor) = &cursor {
            path.push_str("&after=");
            path.push_str(cursor);
        }
        let request = Request::get(|routes: &Routes, place| routes.url(place, &path));
        let bytes = self.caller.call(&request, &mut self.tries).await?;
        let page: InboxPage<'_> = self.parsed("inbox", &bytes)?;
        if world.checked() {
            let from_start = |id: u64| own.iter().any(|room| world.rooms[*room as usize] == id);
            // As they are now: another of the user's clients may have joined one meanwhile.
            let joined = world.state(user).joined.clone();
            for message in &page.messages {
                let (room_id, seq) = (message.room_id, message.seq);
                self.in_inbox(user_id, room_id, seq, &mut lasts, from_start, &joined)?;
            }
            let complete = page.messages.len() < limit;
            for (room, seen) in own.iter().zip(seen) {
                let room_id = world.rooms[*room as usize];
                let last = lasts.get(&room_id).copied().unwrap_or(0);
                if world.fresh() && complete && last < seen {
                    return Err(self.wrong(|| {
                        format!(
                            "the inbox of user {user_id} ends with seq {last} of room {room_id}, \
                             and {seen} was there before"
                        )
                    }));
                }
                world.see(*room, last);
            }
        }
        let mut state = world.state(user);
        // Another of the user's clients may have read on meanwhile: its word counts then.
        if state.cursor == cursor {
            state.cursor = Some(page.cursor);
            state.inbox = lasts;
        }
        Ok(())
    }

    /// Judges a message of an inbox whose last ones of each room are `lasts`.
    fn in_inbox(
        &mut self,
        user_id: u64,
        room_id: u64,
        seq: u64,
        lasts: &mut BTreeMap<u64, u64>,
        from_start: impl Fn(u64) -> bool,
        joined: &[u64],
    ) -> Result<(), Failed> {
        let before = lasts.insert(room_id, seq);
        let next = match before {
            Some(before) => before.saturating_add(1),
            None if from_start(room_id) => 1,
            // Its inbox may go on anywhere in a room that it joined meanwhile, maybe by a client
            // of another machine.
            None if self.world.users_are_shared || joined.contains(&room_id) => seq,
            None => {
                return Err(self.wrong(|| {
                    format!("the inbox of user {user_id} has a message of room {room_id}")
                }));
            }
        };
        if seq == next {
            return Ok(());
        }
        Err(self.wrong(|| {
            format!(
                "the inbox of user {user_id} has seq {seq} of room {room_id} where {next} is due"
            )
        }))
    }

    /// Makes a user a member of a room.
    ///
    /// # Errors
    /// Why that was not acknowledged.
    pub async fn join(&mut self, user: u32, room: u32) -> Result<(), Failed> {
        let user_id = self.world.users[user as usize];
        let room_id = self.world.rooms[room as usize];
        if self
            .world
            .people
            .rooms_of(user)
            .binary_search(&room)
            .is_err()
        {
            let mut state = self.world.state(user);
            // From now on its messages may come, whatever is answered.
            if !state.joined.contains(&room_id) {
                state.joined.push(room_id);
            }
        }
        let path = format!("/v1/rooms/{room_id}/members/{user_id}");
        let request = Request {
            method: Method::PUT,
            url: |routes: &Routes, place| routes.url(place, &path),
            body: None,
            key: Some(self.next_key()),
        };
        let done = self.caller.call(&request, &mut self.tries).await;
        done.map(drop)
    }

    /// Creates a room that nobody else knows of.
    async fn create_room(&mut self, user: u32) -> Result<(), Failed> {
        let (nonce, client, nth) = (&self.world.nonce, self.number, self.creations);
        let room = NewRoom {
            name: format!("{nonce}-new-{client}-{nth}"),
            description: String::new(),
            creator: self.world.users[user as usize],
        };
        self.creations += 1;
        let body = serde_json::to_vec(&room).expect("names and numbers have a JSON form");
        let request = Request {
            method: Method::POST,
            url: |routes: &Routes, place| routes.url(place, "/v1/rooms"),
            body: Some(body.into()),
            key: Some(self.next_key()),
        };
        let bytes = self.caller.call(&request, &mut self.tries).await?;
        let made: RoomCreated = self.parsed("create-room", &bytes)?;
        self.created.push(made.room_id);
        Ok(())
    }

    fn parsed<'a, T: serde::Deserialize<'a>>(
        &mut self,
        what: &str,
        bytes: &'a [u8],
    ) -> Result<T, Failed> {
        serde_json::from_slice(bytes).map_err(|error| {
            self.tries.troubles.push(Trouble::Malformed);
            Failed {
                trouble: Trouble::Malformed,
                maybe: true,
                detail: format!("the answer to a {what} cannot be read: {error}"),
            }
        })
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

/// What a read asks for beyond the page.
fn parameter(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Linearizable => "",
        Consistency::Lease => "&consistency=lease",
        Consistency::Local => "&consistency=local",
    }
}
