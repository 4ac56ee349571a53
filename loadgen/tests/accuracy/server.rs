//! A server whose behaviour is known: the null system that takes its time for each message and
//! may stand still once, with a log of when it did.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use telegraft_cluster::chat::{Action, Answer, DigestAt, Outcome, Query, QueryError, SessionKey};
use telegraft_cluster::http::{
    Backend, Consistency, HttpOptions, LeaderInfo, NodeStatus, Null, Refusal, serve,
};
use telegraft_cluster::raft::LogIndex;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

/// A time in which nothing is answered.
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    /// When it begins: what is not answered by then waits.
    pub began: Instant,
    /// When it ends. Once it is over: when the first answer left.
    pub ended: Instant,
    /// Messages that it kept waiting in service.
    pub held: u64,
}

/// The null system, slower.
struct Slow {
    null: Null,
    service: Duration,
    messages: AtomicU64,
    stall: Mutex<Option<Stall>>,
}

impl Slow {
    /// Waits until the stall is over that is going on, if one is.
    async fn hold(&self) {
        let now = Instant::now();
        let until = {
            let mut stall = self.stall.lock().unwrap();
            let going_on = stall
                .as_mut()
                .filter(|stall| (stall.began..stall.ended).contains(&now));
            let Some(stall) = going_on else { return };
            stall.held += 1;
            stall.ended
        };
        sleep_until(until).await;
        let mut stall = self.stall.lock().unwrap();
        let stall = stall.as_mut().expect("it was there");
        if stall.ended == until {
            stall.ended = Instant::now();
        }
    }
}

impl Backend for Slow {
    async fn write(
        &self,
        action: Action,
        key: Option<SessionKey>,
        deadline: Duration,
    ) -> Result<Outcome, Refusal> {
        if matches!(action, Action::SendMessage { .. }) {
            self.messages.fetch_add(1, Ordering::Relaxed);
            if !self.service.is_zero() {
                sleep(self.service).await;
            }
            self.hold().await;
        }
        self.null.write(action, key, deadline).await
    }

    fn read(
        &self,
        query: Query,
        consistency: Consistency,
        min_index: LogIndex,
        deadline: Duration,
    ) -> impl Future<Output = Result<(Result<Answer, QueryError>, LogIndex), Refusal>> + Send {
        self.null.read(query, consistency, min_index, deadline)
    }

    fn status(&self) -> impl Future<Output = Result<NodeStatus, Refusal>> + Send {
        self.null.status()
    }

    fn digest(
        &self,
        index: Option<LogIndex>,
    ) -> impl Future<Output = Result<(LogIndex, DigestAt), Refusal>> + Send {
        self.null.digest(index)
    }

    fn leader(&self) -> Option<LeaderInfo> {
        self.null.leader()
    }

    fn leads(&self) -> bool {
        self.null.leads()
    }

    fn ready(&self) -> Result<(), String> {
        self.null.ready()
    }

    fn metrics(&self) -> String {
        self.null.metrics()
    }
}

/// The server, on a thread of its own until it is dropped.
pub struct Server {
    pub url: String,
    backend: Arc<Slow>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// One that takes `service` for each message, to the next millisecond.
    pub fn start(service: Duration) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (told, started) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let url = format!("http://{}", listener.local_addr().unwrap());
                let backend = Arc::new(Slow {
                    null: Null::new(url.clone()),
                    service,
                    messages: AtomicU64::new(0),
                    stall: Mutex::new(None),
                });
                told.send((url, Arc::clone(&backend))).unwrap();
                let served = serve(
                    listener,
                    backend,
                    HttpOptions::default(),
                    std::future::pending(),
                );
                tokio::select! {
                    _ = stopped => {}
                    served = served => served.unwrap(),
                }
            });
        });
        let (url, backend) = started.recv().unwrap();
        Server {
            url,
            backend,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Messages that it was sent so far.
    pub fn messages(&self) -> u64 {
        self.backend.messages.load(Ordering::Relaxed)
    }

    /// It will stand still from `began` on.
    pub fn stall(&self, began: Instant, length: Duration) {
        *self.backend.stall.lock().unwrap() = Some(Stall {
            began,
            ended: began + length,
            held: 0,
        });
    }

    /// How it stood still.
    pub fn stalled(&self) -> Stall {
        self.backend.stall.lock().unwrap().expect("it was asked to")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A failed server has failed the test already.
            let _ = thread.join();
        }
    }
}
