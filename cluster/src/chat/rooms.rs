//! Rooms: unique names, ids that count from 1, members, and where their messages are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::Bound;

use super::digest::{Change, Changes};
use super::types::{MessageRef, Page};
use super::users::position;
use crate::raft::LogIndex;

/// One room. Its description stays in the log, as nothing asks for it yet.
#[derive(Debug)]
pub(super) struct Room {
    id: u64,
    members: BTreeSet<u64>,
    /// The log index of each message: the one with `seq` stands at `seq - 1`.
    messages: Vec<LogIndex>,
}

impl Room {
    pub(super) fn is_member(&self, user_id: u64) -> bool {
        self.members.contains(&user_id)
    }

    /// Members in the order of their ids, those above `after`.
    pub(super) fn members_after(&self, after: u64) -> impl Iterator<Item = u64> {
        self.members
            .range((Bound::Excluded(after), Bound::Unbounded))
            .copied()
    }

    /// The log index of a message; none if there is no such message.
    pub(super) fn index_of(&self, seq: u64) -> Option<LogIndex> {
        self.messages.get(position(seq)?).copied()
    }

    /// A page of the messages, oldest first.
    pub(super) fn page(&self, page: Page, limit: usize) -> Vec<MessageRef> {
        let count = self.messages.len();
        let range = match page {
            Page::After(seq) => {
                // How many come before those that are asked for.
                let start = usize::try_from(seq).unwrap_or(usize::MAX).min(count);
                start..start.saturating_add(limit).min(count)
            }
            Page::Before(seq) => {
                let end = usize::try_from(seq.saturating_sub(1))
                    .unwrap_or(usize::MAX)
                    .min(count);
                end.saturating_sub(limit)..end
            }
            Page::Latest => count.saturating_sub(limit)..count,
        };
        range.map(|at| self.reference(at)).collect()
    }

    fn reference(&self, at: usize) -> MessageRef {
        MessageRef {
            room_id: self.id,
            seq: at as u64 + 1,
            index: self.messages[at],
        }
    }
}

/// All rooms.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    by_id: Vec<Room>,
    /// The log index of each room's newest message, 0 before the first: an inbox passes over
    /// quiet rooms without touching more of them than this.
    newest: Vec<LogIndex>,
    by_name: BTreeMap<Box<str>, u64>,
    messages: u64,
}

impl Rooms {
    /// The new room's id; none if the name is taken.
    pub(super) fn create(&mut self, name: &str, changes: &mut Changes) -> Option<u64> {
        if self.by_name.contains_key(name) {
            return None;
        }
        let id = self.by_id.len() as u64 + 1;
        self.by_id.push(Room {
            id,
            members: BTreeSet::new(),
            messages: Vec::new(),
        });
        self.newest.push(0);
        self.by_name.insert(name.into(), id);
        changes.note(Change::Room(id));
        Some(id)
    }

    pub(super) fn get(&self, id: u64) -> Option<&Room> {
        self.by_id.get(position(id)?)
    }

    /// The room of that name.
    pub(super) fn named(&self, name: &str) -> Option<u64> {
        self.by_name.get(name).copied()
    }

    /// Makes the user a member; false if it was one. None if there is no such room.
    pub(super) fn join(&mut self, id: u64, user_id: u64, changes: &mut Changes) -> Option<bool> {
        let room = self.by_id.get_mut(position(id)?)?;
        let new = room.members.insert(user_id);
        if new {
            changes.note(Change::Member(id, user_id));
        }
        Some(new)
    }

    /// Adds the message that stands at `index`; its number in the room. None if there is no
    /// such room.
    pub(super) fn add_message(
        &mut self,
        id: u64,
        index: LogIndex,
        changes: &mut Changes,
    ) -> Option<u64> {
        let at = position(id)?;
        let room = self.by_id.get_mut(at)?;
        room.messages.push(index);
        self.newest[at] = index;
        self.messages += 1;
        let seq = room.messages.len() as u64;
        changes.note(Change::Message(id, seq));
        Some(seq)
    }

    /// A known bug: each room loses its newest message.
    #[cfg(feature = "known-bugs")]
    pub(super) fn forget_newest(&mut self) {
        for room in &mut self.by_id {
            room.messages.pop();
        }
    }

    /// Messages in all rooms.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Messages of these rooms, which exist, above a log index: the first ones in log order.
    pub(super) fn merged_after(
        &self,
        rooms: &[u64],
        after: LogIndex,
        limit: usize,
    ) -> Vec<MessageRef> {
        // The next message of each room that has one: (log index, room, place in the room).
        let mut next = Vec::new();
        for id in rooms {
            let at = position(*id).expect("ids count from 1");
            if self.newest[at] > after {
                let messages = &self.by_id[at].messages;
                let place = messages.partition_point(|index| *index <= after);
                next.push(Reverse((messages[place], at, place)));
            }
        }
        let mut next = BinaryHeap::from(next);
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(mut top) = next.peek_mut()
        {
            let Reverse((_, at, place)) = *top;
            let room = &self.by_id[at];
            found.push(room.reference(place));
            match room.messages.get(place + 1) {
                Some(index) => *top = Reverse((*index, at, place + 1)),
                None => drop(std::collections::binary_heap::PeekMut::pop(top)),
            }
        }
        found
    }
}
