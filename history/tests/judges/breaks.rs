//! Ways to break a small good history, and to draw answers near the truth.
//!
//! A break does not say that the history is bad now: with luck the new answer can be explained
//! too. That is for the judges to say.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::case::{Ack, Case, Operation, Outcome, Page, What};
use crate::porcupine;

/// A way to break. It returns `false` where the history has nothing that it could break.
pub(crate) type Break = fn(&mut Case, &mut StdRng) -> bool;

/// All of them, by name.
pub(crate) const BREAKS: [(&str, Break); 14] = [
    ("stale read", stale_read),
    ("future read", future_read),
    ("lost acknowledged message", lost),
    ("twice in one page", twice_in_page),
    ("two swapped in one page", swapped_in_page),
    ("not a prefix", hole_closed),
    ("gap in a page", gap_in_page),
    ("page too short", short_page),
    ("failed send appears", failed_appears),
    ("unknown send appears twice", unknown_twice),
    ("two acknowledgements swapped", swapped_acks),
    ("sequence number off by one", wrong_seq),
    ("answered earlier", answered_earlier),
    ("asked for later", asked_later),
];

/// The operations for which something holds; one of them.
fn one_of(case: &Case, rng: &mut StdRng, holds: impl Fn(&Operation) -> bool) -> Option<usize> {
    let found: Vec<usize> = (0..case.operations.len())
        .filter(|&i| holds(&case.operations[i]))
        .collect();
    found.choose(rng).copied()
}

/// The answered read that is broken, its room, and how long the list was at most.
fn some_read(case: &Case, rng: &mut StdRng, least: usize) -> Option<usize> {
    one_of(case, rng, |o| {
        o.page()
            .is_some_and(|(_, _, page)| page.values.len() >= least)
    })
}

/// Answers a read as if the list had been this.
fn reread(case: &mut Case, read: usize, list: &[u64]) {
    if let Some((after, limit, page)) = case.operations[read].page_mut() {
        page.values = porcupine::page(list, after, limit);
    }
}

/// How long the list was when it was read, at least.
fn length(case: &Case, read: usize) -> usize {
    let (after, _, page) = case.operations[read].page().expect("an answered read");
    page.values.last().map_or(after, |(seq, _)| *seq) as usize
}

fn room_list(case: &Case, operation: usize) -> Vec<u64> {
    case.lists[case.operations[operation].room as usize].clone()
}

fn stale_read(case: &mut Case, rng: &mut StdRng) -> bool {
    let Some(read) = some_read(case, rng, 1) else {
        return false;
    };
    let list = room_list(case, read);
    let shorter = rng.random_range(0..length(case, read));
    reread(case, read, &list[..shorter]);
    true
}

fn future_read(case: &mut Case, rng: &mut StdRng) -> bool {
    let Some(read) = some_read(case, rng, 0) else {
        return false;
    };
    let list = room_list(case, read);
    let now = length(case, read);
    if now >= list.len() {
        return false;
    }
    let longer = rng.random_range(now + 1..=list.len());
    reread(case, read, &list[..longer]);
    true
}

/// An acknowledged message is gone from the reads that began after some moment, and the later
/// ones move up.
fn lost(case: &mut Case, rng: &mut StdRng) -> bool {
    let Some(send) = one_of(case, rng, |o| o.ack().is_some()) else {
        return false;
    };
    let (room, id) = (case.operations[send].room, case.operations[send].sent());
    let list = room_list(case, send);
    let from = case.operations[send].completed;
    for read in 0..case.operations.len() {
        let o = &case.operations[read];
        if o.page().is_some() && o.room == room && o.invoked > from {
            let now = length(case, read).min(list.len());
            let without: Vec<u64> = list[..now]
                .iter()
                .copied()
                .filter(|m| Some(*m) != id)
                .collect();
            reread(case, read, &without);
        }
    }
    true
}

fn twice_in_page(case: &mut Case, rng: &mut StdRng) -> bool {
    in_page(case, rng, 1, |page, rng| {
        let (_, id) = *page.values.choose(rng).expect("it is not empty");
        let place = rng.random_range(0..=page.values.len());
        let first = page.values[0].0;
        page.values.insert(place, (0, id));
        renumber(page, first);
    })
}

fn swapped_in_page(case: &mut Case, rng: &mut StdRng) -> bool {
    in_page(case, rng, 2, |page, rng| {
        let place = rng.random_range(1..page.values.len());
        let first = page.values[0].0;
        page.values.swap(place - 1, place);
        renumber(page, first);
    })
}

fn hole_closed(case: &mut Case, rng: &mut StdRng) -> bool {
    in_page(case, rng, 2, |page, rng| {
        let first = page.values[0].0;
        page.values
            .remove(rng.random_range(0..page.values.len() - 1));
        renumber(page, first);
    })
}

fn gap_in_page(case: &mut Case, rng: &mut StdRng) -> bool {
    in_page(case, rng, 1, |page, rng| {
        let place = rng.random_range(0..page.values.len());
        if rng.random() {
            page.values.remove(place);
        } else {
            for (seq, _) in &mut page.values[place..] {
                *seq += 1;
            }
        }
    })
}

fn short_page(case: &mut Case, rng: &mut StdRng) -> bool {
    in_page(case, rng, 1, |page, rng| {
        page.values.truncate(rng.random_range(0..page.values.len()));
    })
}

fn in_page(
    case: &mut Case,
    rng: &mut StdRng,
    least: usize,
    change: impl FnOnce(&mut Page, &mut StdRng),
) -> bool {
    let Some(read) = some_read(case, rng, least) else {
        return false;
    };
    let (_, _, page) = case.operations[read].page_mut().expect("an answered read");
    change(page, rng);
    true
}

fn renumber(page: &mut Page, first: u64) {
    for (seq, (place, _)) in (first..).zip(&mut page.values) {
        *place = seq;
    }
}

fn failed_appears(case: &mut Case, rng: &mut StdRng) -> bool {
    let failed = one_of(case, rng, |o| {
        matches!(
            o.what,
            What::Send {
                outcome: Outcome::Fail,
                ..
            }
        )
    });
    let Some(send) = failed else { return false };
    appears(case, send, rng)
}

/// A message stands at some place of the list, and the reads of the room tell so.
fn appears(case: &mut Case, send: usize, rng: &mut StdRng) -> bool {
    let o = &case.operations[send];
    let (room, id) = (o.room, o.sent().expect("a send"));
    let mut list = room_list(case, send);
    let place = rng.random_range(0..=list.len());
    list.insert(place, id);
    let mut seen = false;
    for read in 0..case.operations.len() {
        let o = &case.operations[read];
        if o.page().is_some() && o.room == room && length(case, read) >= place {
            let now = (length(case, read) + 1).min(list.len());
            reread(case, read, &list[..now]);
            seen = true;
        }
    }
    seen
}

fn unknown_twice(case: &mut Case, rng: &mut StdRng) -> bool {
    let unknown = one_of(case, rng, Operation::is_unknown_send);
    let Some(send) = unknown else { return false };
    appears(case, send, rng)
}

/// Two messages of a room change places, in the acknowledgements and in all reads.
fn swapped_acks(case: &mut Case, rng: &mut StdRng) -> bool {
    let Some(one) = one_of(case, rng, |o| o.ack().is_some()) else {
        return false;
    };
    let room = case.operations[one].room;
    let other = one_of(case, rng, |o| o.ack().is_some() && o.room == room);
    let Some(other) = other.filter(|other| *other != one) else {
        return false;
    };
    let ids = [one, other].map(|i| case.operations[i].sent().expect("a send"));
    let seqs = [one, other].map(|i| case.operations[i].ack().expect("acknowledged").seq);
    for (operation, seq) in [(one, seqs[1]), (other, seqs[0])] {
        case.operations[operation]
            .ack_mut()
            .expect("acknowledged")
            .seq = seq;
    }
    for o in &mut case.operations {
        if let Some((_, _, page)) = o.page_mut() {
            for (_, id) in &mut page.values {
                if *id == ids[0] {
                    *id = ids[1];
                } else if *id == ids[1] {
                    *id = ids[0];
                }
            }
        }
    }
    true
}

fn wrong_seq(case: &mut Case, rng: &mut StdRng) -> bool {
    let Some(send) = one_of(case, rng, |o| o.ack().is_some()) else {
        return false;
    };
    let ack = case.operations[send].ack_mut().expect("acknowledged");
    ack.seq = near(ack.seq, rng);
    true
}

fn near(seq: u64, rng: &mut StdRng) -> u64 {
    if seq > 1 && rng.random() {
        seq - 1
    } else {
        seq + 1
    }
}

/// Many operations were answered earlier than they were.
fn answered_earlier(case: &mut Case, rng: &mut StdRng) -> bool {
    narrow(case, rng, |o, time| o.completed = time)
}

/// Many operations were asked for later than they were.
fn asked_later(case: &mut Case, rng: &mut StdRng) -> bool {
    narrow(case, rng, |o, time| o.invoked = time)
}

/// Moves one end of many operations to a time inside of them.
fn narrow(case: &mut Case, rng: &mut StdRng, to: fn(&mut Operation, u64)) -> bool {
    let mut free = free_times(case);
    for o in &mut case.operations {
        let between: Vec<u64> = free.range(o.invoked + 1..o.completed).copied().collect();
        if let Some(time) = between.choose(rng)
            && rng.random_bool(0.7)
        {
            to(o, *time);
            free.remove(time);
        }
    }
    true
}

/// Times at which nothing happens.
fn free_times(case: &Case) -> BTreeSet<u64> {
    let events = case.events();
    let end = events.last().map_or(0, |event| event.time);
    let mut free: BTreeSet<u64> = (0..end).collect();
    for event in events {
        free.remove(&event.time);
    }
    free
}

/// Draws some answers anew, near the truth: lists a little longer or shorter, sequence numbers
/// one off, times a little later or earlier. About half of what comes out is good.
pub(crate) fn near_the_truth(case: &mut Case, rng: &mut StdRng) {
    for operation in 0..case.operations.len() {
        if case.operations[operation].page().is_some() && rng.random_bool(0.2) {
            let list = room_list(case, operation);
            let now = length(case, operation).min(list.len());
            let drawn = rng.random_range(now.saturating_sub(2)..=(now + 2).min(list.len()));
            reread(case, operation, &list[..drawn]);
        }
    }
    if rng.random_bool(0.2) {
        wrong_seq(case, rng);
    }
    if rng.random_bool(0.2) {
        swapped_acks(case, rng);
    }
    if rng.random_bool(0.2) {
        answered_earlier(case, rng);
    }
    if rng.random_bool(0.2) {
        asked_later(case, rng);
    }
}

/// Draws all answers anew, knowing only who asked for what and when: each room gets a random
/// order of messages, and each read sees about as many as had been sent in the middle of it.
pub(crate) fn at_random(case: &mut Case, rng: &mut StdRng) {
    for room in 0..case.lists.len() {
        // Sorted by a time somewhere inside of each send, so that most orders are possible ones.
        let mut sends: Vec<(u64, usize)> = Vec::new();
        for (i, o) in case.operations.iter().enumerate() {
            if let What::Send { outcome, .. } = &o.what
                && o.room == room as u64
                && (matches!(outcome, Outcome::Ok(_))
                    || (*outcome == Outcome::Unknown && rng.random()))
            {
                sends.push((rng.random_range(o.invoked..=o.completed), i));
            }
        }
        sends.sort_unstable();
        if sends.len() > 1 && rng.random_bool(0.4) {
            let place = rng.random_range(1..sends.len());
            sends.swap(place - 1, place);
        }
        let list: Vec<u64> = sends
            .iter()
            .map(|&(_, i)| case.operations[i].sent().expect("a send"))
            .collect();
        for (seq, &(_, i)) in (1..).zip(&sends) {
            if let Some(ack) = case.operations[i].ack_mut() {
                *ack = Ack { seq, log_index: 0 };
            }
        }
        for read in 0..case.operations.len() {
            let o = &case.operations[read];
            if o.room == room as u64 && o.page().is_some() {
                let at = rng.random_range(o.invoked..=o.completed);
                let seen = sends.iter().filter(|(time, _)| *time < at).count();
                let seen = if rng.random_bool(0.25) {
                    near(seen as u64, rng) as usize
                } else {
                    seen
                };
                reread(case, read, &list[..seen.min(list.len())]);
            }
        }
        case.lists[room] = list;
    }
}
