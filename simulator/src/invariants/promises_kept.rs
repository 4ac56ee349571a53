//! A node that hears from a leader gives no vote, and no leave to ask for votes, for one election
//! timeout; nor does one that has been restarted. Only a leader's own wish to go overrides it. Leases
//! stand on this. Thesis, §6.4.1 and §4.2.3; faults.md, rows 1 and 15.

use std::collections::HashMap;
use std::time::Duration;

use telegraft_cluster::raft::{Body, NodeId, Term};
use telegraft_cluster::time::Time;

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// As in `telegraft_cluster::node`.
pub(super) const ELECTION_TIMEOUT: Duration = Duration::from_millis(600);

/// A promise to the leader of a term (0: whoever led before a restart).
#[derive(Clone, Copy, Debug, Default)]
struct Promise {
    until: Time,
    term: Term,
}

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct PromisesKept {
    /// What each node has promised, by its own clock.
    given: HashMap<NodeId, Promise>,
    /// The same of this wake-up: whether the leader spoke before or after the vote is not told.
    fresh: HashMap<NodeId, Promise>,
    /// Nodes that were asked, in this wake-up, by the wish of a leader.
    transfer: HashMap<NodeId, bool>,
}

impl Invariant for PromisesKept {
    fn name(&self) -> &'static str {
        "promises-kept"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        match event {
            Event::Started { now, restored, .. } => {
                self.given.remove(&node);
                self.fresh.remove(&node);
                if restored.restarted {
                    let until = *now + ELECTION_TIMEOUT;
                    self.given.insert(node, Promise { until, term: 0 });
                }
            }
            Event::Received { now, message, .. } => match &message.body {
                Body::AppendEntries { .. } => {
                    let fresh = self.fresh.entry(node).or_default();
                    // What a former leader has sent gets no promise.
                    if message.term >= facts.nodes[&node].term.max(fresh.term) {
                        *fresh = Promise {
                            until: *now + ELECTION_TIMEOUT,
                            term: message.term,
                        };
                    }
                }
                Body::RequestVote { transfer: true, .. } | Body::TimeoutNow => {
                    self.transfer.insert(node, true);
                }
                _ => {}
            },
            Event::Woke {
                now,
                effects,
                status,
                ..
            } => {
                let by_wish = self.transfer.insert(node, false).unwrap_or(false);
                let given = self.given.entry(node).or_default();
                let until = given.until;
                if let Some(fresh) = self.fresh.remove(&node) {
                    given.until = until.max(fresh.until);
                    given.term = fresh.term;
                }
                if by_wish && given.term < status.term {
                    // The leader that it was given has gone, and its lease before it.
                    *given = Promise::default();
                }
                if by_wish || *now >= until {
                    return Ok(());
                }
                let append = effects.append.as_ref();
                let vote = append.and_then(|append| append.hard_state?.vote);
                ensure!(
                    vote.is_none(),
                    "node {node} votes for {vote:?} at {now}, and has promised its leader not to \
                     until {until}"
                );
                let leave = effects.messages.iter().find(|envelope| {
                    matches!(
                        envelope.message.body,
                        Body::Vote {
                            pre_vote: true,
                            granted: true
                        }
                    )
                });
                ensure!(
                    leave.is_none(),
                    "node {node} would vote for {:?} at {now}, and has promised its leader not to \
                     until {until}",
                    leave.map(|envelope| envelope.to)
                );
            }
            _ => {}
        }
        Ok(())
    }
}
