//! What clients find wrong in answers, from what any of them was told before.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::collections::VecDeque;
use std::sync::Arc;

use support::{NONCE, Reply, Scripted, client_in, workload, world};
use telegraft_cluster::http::Consistency;
use telegraft_loadgen::body;
use telegraft_loadgen::client::{Client, Outcome};
use telegraft_loadgen::plan::{Kind, NO_ROOM, Step};
use telegraft_loadgen::suite::Targets;
use telegraft_loadgen::world::{Checks, World};
use tokio::sync::{mpsc, oneshot};

/// The users 0 (id 101) and 3 are members of the rooms 0 (id 11) and 1 (id 12).
fn step(kind: Kind, user: u32, room: u32) -> Step {
    Step {
        due_ns: 0,
        kind,
        user,
        room,
        size: match kind {
            Kind::Send => 64,
            _ => 10,
        },
        latest: true,
    }
}

fn sent(seq: u64) -> Reply {
    let body = format!(r#"{{"room_id":11,"seq":{seq},"index":{seq},"term":1}}"#);
    Reply::Answer(201, body)
}

fn page(seqs: impl IntoIterator<Item = u64>) -> Reply {
    let message = |seq| format!(r#"{{"seq":{seq},"author":101,"body":"x","sent_at":1}}"#);
    let messages: Vec<String> = seqs.into_iter().map(message).collect();
    let messages = messages.join(",");
    let body = format!(r#"{{"messages":[{messages}],"applied_index":99}}"#);
    Reply::Answer(200, body)
}

fn inbox_text(messages: &[(u64, u64)], cursor: &str) -> String {
    let message = |(room, seq): &(u64, u64)| {
        format!(r#"{{"room_id":{room},"seq":{seq},"author":101,"body":"x","sent_at":1}}"#)
    };
    let messages: Vec<String> = messages.iter().map(message).collect();
    let messages = messages.join(",");
    format!(r#"{{"messages":[{messages}],"cursor":"{cursor}","applied_index":99}}"#)
}

fn inbox(messages: &[(u64, u64)], cursor: &str) -> Reply {
    Reply::Answer(200, inbox_text(messages, cursor))
}

/// Two clients of one world, and the server that answers them.
async fn two(world: &Arc<World>, replies: Vec<Reply>) -> (Scripted, Client, Client) {
    let mut replies = VecDeque::from(replies);
    let next = move |_: &_| replies.pop_front().expect("no more requests are expected");
    let server = Scripted::start(next).await;
    let client = |number| client_in(world, number, &[&server.url], Targets::Leader, |_| {});
    let (one, other) = (client(0), client(1));
    (server, one, other)
}

fn full() -> Arc<World> {
    world(&workload(2))
}

fn checked(checks: Checks) -> Arc<World> {
    let full = full();
    Arc::new(World::new(
        NONCE.to_owned(),
        checks,
        Consistency::Local,
        Arc::clone(&full.people),
        full.users.clone(),
        full.rooms.clone(),
    ))
}

fn finding(client: &Client) -> &str {
    assert_eq!(client.findings.count(), 1, "{:?}", client.findings);
    &client.findings.examples()[0]
}

#[tokio::test]
async fn what_another_client_was_told_must_be_seen() {
    let read = step(Kind::Read, 0, 0);
    // It was acknowledged to one client: the other one misses it, in its room and in an inbox.
    let replies = vec![sent(3), page(1..=2), page(1..=3)];
    let (_server, mut one, mut other) = two(&full(), replies).await;
    assert_eq!(one.perform(&step(Kind::Send, 3, 0)).await, Outcome::Ok);
    assert_eq!(other.perform(&read).await, Outcome::Failed);
    let text = finding(&other);
    let expected = "client 1 was told: a page of room 11 ends with seq 2, and 3 was there before";
    assert_eq!(text, expected);
    assert!(one.findings.is_empty());
    assert_eq!(one.perform(&read).await, Outcome::Ok);

    let own = step(Kind::Inbox, 0, NO_ROOM);
    let replies = vec![page(1..=3), inbox(&[(11, 1), (11, 2)], "9")];
    let (_server, mut one, mut other) = two(&full(), replies).await;
    assert_eq!(one.perform(&step(Kind::Read, 3, 0)).await, Outcome::Ok);
    assert_eq!(other.perform(&own).await, Outcome::Failed);
    let text = finding(&other);
    assert!(
        text.contains("inbox of user 101 ends with seq 2 of room 11, and 3 was there before"),
        "{text}"
    );

    // And the other way round: what an inbox had, a page must have.
    let replies = vec![inbox(&[(11, 1), (11, 2)], "9"), page([1])];
    let (_server, mut one, mut other) = two(&full(), replies).await;
    assert_eq!(one.perform(&own).await, Outcome::Ok);
    assert_eq!(other.perform(&read).await, Outcome::Failed);
    assert!(finding(&other).contains("ends with seq 1, and 2 was there"));

    // A new message cannot stand where another client has seen one.
    let replies = vec![page(1..=3), sent(3)];
    let (_server, mut one, mut other) = two(&full(), replies).await;
    assert_eq!(one.perform(&read).await, Outcome::Ok);
    let send = step(Kind::Send, 3, 0);
    assert_eq!(other.perform(&send).await, Outcome::Failed);
    assert!(finding(&other).contains("got seq 3, and 3 was there before"));
    assert_eq!(other.ledger.acknowledged.len(), 1, "the audit looks for it");
}

#[tokio::test]
async fn reads_that_may_be_stale_may_miss_what_others_saw_and_nothing_else() {
    let world = checked(Checks::MayBeStale);
    let read = step(Kind::Read, 0, 0);
    let replies = vec![sent(3), page(1..=2), page([1, 3])];
    let (server, mut one, mut other) = two(&world, replies).await;
    assert_eq!(one.perform(&step(Kind::Send, 3, 0)).await, Outcome::Ok);
    assert_eq!(other.perform(&read).await, Outcome::Ok);
    assert_eq!(other.perform(&read).await, Outcome::Failed);
    assert!(finding(&other).contains("has a gap"));
    assert!(server.seen()[1].path.ends_with("&consistency=local"));

    // Of a system that keeps nothing, an inbox may have anything.
    let replies = vec![inbox(&[(77, 5), (11, 9)], "9"), sent(1), sent(1)];
    let (_server, mut one, mut other) = two(&checked(Checks::Shape), replies).await;
    let own = step(Kind::Inbox, 0, NO_ROOM);
    assert_eq!(one.perform(&own).await, Outcome::Ok);
    assert_eq!(one.perform(&step(Kind::Send, 3, 0)).await, Outcome::Ok);
    assert_eq!(other.perform(&step(Kind::Send, 3, 0)).await, Outcome::Ok);
}

/// A server that holds each request until it is told what to answer.
struct Held {
    server: Scripted,
    asked: mpsc::UnboundedReceiver<oneshot::Sender<Reply>>,
}

impl Held {
    async fn start() -> Self {
        let (ask, asked) = mpsc::unbounded_channel();
        let server = Scripted::start(move |_| {
            let (answer, answered) = oneshot::channel();
            // A test that is over asks no more.
            let _ = ask.send(answer);
            Reply::Later(answered)
        })
        .await;
        Held { server, asked }
    }

    async fn next(&mut self) -> oneshot::Sender<Reply> {
        self.asked.recv().await.unwrap()
    }

    fn client(&self, world: &Arc<World>, number: u32) -> Client {
        client_in(world, number, &[&self.server.url], Targets::Leader, |_| {})
    }
}

fn answer(to: oneshot::Sender<Reply>, reply: Reply) {
    assert!(to.send(reply).is_ok(), "somebody waits for it");
}

#[tokio::test]
async fn an_inbox_that_two_clients_read_at_once_is_no_finding() {
    let own = step(Kind::Inbox, 0, NO_ROOM);
    let (world, mut held) = (full(), Held::start().await);
    let mut one = held.client(&world, 0);
    let mut other = held.client(&world, 1);
    let both = async { tokio::join!(one.perform(&own), other.perform(&own)) };
    let told = async {
        let (first, second) = (held.next().await, held.next().await);
        // Both asked from the beginning, so both are told the same.
        answer(second, inbox(&[(11, 1), (11, 2), (12, 1)], "9"));
        answer(first, inbox(&[(11, 1), (11, 2), (12, 1)], "9"));
        held
    };
    let (outcomes, mut held) = tokio::join!(both, told);
    assert_eq!(outcomes, (Outcome::Ok, Outcome::Ok));
    // It goes on where either left it, and a hole is still found.
    let told = async {
        answer(held.next().await, inbox(&[(11, 3)], "12"));
        answer(held.next().await, inbox(&[(12, 3)], "14"));
    };
    let asked = async { (one.perform(&own).await, other.perform(&own).await) };
    let (outcomes, ()) = tokio::join!(asked, told);
    assert_eq!(outcomes, (Outcome::Ok, Outcome::Failed));
    assert!(one.findings.is_empty());
    assert!(finding(&other).contains("has seq 3 of room 12 where 2 is due"));
    let paths: Vec<String> = held.server.seen().into_iter().map(|it| it.path).collect();
    let at = |after: &str| format!("/v1/users/101/inbox?limit=10{after}");
    assert_eq!(paths, [at(""), at(""), at("&after=9"), at("&after=12")]);
}

#[tokio::test]
async fn a_room_that_was_joined_comes_into_the_inbox_and_no_other() {
    let own = step(Kind::Inbox, 0, NO_ROOM);
    let join = step(Kind::Join, 0, 2);
    let done = || Reply::Answer(200, "{}".to_owned());
    // It goes on anywhere, and then without a hole.
    let replies = vec![
        done(),
        inbox(&[(13, 7), (11, 1), (13, 8)], "9"),
        inbox(&[(13, 10)], "11"),
    ];
    let (server, mut one, mut other) = two(&full(), replies).await;
    assert_eq!(one.perform(&join).await, Outcome::Ok);
    assert_eq!(server.seen()[0].path, "/v1/rooms/13/members/101");
    assert_eq!(server.seen()[0].method, "PUT");
    assert_eq!(other.perform(&own).await, Outcome::Ok);
    assert_eq!(other.perform(&own).await, Outcome::Failed);
    assert!(finding(&other).contains("has seq 10 of room 13 where 9 is due"));

    // Nobody joined it.
    let (_server, mut one, _) = two(&full(), vec![inbox(&[(13, 1)], "9")]).await;
    assert_eq!(one.perform(&own).await, Outcome::Failed);
    assert!(finding(&one).contains("has a message of room 13"));

    // Another user did.
    let replies = vec![done(), inbox(&[(13, 1)], "9")];
    let (_server, mut one, _) = two(&full(), replies).await;
    assert_eq!(one.perform(&step(Kind::Join, 3, 2)).await, Outcome::Ok);
    assert_eq!(one.perform(&own).await, Outcome::Failed);
    assert!(finding(&one).contains("has a message of room 13"));

    // Joining what it is a member of changes nothing: seq 1 is still due first.
    let replies = vec![done(), inbox(&[(11, 2)], "9")];
    let (_server, mut one, _) = two(&full(), replies).await;
    assert_eq!(one.perform(&step(Kind::Join, 0, 0)).await, Outcome::Ok);
    assert_eq!(one.perform(&own).await, Outcome::Failed);
    assert!(finding(&one).contains("has seq 2 of room 11 where 1 is due"));
}

#[tokio::test]
async fn a_room_that_is_joined_while_the_inbox_is_read_is_no_finding() {
    let (world, mut held) = (full(), Held::start().await);
    let mut one = held.client(&world, 0);
    let mut other = held.client(&world, 1);
    let (own, join) = (step(Kind::Inbox, 0, NO_ROOM), step(Kind::Join, 0, 2));
    let (asked, goes_on) = oneshot::channel();
    let reading = one.perform(&own);
    let joining = async {
        goes_on.await.unwrap();
        other.perform(&join).await
    };
    let told = async {
        let inbox_asked = held.next().await;
        asked.send(()).unwrap();
        let join_asked = held.next().await;
        answer(inbox_asked, inbox(&[(13, 4)], "9"));
        answer(join_asked, Reply::Answer(200, "{}".to_owned()));
    };
    let (read, joined, ()) = tokio::join!(reading, joining, told);
    assert_eq!((read, joined), (Outcome::Ok, Outcome::Ok));
    assert!(one.findings.is_empty(), "{:?}", one.findings);
}

#[tokio::test]
async fn rooms_that_were_created_are_kept_for_the_audit() {
    let create = step(Kind::CreateRoom, 3, NO_ROOM);
    let made = |id| Reply::Answer(201, format!(r#"{{"room_id":{id}}}"#));
    let refused = Reply::Answer(422, String::new());
    let garbled = Reply::Answer(201, "{".to_owned());
    let replies = vec![made(21), refused, garbled, made(23)];
    let (server, mut one, _) = two(&full(), replies).await;
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        outcomes.push(one.perform(&create).await);
    }
    let [ok, failed, unknown] = [Outcome::Ok, Outcome::Failed, Outcome::Unknown];
    assert_eq!(outcomes, [ok, failed, unknown, ok]);
    assert_eq!(one.created, [21, 23]);
    // Each has a name and a key of its own, and the user as its creator.
    for (nth, seen) in server.seen().iter().enumerate() {
        assert_eq!(
            (seen.method.as_str(), seen.path.as_str()),
            ("POST", "/v1/rooms")
        );
        assert!(seen.body.contains(&format!(r#""{NONCE}-new-0-{nth}""#)));
        assert!(seen.body.contains(r#""creator":104"#), "{}", seen.body);
        assert_eq!(seen.key.as_deref(), Some(format!("5/{}", nth + 1).as_str()));
    }
}

#[tokio::test]
async fn a_message_is_as_long_as_its_step_says() {
    let replies = vec![sent(1), sent(2)];
    let (server, _, mut other) = two(&full(), replies).await;
    for size in [32, 1_000] {
        let send = Step {
            size,
            ..step(Kind::Send, 0, 0)
        };
        assert_eq!(other.perform(&send).await, Outcome::Ok);
    }
    for (seen, (number, size)) in server.seen().iter().zip([(0, 32), (1, 1_000)]) {
        let message: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        let text = message["body"].as_str().unwrap();
        let (id, bytes) = body::id(text, NONCE).unwrap();
        assert_eq!((text.len(), bytes), (size, size));
        assert_eq!((id.client, id.number), (1, number));
    }
}
