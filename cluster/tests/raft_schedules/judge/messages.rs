//! The rules that each message keeps when it leaves.

use std::collections::{BTreeMap, HashSet};

use telegraft_cluster::raft::{
    AppendResult, Body, Entry, Envelope, LogIndex, Message, NodeId, Term,
};
use telegraft_cluster::time::Time;

use super::{Judge, Verdict, at, len, rule};
use crate::disk::Disk;
use crate::tally::Sight;

impl Judge {
    pub(super) fn message(
        &mut self,
        node: NodeId,
        envelope: &Envelope,
        disks: &BTreeMap<NodeId, Disk>,
        now: Time,
    ) -> Verdict {
        let Envelope { to, message } = envelope;
        let term = message.term;
        rule!(
            *to != node && self.nodes.contains_key(to),
            "n{node} speaks to n{to}"
        );
        let w = self.nodes.get_mut(&node).expect("it was started");
        let durable = term <= w.durable_state.term;
        match &message.body {
            Body::RequestVote {
                pre_vote,
                transfer,
                last_index,
                last_term,
            } => {
                rule!(
                    *transfer || w.may_campaign || now >= w.promise.0 || term <= w.promise.1,
                    "n{node} campaigns within its promise to its leader"
                );
                // One that waited may name what a leader has replaced since.
                if w.hard_state.term + u64::from(*pre_vote) == term
                    && w.promise.1 < term
                    && w.appends_taken == 0
                {
                    rule!(
                        *last_index == len(&w.log)
                            && *last_term == at(&w.log, *last_index).unwrap_or(0),
                        "n{node} names a last entry that it does not have"
                    );
                }
                if *pre_vote {
                    return Ok(());
                }
                rule!(
                    w.bound_to(node, term),
                    "n{node} asks for votes before its own is durable"
                );
                let asked = w.pre_votes.get(&term).map_or(0, HashSet::len) + 1;
                rule!(
                    *transfer || asked >= self.quorum,
                    "n{node} campaigns with the word of {asked} only"
                );
                rule!(
                    !*transfer || w.told_in == Some(term - 1),
                    "n{node} campaigns for a transfer, and was not told to"
                );
                self.vote(node, term, node)?;
                let candidates = self.candidates.entry(term).or_default();
                if candidates.insert(node) && candidates.len() == 2 {
                    self.tally.saw(Sight::SplitVote);
                }
            }
            Body::Vote { pre_vote, granted } => {
                rule!(
                    durable || (*pre_vote && *granted),
                    "n{node} answers in term {term}, which is not durable"
                );
                if !granted {
                    return Ok(());
                }
                rule!(
                    w.may_grant.contains(&(*to, term, *pre_vote)),
                    "n{node} gives n{to} its vote for term {term} within its promise, or unasked"
                );
                if !pre_vote {
                    rule!(
                        w.bound_to(*to, term),
                        "n{node} gives n{to} a vote for term {term} that is not durable"
                    );
                    self.vote(node, term, *to)?;
                }
            }
            Body::AppendEntries { .. } => self.append_entries(node, message, disks, now)?,
            Body::AppendReply { result, .. } => {
                rule!(
                    durable,
                    "n{node} answers in term {term}, which is not durable"
                );
                match result {
                    AppendResult::Conflict { .. } => self.tally.saw(Sight::Conflict),
                    AppendResult::Matched { durable } => {
                        self.acknowledged(node, *to, term, *durable)?;
                    }
                }
            }
            Body::ReadIndex { .. } => {}
            Body::ReadIndexReply { index, .. } => {
                if let Some(index) = index {
                    self.claim(node, *index, disks)?;
                }
            }
            Body::TimeoutNow => {
                rule!(
                    w.led == term,
                    "n{node} hands term {term} over, and led it not"
                );
                self.handed_over.insert((*to, term), (node, term));
            }
        }
        Ok(())
    }

    fn vote(&mut self, node: NodeId, term: Term, candidate: NodeId) -> Verdict {
        let given = *self.votes.entry((node, term)).or_insert(candidate);
        rule!(
            given == candidate,
            "n{node} votes twice in term {term}: for n{given} and n{candidate}"
        );
        Ok(())
    }

    fn append_entries(
        &mut self,
        node: NodeId,
        message: &Message,
        disks: &BTreeMap<NodeId, Disk>,
        now: Time,
    ) -> Verdict {
        let Body::AppendEntries {
            prev_index,
            prev_term,
            entries,
            commit,
            round,
        } = &message.body
        else {
            return Ok(());
        };
        let term = message.term;
        self.leader(node, term, now)?;
        let mut previous = *prev_term;
        for (index, entry) in (prev_index + 1..).zip(entries) {
            rule!(entry.index == index, "n{node} sends entries with a gap");
            self.record(node, entry, previous)?;
            previous = entry.term;
        }
        // The last one may have filled it.
        let before_last = entries.len().saturating_sub(1);
        let bytes: usize = entries[..before_last].iter().map(Entry::encoded_len).sum();
        rule!(
            bytes <= self.max_append_bytes,
            "n{node} sends {bytes} bytes of entries at once, and another"
        );
        self.claim(node, *commit, disks)?;
        let (voters, quorum) = (&self.voters, self.quorum);
        let silence = self.election_timeout * 2;
        let w = self.nodes.get_mut(&node).expect("it was started");
        let timed = w.timed.unwrap_or(Time::ZERO);
        let silent = voters
            .iter()
            .filter(|voter| {
                let last = w.heard_from.get(*voter);
                **voter != node && last.is_some_and(|last| timed.since(*last) > silence)
            })
            .count();
        rule!(
            !entries.is_empty() || silent + quorum <= voters.len(),
            "n{node} leads on in term {term}, though {silent} have been silent for long"
        );
        rule!(
            w.round.0 != term || w.round.1 <= *round,
            "n{node}'s rounds go back, from {} to {round}",
            w.round.1
        );
        w.round = (term, *round);
        // It may have lost its term in the same wake-up, and its log changed.
        if w.hard_state.term == term {
            let before = at(&w.log, *prev_index).unwrap_or(0);
            rule!(
                *prev_index >= w.base && before == *prev_term,
                "n{node} sends what follows {prev_index} t{prev_term}, and has t{before} there"
            );
            for entry in entries {
                rule!(
                    at(&w.log, entry.index) == Some(entry.term),
                    "n{node} sends {} t{}, which it has not",
                    entry.index,
                    entry.term
                );
            }
        }
        Ok(())
    }

    /// A follower says that its log is the leader's, and durable, up to `through`.
    fn acknowledged(&mut self, node: NodeId, to: NodeId, term: Term, through: LogIndex) -> Verdict {
        let w = &self.nodes[&node];
        let leader = self.leaders.get(&term);
        rule!(
            leader.is_some_and(|leader| leader.node == to),
            "n{node} acknowledges to n{to}, which does not lead term {term}"
        );
        let Some(log) = leader.and_then(|leader| leader.log.as_ref()) else {
            return Ok(());
        };
        if through == 0 {
            return Ok(());
        }
        let held = at(&w.durable_log, through);
        rule!(
            held.is_some() && held == at(log, through),
            "n{node} acknowledges {through} to the leader of term {term}: \
             it has {held:?} durable there, the leader {:?}",
            at(log, through)
        );
        Ok(())
    }
}
