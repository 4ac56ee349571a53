//! What must be seen in some runs: a check that the runs go where the danger is.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use telegraft_cluster::chat::{Outcome, WriteError};
use telegraft_cluster::http::Refusal;
use telegraft_cluster::raft::{AppendResult, Body, NodeId, ReadContext, ReadMode, Role, Term};

use crate::facts::Facts;
use crate::invariants::Event;
use crate::operation::{Call, Reply, Write};

/// All that is to be seen, kebab-case.
pub const NAMES: &[&str] = &[
    "leader-change",
    "suffix-superseded",
    "torn-batch-cut",
    "retry-across-leaders",
    "retry-after-restart",
    "lease-read-served",
    "lease-expired",
    "vote-after-restart",
    "full-stop-recovered",
    "read-index-at-follower",
    "check-quorum-stepped-down",
    "pre-vote-refused",
    "conflict-hint-used",
    "caught-up-from-log",
    "segment-sealed",
    "disk-full-refusal",
    "failed-sync-stopped-a-node",
    "corruption-refused-at-start",
    "corruption-refused-running",
    "directory-lost",
    "unknown-did-happen",
    "unknown-did-not-happen",
    "expired-session-refused",
    "below-window-refused",
    "leadership-transferred",
    "frame-duplicated",
    "frame-reordered",
    "stopped-inside-a-poll",
    "entries-of-an-old-term-committed",
    "election-split",
    "node-lost-for-good",
    "power-cut-at-an-effect",
    "message-of-an-old-term",
    "answer-from-first-try",
];

/// Counts what was seen.
#[derive(Debug, Default)]
pub struct Sometimes {
    counts: BTreeMap<&'static str, u64>,
    last_leader: Option<(NodeId, Term)>,
    lease_reads: HashMap<(NodeId, ReadContext), bool>,
    told_to_stand: HashMap<NodeId, Term>,
    /// When all nodes were last down, until a message is acknowledged after that.
    full_stop: Option<Duration>,
}

impl Sometimes {
    /// It was seen.
    pub fn hit(&mut self, name: &'static str) {
        debug_assert!(NAMES.contains(&name), "{name} is no name");
        *self.counts.entry(name).or_default() += 1;
    }

    /// All nodes are down.
    pub fn all_down(&mut self, now: Duration) {
        self.full_stop = Some(now);
    }

    /// How often each was seen.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// Looks at an event.
    pub fn see(&mut self, facts: &Facts, node: NodeId, event: &Event) {
        match event {
            Event::Started { torn: true, .. } => self.hit("torn-batch-cut"),
            Event::Received { message, .. } => self.received(facts, node, message),
            Event::ReadTaken {
                context,
                mode: ReadMode::Lease,
                ..
            } => {
                let leads = facts.nodes[&node].role == Some(Role::Leader);
                self.lease_reads.insert((node, *context), leads);
            }
            Event::Fetched { entries } if *entries > 0 => self.hit("caught-up-from-log"),
            Event::Woke {
                status,
                effects,
                wake,
                ..
            } => {
                if wake.superseded.is_some() {
                    self.hit("suffix-superseded");
                }
                if status.role == Role::Leader && self.last_leader != Some((node, status.term)) {
                    if self.last_leader.is_some_and(|(last, _)| last != node) {
                        self.hit("leader-change");
                    }
                    if self.told_to_stand.get(&node) == Some(&(status.term - 1)) {
                        self.hit("leadership-transferred");
                    }
                    self.last_leader = Some((node, status.term));
                }
                if wake.role_before == Some(Role::Leader)
                    && status.role != Role::Leader
                    && status.term == wake.term_before
                {
                    self.hit("check-quorum-stepped-down");
                }
                if wake.role_before == Some(Role::Candidate)
                    && status.role != Role::Leader
                    && status.term >= wake.term_before
                    && status.role != Role::Candidate
                {
                    self.hit("election-split");
                }
                if status.commit_index > wake.commit_before
                    && status.role == Role::Leader
                    && facts.nodes[&node]
                        .log_term(wake.commit_before + 1)
                        .is_some_and(|term| term < status.term)
                {
                    self.hit("entries-of-an-old-term-committed");
                }
                for (context, outcome) in &effects.reads {
                    if let Some(true) = self.lease_reads.remove(&(node, *context))
                        && outcome.is_ok()
                    {
                        self.hit("lease-read-served");
                    }
                }
                // A lease answers at once; who waits for a round has none.
                self.lease_reads.retain(|(of, _), leads| {
                    let waits = *of == node && *leads && status.serving;
                    if waits {
                        *self.counts.entry("lease-expired").or_default() += 1;
                    }
                    *of != node
                });
                for envelope in &effects.messages {
                    if let Body::Vote { pre_vote, granted } = envelope.message.body {
                        if pre_vote && !granted {
                            self.hit("pre-vote-refused");
                        }
                        if !pre_vote && granted && facts.nodes[&node].life > 1 {
                            self.hit("vote-after-restart");
                        }
                    }
                }
            }
            Event::Completed(operation) => self.completed(facts, operation),
            _ => {}
        }
    }

    fn received(
        &mut self,
        facts: &Facts,
        node: NodeId,
        message: &telegraft_cluster::raft::Message,
    ) {
        let book = &facts.nodes[&node];
        if message.term < book.term {
            self.hit("message-of-an-old-term");
        }
        match message.body {
            Body::AppendReply {
                result: AppendResult::Conflict { hint_index, .. },
                ..
            } if hint_index > 0 && book.role == Some(Role::Leader) => {
                self.hit("conflict-hint-used");
            }
            Body::ReadIndexReply { index: Some(_), .. } => self.hit("read-index-at-follower"),
            Body::TimeoutNow => {
                self.told_to_stand.insert(node, message.term);
            }
            _ => {}
        }
    }

    fn completed(&mut self, facts: &Facts, operation: &crate::operation::Operation) {
        let Some(reply) = &operation.reply else {
            return;
        };
        match reply {
            Reply::Refused(Refusal::DiskFull) => self.hit("disk-full-refusal"),
            Reply::Refused(Refusal::Storage(_)) => self.hit("corruption-refused-running"),
            Reply::Done(Outcome::Refused(WriteError::SessionExpired(_))) => {
                self.hit("expired-session-refused");
            }
            Reply::Done(Outcome::Refused(WriteError::OutcomeUnknown(_))) => {
                self.hit("below-window-refused");
            }
            Reply::Done(Outcome::Sent { index, term, .. }) => {
                let Call::Write {
                    write: Write::Send { id, .. },
                    ..
                } = &operation.call
                else {
                    return;
                };
                let after_stop = |stopped| operation.invoked >= stopped;
                if self.full_stop.take_if(|at| after_stop(*at)).is_some() {
                    self.hit("full-stop-recovered");
                }
                // The answer is that of an earlier try when a later one is in the log as well.
                let again = facts.truth.sends.get(id).is_some_and(|all| all.len() > 1);
                if again {
                    self.hit("answer-from-first-try");
                    let book = &facts.nodes[&operation.node];
                    if *term < facts.leading_term() {
                        self.hit("retry-across-leaders");
                    }
                    if book.life > 1 && *index <= book.restored {
                        self.hit("retry-after-restart");
                    }
                }
            }
            _ => {}
        }
    }
}
