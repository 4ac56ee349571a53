//! What the interface takes, and what it answers.

mod http_support;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_support::{Client, Fake, Server, post};
use serde_json::json;
use telegraft_cluster::chat::{
    Action, Answer, ChatMessage, Digest, DigestAt, Outcome, Page, Query, QueryError, SessionKey,
};
use telegraft_cluster::http::{Consistency, DEFAULT_LIMIT, MAX_LIMIT, api};

const ID_BOUND: u64 = 1 << 53;

#[tokio::test]
async fn every_write_reaches_the_backend_and_its_outcome_the_client() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;
    let no_body = |method: &str, path: &str| {
        format!("{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n")
    };
    let cases = [
        (
            no_body("POST", "/v1/sessions"),
            Action::RegisterSession,
            Outcome::SessionRegistered {
                session_id: 3,
                window: 64,
            },
            json!({"session_id": 3, "window": 64}),
        ),
        (
            post("/v1/users", "", r#"{"name":"Ada"}"#),
            Action::CreateUser {
                name: "Ada".to_owned(),
            },
            Outcome::UserCreated { user_id: 4 },
            json!({"user_id": 4}),
        ),
        (
            post(
                "/v1/rooms",
                "",
                r#"{"name":"r","description":"d\n","creator":4}"#,
            ),
            Action::CreateRoom {
                name: "r".to_owned(),
                description: "d\n".to_owned(),
                creator: 4,
            },
            Outcome::RoomCreated { room_id: 5 },
            json!({"room_id": 5}),
        ),
        (
            post(
                "/v1/rooms/5/messages",
                "",
                r#"{"author":4,"body":"\"caf\u00e9\" 😀\u0000"}"#,
            ),
            Action::SendMessage {
                room_id: 5,
                author: 4,
                body: Bytes::from("\"café\" 😀\0"),
            },
            Outcome::Sent {
                room_id: 5,
                seq: 1,
                index: 9,
                term: 2,
            },
            json!({"room_id": 5, "seq": 1, "index": 9, "term": 2}),
        ),
        (
            no_body("PUT", "/v1/rooms/5/members/4"),
            Action::JoinRoom {
                room_id: 5,
                user_id: 4,
            },
            Outcome::Joined,
            json!(null),
        ),
    ];
    for (request, action, outcome, answer) in cases {
        let joined = outcome == Outcome::Joined;
        backend.writes(Ok(outcome));
        let reply = server.send(&request).await;
        let (asked, key, deadline) = backend.take_writes().pop().expect("one write");
        assert_eq!(asked, action);
        assert_eq!(key, None);
        assert_eq!(deadline, Duration::from_secs(5));
        if joined {
            assert_eq!((reply.status, reply.text()), (204, ""));
        } else {
            assert_eq!(reply.status, 201, "{reply:?}");
            assert_eq!(reply.header("content-type"), Some("application/json"));
            assert_eq!(reply.json(), answer);
        }
    }
}

#[tokio::test]
async fn headers_give_a_write_its_key_and_its_deadline() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;
    let bound = ID_BOUND - 1;
    let headers = format!("Idempotency-Key: 12/{bound}\r\nTelegraft-Timeout: 250\r\n");
    let request = post("/v1/users", &headers, r#"{"name":"Ada"}"#);
    assert_eq!(server.send(request).await.status, 201);
    let (_, key, deadline) = backend.take_writes().pop().expect("one write");
    let expected = SessionKey {
        session_id: 12,
        sequence: bound,
    };
    assert_eq!(key, Some(expected));
    assert_eq!(deadline, Duration::from_millis(250));

    // A client may have less time than the server gives, not more.
    let request = post(
        "/v1/users",
        "telegraft-timeout: 60000\r\n",
        r#"{"name":"Ada"}"#,
    );
    assert_eq!(server.send(request).await.status, 201);
    assert_eq!(backend.take_writes()[0].2, Duration::from_secs(5));
}

#[tokio::test]
async fn every_read_reaches_the_backend_as_it_was_asked() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;
    let messages = |page, limit| Query::Messages {
        room_id: 5,
        page,
        limit,
    };
    let user = |name: &str| Query::UserNamed {
        name: name.to_owned(),
    };
    let room = |name: &str| Query::RoomNamed {
        name: name.to_owned(),
    };
    let cases = [
        ("/v1/users?name=Ada", user("Ada")),
        ("/v1/rooms?name=Ada", room("Ada")),
        ("/v1/users?name=Ada+L%20x%2By", user("Ada L x+y")),
        ("/v1/users?name=a=b%3D%26%25%2f%2F?", user("a=b=&%//?")),
        ("/v1/rooms?name=caf%C3%A9%f0%9f%98%80", room("café😀")),
        ("/v1/rooms?name=café", room("café")),
        (
            "/v1/rooms/5/messages",
            messages(Page::Latest, DEFAULT_LIMIT),
        ),
        (
            "/v1/rooms/5/messages?after=0",
            messages(Page::After(0), DEFAULT_LIMIT),
        ),
        (
            "/v1/rooms/5/messages?limit=1&before=9",
            messages(Page::Before(9), 1),
        ),
        (
            "/v1/rooms/5/messages?after=9007199254740991&limit=1000",
            messages(Page::After(ID_BOUND - 1), MAX_LIMIT),
        ),
        (
            "/v1/rooms/5/members?after=3&limit=2",
            Query::Members {
                room_id: 5,
                after: 3,
                limit: 2,
            },
        ),
        (
            "/v1/users/4/inbox",
            Query::Inbox {
                user_id: 4,
                after: 0,
                limit: DEFAULT_LIMIT,
            },
        ),
        (
            "/v1/users/4/inbox?after=77",
            Query::Inbox {
                user_id: 4,
                after: 77,
                limit: DEFAULT_LIMIT,
            },
        ),
    ];
    for (path, query) in cases {
        let reply = server.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        let (asked, consistency, min_index, deadline) =
            backend.reads.lock().unwrap().pop().expect("one read");
        assert_eq!(asked, query, "{path}");
        assert_eq!(consistency, Consistency::Linearizable);
        assert_eq!((min_index, deadline), (0, Duration::from_secs(5)));
    }
    for (word, meant) in [
        ("linearizable", Consistency::Linearizable),
        ("lease", Consistency::Lease),
        ("local", Consistency::Local),
    ] {
        for path in [
            "/v1/users/4/inbox?",
            "/v1/users?name=x&",
            "/v1/rooms?name=x&",
        ] {
            let path = format!("{path}consistency={word}&min_index=42");
            assert_eq!(server.get(&path).await.status, 200);
            let (_, consistency, min_index, _) =
                backend.reads.lock().unwrap().pop().expect("one read");
            assert_eq!((consistency, min_index), (meant, 42), "{path}");
        }
    }
}

#[tokio::test]
async fn pages_have_the_shape_that_clients_parse() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;
    let message = |room_id, seq, body: &str| ChatMessage {
        room_id,
        seq,
        author: 4,
        sent_at_ms: 1000 + seq,
        body: Bytes::copy_from_slice(body.as_bytes()),
    };

    let messages = vec![message(5, 1, "\"quoted\"\n"), message(5, 2, "😀")];
    backend.reads(Ok((Ok(Answer::Messages(messages)), 9)));
    let reply = server.get("/v1/rooms/5/messages").await;
    assert_eq!(
        reply.json(),
        json!({
            "messages": [
                {"seq": 1, "author": 4, "body": "\"quoted\"\n", "sent_at": 1001},
                {"seq": 2, "author": 4, "body": "😀", "sent_at": 1002},
            ],
            "applied_index": 9,
        })
    );
    let page: api::MessagePage<'_> = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((page.messages.len(), page.applied_index), (2, 9));

    let messages = vec![message(5, 1, "a"), message(6, 1, "b")];
    backend.reads(Ok((
        Ok(Answer::Inbox {
            messages,
            cursor: 8,
        }),
        9,
    )));
    let reply = server.get("/v1/users/4/inbox").await;
    assert_eq!(
        reply.json(),
        json!({
            "messages": [
                {"room_id": 5, "seq": 1, "author": 4, "body": "a", "sent_at": 1001},
                {"room_id": 6, "seq": 1, "author": 4, "body": "b", "sent_at": 1001},
            ],
            "cursor": "8",
            "applied_index": 9,
        })
    );
    let page: api::InboxPage<'_> = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(page.cursor, "8");

    let members = vec![(4, "Ada".to_owned()), (6, "\"B\"".to_owned())];
    backend.reads(Ok((Ok(Answer::Members(members)), 9)));
    let reply = server.get("/v1/rooms/5/members").await;
    assert_eq!(
        reply.json(),
        json!({
            "members": [{"user_id": 4, "name": "Ada"}, {"user_id": 6, "name": "\"B\""}],
            "applied_index": 9,
        })
    );
    let page: api::MemberPage = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(page.members.len(), 2);

    backend.reads(Ok((Ok(Answer::Messages(Vec::new())), 9)));
    let reply = server.get("/v1/rooms/5/messages").await;
    assert_eq!(reply.json(), json!({"messages": [], "applied_index": 9}));
}

#[tokio::test]
async fn users_and_rooms_are_found_by_their_names() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;
    backend.reads(Ok((Ok(Answer::User(7)), 9)));
    let reply = server.get("/v1/users?name=Ada").await;
    assert_eq!((reply.status, reply.json()), (200, json!({"user_id": 7})));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    backend.reads(Ok((Ok(Answer::Room(8)), 9)));
    let reply = server.get("/v1/rooms?name=lobby").await;
    assert_eq!((reply.status, reply.json()), (200, json!({"room_id": 8})));

    backend.reads(Ok((Err(QueryError::NoUserNamed), 9)));
    let reply = server.get("/v1/users?name=Ada").await;
    reply.assert_problem("user", 404, "no-such-user", &["no user of that name"]);
    backend.reads(Ok((Err(QueryError::NoRoomNamed), 9)));
    let reply = server.get("/v1/rooms?name=lobby").await;
    reply.assert_problem("room", 404, "no-such-room", &["no room of that name"]);
}

#[tokio::test]
async fn the_state_of_a_replica_can_be_asked_for() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;

    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    *backend.ready.lock().unwrap() = Err("no leader is known".to_owned());
    assert_eq!(server.get("/healthz").await.status, 200);
    let reply = server.get("/readyz").await;
    reply.assert_problem("readyz", 503, "not-ready", &["no leader is known"]);

    let status = server.get("/v1/status").await;
    assert_eq!(status.status, 200);
    assert_eq!(status.json()["role"], "leader");
    assert_eq!(status.json()["applied_index"], 5);

    let digest = server.get("/v1/digest?index=5").await;
    assert_eq!(
        digest.json(),
        json!({"index": 5, "digest": "00000000000000000000000000000abc"})
    );
    *backend.digest.lock().unwrap() = Ok((9, DigestAt::NotYet));
    let reply = server.get("/v1/digest?index=9").await;
    reply.assert_problem("not yet", 425, "not-yet-applied", &["index 9"]);
    *backend.digest.lock().unwrap() = Ok((1, DigestAt::Forgotten { oldest: 3 }));
    let reply = server.get("/v1/digest?index=1").await;
    reply.assert_problem("forgotten", 410, "digest-forgotten", &["index 1", "at 3"]);
    *backend.digest.lock().unwrap() = Ok((5, DigestAt::Known(Digest(1))));
    assert_eq!(server.get("/v1/digest").await.status, 200);

    let metrics = server.get("/metrics").await;
    let text = metrics.text();
    assert!(text.contains("\nfake 1\n"), "{text}");
    assert!(
        text.contains("\ntelegraft_http_answers_total{status=\"4xx\"} 2\n"),
        "{text}"
    );
    assert!(
        text.contains("\ntelegraft_http_answers_total{status=\"5xx\"} 1\n"),
        "{text}"
    );
    if Path::new("/proc/self/stat").exists() {
        let value = |name| {
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.unwrap().parse::<f64>().unwrap()
        };
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(value("process_resident_anonymous_bytes") >= 4096.0);
    }
    assert!(
        text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1,
        "{text}"
    );
    let content_type = metrics.header("content-type").unwrap();
    assert!(content_type.starts_with("application/openmetrics-text"));

    let mut client = Client::connect(server.address).await;
    client
        .send("HEAD /healthz HTTP/1.1\r\nconnection: close\r\n\r\n")
        .await;
    let mut head = String::new();
    tokio::io::AsyncReadExt::read_to_string(client.stream(), &mut head)
        .await
        .unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}
