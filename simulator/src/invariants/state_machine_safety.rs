//! All nodes, in all lives, apply the same entry at an index. Paper, Figure 3, State Machine Safety
//! (§5.4.3).

use telegraft_cluster::raft::{NodeId, Term};

use super::{Event, Invariant, ensure, place};
use crate::facts::Facts;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct StateMachineSafety {
    /// Term and payload hash of each applied entry.
    applied: Vec<(Term, u64)>,
}

impl Invariant for StateMachineSafety {
    fn name(&self) -> &'static str {
        "state-machine-safety"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let Event::Applied { entry, hash, .. } = event else {
            return Ok(());
        };
        let seen = (entry.term, *hash);
        match self.applied.get(place(entry.index)) {
            Some(first) => ensure!(
                *first == seen,
                "node {node} applies entry {} of term {} (payload {hash:x}); another one was \
                 applied there: term {} (payload {:x})",
                entry.index,
                entry.term,
                first.0,
                first.1
            ),
            None => self.applied.push(seen),
        }
        let committed = facts.committed.get(place(entry.index));
        ensure!(
            committed.is_none_or(|term| *term == entry.term),
            "node {node} applies entry {} of term {}; committed there is one of term {committed:?}",
            entry.index,
            entry.term
        );
        Ok(())
    }
}
