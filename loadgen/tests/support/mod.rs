//! A server that answers as a test tells it, and the pieces of a small run.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test takes what it needs of this, and stops at the first surprise"
)]

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telegraft_cluster::http::{Consistency, HttpOptions, Null, serve as serve_http};
use telegraft_loadgen::call::{Caller, connections};
use telegraft_loadgen::client::Client;
use telegraft_loadgen::engine::{Load, Loaded, SECONDS_CAPACITY, Stop, Work};
use telegraft_loadgen::plan::{People, Share};
use telegraft_loadgen::recorder::{ByKind, Second, Window, add};
use telegraft_loadgen::routes::Routes;
use telegraft_loadgen::run::Scenario;
use telegraft_loadgen::setup::{Scene, set_up};
use telegraft_loadgen::suite::{
    Arrival, Inbox, Operations, Popularity, Population, Read, ReadPage, Sizes, Targets, Think,
    Weight, Workload,
};
use telegraft_loadgen::trace::Recording;
use telegraft_loadgen::world::{Checks, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// The nonce of every test's run.
pub const NONCE: &str = "0badcafe";

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub key: Option<String>,
    pub body: String,
}

/// What the server does with a request.
pub enum Reply {
    /// A status and a body.
    Answer(u16, String),
    /// The same, naming a leader.
    Leader(u16, String, String),
    /// The connection breaks.
    Reset,
    /// No answer ever comes.
    Hang,
    /// What the test says, when it does.
    Later(oneshot::Receiver<Reply>),
}

/// A server.
pub struct Scripted {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Scripted {
    pub async fn start(script: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let script = Arc::new(Mutex::new(script));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move {
                    // A client may go away at any time.
                    let _ = serve(stream, |seen| {
                        log.lock().unwrap().push(seen.clone());
                        (script.lock().unwrap())(seen)
                    })
                    .await;
                });
            }
        });
        Scripted {
            url,
            seen,
            connections,
            task,
        }
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Everything that was asked.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, mut reply: impl FnMut(&Seen) -> Reply) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        let mut lines = text.lines();
        let mut first = lines.next().unwrap_or_default().split(' ');
        let method = first.next().unwrap_or_default().to_owned();
        let path = first.next().unwrap_or_default().to_owned();
        let header = |name: &str| {
            let mut headers = text.lines().skip(1).filter_map(|line| line.split_once(':'));
            let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim().to_owned())
        };
        let length: usize = header("content-length").map_or(0, |text| text.parse().unwrap());
        while bytes.len() < head + length {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
        let seen = Seen {
            method,
            path,
            key: header("idempotency-key"),
            body: String::from_utf8_lossy(&bytes[head..head + length]).into_owned(),
        };
        bytes.drain(..head + length);
        let mut told = reply(&seen);
        while let Reply::Later(answered) = told {
            told = answered.await.unwrap_or(Reply::Reset);
        }
        let (status, body, leader) = match told {
            Reply::Answer(status, body) => (status, body, String::new()),
            Reply::Leader(status, body, leader) => {
                (status, body, format!("telegraft-leader: {leader}\r\n"))
            }
            Reply::Reset => return Ok(()),
            Reply::Hang | Reply::Later(_) => std::future::pending().await,
        };
        let head = format!(
            "HTTP/1.1 {status} Told\r\ncontent-length: {}\r\n{leader}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
    }
}

/// Starts the null system; its address. It ends with the test's runtime.
pub async fn null() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let backend = Arc::new(Null::new(url.clone()));
    let options = HttpOptions::default();
    tokio::spawn(serve_http(
        listener,
        backend,
        options,
        std::future::pending(),
    ));
    url
}

/// A small closed loop that sends, reads rooms and reads inboxes.
pub fn workload(clients: usize) -> Workload {
    Workload {
        name: "small".to_owned(),
        description: String::new(),
        consistency: Consistency::Linearizable,
        targets: Targets::Leader,
        message_bytes: Sizes::Fixed(64),
        max_errors: None,
        population: Population {
            users: 6,
            rooms: 3,
            rooms_per_user: 2,
            room_sizes: Popularity::Uniform,
            popularity: Popularity::Uniform,
            prefill: 4,
        },
        arrival: Arrival::Closed {
            clients,
            think: Think::None,
        },
        operations: Operations {
            send: Some(Weight { weight: 2 }),
            read: Some(Read {
                weight: 1,
                page: ReadPage::SinceLastSeen,
                limit: 10,
            }),
            inbox: Some(Inbox {
                weight: 1,
                limit: 10,
            }),
            ..Operations::default()
        },
        polling: None,
        slo: std::collections::BTreeMap::new(),
        faults: Vec::new(),
    }
}

/// What clients of `workload` have in common: users 101, 102… and rooms 11, 12…
pub fn world(workload: &Workload) -> Arc<World> {
    let people = Arc::new(People::new(&workload.population, 1).unwrap());
    let ids = |first: u64, count: usize| (first..).take(count).collect::<Vec<u64>>();
    Arc::new(World::new(
        NONCE.to_owned(),
        Checks::Full,
        workload.consistency,
        Arc::clone(&people),
        ids(101, people.users()),
        ids(11, people.rooms()),
    ))
}

/// The client `number` in a world, whose session is 5 more than that.
pub fn client_in(
    world: &Arc<World>,
    number: u32,
    urls: &[&str],
    targets: Targets,
    set: impl FnOnce(&mut Caller),
) -> Client {
    let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
    let routes = Arc::new(Routes::new(&urls, targets).unwrap());
    let mut caller = Caller::new(connections().unwrap(), routes, number as usize);
    set(&mut caller);
    let session = (5 + u64::from(number), 1);
    Client::new(number, Arc::clone(world), caller, session)
}

/// The only client of `workload`, whose session is 5.
pub fn client(urls: &[&str], workload: &Workload, set: impl FnOnce(&mut Caller)) -> Client {
    client_in(&world(workload), 0, urls, workload.targets, set)
}

/// The clients of a scenario, on the system at `url`, which keeps nothing.
pub async fn populated(scenario: &Scenario, url: &str) -> Vec<Client> {
    let workload = scenario.workload();
    let routes = Arc::new(Routes::new(&[url.to_owned()], workload.targets).unwrap());
    let scene = Scene {
        nonce: NONCE.to_owned(),
        people: Arc::clone(scenario.people()),
        connections: workload.connections(),
        consistency: workload.consistency,
        checks: Checks::Shape,
        prefill_bytes: workload.message_bytes.typical(),
        share: Share::WHOLE,
        all_users: true,
        deadline: Instant::now(),
    };
    set_up(scene, &routes).await.unwrap()
}

/// What remains to be said of a load.
pub struct Loadable<'a> {
    scenario: &'a Scenario,
    pub seed: u64,
    pub warmup: Duration,
    pub duration: Duration,
    pub threads: usize,
    /// Which machine's part of an open load.
    pub share: Share,
    pub stop: Stop,
    /// Stopped when the first second was told of.
    pub stop_after_a_second: bool,
    /// A file that it is recorded in.
    pub record: Option<&'a Path>,
}

impl<'a> Loadable<'a> {
    /// Without a warm-up, on one thread.
    pub fn new(scenario: &'a Scenario, seed: u64, duration: Duration) -> Self {
        Loadable {
            scenario,
            seed,
            warmup: Duration::ZERO,
            duration,
            threads: 1,
            share: Share::WHOLE,
            stop: Stop::default(),
            stop_after_a_second: false,
            record: None,
        }
    }

    fn work(&self, clients: &[Client]) -> Work {
        if self.scenario.workload().is_closed() {
            let plan = |client: &Client| {
                let number = client.number() as usize;
                self.scenario.client_plan(self.seed, number).unwrap()
            };
            return Work::Closed(clients.iter().map(plan).collect());
        }
        let timeline = self
            .scenario
            .timeline(self.seed, self.warmup, self.duration);
        Work::Open(timeline.unwrap().of_machine(self.share))
    }

    /// Loads; what came of it, and every second that was told of.
    pub async fn run(self, clients: Vec<Client>) -> (Loaded, Vec<Second>) {
        let work = self.work(&clients);
        let (recording, parts) = match self.record {
            Some(path) => {
                let (recording, parts) = Recording::begin(path, self.threads).unwrap();
                (Some(recording), parts)
            }
            None => (None, Vec::new()),
        };
        let (seconds, mut told) = mpsc::channel(SECONDS_CAPACITY);
        let start = Instant::now();
        let from = start + self.warmup;
        let load = Load {
            clients,
            work,
            start,
            window: Window {
                from,
                to: from + self.duration,
            },
            // However slow the machine is: it is over as soon as everything is done.
            drain: Duration::from_secs(60),
            threads: self.threads,
            stop: self.stop.clone(),
            seconds,
            recording: parts,
        };
        let collecting = async {
            let mut all = Vec::new();
            while let Some(second) = told.recv().await {
                if self.stop_after_a_second {
                    self.stop.stop();
                }
                all.push(second);
            }
            all
        };
        let (loaded, seconds) = tokio::join!(load.run(), collecting);
        let mut loaded = loaded.unwrap();
        loaded.recording.clear();
        if let Some(recording) = recording {
            let names = self.scenario.names();
            let user = |user| names.user(user);
            recording.finish(&user, &|room| names.room(room)).unwrap();
        }
        loaded.clients.sort_unstable_by_key(Client::number);
        (loaded, seconds)
    }
}

/// All that was counted.
pub fn total(seconds: &[Second]) -> ByKind {
    let mut total = ByKind::default();
    for second in seconds {
        add(&mut total, &second.counts);
    }
    total
}

/// The same client of a populated world, with another address to talk to.
pub fn moved(client: &Client, workload: &Workload, url: &str) -> Client {
    client_in(
        client.world(),
        client.number(),
        &[url],
        workload.targets,
        |_| {},
    )
}

/// The server at `url` with every answer so much later; the address.
pub async fn slowed(url: &str, by: Duration) -> String {
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&address).await.unwrap();
            client.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let ((mut asks, mut hears), (mut answers, mut takes)) =
                    (client.into_split(), server.into_split());
                let asking = tokio::io::copy(&mut asks, &mut takes);
                let answering = async {
                    // An answer is read whole.
                    let mut bytes = Vec::with_capacity(64 << 10);
                    while answers.read_buf(&mut bytes).await? > 0 {
                        tokio::time::sleep(by).await;
                        hears.write_all(&bytes).await?;
                        bytes.clear();
                    }
                    Ok::<_, io::Error>(0)
                };
                // Either side may go away at any time.
                let _ = tokio::try_join!(asking, answering);
            });
        }
    });
    url
}
