//! A write with a key happens once, however often and in whatever order it comes.

use telegraft_cluster::chat::{
    Action, Chat, Command, Found, Outcome, Page, Query, SESSION_WINDOW, SessionKey, WriteError,
};
use telegraft_cluster::raft::{Entry, Payload};

/// A chat with its log.
struct Story {
    chat: Chat,
    log: Vec<Entry>,
    term: u64,
}

impl Story {
    /// User 1 is a member of room 1; user 2 is not.
    fn new() -> Story {
        let mut story = Story {
            chat: Chat::new(),
            log: Vec::new(),
            term: 1,
        };
        for name in ["ada", "bob"] {
            let name = name.to_owned();
            story.write(None, Action::CreateUser { name });
        }
        let room = Action::CreateRoom {
            name: "den".to_owned(),
            description: String::new(),
            creator: 1,
        };
        story.write(None, room);
        story
    }

    fn write(&mut self, key: Option<SessionKey>, action: Action) -> Outcome {
        let index = self.log.len() as u64 + 1;
        let command = Command {
            key,
            // The clock runs on: a retry is another command in this.
            sent_at_ms: 1_000 + index,
            action,
        };
        let entry = Entry {
            index,
            term: self.term,
            payload: Payload::Command(command.encode()),
        };
        self.log.push(entry.clone());
        self.chat.apply(&entry).expect("it is a command")
    }

    fn session(&mut self) -> u64 {
        match self.write(None, Action::RegisterSession) {
            Outcome::SessionRegistered { session_id, window } => {
                assert_eq!(window, SESSION_WINDOW);
                session_id
            }
            other => panic!("{other:?}"),
        }
    }

    fn send(&mut self, session_id: u64, sequence: u64, body: &str) -> Outcome {
        let key = SessionKey {
            session_id,
            sequence,
        };
        self.write(Some(key), message(1, body))
    }

    fn seqs(&self) -> Vec<u64> {
        let query = Query::Messages {
            room_id: 1,
            page: Page::After(0),
            limit: usize::MAX,
        };
        match self.chat.query(&query) {
            Ok(Found::Messages(messages)) => messages.iter().map(|message| message.seq).collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn message(author: u64, body: &str) -> Action {
    Action::SendMessage {
        room_id: 1,
        author,
        body: body.to_owned().into(),
    }
}

fn seq(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Sent { seq, .. } => *seq,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_retry_gets_the_first_answer_with_its_term_and_index() {
    let mut story = Story::new();
    let session = story.session();
    let first = story.send(session, 1, "hello");
    assert_eq!(
        first,
        Outcome::Sent {
            room_id: 1,
            seq: 1,
            index: 5,
            term: 1
        }
    );
    story.term = 7;
    story.send(session, 2, "and more");
    for _ in 0..3 {
        assert_eq!(story.send(session, 1, "hello"), first);
    }
    assert_eq!(story.seqs(), [1, 2]);
    assert_eq!(story.chat.kept_messages(), 2);
}

#[test]
fn every_kind_of_write_is_answered_again_and_done_once() {
    let mut story = Story::new();
    let session_id = story.session();
    let user = |name: &str| Action::CreateUser {
        name: name.to_owned(),
    };
    let room = |name: &str, creator| Action::CreateRoom {
        name: name.to_owned(),
        description: "a place".to_owned(),
        creator,
    };
    let join = |room_id, user_id| Action::JoinRoom { room_id, user_id };
    let refused = Outcome::Refused;
    let opened = story.log.len() as u64 + 1;
    let writes = [
        (
            Action::RegisterSession,
            Outcome::SessionRegistered {
                session_id: opened,
                window: SESSION_WINDOW,
            },
        ),
        (user("cyd"), Outcome::UserCreated { user_id: 3 }),
        (user("ada"), refused(WriteError::NameTaken)),
        (room("inn", 3), Outcome::RoomCreated { room_id: 2 }),
        (room("den", 3), refused(WriteError::NameTaken)),
        (room("pub", 9), refused(WriteError::NoSuchUser(9))),
        (
            message(2, "let me in"),
            refused(WriteError::NotMember {
                user_id: 2,
                room_id: 1,
            }),
        ),
        (message(9, "boo"), refused(WriteError::NoSuchUser(9))),
        (join(9, 2), refused(WriteError::NoSuchRoom(9))),
        (join(1, 9), refused(WriteError::NoSuchUser(9))),
        (join(1, 2), Outcome::Joined),
    ];
    for (sequence, (action, expected)) in (1..).zip(&writes) {
        let key = SessionKey {
            session_id,
            sequence,
        };
        let outcome = story.write(Some(key), action.clone());
        assert_eq!(outcome, *expected, "{action:?}");
    }
    // User 2 is a member by now, and user 9 exists: some of what was refused would be done.
    for number in 4..=9 {
        story.write(None, user(&format!("user {number}")));
    }
    for (sequence, (action, expected)) in (1..).zip(&writes) {
        let key = SessionKey {
            session_id,
            sequence,
        };
        let outcome = story.write(Some(key), action.clone());
        assert_eq!(outcome, *expected, "again: {action:?}");
    }
    assert_eq!(story.seqs(), []);
}

#[test]
fn writes_that_commit_out_of_order_are_each_done_once() {
    let mut story = Story::new();
    let session = story.session();
    let order = [5, 3, 900, 1, 4, 2];
    let first: Vec<_> = order
        .iter()
        .map(|sequence| story.send(session, *sequence, &format!("number {sequence}")))
        .collect();
    assert_eq!(
        first.iter().map(seq).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6]
    );
    for (sequence, outcome) in order.iter().zip(&first).rev() {
        let again = story.send(session, *sequence, &format!("number {sequence}"));
        assert_eq!(again, *outcome);
    }
    assert_eq!(story.seqs(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_key_stands_for_one_request() {
    let mut story = Story::new();
    let session = story.session();
    let first = story.send(session, 1, "hello");
    let reused = Outcome::Refused(WriteError::KeyReused);
    assert_eq!(story.send(session, 1, "hello!"), reused);
    let key = SessionKey {
        session_id: session,
        sequence: 1,
    };
    assert_eq!(story.write(Some(key), message(2, "hello")), reused);
    assert_eq!(story.write(Some(key), Action::RegisterSession), reused);
    assert_eq!(story.send(session, 1, "hello"), first);
    // The same number in another session is another key.
    let other = story.session();
    assert_eq!(seq(&story.send(other, 1, "hello")), 2);
}

#[test]
fn below_the_window_the_outcome_is_unknown_and_nothing_is_applied() {
    let mut story = Story::new();
    let session = story.session();
    let oldest = story.send(session, 10, "ten");
    // The window moves up to hold 10 as its last one, then past it.
    story.send(session, 10 + SESSION_WINDOW - 1, "far");
    assert_eq!(story.send(session, 10, "ten"), oldest);
    story.send(session, 10 + SESSION_WINDOW, "farther");
    for (sequence, body) in [(10, "ten"), (9, "never sent before"), (0, "nor this")] {
        assert_eq!(
            story.send(session, sequence, body),
            Outcome::Refused(WriteError::OutcomeUnknown(sequence))
        );
    }
    assert_eq!(seq(&story.send(session, 11, "in the window")), 4);
    assert_eq!(story.chat.kept_messages(), 4);
    // As far up as numbers go.
    assert_eq!(seq(&story.send(session, u64::MAX, "top")), 5);
    assert_eq!(seq(&story.send(session, u64::MAX, "top")), 5);
    assert_eq!(
        story.send(session, u64::MAX - SESSION_WINDOW, "below"),
        Outcome::Refused(WriteError::OutcomeUnknown(u64::MAX - SESSION_WINDOW))
    );
    assert_eq!(story.chat.kept_messages(), 5);
}

#[test]
fn a_session_that_was_never_opened_writes_nothing() {
    let mut story = Story::new();
    for session in [0, 1, 99, u64::MAX] {
        assert_eq!(
            story.send(session, 1, "hello"),
            Outcome::Refused(WriteError::SessionExpired(session))
        );
    }
    assert_eq!(story.chat.kept_messages(), 0);
}

#[test]
fn a_write_without_a_key_is_done_each_time() {
    let mut story = Story::new();
    let first = story.write(None, message(1, "hello"));
    let second = story.write(None, message(1, "hello"));
    assert_eq!((seq(&first), seq(&second)), (1, 2));
}

#[test]
fn the_session_that_was_used_least_recently_makes_room_for_a_new_one() {
    const SESSIONS: usize = 65_536;
    let mut story = Story::new();
    let sessions: Vec<u64> = (0..SESSIONS).map(|_| story.session()).collect();
    // The oldest is used; so the second oldest is the one to go.
    let outcome = story.send(sessions[0], 1, "still here");
    story.session();
    assert_eq!(
        story.send(sessions[1], 1, "too late"),
        Outcome::Refused(WriteError::SessionExpired(sessions[1]))
    );
    assert_eq!(story.send(sessions[0], 1, "still here"), outcome);
    assert_eq!(seq(&story.send(sessions[2], 1, "me too")), 2);

    // A restart replays the log, and finds the same.
    let mut replayed = Chat::new();
    for entry in &story.log {
        replayed.apply(entry);
    }
    assert_eq!(replayed.applied(), story.chat.applied());
}
