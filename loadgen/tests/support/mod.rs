//! A server that answers as a test tells it, and the pieces of a small run.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test takes what it needs of this, and stops at the first surprise"
)]

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use telegraft_cluster::http::Consistency;
use telegraft_loadgen::call::{Caller, connections};
use telegraft_loadgen::client::{Checks, Client, World};
use telegraft_loadgen::plan::Plan;
use telegraft_loadgen::routes::Routes;
use telegraft_loadgen::suite::{
    Inbox, Operations, Population, Read, ReadPage, Send as Sends, Targets, Workload,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
        let (status, body, leader) = match reply(&seen) {
            Reply::Answer(status, body) => (status, body, String::new()),
            Reply::Leader(status, body, leader) => {
                (status, body, format!("telegraft-leader: {leader}\r\n"))
            }
            Reply::Reset => return Ok(()),
            Reply::Hang => std::future::pending().await,
        };
        let head = format!(
            "HTTP/1.1 {status} Told\r\ncontent-length: {}\r\n{leader}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
    }
}

/// A small workload with every operation.
pub fn workload(clients: usize) -> Workload {
    Workload {
        name: "small".to_owned(),
        description: String::new(),
        clients,
        consistency: Consistency::Linearizable,
        targets: Targets::Leader,
        message_bytes: 64,
        population: Population {
            users: 6,
            rooms: 3,
            rooms_per_user: 2,
            prefill: 4,
        },
        operations: Operations {
            send: Some(Sends { weight: 2 }),
            read: Some(Read {
                weight: 1,
                page: ReadPage::SinceLastSeen,
                limit: 10,
            }),
            inbox: Some(Inbox {
                weight: 1,
                limit: 10,
            }),
        },
        faults: Vec::new(),
    }
}

/// One client of `workload` whose session is 5, in a world of users 101, 102… and rooms 11, 12…
pub fn client(urls: &[&str], workload: &Workload, set: impl FnOnce(&mut Caller)) -> Client {
    let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
    let routes = Arc::new(Routes::new(&urls, workload.targets).unwrap());
    let population = workload.population;
    let ids = |first: u64, count: usize| (first..).take(count).collect::<Vec<u64>>();
    let world = World::new(
        NONCE.to_owned(),
        workload.clone(),
        Checks::Full,
        ids(101, population.users),
        ids(11, population.rooms),
        &routes,
    );
    let mut caller = Caller::new(connections().unwrap(), routes, 0);
    set(&mut caller);
    let plan = Plan::new(1, 0, 1, &population, &workload.operations);
    Client::new(Arc::new(world), caller, (5, 1), plan)
}
