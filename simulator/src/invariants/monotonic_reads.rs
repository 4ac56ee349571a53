//! A node, in one life, never answers a client from an older state than before. Monotonic reads
//! (Terry et al., 1994) of one replica.

use std::collections::HashMap;

use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;
use crate::operation::Operation;

/// Who asks whom: client, node and the node's life.
type Pair = (usize, NodeId, u32);

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct MonotonicReads {
    seen: HashMap<Pair, u64>,
    /// What had been seen when a call was made.
    open: HashMap<(Pair, usize), u64>,
}

impl Invariant for MonotonicReads {
    fn name(&self) -> &'static str {
        "monotonic-reads"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let _ = facts;
        match event {
            Event::Invoked(operation) => {
                let seen = self.seen.get(&pair(operation)).copied().unwrap_or(0);
                self.open.insert((pair(operation), operation.number), seen);
            }
            Event::Completed(operation) => {
                let floor = self.open.remove(&(pair(operation), operation.number));
                if let Some(applied) = operation.reply.as_ref().and_then(|reply| reply.applied()) {
                    let floor = floor.unwrap_or(0);
                    ensure!(
                        applied >= floor,
                        "node {node} answers client {} from entry {applied} and has answered it from \
                         entry {floor} before",
                        operation.client
                    );
                    let seen = self.seen.entry(pair(operation)).or_default();
                    *seen = applied.max(*seen);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn pair(operation: &Operation) -> Pair {
    (operation.client, operation.node, operation.life)
}
