//! Clients that are slow, many, rude or gone, and a server that stops among them.

mod http_support;

use std::time::Duration;

use http_support::{Client, Fake, Server, get, post, soon};
use telegraft_cluster::chat::{Answer, ChatMessage};
use telegraft_cluster::http::HttpOptions;
use tokio::io::AsyncWriteExt;

const USER: &str = r#"{"name":"Ada"}"#;
const SHORT: Duration = Duration::from_millis(60);
const LONG: Duration = Duration::from_secs(3600);

/// Bounds of which none is met in a test, unless it shortens one.
fn options() -> HttpOptions {
    HttpOptions {
        head_timeout: LONG,
        body_timeout: LONG,
        idle_timeout: LONG,
        crowded_idle_timeout: LONG,
        drain_timeout: LONG,
        ..HttpOptions::default()
    }
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    let options = HttpOptions {
        head_timeout: SHORT,
        ..options()
    };
    let server = Server::with(&Fake::new(), options).await;
    let mut silent = Client::connect(server.address).await;
    let mut slow = Client::connect(server.address).await;
    slow.send("GET /healthz HTTP/1.1\r\nx: ").await;
    slow.closed().await;
    // Also after a request that was complete.
    let mut second = Client::connect(server.address).await;
    second.send(get("/healthz")).await;
    assert_eq!(second.receive().await.status, 200);
    second.send("GET").await;
    second.closed().await;
    // Who has sent nothing is idle, which may take longer.
    silent.send(get("/healthz")).await;
    assert_eq!(silent.receive().await.status, 200);
}

#[tokio::test]
async fn a_head_that_trickles_is_given_up_all_the_same() {
    let options = HttpOptions {
        head_timeout: SHORT,
        ..options()
    };
    let server = Server::with(&Fake::new(), options).await;
    let mut client = Client::connect(server.address).await;
    client.send("GET /healthz HTTP/1.1\r\nx: ").await;
    let mut pause = tokio::time::interval(Duration::from_millis(2));
    soon("it closes the connection", async {
        while client.stream().write_all(b"y").await.is_ok() {
            pause.tick().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let backend = Fake::new();
    let options = HttpOptions {
        body_timeout: SHORT,
        ..options()
    };
    let server = Server::with(&backend, options).await;
    let mut client = Client::connect(server.address).await;
    let request = post("/v1/users", "", USER);
    client.send(&request[..request.len() - 1]).await;
    let reply = client.receive().await;
    reply.assert_problem("slow", 408, "request-timeout", &["0.06 s"]);
    assert_eq!(reply.header("connection"), Some("close"));
    client.closed().await;
    assert!(backend.take_writes().is_empty());
}

#[tokio::test]
async fn a_connection_that_does_nothing_is_closed() {
    let options = HttpOptions {
        idle_timeout: SHORT,
        ..options()
    };
    let backend = Fake::new();
    let server = Server::with(&backend, options).await;
    let mut fresh = Client::connect(server.address).await;
    let mut used = Client::connect(server.address).await;
    used.send(get("/healthz")).await;
    assert_eq!(used.receive().await.status, 200);
    fresh.closed().await;
    used.closed().await;

    // A request that takes longer is not idle.
    backend.gate.forget_permits(1 << 20);
    let mut busy = Client::connect(server.address).await;
    busy.send(post("/v1/users", "", USER)).await;
    let mut idle = Client::connect(server.address).await;
    idle.closed().await;
    backend.gate.add_permits(1);
    assert_eq!(busy.receive().await.status, 201);
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let backend = Fake::new();
    // Far more than the buffers of two sockets.
    let message = |seq| ChatMessage {
        room_id: 1,
        seq,
        author: 1,
        sent_at_ms: 0,
        body: vec![b'x'; 64 << 10].into(),
    };
    backend.reads(Ok((
        Ok(Answer::Messages((0..500).map(message).collect())),
        1,
    )));
    let options = HttpOptions {
        idle_timeout: SHORT,
        ..options()
    };
    let server = Server::with(&backend, options).await;
    let mut client = Client::connect(server.address).await;
    client.send(get("/v1/rooms/1/messages")).await;
    server
        .until_metrics("connections_timed_out_total 1\n")
        .await;
    drop(client);
}

#[tokio::test]
async fn too_many_connections_are_told_so() {
    let backend = Fake::new();
    let options = HttpOptions {
        max_connections: 3,
        ..options()
    };
    let server = Server::with(&backend, options).await;
    let mut first = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(server.address).await;
        client.send(get("/healthz")).await;
        assert_eq!(client.receive().await.status, 200);
        first.push(client);
    }
    for _ in 0..3 {
        let mut client = Client::connect(server.address).await;
        let reply = client.receive().await;
        reply.assert_problem("full", 503, "overloaded", &["too many connections"]);
        client.closed().await;
    }
    // Those that are in go on, and one that leaves makes room.
    for client in &mut first {
        client.send(get("/healthz")).await;
        assert_eq!(client.receive().await.status, 200);
    }
    drop(first.pop());
    soon("there is room", async {
        loop {
            let mut client = Client::connect(server.address).await;
            client.send(get("/healthz")).await;
            if client.receive().await.status == 200 {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn idle_connections_make_room_when_there_are_many() {
    let options = HttpOptions {
        max_connections: 64,
        crowded_idle_timeout: SHORT,
        ..options()
    };
    let server = Server::with(&Fake::new(), options).await;
    let mut idle = Vec::new();
    for _ in 0..64 {
        idle.push(Client::connect(server.address).await);
    }
    soon("there is room", async {
        let mut served = 0;
        while served < 64 {
            let mut client = Client::connect(server.address).await;
            client.send(get("/healthz")).await;
            if let Some(reply) = client.try_receive().await {
                served += u32::from(reply.status == 200);
            }
        }
    })
    .await;
    // They were closed, as far as needed.
    let is_closed = |client: &mut Client| matches!(client.stream().try_read(&mut [0]), Ok(0));
    let closed = idle.iter_mut().map(is_closed).filter(|it| *it).count();
    assert!(closed > 0);
}

#[tokio::test]
async fn thousands_of_idle_connections_stop_nobody() {
    let server = Server::with(&Fake::new(), options()).await;
    let mut idle = Vec::new();
    // Both ends are in this process: as many as its descriptors allow, within reason.
    while idle.len() < 2000 {
        match tokio::net::TcpStream::connect(server.address).await {
            Ok(stream) => idle.push(stream),
            Err(_) => break,
        }
    }
    assert!(idle.len() > 100);
    idle.truncate(idle.len() - 20);
    for _ in 0..10 {
        assert_eq!(server.post("/v1/users", USER).await.status, 201);
    }
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_their_order() {
    let backend = Fake::new();
    let server = Server::with(&backend, options()).await;
    let mut client = Client::connect(server.address).await;
    let mut row = String::new();
    for number in 0..50 {
        match number % 3 {
            0 => row.push_str(&post("/v1/users", "", USER)),
            1 => row.push_str(&get("/healthz")),
            _ => row.push_str(&get("/nowhere")),
        }
    }
    // In pieces that end anywhere.
    for piece in row.as_bytes().chunks(997) {
        client.send(piece).await;
    }
    client.finish().await;
    for number in 0..50 {
        let expected = [201, 200, 404][number % 3];
        assert_eq!(client.receive().await.status, expected, "{number}");
    }
    client.closed().await;
    assert_eq!(backend.take_writes().len(), 17);
}

#[tokio::test]
async fn half_requests_and_clients_that_go_away_do_no_harm() {
    let backend = Fake::new();
    let server = Server::with(&backend, options()).await;
    let request = post("/v1/users", "", USER);
    for length in 0..request.len() {
        let mut client = Client::connect(server.address).await;
        client.send(&request[..length]).await;
        if length % 2 == 0 {
            client.finish().await;
            while client.try_receive().await.is_some() {}
        }
    }
    assert!(backend.take_writes().is_empty());
    assert_eq!(server.send(&request).await.status, 201);

    // A client that has said all it has to say may wait for the answer.
    let mut client = Client::connect(server.address).await;
    client.send(&request).await;
    client.finish().await;
    assert_eq!(client.receive().await.status, 201);
    client.closed().await;
}

#[tokio::test]
async fn stopping_answers_what_is_open() {
    let backend = Fake::new();
    backend.gate.forget_permits(1 << 20);
    let mut server = Server::with(&backend, options()).await;
    let address = server.address;
    let mut idle = Client::connect(address).await;
    idle.send(get("/healthz")).await;
    assert_eq!(idle.receive().await.status, 200);
    let mut busy = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(address).await;
        client.send(post("/v1/users", "", USER)).await;
        backend.write_arrived().await;
        busy.push(client);
    }
    server.stop();
    idle.closed().await;
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "it still accepts"
    );
    backend.gate.add_permits(3);
    for client in &mut busy {
        let reply = client.receive().await;
        assert_eq!(reply.status, 201);
        assert_eq!(reply.header("connection"), Some("close"));
        client.closed().await;
    }
    server.stopped().await;
}

#[tokio::test]
async fn stopping_waits_for_nobody_forever() {
    let backend = Fake::new();
    backend.gate.forget_permits(1 << 20);
    let options = HttpOptions {
        drain_timeout: SHORT,
        ..options()
    };
    let mut server = Server::with(&backend, options).await;
    let mut stuck = Client::connect(server.address).await;
    stuck.send(post("/v1/users", "", USER)).await;
    backend.write_arrived().await;
    let mut half = Client::connect(server.address).await;
    half.send("GET /healthz HT").await;
    server.stop();
    server.stopped().await;
    stuck.closed().await;
    half.closed().await;
}
