//! Who is there before the load begins: sessions, users, rooms, members, first messages.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use telegraft_cluster::http::api::{NewRoom, NewUser, RoomCreated, SessionCreated, UserCreated};
use tokio::task::JoinSet;

use crate::call::{Caller, Request, Tries, connections, key};
use crate::client::{Checks, Client, World};
use crate::plan::{Plan, creator, rooms_of};
use crate::routes::{Place, Routes};
use crate::suite::Workload;

/// Clients that set the population up, at most: as many as make it quick.
const BUILDERS: usize = 64;

/// What a run is set up from.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Stands in every name, so that a run on a cluster that is not new has its own.
    pub nonce: String,
    /// What clients do.
    pub workload: Workload,
    /// How closely answers are checked.
    pub checks: Checks,
    /// The seed of the plans.
    pub seed: u64,
}

/// A session and the number of its next write.
type Session = (u64, u64);

/// Who sets the population up: some of the clients-to-be.
struct Builder {
    caller: Caller,
    session: Session,
}

impl Builder {
    async fn open(mut caller: Caller) -> Result<Self, String> {
        // Without a key there is nothing to keep apart: a session that nobody uses is no harm.
        let made: SessionCreated = post(&mut caller, "/v1/sessions", None, None).await?;
        Ok(Builder {
            caller,
            session: (made.session_id, 1),
        })
    }

    async fn create<T: DeserializeOwned>(
        &mut self,
        path: &str,
        what: &impl Serialize,
    ) -> Result<T, String> {
        let (session, sequence) = &mut self.session;
        let key = key(*session, *sequence);
        *sequence += 1;
        let body = serde_json::to_vec(what).expect("names and numbers have a JSON form");
        post(&mut self.caller, path, Some(body.into()), Some(key)).await
    }

    async fn join(&mut self, room: u64, user: u64) -> Result<(), String> {
        let (session, sequence) = &mut self.session;
        let path = format!("/v1/rooms/{room}/members/{user}");
        let request = Request {
            method: Method::PUT,
            url: |routes: &Routes, place: Place| routes.url(place, &path),
            body: None,
            key: Some(key(*session, *sequence)),
        };
        *sequence += 1;
        let done = self.caller.call(&request, &mut Tries::default()).await;
        done.map(drop)
            .map_err(|failed| format!("PUT {path}: {failed}"))
    }
}

async fn post<T: DeserializeOwned>(
    caller: &mut Caller,
    path: &str,
    body: Option<Bytes>,
    key: Option<HeaderValue>,
) -> Result<T, String> {
    let request = Request {
        method: Method::POST,
        url: |routes: &Routes, place: Place| routes.url(place, path),
        body,
        key,
    };
    let answer = caller.call(&request, &mut Tries::default()).await;
    let bytes = answer.map_err(|failed| format!("POST {path}: {failed}"))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| format!("POST {path}: the answer cannot be read: {error}"))
}

/// Sets everything up and gives the clients that will load it.
///
/// # Errors
/// What could not be made, and why.
pub async fn set_up(scene: &Scene, routes: &Arc<Routes>) -> Result<Vec<Client>, String> {
    let http = connections()?;
    let count = scene.workload.clients;
    let population = scene.workload.population;

    let callers = (0..count).map(|client| Caller::new(http.clone(), Arc::clone(routes), client));
    let mut builders: Vec<Builder> = each(callers.collect(), Builder::open).await?;

    let nonce = scene.nonce.clone();
    let users: Vec<u64> = shared(&mut builders, population.users, move |who, user| {
        let name = format!("{nonce}-user-{user}");
        Box::pin(async move {
            let made: UserCreated = who.create("/v1/users", &NewUser { name }).await?;
            Ok(made.user_id)
        })
    })
    .await?;
    let (nonce, ids) = (scene.nonce.clone(), users.clone());
    let rooms: Vec<u64> = shared(&mut builders, population.rooms, move |who, room| {
        let what = NewRoom {
            name: format!("{nonce}-room-{room}"),
            description: String::new(),
            creator: ids[creator(&population, room)],
        };
        Box::pin(async move {
            let made: RoomCreated = who.create("/v1/rooms", &what).await?;
            Ok(made.room_id)
        })
    })
    .await?;
    let (user_ids, room_ids) = (users.clone(), rooms.clone());
    shared(&mut builders, population.users, move |who, user| {
        // Who created a room is a member already.
        let rooms = rooms_of(&population, user).filter(|room| creator(&population, *room) != user);
        let rooms: Vec<u64> = rooms.map(|room| room_ids[room]).collect();
        let user = user_ids[user];
        Box::pin(async move {
            for room in rooms {
                who.join(room, user).await?;
            }
            Ok(())
        })
    })
    .await?;

    let world = Arc::new(World::new(
        scene.nonce.clone(),
        scene.workload.clone(),
        scene.checks,
        users,
        rooms,
        routes,
    ));
    let clients = builders.into_iter().map(|builder| {
        let operations = &scene.workload.operations;
        let number = builder.caller.client;
        let plan = Plan::new(scene.seed, number, count, &population, operations);
        Client::new(Arc::clone(&world), builder.caller, builder.session, plan)
    });
    let mut clients: Vec<Client> = clients.collect();
    shared(&mut clients, population.rooms, move |who, room| {
        Box::pin(async move {
            for _ in 0..population.prefill {
                let sent = who.send(creator(&population, room), room).await;
                sent.map_err(|failed| format!("cannot send the first messages: {failed}"))?;
            }
            Ok(())
        })
    })
    .await?;
    Ok(clients)
}

/// Does `work` with each of `items` at once.
async fn each<T, R, F>(items: Vec<T>, work: impl Fn(T) -> F) -> Result<Vec<R>, String>
where
    F: Future<Output = Result<R, String>> + Send + 'static,
    R: Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (nth, item) in items.into_iter().enumerate() {
        let work = work(item);
        tasks.spawn(async move { (nth, work.await) });
    }
    let mut done: Vec<(usize, R)> = Vec::new();
    while let Some(task) = tasks.join_next().await {
        let (nth, result) = task.map_err(|error| format!("a task failed: {error}"))?;
        done.push((nth, result?));
    }
    done.sort_unstable_by_key(|(nth, _)| *nth);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

type Work<'a, R> = Pin<Box<dyn Future<Output = Result<R, String>> + Send + 'a>>;

/// Does `work` with the numbers below `count`, shared among some of the `workers`.
async fn shared<W, R>(
    workers: &mut Vec<W>,
    count: usize,
    work: impl for<'a> Fn(&'a mut W, usize) -> Work<'a, R> + Send + Sync + 'static,
) -> Result<Vec<R>, String>
where
    W: Send + 'static,
    R: Send + 'static,
{
    let idle = workers.split_off(workers.len().min(BUILDERS));
    let many = workers.len();
    let work = Arc::new(work);
    let busy: Vec<(usize, W)> = std::mem::take(workers).into_iter().enumerate().collect();
    let done = each(busy, |(first, mut worker)| {
        let work = Arc::clone(&work);
        async move {
            let mut results = Vec::new();
            for number in (first..count).step_by(many) {
                results.push((number, work(&mut worker, number).await?));
            }
            Ok((worker, results))
        }
    })
    .await?;
    let mut all = Vec::new();
    for (worker, results) in done {
        workers.push(worker);
        all.extend(results);
    }
    workers.extend(idle);
    all.sort_unstable_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}
