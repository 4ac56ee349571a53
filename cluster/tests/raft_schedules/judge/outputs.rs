//! What comes out of a core, held against the books.

use std::collections::BTreeMap;

use telegraft_cluster::raft::{
    Append, Body, Committed, Effects, Entry, Envelope, LogIndex, NodeId, Payload, ReadContext,
    ReadRefusal, Term,
};
use telegraft_cluster::time::Time;

use super::{Handed, Judge, Leader, Verdict, at, len, put, rule};
use crate::disk::Disk;
use crate::tally::Sight;

impl Judge {
    /// What a core wants done, before any of it is done.
    pub(crate) fn effects(
        &mut self,
        node: NodeId,
        effects: &Effects,
        disks: &BTreeMap<NodeId, Disk>,
        now: Time,
    ) -> Verdict {
        if let Some(append) = &effects.append {
            self.append(node, append, now)?;
        }
        for term in std::mem::take(&mut self.node(node).claims) {
            self.leader(node, term, now)?;
        }
        let w = self.node(node);
        w.moved_to = w.hard_state.term;
        if let Some(committed) = &effects.committed {
            self.hand_out(node, committed, disks)?;
        }
        for envelope in &effects.messages {
            self.message(node, envelope, disks, now)
                .map_err(|broken| format!("{broken}\n  in {envelope:?}"))?;
        }
        self.answered_heartbeat(node, &effects.messages)?;
        for (context, outcome) in &effects.reads {
            self.answered(node, *context, outcome, disks)?;
        }
        let w = self.node(node);
        w.appends_taken = 0;
        w.may_campaign = false;
        w.timed = None;
        let asked = std::mem::take(&mut w.lease_reads);
        if w.leads() && asked.iter().any(|context| w.reads.contains_key(context)) {
            self.tally.saw(Sight::LeaseFellBack);
        }
        for fetch in &effects.fetches {
            let w = self.node(node);
            rule!(w.led > 0, "n{node} does not lead and fetches {fetch:?}");
            rule!(
                w.fetching.insert(fetch.peer, w.led) != Some(w.led),
                "n{node} has two fetches open for n{}",
                fetch.peer
            );
            rule!(
                w.base < fetch.first && fetch.first <= fetch.last,
                "n{node} fetches nonsense: {fetch:?}"
            );
            for index in fetch.first..=fetch.last {
                let durable = at(&w.durable_log, index);
                rule!(
                    durable.is_some() && durable == at(&w.log, index),
                    "n{node} fetches {index}, which is not durable: {fetch:?}"
                );
            }
        }
        Ok(())
    }

    /// The answer to a heartbeat in a durable term waits for nothing.
    fn answered_heartbeat(&mut self, node: NodeId, messages: &[Envelope]) -> Verdict {
        let w = self.node(node);
        let Some((leader, term, round)) = w.heartbeat.take() else {
            return Ok(());
        };
        let answered = messages.iter().any(|envelope| {
            let answer = &envelope.message;
            envelope.to == leader
                && matches!(answer.body, Body::AppendReply { round: of, .. } if of >= round)
        });
        rule!(
            answered || w.hard_state.term != term || w.durable_state != w.hard_state,
            "n{node} keeps n{leader} waiting for the answer to a heartbeat of round {round}"
        );
        Ok(())
    }

    fn append(&mut self, node: NodeId, append: &Append, now: Time) -> Verdict {
        let committed = self.committed();
        let w = self.nodes.get_mut(&node).expect("it was started");
        w.batch += 1;
        rule!(
            append.batch == w.batch,
            "n{node} numbers batch {} as {}",
            w.batch,
            append.batch
        );
        rule!(
            append.hard_state.is_some() || !append.entries.is_empty(),
            "n{node} writes an empty batch"
        );
        let before = w.hard_state.term;
        if let Some(new) = append.hard_state {
            let old = w.hard_state;
            rule!(
                new.term > old.term
                    || (new.term == old.term && old.vote.is_none() && new.vote.is_some()),
                "n{node} goes from {old:?} to {new:?}"
            );
            w.hard_state = new;
            w.states.push_back((append.batch, new));
        }
        let Some(first) = append.entries.first() else {
            return Ok(());
        };
        let first = first.index;
        rule!(
            w.base < first && first <= len(&w.log) + 1,
            "n{node} writes {first} into a log of {}..={}",
            w.base + 1,
            len(&w.log)
        );
        let terms: Vec<Term> = append.entries.iter().map(|entry| entry.term).collect();
        let superseding = first <= len(&w.log);
        rule!(
            !(superseding && w.leads()),
            "n{node} leads term {} and overwrites {first}",
            w.led
        );
        let mut log = w.log.clone();
        put(&mut log, first, &terms);
        if superseding {
            // Several messages in one wake-up may have changed the log there and back.
            let kept = log.len() < w.log.len() && w.log.starts_with(&log);
            rule!(
                !(kept && w.appends_taken == 1),
                "n{node} removes entries that match, after {}",
                len(&log)
            );
            // A leader of the past may still remove what a later term has committed.
            let by = if w.appends_taken == 1 {
                w.hard_state.term
            } else {
                before
            };
            for index in first..=committed.min(len(&w.log)) {
                let (entry, in_term) = self.committed[usize::try_from(index - 1).expect("few")];
                let removed = at(&w.log, index) == Some(entry) && at(&log, index) != Some(entry);
                rule!(
                    in_term > by || !removed,
                    "n{node} removes {index} t{entry} in term {by}, committed in term {in_term}"
                );
            }
            self.tally.saw(Sight::SupersededSuffix);
        }
        w.log = log;
        w.batches.push_back(Handed {
            batch: append.batch,
            first,
            terms,
        });
        let mut previous = at(&w.log, first - 1).unwrap_or(0);
        let (term, life) = (w.hard_state.term, w.life);
        let mut created = Vec::new();
        for (index, entry) in (first..).zip(&append.entries) {
            rule!(
                entry.index == index && previous <= entry.term && entry.term <= term,
                "n{node} writes {index} t{} after an entry of term {previous}, in term {term}",
                entry.term
            );
            if self.record(node, entry, previous)? {
                created.push(entry.term);
            }
            previous = entry.term;
            if let Some(leader) = self.leaders.get_mut(&entry.term)
                && (leader.node, leader.life) == (node, life)
                && let Some(log) = &mut leader.log
                && len(log) + 1 == index
            {
                log.push(entry.term);
            }
        }
        created.dedup();
        for term in created {
            self.leader(node, term, now)?;
        }
        Ok(())
    }

    /// Holds an entry against all that was ever seen at its place; true when it is new.
    /// That one place (index, term) has one content and one predecessor's term is log
    /// matching, by induction.
    pub(super) fn record(
        &mut self,
        node: NodeId,
        entry: &Entry,
        previous: Term,
    ) -> Result<bool, String> {
        let place = (entry.index, entry.term);
        if let Some((payload, before)) = self.entries.get(&place) {
            rule!(
                *payload == entry.payload,
                "log matching: n{node} has another entry {} of term {}",
                entry.index,
                entry.term
            );
            rule!(
                *before == previous,
                "log matching: n{node} has {} t{} after term {previous}, others after {before}",
                entry.index,
                entry.term
            );
            return Ok(false);
        }
        if let Payload::Command(command) = &entry.payload {
            rule!(
                !self.refused.contains(command),
                "n{node} has a refused proposal at {}",
                entry.index
            );
            rule!(
                self.proposed.get(&place) == Some(command),
                "n{node} has a command at {} t{} that was not proposed there",
                entry.index,
                entry.term
            );
            rule!(
                self.places.insert(command.clone(), place).is_none(),
                "n{node} has a proposal at a second place, {} t{}",
                entry.index,
                entry.term
            );
        }
        self.entries
            .insert(place, (entry.payload.clone(), previous));
        Ok(true)
    }

    /// A node's deed shows that it leads this term.
    pub(super) fn leader(&mut self, node: NodeId, term: Term, now: Time) -> Verdict {
        let w = self.nodes.get_mut(&node).expect("it was started");
        if let Some(leader) = self.leaders.get(&term) {
            rule!(
                (leader.node, leader.life) == (node, w.life),
                "election safety: n{node} leads term {term}, and n{} led it",
                leader.node
            );
            return Ok(());
        }
        rule!(
            term <= w.hard_state.term,
            "n{node} leads term {term} and has not even written it"
        );
        if self.voters.len() > 1 {
            rule!(
                w.bound_to(node, term),
                "n{node} leads term {term} without a durable vote for itself"
            );
            let votes = self
                .voters
                .iter()
                .filter(|voter| self.votes.get(&(**voter, term)) == Some(&node))
                .count();
            rule!(
                votes >= self.quorum,
                "n{node} leads term {term} with {votes} votes"
            );
        }
        w.led = w.led.max(term);
        w.heard_from = self.voters.iter().map(|voter| (*voter, now)).collect();
        let known = w.hard_state.term == term;
        if known {
            for (index, (entry, in_term)) in (1..).zip(&self.committed) {
                rule!(
                    *in_term >= term || at(&w.log, index) == Some(*entry),
                    "leader completeness: n{node} leads term {term} without {index} t{entry}, \
                     committed in term {in_term}"
                );
            }
        }
        let leader = Leader {
            node,
            life: w.life,
            log: known.then(|| w.log.clone()),
        };
        let before = self.leaders.range(..term).next_back();
        if let Some((before, old)) = before
            && old.node != node
        {
            self.tally.saw(Sight::LeaderChange);
            if self.handed_over.contains_key(&(node, *before)) {
                self.tally.saw(Sight::TransferCompleted);
            }
        }
        self.leaders.insert(term, leader);
        Ok(())
    }

    /// A node says that all up to `through` is committed.
    pub(super) fn claim(
        &mut self,
        node: NodeId,
        through: LogIndex,
        disks: &BTreeMap<NodeId, Disk>,
    ) -> Verdict {
        if through <= self.committed() {
            return Ok(());
        }
        let w = &self.nodes[&node];
        let term = w.led;
        rule!(
            term > 0,
            "n{node} follows and says that {through} is committed; no leader said so"
        );
        rule!(
            at(&w.log, through) == Some(term),
            "n{node} commits {through} by counting in term {term}, an entry of term {:?}",
            at(&w.log, through)
        );
        let holders = self
            .voters
            .iter()
            .filter(|voter| disks[voter].term_at(through) == term)
            .count();
        rule!(
            holders >= self.quorum,
            "n{node} commits {through} of term {term}, durable on {holders} only"
        );
        if disks[&node].term_at(through) != term {
            self.tally.saw(Sight::OwnDiskBehindCommit);
        }
        for index in self.committed() + 1..=through {
            let entry = at(&w.log, index).expect("the log reaches further");
            if entry < term {
                self.tally.saw(Sight::OldTermCommitted);
            }
            self.committed.push((entry, term));
            for (later, leader) in self.leaders.range(term + 1..) {
                if let Some(log) = &leader.log {
                    rule!(
                        at(log, index) == Some(entry),
                        "leader completeness: n{node} commits {index} t{entry} in term {term}, \
                         which n{} lacks, leader of term {later}",
                        leader.node
                    );
                }
            }
        }
        Ok(())
    }

    fn hand_out(
        &mut self,
        node: NodeId,
        committed: &Committed,
        disks: &BTreeMap<NodeId, Disk>,
    ) -> Verdict {
        let Committed { through, entries } = committed;
        self.claim(node, *through, disks)?;
        let w = &self.nodes[&node];
        rule!(
            *through > w.handed_out,
            "n{node} hands out up to {through} again, after {}",
            w.handed_out
        );
        let count = entries.len() as LogIndex;
        rule!(
            count <= through - w.handed_out,
            "n{node} hands out {count} entries up to {through} again, after {}",
            w.handed_out
        );
        let first = through + 1 - count;
        for index in w.handed_out + 1..=*through {
            let expected = self.committed[usize::try_from(index - 1).expect("few")].0;
            if index < first {
                rule!(
                    at(&w.durable_log, index) == Some(expected),
                    "n{node} hands out {index} t{expected} to be read from its log, \
                     where it is not durable"
                );
                rule!(
                    index <= w.started_with,
                    "n{node} wants {index} read from its log, but wrote it in this life"
                );
                continue;
            }
            let entry = &entries[usize::try_from(index - first).expect("few")];
            let content = self.entries.get(&(index, expected));
            rule!(
                entry.index == index
                    && entry.term == expected
                    && content.is_some_and(|(payload, _)| *payload == entry.payload),
                "state machine safety: n{node} hands out {entry:?}, \
                 where {index} t{expected} was committed"
            );
        }
        if first > w.handed_out + 1 {
            self.tally.saw(Sight::HandOutWithGap);
        }
        self.node(node).handed_out = *through;
        Ok(())
    }

    fn answered(
        &mut self,
        node: NodeId,
        context: ReadContext,
        outcome: &Result<LogIndex, ReadRefusal>,
        disks: &BTreeMap<NodeId, Disk>,
    ) -> Verdict {
        let w = self.node(node);
        let leads = w.leads();
        let at_once = w.lease_reads.contains(&context);
        let Some(read) = w.reads.remove(&context) else {
            return Err(format!("n{node} answers {context:?} twice"));
        };
        let index = match outcome {
            Ok(index) => *index,
            Err(_) => {
                self.tally.saw(Sight::ReadRefused);
                return Ok(());
            }
        };
        self.claim(node, index, disks)?;
        rule!(
            index >= read.floor,
            "stale read: n{node} answers a {:?} read with {index}, \
             and {} was committed before it began",
            read.mode,
            read.floor
        );
        if !leads {
            self.tally.saw(Sight::FollowerRead);
        } else if at_once && self.voters.len() > 1 {
            rule!(
                read.bound >= self.quorum,
                "n{node} answers a read by its lease, and only {} were bound to it",
                read.bound
            );
            rule!(
                !read.handed_over,
                "n{node} answers a read by its lease after it sent TimeoutNow"
            );
            self.tally.saw(Sight::LeaseRead);
        }
        Ok(())
    }
}
