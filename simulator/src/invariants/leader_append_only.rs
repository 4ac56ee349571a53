//! A leader never overwrites entries of its log. Paper, Figure 3, Leader Append-Only (§5.3).

use telegraft_cluster::raft::{NodeId, Role};

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// See the file's head.
#[derive(Debug)]
pub(super) struct LeaderAppendOnly;

impl Invariant for LeaderAppendOnly {
    fn name(&self) -> &'static str {
        "leader-append-only"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let _ = facts;
        if let Event::Woke { status, wake, .. } = event
            && status.role == Role::Leader
            && wake.role_before == Some(Role::Leader)
            && wake.term_before == status.term
        {
            ensure!(
                wake.superseded.is_none(),
                "node {node}, which leads term {}, supersedes its entry {:?}",
                status.term,
                wake.superseded
            );
        }
        Ok(())
    }
}
