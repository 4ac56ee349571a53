//! The judgement: what a replica holds against what was acknowledged. No I/O.

use telegraft_cluster::http::MAX_BODY_BYTES;
use telegraft_cluster::http::api::Message;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::body::{self, MessageId};
use crate::findings::Findings;
use crate::ledger::{Bitmap, Ledger, Place, place_hash};
use crate::plan::Share;

/// What was sent, and what is known of it.
#[derive(Debug)]
pub struct Expected {
    /// The run's nonce.
    pub nonce: String,
    /// Ids of the rooms that must be there.
    pub rooms: Vec<u64>,
    /// Which clients' messages are known: those of one machine among several.
    pub share: Share,
    /// By client of that share.
    pub ledgers: Vec<Ledger>,
}

impl Expected {
    /// The place of a client's ledger, if it is one of ours.
    fn place(&self, client: u32) -> Option<usize> {
        let ours = self.share.has(u64::from(client));
        ours.then(|| (client / self.share.of) as usize)
    }

    /// The number of the client with the ledger at `place`.
    fn client(&self, place: usize) -> u32 {
        u32::try_from(place).expect("clients are bounded") * self.share.of + self.share.nth
    }
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
        if *seq != before.saturating_add(1) {
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

        let Some((id, bytes)) = body::id(body, &expected.nonce) else {
            self.findings.add(|| {
                format!("replica {replica}: seq {seq} of room {room_id} was never sent: {body:?}")
            });
            return;
        };
        let MessageId { client, number } = id;
        self.body.clear();
        body::write(
            &mut self.body,
            &expected.nonce,
            id,
            bytes.min(MAX_BODY_BYTES),
        );
        if self.body != body.as_bytes() {
            self.findings.add(|| {
                format!("replica {replica}: seq {seq} of room {room_id} was altered: {body:?}")
            });
            return;
        }
        let Some(place) = expected.place(client) else {
            return; // Another machine knows what it sent.
        };
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
                bytes,
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

    /// The room at `room` is not there.
    pub fn no_room(&mut self, room: usize) {
        let (replica, room_id) = (&self.replica, self.expected.rooms[room]);
        self.findings
            .add(|| format!("replica {replica}: room {room_id} was acknowledged and is lost"));
    }

    /// Everything was read.
    pub fn finish(mut self) -> ReplicaView {
        let replica = &self.replica;
        let clients = self.expected.ledgers.iter().zip(&self.seen);
        for (place, (ledger, seen)) in clients.enumerate() {
            let client = self.expected.client(place);
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
            if !lost && self.hashes[place] != ledger.hash {
                self.findings.add(|| {
                    format!(
                        "replica {replica}: a message of client {client} has another room, seq, \
                         author or size than was acknowledged"
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
        sized(client, number, BYTES)
    }

    fn sized(client: u32, number: u32, bytes: usize) -> Cow<'static, str> {
        let mut text = Vec::new();
        body::write(&mut text, NONCE, MessageId { client, number }, bytes);
        String::from_utf8(text).expect("ASCII").into()
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
                        bytes: BYTES,
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
            rooms: ROOMS.to_vec(),
            share: Share::WHOLE,
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
        found("another room, seq, author or size", &|held| {
            held[6].1.author = 2
        });
        found("another room, seq, author or size", &|held| {
            let (one, other) = (held[0].1.body.clone(), held[4].1.body.clone());
            held[0].1.body = other;
            held[4].1.body = one;
        });
        // Whole by what it says of itself, but it was sent with another size.
        found("another room, seq, author or size", &|held| {
            assert_eq!(held[6].1.body, body(0, 3));
            held[6].1.body = sized(0, 3, BYTES + 1);
        });
        // It says that it has another size than it has.
        found("was altered", &|held| {
            let text = held[6].1.body.replace("-40-", "-41-");
            held[6].1.body = text.into();
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

    /// The same run as one of two machines knows it, whose clients are 1, 3, … of all.
    fn half() -> (Expected, Held) {
        let (mut expected, held) = run();
        expected.share = Share { nth: 1, of: 2 };
        expected.ledgers.remove(0);
        (expected, held)
    }

    fn half_judged(change: impl FnOnce(&mut Held)) -> Vec<String> {
        let (expected, mut held) = half();
        change(&mut held);
        compare(vec![view(&expected, "1", &held)])
            .examples()
            .to_vec()
    }

    #[test]
    fn a_machine_judges_its_own_messages_and_no_others() {
        assert_eq!(half_judged(|_| {}), Vec::<String>::new());
        // Of client 0 it knows nothing: not what it sent, nor how often, nor how long.
        let others = half_judged(|held| {
            let last = held.len() - 2;
            assert_eq!(held[last].1.body, body(0, 8));
            take(held, last);
            held.push((0, message(10, 0, 1_000)));
            held.push((0, message(11, 0, 1_000)));
            held.push((0, message(12, 4, 3)));
        });
        assert_eq!(others, Vec::<String>::new());
        let lost = half_judged(|held| {
            take(held, 1);
        });
        let expected = "replica 1: message 0 of client 1 was acknowledged and is lost";
        assert_eq!(lost, [expected]);
        let twice = half_judged(|held| held.push((1, message(7, 1, 3))));
        assert_eq!(twice.len(), 1, "{twice:?}");
        assert!(twice[0].contains("message 3 of client 1 is there twice"));
        // Client 3 would be its second one, and it has one.
        let unknown = half_judged(|held| held.push((1, message(7, 3, 0))));
        assert_eq!(unknown.len(), 1, "{unknown:?}");
        assert!(unknown[0].contains("message 0 of client 3"), "{unknown:?}");
        // What is no message of the run, or is damaged, is anybody's finding.
        let altered = half_judged(|held| {
            held[0].1.body.to_mut().pop();
        });
        assert!(altered[0].contains("was altered"), "{altered:?}");
    }

    fn message(seq: u64, client: u32, number: u32) -> Message<'static> {
        Message {
            seq,
            author: u64::from(client) + 1,
            body: body(client, number),
            sent_at: 1,
        }
    }

    #[test]
    fn a_room_that_is_not_there_is_lost() {
        let (expected, held) = run();
        let mut audit = ReplicaAudit::new(&expected, "1".to_owned());
        for (room, message) in held.iter().filter(|(room, _)| *room == 0) {
            audit.message(*room, message);
        }
        audit.no_room(1);
        let findings = audit.finish().findings;
        let first = "replica 1: room 9 was acknowledged and is lost";
        assert_eq!(findings.examples()[0], first);
        assert_eq!(findings.count(), 1 + 3 * 2, "with everything in it");
    }
}
