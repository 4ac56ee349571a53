//! The messages of a page have the numbers that follow the one it was asked after, without gaps, and
//! at most as many as asked for. README, rooms' pages.

use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;
use crate::operation::{Call, Reply};

/// See the file's head.
#[derive(Debug)]
pub(super) struct SeqWithoutGaps;

impl Invariant for SeqWithoutGaps {
    fn name(&self) -> &'static str {
        "seq-without-gaps"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let _ = facts;
        if let Event::Completed(operation) = event
            && let (
                Call::Page {
                    room, after, limit, ..
                },
                Some(Reply::Page { messages, .. }),
            ) = (&operation.call, &operation.reply)
        {
            ensure!(
                messages.len() <= *limit,
                "node {node} answers {} messages of room {room}, asked for {limit}",
                messages.len()
            );
            for ((seq, id), expected) in messages.iter().zip(after + 1..) {
                ensure!(
                    *seq == expected,
                    "node {node} answers {id} as number {seq} of room {room} where {expected} is due"
                );
            }
        }
        Ok(())
    }
}
