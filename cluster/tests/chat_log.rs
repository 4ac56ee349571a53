//! What the chat makes of a log: the binary form of commands, and the digest.

use bytes::Bytes;
use proptest::prelude::*;
use telegraft_cluster::chat::{
    Action, Chat, ChatMessage, Command, DIGEST_WINDOW, Digest, DigestAt, MessageRef, SessionKey,
};
use telegraft_cluster::codec::DecodeError;
use telegraft_cluster::raft::{Configuration, Entry, Payload};

fn command(action: Action) -> Command {
    Command {
        key: Some(SessionKey {
            session_id: 3,
            sequence: 4,
        }),
        sent_at_ms: 1_700_000_000_000,
        action,
    }
}

fn message(body: &str) -> Command {
    command(Action::SendMessage {
        room_id: 1,
        author: 2,
        body: body.to_owned().into(),
    })
}

/// The entries of a log in term 1.
fn log(payloads: Vec<Payload>) -> Vec<Entry> {
    (1..)
        .zip(payloads)
        .map(|(index, payload)| Entry {
            index,
            term: 1,
            payload,
        })
        .collect()
}

/// A log with something of everything: a no-op, a configuration, a user, a room, a session,
/// messages with its keys.
fn any_log() -> Vec<Entry> {
    let unkeyed = |action| {
        let command = Command {
            key: None,
            ..command(action)
        };
        Payload::Command(command.encode())
    };
    let mut payloads = vec![
        Payload::Noop,
        Payload::Configuration(Configuration::default()),
        unkeyed(Action::RegisterSession),
        unkeyed(Action::CreateUser {
            name: "ada".to_owned(),
        }),
        unkeyed(Action::CreateRoom {
            name: "den".to_owned(),
            description: "a den".to_owned(),
            creator: 1,
        }),
    ];
    for sequence in 0..5 {
        let sent = Command {
            key: Some(SessionKey {
                session_id: 3,
                sequence,
            }),
            ..command(Action::SendMessage {
                room_id: 1,
                author: 1,
                body: format!("message {sequence}").into(),
            })
        };
        payloads.push(Payload::Command(sent.encode()));
    }
    log(payloads)
}

fn digest(log: &[Entry]) -> Digest {
    let mut chat = Chat::new();
    for entry in log {
        chat.apply(entry);
    }
    chat.applied().1
}

#[test]
fn equal_logs_have_equal_digests_at_every_index() {
    let mut one = Chat::new();
    let mut other = Chat::new();
    for entry in any_log() {
        assert_eq!(one.apply(&entry), other.apply(&entry));
        assert_eq!(one.applied(), other.applied());
        assert_eq!(
            other.digest_at(entry.index),
            DigestAt::Known(one.applied().1)
        );
    }
}

#[test]
fn the_digest_differs_from_the_first_entry_that_differs() {
    let log = any_log();
    let mut whole = Chat::new();
    for entry in &log {
        whole.apply(entry);
    }
    for at in 0..log.len() {
        let mut changed = log.clone();
        changed[at].term += 1;
        let mut other_term = Chat::new();
        let mut changed_payload = log.clone();
        changed_payload[at].payload = match &log[at].payload {
            Payload::Command(payload) => {
                let mut command = Command::decode(payload.clone()).unwrap();
                command.sent_at_ms += 1;
                Payload::Command(command.encode())
            }
            Payload::Noop => Payload::Configuration(Configuration::default()),
            Payload::Configuration(_) => Payload::Noop,
        };
        let mut other_payload = Chat::new();
        for (changed, chat) in [
            (&changed, &mut other_term),
            (&changed_payload, &mut other_payload),
        ] {
            for entry in changed {
                chat.apply(entry);
                let same = chat.applied().1 == digest_at(&whole, entry.index);
                assert_eq!(same, entry.index <= at as u64, "{at}: entry {entry:?}");
            }
        }
    }
}

fn digest_at(chat: &Chat, index: u64) -> Digest {
    match chat.digest_at(index) {
        DigestAt::Known(digest) => digest,
        other => panic!("{index}: {other:?}"),
    }
}

#[test]
fn what_is_no_command_changes_nothing_but_the_digest() {
    let garbage = |bytes: &'static [u8]| Payload::Command(Bytes::from_static(bytes));
    let future = {
        let mut bytes = message("hello").encode().to_vec();
        bytes[0] += 1;
        Payload::Command(bytes.into())
    };
    let payloads = [garbage(b""), garbage(b"hello"), Payload::Noop, future];
    let mut seen = std::collections::BTreeSet::new();
    for payload in payloads {
        let mut log = any_log();
        let mut chat = Chat::new();
        for entry in &log {
            chat.apply(entry);
        }
        log.extend([Entry {
            index: log.len() as u64 + 1,
            term: 1,
            payload,
        }]);
        let entry = log.last().unwrap();
        assert_eq!(chat.apply(entry), None);
        assert_eq!(chat.applied().0, entry.index);
        assert_eq!(chat.kept_messages(), 5);
        assert_eq!(digest(&log), chat.applied().1);
        assert!(seen.insert(chat.applied().1.0), "{entry:?}");
    }
}

#[test]
fn digests_are_known_from_index_0_on_and_forgotten_beyond_the_window() {
    let mut chat = Chat::new();
    assert_eq!(chat.applied(), (0, Digest::default()));
    assert_eq!(chat.digest_at(0), DigestAt::Known(Digest::default()));
    assert_eq!(chat.digest_at(1), DigestAt::NotYet);
    let window = DIGEST_WINDOW as u64;
    for index in 1..=window {
        assert!(matches!(chat.digest_at(0), DigestAt::Known(_)));
        chat.apply(&Entry {
            index,
            term: 1,
            payload: Payload::Noop,
        });
    }
    assert_eq!(chat.digest_at(0), DigestAt::Forgotten { oldest: 1 });
    assert!(matches!(chat.digest_at(1), DigestAt::Known(_)));
    assert_eq!(chat.digest_at(window), DigestAt::Known(chat.applied().1));
}

#[test]
#[should_panic(expected = "in the order of the log")]
fn an_entry_is_not_applied_twice() {
    let mut chat = Chat::new();
    let log = any_log();
    chat.apply(&log[0]);
    chat.apply(&log[0]);
}

#[test]
fn a_body_is_a_slice_of_its_payload() {
    let payload = message("hello").encode();
    let Action::SendMessage { body, .. } = Command::decode(payload.clone()).unwrap().action else {
        panic!("a message was encoded");
    };
    assert!(payload.as_ptr_range().contains(&body.as_ptr()));
}

#[test]
fn a_message_is_found_in_its_payload_and_no_other() {
    let reference = MessageRef {
        room_id: 1,
        seq: 9,
        index: 12,
    };
    assert_eq!(
        ChatMessage::from_payload(reference, message("hello").encode()),
        Ok(ChatMessage {
            room_id: 1,
            seq: 9,
            author: 2,
            sent_at_ms: 1_700_000_000_000,
            body: Bytes::from_static(b"hello"),
        })
    );
    let elsewhere = MessageRef {
        room_id: 2,
        ..reference
    };
    let wrong = [
        ChatMessage::from_payload(elsewhere, message("hello").encode()),
        ChatMessage::from_payload(reference, command(Action::RegisterSession).encode()),
        ChatMessage::from_payload(reference, Bytes::from_static(b"hello")),
    ];
    for message in wrong {
        assert!(message.is_err(), "{message:?}");
    }
}

#[test]
fn a_body_that_is_not_utf8_is_no_command() {
    let payload = command(Action::SendMessage {
        room_id: 1,
        author: 2,
        body: Bytes::from_static(b"\xff"),
    })
    .encode();
    assert_eq!(
        Command::decode(payload),
        Err(DecodeError::NotUtf8("message body"))
    );
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::RegisterSession),
        ".{0,64}".prop_map(|name| Action::CreateUser { name }),
        (".{0,64}", ".{0,200}", any::<u64>()).prop_map(|(name, description, creator)| {
            Action::CreateRoom {
                name,
                description,
                creator,
            }
        }),
        any::<(u64, u64)>().prop_map(|(room_id, user_id)| Action::JoinRoom { room_id, user_id }),
        (any::<(u64, u64)>(), ".{0,300}").prop_map(|((room_id, author), body)| {
            Action::SendMessage {
                room_id,
                author,
                body: body.into(),
            }
        }),
    ]
}

fn commands() -> impl Strategy<Value = Command> {
    let keys =
        proptest::option::of(
            any::<(u64, u64)>().prop_map(|(session_id, sequence)| SessionKey {
                session_id,
                sequence,
            }),
        );
    (keys, any::<u64>(), actions()).prop_map(|(key, sent_at_ms, action)| Command {
        key,
        sent_at_ms,
        action,
    })
}

/// Applies the bytes as a command twice: whatever they are, both come to the same.
fn apply_anything(bytes: &Bytes) {
    let log = log(vec![Payload::Command(bytes.clone()); 2]);
    assert_eq!(digest(&log), digest(&log));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_command_is_what_it_was_after_decoding(command in commands()) {
        prop_assert_eq!(Command::decode(command.encode()), Ok(command));
    }

    #[test]
    fn a_command_that_is_cut_or_longer_is_none(command in commands(), cut in any::<prop::sample::Index>()) {
        let bytes = command.encode();
        prop_assert!(Command::decode(bytes.slice(..cut.index(bytes.len()))).is_err());
        let longer: Bytes = [&bytes[..], &[0]].concat().into();
        prop_assert_eq!(Command::decode(longer), Err(DecodeError::Trailing(1)));
    }

    #[test]
    fn any_bytes_are_a_command_in_its_one_form_or_an_error(bytes in any::<Vec<u8>>()) {
        let bytes = Bytes::from(bytes);
        if let Ok(command) = Command::decode(bytes.clone()) {
            prop_assert_eq!(command.encode(), bytes.clone());
        }
        apply_anything(&bytes);
    }

    #[test]
    fn a_command_with_changed_bytes_is_another_or_an_error(
        command in commands(),
        changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4),
    ) {
        let mut bytes = command.encode().to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let bytes = Bytes::from(bytes);
        if let Ok(decoded) = Command::decode(bytes.clone()) {
            prop_assert_eq!(decoded == command, bytes == command.encode());
            prop_assert_eq!(decoded.encode(), bytes.clone());
        }
        apply_anything(&bytes);
    }
}
