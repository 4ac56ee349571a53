//! A message that was acknowledged before another one was sent has a lower number in their room, and
//! a lower log index. Linearizability (Herlihy and Wing, 1990) of a room's order.

use std::collections::HashMap;

use telegraft_cluster::chat::Outcome;
use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;
use crate::operation::{Call, MessageId, Reply, Write};

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct RealTimeOrder {
    /// The highest acknowledged number of each room.
    acknowledged: HashMap<u64, u64>,
    /// What that was when each message was first sent.
    floor: HashMap<MessageId, u64>,
}

impl Invariant for RealTimeOrder {
    fn name(&self) -> &'static str {
        "real-time-order"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let _ = facts;
        let (Event::Invoked(operation) | Event::Completed(operation)) = event else {
            return Ok(());
        };
        let Call::Write {
            write: Write::Send { room, id, .. },
            ..
        } = &operation.call
        else {
            return Ok(());
        };
        let acknowledged = self.acknowledged.entry(*room).or_default();
        match (&operation.reply, event) {
            (_, Event::Invoked(_)) => {
                // Its first try counts: a retry may find it sent long ago.
                self.floor.entry(*id).or_insert(*acknowledged);
            }
            (Some(Reply::Done(Outcome::Sent { seq, .. })), _) => {
                let floor = self.floor.get(id).copied().unwrap_or(0);
                ensure!(
                    *seq > floor,
                    "{id} is number {seq} of room {room} by node {node}; number {floor} was \
                     acknowledged before {id} was sent at all"
                );
                *acknowledged = (*seq).max(*acknowledged);
            }
            _ => {}
        }
        Ok(())
    }
}
