//! The Raft core: a pure state machine. No clock, no disk, no network, no thread.
//!
//! # The protocol in a page
//!
//! Replicas keep a log of [entries](Entry). One of them, the **leader**, appends; the others,
//! its **followers**, take what it sends. An entry that is durable on a majority is
//! **committed**: it stays where it is for ever, and every replica applies the committed
//! entries in order, so all state machines go the same way.
//!
//! Time is cut into **terms**, counted up, with at most one leader each. A follower that hears
//! from no leader for its election timeout asks the others whether they would elect it
//! ([PreVote](Body::RequestVote)); if a majority would, it enters the next term as a
//! **candidate** and asks for their votes. A replica votes once in a term, and only for a
//! candidate whose log is at least as complete as its own: so a leader's log has everything
//! that was ever committed. Whoever sees a later term follows it.
//!
//! A leader opens its term with a no-op and sends [AppendEntries](Body::AppendEntries), which
//! name the entry before the ones they carry. A follower that lacks that entry refuses and
//! hints how far back the logs may agree (the leader *probes*); one that has it takes the rest,
//! superseding what conflicts (the leader *streams* to it). Once an entry of the leader's own
//! term is on a majority, it and all before it are committed; earlier terms' entries are never
//! committed by counting (§5.4.2, Figure 8).
//!
//! **Reads** are not in the log. Each heartbeat belongs to a numbered round; a majority's
//! answers to a round that began after the read was taken show that nobody else can have
//! committed anything before it (ReadIndex). Or the leader has a *lease*: since a majority
//! heard it, and will vote for nobody until an election timeout later, nobody else leads yet.
//!
//! Section numbers (§) and figures are those of the Raft paper (Ongaro and Ousterhout, 2014);
//! "thesis" is Ongaro's dissertation.
//!
//! # How it is driven
//!
//! Every call carries the time. Messages go in by [`step`](Raft::step), commands by
//! [`propose`](Raft::propose), reads by [`read`](Raft::read), finished writes by
//! [`log_completed`](Raft::log_completed), and time itself by
//! [`handle_timeout`](Raft::handle_timeout) when [`poll_timeout`](Raft::poll_timeout) says so.
//! What is to be done gathers, and comes out of [`take_effects`](Raft::take_effects) once per
//! wake-up, in [`Effects`]: one write with all entries, and one AppendEntries per follower
//! with all that it lacks. Batching needs no timer.
//!
//! # What is left out
//!
//! - Snapshots: a follower below the first kept index is not helped.
//! - Changes of membership: the configuration is that of the log at the start. (Learners
//!   receive the log and neither vote nor campaign.)
//! - Commit indexes are not stored: after a restart a replica learns its own from its leader.
//!
//! # Files
//!
//! `types`, `message` and `io` are the interface. `log` is the core's view of the log, `outbox`
//! holds back what must not leave yet, `common` is what every role has. `follower`, `election`
//! and `leader` are the roles, one type each, so that a follower cannot be asked for a
//! leader's state; `progress` and `reads` are parts of them. This file moves between the roles.
//! `explore` copies a core and tells states apart, for those who try all that may happen.

mod common;
mod election;
mod explore;
mod follower;
mod io;
mod leader;
mod log;
mod message;
mod outbox;
mod progress;
mod reads;
mod types;

pub use explore::Fingerprint;
pub use io::{
    Append, Committed, Completion, Config, Effects, Fetch, PeerProgress, ProposeRefusal,
    ReadContext, ReadMode, ReadRefusal, Restored, Role, Status,
};
pub use message::{AppendResult, Body, Envelope, Message};
pub use types::{Configuration, Entry, HardState, LogIndex, NodeId, Payload, Term};

use std::mem;

use bytes::Bytes;

use crate::known_bugs::{self, KnownBug};
use crate::time::Time;
use common::Common;
use election::{Candidate, Outcome, PreCandidate};
use follower::{AppendEntries, Follower};
use leader::Leader;
use reads::Asker;

/// One replica's consensus.
#[derive(Debug)]
pub struct Raft {
    common: Common,
    role: RoleState,
}

/// What a replica is, and what it has only as that.
#[derive(Clone, Debug)]
enum RoleState {
    Follower(Follower),
    PreCandidate(PreCandidate),
    Candidate(Candidate),
    Leader(Box<Leader>),
}

impl Raft {
    /// A replica as its log left it.
    pub fn new(config: Config, restored: Restored, seed: u64, now: Time) -> Self {
        let common = Common::new(config, restored, seed, now);
        let role = RoleState::Follower(Follower::new(&common, None));
        Raft { common, role }
    }

    /// Takes in a message.
    pub fn step(&mut self, now: Time, from: NodeId, message: Message) {
        let Message { term, body } = message;
        let own_term = self.common.term();
        if term < own_term {
            return self.answer_the_past(from, &body);
        }
        match body {
            // A request for a vote decides for itself whether the term is taken up.
            Body::RequestVote {
                pre_vote,
                transfer,
                last_index,
                last_term,
            } => {
                let request = VoteRequest {
                    term,
                    pre_vote,
                    transfer,
                    last: (last_term, last_index),
                };
                self.vote_requested(now, from, &request);
                return;
            }
            // This one's term is not a term yet.
            Body::Vote {
                pre_vote: true,
                granted: true,
            } => {
                if term == own_term + 1
                    && let RoleState::PreCandidate(candidate) = &mut self.role
                {
                    let outcome = candidate.count(&self.common, from, true);
                    self.pre_voted(now, outcome);
                }
                return;
            }
            _ => {}
        }
        if term > own_term {
            self.become_follower(now, term, None);
        }
        match body {
            Body::RequestVote { .. } => {}
            Body::Vote { pre_vote, granted } => match &mut self.role {
                RoleState::PreCandidate(candidate) if pre_vote => {
                    let outcome = candidate.count(&self.common, from, granted);
                    self.pre_voted(now, outcome);
                }
                RoleState::Candidate(candidate) if !pre_vote => {
                    let outcome = candidate.count(&self.common, from, granted);
                    self.voted(now, outcome);
                }
                _ => {}
            },
            Body::AppendEntries {
                prev_index,
                prev_term,
                entries,
                commit,
                round,
            } => {
                let message = AppendEntries {
                    prev_index,
                    prev_term,
                    entries,
                    commit,
                    round,
                };
                let (common, follower) = self.follow(now, from);
                follower.append(common, now, from, message);
            }
            Body::AppendReply { round, result } => {
                if let RoleState::Leader(leader) = &mut self.role {
                    leader.append_reply(&mut self.common, now, from, round, result);
                }
            }
            Body::ReadIndex { context } => {
                let asker = Asker::Peer(from, context);
                match &mut self.role {
                    RoleState::Leader(leader) => {
                        leader.read(&mut self.common, now, asker, ReadMode::Linearizable);
                    }
                    _ => asker.refuse(&mut self.common, ReadRefusal::NoLeader),
                }
            }
            Body::ReadIndexReply { context, index } => {
                if let RoleState::Follower(follower) = &mut self.role
                    && follower.leader == Some(from)
                {
                    follower.read_answered(&mut self.common, context, index);
                }
            }
            Body::TimeoutNow => match self.role {
                RoleState::Follower(_) | RoleState::PreCandidate(_) if self.common.is_voter() => {
                    self.stand(now, true);
                }
                _ => {}
            },
        }
    }

    /// Appends a command, if this replica leads; where it will stand is the answer.
    ///
    /// # Errors
    /// It does not lead, or takes nothing now: the command is in no log.
    pub fn propose(
        &mut self,
        _now: Time,
        command: Bytes,
    ) -> Result<(Term, LogIndex), ProposeRefusal> {
        match &mut self.role {
            RoleState::Leader(leader) => leader.propose(&mut self.common, command),
            _ => Err(ProposeRefusal::NotLeader {
                leader: self.leader(),
            }),
        }
    }

    /// Asks for a read index; the answer comes in [`Effects::reads`], at once or later.
    ///
    /// ⚠ `now` must have been taken after the read left its queue: a lease is judged by it.
    pub fn read(&mut self, now: Time, context: ReadContext, mode: ReadMode) {
        match &mut self.role {
            RoleState::Leader(leader) => {
                leader.read(&mut self.common, now, Asker::Here(context), mode);
            }
            RoleState::Follower(follower) => follower.read(&mut self.common, context),
            RoleState::PreCandidate(_) | RoleState::Candidate(_) => {
                self.common.refuse_reads([context], ReadRefusal::NoLeader);
            }
        }
    }

    /// The log has become durable up to here.
    pub fn log_completed(&mut self, _now: Time, completion: Completion) {
        self.common.log_completed(completion);
        match &mut self.role {
            RoleState::Leader(leader) => leader.advance(&mut self.common),
            RoleState::Follower(follower) => follower.durable_advanced(&self.common),
            RoleState::PreCandidate(_) | RoleState::Candidate(_) => {}
        }
    }

    /// Answers a [`Fetch`]; empty `entries` tell that the log could not be read now.
    pub fn entries_fetched(
        &mut self,
        _now: Time,
        peer: NodeId,
        first: LogIndex,
        entries: Vec<Entry>,
    ) {
        if self.common.open_fetches.get(&peer) != Some(&first) {
            return;
        }
        self.common.open_fetches.remove(&peer);
        if let RoleState::Leader(leader) = &mut self.role {
            leader.fetched(&mut self.common, peer, entries);
        }
    }

    /// A frame for this peer was dropped, or its connection broke.
    pub fn peer_unreachable(&mut self, _now: Time, peer: NodeId) {
        if let RoleState::Leader(leader) = &mut self.role {
            leader.unreachable(peer);
        }
    }

    /// Hands leadership over (thesis §3.10): `to` campaigns once it has the whole log, and
    /// until then, or for an election timeout, no proposal is taken. False when this replica
    /// does not lead, does it already, or `to` is no other voter.
    pub fn transfer_leadership(&mut self, now: Time, to: NodeId) -> bool {
        match &mut self.role {
            RoleState::Leader(leader) => leader.transfer(&mut self.common, now, to),
            _ => false,
        }
    }

    /// The time has come (or it has not, which is fine).
    pub fn handle_timeout(&mut self, now: Time) {
        if let RoleState::Leader(leader) = &mut self.role {
            leader.handle_timeout(&self.common, now);
            if leader.is_deserted(&self.common, now) && !known_bugs::active(KnownBug::NoCheckQuorum)
            {
                self.become_follower(now, self.common.term(), None);
            }
        } else if now >= self.common.election_at {
            if self.common.is_voter() && self.common.outbox.waits() {
                // Its disk does not have its last vote yet. What it asked for then leaves when it
                // has; ⚠ with one term after another that nobody hears of, it would end the next
                // leader's once its disk goes on.
                self.common.reset_election_timer(now);
            } else if self.common.is_voter() {
                self.ask_for_pre_votes(now);
            } else {
                self.become_follower(now, self.common.term(), None);
                self.common.reset_election_timer(now);
            }
        }
    }

    /// When to call [`Raft::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Time {
        match &self.role {
            RoleState::Leader(leader) => leader.poll_timeout(),
            _ => self.common.election_at,
        }
    }

    /// What is to be done since the last call. A round of heartbeats that goes out with it
    /// begins at `now`.
    pub fn take_effects(&mut self, now: Time) -> Effects {
        match &mut self.role {
            RoleState::Leader(leader) => leader.flush(&mut self.common, now),
            RoleState::Follower(follower) => follower.flush(&mut self.common, now),
            RoleState::PreCandidate(_) | RoleState::Candidate(_) => {}
        }
        self.common.take_effects()
    }

    /// A look inside.
    pub fn status(&self) -> Status {
        let (role, serving, peers) = match &self.role {
            RoleState::Follower(_) if self.common.is_voter() => (Role::Follower, false, Vec::new()),
            RoleState::Follower(_) => (Role::Learner, false, Vec::new()),
            RoleState::PreCandidate(_) => (Role::PreCandidate, false, Vec::new()),
            RoleState::Candidate(_) => (Role::Candidate, false, Vec::new()),
            RoleState::Leader(leader) => {
                (Role::Leader, leader.serves(&self.common), leader.progress())
            }
        };
        Status {
            id: self.common.id(),
            role,
            term: self.common.term(),
            leader: self.leader(),
            commit_index: self.common.commit,
            last_index: self.common.log.last(),
            durable_index: self.common.log.durable(),
            first_index: self.common.log.base() + 1,
            serving,
            peers,
        }
    }

    fn leader(&self) -> Option<NodeId> {
        match &self.role {
            RoleState::Follower(follower) => follower.leader,
            RoleState::Leader(_) => Some(self.common.id()),
            RoleState::PreCandidate(_) | RoleState::Candidate(_) => None,
        }
    }
}

/// What a candidate asks.
#[derive(Debug)]
struct VoteRequest {
    term: Term,
    pre_vote: bool,
    transfer: bool,
    /// Term and index of its last entry.
    last: (Term, LogIndex),
}

/// The moves between roles.
impl Raft {
    /// Follows `leader`, or waits for one, in `term`: this one or a later one.
    fn become_follower(&mut self, now: Time, term: Term, leader: Option<NodeId>) {
        if term > self.common.term() {
            self.common.enter_term(term);
        }
        let follower = RoleState::Follower(Follower::new(&self.common, leader));
        match mem::replace(&mut self.role, follower) {
            RoleState::Leader(leader) => {
                leader.dismiss(&mut self.common);
                self.common.reset_election_timer(now);
            }
            RoleState::Follower(follower) => follower.dismiss(&mut self.common),
            RoleState::PreCandidate(_) | RoleState::Candidate(_) => {}
        }
    }

    /// The leader of this term has spoken: follows it.
    fn follow(&mut self, now: Time, leader: NodeId) -> (&mut Common, &mut Follower) {
        self.common.heard_from_leader(now);
        let follows = matches!(&self.role, RoleState::Follower(f) if f.leader == Some(leader));
        if !follows {
            assert!(
                self.leader().is_none(),
                "{:?} and {leader} both lead term {}",
                self.leader(),
                self.common.term(),
            );
            self.become_follower(now, self.common.term(), Some(leader));
        }
        match &mut self.role {
            RoleState::Follower(follower) => (&mut self.common, follower),
            _ => unreachable!("it has just become one"),
        }
    }

    /// Nobody leads, it seems: asks whether it would be elected.
    fn ask_for_pre_votes(&mut self, now: Time) {
        debug_assert!(
            now >= self.common.promised_until || self.common.alone(),
            "who does not vote does not stand"
        );
        if known_bugs::active(KnownBug::NoPreVote) {
            return self.stand(now, false);
        }
        self.common.reset_election_timer(now);
        let (candidate, outcome) = PreCandidate::ask(&mut self.common);
        let role = RoleState::PreCandidate(candidate);
        if let RoleState::Follower(follower) = mem::replace(&mut self.role, role) {
            follower.dismiss(&mut self.common);
        }
        self.pre_voted(now, outcome);
    }

    fn pre_voted(&mut self, now: Time, outcome: Outcome) {
        match outcome {
            Outcome::Open => {}
            Outcome::Won => self.stand(now, false),
            Outcome::Lost => self.become_follower(now, self.common.term(), None),
        }
    }

    /// Stands for election in the next term.
    fn stand(&mut self, now: Time, transfer: bool) {
        self.common.reset_election_timer(now);
        let (candidate, outcome) = Candidate::stand(&mut self.common, transfer);
        let role = RoleState::Candidate(candidate);
        if let RoleState::Follower(follower) = mem::replace(&mut self.role, role) {
            follower.dismiss(&mut self.common);
        }
        self.voted(now, outcome);
    }

    fn voted(&mut self, now: Time, outcome: Outcome) {
        match outcome {
            Outcome::Open => {}
            Outcome::Won => {
                let leader = Leader::elected(&mut self.common, now);
                self.role = RoleState::Leader(Box::new(leader));
            }
            Outcome::Lost => self.become_follower(now, self.common.term(), None),
        }
    }

    /// Somebody wants a vote, or to know whether it would get one.
    fn vote_requested(&mut self, now: Time, from: NodeId, request: &VoteRequest) {
        // ⚠ A leader may hold a lease on this promise; only its own wish to go overrides it.
        // A leader itself goes when CheckQuorum says so, not when it is challenged.
        let promised =
            now < self.common.promised_until || matches!(self.role, RoleState::Leader(_));
        if promised && !request.transfer {
            return;
        }
        if !request.pre_vote && request.term > self.common.term() {
            self.become_follower(now, request.term, None);
        }
        let free = match self.common.vote() {
            _ if request.pre_vote && request.term > self.common.term() => true,
            Some(vote) => vote == from || known_bugs::active(KnownBug::TwoVotesInATerm),
            None => self.leader().is_none(),
        };
        let own_last = (self.common.log.last_term(), self.common.log.last());
        let complete =
            request.last >= own_last || known_bugs::active(KnownBug::VoteWithoutComparingLogs);
        let granted = free && complete && self.common.is_voter();
        let pre_vote = request.pre_vote;
        let body = Body::Vote { pre_vote, granted };
        if pre_vote && granted {
            // Nothing is promised, so nothing needs to be durable.
            let term = request.term;
            let message = Message { term, body };
            return self.common.outbox.send_at_once(from, message);
        }
        if granted {
            self.common.vote_for(from);
            self.common.reset_election_timer(now);
        }
        self.common.send(from, body);
    }

    /// A message from an earlier term: its sender learns of this one, so that a leader or
    /// candidate whose time is over steps back (§5.1).
    fn answer_the_past(&mut self, from: NodeId, body: &Body) {
        let answer = match *body {
            Body::RequestVote { pre_vote, .. } => Body::Vote {
                pre_vote,
                granted: false,
            },
            // ⚠ Nothing of the message is repeated: its sender may be the leader of this term by
            // now, and take a round of its earlier one for one of these.
            Body::AppendEntries { round, .. } => Body::AppendReply {
                round: if known_bugs::active(KnownBug::RoundOfEarlierTerm) {
                    round
                } else {
                    0
                },
                result: AppendResult::Conflict {
                    prev_index: 0,
                    hint_index: 0,
                    hint_term: 0,
                },
            },
            Body::ReadIndex { context } => Body::ReadIndexReply {
                context,
                index: None,
            },
            _ => return,
        };
        self.common.send(from, answer);
    }
}
