//! A follower passes writes on to the leader: one hop, never twice, and it says what it knows.

#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise, and so may its helpers"
)]

mod http_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http_support::{Client, Fake, Server, post};
use telegraft_cluster::chat::{Action, Outcome, SessionKey, WriteError};
use telegraft_cluster::http::{HttpOptions, LeaderInfo, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const USER: &str = r#"{"name":"Ada"}"#;

/// A leader and a follower of it.
async fn pair() -> (Arc<Fake>, Server, Arc<Fake>, Server) {
    let leader = Fake::new();
    let leading = Server::start(&leader).await;
    *leader.leader.lock().unwrap() = Some(LeaderInfo {
        id: 2,
        url: Some(leading.url()),
    });
    let follower = Fake::follower_of(Some(leading.url()));
    let following = Server::start(&follower).await;
    (leader, leading, follower, following)
}

#[tokio::test]
async fn a_write_is_forwarded_whole_and_its_answer_is_the_leaders() {
    let (leader, leading, follower, following) = pair().await;
    let mut client = Client::connect(following.address).await;
    for round in 0..3 {
        let headers = format!("idempotency-key: 5/{round}\r\ntelegraft-timeout: 700\r\n");
        client.send(post("/v1/users", &headers, USER)).await;
        let reply = client.receive().await;
        assert_eq!((reply.status, reply.text()), (201, r#"{"user_id":7}"#));
        assert_eq!(reply.header("telegraft-leader"), Some(&*leading.url()));
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let (action, key, deadline) = leader.take_writes().pop().expect("one write");
        let name = "Ada".to_owned();
        assert_eq!(action, Action::CreateUser { name });
        let expected = SessionKey {
            session_id: 5,
            sequence: round,
        };
        assert_eq!(key, Some(expected));
        assert_eq!(deadline, Duration::from_millis(700));
    }

    leader.writes(Ok(Outcome::Joined));
    client
        .send("PUT /v1/rooms/1/members/2 HTTP/1.1\r\n\r\n")
        .await;
    assert_eq!(client.receive().await.status, 204);

    // What the leader refuses comes back as it was.
    leader.writes(Ok(Outcome::Refused(WriteError::NameTaken)));
    client.send(post("/v1/users", "", USER)).await;
    client
        .receive()
        .await
        .assert_problem("taken", 409, "name-taken", &["taken"]);
    leader.writes(Err(Refusal::DiskFull));
    client.send(post("/v1/users", "", USER)).await;
    client
        .receive()
        .await
        .assert_problem("full", 503, "disk-full", &[]);

    // Bad input does not travel, and neither do reads.
    leader.take_writes();
    client.send(post("/v1/users", "", "{}")).await;
    client
        .receive()
        .await
        .assert_problem("bad", 400, "bad-request", &["missing field"]);
    client.send(http_support::get("/v1/rooms/1/messages")).await;
    assert_eq!(client.receive().await.status, 200);
    assert!(leader.take_writes().is_empty());
    assert!(leader.reads.lock().unwrap().is_empty());
    assert_eq!(follower.reads.lock().unwrap().len(), 1);
    assert!(follower.take_writes().is_empty());
}

#[tokio::test]
async fn a_leader_that_was_deposed_just_now_forwards() {
    let (leader, _leading, follower, following) = pair().await;
    follower.leads.store(true, Ordering::Relaxed);
    follower.writes(Err(Refusal::NotLeader));
    let reply = following.post("/v1/users", USER).await;
    assert_eq!(reply.status, 201);
    assert_eq!(leader.take_writes().len(), 1);
}

#[tokio::test]
async fn a_client_may_ask_to_be_told_instead() {
    let (leader, leading, _follower, following) = pair().await;
    let path = "/v1/rooms/1/messages";
    let message = r#"{"author":1,"body":"x"}"#;
    let request = post(path, "Telegraft-Forward: never\r\n", message);
    let reply = following.send(&request).await;
    assert_eq!(reply.status, 307);
    let location = format!("{}{path}", leading.url());
    assert_eq!(reply.header("location"), Some(&*location));
    assert_eq!(reply.header("telegraft-leader"), Some(&*leading.url()));
    assert!(leader.take_writes().is_empty());
    // The leader itself just carries it out.
    assert_eq!(leading.send(&request).await.status, 201);
}

#[tokio::test]
async fn nothing_is_forwarded_twice() {
    // Two replicas, each of which takes the other for the leader.
    let first = Fake::follower_of(None);
    let at_first = Server::start(&first).await;
    let second = Fake::follower_of(Some(at_first.url()));
    let at_second = Server::start(&second).await;
    *first.leader.lock().unwrap() = Some(LeaderInfo {
        id: 2,
        url: Some(at_second.url()),
    });
    let says = ["forwarded to this replica", "does not lead"];
    let reply = at_first.post("/v1/users", USER).await;
    reply.assert_problem("a loop", 503, "not-leader", &says);

    let request = post("/v1/users", "telegraft-forwarded: 1\r\n", USER);
    let reply = at_first.send(request).await;
    reply.assert_problem("marked", 503, "not-leader", &says);
    assert!(first.take_writes().is_empty() && second.take_writes().is_empty());
}

#[tokio::test]
async fn without_a_leader_that_can_be_reached_nothing_is_done() {
    let follower = Fake::follower_of(None);
    let server = Server::start(&follower).await;
    let reply = server.post("/v1/users", USER).await;
    reply.assert_problem("no url", 503, "no-leader", &["address is not known"]);

    *follower.leader.lock().unwrap() = None;
    let reply = server.post("/v1/users", USER).await;
    reply.assert_problem("no leader", 503, "no-leader", &["election"]);

    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for url in [
        gone,
        "https://127.0.0.1:1".to_owned(),
        "nonsense".to_owned(),
    ] {
        *follower.leader.lock().unwrap() = Some(LeaderInfo {
            id: 2,
            url: Some(url.clone()),
        });
        let reply = server.post("/v1/users", USER).await;
        reply.assert_problem(&url, 503, "leader-unreachable", &[&url]);
    }
}

/// A leader that reads a request and then does something odd.
struct OddLeader {
    url: String,
    requests: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl OddLeader {
    async fn start<F>(odd: impl Fn(TcpStream) -> F + Send + 'static) -> OddLeader
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(USER.as_bytes()) {
                    assert!(stream.read_buf(&mut request).await.unwrap() > 0);
                }
                counted.fetch_add(1, Ordering::Relaxed);
                odd(stream).await;
            }
        });
        OddLeader {
            url,
            requests,
            task,
        }
    }

    async fn that_says(bytes: &'static str) -> OddLeader {
        OddLeader::start(move |mut stream| async move {
            stream.write_all(bytes.as_bytes()).await.unwrap();
        })
        .await
    }
}

impl Drop for OddLeader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn a_link_that_breaks_means_that_nobody_knows_and_is_not_tried_again() {
    let half = "HTTP/1.1 201 Created\r\ncontent-length: 13\r\n\r\n{\"user";
    let never_ends = OddLeader::start(|mut stream| async move {
        let head = b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head).await;
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        while stream.write_all(chunk.as_bytes()).await.is_ok() {}
    });
    for (case, leader) in [
        ("closes", OddLeader::that_says("").await),
        (
            "closes within the head",
            OddLeader::that_says("HTTP/1.1 2").await,
        ),
        ("closes within the body", OddLeader::that_says(half).await),
        (
            "is no server",
            OddLeader::that_says("220 smtp ready\r\n").await,
        ),
        ("never ends", never_ends.await),
    ] {
        let server = Server::start(&Fake::follower_of(Some(leader.url.clone()))).await;
        let reply = server.post("/v1/users", USER).await;
        reply.assert_problem(case, 504, "unanswered", &[&leader.url]);
        assert_eq!(leader.requests.load(Ordering::Relaxed), 1, "{case}");
    }
}

#[tokio::test]
async fn a_leader_that_is_silent_is_not_waited_for_forever() {
    let leader = OddLeader::start(|mut stream| async move {
        // Until the follower gives up.
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    let options = HttpOptions {
        deadline: Duration::from_millis(50),
        ..HttpOptions::default()
    };
    let follower = Fake::follower_of(Some(leader.url.clone()));
    let server = Server::with(&follower, options).await;
    let reply = server.post("/v1/users", USER).await;
    reply.assert_problem("silent", 504, "unanswered", &[&leader.url, "not answer"]);
    assert_eq!(leader.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_that_the_leader_closed_meanwhile_is_replaced() {
    let leader = Fake::new();
    let options = HttpOptions {
        idle_timeout: Duration::from_millis(30),
        ..HttpOptions::default()
    };
    let leading = Server::with(&leader, options).await;
    let follower = Fake::follower_of(Some(leading.url()));
    let following = Server::start(&follower).await;
    for _ in 0..3 {
        let reply = following.post("/v1/users", USER).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        // Until the leader has closed the connection that is kept.
        leading
            .until_metrics("telegraft_http_connections 1\n")
            .await;
    }
    assert_eq!(leader.take_writes().len(), 3);
}
