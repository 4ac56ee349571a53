//! Messages on their way.

use rand::RngExt;
use telegraft_cluster::raft::{Body, Message, NodeId};

use super::{Cut, Event, Input, World, brief};
use crate::plan::{MS, Nanos, Way};

impl World<'_> {
    pub(super) fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        let now = self.now;
        let bit = 1u8 << to;
        let row = usize::try_from(from).expect("a few");
        let mut cut = false;
        let mut lag = 0;
        for way in self.cuts.iter().filter(|way| way.until > now) {
            if way.ways[row] & bit != 0 {
                match way.lag {
                    None => cut = true,
                    Some(more) => lag += more,
                }
            }
        }
        let rng = &mut self.network_rng;
        let (mut lost, mut doubled, mut late) = (self.plan.lost, self.plan.doubled, self.plan.late);
        if now < self.bad_network_until {
            (lost, doubled, late) = (0.3, 0.2, 0.3);
        }
        if self.calm {
            (lost, doubled, late) = (0.0, 0.0, 0.0);
        }
        let timeout = u64::try_from(self.plan.config.election_timeout.as_nanos()).unwrap_or(0);
        let dropped = cut || rng.random_bool(lost);
        let told = dropped && rng.random_bool(0.3);
        let copies = if rng.random_bool(doubled) { 2 } else { 1 };
        let mut arrivals = Vec::new();
        for _ in 0..copies {
            let (shortest, longest) = self.plan.latency;
            let longest = if self.calm { MS } else { longest };
            let mut takes = rng.random_range(shortest..=longest) + lag;
            if rng.random_bool(late) {
                takes += rng.random_range(0..=timeout * 2);
            }
            arrivals.push(now + takes);
        }
        self.note(|| {
            let fate = if dropped { " (lost)" } else { "" };
            format!("n{from} → n{to}: {}{fate}", brief(&message))
        });
        if told {
            self.schedule(now + MS, Event::Arrive(from, Input::Unreachable(to)));
        }
        if dropped {
            return;
        }
        let keeps_order =
            (self.plan.ordered || self.calm) && matches!(message.body, Body::AppendEntries { .. });
        for at in arrivals {
            let at = if keeps_order {
                let last = self.last_append.entry((from, to)).or_default();
                *last = at.max(*last);
                *last
            } else {
                at
            };
            self.schedule(at, Event::Arrive(to, Input::Peer(from, message.clone())));
        }
    }

    pub(super) fn isolate(&mut self, id: NodeId, way: Way, lasts: Nanos) {
        self.one_way(id, way, self.now + lasts, None);
    }

    pub(super) fn one_way(&mut self, id: NodeId, way: Way, until: Nanos, lag: Option<Nanos>) {
        self.cut(until, lag, |from, to| match way {
            Way::Both => from == id || to == id,
            Way::In => to == id,
            Way::Out => from == id,
        });
    }

    pub(super) fn cut(
        &mut self,
        until: Nanos,
        lag: Option<Nanos>,
        is_cut: impl Fn(NodeId, NodeId) -> bool,
    ) {
        let mut ways = [0u8; 8];
        for from in self.ids() {
            for to in self.ids() {
                if from != to && is_cut(from, to) {
                    ways[usize::try_from(from).expect("a few")] |= 1 << to;
                }
            }
        }
        let now = self.now;
        self.cuts.retain(|cut| cut.until > now);
        self.cuts.push(Cut { until, ways, lag });
    }
}
