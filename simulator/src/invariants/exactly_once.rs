//! A message is in its room at most once, and once if it was acknowledged. README, guarantees to
//! clients; faults.md, rows 2 to 4.

use std::collections::HashMap;

use telegraft_cluster::chat::Outcome;
use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;
use crate::operation::{Call, MessageId, Reply, Write};

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct ExactlyOnce {
    /// Room and number that were told.
    acknowledged: HashMap<MessageId, (u64, u64)>,
}

impl Invariant for ExactlyOnce {
    fn name(&self) -> &'static str {
        "exactly-once"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        match event {
            Event::Completed(operation) => {
                if let (
                    Call::Write {
                        write: Write::Send { id, .. },
                        ..
                    },
                    Some(Reply::Done(Outcome::Sent { room_id, seq, .. })),
                ) = (&operation.call, &operation.reply)
                {
                    let first = *self.acknowledged.entry(*id).or_insert((*room_id, *seq));
                    ensure!(
                        first == (*room_id, *seq),
                        "{id} is acknowledged by node {node} as number {seq} of room {room_id}, and \
                         was as number {} of room {}",
                        first.1,
                        first.0
                    );
                }
            }
            Event::End => {
                let mut times: HashMap<MessageId, u64> = HashMap::new();
                for (room, number) in facts.truth.rooms.iter().zip(1..) {
                    for placed in &room.messages {
                        let times = times.entry(placed.id).or_default();
                        *times += 1;
                        ensure!(
                            *times == 1,
                            "{} is there {times} times, the last time in room {number}",
                            placed.id
                        );
                    }
                }
                let mut missing = self
                    .acknowledged
                    .keys()
                    .filter(|id| !times.contains_key(id));
                if let Some(id) = missing.next() {
                    return Err(format!("{id} was acknowledged and is in no room"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
