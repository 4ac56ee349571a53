//! At equal applied indexes all nodes have equal digests, and each outcome is what the chat's rules
//! say. faults.md, row 24.

use telegraft_cluster::chat::Digest;
use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure, place};
use crate::facts::Facts;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct DigestsAgree {
    digests: Vec<Digest>,
}

impl Invariant for DigestsAgree {
    fn name(&self) -> &'static str {
        "digests-agree"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let _ = facts;
        let Event::Applied {
            entry,
            outcome,
            digest,
            expected,
            ..
        } = event
        else {
            return Ok(());
        };
        match self.digests.get(place(entry.index)) {
            Some(first) => ensure!(
                first == digest,
                "at entry {} node {node}'s digest is {digest}, another's was {first}",
                entry.index
            ),
            None => self.digests.push(*digest),
        }
        if let Some(expected) = expected {
            ensure!(
                expected.as_ref() == *outcome,
                "entry {} on node {node} came to {outcome:?}; by the chat's rules it is {expected:?}",
                entry.index
            );
        }
        Ok(())
    }
}
