//! A write that was refused as surely not proposed is in no log; one with other tries is there at most
//! as often as tries may have been proposed. README, guarantees to clients (503); faults.md, row 3.

use std::collections::HashMap;

use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;
use crate::operation::{Call, MessageId, Write};

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct RefusedNeverAppears {
    /// The tries of each message that may have been proposed.
    possible: HashMap<MessageId, usize>,
}

impl Invariant for RefusedNeverAppears {
    fn name(&self) -> &'static str {
        "refused-never-appears"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        match event {
            Event::Invoked(operation) | Event::Completed(operation) => {
                let Call::Write {
                    write: Write::Send { id, .. },
                    ..
                } = operation.call
                else {
                    return Ok(());
                };
                let possible = self.possible.entry(id).or_default();
                match (&operation.reply, event) {
                    (_, Event::Invoked(_)) => *possible += 1,
                    (Some(reply), _) if crate::operation::surely_not_proposed(reply) => {
                        *possible -= 1;
                    }
                    _ => {}
                }
            }
            Event::End => {
                for (id, standing) in &facts.truth.sends {
                    let possible = self.possible.get(id).copied().unwrap_or(0);
                    ensure!(
                        standing.len() <= possible,
                        "{id} stands {} times in the log (last as entry {}); of the tries to send it \
                         {possible} were not refused",
                        standing.len(),
                        standing.last().map_or(0, |(index, _)| *index)
                    );
                }
            }
            _ => {}
        }
        let _ = node;
        Ok(())
    }
}
