//! Whatever a read shows is the state after the entries up to the applied index that it tells, and
//! nothing else: local reads are a prefix of the log too. interfaces.md, consistency.

use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;
use crate::operation::{Call, Reply};

/// See the file's head.
#[derive(Debug)]
pub(super) struct ReadsArePrefixes;

impl Invariant for ReadsArePrefixes {
    fn name(&self) -> &'static str {
        "reads-are-prefixes"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let Event::Completed(operation) = event else {
            return Ok(());
        };
        let Some(reply) = &operation.reply else {
            return Ok(());
        };
        let Some(applied) = reply.applied() else {
            return Ok(());
        };
        ensure!(
            applied <= facts.truth.applied(),
            "node {node} answers from entry {applied}, and only {} are committed",
            facts.truth.applied()
        );
        match (&operation.call, reply) {
            (
                Call::Page {
                    room, after, limit, ..
                },
                _,
            ) => {
                let due = facts.truth.page(*room, *after, *limit, applied);
                let shown = match reply {
                    Reply::Page { messages, .. } => Some(messages),
                    _ => None,
                };
                ensure!(
                    due.as_ref() == shown,
                    "node {node} answers a {} with {reply}; at that entry it is {due:?}, it shows \
                     {shown:?}",
                    operation.call
                );
            }
            (
                Call::Inbox {
                    user, after, limit, ..
                },
                _,
            ) => {
                let due = facts.truth.inbox(*user, *after, *limit, applied);
                let due = due.map(|all| all.into_iter().map(|(_, one)| one).collect::<Vec<_>>());
                let shown = match reply {
                    Reply::Inbox { messages, .. } => Some(messages),
                    _ => None,
                };
                ensure!(
                    due.as_ref() == shown,
                    "node {node} answers a {} with {reply}; at that entry it is {due:?}, it shows \
                     {shown:?}",
                    operation.call
                );
            }
            (Call::Write { .. }, _) => {}
        }
        Ok(())
    }
}
