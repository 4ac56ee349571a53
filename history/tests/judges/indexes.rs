//! Log indexes in a broken history's favour.
//!
//! The checker also holds the log's order against the order of the rooms and of real time; the
//! judges know no log. So that both judge the same question, a history that was broken gets the
//! log indexes that speak for it: if its answers can be explained at all, these explain them.

use std::collections::BTreeMap;

use crate::case::{Case, Operation, What};

/// Gives every acknowledgement and every page of the history a new log index.
///
/// The operations are brought into one order that keeps the rooms' orders (as the answers tell
/// them) and real time; where that is impossible, real time gives way first.
pub(crate) fn assign(case: &mut Case) {
    let places = places(case);
    let told: Vec<usize> = (0..case.operations.len())
        .filter(|&i| {
            let o = &case.operations[i];
            !o.is_local() && (o.page().is_some() || place(o, &places).is_some())
        })
        .collect();
    let mut left = told.clone();
    let mut index = 0;
    while !left.is_empty() {
        let next = choose(case, &left, &places);
        left.retain(|&i| i != next);
        let o = &mut case.operations[next];
        if let Some((_, _, page)) = o.page_mut() {
            page.applied_index = index;
        } else {
            index += 2;
            if let Some(ack) = o.ack_mut() {
                ack.log_index = index;
            }
        }
    }
}

/// Where each message stands in its room: as acknowledged, else as it was first read.
fn places(case: &Case) -> BTreeMap<(u64, u64), u64> {
    let mut places = BTreeMap::new();
    for o in &case.operations {
        if let (Some(id), Some(ack)) = (o.sent(), o.ack()) {
            places.insert((o.room, id), ack.seq);
        }
    }
    for o in case.operations.iter().filter(|o| !o.is_local()) {
        let values = o.page().map_or(&[][..], |(_, _, page)| &page.values);
        for &(seq, id) in values {
            places.entry((o.room, id)).or_insert(seq);
        }
    }
    fill(case, &mut places);
    places
}

/// A place that nobody was told of, below one that somebody was told of, has a message all the
/// same: one whose send ended unknown. Those that were sent first fill the lowest places: if any
/// of them can, then they can.
fn fill(case: &Case, places: &mut BTreeMap<(u64, u64), u64>) {
    for room in 0..case.lists.len() as u64 {
        let of_room = || places.iter().filter(|((of, _), _)| *of == room);
        let highest = of_room().map(|(_, seq)| *seq).max().unwrap_or_default();
        let taken: Vec<u64> = of_room().map(|(_, seq)| *seq).collect();
        let mut unseen: Vec<&Operation> = case
            .operations
            .iter()
            .filter(|o| o.room == room && o.is_unknown_send())
            .filter(|o| place(o, places).is_none())
            .collect();
        unseen.sort_by_key(|o| o.invoked);
        let free = (1..highest).filter(|seq| !taken.contains(seq));
        let filled: Vec<(u64, u64)> = free
            .zip(unseen)
            .filter_map(|(seq, o)| Some((seq, o.sent()?)))
            .collect();
        for (seq, id) in filled {
            places.insert((room, id), seq);
        }
    }
}

fn place(o: &Operation, places: &BTreeMap<(u64, u64), u64>) -> Option<u64> {
    places.get(&(o.room, o.sent()?)).copied()
}

/// The operation that comes next: one that nothing else has to precede, else one that nothing of
/// its room has to precede, else the earliest.
fn choose(case: &Case, left: &[usize], places: &BTreeMap<(u64, u64), u64>) -> usize {
    let of = |i: usize| &case.operations[i];
    let first = |ordered: &dyn Fn(&Operation, &Operation) -> bool| {
        let free = left
            .iter()
            .filter(|&&b| !left.iter().any(|&a| a != b && ordered(of(a), of(b))));
        free.min_by_key(|&&i| of(i).invoked).copied()
    };
    let in_room = |a: &Operation, b: &Operation| room_order(a, b, places);
    let in_both = |a: &Operation, b: &Operation| in_room(a, b) || real_time(a, b);
    first(&in_both)
        .or_else(|| first(&in_room))
        .unwrap_or_else(|| {
            *left
                .iter()
                .min_by_key(|&&i| of(i).invoked)
                .expect("some are left")
        })
}

/// Whether one has ended before the other began. (An unknown one never ends.)
fn real_time(a: &Operation, b: &Operation) -> bool {
    (a.ack().is_some() || a.page().is_some()) && a.completed < b.invoked
}

/// Whether the answers say that one came before the other in their room.
fn room_order(a: &Operation, b: &Operation, places: &BTreeMap<(u64, u64), u64>) -> bool {
    if a.room != b.room {
        return false;
    }
    match (&a.what, &b.what) {
        (What::Send { .. }, What::Send { .. }) => place(a, places) < place(b, places),
        (What::Send { .. }, What::Read { .. }) => place(a, places) <= Some(lengths(b).0),
        (What::Read { .. }, What::Send { .. }) => place(b, places) > Some(lengths(a).1),
        (What::Read { .. }, What::Read { .. }) => false,
    }
}

/// The least and the greatest length that the list had when it was read.
fn lengths(read: &Operation) -> (u64, u64) {
    let Some((after, limit, page)) = read.page() else {
        return (0, u64::MAX);
    };
    let last = page.values.last().map_or(0, |(seq, _)| *seq);
    let full = page.values.len() >= limit as usize;
    (last, if full { u64::MAX } else { last.max(after) })
}
