//! A node votes once in a term, over all its lives, and a vote leaves only once it is durable.
//! Paper, §5.2 and Figure 2 (votedFor is persistent); faults.md, row 5.

use std::collections::HashMap;

use telegraft_cluster::raft::{Body, NodeId, Term};

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct OneVote {
    votes: HashMap<(NodeId, Term), NodeId>,
}

impl Invariant for OneVote {
    fn name(&self) -> &'static str {
        "one-vote"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let Event::Woke { effects, .. } = event else {
            return Ok(());
        };
        for envelope in &effects.messages {
            let candidate = match envelope.message.body {
                Body::Vote {
                    pre_vote: false,
                    granted: true,
                } => envelope.to,
                Body::RequestVote {
                    pre_vote: false, ..
                } => node,
                _ => continue,
            };
            let term = envelope.message.term;
            let first = *self.votes.entry((node, term)).or_insert(candidate);
            ensure!(
                first == candidate,
                "node {node} votes for {candidate} in term {term} and has voted for {first}"
            );
            let durable = facts.nodes[&node].hard_state;
            ensure!(
                durable.term > term || durable.term == term && durable.vote == Some(candidate),
                "node {node}'s vote for {candidate} in term {term} leaves while its disk says \
                 {durable:?}"
            );
        }
        Ok(())
    }
}
