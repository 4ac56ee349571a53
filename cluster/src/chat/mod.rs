//! The chat: a deterministic state machine over the log.
//!
//! [`Chat::apply`] takes the log's entries in order and says what comes of each: a function
//! of the entries alone. It knows no clock and no randomness, and all that it iterates over is
//! ordered. What it keeps per message is 8 bytes, the log index: bodies stay in the log.
//!
//! - `command`: the binary form of commands;
//! - `session`: what makes a retried write happen once;
//! - `users`, `rooms`: who there is, and which message is where;
//! - `query`: reads;
//! - `digest`: the hash that replicas compare.

mod command;
mod digest;
#[cfg(test)]
mod model_test;
mod query;
mod rooms;
mod session;
mod types;
mod users;

pub use digest::{DIGEST_WINDOW, Digest, DigestAt};
pub use session::{SESSION_WINDOW, SessionLimits};
pub use types::{
    Action, Answer, ChatMessage, Command, Found, MessageRef, Outcome, Page, Query, QueryError,
    SessionKey, WriteError,
};

use command::RequestHash;
use digest::{Changes, Digests};
use rooms::Rooms;
use session::{Admission, Kept, Sessions};
use users::Users;

use crate::known_bugs::{self, KnownBug};
use crate::raft::{Entry, LogIndex, Payload, Term};

/// The state machine.
#[derive(Debug)]
pub struct Chat {
    users: Users,
    rooms: Rooms,
    sessions: Sessions,
    /// Where each term begins in the log: what tells the term of a message of long ago.
    terms: Vec<(LogIndex, Term)>,
    digests: Digests,
    /// What the current entry changes; here so that it is allocated once.
    changes: Changes,
}

impl Default for Chat {
    fn default() -> Self {
        Chat::new()
    }
}

impl Chat {
    /// The empty state, before index 1.
    pub fn new() -> Self {
        Chat::with_limits(SessionLimits::REPLICATED)
    }

    /// The same with other limits of the sessions: another state machine.
    pub fn with_limits(limits: SessionLimits) -> Self {
        Chat {
            users: Users::default(),
            rooms: Rooms::default(),
            sessions: Sessions::new(limits),
            terms: Vec::new(),
            digests: Digests::new(DIGEST_WINDOW),
            changes: Changes::default(),
        }
    }

    /// Applies the next entry; the outcome is none for entries that are not commands.
    ///
    /// It is none, too, for a command that cannot be decoded, which changes nothing: this
    /// version's leaders propose none such, so it is from another version, and the digest
    /// shows that a replica which understood it did something else.
    ///
    /// # Panics
    /// If the entry is not the next one.
    pub fn apply(&mut self, entry: &Entry) -> Option<Outcome> {
        let expected = self.digests.applied().0 + 1;
        assert_eq!(
            entry.index, expected,
            "entries are applied in the order of the log, each once"
        );
        if self
            .terms
            .last()
            .is_none_or(|(_, term)| *term != entry.term)
        {
            self.terms.push((entry.index, entry.term));
        }
        self.changes.clear();
        self.sessions.expire_idle(entry.index, &mut self.changes);
        let outcome = match &entry.payload {
            Payload::Noop | Payload::Configuration(_) => None,
            Payload::Command(payload) => match command::decode(payload.clone()) {
                Ok((command, request)) => Some(self.carry_out(entry.index, &command, request)),
                Err(error) => {
                    tracing::error!(index = entry.index, %error, "a command that is not understood");
                    None
                }
            },
        };
        self.digests.chain(entry, outcome.as_ref(), &self.changes);
        outcome
    }

    /// Carries out a write, unless its key says that this was done.
    fn carry_out(&mut self, index: LogIndex, command: &Command, request: RequestHash) -> Outcome {
        let Some(key) = command.key else {
            let kept = self.act(index, &command.action);
            return self.outcome(&command.action, kept);
        };
        let kept = match self.sessions.admit(key, request, index) {
            Admission::Refused(error) => return Outcome::Refused(error),
            Admission::Again(kept) => {
                if known_bugs::active(KnownBug::RetryAppliedByNextLeader)
                    && let Outcome::Sent { term, .. } = self.outcome(&command.action, kept)
                    && term != self.term_at(index)
                {
                    self.act(index, &command.action)
                } else {
                    kept
                }
            }
            Admission::New => {
                let kept = self.act(index, &command.action);
                self.sessions
                    .remember(key, request, kept, &mut self.changes);
                kept
            }
        };
        self.outcome(&command.action, kept)
    }

    /// Does what a write asks for.
    fn act(&mut self, index: LogIndex, action: &Action) -> Kept {
        let changes = &mut self.changes;
        match *action {
            Action::RegisterSession => {
                Kept::SessionRegistered(self.sessions.register(index, changes))
            }
            Action::CreateUser { ref name } => match self.users.create(name, changes) {
                Some(user_id) => Kept::UserCreated(user_id),
                None => Kept::NameTaken,
            },
            Action::CreateRoom {
                ref name, creator, ..
            } => {
                if !self.users.exists(creator) {
                    return Kept::NoSuchUser;
                }
                let Some(room_id) = self.rooms.create(name, changes) else {
                    return Kept::NameTaken;
                };
                self.rooms.join(room_id, creator, changes);
                self.users.joined(creator, room_id);
                Kept::RoomCreated(room_id)
            }
            Action::JoinRoom { room_id, user_id } => {
                if self.rooms.get(room_id).is_none() {
                    return Kept::NoSuchRoom;
                }
                if !self.users.exists(user_id) {
                    return Kept::NoSuchUser;
                }
                if self.rooms.join(room_id, user_id, changes) == Some(true) {
                    self.users.joined(user_id, room_id);
                }
                Kept::Joined
            }
            Action::SendMessage {
                room_id, author, ..
            } => {
                let Some(room) = self.rooms.get(room_id) else {
                    return Kept::NoSuchRoom;
                };
                if !room.is_member(author) {
                    return if self.users.exists(author) {
                        Kept::NotMember
                    } else {
                        Kept::NoSuchUser
                    };
                }
                match self.rooms.add_message(room_id, index, changes) {
                    Some(seq) => Kept::Sent(seq),
                    None => Kept::NoSuchRoom,
                }
            }
        }
    }

    /// The outcome in full, from what is kept of it and the request, which is the same now
    /// as it was then.
    fn outcome(&self, action: &Action, kept: Kept) -> Outcome {
        let refusal = match (kept, action) {
            (Kept::SessionRegistered(session_id), _) => {
                return Outcome::SessionRegistered {
                    session_id,
                    window: self.sessions.window(),
                };
            }
            (Kept::UserCreated(user_id), _) => return Outcome::UserCreated { user_id },
            (Kept::RoomCreated(room_id), _) => return Outcome::RoomCreated { room_id },
            (Kept::Joined, _) => return Outcome::Joined,
            (Kept::Sent(seq), Action::SendMessage { room_id, .. }) => {
                match self.rooms.get(*room_id).and_then(|room| room.index_of(seq)) {
                    Some(index) => {
                        return Outcome::Sent {
                            room_id: *room_id,
                            seq,
                            index,
                            term: self.term_at(index),
                        };
                    }
                    None => WriteError::KeyReused,
                }
            }
            (Kept::NameTaken, _) => WriteError::NameTaken,
            (
                Kept::NoSuchUser,
                Action::CreateRoom { creator: user, .. }
                | Action::JoinRoom { user_id: user, .. }
                | Action::SendMessage { author: user, .. },
            ) => WriteError::NoSuchUser(*user),
            (
                Kept::NoSuchRoom,
                Action::JoinRoom { room_id, .. } | Action::SendMessage { room_id, .. },
            ) => WriteError::NoSuchRoom(*room_id),
            (
                Kept::NotMember,
                Action::SendMessage {
                    room_id, author, ..
                },
            ) => WriteError::NotMember {
                user_id: *author,
                room_id: *room_id,
            },
            // Another request, which its hash did not tell from the first.
            (Kept::Sent(_) | Kept::NoSuchUser | Kept::NoSuchRoom | Kept::NotMember, _) => {
                WriteError::KeyReused
            }
        };
        Outcome::Refused(refusal)
    }

    /// The term of an applied entry.
    fn term_at(&self, index: LogIndex) -> Term {
        let later = self.terms.partition_point(|(first, _)| *first <= index);
        let (_, term) = self.terms[later - 1];
        term
    }

    /// What the known bugs of a restart forget, once all from before it is applied.
    #[cfg(feature = "known-bugs")]
    pub(crate) fn forget_after_replay(&mut self) {
        if known_bugs::active(KnownBug::OutcomesForgottenOnRestart) {
            self.sessions.forget_outcomes();
        }
        if known_bugs::active(KnownBug::SeqAssignedTwice) {
            self.rooms.forget_newest();
        }
    }

    /// The last applied index and the digest there.
    pub fn applied(&self) -> (LogIndex, Digest) {
        self.digests.applied()
    }

    /// The digest at an index.
    pub fn digest_at(&self, index: LogIndex) -> DigestAt {
        self.digests.at(index)
    }

    /// How many chat messages the index holds.
    pub fn kept_messages(&self) -> u64 {
        self.rooms.messages()
    }
}
