//! Judges pages of rooms: each shows exactly what its applied index holds, and a fresh one all
//! that was acknowledged before it began.

use std::collections::HashMap;

use crate::found::Found;
use crate::places::{Places, may_show};
use crate::rule::Rule;
use crate::store::{NONE, Store};

/// Lost messages are told apart from stale reads for so many messages; the check of a
/// history that misses more takes no longer for it.
const MAX_TRACED: usize = 1000;

/// Hears what pages witness.
pub(crate) fn witness(store: &Store, places: &mut Places, found: &mut Found) {
    for irregular in &store.irregular {
        let read = &store.reads[irregular.read as usize];
        found.wrong_reads.insert(irregular.read);
        found.add(irregular.rule, &[read.complete], || {
            let room = store.rooms[read.room as usize];
            format!("{} It is of room {room}.", irregular.why)
        });
    }
    for read in &store.reads {
        for (seq, &message) in (read.after.saturating_add(1)..).zip(store.shown(read)) {
            places.seen[message as usize] = true;
            let lines = (read.invoke, read.complete);
            if may_show(store, found, read.room, message, lines) {
                places.put(store, found, read.room, seq, message, read.complete);
            }
        }
    }
}

/// A fresh read that misses an acknowledged message.
struct Missing {
    read: u32,
    seq: u64,
    message: u32,
}

/// Judges every page against the places.
pub(crate) fn judge(store: &Store, places: &Places, found: &mut Found) {
    let mut missing: Vec<Missing> = Vec::new();
    for (number, read) in (0..).zip(&store.reads) {
        if read.applied_index < read.min_index {
            found.wrong_reads.insert(number);
            found.add(Rule::AppliedIndex, &[read.complete], || {
                format!(
                    "A read asks for log index {} at least, and is answered at {}.",
                    read.min_index, read.applied_index
                )
            });
        }
        if read.irregular {
            continue;
        }
        let room = &places.rooms[read.room as usize];
        let name = store.rooms[read.room as usize];
        let after = usize::try_from(read.after).unwrap_or(usize::MAX);
        let shown = room.slots.get(after..).unwrap_or(&[]).iter();
        let above = (read.after.saturating_add(1)..)
            .zip(shown.zip(store.shown(read)))
            .find(|(_, (slot, message))| {
                slot.log_index > read.applied_index && slot.message == **message
            });
        if let Some((seq, (slot, _))) = above {
            found.wrong_reads.insert(number);
            found.add(Rule::AppliedIndex, &[slot.line, read.complete], || {
                format!(
                    "A page shows seq {seq} of room {name}, whose log index {} is above the \
                     page's applied index {}.",
                    slot.log_index, read.applied_index
                )
            });
        }
        if !read.is_short() {
            continue;
        }
        let last = read.last();
        let acked = room.first_ack(last);
        if read.consistency.is_fresh() && acked < store.clock.rank(read.invoke) {
            let line = store.clock.line(acked);
            if let crate::store::Of::Send(send) = store.of(line) {
                let send = &store.sends[send as usize];
                missing.push(Missing {
                    read: number,
                    seq: send.seq,
                    message: send.message,
                });
                found.wrong_reads.insert(number);
            }
        } else if room.least_index(last) <= read.applied_index
            && let Some((seq, slot)) = room.first_applied(last, read.applied_index)
        {
            found.wrong_reads.insert(number);
            found.add(Rule::PageShort, &[slot.line, read.complete], || {
                format!(
                    "A page of room {name} ends before seq {seq} and before its limit, although \
                     its applied index {} covers that message's log index {}.",
                    read.applied_index, slot.log_index
                )
            });
        }
    }
    tell_missing(store, places, found, &missing);
}

/// A message that the last fresh read does not show that has to is lost, and told once. Else it
/// is the reads that are stale.
fn tell_missing(store: &Store, places: &Places, found: &mut Found, missing: &[Missing]) {
    if missing.is_empty() {
        return;
    }
    let mut by_room: HashMap<u32, Vec<u32>> = HashMap::new();
    for read in missing {
        let room = store.reads[read.read as usize].room;
        by_room.entry(room).or_default();
    }
    for (number, read) in (0..).zip(&store.reads) {
        if read.consistency.is_fresh()
            && !read.irregular
            && let Some(reads) = by_room.get_mut(&read.room)
        {
            reads.push(number);
        }
    }
    let begun = |&number: &u32| store.clock.rank(store.reads[number as usize].invoke);
    for reads in by_room.values_mut() {
        reads.sort_by_key(begun);
    }
    let mut is_lost: HashMap<u32, bool> = HashMap::new();
    for Missing { read, seq, message } in missing {
        let (seq, message) = (*seq, *message);
        let page = &store.reads[*read as usize];
        let name = store.rooms[page.room as usize];
        let ack = places.rooms[page.room as usize]
            .slot(seq)
            .map_or(NONE, |slot| slot.line);
        let room = match is_lost.len() < MAX_TRACED {
            true => reads_of(&by_room, page.room),
            false => &[],
        };
        let lost = *is_lost.entry(message).or_insert_with(|| {
            let last = room.iter().rev().find_map(|&number| {
                let read = &store.reads[number as usize];
                let at = seq.checked_sub(read.after.saturating_add(1));
                let shown = at.and_then(|at| store.shown(read).get(usize::try_from(at).ok()?));
                match (at, shown) {
                    // It does not look there.
                    (None, _) => None,
                    (Some(_), Some(&shown)) => Some(shown == message),
                    (Some(_), None) => read.is_short().then_some(false),
                }
            });
            last == Some(false)
        });
        if lost {
            found.once(Rule::Lost, message, &[ack, page.complete], || {
                let more = places.rooms[page.room as usize]
                    .slots
                    .get(usize::try_from(page.last()).unwrap_or(usize::MAX)..)
                    .unwrap_or(&[])
                    .iter()
                    .filter(|slot| slot.log_index > 0)
                    .count();
                format!(
                    "A message was acknowledged at seq {seq} of room {name}, and in the end it is \
                     gone: {} that was asked for afterwards misses it. ({more} acknowledged \
                     messages are above seq {}, where that read ends.)",
                    fresh(page.consistency),
                    page.last()
                )
            });
        } else {
            found.add(Rule::StaleRead, &[ack, page.complete], || {
                format!(
                    "{} of room {name} misses seq {seq}, which was acknowledged before it began.",
                    capital(fresh(page.consistency))
                )
            });
        }
    }
}

fn reads_of(by_room: &HashMap<u32, Vec<u32>>, room: u32) -> &[u32] {
    by_room.get(&room).map_or(&[], Vec::as_slice)
}

/// A read of this consistency, in words.
pub(crate) fn fresh(consistency: crate::op::Consistency) -> &'static str {
    match consistency {
        crate::op::Consistency::Linearizable => "a linearizable read",
        crate::op::Consistency::Lease => "a lease read",
        crate::op::Consistency::Local => "a local read",
    }
}

/// With a capital letter, at the beginning of a sentence.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
