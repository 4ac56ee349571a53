//! The judge: watches what goes into each core and what comes out, keeps books of its own, and
//! says what rule was broken. It never looks inside a core.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use telegraft_cluster::raft::{
    Body, Completion, Entry, HardState, LogIndex, Message, NodeId, Payload, ProposeRefusal,
    ReadContext, ReadMode, Term,
};
use telegraft_cluster::time::Time;

use crate::disk::Disk;
use crate::plan::Plan;
use crate::tally::{Sight, Tally};

mod messages;
mod outputs;

/// What was broken, in words.
pub(crate) type Verdict = Result<(), String>;

macro_rules! rule {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err(format!($($words)+));
        }
    };
}
pub(crate) use rule;

/// The terms of a log's entries, from index 1.
type Terms = Vec<Term>;

fn at(log: &Terms, index: LogIndex) -> Option<Term> {
    let offset = index.checked_sub(1)?;
    log.get(usize::try_from(offset).ok()?).copied()
}

fn len(log: &Terms) -> LogIndex {
    log.len() as LogIndex
}

/// Puts entries where they belong, superseding what stood there.
fn put(log: &mut Terms, first: LogIndex, terms: &[Term]) {
    log.truncate(usize::try_from(first - 1).expect("logs are short"));
    log.extend(terms);
}

/// A term's leader, as its deeds show.
#[derive(Debug)]
struct Leader {
    node: NodeId,
    life: u32,
    /// Its log, growing while it appends in its term. None when its election was only seen
    /// after it had already lost its term again.
    log: Option<Terms>,
}

/// A batch on its way to the disk.
#[derive(Debug)]
struct Handed {
    batch: u64,
    first: LogIndex,
    terms: Vec<Term>,
}

#[derive(Debug)]
struct PendingRead {
    floor: LogIndex,
    mode: ReadMode,
    /// For a lease read: so many voters would refuse to vote for another when it began.
    bound: usize,
    /// Its node had told another to campaign by then.
    handed_over: bool,
}

/// What is known of one node. "Durable" here is what its core was *told* is durable.
#[derive(Debug)]
struct Witness {
    life: u32,
    base: LogIndex,
    hard_state: HardState,
    log: Terms,
    batch: u64,
    states: VecDeque<(u64, HardState)>,
    batches: VecDeque<Handed>,
    durable_state: HardState,
    durable_log: Terms,
    /// The durable vote of each term, over all lives.
    durable_votes: HashMap<Term, NodeId>,
    /// The last term that it led in this life.
    led: Term,
    round: (Term, u64),
    handed_out: LogIndex,
    /// The log's end when this life began.
    started_with: LogIndex,
    reads: BTreeMap<ReadContext, PendingRead>,
    /// It votes for nobody until then; and the leader's term that it promised it to.
    promise: (Time, Term),
    /// Its timeouts were judged, since the last look at its effects, when no promise held.
    may_campaign: bool,
    /// When its timeouts were judged since then.
    timed: Option<Time>,
    /// When each peer last answered it, in the term that it leads.
    heard_from: BTreeMap<NodeId, Time>,
    /// Who said, before each term began, that it would vote for it there.
    pre_votes: BTreeMap<Term, HashSet<NodeId>>,
    /// The last term whose leader told it to campaign.
    told_in: Option<Term>,
    /// The newest round that it heard, and of which term.
    heard_round: (Term, u64),
    /// A heartbeat taken in since then: its leader, term and round.
    heartbeat: Option<(NodeId, Term, u64)>,
    /// Until when it may count itself as bound to this term's leader, at the most.
    heard: (Time, Term),
    /// The newest term that it may have moved to since the last look at its effects.
    moved_to: Term,
    /// Requests for votes that it may grant: candidate, term, pre-vote.
    may_grant: HashSet<(NodeId, Term, bool)>,
    fetching: BTreeMap<NodeId, Term>,
    /// It became leader by these deeds since the last look at its effects.
    claims: Vec<Term>,
    /// AppendEntries taken in since the last look at its effects.
    appends_taken: u32,
    /// Lease reads taken in since then.
    lease_reads: Vec<ReadContext>,
}

impl Witness {
    fn leads(&self) -> bool {
        self.led > 0 && self.led == self.hard_state.term
    }

    /// Whether this node can never vote for another in this term: its vote is durable, or a
    /// later term is.
    fn bound_to(&self, candidate: NodeId, term: Term) -> bool {
        self.durable_votes.get(&term) == Some(&candidate) || self.durable_state.term > term
    }
}

/// The judge of one schedule.
#[derive(Debug)]
pub(crate) struct Judge {
    quorum: usize,
    voters: Vec<NodeId>,
    election_timeout: Duration,
    max_append_bytes: usize,
    /// Every entry ever seen, by place, with the term of the entry before it.
    entries: HashMap<(LogIndex, Term), (Payload, Term)>,
    /// Each committed entry's term, and the term that it was committed in; from index 1.
    committed: Vec<(Term, Term)>,
    leaders: BTreeMap<Term, Leader>,
    /// Real votes that left, candidates' own included.
    votes: HashMap<(NodeId, Term), NodeId>,
    candidates: HashMap<Term, HashSet<NodeId>>,
    proposed: HashMap<(LogIndex, Term), Bytes>,
    places: HashMap<Bytes, (LogIndex, Term)>,
    refused: HashSet<Bytes>,
    /// Who was told to campaign after which term, and by whom in which term.
    handed_over: HashMap<(NodeId, Term), (NodeId, Term)>,
    /// The life in which each node gave each name to a question.
    questions: HashMap<(NodeId, u64), u32>,
    nodes: BTreeMap<NodeId, Witness>,
    pub(crate) tally: Tally,
}

impl Judge {
    pub(crate) fn new(plan: &Plan) -> Self {
        Judge {
            quorum: plan.configuration.voters.len() / 2 + 1,
            voters: plan.configuration.voters.keys().copied().collect(),
            election_timeout: plan.config.election_timeout,
            max_append_bytes: plan.config.max_append_bytes,
            entries: HashMap::new(),
            committed: vec![(1, 1); usize::try_from(plan.genesis).expect("a few")],
            leaders: BTreeMap::new(),
            votes: HashMap::new(),
            candidates: HashMap::new(),
            proposed: HashMap::new(),
            places: HashMap::new(),
            refused: HashSet::new(),
            handed_over: HashMap::new(),
            questions: HashMap::new(),
            nodes: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// The highest index committed anywhere.
    pub(crate) fn committed(&self) -> LogIndex {
        self.committed.len() as LogIndex
    }

    /// How far this node has handed out, in this life.
    pub(crate) fn handed_out(&self, node: NodeId) -> LogIndex {
        self.nodes[&node].handed_out
    }

    /// Reads of this life without an answer.
    pub(crate) fn open_reads(&self, node: NodeId) -> usize {
        self.nodes[&node].reads.len()
    }

    /// Whether two nodes' logs are the same, in memory and on disk.
    pub(crate) fn same_logs(&self, one: NodeId, other: NodeId) -> bool {
        let (one, other) = (&self.nodes[&one], &self.nodes[&other]);
        one.log == other.log && one.durable_log == other.durable_log && one.log == one.durable_log
    }

    /// The entries that all nodes start with.
    pub(crate) fn genesis(&mut self, entries: &[Entry]) {
        for entry in entries {
            let previous = if entry.index == 1 { 0 } else { 1 };
            let content = (entry.payload.clone(), previous);
            self.entries.insert((entry.index, entry.term), content);
        }
    }

    /// A process starts, for the first time or again.
    pub(crate) fn started(
        &mut self,
        node: NodeId,
        disk: &Disk,
        base: LogIndex,
        owes: bool,
        now: Time,
    ) {
        let old = self.nodes.remove(&node);
        let terms = |range: std::ops::RangeInclusive<u64>| -> Terms {
            range
                .map(|index| {
                    if index <= base {
                        1
                    } else {
                        disk.term_at(index)
                    }
                })
                .collect()
        };
        let log = terms(1..=disk.last_index());
        if old.as_ref().is_some_and(|old| old.log != log) {
            self.tally.saw(Sight::LostSuffix);
        }
        let mut durable_votes = HashMap::new();
        let life = old.as_ref().map_or(0, |old| old.life + 1);
        if let Some(old) = old {
            durable_votes = old.durable_votes;
        }
        let hard_state = disk.hard_state();
        if let Some(vote) = hard_state.vote {
            durable_votes.insert(hard_state.term, vote);
        }
        if self.voters == [node] {
            self.forget_after(hard_state.term);
        }
        let until = if owes && self.voters.len() > 1 {
            now + self.election_timeout
        } else {
            Time::ZERO
        };
        let witness = Witness {
            life,
            base,
            hard_state,
            durable_log: log.clone(),
            started_with: len(&log),
            log,
            batch: 0,
            states: VecDeque::new(),
            batches: VecDeque::new(),
            durable_state: hard_state,
            durable_votes,
            led: 0,
            round: (0, 0),
            handed_out: base,
            reads: BTreeMap::new(),
            promise: (until, 0),
            may_campaign: false,
            timed: None,
            heard_from: BTreeMap::new(),
            pre_votes: BTreeMap::new(),
            told_in: None,
            heard_round: (0, 0),
            heartbeat: None,
            heard: (until, 0),
            moved_to: hard_state.term,
            may_grant: HashSet::new(),
            fetching: BTreeMap::new(),
            claims: Vec::new(),
            appends_taken: 0,
            lease_reads: Vec::new(),
        };
        self.nodes.insert(node, witness);
    }

    /// A lone voter leads at once, and what it did before its term was durable nobody saw: in
    /// its next life it may lead that term again.
    fn forget_after(&mut self, term: Term) {
        self.leaders.retain(|led, _| *led <= term);
        self.entries.retain(|(_, of), _| *of <= term);
        self.proposed.retain(|(_, of), _| *of <= term);
        self.places.retain(|_, (_, of)| *of <= term);
    }

    fn node(&mut self, node: NodeId) -> &mut Witness {
        self.nodes.get_mut(&node).expect("it was started")
    }

    /// A completion is given to the core.
    pub(crate) fn completed(&mut self, node: NodeId, completion: &Completion) {
        let mut late = false;
        let w = self.node(node);
        while let Some((_, state)) = w
            .states
            .pop_front_if(|(batch, _)| *batch <= completion.hard_state_through)
        {
            w.durable_state = state;
            if let Some(vote) = state.vote {
                w.durable_votes.insert(state.term, vote);
            }
        }
        while let Some(batch) = w
            .batches
            .pop_front_if(|handed| handed.batch <= completion.entries_through)
        {
            put(&mut w.durable_log, batch.first, &batch.terms);
            let last = len(&w.durable_log);
            late |= at(&w.log, last) != w.durable_log.last().copied();
        }
        if completion.hard_state_through > completion.entries_through {
            self.tally.saw(Sight::DiskFull);
        }
        if late {
            self.tally.saw(Sight::LateCompletion);
        }
    }

    /// A message is given to the core.
    pub(crate) fn received(&mut self, node: NodeId, from: NodeId, message: &Message, now: Time) {
        let alone = self.voters.len() == 1;
        let timeout = self.election_timeout;
        let w = self.node(node);
        match &message.body {
            Body::RequestVote {
                pre_vote, transfer, ..
            } => {
                let bound = now < w.promise.0 && message.term > w.promise.1 && !alone;
                if bound && !transfer {
                    self.tally.saw(Sight::RefusedUnderPromise);
                    return;
                }
                w.may_grant.insert((from, message.term, *pre_vote));
                if *transfer && message.term > w.promise.1 {
                    w.promise = (Time::ZERO, message.term);
                    w.heard = w.promise;
                }
                if !pre_vote {
                    w.moved_to = w.moved_to.max(message.term);
                }
                return;
            }
            Body::AppendReply { .. } if message.term == w.led => {
                w.heard_from.insert(from, now);
            }
            Body::TimeoutNow => {
                w.told_in = Some(message.term);
                // It campaigns, before the next message.
                w.moved_to = w.moved_to.max(message.term + 1);
            }
            Body::AppendEntries { entries, round, .. } => {
                if entries.is_empty() {
                    let newest = match w.heartbeat {
                        Some((_, term, newest)) if term >= message.term => newest.max(*round),
                        _ => *round,
                    };
                    w.heartbeat = Some((from, message.term, newest));
                }
                w.appends_taken += 1;
                w.heard_round = w.heard_round.max((message.term, *round));
                if message.term >= w.hard_state.term {
                    w.heard = (now + timeout, message.term);
                }
                if message.term >= w.moved_to {
                    w.promise = (now + timeout, message.term);
                }
            }
            Body::Vote {
                pre_vote: true,
                granted,
            } => {
                if *granted {
                    // It may campaign, before the next message.
                    w.moved_to = w.moved_to.max(message.term);
                    w.pre_votes.entry(message.term).or_default().insert(from);
                    return;
                }
                self.tally.saw(Sight::PreVoteRefused);
            }
            _ => {}
        }
        let w = self.node(node);
        w.moved_to = w.moved_to.max(message.term);
    }

    /// The core is asked what the time means.
    pub(crate) fn timed(&mut self, node: NodeId, now: Time) {
        let w = self.node(node);
        w.timed = Some(now);
        if now >= w.promise.0 {
            w.may_campaign = true;
            w.heartbeat = None;
        }
    }

    /// A proposal was answered.
    pub(crate) fn proposed(
        &mut self,
        node: NodeId,
        command: &Bytes,
        answer: &Result<(Term, LogIndex), ProposeRefusal>,
    ) -> Verdict {
        match answer {
            Ok((term, index)) => {
                let place = (*index, *term);
                rule!(
                    self.proposed.insert(place, command.clone()).is_none(),
                    "n{node} gave the place {index} in term {term} to two proposals"
                );
                rule!(
                    !self.entries.contains_key(&place),
                    "n{node} gave away {index} in term {term}, where an entry stands already"
                );
                self.node(node).claims.push(*term);
            }
            Err(refusal) => {
                self.refused.insert(command.clone());
                self.tally.saw(match refusal {
                    ProposeRefusal::Overloaded => Sight::Overloaded,
                    _ => Sight::ProposalRefused,
                });
            }
        }
        Ok(())
    }

    /// A read is given to the core; `clocks` are those of the processes that live.
    pub(crate) fn read(
        &mut self,
        node: NodeId,
        context: ReadContext,
        mode: ReadMode,
        clocks: &BTreeMap<NodeId, Time>,
    ) {
        let floor = self.committed();
        let led = self.nodes[&node].led;
        let handed_over = self.handed_over.values().any(|by| *by == (node, led));
        let bound = self
            .voters
            .iter()
            .filter(|voter| {
                let (until, term) = self.nodes[voter].heard;
                // A dead one gives no vote before its promise of the next start has passed.
                let alive = clocks.get(voter);
                **voter == node || alive.is_none_or(|now| *now < until && term <= led)
            })
            .count();
        let newest = self.leaders.last_key_value().map_or(0, |(term, _)| *term);
        let w = self.node(node);
        let stale = w.leads() && w.led < newest;
        w.reads.insert(
            context,
            PendingRead {
                floor,
                mode,
                bound,
                handed_over,
            },
        );
        if mode == ReadMode::Lease {
            w.lease_reads.push(context);
        }
        if stale {
            self.tally.saw(Sight::StaleLeaderAsked);
        }
    }

    /// The core says how much of its log is durable.
    pub(crate) fn durable(&self, node: NodeId, through: LogIndex) -> Verdict {
        let w = &self.nodes[&node];
        rule!(
            at(&w.log, through) == at(&w.durable_log, through),
            "n{node} believes that {through} t{:?} is durable; on disk is t{:?}",
            at(&w.log, through),
            at(&w.durable_log, through)
        );
        Ok(())
    }

    /// A fetch's answer is given to the core.
    pub(crate) fn fetched(&mut self, node: NodeId, peer: NodeId, entries: &[Entry]) {
        self.node(node).fetching.remove(&peer);
        self.tally.saw(if entries.is_empty() {
            Sight::FetchFailed
        } else {
            Sight::Fetch
        });
    }
}
