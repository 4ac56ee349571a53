//! What a client does about answers that do not come, or are not what they should be.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::collections::VecDeque;
use std::time::Duration;

use support::{Reply, Scripted, client, workload};
use telegraft_loadgen::call::{Limits, Trouble};
use telegraft_loadgen::client::{Client, Outcome};
use telegraft_loadgen::plan::{Kind, Step};
use telegraft_loadgen::suite::Targets;

/// User 0 is a member of the rooms 0 (id 11) and 1 (id 12).
const fn step(kind: Kind, room: u32) -> Step {
    Step {
        due_ns: 0,
        kind,
        user: 0,
        room,
        size: match kind {
            Kind::Send => 64,
            _ => 10,
        },
        latest: false,
    }
}

const SEND: Step = step(Kind::Send, 0);

fn sent(seq: u64) -> Reply {
    let body = format!(
        r#"{{"room_id":11,"seq":{seq},"index":{},"term":1}}"#,
        seq + 40
    );
    Reply::Answer(201, body)
}

fn told(status: u16) -> Reply {
    Reply::Answer(status, String::new())
}

async fn scripted(replies: impl IntoIterator<Item = Reply>) -> Scripted {
    let mut replies: VecDeque<Reply> = replies.into_iter().collect();
    Scripted::start(move |_| replies.pop_front().expect("no more requests are expected")).await
}

fn short(client: &mut telegraft_loadgen::call::Caller) {
    client.limits = Limits {
        operation: Duration::from_millis(250),
        attempt: Duration::from_millis(100),
    };
}

#[tokio::test]
async fn a_write_is_retried_with_its_key_and_counted_once() {
    let cases: [(Reply, Trouble); 5] = [
        (told(503), Trouble::Status(503)),
        (told(504), Trouble::Status(504)),
        (told(500), Trouble::Status(500)),
        (Reply::Reset, Trouble::Reset),
        (Reply::Hang, Trouble::Timeout),
    ];
    for (passing, trouble) in cases {
        let server = scripted([passing, told(503), sent(1), sent(2)]).await;
        let mut client = client(&[&server.url], &workload(1), |caller| {
            // Long, so that no other answer is taken for a missing one on a busy machine.
            if trouble == Trouble::Timeout {
                caller.limits.attempt = Duration::from_secs(2);
            }
        });
        assert_eq!(client.perform(&SEND).await, Outcome::Ok, "{trouble}");
        assert_eq!(client.tries.attempts, 3, "{trouble}");
        assert_eq!(client.tries.troubles, [trouble, Trouble::Status(503)]);
        assert_eq!(client.perform(&SEND).await, Outcome::Ok);
        assert_eq!(client.tries.attempts, 1, "each operation counts its own");

        let seen = server.seen();
        let keys: Vec<&str> = seen.iter().filter_map(|seen| seen.key.as_deref()).collect();
        assert_eq!(keys, ["5/1", "5/1", "5/1", "5/2"], "{trouble}");
        assert_eq!(seen[0].body, seen[1].body);
        assert_ne!(seen[2].body, seen[3].body);
        assert_eq!(seen[0].path, "/v1/rooms/11/messages");
        assert_eq!(client.ledger.sent, 2, "two messages, however many requests");
        assert_eq!(client.ledger.acknowledged.len(), 2);
        assert!(client.ledger.unknown.is_empty());
        assert_eq!(client.last_index, 42);
    }
}

/// What comes of a send that meets `replies`, and whether its message may be there.
async fn outcome_of(replies: Vec<Reply>) -> (Outcome, bool, u64) {
    let server = scripted(replies).await;
    let mut client = client(&[&server.url], &workload(1), |_| {});
    let outcome = client.perform(&SEND).await;
    assert!(client.ledger.acknowledged.is_empty());
    (
        outcome,
        client.ledger.unknown.contains(0),
        client.tries.attempts,
    )
}

#[tokio::test]
async fn what_may_have_happened_is_never_called_failed() {
    for status in [400, 403, 404, 413, 422] {
        let failed = (Outcome::Failed, false, 1);
        assert_eq!(outcome_of(vec![told(status)]).await, failed, "{status}");
    }
    let failed = (Outcome::Failed, false, 2);
    assert_eq!(outcome_of(vec![told(503), told(403)]).await, failed);
    let unknown = (Outcome::Unknown, true, 2);
    assert_eq!(outcome_of(vec![told(504), told(410)]).await, unknown);
    assert_eq!(outcome_of(vec![told(504), told(409)]).await, unknown);
    assert_eq!(outcome_of(vec![Reply::Reset, told(403)]).await, unknown);
    let garbled = Reply::Answer(201, "{\"room_id\":11".to_owned());
    assert_eq!(outcome_of(vec![garbled]).await, (Outcome::Unknown, true, 1));
}

#[tokio::test]
async fn every_operation_ends_by_its_deadline() {
    let server = Scripted::start(|_| Reply::Hang).await;
    let mut hanging = client(&[&server.url], &workload(1), short);
    assert_eq!(hanging.perform(&SEND).await, Outcome::Unknown);
    assert!(hanging.ledger.unknown.contains(0));
    assert!(hanging.tries.attempts >= 2);
    assert!(
        hanging
            .tries
            .troubles
            .iter()
            .all(|t| *t == Trouble::Timeout)
    );
    let read = step(Kind::Read, 0);
    assert_eq!(
        hanging.perform(&read).await,
        Outcome::Failed,
        "a read has no effect"
    );

    let server = Scripted::start(|_| told(503)).await;
    let mut overloaded = client(&[&server.url], &workload(1), short);
    assert_eq!(overloaded.perform(&SEND).await, Outcome::Failed);
    assert!(overloaded.ledger.unknown.is_empty());
    assert!(overloaded.tries.attempts >= 3);

    let url = server.url.clone();
    drop(server);
    // The listener is gone once its task is: until then a connection is taken and never served.
    let mut refused = client(&[&url], &workload(1), short);
    while refused.perform(&SEND).await != Outcome::Failed {}
    assert!(refused.tries.troubles.contains(&Trouble::Refused));
}

#[tokio::test]
async fn the_leader_is_found_and_followed() {
    let leader = scripted([sent(1), sent(2), sent(3)]).await;
    let url = leader.url.clone();
    let follower = Scripted::start(move |_| Reply::Leader(503, String::new(), url.clone())).await;
    let mut client = client(&[&follower.url, &leader.url], &workload(1), |_| {});
    for _ in 0..3 {
        assert_eq!(client.perform(&SEND).await, Outcome::Ok);
    }
    assert_eq!(follower.seen().len(), 1, "its word is taken");
    assert_eq!(leader.seen().len(), 3);
}

#[tokio::test]
async fn a_replica_that_is_gone_is_left() {
    let gone = Scripted::start(|_| Reply::Reset).await;
    let other = scripted([sent(1), sent(2)]).await;
    let mut client = client(&[&gone.url, &other.url], &workload(1), |_| {});
    assert_eq!(client.perform(&SEND).await, Outcome::Ok);
    assert_eq!(client.perform(&SEND).await, Outcome::Ok);
    assert_eq!(gone.seen().len(), 1);
    assert_eq!(
        other.seen()[0].key.as_deref(),
        Some("5/1"),
        "the same write"
    );
}

#[tokio::test]
async fn round_robin_asks_everyone() {
    let (one, two) = (
        scripted([sent(1), sent(3)]).await,
        scripted([sent(2), sent(4)]).await,
    );
    let mut workload = workload(1);
    workload.targets = Targets::RoundRobin;
    let mut client = client(&[&one.url, &two.url], &workload, |_| {});
    for _ in 0..4 {
        assert_eq!(client.perform(&SEND).await, Outcome::Ok);
    }
    assert_eq!((one.seen().len(), two.seen().len()), (2, 2));
}

fn page(seqs: impl IntoIterator<Item = u64>) -> Reply {
    let messages: Vec<String> = seqs
        .into_iter()
        .map(|seq| format!(r#"{{"seq":{seq},"author":101,"body":"x","sent_at":1}}"#))
        .collect();
    let messages = messages.join(",");
    Reply::Answer(
        200,
        format!(r#"{{"messages":[{messages}],"applied_index":99}}"#),
    )
}

fn inbox(messages: &[(u64, u64)], cursor: &str) -> Reply {
    let messages: Vec<String> = messages
        .iter()
        .map(|(room, seq)| {
            format!(r#"{{"room_id":{room},"seq":{seq},"author":101,"body":"x","sent_at":1}}"#)
        })
        .collect();
    let messages = messages.join(",");
    Reply::Answer(
        200,
        format!(r#"{{"messages":[{messages}],"cursor":"{cursor}","applied_index":99}}"#),
    )
}

/// Carries steps out that all succeed but the last, which is contradicted.
async fn contradiction(latest: bool, steps: Vec<(Step, Reply)>) -> (String, Vec<String>) {
    let (steps, replies): (Vec<Step>, Vec<Reply>) = steps.into_iter().unzip();
    let server = scripted(replies).await;
    let mut client = client(&[&server.url], &workload(1), |_| {});
    let latest = |step| Step { latest, ..step };
    let steps: Vec<Step> = steps.into_iter().map(latest).collect();
    let (last, before) = steps.split_last().unwrap();
    for step in before {
        assert_eq!(client.perform(step).await, Outcome::Ok, "{step:?}");
        assert!(client.findings.is_empty(), "{:?}", client.findings);
    }
    assert_eq!(client.perform(last).await, Outcome::Failed);
    let paths = server.seen().into_iter().map(|seen| seen.path).collect();
    (finding(&client), paths)
}

fn finding(client: &Client) -> String {
    assert_eq!(client.findings.count(), 1, "{:?}", client.findings);
    client.findings.examples()[0].clone()
}

#[tokio::test]
async fn answers_that_contradict_earlier_ones_are_findings() {
    let read = |room, reply| (step(Kind::Read, room), reply);
    let send = |reply| (SEND, reply);
    let in_box = |reply| (step(Kind::Inbox, 0), reply);

    let (text, paths) = contradiction(
        false,
        vec![
            read(0, page(1..=10)),
            read(0, page(11..=12)),
            read(0, page([])),
            send(sent(13)),
            read(0, page([])),
        ],
    )
    .await;
    assert!(
        text.contains("room 11 ends with seq 12, and 13 was there"),
        "{text}"
    );
    assert_eq!(paths[1], "/v1/rooms/11/messages?limit=10&after=10");
    assert_eq!(paths[4], "/v1/rooms/11/messages?limit=10&after=12");

    let (text, _) = contradiction(
        true,
        vec![
            read(0, page(6..=15)),
            read(1, page(1..=3)),
            read(0, page(5..=14)),
        ],
    )
    .await;
    assert!(
        text.contains("ends with seq 14, and 15 was there"),
        "{text}"
    );
    let (text, _) = contradiction(true, vec![send(sent(3)), read(0, page(1..=2))]).await;
    assert!(text.contains("ends with seq 2, and 3 was there"), "{text}");
    let (text, _) = contradiction(true, vec![read(0, page([4, 5, 7]))]).await;
    assert!(text.contains("has a gap"), "{text}");
    let (text, _) = contradiction(true, vec![read(0, page(1..=11))]).await;
    assert!(text.contains("more than 10 messages"), "{text}");
    let (text, _) = contradiction(true, vec![read(0, page(2..=3))]).await;
    assert!(text.contains("begins with seq Some(2)"), "{text}");
    let (text, _) = contradiction(false, vec![read(0, page(1..=2)), read(0, page(4..=5))]).await;
    assert!(
        text.contains("after Some(2) begins with seq Some(4)"),
        "{text}"
    );
    let (text, _) = contradiction(false, vec![read(0, page(1..=9)), send(sent(9))]).await;
    assert!(text.contains("got seq 9, and 9 was there before"), "{text}");
    let elsewhere = r#"{"room_id":12,"seq":1,"index":41,"term":1}"#.to_owned();
    let (text, _) = contradiction(false, vec![send(Reply::Answer(201, elsewhere))]).await;
    assert!(text.contains("room 11 was put into room 12"), "{text}");

    let (text, paths) = contradiction(
        false,
        vec![
            in_box(inbox(&[(11, 1), (12, 1), (11, 2)], "7")),
            in_box(inbox(&[], "9")),
            in_box(inbox(&[(11, 3), (12, 3)], "11")),
        ],
    )
    .await;
    assert!(
        text.contains("has seq 3 of room 12 where 2 is due"),
        "{text}"
    );
    assert_eq!(
        paths,
        [
            "/v1/users/101/inbox?limit=10",
            "/v1/users/101/inbox?limit=10&after=7",
            "/v1/users/101/inbox?limit=10&after=9",
        ]
    );
    let (text, _) = contradiction(false, vec![in_box(inbox(&[(13, 1)], "7"))]).await;
    assert!(text.contains("has a message of room 13"), "{text}");
    let (text, _) = contradiction(false, vec![send(sent(2)), in_box(inbox(&[(11, 1)], "7"))]).await;
    assert!(
        text.contains("ends with seq 1 of room 11, and 2 was there"),
        "{text}"
    );
}
