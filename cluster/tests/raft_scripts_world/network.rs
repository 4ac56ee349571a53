//! The network of the scripts: messages under way, late, lost and doubled, and links that are cut.

use std::collections::VecDeque;

use telegraft_cluster::raft::{Message, NodeId};

use super::{ENDLESS, Outcome, World, show};

/// Which messages are meant.
pub(crate) struct Filter {
    from: Option<NodeId>,
    to: Option<NodeId>,
    kind: Option<String>,
}

impl Filter {
    pub(crate) fn new(from: Option<NodeId>, to: Option<NodeId>, kind: &Option<String>) -> Self {
        let kind = kind.clone();
        Filter { from, to, kind }
    }

    fn matches(&self, packet: &Packet) -> bool {
        self.from.is_none_or(|from| from == packet.from)
            && self.to.is_none_or(|to| to == packet.to)
            && (self.kind.as_ref()).is_none_or(|kind| show::kind(&packet.message.body) == *kind)
    }
}

#[derive(Clone)]
pub(crate) struct Packet {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) message: Message,
}

impl World {
    /// Takes the messages that are meant off the network.
    pub(crate) fn take(&mut self, filter: &Filter) -> Vec<Packet> {
        let (taken, left) = self
            .network
            .drain(..)
            .partition(|packet| filter.matches(packet));
        self.network = left;
        let taken: VecDeque<Packet> = taken;
        taken.into()
    }

    pub(crate) fn deliver(&mut self, filter: &Filter, first: usize) -> Outcome {
        let mut packets = self.take(filter);
        if packets.is_empty() {
            return Err("nothing to deliver".into());
        }
        for later in packets.drain(first.min(packets.len())..).rev() {
            self.network.push_front(later);
        }
        for packet in packets {
            self.arrive(packet);
        }
        Ok(())
    }

    pub(crate) fn stabilize(&mut self) -> Outcome {
        for _ in 0..ENDLESS {
            let Some(packet) = self.network.pop_front() else {
                return Ok(());
            };
            self.arrive(packet);
        }
        Err("they never stop talking".into())
    }

    fn arrive(&mut self, packet: Packet) {
        let Packet { from, to, message } = packet;
        let now = self.now;
        if let Ok(core) = self.core(to) {
            core.step(now, from, message);
            self.settle(to);
        }
    }

    pub(crate) fn delay(&mut self, filter: &Filter) {
        let packets = self.take(filter);
        self.delayed.extend(packets);
    }

    pub(crate) fn release(&mut self) {
        self.network.extend(self.delayed.drain(..));
    }

    pub(crate) fn duplicate(&mut self, filter: &Filter) {
        let again: Vec<Packet> = (self.network.iter())
            .filter(|packet| filter.matches(packet))
            .cloned()
            .collect();
        self.network.extend(again);
    }

    pub(crate) fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cuts.insert((from, to));
        self.network
            .retain(|packet| (packet.from, packet.to) != (from, to));
    }

    pub(crate) fn isolate(&mut self, id: NodeId) {
        let others: Vec<NodeId> = self.nodes.keys().copied().filter(|o| *o != id).collect();
        for other in others {
            self.cut(id, other);
            self.cut(other, id);
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
    }
}
