//! What a node takes for committed is on a majority of the disks, and is the same for all nodes.
//! Paper, §5.3 and §5.4.2 (no entry of an earlier term is committed by counting); faults.md, row 6.

use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure, place};
use crate::facts::Facts;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct CommitIsDurable {
    checked: u64,
}

impl Invariant for CommitIsDurable {
    fn name(&self) -> &'static str {
        "commit-is-durable"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let Event::Woke { status, wake, .. } = event else {
            return Ok(());
        };
        let book = &facts.nodes[&node];
        for index in wake.commit_before + 1..=status.commit_index {
            let term = book.log_term(index);
            ensure!(
                term.is_some(),
                "node {node} takes entry {index} for committed and does not have it"
            );
            let committed = facts.committed[place(index)];
            ensure!(
                term == Some(committed),
                "node {node} takes entry {index} of term {term:?} for committed, others one of \
                 term {committed}"
            );
            if index > self.checked {
                self.checked = index;
                let copies = facts.copies(index, committed);
                ensure!(
                    copies >= facts.quorum(),
                    "node {node} takes entry {index} of term {committed} for committed; it is on \
                     {copies} disks of {}",
                    facts.nodes.len()
                );
            }
        }
        Ok(())
    }
}
