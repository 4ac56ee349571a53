//! A replica that comes back with another data directory has forgotten its votes: its peers take no
//! message of it. faults.md, row 25.

use std::time::Duration;

use telegraft_cluster::raft::NodeId;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// For so long, what it had sent before may be on its way: through slow links, and in the sockets of
/// peers that stand still.
const ON_ITS_WAY: Duration = Duration::from_secs(8);

/// See the file's head.
#[derive(Debug)]
pub(super) struct ForgetfulAreRefused;

impl Invariant for ForgetfulAreRefused {
    fn name(&self) -> &'static str {
        "forgetful-are-refused"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        if let Event::Received { from, message, .. } = event
            && let Some(since) = facts.nodes[from].forgotten
        {
            ensure!(
                facts.now < since + ON_ITS_WAY,
                "node {node} takes {message:?} of node {from}, which has come back without its \
                 directory at {since:?}"
            );
        }
        Ok(())
    }
}
