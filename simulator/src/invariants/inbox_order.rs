//! An inbox is in the order of the log, begins after its cursor, and its next cursor passes no message
//! by. interfaces.md, inbox.

use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;
use crate::operation::{Call, Reply};

/// See the file's head.
#[derive(Debug)]
pub(super) struct InboxOrder;

impl Invariant for InboxOrder {
    fn name(&self) -> &'static str {
        "inbox-order"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let Event::Completed(operation) = event else {
            return Ok(());
        };
        let (
            Call::Inbox { after, limit, .. },
            Some(Reply::Inbox {
                messages,
                cursor,
                applied,
            }),
        ) = (&operation.call, &operation.reply)
        else {
            return Ok(());
        };
        let mut last = *after;
        for (room, seq, id) in messages {
            let placed = facts.truth.room(*room).and_then(|room| {
                room.messages
                    .get(usize::try_from(*seq).ok()?.checked_sub(1)?)
            });
            let index = placed.map_or(0, |placed| placed.index);
            ensure!(
                index > last,
                "node {node}'s inbox has {id} (room {room}, number {seq}, entry {index}) after entry \
                 {last}"
            );
            last = index;
        }
        let due = if messages.len() < *limit {
            (*applied).max(*after)
        } else {
            last
        };
        ensure!(
            *cursor == due,
            "node {node}'s inbox gives cursor {cursor} after entry {last} (applied {applied}, asked \
             after {after})"
        );
        Ok(())
    }
}
