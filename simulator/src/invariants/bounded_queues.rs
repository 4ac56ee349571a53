//! What waits inside a node is bounded by what its mailbox and the core's bounds admit. ARCHITECTURE,
//! the actors; faults.md, row 20.

use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// Reads and proposals that wait: far more than the clients of a run together have open, tries
/// that they gave up included.
const MOST_WAITING: usize = 2_000;
/// Inputs of one wake-up: every lane's bound together.
const MOST_INPUTS: usize = 64 + 512 + 1024;

/// See the file's head.
#[derive(Debug)]
pub(super) struct BoundedQueues;

impl Invariant for BoundedQueues {
    fn name(&self) -> &'static str {
        "bounded-queues"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let _ = facts;
        if let Event::Woke { queues, .. } = event {
            ensure!(
                queues.writes <= MOST_WAITING
                    && queues.reads <= MOST_WAITING
                    && queues.appends <= MOST_WAITING
                    && queues.inputs <= MOST_INPUTS,
                "inside node {node} waits too much: {queues:?}"
            );
        }
        Ok(())
    }
}
