//! A server over a backend that does what a test says, and a client that sends what a test says.
#![allow(dead_code, reason = "every test takes what it needs")]
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise, and so may its helpers"
)]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telegraft_cluster::chat::{
    Action, Answer, Digest, DigestAt, Outcome, Query, QueryError, SessionKey,
};
use telegraft_cluster::http::{
    self, Backend, Consistency, HttpOptions, LeaderInfo, NodeStatus, Refusal,
};
use telegraft_cluster::raft::LogIndex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// Nothing in a test takes so long, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for what a server that works does soon.
pub(crate) async fn soon<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"))
}

pub(crate) type Written = Result<Outcome, Refusal>;
pub(crate) type Read = Result<(Result<Answer, QueryError>, LogIndex), Refusal>;

/// What a write was asked with.
pub(crate) type Asked = (Action, Option<SessionKey>, Duration);

/// A backend that answers what it was told to, and remembers what it was asked.
pub(crate) struct Fake {
    pub(crate) leads: AtomicBool,
    pub(crate) leader: Mutex<Option<LeaderInfo>>,
    pub(crate) written: Mutex<Written>,
    pub(crate) read: Mutex<Read>,
    pub(crate) digest: Mutex<Result<(LogIndex, DigestAt), Refusal>>,
    pub(crate) ready: Mutex<Result<(), String>>,
    pub(crate) writes: Mutex<Vec<Asked>>,
    pub(crate) reads: Mutex<Vec<(Query, Consistency, LogIndex, Duration)>>,
    /// A write takes one of these; without any, it waits.
    pub(crate) gate: Semaphore,
    /// Has a permit for each write that has come.
    pub(crate) arrived: Semaphore,
}

impl Fake {
    /// A leader where all goes well.
    pub(crate) fn new() -> Arc<Fake> {
        Arc::new(Fake {
            leads: AtomicBool::new(true),
            leader: Mutex::new(None),
            written: Mutex::new(Ok(Outcome::UserCreated { user_id: 7 })),
            read: Mutex::new(Ok((Ok(Answer::Messages(Vec::new())), 5))),
            digest: Mutex::new(Ok((5, DigestAt::Known(Digest(0xabc))))),
            ready: Mutex::new(Ok(())),
            writes: Mutex::default(),
            reads: Mutex::default(),
            gate: Semaphore::new(1 << 20),
            arrived: Semaphore::new(0),
        })
    }

    /// A follower of the leader at `url`.
    pub(crate) fn follower_of(url: Option<String>) -> Arc<Fake> {
        let fake = Fake::new();
        fake.leads.store(false, Ordering::Relaxed);
        *fake.leader.lock().unwrap() = Some(LeaderInfo { id: 2, url });
        fake
    }

    pub(crate) fn writes(&self, written: Written) {
        *self.written.lock().unwrap() = written;
    }

    pub(crate) fn reads(&self, read: Read) {
        *self.read.lock().unwrap() = read;
    }

    /// The writes that have come, which are forgotten.
    pub(crate) fn take_writes(&self) -> Vec<Asked> {
        std::mem::take(&mut self.writes.lock().unwrap())
    }

    /// Waits until a write has come.
    pub(crate) async fn write_arrived(&self) {
        let arrived = soon("a write arrives", self.arrived.acquire()).await;
        arrived.unwrap().forget();
    }
}

impl Backend for Fake {
    async fn write(&self, action: Action, key: Option<SessionKey>, deadline: Duration) -> Written {
        self.writes.lock().unwrap().push((action, key, deadline));
        self.arrived.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        self.written.lock().unwrap().clone()
    }

    async fn read(
        &self,
        query: Query,
        consistency: Consistency,
        min_index: LogIndex,
        deadline: Duration,
    ) -> Read {
        let asked = (query, consistency, min_index, deadline);
        self.reads.lock().unwrap().push(asked);
        self.read.lock().unwrap().clone()
    }

    async fn status(&self) -> Result<NodeStatus, Refusal> {
        Ok(NodeStatus {
            id: 1,
            cluster_id: "test".to_owned(),
            role: "leader".to_owned(),
            term: 3,
            leader: self.leader(),
            commit_index: 5,
            applied_index: 5,
            last_index: 6,
            first_index: 1,
            members: Vec::new(),
            peers: Vec::new(),
            digest: Digest(0xabc).to_string(),
        })
    }

    async fn digest(&self, _index: Option<LogIndex>) -> Result<(LogIndex, DigestAt), Refusal> {
        self.digest.lock().unwrap().clone()
    }

    fn leader(&self) -> Option<LeaderInfo> {
        self.leader.lock().unwrap().clone()
    }

    fn leads(&self) -> bool {
        self.leads.load(Ordering::Relaxed)
    }

    fn ready(&self) -> Result<(), String> {
        self.ready.lock().unwrap().clone()
    }

    fn metrics(&self) -> String {
        "# TYPE fake gauge\nfake 1\n# EOF\n".to_owned()
    }
}

/// A server on a port of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(crate) async fn start<B: Backend>(backend: &Arc<B>) -> Server {
        Server::with(backend, HttpOptions::default()).await
    }

    pub(crate) async fn with<B: Backend>(backend: &Arc<B>, options: HttpOptions) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(http::serve(
            listener,
            Arc::clone(backend),
            options,
            async move {
                let _ = stopped.await;
            },
        ));
        Server {
            address,
            stop: Some(stop),
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Begins to stop.
    pub(crate) fn stop(&mut self) {
        self.stop.take().expect("stopped once").send(()).unwrap();
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(self) {
        let ended = soon("the server stops", self.task).await;
        ended.unwrap().unwrap();
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut client = Client::connect(self.address).await;
        client.send(request).await;
        client.receive().await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(get(path)).await
    }

    /// Asks for the metrics until they contain `line`.
    pub(crate) async fn until_metrics(&self, line: &str) {
        let asking = async { while !self.get("/metrics").await.text().contains(line) {} };
        soon(line, asking).await;
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        self.send(post(path, "", body)).await
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")
}

/// A POST of JSON; `headers` end with a line's end each.
pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    )
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// Checks that this is a problem document of that status and type, and that its detail
    /// contains every one of `says`.
    #[track_caller]
    pub(crate) fn assert_problem(&self, case: &str, status: u16, kind: &str, says: &[&str]) {
        assert_eq!(self.status, status, "{case}: {self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{case}"
        );
        let problem = self.json();
        assert_eq!(
            problem["type"],
            format!("urn:telegraft:problem:{kind}"),
            "{case}: {problem}"
        );
        assert_eq!(problem["status"], status, "{case}");
        assert!(
            problem["title"].as_str().is_some_and(|it| !it.is_empty()),
            "{case}: {problem}"
        );
        let detail = problem["detail"].as_str().unwrap_or_default();
        for part in says {
            assert!(detail.contains(part), "{case}: {detail:?} lacks {part:?}");
        }
        let retry_after = self.header("retry-after");
        assert_eq!(retry_after.is_some(), status == 503, "{case}");
    }
}

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Says that no more will come.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    async fn more(&mut self) -> bool {
        let mut chunk = [0; 64 << 10];
        // A reset is an end, too.
        let read = soon("it answers or closes", self.stream.read(&mut chunk))
            .await
            .unwrap_or(0);
        self.buffer.extend_from_slice(&chunk[..read]);
        read > 0
    }

    /// The next answer.
    pub(crate) async fn receive(&mut self) -> Reply {
        self.try_receive().await.expect("an answer")
    }

    /// The next answer; none if the server closes the connection instead.
    pub(crate) async fn try_receive(&mut self) -> Option<Reply> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more().await {
                assert!(self.buffer.is_empty(), "half an answer");
                return None;
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        let mut reply = Reply {
            status,
            head,
            body: Vec::new(),
        };
        let length: usize = reply
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        while self.buffer.len() < length {
            assert!(self.more().await, "half an answer: {reply:?}");
        }
        reply.body = self.buffer.drain(..length).collect();
        Some(reply)
    }

    /// Waits until the server closes the connection, with nothing more to say.
    pub(crate) async fn closed(&mut self) {
        while self.more().await {}
        let rest = String::from_utf8_lossy(&self.buffer);
        assert!(rest.is_empty(), "{rest}");
    }
}

/// A body in chunks.
pub(crate) fn chunked(path: &str, chunks: &[&str]) -> String {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    for chunk in chunks {
        let _ = write!(request, "{:x}\r\n{chunk}\r\n", chunk.len());
    }
    request.push_str("0\r\n\r\n");
    request
}
