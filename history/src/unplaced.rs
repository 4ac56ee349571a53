//! Judges messages whose log index nobody was told: unknown sends that were seen, or that must be
//! there because higher seqs are. Is there a place in the log for each of them?
//!
//! Each has a least and a greatest index that it may have. They come from its neighbours in its
//! room, from pages that show it or do not, and from what was claimed before it was sent. With the
//! order that rooms and inboxes fix among them, this is the scheduling of unit jobs with release
//! times, deadlines and precedences on one machine, whose time is the log's free indexes. It is
//! solved exactly: release times and deadlines are made to agree with the precedences, then the
//! job with the earliest deadline goes first (B. Simons, "A fast algorithm for single processor
//! scheduling", 1978; for one machine and unit jobs it is Jackson's rule).

mod bounds;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::ops::Range;

use self::bounds::{Bound, Cause, reason};
use crate::found::Found;
use crate::places::Places;
use crate::rule::Rule;
use crate::store::{Ending, NONE, Of, Store};
use crate::sweep::Swept;

/// A message without a known log index.
#[derive(Debug)]
struct Node {
    room: u32,
    seq: u64,
    /// Its send.
    send: u32,
    /// No page shows it.
    unseen: bool,
    least: Bound,
    greatest: Bound,
}

struct Unplaced<'a> {
    store: &'a Store,
    places: &'a Places,
    nodes: Vec<Node>,
    /// Each room's nodes, by seq.
    of_room: Vec<Range<usize>>,
    /// An earlier node, a later one, and the inbox that says so.
    edges: Vec<(usize, usize, u32)>,
}

/// Judges them. How many must be there that no page shows.
pub(crate) fn judge(store: &Store, places: &Places, swept: &Swept, found: &mut Found) -> u64 {
    let mut unplaced = Unplaced {
        store,
        places,
        nodes: Vec::new(),
        of_room: Vec::new(),
        edges: Vec::new(),
    };
    unplaced.gather(swept, found);
    let implied = unplaced.nodes.iter().filter(|node| node.unseen).count() as u64;
    if unplaced.nodes.is_empty() {
        return implied;
    }
    unplaced.hear_rooms();
    unplaced.hear_pages();
    unplaced.hear_inboxes();
    let edges = unplaced.all_edges();
    let Some(order) = unplaced.ordered(&edges, found) else {
        return implied;
    };
    unplaced.propagate(&edges, &order);
    unplaced.tell_empty(found);
    // What is wrong already makes this meaningless: indexes that are wrong are not free.
    if found.is_empty() {
        unplaced.place(found);
    }
    implied
}

impl Unplaced<'_> {
    /// Finds the messages, and for those that nobody saw the sends: the unknown ones that were
    /// not seen elsewhere, first sent first.
    fn gather(&mut self, swept: &Swept, found: &mut Found) {
        let store = self.store;
        let mut unknown: HashMap<u32, Vec<u32>> = HashMap::new();
        for (number, send) in (0..).zip(&store.sends) {
            if send.ending == Ending::Unknown && self.places.seq_of[send.message as usize] == 0 {
                unknown.entry(send.room).or_default().push(number);
            }
        }
        for sends in unknown.values_mut() {
            sends.sort_by_key(|&send| store.clock.rank(store.sends[send as usize].invoke));
        }
        for (number, room) in (0..).zip(&self.places.rooms) {
            let from = self.nodes.len();
            let top = room
                .slots
                .iter()
                .rposition(|slot| slot.message != NONE)
                .map_or(0, |at| at + 1);
            let mut unseen = unknown.remove(&number).unwrap_or_default().into_iter();
            for (seq, slot) in (1..).zip(&room.slots[..top]) {
                if slot.log_index > 0 {
                    continue;
                }
                let seen = slot.message != NONE;
                let send = match seen {
                    true => Some(store.sent_by[slot.message as usize]),
                    false => unseen.next(),
                };
                let Some(send) = send else {
                    let above = room.slots[seq as usize..]
                        .iter()
                        .zip(seq + 1..)
                        .find(|(slot, _)| slot.message != NONE);
                    let (line, above) = above.map_or((NONE, 0), |(slot, seq)| (slot.line, seq));
                    found.add(Rule::Gap, &[line], || {
                        format!(
                            "Seq {seq} of room {} is missing: seq {above} is there, and no message \
                             of unknown outcome is left that could be below it.",
                            store.rooms[number as usize]
                        )
                    });
                    break;
                };
                let mut least = Bound::new(1, NONE, Cause::Free);
                if let Some(before) = swept.before.get(&send) {
                    let after = before.log_index.saturating_add(1);
                    least.raise(Bound::new(after, before.line, Cause::RealTime));
                }
                self.nodes.push(Node {
                    room: number,
                    seq,
                    send,
                    unseen: !seen,
                    least,
                    greatest: Bound::new(u64::MAX, NONE, Cause::Free),
                });
            }
            self.of_room.push(from..self.nodes.len());
        }
    }

    /// What follows what, by what comes first.
    fn all_edges(&self) -> Vec<(usize, usize, u32)> {
        let mut edges = self.edges.clone();
        for range in &self.of_room {
            edges.extend(range.clone().skip(1).map(|at| (at - 1, at, NONE)));
        }
        edges.sort_unstable();
        edges.dedup_by_key(|&mut (from, to, _)| (from, to));
        edges
    }

    /// The nodes in an order that agrees with rooms and inboxes. None if there is none.
    fn ordered(&self, edges: &[(usize, usize, u32)], found: &mut Found) -> Option<Vec<usize>> {
        let count = self.nodes.len();
        let mut waits_for = vec![0_u32; count];
        for &(_, to, _) in edges {
            waits_for[to] += 1;
        }
        let mut order: Vec<usize> = (0..count).filter(|&at| waits_for[at] == 0).collect();
        let mut done = 0;
        while let Some(&at) = order.get(done) {
            done += 1;
            let from = edges.partition_point(|&(from, ..)| from < at);
            for &(from, to, _) in &edges[from..] {
                if from != at {
                    break;
                }
                waits_for[to] -= 1;
                if waits_for[to] == 0 {
                    order.push(to);
                }
            }
        }
        if order.len() == count {
            return Some(order);
        }
        let mut lines: Vec<u32> = edges
            .iter()
            .filter(|&&(from, to, line)| line != NONE && waits_for[from] > 0 && waits_for[to] > 0)
            .map(|&(_, _, line)| line)
            .collect();
        lines.truncate(4);
        found.add(Rule::InboxOrder, &lines, || {
            "Inboxes and rooms show messages in orders that contradict each other.".to_owned()
        });
        None
    }

    /// Makes bounds agree with the order: what follows has a higher index.
    fn propagate(&mut self, edges: &[(usize, usize, u32)], order: &[usize]) {
        let out_of = |at: usize| {
            let from = edges.partition_point(|&(from, ..)| from < at);
            let to = edges.partition_point(|&(from, ..)| from <= at);
            &edges[from..to]
        };
        for &at in order {
            let mut bound = self.nodes[at].least;
            bound.index = bound.index.saturating_add(1);
            for &(_, to, _) in out_of(at) {
                self.nodes[to].least.raise(bound);
            }
        }
        for &at in order.iter().rev() {
            for &(_, to, _) in out_of(at) {
                let mut bound = self.nodes[to].greatest;
                bound.index = bound.index.saturating_sub(1);
                self.nodes[at].greatest.lower(bound);
            }
        }
    }

    /// Tells of nodes that may have no index at all: of each room the first.
    fn tell_empty(&self, found: &mut Found) {
        let mut told = HashSet::new();
        for node in &self.nodes {
            if node.least.index <= node.greatest.index || !told.insert(node.room) {
                continue;
            }
            let send = &self.store.sends[node.send as usize];
            let rule = self.rule(node);
            let lines = [send.invoke, node.least.line, node.greatest.line];
            found.once(rule, send.message, &lines, || {
                let room = self.store.rooms[node.room as usize];
                let what = match node.unseen {
                    true => {
                        "which no read shows, and which only a send of unknown outcome could fill,"
                    }
                    false => "whose send was not acknowledged,",
                };
                format!(
                    "Seq {} of room {room}, {what} must have a log index of at least {} ({}) and of \
                     at most {} ({}).",
                    node.seq,
                    node.least.index,
                    reason(node.least.cause),
                    node.greatest.index,
                    reason(node.greatest.cause),
                )
            });
        }
    }

    /// Which rule is broken by bounds that exclude each other.
    fn rule(&self, node: &Node) -> Rule {
        if node.unseen {
            return Rule::Gap;
        }
        match (node.least.cause, node.greatest.cause) {
            (Cause::NotInInbox, _) | (_, Cause::NotInInbox) => Rule::InboxMissing,
            (Cause::Inbox, _) | (_, Cause::Inbox) => Rule::InboxOrder,
            (Cause::NotShown, Cause::Shown) => {
                let (misses, shows) = (node.least.line, node.greatest.line);
                match self.store.of(misses) {
                    Of::Read(read) => {
                        let read = &self.store.reads[read as usize];
                        let later = self.store.clock.before(shows, read.invoke);
                        match later && read.consistency.is_fresh() {
                            true => Rule::BackwardsRead,
                            false => Rule::NotAPrefix,
                        }
                    }
                    _ => Rule::NotAPrefix,
                }
            }
            (Cause::RealTime, Cause::Shown) => Rule::FutureRead,
            (Cause::RealTime, Cause::Neighbour) => Rule::RealTimeOrder,
            (Cause::Neighbour, Cause::Shown) => Rule::AppliedIndex,
            (Cause::NotShown, Cause::Neighbour) => Rule::PageShort,
            _ => Rule::OrderConflict,
        }
    }

    /// Gives each a free index of the log, the earliest deadline first.
    fn place(&self, found: &mut Found) {
        let mut taken: Vec<u64> = self.store.sends.iter().map(|send| send.log_index).collect();
        taken.sort_unstable();
        let mut jobs: Vec<usize> = (0..self.nodes.len()).collect();
        jobs.sort_by_key(|&at| self.nodes[at].least.index);
        let mut jobs = jobs.into_iter().peekable();
        let mut ready: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        let (mut index, mut passed) = (1_u64, 0);
        loop {
            if ready.is_empty() {
                let Some(&next) = jobs.peek() else {
                    return;
                };
                index = index.max(self.nodes[next].least.index);
            }
            while taken.get(passed).is_some_and(|&taken| taken < index) {
                passed += 1;
            }
            while taken.get(passed) == Some(&index) {
                passed += 1;
                index += 1;
            }
            while let Some(at) = jobs.next_if(|&at| self.nodes[at].least.index <= index) {
                ready.push(Reverse((self.nodes[at].greatest.index, at)));
            }
            let Some(Reverse((greatest, at))) = ready.pop() else {
                continue;
            };
            if index > greatest {
                let node = &self.nodes[at];
                let send = &self.store.sends[node.send as usize];
                let lines = [send.invoke, node.least.line, node.greatest.line];
                found.add(Rule::OrderConflict, &lines, || {
                    format!(
                        "Seq {} of room {}, whose send was not acknowledged, must have a log index \
                         from {} ({}) to {greatest} ({}), and other messages need them all.",
                        node.seq,
                        self.store.rooms[node.room as usize],
                        node.least.index,
                        reason(node.least.cause),
                        reason(node.greatest.cause),
                    )
                });
                return;
            }
            index += 1;
        }
    }
}
