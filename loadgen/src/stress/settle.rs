//! After the faults: everyone is ready and has caught up, and every room and every inbox is read
//! whole from every replica.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use telegraft_history::{Completion, Consistency, Op};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::journal::Journal;
use super::lookout::{Lookout, leader};
use super::pages;
use crate::call::{Caller, Limits, Request, Tries};
use crate::routes::{Place, Routes};

/// Everyone is ready and has caught up by then. One that was down has a whole run to replay.
pub(super) const HEAL: Duration = Duration::from_secs(60);
/// How often they are looked at.
const POLL: Duration = Duration::from_millis(50);
/// One page of a replica that has nothing else to do.
const ANSWER: Limits = Limits {
    operation: Duration::from_secs(20),
    attempt: Duration::from_secs(20),
};
/// A page of small messages.
const PAGE: u32 = 500;
/// A page of large ones.
const LARGE_PAGE: u32 = 50;

/// Waits until somebody leads, and all have applied the leader's whole log: the index.
///
/// # Errors
/// It does not come to that; how they are.
pub(super) async fn settled(lookout: &Lookout, replicas: usize) -> Result<u64, String> {
    let deadline = Instant::now() + HEAL;
    let mut before = None;
    loop {
        let view = lookout.look().await;
        let leads = leader(&view);
        let last = view.values().map(|status| status.last_index).max();
        let whole = leads.is_some()
            && view.len() == replicas
            && view
                .values()
                .all(|status| Some(status.applied_index) == last);
        // Twice, because what is in a mailbox is in no log yet.
        if let Some(last) = last.filter(|_| whole && before == last) {
            return Ok(last);
        }
        before = last.filter(|_| whole);
        if Instant::now() >= deadline {
            let each = (1..=replicas as u64).map(|id| match view.get(&id) {
                Some(status) => format!(
                    "replica {id} is {} in term {} and has applied {} of {}",
                    status.role, status.term, status.applied_index, status.last_index
                ),
                None => format!("replica {id} does not answer"),
            });
            return Err(format!(
                "it did not heal within {} s: {}",
                HEAL.as_secs(),
                each.collect::<Vec<_>>().join("; ")
            ));
        }
        sleep(POLL).await;
    }
}

/// What is read, and by whom.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    pub(super) http: reqwest::Client,
    pub(super) routes: Arc<Routes>,
    pub(super) journal: Arc<Journal>,
    pub(super) nonce: String,
    /// Rooms of small messages.
    pub(super) rooms: Vec<u64>,
    /// One of large ones.
    pub(super) ballast: u64,
    /// Whose inboxes are read.
    pub(super) users: Vec<u64>,
}

impl Readers {
    /// Reads every room and every inbox from every replica, page by page, and the digests at
    /// `index`.
    ///
    /// # Errors
    /// A replica that is healed does not answer.
    pub(super) async fn read_all(&self, lookout: &Lookout, index: u64) -> Result<(), String> {
        let mut tasks = JoinSet::new();
        for place in 0..self.routes.count() {
            for consistency in [Consistency::Local, Consistency::Linearizable] {
                let readers = self.clone();
                tasks.spawn(async move { readers.one(place, consistency, index).await });
            }
        }
        while let Some(read) = tasks.join_next().await {
            read.map_err(|error| format!("the last reads failed: {error}"))??;
        }
        let ids: Vec<u64> = (1..=self.routes.count() as u64).collect();
        let digests = lookout.digests(ids.clone(), index).await;
        for (id, answer) in &digests {
            self.journal.digest(*id, answer.index, &answer.digest);
        }
        match ids.iter().find(|id| !digests.contains_key(id)) {
            Some(id) => Err(format!("replica {id} does not tell its digest at {index}")),
            None => Ok(()),
        }
    }

    /// Reads every room and inboxes from one replica.
    async fn one(
        &self,
        place: Place,
        consistency: Consistency,
        min_index: u64,
    ) -> Result<(), String> {
        let mut caller = Caller::new(self.http.clone(), Arc::clone(&self.routes), place);
        caller.limits = ANSWER;
        let reader = Reader {
            readers: self,
            process: self.journal.process(),
            caller,
            place,
            consistency,
        };
        let rooms = self.rooms.iter().map(|room| (*room, PAGE));
        for (room, limit) in rooms.chain([(self.ballast, LARGE_PAGE)]) {
            reader.room(room, limit, min_index).await?;
        }
        for (nth, user) in self.users.iter().enumerate() {
            // An inbox repeats what is in rooms, for each member: fresh, one replica's is enough.
            if consistency == Consistency::Local || nth % self.routes.count() == place {
                reader.inbox(*user).await?;
            }
        }
        Ok(())
    }
}

/// Who reads everything from one replica.
struct Reader<'a> {
    readers: &'a Readers,
    process: u64,
    caller: Caller,
    place: Place,
    consistency: Consistency,
}

impl Reader<'_> {
    async fn room(&self, room: u64, limit: u32, min_index: u64) -> Result<(), String> {
        let mut after = 0;
        loop {
            let op = Op::Read {
                room,
                after,
                limit,
                consistency: self.consistency,
                replica: self.place as u64 + 1,
                min_index,
            };
            let path = pages::read_path(room, after, limit, self.consistency, min_index);
            let page = self.ask(&op, &path, pages::read).await?;
            let Completion::Read { values, .. } = page else {
                return Ok(());
            };
            match values.last() {
                // A page that brings nothing new ends it, be it empty or nonsense.
                Some((last, _)) if values.len() == limit as usize && *last > after => {
                    after = *last;
                }
                _ => return Ok(()),
            }
        }
    }

    async fn inbox(&self, user: u64) -> Result<(), String> {
        let mut after = 0;
        loop {
            let op = Op::Inbox {
                user,
                after,
                limit: PAGE,
                consistency: self.consistency,
                replica: self.place as u64 + 1,
            };
            let path = pages::inbox_path(user, after, PAGE, self.consistency);
            let page = self.ask(&op, &path, pages::inbox).await?;
            match page {
                Completion::Inbox { values, cursor, .. }
                    if values.len() == PAGE as usize && cursor > after =>
                {
                    after = cursor;
                }
                _ => return Ok(()),
            }
        }
    }

    /// One page, told to the history.
    async fn ask(
        &self,
        op: &Op,
        path: &str,
        parse: impl Fn(&Bytes, &str) -> Result<Completion, String>,
    ) -> Result<Completion, String> {
        let Readers { journal, nonce, .. } = self.readers;
        let request = Request::get(|routes: &Routes, place: Place| routes.url(place, path));
        journal.invoke(self.process, op);
        let answer = self
            .caller
            .once(&request, self.place, &mut Tries::default())
            .await;
        let answer = answer.map_err(|failed| failed.to_string());
        let page = answer.and_then(|bytes| parse(&bytes, nonce));
        journal.complete(self.process, op, page.as_ref().unwrap_or(&Completion::Fail));
        let replica = self.place + 1;
        page.map_err(|why| format!("replica {replica} is healed, and {path}: {why}"))
    }
}
