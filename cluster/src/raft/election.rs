//! Candidates: those who ask whether they would be elected, and those who ask for votes.

use std::collections::BTreeMap;

use super::common::Common;
use super::explore::Fingerprint;
use super::message::Body;
use super::types::NodeId;

/// The votes that came, one per voter.
#[derive(Clone, Debug, Default)]
struct Ballot {
    votes: BTreeMap<NodeId, bool>,
}

/// How a ballot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Neither side has a majority.
    Open,
    /// A majority said yes.
    Won,
    /// A majority said no.
    Lost,
}

impl Ballot {
    /// Counts a vote. One that was given stays given; a refusal may have been of an earlier
    /// request, and be followed by a vote.
    fn count(&mut self, common: &Common, voter: NodeId, granted: bool) -> Outcome {
        if common.members.voters.contains_key(&voter) {
            *self.votes.entry(voter).or_default() |= granted;
        }
        let quorum = common.members.quorum();
        let granted = self.votes.values().filter(|granted| **granted).count();
        let voters = common.members.voters.len();
        if granted >= quorum {
            Outcome::Won
        } else if self.votes.len() - granted > voters - quorum {
            Outcome::Lost
        } else {
            Outcome::Open
        }
    }

    fn fingerprint(&self, out: &mut Fingerprint) {
        let votes = self.votes.iter().map(|(id, granted)| (*id, *granted));
        out.by_member(votes, Fingerprint::flag);
    }
}

/// Asks whether a majority would vote for it, before it disturbs anyone with a new term
/// (PreVote, thesis §9.6). Nothing of it is remembered.
#[derive(Clone, Debug)]
pub(super) struct PreCandidate {
    ballot: Ballot,
}

impl PreCandidate {
    /// Asks the other voters about the next term.
    pub(super) fn ask(common: &mut Common) -> (Self, Outcome) {
        let mut ballot = Ballot::default();
        let outcome = ballot.count(common, common.id(), true);
        let message = super::Message {
            term: common.term() + 1,
            body: Body::RequestVote {
                pre_vote: true,
                transfer: false,
                last_index: common.log.last(),
                last_term: common.log.last_term(),
            },
        };
        for voter in common.other_voters() {
            common.outbox.send_at_once(voter, message.clone());
        }
        (PreCandidate { ballot }, outcome)
    }

    pub(super) fn count(&mut self, common: &Common, voter: NodeId, granted: bool) -> Outcome {
        self.ballot.count(common, voter, granted)
    }

    pub(super) fn fingerprint(&self, out: &mut Fingerprint) {
        self.ballot.fingerprint(out);
    }
}

/// Asks for votes in a term of its own (§5.2).
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    ballot: Ballot,
}

impl Candidate {
    /// Enters the next term, votes for itself and asks the others, ⚠ once all that is durable.
    /// `transfer` tells them that the leader wants it.
    pub(super) fn stand(common: &mut Common, transfer: bool) -> (Self, Outcome) {
        common.enter_term(common.term() + 1);
        common.vote_for(common.id());
        let mut ballot = Ballot::default();
        let outcome = ballot.count(common, common.id(), true);
        for voter in common.other_voters() {
            let request = Body::RequestVote {
                pre_vote: false,
                transfer,
                last_index: common.log.last(),
                last_term: common.log.last_term(),
            };
            common.send(voter, request);
        }
        (Candidate { ballot }, outcome)
    }

    pub(super) fn count(&mut self, common: &Common, voter: NodeId, granted: bool) -> Outcome {
        self.ballot.count(common, voter, granted)
    }

    pub(super) fn fingerprint(&self, out: &mut Fingerprint) {
        self.ballot.fingerprint(out);
    }
}
