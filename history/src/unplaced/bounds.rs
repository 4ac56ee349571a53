//! What bounds the index of a message: its room, pages, and inboxes.

use std::collections::HashSet;

use super::Unplaced;
use crate::inboxes::Sections;
use crate::store::{InboxValue, NONE};

/// Where a bound of a log index comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It is what it is without any.
    Free,
    /// An acknowledged message of its room.
    Neighbour,
    /// A page of the room that shows it.
    Shown,
    /// A page of the room that ends before it.
    NotShown,
    /// It was sent after this.
    RealTime,
    /// An inbox that shows it.
    Inbox,
    /// An inbox that does not show it.
    NotInInbox,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) index: u64,
    pub(super) line: u32,
    pub(super) cause: Cause,
}

impl Bound {
    pub(super) fn new(index: u64, line: u32, cause: Cause) -> Self {
        Bound { index, line, cause }
    }

    pub(super) fn raise(&mut self, other: Bound) {
        if other.index > self.index {
            *self = other;
        }
    }

    pub(super) fn lower(&mut self, other: Bound) {
        if other.index < self.index {
            *self = other;
        }
    }
}

impl Unplaced<'_> {
    /// The first node of a room above a seq.
    fn above(&self, room: u32, seq: u64) -> Option<usize> {
        let range = self.of_room[room as usize].clone();
        let at = range.start + self.nodes[range.clone()].partition_point(|node| node.seq <= seq);
        (at < range.end).then_some(at)
    }

    /// The last node of a room up to a seq.
    fn up_to(&self, room: u32, seq: u64) -> Option<usize> {
        let range = self.of_room[room as usize].clone();
        let at = range.start + self.nodes[range.clone()].partition_point(|node| node.seq <= seq);
        (at > range.start).then(|| at - 1)
    }

    /// Its acknowledged neighbours bound it.
    pub(super) fn hear_rooms(&mut self) {
        for (room, range) in self.places.rooms.iter().zip(&self.of_room) {
            let nodes = &mut self.nodes[range.clone()];
            let mut at = 0;
            let mut last = None;
            for (seq, slot) in (1_u64..).zip(&room.slots) {
                if slot.log_index == 0 {
                    continue;
                }
                while nodes.get(at).is_some_and(|node| node.seq < seq) {
                    let (node, index) = (&mut nodes[at], slot.log_index - 1);
                    node.greatest
                        .lower(Bound::new(index, slot.line, Cause::Neighbour));
                    if let Some((index, line)) = last {
                        node.least.raise(Bound::new(index, line, Cause::Neighbour));
                    }
                    at += 1;
                }
                last = Some((slot.log_index.saturating_add(1), slot.line));
            }
            for node in nodes.get_mut(at..).unwrap_or(&mut []) {
                if let Some((index, line)) = last {
                    node.least.raise(Bound::new(index, line, Cause::Neighbour));
                }
            }
        }
    }

    /// Pages of rooms bound it: below and above their applied index.
    pub(super) fn hear_pages(&mut self) {
        for read in &self.store.reads {
            if read.irregular || self.of_room[read.room as usize].is_empty() {
                continue;
            }
            let (last, index) = (read.last(), read.applied_index);
            if read.count > 0
                && let Some(at) = self.up_to(read.room, last)
            {
                let bound = Bound::new(index, read.complete, Cause::Shown);
                self.nodes[at].greatest.lower(bound);
            }
            if read.is_short()
                && let Some(at) = self.above(read.room, last)
            {
                let bound = Bound::new(index.saturating_add(1), read.complete, Cause::NotShown);
                self.nodes[at].least.raise(bound);
            }
        }
    }

    pub(super) fn hear_inboxes(&mut self) {
        let store = self.store;
        for inbox in &store.inboxes {
            let shown = store.shown_in_inbox(inbox);
            let line = inbox.complete;
            let mut last: Option<(Option<usize>, u64)> = None;
            for value in shown {
                let slot = self.places.rooms[value.room as usize].slot(value.seq);
                let node = self
                    .up_to(value.room, value.seq)
                    .filter(|&at| self.nodes[at].seq == value.seq);
                let index = slot.map_or(0, |slot| slot.log_index);
                if let Some(at) = node {
                    let end = inbox.cursor.min(inbox.applied_index);
                    let node = &mut self.nodes[at];
                    let above = inbox.after.saturating_add(1);
                    node.least.raise(Bound::new(above, line, Cause::Inbox));
                    node.greatest.lower(Bound::new(end, line, Cause::Inbox));
                }
                match (last, node) {
                    (Some((Some(before), _)), Some(at)) if before != at => {
                        self.edges.push((before, at, line));
                    }
                    (Some((None, index)), Some(at)) if index > 0 => {
                        let above = index.saturating_add(1);
                        let bound = Bound::new(above, line, Cause::Inbox);
                        self.nodes[at].least.raise(bound);
                    }
                    (Some((Some(before), _)), None) if index > 0 => {
                        let bound = Bound::new(index - 1, line, Cause::Inbox);
                        self.nodes[before].greatest.lower(bound);
                    }
                    _ => {}
                }
                last = Some((node, index));
            }
        }
        // What an inbox does not show can be told only when all is known that shows it.
        self.hear_missing_below();
        self.spread_greatest();
        self.hear_missing_above();
    }

    /// In a room, what is below a message has lower indexes.
    fn spread_greatest(&mut self) {
        for range in &self.of_room {
            for at in range.clone().rev().skip(1) {
                let mut bound = self.nodes[at + 1].greatest;
                bound.index = bound.index.saturating_sub(1);
                self.nodes[at].greatest.lower(bound);
            }
        }
    }

    /// In a room that an inbox shows, what is below the first message shown is at or below its
    /// cursor.
    fn hear_missing_below(&mut self) {
        let store = self.store;
        let mut sections = Sections::new();
        for inbox in &store.inboxes {
            bound_sections(store.shown_in_inbox(inbox), &mut sections);
            for (&room, &(first, _)) in &sections {
                if let Some(at) = self.up_to(room, first.saturating_sub(1)) {
                    let bound = Bound::new(inbox.after, inbox.complete, Cause::NotInInbox);
                    self.nodes[at].greatest.lower(bound);
                }
            }
        }
    }

    /// What is above the last message that an inbox shows of a room is above its end. Of a room that
    /// it does not show, what is not at or below its cursor is. A message is at or below a cursor
    /// only if inboxes show it that lead from the log's beginning to the cursor, without going
    /// beyond; of a cursor that none lead to, nothing is known.
    fn hear_missing_above(&mut self) {
        let store = self.store;
        let mut by_user: Vec<u32> = (0..).take(store.inboxes.len()).collect();
        by_user.sort_by_key(|&number| {
            let inbox = &store.inboxes[number as usize];
            (inbox.user, inbox.after, number)
        });
        let mut user = NONE;
        let mut reached = HashSet::new();
        let mut sections = Sections::new();
        for number in by_user {
            let inbox = &store.inboxes[number as usize];
            if std::mem::replace(&mut user, inbox.user) != inbox.user {
                reached.clear();
                reached.insert(0);
            }
            let is_reached = reached.contains(&inbox.after);
            if is_reached {
                reached.extend([inbox.cursor, inbox.end()]);
            }
            bound_sections(store.shown_in_inbox(inbox), &mut sections);
            for &room in &store.users[user as usize].rooms {
                let above = match sections.get(&room) {
                    Some(&(_, last)) => self.above(room, last),
                    None if is_reached => self.first_after(room, inbox.after),
                    None => None,
                };
                if let Some(at) = above {
                    let index = inbox.end().saturating_add(1);
                    let bound = Bound::new(index, inbox.complete, Cause::NotInInbox);
                    self.nodes[at].least.raise(bound);
                }
            }
        }
    }

    /// The first node of a room that is not known to be at or below a log index.
    fn first_after(&self, room: u32, log_index: u64) -> Option<usize> {
        let range = self.of_room[room as usize].clone();
        let nodes = &self.nodes[range.clone()];
        // Greatest indexes never fall with the seq: they are spread.
        let at = range.start + nodes.partition_point(|node| node.greatest.index <= log_index);
        (at < range.end).then_some(at)
    }
}

/// The first and last seq of each room that an inbox shows.
fn bound_sections(shown: &[InboxValue], to: &mut Sections) {
    to.clear();
    for value in shown {
        let section = to.entry(value.room).or_insert((value.seq, value.seq));
        *section = (section.0.min(value.seq), section.1.max(value.seq));
    }
}

/// A bound's cause in words.
pub(super) fn reason(cause: Cause) -> &'static str {
    match cause {
        Cause::Free => "the log's beginning",
        Cause::Neighbour => "as acknowledged messages of its room are where they are",
        Cause::Shown => "as a read shows it, or what is above it",
        Cause::NotShown => "as a read ends before it",
        Cause::RealTime => "as it was sent after that was answered",
        Cause::Inbox => "as an inbox shows it",
        Cause::NotInInbox => "as an inbox does not show it",
    }
}
