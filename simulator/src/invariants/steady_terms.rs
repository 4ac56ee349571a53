//! Terms do not run away: PreVote and CheckQuorum keep one-way and partial cuts from endless
//! elections (thesis, §9.6 and §6.2; Cloudflare's outage of 2020). faults.md, row 13.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use telegraft_cluster::raft::{Body, NodeId, Role, Term};

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// Terms that a change brings about at most: a fault that begins or ends, the start or end of a
/// node. One for the election, and some for split votes.
const EACH_CHANGE: Term = 5;
/// While faults stay in force, so long a time may bring about one term more.
const LASTING: Duration = Duration::from_secs(3);
/// Terms from the beginning of the calm to the end of the run.
const IN_THE_CALM: Term = 3;
/// A leader whom a majority has answered within this is heard: two heartbeats and their way.
const HEARD: Duration = Duration::from_millis(150);
/// Terms that may begin between two changes though a leader is heard: answers may have been on
/// their way for long, through slow disks and links.
const THOUGH_HEARD: u32 = 2;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct SteadyTerms {
    highest: Term,
    /// The highest term at the last change, and when that was.
    at_change: Term,
    changed: Duration,
    calm: bool,
    /// Terms that have begun since then though a leader was heard.
    though_heard: u32,
    /// When each leader's peers have last answered it.
    answers: HashMap<NodeId, BTreeMap<NodeId, Duration>>,
}

impl SteadyTerms {
    fn change(&mut self, now: Duration) {
        self.at_change = self.highest;
        self.changed = now;
        self.though_heard = 0;
    }

    /// A node other than `but` that leads and whom a majority has answered just now.
    fn heard_leader(&self, facts: &Facts, but: NodeId) -> Option<NodeId> {
        let leads = |id: &NodeId| {
            let book = &facts.nodes[id];
            *id != but && book.up && book.role == Some(Role::Leader)
        };
        let heard = |answers: &BTreeMap<NodeId, Duration>| {
            let fresh = answers.values().filter(|at| facts.now - **at <= HEARD);
            fresh.count() + 1 >= facts.quorum()
        };
        let leaders = self.answers.iter();
        leaders
            .filter(|(id, answers)| leads(id) && heard(answers))
            .map(|(id, _)| *id)
            .min()
    }
}

impl Invariant for SteadyTerms {
    fn name(&self) -> &'static str {
        "steady-terms"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        match event {
            Event::Fault if !self.calm => self.change(facts.now),
            Event::Calm => {
                self.calm = true;
                self.change(facts.now);
            }
            Event::Started { .. } | Event::Ended => {
                self.answers.remove(&node);
                if !self.calm {
                    self.change(facts.now);
                }
            }
            Event::Received { from, message, .. }
                if matches!(message.body, Body::AppendReply { .. })
                    && message.term == facts.nodes[&node].term =>
            {
                let answers = self.answers.entry(node).or_default();
                answers.insert(*from, facts.now);
            }
            Event::Woke { status, .. } if status.term > self.highest => {
                let first = self.highest == 0;
                self.highest = status.term;
                if let Some(leader) = self.heard_leader(facts, node) {
                    self.though_heard += u32::from(!first);
                    ensure!(
                        self.though_heard <= THOUGH_HEARD,
                        "node {node} enters term {}, the {}th since {:?} to begin though a leader \
                         is heard by a majority, now node {leader}",
                        status.term,
                        self.though_heard,
                        self.changed
                    );
                }
                let quiet = facts.now - self.changed;
                let lasting = quiet.as_millis() / LASTING.as_millis();
                let most = if self.calm {
                    IN_THE_CALM
                } else if facts.faults_in_force > 0 {
                    EACH_CHANGE + Term::try_from(lasting).unwrap_or(Term::MAX - EACH_CHANGE)
                } else {
                    EACH_CHANGE
                };
                let entered = self.highest - self.at_change;
                ensure!(
                    entered <= most,
                    "node {node} enters term {}, {entered} after the last fault began or ended \
                     {quiet:?} ago; {} are in force",
                    status.term,
                    facts.faults_in_force
                );
            }
            _ => {}
        }
        Ok(())
    }
}
