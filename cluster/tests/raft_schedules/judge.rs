//! The judge: watches what goes into each core and what comes out, keeps books of its own, and
//! says what rule was broken. It never looks inside a core.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use telegraft_cluster::raft::{
    Append, AppendResult, Body, Committed, Completion, Effects, Entry, Envelope, HardState,
    LogIndex, Message, NodeId, Payload, ProposeRefusal, ReadContext, ReadMode, ReadRefusal, Term,
};
use telegraft_cluster::time::Time;

use crate::disk::Disk;
use crate::plan::Plan;
use crate::tally::{Sight, Tally};

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
    nodes: BTreeMap<NodeId, Witness>,
    pub(crate) tally: Tally,
}

impl Judge {
    pub(crate) fn new(plan: &Plan) -> Self {
        Judge {
            quorum: plan.configuration.quorum(),
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
            Body::TimeoutNow => w.told_in = Some(message.term),
            Body::AppendEntries { entries, round, .. } => {
                if entries.is_empty() {
                    let newest = match w.heartbeat {
                        Some((_, term, newest)) if term >= message.term => newest.max(*round),
                        _ => *round,
                    };
                    w.heartbeat = Some((from, message.term, newest));
                }
                w.appends_taken += 1;
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
    fn record(&mut self, node: NodeId, entry: &Entry, previous: Term) -> Result<bool, String> {
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
    fn leader(&mut self, node: NodeId, term: Term, now: Time) -> Verdict {
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
    fn claim(
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

    fn message(
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
