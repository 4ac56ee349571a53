//! Messages on their way.

use std::hash::Hasher;

use telegraft_cluster::raft::{AppendResult, Body, Fingerprint, Message, NodeId};

use crate::bounds::Bounds;
use crate::names::{Namings, Prints, identity};

/// A message that was sent.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) message: Message,
    pub(crate) prints: Prints,
}

impl Letter {
    /// What tells it from other letters.
    pub(crate) fn hashes(
        from: NodeId,
        to: NodeId,
        message: &Message,
        bounds: &Bounds,
        namings: &Namings,
    ) -> (u128, Prints) {
        let content = |hasher: &mut dyn Hasher, name: &dyn Fn(NodeId) -> NodeId| {
            hasher.write_u64(name(from));
            hasher.write_u64(name(to));
            let mut out = Fingerprint {
                hasher,
                name,
                reads: bounds.reads > 0,
                matters: &|_| true,
            };
            out.message(message);
        };
        (identity(content), namings.prints(content))
    }
}

/// Takes the round out of a message.
pub(crate) fn forget_round(message: &mut Message) {
    if let Body::AppendEntries { round, .. } | Body::AppendReply { round, .. } = &mut message.body {
        *round = 0;
    }
}

/// Whether a message is one for itself: not where [`Learn`](crate::input::Input::Learn) and granted
/// pre-votes stand for it.
pub(crate) fn is_explored(message: &Message, bounds: &Bounds) -> bool {
    match &message.body {
        _ if bounds.every_message => true,
        Body::RequestVote { pre_vote, .. } => !pre_vote,
        Body::Vote { pre_vote, granted } => *granted && !pre_vote,
        // To a message of an earlier term.
        Body::AppendReply {
            result: AppendResult::Conflict { prev_index: 0, .. },
            ..
        } => bounds.reads > 0,
        _ => true,
    }
}
