//! The null system answers in the shape and size of the real one.

#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise, and so may its helpers"
)]

mod http_support;

use std::sync::Arc;

use http_support::{Server, post};
use serde_json::json;
use telegraft_cluster::http::{Null, api};

async fn start() -> Server {
    Server::start(&Arc::new(Null::new("http://127.0.0.1:8351"))).await
}

/// A user, and rooms that it is in.
async fn room_of(server: &Server, rooms: u64) {
    let reply = server.post("/v1/users", r#"{"name":"Ada"}"#).await;
    assert_eq!(reply.json(), json!({"user_id": 1}));
    for room_id in 1..=rooms {
        let reply = server
            .post("/v1/rooms", r#"{"name":"r","creator":1}"#)
            .await;
        assert_eq!(reply.json(), json!({"room_id": room_id}));
    }
}

async fn send(server: &Server, room: u64, body: &str) -> api::MessageSent {
    let message = json!({"author": 1, "body": body}).to_string();
    let path = format!("/v1/rooms/{room}/messages");
    let reply = server
        .send(post(&path, "idempotency-key: 1/1\r\n", &message))
        .await;
    assert_eq!(reply.status, 201);
    serde_json::from_slice(&reply.body).unwrap()
}

/// The seqs of a page, and that every text has that length.
async fn page(server: &Server, query: &str, length: usize) -> Vec<u64> {
    let reply = server.get(&format!("/v1/rooms/1/messages{query}")).await;
    let page: api::MessagePage<'_> = serde_json::from_slice(&reply.body).unwrap();
    assert!(page.messages.iter().all(|it| it.body.len() == length));
    page.messages.iter().map(|message| message.seq).collect()
}

#[tokio::test]
async fn pages_are_as_long_as_what_was_sent() {
    let server = start().await;
    room_of(&server, 1).await;
    assert_eq!(page(&server, "", 0).await, Vec::<u64>::new());
    for seq in 1..=5 {
        let sent = send(&server, 1, "0123456789").await;
        assert_eq!((sent.room_id, sent.seq), (1, seq));
    }
    for (query, seqs) in [
        ("", vec![1, 2, 3, 4, 5]),
        ("?limit=2", vec![4, 5]),
        ("?after=0&limit=2", vec![1, 2]),
        ("?after=3", vec![4, 5]),
        ("?after=5", vec![]),
        ("?after=900", vec![]),
        ("?before=3", vec![1, 2]),
        ("?before=3&limit=1", vec![2]),
        ("?before=1", vec![]),
        ("?before=0", vec![]),
        ("?before=900&limit=2", vec![4, 5]),
    ] {
        assert_eq!(page(&server, query, 10).await, seqs, "{query}");
    }
    send(&server, 1, "x").await;
    assert_eq!(page(&server, "?after=5", 1).await, [6]);
}

#[tokio::test]
async fn an_inbox_gives_each_message_once() {
    let server = start().await;
    room_of(&server, 2).await;
    for room in [1, 2, 2, 1, 2] {
        send(&server, room, "hello").await;
    }
    let mut cursor = "0".to_owned();
    for expected in [2, 2, 1, 0] {
        let path = format!("/v1/users/1/inbox?limit=2&after={cursor}");
        let reply = server.get(&path).await;
        let page: api::InboxPage<'_> = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(page.messages.len(), expected);
        assert!(page.messages.iter().all(|it| it.body.len() == 5));
        cursor = page.cursor;
    }
    send(&server, 1, "again").await;
    let reply = server
        .get(&format!("/v1/users/1/inbox?after={cursor}"))
        .await;
    assert_eq!(reply.json()["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn it_looks_like_a_leader() {
    let server = start().await;
    for (path, kind) in [("/v1/users", "no-such-user"), ("/v1/rooms", "no-such-room")] {
        let reply = server.get(&format!("{path}?name=Ada")).await;
        reply.assert_problem(path, 404, kind, &["of that name"]);
    }
    room_of(&server, 1).await;
    let reply = server.get("/v1/users?name=Ada").await;
    assert_eq!((reply.status, reply.json()), (200, json!({"user_id": 1})));
    let reply = server.get("/v1/rooms?name=r").await;
    assert_eq!((reply.status, reply.json()), (200, json!({"room_id": 1})));
    assert_eq!(server.get("/readyz").await.status, 200);
    let status = server.get("/v1/status").await;
    assert_eq!(status.json()["role"], "leader");
    assert_eq!(
        status.header("telegraft-leader"),
        Some("http://127.0.0.1:8351")
    );
    assert_eq!(server.get("/v1/digest").await.status, 200);
    let session = server.send("POST /v1/sessions HTTP/1.1\r\n\r\n").await;
    assert_eq!(session.json()["session_id"], 1);

    let reply = server.post("/v1/users", r#"{"name":"Bob"}"#).await;
    assert_eq!(reply.json(), json!({"user_id": 2}));
    for _ in 0..2 {
        let join = "PUT /v1/rooms/1/members/2 HTTP/1.1\r\n\r\n";
        assert_eq!(server.send(join).await.status, 204);
    }
    let members = server.get("/v1/rooms/1/members?after=1").await;
    assert_eq!(members.json()["members"].as_array().unwrap().len(), 1);

    for path in ["/v1/rooms/9/messages", "/v1/rooms/9/members"] {
        let reply = server.get(path).await;
        reply.assert_problem(path, 404, "no-such-room", &["room 9"]);
    }
    let reply = server.get("/v1/users/9/inbox").await;
    reply.assert_problem("inbox", 404, "no-such-user", &["user 9"]);
    let reply = server
        .post("/v1/rooms/9/messages", r#"{"author":1,"body":"x"}"#)
        .await;
    reply.assert_problem("send", 404, "no-such-room", &["room 9"]);
}
