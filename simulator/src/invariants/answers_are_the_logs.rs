//! A write's answer is what came of it in the log: a message stands at the room, number, index and
//! term that were told; with a key, the outcome is one that the key had. README, guarantees to
//! clients; faults.md, row 2.

use telegraft_cluster::chat::Outcome;
use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;
use crate::operation::{Call, Reply, Write};

/// See the file's head.
#[derive(Debug)]
pub(super) struct AnswersAreTheLogs;

impl Invariant for AnswersAreTheLogs {
    fn name(&self) -> &'static str {
        "answers-are-the-logs"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let Event::Completed(operation) = event else {
            return Ok(());
        };
        if let Some(Reply::Garbled(why)) = &operation.reply {
            return Err(format!("node {node} answers {}: {why}", operation.call));
        }
        let (Call::Write { write, key }, Some(Reply::Done(outcome))) =
            (&operation.call, &operation.reply)
        else {
            return Ok(());
        };
        if let Outcome::SessionRegistered { session_id, .. } = outcome {
            ensure!(
                facts.truth.opened.contains(session_id),
                "node {node} tells of session {session_id}; entry {session_id} opened none"
            );
        }
        if let (
            Write::Send { room, id, .. },
            Outcome::Sent {
                room_id,
                seq,
                index,
                term,
            },
        ) = (write, outcome)
        {
            let placed = facts.truth.room(*room).and_then(|room| {
                room.messages
                    .get(usize::try_from(*seq).ok()?.checked_sub(1)?)
            });
            ensure!(
                room == room_id
                    && placed.is_some_and(|placed| {
                        (placed.id, placed.index, placed.term) == (*id, *index, *term)
                    }),
                "node {node} says that {id} is number {seq} of room {room_id}, entry {index} of term \
                 {term}; there is {placed:?}"
            );
        }
        if let Some(key) = key {
            let outcomes = facts.truth.keys.get(&(key.session_id, key.sequence));
            ensure!(
                outcomes.is_some_and(|all| all.iter().any(|(_, of_log)| of_log == outcome)),
                "node {node} answers {} with {outcome:?}; in the log it came to {outcomes:?}",
                operation.call
            );
        }
        Ok(())
    }
}
