//! No message is acknowledged to a client before it is on a majority of the disks. README, guarantees
//! to clients; faults.md, rows 4 and 10.

use telegraft_cluster::chat::Outcome;
use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;
use crate::operation::Reply;

/// See the file's head.
#[derive(Debug)]
pub(super) struct AcknowledgedIsDurable;

impl Invariant for AcknowledgedIsDurable {
    fn name(&self) -> &'static str {
        "acknowledged-is-durable"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        if let Event::Completed(operation) = event
            && let Some(Reply::Done(Outcome::Sent { index, term, .. })) = &operation.reply
        {
            let copies = facts.copies(*index, *term);
            ensure!(
                copies >= facts.quorum(),
                "node {node} acknowledges entry {index} of term {term} to a client; it is on {copies} \
                 disks of {}",
                facts.nodes.len()
            );
        }
        Ok(())
    }
}
