//! The judgement: what a replica holds against what was acknowledged. No I/O.

use telegraft_cluster::http::api::Message;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::body::{self, MessageId};
use crate::findings::Findings;
use crate::ledger::{Bitmap, Ledger, Place, place_hash};

/// What was sent, and what is known of it.
#[derive(Debug)]
pub struct Expected {
    /// The run's nonce.
    pub nonce: String,
    /// Bytes of a message's body.
    pub message_bytes: usize,
    /// Ids of the rooms.
    pub rooms: Vec<u64>,
    /// By client.
    pub ledgers: Vec<Ledger>,
}

/// What one replica holds, as it is read message by message.
#[derive(Debug)]
pub struct ReplicaAudit<'a> {
    expected: &'a Expected,
    replica: String,
    /// By client: what was there.
    seen: Vec<Bitmap>,
    /// By client: as [`Ledger::hash`], of what was acknowledged and is there.
    hashes: Vec<u64>,
    /// By room: the last message.
    last: Vec<u64>,
    /// Over everything, in any order.
    content: u64,
    messages: u64,
    findings: Findings,
    body: Vec<u8>,
}

/// What one replica holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaView {
    /// Its name in findings.
    pub replica: String,
    /// A hash over all messages with everything that belongs to them.
    pub content: u64,
    /// How many there are.
    pub messages: u64,
    /// What is wrong with it.
    pub findings: Findings,
}

impl<'a> ReplicaAudit<'a> {
    /// Begins with a replica of which nothing is read yet.
    pub fn new(expected: &'a Expected, replica: String) -> Self {
        let clients = expected.ledgers.len();
        ReplicaAudit {
            expected,
            replica,
            seen: vec![Bitmap::default(); clients],
            hashes: vec![0; clients],
            last: vec![0; expected.rooms.len()],
            content: 0,
            messages: 0,
            findings: Findings::default(),
            body: Vec::new(),
        }
    }

    /// The last message read of the room at `room`, 0 before the first.
    pub fn last(&self, room: usize) -> u64 {
        self.last[room]
    }

    /// The next message of the room at `room`.
    pub fn message(&mut self, room: usize, message: &Message<'_>) {
        let expected = self.expected;
        let room_id = expected.rooms[room];
        let Message {
            seq,
            author,
            body,
            sent_at,
        } = message;
        let (replica, before) = (&self.replica, self.last[room]);
        if *seq != before + 1 {
            self.findings.add(|| {
                format!("replica {replica}: room {room_id} goes from seq {before} to {seq}")
            });
        }
        // Never backwards, so that reading a room always ends.
        self.last[room] = before.max(*seq);
        self.messages += 1;
        let mut hash = *seq;
        for part in [room_id, *author, *sent_at] {
            hash = xxh3_64_with_seed(&part.to_le_bytes(), hash);
        }
        let hash = xxh3_64_with_seed(body.as_bytes(), hash);
        self.content = self.content.wrapping_add(hash);

        let Some(id) = body::id(body, &expected.nonce) else {
            self.findings.add(|| {
                format!("replica {replica}: seq {seq} of room {room_id} was never sent: {body:?}")
            });
            return;
        };
        let MessageId { client, number } = id;
        self.body.clear();
        body::write(&mut self.body, &expected.nonce, id, expected.message_bytes);
        if self.body != body.as_bytes() {
            self.findings.add(|| {
                format!("replica {replica}: seq {seq} of room {room_id} was altered: {body:?}")
            });
            return;
        }
        let place = client as usize;
        let Some(ledger) = expected.ledgers.get(place).filter(|l| number < l.sent) else {
            self.findings.add(|| {
                format!(
                    "replica {replica}: message {number} of client {client} in room {room_id} \
                     was never sent"
                )
            });
            return;
        };
        if !self.seen[place].insert(number) {
            self.findings.add(|| {
                format!(
                    "replica {replica}: message {number} of client {client} is there twice, \
                     again as seq {seq} of room {room_id}"
                )
            });
        } else if ledger.acknowledged.contains(number) {
            let at = Place {
                room_id,
                seq: *seq,
                author: *author,
            };
            let hash = place_hash(client, number, at);
            self.hashes[place] = self.hashes[place].wrapping_add(hash);
        } else if !ledger.unknown.contains(number) {
            self.findings.add(|| {
                format!(
                    "replica {replica}: message {number} of client {client} is there, \
                     and was refused"
                )
            });
        }
    }

    /// Everything was read.
    pub fn finish(mut self) -> ReplicaView {
        let replica = &self.replica;
        let clients = self.expected.ledgers.iter().zip(&self.seen);
        for (client, (ledger, seen)) in clients.enumerate() {
            let mut lost = false;
            for number in ledger.acknowledged.without(seen) {
                lost = true;
                self.findings.add(|| {
                    format!(
                        "replica {replica}: message {number} of client {client} was \
                         acknowledged and is lost"
                    )
                });
            }
            if !lost && self.hashes[client] != ledger.hash {
                self.findings.add(|| {
                    format!(
                        "replica {replica}: a message of client {client} has another room, seq \
                         or author than was acknowledged"
                    )
                });
            }
        }
        ReplicaView {
            replica: self.replica,
            content: self.content,
            messages: self.messages,
            findings: self.findings,
        }
    }
}

/// What is wrong with all replicas together.
pub fn compare(views: Vec<ReplicaView>) -> Findings {
    let mut findings = Findings::default();
    if let Some((first, others)) = views.split_first() {
        for other in others {
            if (first.content, first.messages) != (other.content, other.messages) {
                findings.add(|| {
                    format!(
                        "replicas {} and {} differ: {} and {} messages, hashes {:016x} and {:016x}",
                        first.replica,
                        other.replica,
                        first.messages,
                        other.messages,
                        first.content,
                        other.content
                    )
                });
            }
        }
    }
    for view in views {
        findings.merge(view.findings);
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    /// Room place, and a message in it.
    type Held = Vec<(usize, Message<'static>)>;

    const NONCE: &str = "0badcafe";
    const ROOMS: [u64; 2] = [7, 9];
    const BYTES: usize = 40;

    fn body(client: u32, number: u32) -> Cow<'static, str> {
        let mut bytes = Vec::new();
        body::write(&mut bytes, NONCE, MessageId { client, number }, BYTES);
        String::from_utf8(bytes).expect("ASCII").into()
    }

    /// Two clients, ten messages each in turn in two rooms; of each client, number 8 is
    /// unknown and came, 9 is unknown and did not; 7 was refused.
    fn run() -> (Expected, Held) {
        let mut ledgers = vec![Ledger::default(), Ledger::default()];
        let mut held = Held::new();
        let mut last = [0; 2];
        for number in 0..10 {
            for client in 0..2_u32 {
                let ledger = &mut ledgers[client as usize];
                assert_eq!(ledger.take_number(), number);
                if matches!(number, 8 | 9) {
                    ledger.unknown.insert(number);
                }
                if matches!(number, 7 | 9) {
                    continue;
                }
                let room = (number % 2) as usize;
                last[room] += 1;
                let seq = last[room];
                let author = u64::from(client) + 1;
                if number < 7 {
                    let room_id = ROOMS[room];
                    let place = Place {
                        room_id,
                        seq,
                        author,
                    };
                    ledger.acknowledge(client, number, place);
                }
                let message = Message {
                    seq,
                    author,
                    body: body(client, number),
                    sent_at: 1_000 + u64::from(number),
                };
                held.push((room, message));
            }
        }
        let expected = Expected {
            nonce: NONCE.to_owned(),
            message_bytes: BYTES,
            rooms: ROOMS.to_vec(),
            ledgers,
        };
        (expected, held)
    }

    fn view(expected: &Expected, replica: &str, held: &Held) -> ReplicaView {
        let mut audit = ReplicaAudit::new(expected, replica.to_owned());
        for (room, message) in held {
            audit.message(*room, message);
        }
        audit.finish()
    }

    fn judge(change: impl FnOnce(&mut Held)) -> Vec<String> {
        let (expected, held) = run();
        let mut changed = held.clone();
        change(&mut changed);
        let views = vec![view(&expected, "1", &held), view(&expected, "2", &changed)];
        compare(views).examples().to_vec()
    }

    /// Takes a message out as if it had never been there.
    fn take(held: &mut Held, at: usize) -> (usize, Message<'static>) {
        let (room, taken) = held.remove(at);
        for (other, message) in held.iter_mut().skip(at) {
            if *other == room {
                message.seq -= 1;
            }
        }
        (room, taken)
    }

    #[test]
    fn what_was_acknowledged_and_what_may_be_there_is_fine() {
        assert_eq!(judge(|_| {}), Vec::<String>::new());
        let (expected, mut held) = run();
        // Without one of unknown outcome, on every replica.
        take(&mut held, 15);
        let views = vec![view(&expected, "1", &held), view(&expected, "2", &held)];
        assert!(compare(views).is_empty());
    }

    #[test]
    fn every_change_is_found() {
        let found = |part: &str, change: &dyn Fn(&mut Held)| {
            let findings = judge(change);
            assert!(
                findings.iter().any(|text| text.contains(part)),
                "{part}: {findings:?}"
            );
            assert!(
                findings.iter().any(|text| text.contains("differ")),
                "{part}: {findings:?}"
            );
        };
        found(
            "message 1 of client 0 was acknowledged and is lost",
            &|held| {
                take(held, 2);
            },
        );
        found(
            "message 6 of client 1 was acknowledged and is lost",
            &|held| {
                let last = held.iter().rposition(|(_, m)| m.body == body(1, 6));
                held.truncate(last.expect("it is there"));
            },
        );
        found("is there twice", &|held| {
            let (room, mut again) = held[3].clone();
            let last = held.iter().rposition(|(other, _)| *other == room);
            again.seq = held[last.expect("it is there")].1.seq + 1;
            held.push((room, again));
        });
        found("was never sent", &|held| held[4].1.body = "hello".into());
        found("message 10 of client 0 in room 9 was never sent", &|held| {
            held.push((
                1,
                Message {
                    seq: 7,
                    author: 1,
                    body: body(0, 10),
                    sent_at: 1,
                },
            ));
        });
        found("message 3 of client 2 in room 9 was never sent", &|held| {
            held.push((
                1,
                Message {
                    seq: 7,
                    author: 1,
                    body: body(2, 3),
                    sent_at: 1,
                },
            ));
        });
        found("message 7 of client 1 is there, and was refused", &|held| {
            held.push((
                1,
                Message {
                    seq: 7,
                    author: 2,
                    body: body(1, 7),
                    sent_at: 1,
                },
            ));
        });
        found("was altered", &|held| {
            let altered = held[5].1.body.replace('-', "-0");
            held[5].1.body = altered.into();
        });
        found("was altered", &|held| {
            held[5].1.body.to_mut().pop();
        });
        found("room 7 goes from seq 1 to 3", &|held| {
            held.remove(1);
        });
        found("another room, seq or author", &|held| held[6].1.author = 2);
        found("another room, seq or author", &|held| {
            let (one, other) = (held[0].1.body.clone(), held[4].1.body.clone());
            held[0].1.body = other;
            held[4].1.body = one;
        });
        // The same messages, but not the same message: another time.
        found("differ", &|held| held[6].1.sent_at += 1);
        // An unknown one on this replica alone.
        found("differ", &|held| {
            held.push((
                1,
                Message {
                    seq: 7,
                    author: 2,
                    body: body(1, 9),
                    sent_at: 1,
                },
            ));
        });
        found("differ", &|held| {
            take(held, 15);
        });
    }
}
