//! A follower: takes its leader's entries and says what of them is durable.

use super::common::Common;
use super::explore::Fingerprint;
use super::io::{ReadContext, ReadRefusal};
use super::message::{AppendResult, Body};
use super::reads::FollowerReads;
use super::types::{Entry, LogIndex, NodeId, Term};
use crate::known_bugs::{self, KnownBug};
use crate::time::Time;

/// What a leader says in an AppendEntries.
#[derive(Debug)]
pub(super) struct AppendEntries {
    pub(super) prev_index: LogIndex,
    pub(super) prev_term: Term,
    pub(super) entries: Vec<Entry>,
    pub(super) commit: LogIndex,
    pub(super) round: u64,
}

impl AppendEntries {
    /// Whether the entries follow each other, and `prev_index`, as a log's do.
    fn is_well_formed(&self, term: Term) -> bool {
        let mut before = (self.prev_index, self.prev_term);
        self.entries.iter().all(|entry| {
            let follows = entry.index == before.0 + 1 && entry.term >= before.1;
            before = (entry.index, entry.term);
            follows && entry.term <= term
        })
    }

    /// Leaves out what is committed here: it is the same in the leader's log.
    fn without_committed(&mut self, common: &Common) {
        if self.prev_index < common.commit {
            let known = usize::try_from(common.commit - self.prev_index).unwrap_or(usize::MAX);
            self.entries.drain(..known.min(self.entries.len()));
            self.prev_index = common.commit;
            self.prev_term = common
                .log
                .term(common.commit)
                .expect("the last committed entry is in the log");
        }
    }
}

/// A replica that does not lead and does not campaign: a voter or a learner.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    /// Who leads this term, once it has been heard.
    pub(super) leader: Option<NodeId>,
    /// Up to here the log is known to be the leader's.
    matched: LogIndex,
    /// Up to here the leader was told so.
    acknowledged: LogIndex,
    /// The newest of the leader's rounds that was heard.
    round: u64,
    /// The leader is owed an answer.
    reply_due: bool,
    reads: FollowerReads,
}

impl Follower {
    pub(super) fn new(common: &Common, leader: Option<NodeId>) -> Self {
        Follower {
            leader,
            // A leader has all that is committed.
            matched: common.commit,
            acknowledged: 0,
            round: 0,
            reply_due: false,
            reads: FollowerReads::default(),
        }
    }

    /// Takes in what the leader says (Figure 2, AppendEntries, rules 2 to 5).
    pub(super) fn append(
        &mut self,
        common: &mut Common,
        now: Time,
        leader: NodeId,
        mut message: AppendEntries,
    ) {
        if !message.is_well_formed(common.term()) {
            return;
        }
        self.round = self.round.max(message.round);
        self.reads.ask_again(common, now);
        let end = message.prev_index + message.entries.len() as LogIndex;
        let is_heartbeat = message.entries.is_empty();
        message.without_committed(common);
        if common.log.term(message.prev_index) != Some(message.prev_term) {
            let reply = conflict(common, self.round, message.prev_index, message.prev_term);
            return common.send(leader, reply);
        }
        let verified = message.prev_index + message.entries.len() as LogIndex;
        for entry in message.entries {
            match common.log.term(entry.index) {
                // What matches stays, with all that follows it: the message may be old.
                Some(term)
                    if term == entry.term && !known_bugs::active(KnownBug::MatchingEntriesCut) =>
                {
                    continue;
                }
                Some(_) => {
                    if known_bugs::active(KnownBug::MatchingEntriesCut) {
                        self.matched = self.matched.min(entry.index - 1);
                    }
                    assert!(
                        entry.index > common.commit && entry.index > self.matched,
                        "entry {} is committed or matched, and the leader of term {} has another",
                        entry.index,
                        common.term(),
                    );
                    common.log.supersede(entry.index);
                }
                None => {}
            }
            common.log.push(entry);
        }
        self.matched = self.matched.max(verified);
        let bound = if known_bugs::active(KnownBug::CommitBeyondMatch) {
            common.log.last()
        } else {
            self.matched
        };
        common.commit_to(message.commit.min(bound));
        // ⚠ Entries are acknowledged when they are durable; a heartbeat waits for none.
        if is_heartbeat
            || end <= common.log.durable()
            || known_bugs::active(KnownBug::AcknowledgedBeforeDurable)
        {
            self.reply_due = true;
        }
    }

    /// More of the log has become durable.
    pub(super) fn durable_advanced(&mut self, common: &Common) {
        if self.leader.is_some() && self.durable_match(common) > self.acknowledged {
            self.reply_due = true;
        }
    }

    fn durable_match(&self, common: &Common) -> LogIndex {
        if known_bugs::active(KnownBug::AcknowledgedBeforeDurable) {
            return self.matched;
        }
        self.matched.min(common.log.durable())
    }

    /// Asks the leader for a read index.
    pub(super) fn read(&mut self, common: &mut Common, read: ReadContext) {
        if known_bugs::active(KnownBug::FollowerReadsOwnCommit) {
            return common.answered_reads.push((read, Ok(common.commit)));
        }
        match self.leader {
            Some(_) => self.reads.push(common, read),
            None => common.refuse_reads([read], ReadRefusal::NoLeader),
        }
    }

    pub(super) fn read_answered(
        &mut self,
        common: &mut Common,
        context: u64,
        index: Option<LogIndex>,
    ) {
        self.reads.answered(common, context, index);
    }

    /// Says what has gathered: one answer for all that was heard, one question for all reads.
    pub(super) fn flush(&mut self, common: &mut Common, now: Time) {
        let Some(leader) = self.leader else {
            return;
        };
        if self.reply_due {
            self.reply_due = false;
            let durable = self.durable_match(common);
            self.acknowledged = durable;
            let reply = Body::AppendReply {
                round: self.round,
                result: AppendResult::Matched { durable },
            };
            common.send(leader, reply);
        }
        self.reads.ask(common, now, leader);
    }

    /// The leader is lost, and the role with it.
    pub(super) fn dismiss(self, common: &mut Common) {
        self.reads.dismiss(common);
    }

    pub(super) fn followed(&self) -> Option<(NodeId, LogIndex, LogIndex)> {
        let leader = self.leader?;
        Some((leader, self.matched, self.acknowledged))
    }

    pub(super) fn fingerprint(&self, common: &Common, now: Time, out: &mut Fingerprint) {
        let Follower {
            leader,
            matched,
            acknowledged,
            round,
            reply_due,
            reads,
        } = self;
        out.id_or_none(*leader);
        out.number(*matched);
        out.number(*acknowledged);
        out.flag(*reply_due);
        if out.reads {
            out.number(*round);
            reads.fingerprint(common, now, out);
        }
    }
}

/// Refuses what follows (`prev_index`, `prev_term`), and says how far the logs may agree: up to
/// the last entry at or before it whose term is not above the leader's there, and at least up
/// to what is committed.
fn conflict(common: &Common, round: u64, prev_index: LogIndex, prev_term: Term) -> Body {
    let below = prev_index.saturating_sub(1).min(common.log.last());
    let hint_index = common
        .log
        .last_with_term_up_to(below, prev_term)
        .max(common.commit);
    Body::AppendReply {
        round,
        result: AppendResult::Conflict {
            prev_index,
            hint_index,
            hint_term: common.log.term(hint_index).unwrap_or(0),
        },
    }
}
