//! What a replica has in every role: its term, its log, its clockwork and what it has to say.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::explore::Fingerprint;
use super::io::{
    Append, Committed, Completion, Config, Effects, Fetch, ReadContext, ReadRefusal, Restored,
};
use super::log::RaftLog;
use super::message::{Body, Message};
use super::outbox::Outbox;
use super::types::{Configuration, Entry, HardState, LogIndex, NodeId, Payload, Term};
use crate::known_bugs::{self, KnownBug};
use crate::time::Time;

/// The state that outlives every change of role.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) config: Config,
    pub(super) members: Configuration,
    pub(super) log: RaftLog,
    pub(super) outbox: Outbox,
    /// The newest entry known to be committed.
    pub(super) commit: LogIndex,
    /// When a replica that does not lead campaigns, unless it hears from a leader first.
    pub(super) election_at: Time,
    /// ⚠ Until when no vote is given: a leader may hold a lease on it.
    pub(super) promised_until: Time,
    /// Reads with an answer, for the driver.
    pub(super) answered_reads: Vec<(ReadContext, Result<LogIndex, ReadRefusal>)>,
    /// Entries to be read from the log, by the peer that needs them, until they come.
    pub(super) open_fetches: BTreeMap<NodeId, LogIndex>,
    new_fetches: Vec<Fetch>,
    hard_state: HardState,
    hard_state_changed: bool,
    /// The number of the batch that is being gathered.
    next_batch: u64,
    /// The newest committed entry that the driver was given.
    handed_out: LogIndex,
    next_question: u64,
    rng: StdRng,
}

impl Common {
    pub(super) fn new(config: Config, mut restored: Restored, seed: u64, now: Time) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let members = mem::take(&mut restored.configuration);
        if known_bugs::active(KnownBug::VoteForgottenOnRestart) {
            restored.hard_state.vote = None;
        }
        let promised_until =
            if restored.restarted && !known_bugs::active(KnownBug::NoPromiseAfterRestart) {
                now + config.election_timeout
            } else {
                now
            };
        let mut common = Common {
            members,
            outbox: Outbox::default(),
            commit: restored.base.0,
            election_at: now,
            promised_until,
            answered_reads: Vec::new(),
            open_fetches: BTreeMap::new(),
            new_fetches: Vec::new(),
            hard_state: restored.hard_state,
            hard_state_changed: false,
            next_batch: 1,
            handed_out: restored.base.0,
            // Not from 0: an answer from before a restart must not pass for a new one.
            next_question: rng.random(),
            log: RaftLog::new(restored),
            config,
            rng,
        };
        // Alone, there is nobody to wait for.
        if !common.alone() {
            common.reset_election_timer(now);
        }
        common
    }

    /// A copy whose election timeouts come from `seed`.
    pub(super) fn fork(&self, seed: u64) -> Self {
        Common {
            config: self.config.clone(),
            members: self.members.clone(),
            log: self.log.clone(),
            outbox: self.outbox.clone(),
            commit: self.commit,
            election_at: self.election_at,
            promised_until: self.promised_until,
            answered_reads: self.answered_reads.clone(),
            open_fetches: self.open_fetches.clone(),
            new_fetches: self.new_fetches.clone(),
            hard_state: self.hard_state,
            hard_state_changed: self.hard_state_changed,
            next_batch: self.next_batch,
            handed_out: self.handed_out,
            next_question: self.next_question,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    pub(super) fn id(&self) -> NodeId {
        self.config.id
    }

    pub(super) fn term(&self) -> Term {
        self.hard_state.term
    }

    pub(super) fn vote(&self) -> Option<NodeId> {
        self.hard_state.vote
    }

    pub(super) fn is_voter(&self) -> bool {
        self.members.voters.contains_key(&self.config.id)
    }

    /// Whether this replica is a majority by itself.
    pub(super) fn alone(&self) -> bool {
        self.is_voter() && self.members.quorum() == 1
    }

    /// The other voters.
    pub(super) fn other_voters(&self) -> Vec<NodeId> {
        let id = self.config.id;
        let voters = self.members.voters.keys().copied();
        voters.filter(|voter| *voter != id).collect()
    }

    /// Enters a later term; nobody has this replica's vote in it yet.
    pub(super) fn enter_term(&mut self, term: Term) {
        debug_assert!(term > self.hard_state.term, "terms only grow");
        self.outbox.forget_held();
        self.set_hard_state(HardState { term, vote: None });
    }

    /// Votes; ⚠ once in a term.
    pub(super) fn vote_for(&mut self, candidate: NodeId) {
        debug_assert!(
            self.vote().is_none_or(|vote| vote == candidate)
                || known_bugs::active(KnownBug::TwoVotesInATerm)
        );
        self.set_hard_state(HardState {
            term: self.hard_state.term,
            vote: Some(candidate),
        });
    }

    fn set_hard_state(&mut self, hard_state: HardState) {
        if self.hard_state != hard_state {
            self.hard_state = hard_state;
            self.hard_state_changed = true;
            self.outbox.wait_for(self.next_batch);
        }
    }

    /// A follower waits for its leader anew, each time a little differently long (§5.2).
    pub(super) fn reset_election_timer(&mut self, now: Time) {
        let shortest = self.config.election_timeout;
        let extra = self.rng.random_range(Duration::ZERO..shortest);
        self.election_at = now + shortest + extra;
    }

    /// ⚠ Hearing from a leader is a promise to vote for nobody for one election timeout.
    pub(super) fn heard_from_leader(&mut self, now: Time) {
        let until = now + self.config.election_timeout;
        if !known_bugs::active(KnownBug::NoPromiseToLeader) {
            self.promised_until = self.promised_until.max(until);
        }
        self.reset_election_timer(now);
    }

    /// Sends in the present term, ⚠ once that is durable.
    pub(super) fn send(&mut self, to: NodeId, body: Body) {
        let term = self.hard_state.term;
        self.outbox.send(to, Message { term, body });
    }

    /// A name for a question to the leader; never used twice.
    pub(super) fn new_question(&mut self) -> u64 {
        if !known_bugs::active(KnownBug::ReadQuestionReused) {
            self.next_question = self.next_question.wrapping_add(1);
        }
        self.next_question
    }

    /// Appends an entry of this term: only a leader does.
    pub(super) fn append(&mut self, payload: Payload) -> LogIndex {
        let index = self.log.last() + 1;
        self.log.push(Entry {
            index,
            term: self.hard_state.term,
            payload,
        });
        index
    }

    /// All up to `index` is committed.
    pub(super) fn commit_to(&mut self, index: LogIndex) {
        debug_assert!(index <= self.log.last(), "what is committed is here");
        self.commit = self.commit.max(index);
    }

    pub(super) fn refuse_reads(
        &mut self,
        reads: impl IntoIterator<Item = ReadContext>,
        why: ReadRefusal,
    ) {
        let refused = reads.into_iter().map(|read| (read, Err(why)));
        self.answered_reads.extend(refused);
    }

    /// Asks the driver for entries from `first` on for `peer`, unless it is at it already.
    pub(super) fn fetch(&mut self, peer: NodeId, first: LogIndex) {
        if self.open_fetches.contains_key(&peer) {
            return;
        }
        self.open_fetches.insert(peer, first);
        self.new_fetches.push(Fetch {
            peer,
            first,
            last: self.log.tail_first() - 1,
            max_bytes: self.config.max_append_bytes,
        });
    }

    pub(super) fn log_completed(&mut self, completion: Completion) {
        debug_assert!(completion.hard_state_through >= completion.entries_through);
        debug_assert!(completion.hard_state_through < self.next_batch);
        self.outbox.completed(completion.hard_state_through);
        self.log.completed(completion);
    }

    /// All that is to be done.
    pub(super) fn take_effects(&mut self) -> Effects {
        let append = self.take_append();
        let committed = self.take_committed();
        self.log.trim(self.config.tail_bytes, self.handed_out);
        Effects {
            append,
            messages: self.outbox.take(),
            committed,
            reads: mem::take(&mut self.answered_reads),
            fetches: mem::take(&mut self.new_fetches),
        }
    }

    fn take_append(&mut self) -> Option<Append> {
        if !self.hard_state_changed && !self.log.has_unwritten() {
            return None;
        }
        let batch = self.next_batch;
        self.next_batch += 1;
        Some(Append {
            batch,
            hard_state: mem::take(&mut self.hard_state_changed).then_some(self.hard_state),
            entries: self.log.take_unwritten(batch),
        })
    }

    fn take_committed(&mut self) -> Option<Committed> {
        if self.commit == self.handed_out {
            return None;
        }
        let through = self.commit;
        let entries = self
            .log
            .from(self.handed_out + 1)
            .take_while(|entry| entry.index <= through)
            .cloned()
            .collect();
        self.handed_out = through;
        Some(Committed { through, entries })
    }

    pub(super) fn fingerprint(&self, out: &mut Fingerprint) {
        let Common {
            config,
            // The same for all of a cluster.
            members: _,
            log,
            outbox,
            commit,
            election_at: _,
            promised_until: _,
            answered_reads,
            open_fetches,
            new_fetches,
            hard_state,
            hard_state_changed,
            next_batch,
            handed_out,
            next_question,
            rng: _,
        } = self;
        debug_assert!(
            answered_reads.is_empty() && new_fetches.is_empty() && !hard_state_changed,
            "the effects have been taken"
        );
        out.id(config.id);
        log.fingerprint(*next_batch, out);
        outbox.fingerprint(*next_batch, out);
        out.number(*commit);
        out.number(*handed_out);
        out.hard_state(*hard_state);
        let fetches = open_fetches.iter().map(|(id, first)| (*id, *first));
        out.by_member(fetches, Fingerprint::number);
        if out.reads {
            out.number(*next_question);
        }
    }
}
