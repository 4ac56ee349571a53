//! The digest: a chained hash by which replicas find out that they differ.

use std::collections::VecDeque;

use xxhash_rust::xxh3::xxh3_128;

use super::types::{Outcome, WriteError};
use crate::codec::{put_u32, put_u64};
use crate::raft::{Entry, LogIndex, Payload};

/// Digests that are kept, the newest ones. Followers report with every answer, and one that
/// lags by more than this is too far behind to be judged; 16 bytes each make this 1 MiB.
pub const DIGEST_WINDOW: usize = 65_536;

/// A chained hash over everything applied and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub u128);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What is known of the digest at an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestAt {
    /// It is this.
    Known(Digest),
    /// That index is not applied yet.
    NotYet,
    /// That index is older than what is kept.
    Forgotten {
        /// The oldest index that is kept.
        oldest: LogIndex,
    },
}

/// A part of the state that an entry changed, by its key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    SessionOpened(u64),
    SessionExpired(u64),
    /// A session and a sequence number whose outcome is remembered.
    Remembered(u64, u64),
    User(u64),
    /// A room's number.
    Room(u64),
    /// A room and a user.
    Member(u64, u64),
    /// A room and the message's number there.
    Message(u64, u64),
}

/// What one entry changed. It is noted where the change is made, so that the digest shows
/// what a replica did, not what it ought to have done.
#[derive(Debug, Default)]
pub(super) struct Changes {
    bytes: Vec<u8>,
}

impl Changes {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) fn note(&mut self, change: Change) {
        let (kind, first, second) = match change {
            Change::SessionOpened(session) => (1, session, 0),
            Change::SessionExpired(session) => (2, session, 0),
            Change::Remembered(session, sequence) => (3, session, sequence),
            Change::User(user) => (4, user, 0),
            Change::Room(room) => (5, room, 0),
            Change::Member(room, user) => (6, room, user),
            Change::Message(room, seq) => (7, room, seq),
        };
        self.bytes.push(kind);
        put_u64(&mut self.bytes, first);
        put_u64(&mut self.bytes, second);
    }
}

/// The digests of the newest applied indexes; the last one is the chain's end.
#[derive(Debug)]
pub(super) struct Digests {
    applied: LogIndex,
    newest: VecDeque<Digest>,
    kept: usize,
    /// What is hashed for one entry; here so that it is allocated once.
    link: Vec<u8>,
}

impl Digests {
    /// Index 0, with the default digest.
    pub(super) fn new(kept: usize) -> Self {
        assert!(kept > 0, "the end of the chain is always kept");
        Digests {
            applied: 0,
            newest: VecDeque::from([Digest::default()]),
            kept,
            link: Vec::new(),
        }
    }

    pub(super) fn applied(&self) -> (LogIndex, Digest) {
        let last = self.newest.back().expect("the end of the chain is kept");
        (self.applied, *last)
    }

    /// Adds the next entry and what came of it to the chain.
    pub(super) fn chain(&mut self, entry: &Entry, outcome: Option<&Outcome>, changes: &Changes) {
        let link = &mut self.link;
        link.clear();
        let last = self.newest.back().expect("the end of the chain is kept");
        link.extend_from_slice(&last.0.to_le_bytes());
        match &entry.payload {
            // Hashed where it lies: a copy of a long message would cost more than its hash.
            Payload::Command(command) => {
                put_u64(link, entry.index);
                put_u64(link, entry.term);
                link.push(2);
                put_u32(link, 16);
                link.extend_from_slice(&xxh3_128(command).to_le_bytes());
            }
            // These are few and short.
            Payload::Noop | Payload::Configuration(_) => entry.encode(link),
        }
        match outcome {
            None => link.push(0),
            Some(outcome) => outcome.encode(link),
        }
        link.extend_from_slice(&changes.bytes);
        let digest = Digest(xxh3_128(link));
        if self.newest.len() == self.kept {
            self.newest.pop_front();
        }
        self.newest.push_back(digest);
        self.applied = entry.index;
    }

    pub(super) fn at(&self, index: LogIndex) -> DigestAt {
        if index > self.applied {
            return DigestAt::NotYet;
        }
        let back = usize::try_from(self.applied - index).unwrap_or(usize::MAX);
        match self.newest.len().checked_sub(1 + back) {
            Some(position) => DigestAt::Known(self.newest[position]),
            None => DigestAt::Forgotten {
                oldest: self.applied + 1 - self.newest.len() as u64,
            },
        }
    }
}

impl Outcome {
    /// Appends the form that the digest covers: no two outcomes share one. The first byte
    /// is never 0, which stands for no outcome.
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Outcome::SessionRegistered { session_id, window } => {
                out.push(1);
                put_u64(out, *session_id);
                put_u64(out, *window);
            }
            Outcome::UserCreated { user_id } => {
                out.push(2);
                put_u64(out, *user_id);
            }
            Outcome::RoomCreated { room_id } => {
                out.push(3);
                put_u64(out, *room_id);
            }
            Outcome::Joined => out.push(4),
            Outcome::Sent {
                room_id,
                seq,
                index,
                term,
            } => {
                out.push(5);
                for field in [room_id, seq, index, term] {
                    put_u64(out, *field);
                }
            }
            Outcome::Refused(error) => {
                out.push(6);
                error.encode(out);
            }
        }
    }
}

impl WriteError {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            WriteError::NameTaken => out.push(1),
            WriteError::NoSuchUser(user) => {
                out.push(2);
                put_u64(out, *user);
            }
            WriteError::NoSuchRoom(room) => {
                out.push(3);
                put_u64(out, *room);
            }
            WriteError::NotMember { user_id, room_id } => {
                out.push(4);
                put_u64(out, *user_id);
                put_u64(out, *room_id);
            }
            WriteError::SessionExpired(session) => {
                out.push(5);
                put_u64(out, *session);
            }
            WriteError::OutcomeUnknown(sequence) => {
                out.push(6);
                put_u64(out, *sequence);
            }
            WriteError::KeyReused => out.push(7),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noop(index: LogIndex) -> Entry {
        Entry {
            index,
            term: 1,
            payload: Payload::Noop,
        }
    }

    #[test]
    fn the_newest_digests_are_known_and_older_ones_forgotten() {
        let mut digests = Digests::new(3);
        let mut all = vec![Digest::default()];
        assert_eq!(digests.at(0), DigestAt::Known(Digest::default()));
        assert_eq!(digests.at(1), DigestAt::NotYet);
        for index in 1..=5 {
            digests.chain(&noop(index), None, &Changes::default());
            all.push(digests.applied().1);
        }
        assert_eq!(digests.at(2), DigestAt::Forgotten { oldest: 3 });
        assert_eq!(digests.at(0), DigestAt::Forgotten { oldest: 3 });
        for index in 3..=5 {
            assert_eq!(digests.at(index), DigestAt::Known(all[index as usize]));
        }
        assert_eq!(digests.at(6), DigestAt::NotYet);
        assert_eq!(digests.at(u64::MAX), DigestAt::NotYet);
    }

    #[test]
    fn every_outcome_and_every_change_gives_another_digest() {
        let outcomes = [
            None,
            Some(Outcome::SessionRegistered {
                session_id: 1,
                window: 2,
            }),
            Some(Outcome::UserCreated { user_id: 1 }),
            Some(Outcome::RoomCreated { room_id: 1 }),
            Some(Outcome::Joined),
            Some(Outcome::Sent {
                room_id: 1,
                seq: 2,
                index: 3,
                term: 4,
            }),
            Some(Outcome::Sent {
                room_id: 1,
                seq: 2,
                index: 3,
                term: 5,
            }),
            Some(Outcome::Refused(WriteError::NameTaken)),
            Some(Outcome::Refused(WriteError::NoSuchUser(1))),
            Some(Outcome::Refused(WriteError::NoSuchRoom(1))),
            Some(Outcome::Refused(WriteError::NotMember {
                user_id: 1,
                room_id: 2,
            })),
            Some(Outcome::Refused(WriteError::NotMember {
                user_id: 2,
                room_id: 1,
            })),
            Some(Outcome::Refused(WriteError::SessionExpired(1))),
            Some(Outcome::Refused(WriteError::OutcomeUnknown(1))),
            Some(Outcome::Refused(WriteError::KeyReused)),
        ];
        let changes = [
            None,
            Some(Change::SessionOpened(1)),
            Some(Change::SessionExpired(1)),
            Some(Change::Remembered(1, 2)),
            Some(Change::User(1)),
            Some(Change::Room(1)),
            Some(Change::Member(1, 2)),
            Some(Change::Member(2, 1)),
            Some(Change::Message(1, 2)),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for outcome in &outcomes {
            for change in &changes {
                let mut digests = Digests::new(1);
                let mut noted = Changes::default();
                if let Some(change) = change {
                    noted.note(*change);
                }
                digests.chain(&noop(1), outcome.as_ref(), &noted);
                let digest = digests.applied().1;
                assert!(seen.insert(digest.0), "{outcome:?} with {change:?}");
            }
        }
    }
}
