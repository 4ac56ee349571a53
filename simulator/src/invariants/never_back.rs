//! Within a life, a node's term, commit index and applied index never go back; over lives, its term
//! does not fall below what it has told others. Paper, Figure 2 (persistent state) and §5.1.

use std::collections::HashMap;

use telegraft_cluster::raft::{NodeId, Term};

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct NeverBack {
    /// The highest term in which each node has sent anything.
    spoken: HashMap<NodeId, Term>,
    applied: HashMap<NodeId, u64>,
}

impl Invariant for NeverBack {
    fn name(&self) -> &'static str {
        "never-back"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let Some(book) = facts.nodes.get(&node) else {
            return Ok(());
        };
        match event {
            Event::Started { restored, .. } => {
                let spoken = self.spoken.get(&node).copied().unwrap_or(0);
                ensure!(
                    restored.hard_state.term >= spoken || book.lied_to,
                    "node {node} starts in term {} and has spoken in term {spoken} before",
                    restored.hard_state.term
                );
                self.applied.remove(&node);
            }
            Event::Woke {
                status,
                effects,
                wake,
                ..
            } => {
                ensure!(
                    status.term >= wake.term_before,
                    "node {node} goes back from term {} to {}",
                    wake.term_before,
                    status.term
                );
                ensure!(
                    status.commit_index >= wake.commit_before,
                    "node {node}'s commit index goes back from {} to {}",
                    wake.commit_before,
                    status.commit_index
                );
                // (The term of a pre-vote, or of a leave to have one, is not a term yet.)
                let terms = effects.messages.iter().map(|envelope| &envelope.message);
                let spoken = terms.filter(|message| !super::is_pre_vote(message));
                if let Some(term) = spoken.map(|message| message.term).max() {
                    let most = self.spoken.entry(node).or_default();
                    *most = term.max(*most);
                }
            }
            Event::Applied { entry, .. } => {
                let last = self.applied.insert(node, entry.index).unwrap_or(0);
                ensure!(
                    entry.index == last + 1,
                    "node {node} applies entry {} after {last}",
                    entry.index
                );
            }
            _ => {}
        }
        Ok(())
    }
}
