//! Terms do not run away: PreVote and CheckQuorum keep one-way and partial cuts from endless
//! elections (thesis, §9.6 and §6.2; Cloudflare's outage of 2020). faults.md, row 13.

use telegraft_cluster::raft::{NodeId, Term};

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// Elections that may begin before any fault.
const AT_FIRST: Term = 6;
/// Milliseconds that an election takes, on the average of a run. An election timeout is 0.6 s at least and PreVote makes one
/// follow only from a leader's loss: this is what faults one after another can bring about.
const MILLIS_EACH: u128 = 650;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct SteadyTerms {
    highest: Term,
}

impl Invariant for SteadyTerms {
    fn name(&self) -> &'static str {
        "steady-terms"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        if let Event::Woke { status, wake, .. } = event
            && status.term > wake.term_before
        {
            self.highest = self.highest.max(status.term);
            let since_then = facts.now.as_millis() / MILLIS_EACH;
            let most = AT_FIRST + Term::try_from(since_then).unwrap_or(Term::MAX - AT_FIRST);
            ensure!(
                self.highest <= most,
                "node {node} enters term {} after {:?}",
                status.term,
                facts.now
            );
        }
        Ok(())
    }
}
