//! Messages on their way out, held back until what they say is durable.

use std::mem;

use super::explore::{self, Fingerprint};
use super::message::{Envelope, Message};
use super::types::NodeId;
use crate::known_bugs::{self, KnownBug};

/// Messages to be sent, and those that wait for a term or vote to become durable.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    ready: Vec<Envelope>,
    held: Vec<Envelope>,
    /// The batch that carries the newest term and vote; 0 when the log had them at the start.
    needs: u64,
    /// Terms and votes of the batches up to this one are durable.
    through: u64,
}

impl Outbox {
    /// Sends a message once the newest term and vote are durable: now, if they are.
    ///
    /// Of those that wait, only the newest of a kind is kept for each peer. The others count
    /// as lost, so a disk that hangs costs no memory.
    pub(super) fn send(&mut self, to: NodeId, message: Message) {
        if !self.waits() || known_bugs::active(KnownBug::VoteBeforeDurable) {
            return self.send_at_once(to, message);
        }
        let kind = mem::discriminant(&message.body);
        self.held
            .retain(|held| held.to != to || mem::discriminant(&held.message.body) != kind);
        self.held.push(Envelope { to, message });
    }

    /// Sends a message that promises nothing.
    pub(super) fn send_at_once(&mut self, to: NodeId, message: Message) {
        self.ready.push(Envelope { to, message });
    }

    /// The term or vote has changed; `batch` will carry it.
    pub(super) fn wait_for(&mut self, batch: u64) {
        self.needs = batch;
    }

    /// Whether the newest term and vote are on their way to the disk.
    pub(super) fn waits(&self) -> bool {
        self.through < self.needs
    }

    /// The terms and votes of the batches up to this one are durable.
    pub(super) fn completed(&mut self, through: u64) {
        self.through = self.through.max(through);
        if !self.waits() {
            self.ready.append(&mut self.held);
        }
    }

    /// A new term has begun: what was to be said in the old one is of no use.
    pub(super) fn forget_held(&mut self) {
        self.held.clear();
    }

    pub(super) fn take(&mut self) -> Vec<Envelope> {
        mem::take(&mut self.ready)
    }

    /// `next_batch` is the number from which the batches' numbers count back.
    pub(super) fn fingerprint(&self, next_batch: u64, out: &mut Fingerprint) {
        let Outbox {
            ready,
            held,
            needs,
            through,
        } = self;
        debug_assert!(ready.is_empty(), "the effects have been taken");
        // Once what is needed is durable, both numbers have done their work.
        out.number(if through >= needs {
            0
        } else {
            1 + next_batch - needs
        });
        // Of each kind there is one a peer.
        let mut held: Vec<_> = held
            .iter()
            .filter(|held| (out.matters)(&held.message))
            .map(|held| ((out.name)(held.to), &held.message))
            .collect();
        held.sort_by_key(|(to, message)| (*to, explore::kind(&message.body)));
        for (to, message) in held {
            out.number(to);
            out.message(message);
        }
        out.number(0);
    }
}
