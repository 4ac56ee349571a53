//! After the faults: everyone is ready and has caught up, and every room is read whole from every
//! replica.

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
}

impl Readers {
    /// Reads every room from every replica, page by page, and the digests at `index`.
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

    /// Reads every room from one replica.
    async fn one(
        &self,
        place: Place,
        consistency: Consistency,
        min_index: u64,
    ) -> Result<(), String> {
        let process = self.journal.process();
        let mut caller = Caller::new(self.http.clone(), Arc::clone(&self.routes), place);
        caller.limits = ANSWER;
        let rooms = self.rooms.iter().map(|room| (*room, PAGE));
        for (room, limit) in rooms.chain([(self.ballast, LARGE_PAGE)]) {
            let mut after = 0;
            loop {
                let op = Op::Read {
                    room,
                    after,
                    limit,
                    consistency,
                    replica: place as u64 + 1,
                    min_index,
                };
                let path = pages::read_path(room, after, limit, consistency, min_index);
                let request =
                    Request::get(|routes: &Routes, place: Place| routes.url(place, &path));
                self.journal.invoke(process, &op);
                let answer = caller.once(&request, place, &mut Tries::default()).await;
                let page = self.page(answer.map_err(|failed| failed.to_string()));
                let (completion, why) = match page {
                    Ok(completion) => (completion, None),
                    Err(why) => (Completion::Fail, Some(why)),
                };
                self.journal.complete(process, &op, &completion);
                if let Some(why) = why {
                    let replica = place + 1;
                    return Err(format!("replica {replica} is healed, and {path}: {why}"));
                }
                let Completion::Read { values, .. } = completion else {
                    break;
                };
                match values.last() {
                    // A page that brings nothing new ends it, be it empty or nonsense.
                    Some((last, _)) if values.len() == limit as usize && *last > after => {
                        after = *last;
                    }
                    _ => break,
                }
            }
        }
        Ok(())
    }

    fn page(&self, answer: Result<Bytes, String>) -> Result<Completion, String> {
        pages::read(&answer?, &self.nonce)
    }
}
