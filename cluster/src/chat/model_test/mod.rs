//! Random histories, against a model that keeps everything and looks it up by searching.

mod author;
mod model;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use self::author::Author;
use self::model::Model;
use super::session::SessionLimits;
use super::*;

/// Small, so that short histories meet all of them.
const LIMITS: SessionLimits = SessionLimits {
    window: 5,
    sessions: 4,
    outcomes: 12,
    idle_entries: 40,
};

/// Runs one history of the seed; what was seen in it.
fn history(seed: u64, entries: u64) -> Model {
    let mut chat = Chat::with_limits(LIMITS);
    let mut model = Model::default();
    let mut author = Author {
        rng: StdRng::seed_from_u64(seed),
        sessions: Vec::new(),
        sent: Vec::new(),
    };
    let mut term = 1;
    // What a reader of each user's inbox has read so far, and its cursor.
    let mut read: BTreeMap<u64, (Vec<LogIndex>, LogIndex)> = BTreeMap::new();
    for index in 1..=entries {
        term += u64::from(author.rng.random_bool(0.05));
        let entry = Entry {
            index,
            term,
            payload: author.payload(),
        };
        let outcome = chat.apply(&entry);
        let expected = model.apply(&entry);
        assert_eq!(outcome, expected, "seed {seed}, entry {entry:?}");
        if let Some(Outcome::SessionRegistered { session_id, .. }) = outcome
            && session_id == index
        {
            author.sessions.push(session_id);
        }
        assert_eq!(chat.applied().0, index);
        for _ in 0..3 {
            let query = author.query(index);
            assert_eq!(
                chat.query(&query),
                model.query(&query, index),
                "seed {seed}, after entry {index}: {query:?}"
            );
        }
        // Some user reads on; a join brings older messages, so only rooms' pages have all.
        let user_id = author.rng.random_range(1..7);
        let (seen, after) = read.entry(user_id).or_default();
        let query = Query::Inbox {
            user_id,
            after: *after,
            limit: 2,
        };
        if let Ok(Found::Inbox { messages, cursor }) = chat.query(&query) {
            seen.extend(messages.iter().map(|message| message.index));
            *after = cursor;
        }
        if index % 50 == 0 {
            let kept: usize = model.rooms.iter().map(|room| room.messages.len()).sum();
            assert_eq!(chat.kept_messages(), kept as u64, "seed {seed}");
        }
    }
    for (user, (seen, _)) in read {
        assert!(
            seen.is_sorted(),
            "seed {seed}: the inbox of {user}: {seen:?}"
        );
        let distinct: BTreeSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "seed {seed}: {user}: {seen:?}");
    }
    model
}

#[test]
fn random_histories_come_out_as_in_a_model_that_keeps_everything() {
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in 0..600 {
        for (what, times) in history(seed, 400).seen {
            *seen.entry(what).or_default() += times;
        }
    }
    println!("{seen:?}");
    for what in [
        "idle for too long",
        "expired",
        "unknown",
        "refused again",
        "answered again",
        "reused",
        "out of order",
        "too many outcomes",
        "too many sessions",
        "joined twice",
        "no member",
    ] {
        assert!(
            seen.get(what).is_some_and(|times| *times >= 20),
            "{what}: {seen:?}"
        );
    }
}

#[test]
fn an_inbox_that_is_read_on_misses_no_message() {
    for seed in 1000..1030 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut chat = Chat::new();
        let mut index = 0;
        let mut apply = |chat: &mut Chat, action: Action| {
            index += 1;
            let command = Command {
                key: None,
                sent_at_ms: 0,
                action,
            };
            chat.apply(&Entry {
                index,
                term: 1,
                payload: Payload::Command(command.encode()),
            });
            index
        };
        let name = |number: u64| format!("name {number}");
        apply(&mut chat, Action::CreateUser { name: name(1) });
        for room in 1..=30 {
            let create = Action::CreateRoom {
                name: name(room),
                description: String::new(),
                creator: 1,
            };
            apply(&mut chat, create);
        }
        let (mut sent, mut read, mut after) = (Vec::new(), Vec::new(), 0);
        for step in 0..600 {
            if step < 500 && rng.random_bool(0.8) {
                let message = Action::SendMessage {
                    // Few rooms are busy and most are quiet.
                    room_id: 1 + rng.random_range(0..30u64) * rng.random_range(0..30) / 30,
                    author: 1,
                    body: Bytes::from_static(b"hello"),
                };
                sent.push(apply(&mut chat, message));
            } else {
                let inbox = Query::Inbox {
                    user_id: 1,
                    after,
                    limit: rng.random_range(1..20),
                };
                let Ok(Found::Inbox { messages, cursor }) = chat.query(&inbox) else {
                    panic!("seed {seed}: an inbox was asked for");
                };
                read.extend(messages.iter().map(|message| message.index));
                after = cursor;
            }
        }
        assert_eq!(read, sent, "seed {seed}");
    }
}
