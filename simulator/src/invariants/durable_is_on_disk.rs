//! What a node takes for durable, and acknowledges to its leader, are the entries on its disk: not
//! others that are to supersede them. Thesis, §10.2.1; faults.md, rows 4 and 7.

use telegraft_cluster::raft::{AppendResult, Body, NodeId};

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// See the file's head.
#[derive(Debug)]
pub(super) struct DurableIsOnDisk;

impl Invariant for DurableIsOnDisk {
    fn name(&self) -> &'static str {
        "durable-is-on-disk"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let Event::Woke {
            status, effects, ..
        } = event
        else {
            return Ok(());
        };
        let book = &facts.nodes[&node];
        let acknowledged =
            effects
                .messages
                .iter()
                .filter_map(|envelope| match envelope.message.body {
                    Body::AppendReply {
                        result: AppendResult::Matched { durable },
                        ..
                    } if envelope.message.term == status.term => Some(durable),
                    _ => None,
                });
        // By Log Matching, equal terms at an index mean equal logs up to it.
        for index in acknowledged.chain([status.durable_index]) {
            ensure!(
                index == 0 || book.disk_term(index) == book.log_term(index),
                "node {node} takes entry {index} of term {:?} for durable; its disk has {:?} there",
                book.log_term(index),
                book.disk_term(index)
            );
        }
        Ok(())
    }
}
