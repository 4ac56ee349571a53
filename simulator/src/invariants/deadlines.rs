//! Whoever asks a node that runs has an answer by the deadline and one second. faults.md, row 12.

use std::time::Duration;

use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// What the answer may take beyond the deadline.
const GRACE: Duration = Duration::from_secs(1);

/// See the file's head.
#[derive(Debug)]
pub(super) struct Deadlines;

impl Invariant for Deadlines {
    fn name(&self) -> &'static str {
        "deadlines"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let _ = facts;
        if let Event::Completed(operation) = event
            && operation.undisturbed
            && let Some(completed) = operation.completed
        {
            let took = completed - operation.invoked;
            ensure!(
                took <= operation.deadline + GRACE,
                "node {node} took {took:?} for a {} with a deadline of {:?}, and ran all the time",
                operation.call,
                operation.deadline
            );
        }
        Ok(())
    }
}
