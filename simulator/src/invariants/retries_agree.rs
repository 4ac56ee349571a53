//! A retry with the same key gets the first answer, whatever it was. The one answer that may come
//! beside it is that the key can be judged no more (session expired, below the window).
//! interfaces.md, Idempotency-Key; faults.md, row 2.

use std::collections::HashMap;

use telegraft_cluster::chat::{Outcome, WriteError};
use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;
use crate::operation::{Call, Reply};

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct RetriesAgree {
    /// By session and sequence.
    first: HashMap<(u64, u64), Outcome>,
}

impl Invariant for RetriesAgree {
    fn name(&self) -> &'static str {
        "retries-agree"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let _ = facts;
        if let Event::Completed(operation) = event
            && let (Call::Write { key: Some(key), .. }, Some(Reply::Done(outcome))) =
                (&operation.call, &operation.reply)
        {
            if matches!(
                outcome,
                Outcome::Refused(
                    WriteError::SessionExpired(_)
                        | WriteError::OutcomeUnknown(_)
                        | WriteError::KeyReused
                )
            ) {
                return Ok(());
            }
            let first = self
                .first
                .entry((key.session_id, key.sequence))
                .or_insert_with(|| outcome.clone());
            ensure!(
                first == outcome,
                "node {node} answers {} with {outcome:?}, and the first answer was {first:?}",
                operation.call
            );
        }
        Ok(())
    }
}
