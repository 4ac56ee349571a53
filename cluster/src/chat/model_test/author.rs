//! Makes up what happens.

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::chat::*;
use crate::raft::Configuration;

/// Makes up writes and reads that often name what exists, and often enough what does not.
pub(super) struct Author {
    pub(super) rng: StdRng,
    pub(super) sessions: Vec<u64>,
    pub(super) sent: Vec<Command>,
}

impl Author {
    fn id(&mut self) -> u64 {
        if self.rng.random_bool(0.02) {
            return u64::MAX - self.rng.random_range(0..2u64);
        }
        self.rng.random_range(0..7)
    }

    fn action(&mut self) -> Action {
        match self.rng.random_range(0..20) {
            0 => Action::RegisterSession,
            1 | 2 => Action::CreateUser {
                name: format!("user {}", self.rng.random_range(0..7)),
            },
            3 | 4 => Action::CreateRoom {
                name: format!("room {}", self.rng.random_range(0..7)),
                description: "a room".to_owned(),
                creator: self.id(),
            },
            5..=8 => Action::JoinRoom {
                room_id: self.id(),
                user_id: self.id(),
            },
            _ => Action::SendMessage {
                room_id: self.id(),
                author: self.id(),
                body: format!("body {}", self.rng.random_range(0..3)).into(),
            },
        }
    }

    pub(super) fn payload(&mut self) -> Payload {
        let command = match self.rng.random_range(0..40) {
            0 => return Payload::Noop,
            1 => return Payload::Configuration(Configuration::default()),
            2 => return Payload::Command(Bytes::from_static(b"no command")),
            // A retry, of a recent one mostly.
            3..=11 if !self.sent.is_empty() => {
                let ago = self.rng.random_range(0..self.sent.len().min(15));
                let mut command = self.sent[self.sent.len() - 1 - ago].clone();
                command.sent_at_ms += 1;
                command
            }
            other => Command {
                key: (other >= 20).then(|| self.key()),
                sent_at_ms: self.rng.random_range(0..1000),
                action: self.action(),
            },
        };
        self.sent.push(command.clone());
        Payload::Command(command.encode())
    }

    fn key(&mut self) -> SessionKey {
        if self.sessions.is_empty() || self.rng.random_bool(0.05) {
            return SessionKey {
                session_id: self.rng.random_range(0..50),
                sequence: 1,
            };
        }
        let newest = self.sessions.len().min(6);
        let ago = self.rng.random_range(0..newest);
        let session_id = self.sessions[self.sessions.len() - 1 - ago];
        let used = self.sent.iter().filter_map(|command| {
            let key = command.key?;
            (key.session_id == session_id).then_some(key.sequence)
        });
        let highest = used.max().unwrap_or(0);
        let around = self.rng.random_range(0..8);
        SessionKey {
            session_id,
            sequence: (highest + 3).saturating_sub(around),
        }
    }

    /// A user's or a room's, whichever is asked for.
    fn name(&mut self) -> String {
        let kind = ["user", "room"][self.rng.random_range(0..2)];
        format!("{kind} {}", self.rng.random_range(0..7))
    }

    pub(super) fn query(&mut self, applied: LogIndex) -> Query {
        let limit = match self.rng.random_range(0..8) {
            0 => 0,
            1 => usize::MAX,
            other => other,
        };
        let point = match self.rng.random_range(0..12) {
            0 => u64::MAX,
            1 => u64::MAX - 1,
            2 => 0,
            _ => self.rng.random_range(0..applied + 2),
        };
        match self.rng.random_range(0..6) {
            0 => Query::UserNamed { name: self.name() },
            1 => Query::RoomNamed { name: self.name() },
            2 => Query::Members {
                room_id: self.id(),
                after: self.rng.random_range(0..7),
                limit,
            },
            3 => Query::Inbox {
                user_id: self.id(),
                after: point,
                limit,
            },
            _ => Query::Messages {
                room_id: self.id(),
                page: match self.rng.random_range(0..5) {
                    0 => Page::Latest,
                    1 => Page::After(point),
                    2 => Page::Before(point),
                    3 => Page::After(point % 9),
                    _ => Page::Before(point % 9),
                },
                limit,
            },
        }
    }
}
