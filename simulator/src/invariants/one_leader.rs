//! At most one node leads in a term, whatever lives it has had. Paper, Figure 3, Election Safety
//! (§5.2); faults.md, rows 5 and 13.

use std::collections::HashMap;

use telegraft_cluster::raft::{NodeId, Role, Term};

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct OneLeader {
    leaders: HashMap<Term, NodeId>,
}

impl Invariant for OneLeader {
    fn name(&self) -> &'static str {
        "one-leader"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        if let Event::Woke { status, .. } = event
            && status.role == Role::Leader
        {
            let first = *self.leaders.entry(status.term).or_insert(node);
            ensure!(
                first == node,
                "nodes {first} and {node} both lead term {} (at {:?})",
                status.term,
                facts.now
            );
        }
        Ok(())
    }
}
