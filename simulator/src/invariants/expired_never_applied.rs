//! Once a client was told that its session has expired, or that a key is below its window, no write
//! with that key takes effect any more. interfaces.md, 410 and 409; faults.md, row 2.

use std::collections::HashMap;

use telegraft_cluster::chat::{Outcome, WriteError};
use telegraft_cluster::raft::{LogIndex, NodeId};

use super::{Event, Invariant, ensure};
use crate::facts::Facts;
use crate::operation::{Call, Reply};

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct ExpiredNeverApplied {
    /// By session and sequence: the last entry when it was told.
    refused: HashMap<(u64, u64), LogIndex>,
}

impl Invariant for ExpiredNeverApplied {
    fn name(&self) -> &'static str {
        "expired-never-applied"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let refused = |outcome: &Outcome| {
            matches!(
                outcome,
                Outcome::Refused(WriteError::SessionExpired(_) | WriteError::OutcomeUnknown(_))
            )
        };
        match event {
            Event::Completed(operation) => {
                if let (Call::Write { key: Some(key), .. }, Some(Reply::Done(outcome))) =
                    (&operation.call, &operation.reply)
                    && refused(outcome)
                {
                    let key = (key.session_id, key.sequence);
                    // It came by the log, so it holds from the end of the log as it is now.
                    self.refused.entry(key).or_insert(facts.truth.applied());
                }
            }
            Event::End => {
                for (key, since) in &self.refused {
                    let outcomes = facts.truth.keys.get(key).into_iter().flatten();
                    for (index, outcome) in outcomes.filter(|(index, _)| index > since) {
                        ensure!(
                            refused(outcome),
                            "key {}/{} was refused for good at entry {since}, and entry {index} with \
                             it came to {outcome:?}",
                            key.0,
                            key.1
                        );
                    }
                }
            }
            _ => {}
        }
        let _ = node;
        Ok(())
    }
}
