//! Reads that are in no log (thesis §6.4): rounds of heartbeats show who leads.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use super::common::Common;
use super::explore::Fingerprint;
use super::io::{ReadContext, ReadRefusal};
use super::message::Body;
use super::types::{LogIndex, NodeId};
use crate::time::Time;

/// Rounds for reads that may be open at once: one on its way out, one on its way back. Reads
/// that come meanwhile share the next one.
const MAX_READ_ROUNDS: usize = 2;

/// Heartbeat intervals after which a question to the leader counts as lost.
const ASK_AGAIN_AFTER: u32 = 2;

/// Who wants a read index.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// A client of this replica.
    Here(ReadContext),
    /// A follower, with its name for the question.
    Peer(NodeId, u64),
}

impl Asker {
    /// Gives the index.
    pub(super) fn answer(self, common: &mut Common, index: LogIndex) {
        match self {
            Asker::Here(read) => common.answered_reads.push((read, Ok(index))),
            Asker::Peer(peer, context) => common.send(
                peer,
                Body::ReadIndexReply {
                    context,
                    index: Some(index),
                },
            ),
        }
    }

    /// Gives none.
    pub(super) fn refuse(self, common: &mut Common, why: ReadRefusal) {
        match self {
            Asker::Here(read) => common.refuse_reads([read], why),
            Asker::Peer(peer, context) => common.send(
                peer,
                Body::ReadIndexReply {
                    context,
                    index: None,
                },
            ),
        }
    }

    fn fingerprint(self, out: &mut Fingerprint) {
        match self {
            Asker::Here(ReadContext(context)) => out.numbers([context]),
            Asker::Peer(peer, context) => {
                out.numbers([context, 0]);
                out.id(peer);
            }
        }
    }
}

/// Those who wait together, in any order: they are answered together.
fn fingerprint_of_askers(askers: &[Asker], out: &mut Fingerprint) {
    let mut askers: Vec<Asker> = askers.to_vec();
    askers.sort_by_key(|asker| match asker {
        Asker::Here(ReadContext(context)) => (0, *context),
        Asker::Peer(peer, context) => ((out.name)(*peer), *context),
    });
    for asker in askers {
        asker.fingerprint(out);
    }
    out.number(0);
}

/// The leader's numbered rounds. An answer to a round shows that its sender heard the leader
/// after the round began.
#[derive(Clone, Debug, Default)]
pub(super) struct Rounds {
    /// The newest; 0 before the first.
    newest: u64,
    /// When each of the newest ones was sent, in order, the last one's number being `newest`.
    sent: VecDeque<Time>,
}

impl Rounds {
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Begins a round. Those too old to carry a lease are forgotten.
    pub(super) fn begin(&mut self, now: Time, useful_for: Duration) -> u64 {
        while self
            .sent
            .pop_front_if(|sent| now.since(*sent) > useful_for)
            .is_some()
        {}
        self.newest += 1;
        self.sent.push_back(now);
        self.newest
    }

    /// When a round was sent, unless that is too long ago.
    pub(super) fn sent_at(&self, round: u64) -> Option<Time> {
        let back = usize::try_from(self.newest.checked_sub(round)?).ok()?;
        let position = self.sent.len().checked_sub(back + 1)?;
        self.sent.get(position).copied()
    }
}

/// Reads that share a round.
#[derive(Clone, Debug)]
struct ReadRound {
    round: u64,
    index: LogIndex,
    askers: Vec<Asker>,
}

/// The reads that wait at a leader.
#[derive(Clone, Debug, Default)]
pub(super) struct LeaderReads {
    /// Those in no round yet.
    waiting: Vec<Asker>,
    rounds: VecDeque<ReadRound>,
    pending: usize,
}

impl LeaderReads {
    pub(super) fn push(&mut self, common: &mut Common, asker: Asker) {
        if self.pending >= common.config.max_pending_reads {
            return asker.refuse(common, ReadRefusal::Overloaded);
        }
        self.pending += 1;
        self.waiting.push(asker);
    }

    /// Whether a round should begin for them.
    pub(super) fn want_round(&self) -> bool {
        !self.waiting.is_empty() && self.rounds.len() < MAX_READ_ROUNDS
    }

    /// All that wait have begun `round`; what is committed now is what they may see.
    pub(super) fn join(&mut self, round: u64, commit: LogIndex) {
        if !self.waiting.is_empty() {
            self.rounds.push_back(ReadRound {
                round,
                index: commit,
                askers: mem::take(&mut self.waiting),
            });
        }
    }

    /// A majority has answered the rounds up to `round`.
    pub(super) fn confirmed(&mut self, common: &mut Common, round: u64) {
        while let Some(done) = self.rounds.pop_front_if(|open| open.round <= round) {
            self.pending -= done.askers.len();
            for asker in done.askers {
                asker.answer(common, done.index);
            }
        }
    }

    /// Leadership is lost. Followers that asked will see that for themselves.
    pub(super) fn dismiss(self, common: &mut Common) {
        let in_rounds = self.rounds.into_iter().flat_map(|round| round.askers);
        for asker in self.waiting.into_iter().chain(in_rounds) {
            if let Asker::Here(read) = asker {
                common.refuse_reads([read], ReadRefusal::NoLeader);
            }
        }
    }

    pub(super) fn fingerprint(&self, out: &mut Fingerprint) {
        let LeaderReads {
            waiting,
            rounds,
            pending: _,
        } = self;
        fingerprint_of_askers(waiting, out);
        for open in rounds {
            out.numbers([open.round, open.index]);
            fingerprint_of_askers(&open.askers, out);
        }
        out.numbers([]);
    }
}

/// The reads that wait at a follower for an index from its leader.
#[derive(Clone, Debug, Default)]
pub(super) struct FollowerReads {
    /// Those that came since the last question.
    waiting: Vec<ReadContext>,
    /// The open questions.
    asked: Vec<(u64, Vec<ReadContext>)>,
    /// When the newest question was asked.
    asked_at: Time,
    pending: usize,
}

impl FollowerReads {
    pub(super) fn push(&mut self, common: &mut Common, read: ReadContext) {
        if self.pending >= common.config.max_pending_reads {
            return common.refuse_reads([read], ReadRefusal::Overloaded);
        }
        self.pending += 1;
        self.waiting.push(read);
    }

    /// Asks the leader once for all that came.
    pub(super) fn ask(&mut self, common: &mut Common, now: Time, leader: NodeId) {
        if self.waiting.is_empty() {
            return;
        }
        let context = common.new_question();
        self.asked.push((context, mem::take(&mut self.waiting)));
        self.asked_at = now;
        common.send(leader, Body::ReadIndex { context });
    }

    /// The leader is there: what it has not answered for long is asked again, under a new name.
    pub(super) fn ask_again(&mut self, common: &Common, now: Time) {
        if !self.asked.is_empty() && now.since(self.asked_at) >= Self::patience(common) {
            for (_, reads) in self.asked.drain(..) {
                self.waiting.extend(reads);
            }
        }
    }

    /// How long a question may be open before it counts as lost.
    fn patience(common: &Common) -> Duration {
        common.config.heartbeat_interval * ASK_AGAIN_AFTER
    }

    /// The leader has answered.
    pub(super) fn answered(&mut self, common: &mut Common, context: u64, index: Option<LogIndex>) {
        let Some(at) = self.asked.iter().position(|(asked, _)| *asked == context) else {
            return;
        };
        let (_, reads) = self.asked.swap_remove(at);
        self.pending -= reads.len();
        match index {
            Some(index) => common
                .answered_reads
                .extend(reads.into_iter().map(|read| (read, Ok(index)))),
            None => common.refuse_reads(reads, ReadRefusal::NoLeader),
        }
    }

    /// The leader is lost.
    pub(super) fn dismiss(self, common: &mut Common) {
        let asked = self.asked.into_iter().flat_map(|(_, reads)| reads);
        common.refuse_reads(self.waiting.into_iter().chain(asked), ReadRefusal::NoLeader);
    }

    pub(super) fn fingerprint(&self, common: &Common, now: Time, out: &mut Fingerprint) {
        let FollowerReads {
            waiting,
            asked,
            asked_at,
            pending: _,
        } = self;
        out.numbers(waiting.iter().map(|ReadContext(read)| *read));
        for (context, reads) in asked {
            out.number(1);
            out.number(*context);
            out.numbers(reads.iter().map(|ReadContext(read)| *read));
        }
        out.number(0);
        out.flag(!asked.is_empty() && now.since(*asked_at) >= Self::patience(common));
    }
}
