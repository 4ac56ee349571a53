//! A node confirms only a round of the leader of the term that its answer is of: rounds of different
//! terms have the same numbers, and a leader that has come back would take one of its earlier term
//! for one of now. Thesis, §6.4; faults.md, row 26.

use std::collections::{HashMap, HashSet};

use telegraft_cluster::raft::{Body, NodeId, Term};

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct RoundsOfTheirTerm {
    /// What each node has been asked in this life: by whom, in which term and round.
    asked: HashMap<NodeId, HashSet<(NodeId, Term, u64)>>,
}

impl Invariant for RoundsOfTheirTerm {
    fn name(&self) -> &'static str {
        "rounds-of-their-term"
    }

    fn judge(&mut self, _facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        match event {
            Event::Started { .. } => {
                self.asked.remove(&node);
            }
            Event::Received { from, message, .. } => {
                if let Body::AppendEntries { round, .. } = message.body {
                    let asked = self.asked.entry(node).or_default();
                    asked.insert((*from, message.term, round));
                }
            }
            Event::Woke { effects, .. } => {
                let asked = self.asked.entry(node).or_default();
                for envelope in &effects.messages {
                    let (to, term) = (envelope.to, envelope.message.term);
                    if let Body::AppendReply { round, .. } = envelope.message.body {
                        ensure!(
                            round == 0 || asked.contains(&(to, term, round)),
                            "node {node} confirms round {round} of term {term} to node {to}, which \
                             has not asked for it in that term"
                        );
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
