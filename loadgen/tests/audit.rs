//! The audit, reading replicas over HTTP.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::{Arc, Mutex};

use support::{NONCE, Reply, Scripted, Seen};
use telegraft_loadgen::audit::{Expected, Verdict, audit};
use telegraft_loadgen::body::{self, MessageId};
use telegraft_loadgen::ledger::{Ledger, Place};
use telegraft_loadgen::plan::Share;

const ROOM: u64 = 11;
/// A room of the run with nothing in it.
const EMPTY: u64 = 12;
/// More than a page.
const MESSAGES: u32 = 2_300;

/// Messages have different sizes.
fn bytes_of(number: u32) -> usize {
    40 + number as usize % 100
}

/// What a replica holds in the first room: message numbers of client 0 in order.
struct Replica {
    messages: Vec<u32>,
    index: u64,
    digest: &'static str,
    /// By how much each message is longer than it was sent.
    longer: usize,
    /// Whether the empty room is gone.
    lost_room: bool,
    /// After how many requests for messages one more message comes, that nobody waited for.
    late: Option<(usize, u32)>,
}

impl Replica {
    fn new() -> Self {
        Replica {
            messages: (0..MESSAGES).collect(),
            index: u64::from(MESSAGES) + 5,
            digest: "00ff",
            longer: 0,
            lost_room: false,
            late: None,
        }
    }

    fn answer(&mut self, seen: &Seen) -> Reply {
        let path = seen.path.as_str();
        let body = if path == "/v1/status" {
            format!(
                r#"{{"id":1,"cluster_id":"c","role":"follower","term":1,"leader":null,
                "commit_index":{0},"applied_index":{0},"last_index":{0},"first_index":1,
                "members":[],"peers":[],"digest":""}}"#,
                self.index
            )
        } else if path.starts_with("/v1/digest") {
            format!(r#"{{"index":{},"digest":"{}"}}"#, self.index, self.digest)
        } else if path.starts_with(&format!("/v1/rooms/{EMPTY}/")) {
            if self.lost_room {
                return Reply::Answer(404, String::new());
            }
            format!(r#"{{"messages":[],"applied_index":{}}}"#, self.index)
        } else {
            self.page(path)
        };
        Reply::Answer(200, body)
    }

    fn page(&mut self, path: &str) -> String {
        let value = |name: &str| -> u64 {
            let (_, rest) = path.split_once(&format!("{name}=")).unwrap();
            rest.split('&').next().unwrap().parse().unwrap()
        };
        assert!(path.contains("consistency=local"), "{path}");
        assert!(value("min_index") >= u64::from(MESSAGES), "{path}");
        let (after, limit) = (value("after") as usize, value("limit") as usize);
        let page = self.messages.iter().enumerate().skip(after).take(limit);
        let messages: Vec<String> = page
            .map(|(at, number)| {
                let mut body = Vec::new();
                let id = MessageId {
                    client: 0,
                    number: *number,
                };
                body::write(&mut body, NONCE, id, bytes_of(*number) + self.longer);
                let body = String::from_utf8(body).unwrap();
                let seq = at + 1;
                format!(r#"{{"seq":{seq},"author":7,"body":"{body}","sent_at":{seq}}}"#)
            })
            .collect();
        if let Some((requests, number)) = &mut self.late {
            *requests -= 1;
            if *requests == 0 {
                self.messages.push(*number);
                self.index += 1;
                self.late = None;
            }
        }
        format!(
            r#"{{"messages":[{}],"applied_index":{}}}"#,
            messages.join(","),
            self.index
        )
    }
}

/// All messages acknowledged, and one more whose outcome is unknown.
fn expected() -> Expected {
    let mut ledger = Ledger::default();
    for number in 0..MESSAGES {
        assert_eq!(ledger.take_number(), number);
        let place = Place {
            room_id: ROOM,
            seq: u64::from(number) + 1,
            author: 7,
            bytes: bytes_of(number),
        };
        ledger.acknowledge(0, number, place);
    }
    let unknown = ledger.take_number();
    ledger.unknown.insert(unknown);
    Expected {
        nonce: NONCE.to_owned(),
        rooms: vec![ROOM, EMPTY],
        share: Share::WHOLE,
        ledgers: vec![ledger],
    }
}

async fn audit_of(change: impl FnOnce(&mut Replica)) -> (Verdict, usize) {
    let mut servers = Vec::new();
    let mut changed = Replica::new();
    change(&mut changed);
    // Both move on together, as replicas do: what is late comes to each.
    let late = changed.late;
    for mut replica in [Replica::new(), changed] {
        replica.late = replica.late.or(late.map(|(_, number)| (3, number)));
        let replica = Arc::new(Mutex::new(replica));
        servers.push(Scripted::start(move |seen| replica.lock().unwrap().answer(seen)).await);
    }
    let urls: Vec<String> = servers.iter().map(|server| server.url.clone()).collect();
    let verdict = audit(expected(), &urls, u64::from(MESSAGES) + 5).await;
    (verdict, servers[1].seen().len())
}

async fn finding(change: impl FnOnce(&mut Replica)) -> String {
    let (verdict, _) = audit_of(change).await;
    match &verdict {
        Verdict::Violated(findings) => findings.examples().join("\n"),
        other => panic!("nothing was found: {other:?}"),
    }
}

#[tokio::test]
async fn replicas_that_hold_everything_pass() {
    let (verdict, requests) = audit_of(|_| {}).await;
    assert_eq!(verdict, Verdict::Ok);
    assert_eq!(verdict.text(), "ok");
    // Statuses twice before and after, three pages, an empty one, a digest.
    assert_eq!(requests, 2 + 3 + 1 + 1 + 2);
}

#[tokio::test]
async fn a_replica_that_differs_is_named() {
    let text = finding(|replica| replica.messages.truncate(2_299)).await;
    assert!(
        text.contains("replica 2: message 2299 of client 0 was acknowledged and is lost"),
        "{text}"
    );
    assert!(text.contains("replicas 1 and 2 differ"), "{text}");
    let text = finding(|replica| replica.messages.swap(1_500, 1_501)).await;
    assert!(text.contains("another room, seq, author or size"), "{text}");
    let text = finding(|replica| replica.messages.push(MESSAGES + 1)).await;
    assert!(text.contains("was never sent"), "{text}");
    let text = finding(|replica| replica.messages.push(3)).await;
    assert!(text.contains("is there twice"), "{text}");
    let text = finding(|replica| replica.longer = 1).await;
    assert!(text.contains("another room, seq, author or size"), "{text}");
    let text = finding(|replica| replica.lost_room = true).await;
    assert!(
        text.contains("replica 2: room 12 was acknowledged and is lost"),
        "{text}"
    );
    let text = finding(|replica| replica.digest = "00fe").await;
    assert!(text.contains("digests of replicas 1 and 2"), "{text}");
}

#[tokio::test]
async fn a_write_of_unknown_outcome_that_comes_late_is_no_difference() {
    // It comes between the first replica's pages and the second's.
    let (verdict, requests) = audit_of(|replica| replica.late = Some((1, MESSAGES))).await;
    assert_eq!(verdict, Verdict::Ok);
    assert!(requests > 9, "the replicas were read again");
}
