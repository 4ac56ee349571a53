//! A node enters a term as a candidate only when a majority would vote for it (PreVote, thesis §9.6)
//! or its leader asked it to (§3.10), and does not ask while its leader's word lies in its mailbox.
//! faults.md, rows 13, 15 and 27.

use std::collections::{BTreeSet, HashMap};

use telegraft_cluster::raft::{Body, NodeId, Role, Term};
use telegraft_cluster::time::Time;

use super::promises_kept::ELECTION_TIMEOUT;
use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// What a node has been told.
#[derive(Debug, Default)]
struct Told {
    /// The term that it would stand in, and who would vote for it.
    would_vote: (Term, BTreeSet<NodeId>),
    /// Its leader wants it to stand.
    wished: bool,
    /// When its leader has spoken in this wake-up, by its own clock, and of which term that is.
    heard: Option<(Time, Term)>,
}

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct AsksBeforeItStands {
    told: HashMap<NodeId, Told>,
}

impl Invariant for AsksBeforeItStands {
    fn name(&self) -> &'static str {
        "asks-before-it-stands"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        match event {
            Event::Started { .. } => {
                self.told.remove(&node);
            }
            Event::Received { now, from, message } => {
                let told = self.told.entry(node).or_default();
                match message.body {
                    Body::Vote {
                        pre_vote: true,
                        granted: true,
                    } => {
                        if told.would_vote.0 < message.term {
                            told.would_vote = (message.term, BTreeSet::new());
                        }
                        if told.would_vote.0 == message.term {
                            told.would_vote.1.insert(*from);
                        }
                    }
                    Body::TimeoutNow => told.wished = true,
                    Body::AppendEntries { .. } => {
                        // What a former leader has sent is nothing to wait for.
                        let heard = told.heard.map_or(0, |(_, term)| term);
                        if message.term >= facts.nodes[&node].term.max(heard) {
                            told.heard = Some((*now, message.term));
                        }
                    }
                    _ => {}
                }
            }
            Event::Woke {
                now,
                status,
                effects,
                wake,
                ..
            } => {
                let told = self.told.entry(node).or_default();
                let stands = matches!(status.role, Role::Candidate | Role::Leader)
                    && status.term > wake.term_before;
                if stands && !told.wished {
                    let (term, who) = &told.would_vote;
                    let votes = if *term == status.term { who.len() } else { 0 };
                    ensure!(
                        votes + 1 >= facts.quorum(),
                        "node {node} stands in term {}, and only {votes} others had said that they \
                         would vote for it",
                        status.term
                    );
                }
                let asks = effects.messages.iter().any(|envelope| {
                    matches!(
                        envelope.message.body,
                        Body::RequestVote { pre_vote: true, .. }
                    )
                });
                // One that was stopped in the middle of the wake-up has heard nothing since.
                let heard = told
                    .heard
                    .take()
                    .is_some_and(|(at, _)| now.since(at) < ELECTION_TIMEOUT);
                ensure!(
                    !(asks && heard),
                    "node {node} asks for votes though its leader has just spoken"
                );
                // It stands at once or not at all.
                told.wished = false;
            }
            _ => {}
        }
        Ok(())
    }
}
