//! A linearizable read, and one by lease, has seen all that any client had been shown before it was
//! asked; a read with `min_index` has seen that. Thesis, §6.4 and §6.4.1; faults.md, rows 1, 15 and 26.

use telegraft_cluster::http::Consistency;
use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;
use crate::operation::Call;

/// See the file's head.
#[derive(Debug)]
pub(super) struct FreshReads;

impl Invariant for FreshReads {
    fn name(&self) -> &'static str {
        "fresh-reads"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let _ = facts;
        let Event::Completed(operation) = event else {
            return Ok(());
        };
        let Some(applied) = operation.reply.as_ref().and_then(|reply| reply.applied()) else {
            return Ok(());
        };
        if operation.call.consistency() != Some(Consistency::Local) {
            ensure!(
                applied >= operation.floor,
                "node {node} answers a {} with what was true at entry {applied}; entry {} had been \
                 shown to a client before it was asked",
                operation.call,
                operation.floor
            );
        }
        if let Call::Page { min_index, .. } = operation.call {
            ensure!(
                applied >= min_index,
                "node {node} answers a {} with what was true at entry {applied}",
                operation.call
            );
        }
        Ok(())
    }
}
