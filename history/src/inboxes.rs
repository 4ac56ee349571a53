//! Judges inboxes: each shows exactly the messages of its user's rooms between two log indexes, in
//! log order.

use std::collections::HashMap;

use crate::found::Found;
use crate::places::{Places, Slot, may_show};
use crate::rule::Rule;
use crate::store::{Inbox, NONE, Store};

/// Hears what inboxes witness of places.
pub(crate) fn witness(store: &Store, places: &mut Places, found: &mut Found) {
    for inbox in &store.inboxes {
        for value in store.shown_in_inbox(inbox) {
            places.seen[value.message as usize] = true;
            let lines = (inbox.invoke, inbox.complete);
            if may_show(store, found, value.room, value.message, lines) {
                let at = (value.room, value.seq);
                places.put(store, found, at.0, at.1, value.message, inbox.complete);
            }
        }
    }
}

/// The first and last seq of each room that an inbox shows.
pub(crate) type Sections = HashMap<u32, (u64, u64)>;

/// Judges every inbox against the places.
pub(crate) fn judge(store: &Store, places: &Places, found: &mut Found) {
    let mut sections = Sections::new();
    for inbox in &store.inboxes {
        claims(store, inbox, found);
        order(store, places, inbox, found);
        if sections_of(store, inbox, found, &mut sections) {
            completeness(store, places, inbox, found, &sections);
        }
    }
}

/// What it says of itself.
fn claims(store: &Store, inbox: &Inbox, found: &mut Found) {
    let user = store.users[inbox.user as usize].name;
    let Inbox {
        after,
        cursor,
        applied_index,
        count,
        limit,
        ..
    } = *inbox;
    if count > limit {
        found.add(Rule::PageLong, &[inbox.complete], || {
            format!("The inbox of user {user} shows {count} messages, of at most {limit}.")
        });
    }
    if cursor < after {
        found.add(Rule::InboxOrder, &[inbox.complete], || {
            format!("The inbox of user {user} goes back from cursor {after} to {cursor}.")
        });
    } else if cursor > after.max(applied_index) {
        found.add(Rule::AppliedIndex, &[inbox.complete], || {
            format!(
                "The inbox of user {user} is read up to {cursor}, above its applied index \
                 {applied_index}."
            )
        });
    }
}

/// Its log indexes, where they are known.
fn order(store: &Store, places: &Places, inbox: &Inbox, found: &mut Found) {
    let user = store.users[inbox.user as usize].name;
    let mut last: Option<(u64, u32)> = None;
    for value in store.shown_in_inbox(inbox) {
        let Some(slot) = slot_of(places, value.room, value.seq, value.message) else {
            continue;
        };
        let (index, room) = (slot.log_index, store.rooms[value.room as usize]);
        if index == 0 {
            continue;
        }
        let seq = value.seq;
        if let Some((before, line)) = last
            && before >= index
        {
            found.add(Rule::InboxOrder, &[line, slot.line, inbox.complete], || {
                format!(
                    "The inbox of user {user} shows a message at log index {before}, and then \
                         seq {seq} of room {room} at {index}."
                )
            });
            return;
        }
        last = Some((index, slot.line));
        let lines = [slot.line, inbox.complete];
        if index <= inbox.after || index > inbox.cursor {
            found.add(Rule::InboxOrder, &lines, || {
                format!(
                    "The inbox of user {user} from cursor {} to {} shows seq {seq} of room {room}, \
                     at log index {index}.",
                    inbox.after, inbox.cursor
                )
            });
            return;
        }
        if index > inbox.applied_index {
            found.add(Rule::AppliedIndex, &lines, || {
                format!(
                    "The inbox of user {user} shows seq {seq} of room {room}, whose log index \
                     {index} is above its applied index {}.",
                    inbox.applied_index
                )
            });
            return;
        }
    }
}

/// Finds the sections of rooms that it shows. Whether they are sections.
fn sections_of(store: &Store, inbox: &Inbox, found: &mut Found, to: &mut Sections) -> bool {
    to.clear();
    let user = &store.users[inbox.user as usize];
    for value in store.shown_in_inbox(inbox) {
        let (room, seq) = (store.rooms[value.room as usize], value.seq);
        if !user.rooms.contains(&value.room) {
            found.add(Rule::Phantom, &[inbox.complete], || {
                format!(
                    "The inbox of user {} shows room {room}, of which it is no member.",
                    user.name
                )
            });
            return false;
        }
        let section = to
            .entry(value.room)
            .or_insert((seq, seq - u64::from(seq > 0)));
        let expected = section.1.saturating_add(1);
        if seq != expected {
            let rule = match seq > expected {
                true => Rule::InboxMissing,
                false => Rule::InboxOrder,
            };
            found.add(rule, &[inbox.complete], || {
                format!(
                    "The inbox of user {} shows seq {seq} of room {room} where seq {expected} must \
                     follow.",
                    user.name
                )
            });
            return false;
        }
        section.1 = seq;
    }
    true
}

/// Whether all acknowledged messages are shown that must be.
fn completeness(
    store: &Store,
    places: &Places,
    inbox: &Inbox,
    found: &mut Found,
    sections: &Sections,
) {
    let user = &store.users[inbox.user as usize];
    for &number in &user.rooms {
        let room = &places.rooms[number as usize];
        let section = sections.get(&number).copied();
        let below = section.and_then(|(first, _)| {
            let below = usize::try_from(first.saturating_sub(1)).ok()?;
            let slots = room.slots.get(..below)?;
            let at = slots.iter().rposition(|slot| slot.log_index > 0)?;
            let slot = &slots[at];
            (slot.log_index > inbox.after).then_some((at as u64 + 1, slot))
        });
        let from = section.map_or_else(|| room.applied_at(inbox.after), |(_, last)| last);
        let missing = below.or_else(|| {
            (room.least_index(from) <= inbox.end())
                .then(|| room.first_applied(from, inbox.end()))
                .flatten()
        });
        if let Some((seq, slot)) = missing {
            found.add(Rule::InboxMissing, &[slot.line, inbox.complete], || {
                format!(
                    "The inbox of user {} from cursor {} to {} passes over seq {seq} of room {}, at \
                     log index {}.",
                    user.name,
                    inbox.after,
                    inbox.end(),
                    store.rooms[number as usize],
                    slot.log_index
                )
            });
            return;
        }
    }
}

/// The place that a page shows a message at, if it is its place.
fn slot_of(places: &Places, room: u32, seq: u64, message: u32) -> Option<&Slot> {
    let slot = places.rooms[room as usize].slot(seq)?;
    (slot.message == message && message != NONE).then_some(slot)
}
