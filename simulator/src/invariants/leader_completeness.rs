//! A new leader has every entry that was ever committed. Paper, Figure 3, Leader Completeness (§5.4).

use telegraft_cluster::raft::{NodeId, Role};

use super::{Event, Invariant};
use crate::facts::Facts;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct LeaderCompleteness {
    elections: u64,
}

impl Invariant for LeaderCompleteness {
    fn name(&self) -> &'static str {
        "leader-completeness"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let Event::Woke { status, wake, .. } = event else {
            return Ok(());
        };
        if status.role != Role::Leader
            || wake.role_before == Some(Role::Leader) && wake.term_before == status.term
        {
            return Ok(());
        }
        let log = &facts.nodes[&node].log;
        let differs = facts
            .committed
            .iter()
            .zip(log.iter().map(Some).chain(std::iter::repeat(None)))
            .position(|(committed, own)| Some(committed) != own);
        if let Some(place) = differs {
            return Err(format!(
                "node {node} leads term {}; committed entry {} has term {}, in its log there is {:?}",
                status.term,
                place + 1,
                facts.committed[place],
                log.get(place)
            ));
        }
        self.elections += 1;
        Ok(())
    }
}
