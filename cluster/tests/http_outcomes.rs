//! What a client is told of every way in which a request can end.

mod http_support;

use http_support::{Fake, Server};
use telegraft_cluster::chat::{Outcome, QueryError, WriteError};
use telegraft_cluster::http::{LeaderInfo, Refusal};

const SEND: (&str, &str) = ("/v1/rooms/12/messages", r#"{"author":7,"body":"x"}"#);

#[tokio::test]
async fn what_the_chat_refuses_has_a_status_and_a_type_of_its_own() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;
    let cases: [(WriteError, u16, &str, &[&str]); 7] = [
        (WriteError::NameTaken, 409, "name-taken", &["taken"]),
        (WriteError::NoSuchUser(7), 404, "no-such-user", &["user 7"]),
        (
            WriteError::NoSuchRoom(12),
            404,
            "no-such-room",
            &["room 12"],
        ),
        (
            WriteError::NotMember {
                user_id: 7,
                room_id: 12,
            },
            403,
            "not-a-member",
            &["user 7", "room 12"],
        ),
        (
            WriteError::SessionExpired(3),
            410,
            "session-expired",
            &["session 3"],
        ),
        (
            WriteError::OutcomeUnknown(4),
            409,
            "outcome-unknown",
            &["sequence 4"],
        ),
        (
            WriteError::KeyReused,
            422,
            "key-reused",
            &["another request"],
        ),
    ];
    for (error, status, kind, says) in cases {
        backend.writes(Ok(Outcome::Refused(error)));
        let reply = server.post(SEND.0, SEND.1).await;
        reply.assert_problem(&error.to_string(), status, kind, says);
    }
    for (error, kind, says) in [
        (QueryError::NoSuchUser(7), "no-such-user", "user 7"),
        (QueryError::NoSuchRoom(12), "no-such-room", "room 12"),
    ] {
        backend.reads(Ok((Err(error), 5)));
        let reply = server.get("/v1/rooms/12/messages").await;
        reply.assert_problem(&error.to_string(), 404, kind, &[says]);
    }
}

#[tokio::test]
async fn what_the_node_refuses_says_whether_anything_was_done() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;
    let cases: [(Refusal, u16, &str, &[&str]); 9] = [
        (Refusal::NotLeader, 503, "not-leader", &["does not lead"]),
        (Refusal::NoLeader, 503, "no-leader", &["election"]),
        (
            Refusal::Overloaded("the mailbox is full"),
            503,
            "overloaded",
            &["the mailbox is full"],
        ),
        (Refusal::DiskFull, 503, "disk-full", &["segment"]),
        (
            Refusal::Unknown,
            504,
            "unanswered",
            &["proposed", "no answer"],
        ),
        (
            Refusal::DeadlineExceeded,
            503,
            "deadline-exceeded",
            &["deadline"],
        ),
        (
            Refusal::Diverged { index: 99 },
            503,
            "diverged",
            &["from index 99"],
        ),
        (Refusal::Stopping, 503, "stopping", &["another replica"]),
        (
            Refusal::Storage("segment 3, offset 512: bad checksum".to_owned()),
            500,
            "storage",
            &["segment 3, offset 512"],
        ),
    ];
    for (refusal, status, kind, says) in cases {
        let case = format!("{refusal:?}");
        backend.reads(Err(refusal.clone()));
        let reply = server.get("/v1/rooms/12/messages").await;
        reply.assert_problem(&case, status, kind, says);

        backend.writes(Err(refusal.clone()));
        let reply = server.post(SEND.0, SEND.1).await;
        if refusal == Refusal::NotLeader {
            // It would be forwarded, if anyone led.
            reply.assert_problem(&case, 503, "no-leader", &[]);
        } else {
            reply.assert_problem(&case, status, kind, says);
        }

        *backend.digest.lock().unwrap() = Err(refusal);
        let reply = server.get("/v1/digest").await;
        reply.assert_problem(&case, status, kind, says);
    }
}

#[tokio::test]
async fn every_answer_names_the_leader() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;
    for request in [
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\n\r\n",
        "DELETE /v1/users HTTP/1.1\r\n\r\n",
        "PUT /v1/rooms/1/members/2 HTTP/1.1\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        *backend.leader.lock().unwrap() = None;
        let reply = server.send(request).await;
        assert_eq!(reply.header("telegraft-leader"), None, "{request}");
        let url = "http://127.0.0.1:8351";
        *backend.leader.lock().unwrap() = Some(LeaderInfo {
            id: 1,
            url: Some(url.to_owned()),
        });
        let reply = server.send(request).await;
        assert_eq!(reply.header("telegraft-leader"), Some(url), "{request}");
    }
}
