//! A leader that no majority has answered for an election timeout steps back (CheckQuorum, thesis §6.2).
//! faults.md, row 13.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use telegraft_cluster::raft::{Body, NodeId, Role, Term};
use telegraft_cluster::time::Time;

use super::promises_kept::ELECTION_TIMEOUT;
use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// A leader wakes up for each heartbeat: what comes later shows that it was stopped.
const STOPPED: Duration = Duration::from_millis(110);
/// What it may take beyond the timeout: one more wake-up.
const SLACK: Duration = Duration::from_millis(150);

/// A leadership.
#[derive(Debug)]
struct Leadership {
    term: Term,
    /// When each peer has last answered, by the leader's clock.
    heard: BTreeMap<NodeId, Time>,
    /// When it was last seen awake, and when it last came back from a stop.
    awake: Time,
    back: Time,
}

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct CheckQuorum {
    leaderships: HashMap<NodeId, Leadership>,
}

impl Invariant for CheckQuorum {
    fn name(&self) -> &'static str {
        "check-quorum"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        match event {
            Event::Received { now, from, message } => {
                if let Some(leadership) = self.leaderships.get_mut(&node)
                    && leadership.term == message.term
                    && matches!(message.body, Body::AppendReply { .. })
                {
                    leadership.heard.insert(*from, *now);
                }
            }
            Event::Woke { now, status, .. } if status.role == Role::Leader => {
                let leadership = self.leaderships.entry(node).or_insert_with(|| Leadership {
                    term: 0,
                    heard: BTreeMap::new(),
                    awake: *now,
                    back: *now,
                });
                if leadership.term != status.term {
                    leadership.term = status.term;
                    leadership.heard = facts.nodes.keys().map(|id| (*id, *now)).collect();
                    leadership.awake = *now;
                }
                if now.since(leadership.awake) > STOPPED {
                    leadership.back = *now;
                }
                leadership.awake = *now;
                leadership.heard.insert(node, *now);
                let mut heard: Vec<Time> = leadership.heard.values().copied().collect();
                heard.sort_unstable_by(|a, b| b.cmp(a));
                let majority = heard[facts.quorum() - 1];
                ensure!(
                    now.since(majority) <= ELECTION_TIMEOUT + SLACK
                        || now.since(leadership.back) <= SLACK,
                    "node {node} leads term {} at {now}, and a majority has last answered at \
                     {majority}",
                    status.term
                );
            }
            Event::Woke { .. } | Event::Started { .. } => {
                self.leaderships.remove(&node);
            }
            _ => {}
        }
        Ok(())
    }
}
