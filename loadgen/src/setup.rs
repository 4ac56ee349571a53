//! Who is there before the load begins: sessions, users, rooms, members, first messages.
//!
//! Several machines that share a workload set up what belongs to their users, and look the rest
//! up by name until it is there.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use telegraft_cluster::http::Consistency;
use telegraft_cluster::http::api::{
    NewRoom, NewUser, RoomCreated, RoomFound, SessionCreated, UserCreated, UserFound,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::call::{Caller, Request, Tries, Trouble, connections, key};
use crate::client::Client;
use crate::plan::{People, Share};
use crate::routes::{Place, Routes};
use crate::world::{Checks, World};

/// Between two looks for what another machine sets up.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Clients that set the population up, at most: as many as make it quick.
const BUILDERS: usize = 64;

/// What a run is set up from.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Stands in every name, so that a run on a cluster that is not new has its own.
    pub nonce: String,
    /// Who is to be there.
    pub people: Arc<People>,
    /// Connections of all machines together.
    pub connections: usize,
    /// How fresh the reads of the load must be.
    pub consistency: Consistency,
    /// How closely its answers are checked.
    pub checks: Checks,
    /// Bytes of each message that a room begins with.
    pub prefill_bytes: usize,
    /// Which of the machines this is.
    pub share: Share,
    /// Whether clients act for all users, or for those of this machine alone.
    pub all_users: bool,
    /// Until when other machines must have set up what is theirs.
    pub deadline: Instant,
}

impl Scene {
    fn name(&self, what: &str, place: usize) -> String {
        format!("{}-{what}-{place}", self.nonce)
    }

    fn has(&self, user: usize) -> bool {
        self.share.has(user as u64)
    }

    fn sets_up(&self, room: usize) -> bool {
        self.has(self.people.creator(number(room)) as usize)
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("populations are bounded")
}

/// A session and the number of its next write.
pub(crate) type Session = (u64, u64);

/// Who sets the population up: some of the clients-to-be.
pub(crate) struct Builder {
    caller: Caller,
    pub(crate) session: Session,
}

impl Builder {
    pub(crate) async fn open(mut caller: Caller) -> Result<Self, String> {
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

    /// Creates a user; its id.
    pub(crate) async fn user(&mut self, name: String) -> Result<u64, String> {
        let made: UserCreated = self.create("/v1/users", &NewUser { name }).await?;
        Ok(made.user_id)
    }

    /// Creates a room; its id.
    pub(crate) async fn room(&mut self, name: String, creator: u64) -> Result<u64, String> {
        let what = NewRoom {
            name,
            description: String::new(),
            creator,
        };
        let made: RoomCreated = self.create("/v1/rooms", &what).await?;
        Ok(made.room_id)
    }

    /// The id of what another machine creates, once it is there.
    async fn look_up<T: DeserializeOwned>(
        &mut self,
        path: &str,
        deadline: Instant,
    ) -> Result<T, String> {
        let request = Request::get(|routes: &Routes, place: Place| routes.url(place, path));
        loop {
            match self.caller.call(&request, &mut Tries::default()).await {
                Ok(bytes) => {
                    return serde_json::from_slice(&bytes).map_err(|error| {
                        format!("GET {path}: the answer cannot be read: {error}")
                    });
                }
                Err(failed) if failed.trouble != NOT_FOUND => {
                    return Err(format!("GET {path}: {failed}"));
                }
                Err(_) if Instant::now() >= deadline => {
                    return Err(format!(
                        "GET {path}: another shard was to create it by now. Do all shards run \
                         the same workload with the same seed and --start-at, and is there time \
                         enough before it?"
                    ));
                }
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        }
    }

    pub(crate) async fn join(&mut self, room: u64, user: u64) -> Result<(), String> {
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

const NOT_FOUND: Trouble = Trouble::Status(StatusCode::NOT_FOUND.as_u16());

/// Sets everything up and gives the clients that will load it.
///
/// # Errors
/// What could not be made, and why.
pub async fn set_up(scene: Scene, routes: &Arc<Routes>) -> Result<Vec<Client>, String> {
    let http = connections()?;
    let scene = Arc::new(scene);
    let numbers: Vec<usize> = (0..scene.connections)
        .filter(|client| scene.share.has(*client as u64))
        .collect();
    if numbers.is_empty() {
        let (nth, of) = (scene.share.nth + 1, scene.share.of);
        return Err(format!(
            "shard {nth}/{of} has none of the workload's {} connections",
            scene.connections
        ));
    }
    let callers = numbers
        .iter()
        .map(|client| Caller::new(http.clone(), Arc::clone(routes), *client));
    let mut builders: Vec<Builder> = each(callers.collect(), Builder::open).await?;

    let users = users(&scene, &mut builders).await?;
    let rooms = rooms(&scene, &mut builders, &users).await?;
    members(&scene, &mut builders, &users, &rooms).await?;

    let mut world = World::new(
        scene.nonce.clone(),
        scene.checks,
        scene.consistency,
        Arc::clone(&scene.people),
        users,
        rooms,
    );
    world.users_are_shared = scene.all_users && scene.share != Share::WHOLE;
    let world = Arc::new(world);
    let mut clients: Vec<Client> = builders
        .into_iter()
        .zip(numbers)
        .map(|(Builder { caller, session }, client)| {
            Client::new(number(client), Arc::clone(&world), caller, session)
        })
        .collect();
    let count = scene.people.rooms();
    shared(&mut clients, count, move |who, room| {
        let scene = Arc::clone(&scene);
        Box::pin(async move {
            if !scene.sets_up(room) {
                return Ok(());
            }
            let room = number(room);
            for _ in 0..scene.people.prefill() {
                let creator = scene.people.creator(room);
                let sent = who.send(creator, room, scene.prefill_bytes).await;
                sent.map_err(|failed| format!("cannot send the first messages: {failed}"))?;
            }
            Ok(())
        })
    })
    .await?;
    Ok(clients)
}

/// Ids of the users; 0 of those that nobody here acts for.
async fn users(scene: &Arc<Scene>, builders: &mut Vec<Builder>) -> Result<Vec<u64>, String> {
    let count = scene.people.users();
    let of_scene = Arc::clone(scene);
    shared(builders, count, move |who, user| {
        let scene = Arc::clone(&of_scene);
        Box::pin(async move {
            let name = scene.name("user", user);
            if scene.has(user) {
                return who.user(name).await;
            }
            let found: UserFound = if scene.all_users {
                let path = format!("/v1/users?name={name}");
                who.look_up(&path, scene.deadline).await?
            } else {
                return Ok(0);
            };
            Ok(found.user_id)
        })
    })
    .await
}

/// Ids of the rooms.
async fn rooms(
    scene: &Arc<Scene>,
    builders: &mut Vec<Builder>,
    users: &[u64],
) -> Result<Vec<u64>, String> {
    let (count, users) = (scene.people.rooms(), users.to_vec());
    let of_scene = Arc::clone(scene);
    shared(builders, count, move |who, room| {
        let scene = Arc::clone(&of_scene);
        let creator = users[scene.people.creator(number(room)) as usize];
        Box::pin(async move {
            let name = scene.name("room", room);
            if scene.sets_up(room) {
                return who.room(name, creator).await;
            }
            let path = format!("/v1/rooms?name={name}");
            let found: RoomFound = who.look_up(&path, scene.deadline).await?;
            Ok(found.room_id)
        })
    })
    .await
}

/// Makes the users of this machine members of their rooms.
async fn members(
    scene: &Arc<Scene>,
    builders: &mut Vec<Builder>,
    users: &[u64],
    rooms: &[u64],
) -> Result<(), String> {
    let (user_ids, room_ids) = (users.to_vec(), rooms.to_vec());
    let of_scene = Arc::clone(scene);
    let joined = shared(builders, scene.people.users(), move |who, user| {
        let people = &of_scene.people;
        // Who created a room is a member already.
        let other = |room: &&u32| people.creator(**room) as usize != user;
        let own = people.rooms_of(number(user)).iter().filter(other);
        let rooms: Vec<u64> = if of_scene.has(user) {
            own.map(|room| room_ids[*room as usize]).collect()
        } else {
            Vec::new()
        };
        let user = user_ids[user];
        Box::pin(async move {
            for room in rooms {
                who.join(room, user).await?;
            }
            Ok(())
        })
    });
    joined.await.map(drop)
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
