//! The consensus actor: owns the Raft core, feeds it what arrives and carries its effects out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::applier::{CommittedWrite, ReadReply, ReadyRead, Work, blocking};
use super::links::Outbox;
use super::mailbox::{ClientInput, Input, Lanes, Mailbox, WriteReply};
use super::metrics::{Metrics, gauge_value};
use super::state::{Applied, Phase, Shared, View};
use super::wire::Frame;
use super::writer::Queued;
use crate::chat::Query;
use crate::env::{Clock, Observer, Queues, Spawner};
use crate::http::Refusal;
use crate::known_bugs::{self, KnownBug};
use crate::log::LogReader;
use crate::raft::{
    Body, Committed, Effects, Fetch, LogIndex, NodeId, ProposeRefusal, Raft, ReadContext, ReadMode,
    ReadRefusal, Role, Term,
};
use crate::time::Time;

/// A timer that comes this much too late shows that the process was stopped: what its peers
/// said meanwhile may still lie in the sockets.
const STALL: Duration = Duration::from_millis(100);
/// How long the links then get to bring it in before timeouts are judged.
const STALL_GRACE: Duration = Duration::from_millis(30);
/// How often a follower tells its leader its digest, and a full disk is tried again.
const HOUSEKEEPING: Duration = Duration::from_millis(100);
/// Committed entries held back for a slow applier, in bytes; beyond that it reads the log.
const MAX_BACKLOG_BYTES: usize = 16 << 20;

/// A proposal that is not committed yet.
#[derive(Debug)]
struct PendingWrite {
    index: LogIndex,
    term: Term,
    reply: WriteReply,
    proposed_at: Time,
}

/// A read that has no index yet.
#[derive(Debug)]
struct PendingRead {
    query: Query,
    min_index: LogIndex,
    reply: ReadReply,
}

/// What the consensus actor is given of the rest of the node.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawner: Arc<dyn Spawner>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) lanes: Lanes,
    pub(crate) reader: LogReader,
    pub(crate) outboxes: BTreeMap<NodeId, Outbox>,
    pub(crate) writer: mpsc::Sender<Queued>,
    pub(crate) applier: mpsc::Sender<Work>,
    pub(crate) applied: watch::Receiver<Applied>,
    pub(crate) view: watch::Sender<View>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) diverged: mpsc::Receiver<(NodeId, LogIndex)>,
}

/// The consensus actor.
#[derive(Debug)]
pub(crate) struct Consensus {
    core: Raft,
    mailbox: Mailbox,
    context: Context,
    /// Proposals in the order of their indexes.
    writes: VecDeque<PendingWrite>,
    reads: HashMap<ReadContext, PendingRead>,
    next_read: u64,
    /// Appends that found the writer's queue full; bounded by the core's own bounds.
    unwritten: VecDeque<Queued>,
    /// What the applier had no room for.
    backlog: Option<Work>,
    /// The applied index that the leader was last told.
    reported: LogIndex,
    /// Until when timeouts are not judged after a stall.
    grace: Option<Time>,
    next_housekeeping: Time,
    handing_over: bool,
}

impl Consensus {
    pub(crate) fn new(core: Raft, mailbox: Mailbox, context: Context) -> Self {
        Consensus {
            next_housekeeping: context.clock.now(),
            core,
            mailbox,
            context,
            writes: VecDeque::new(),
            reads: HashMap::new(),
            next_read: 0,
            unwritten: VecDeque::new(),
            backlog: None,
            reported: 0,
            grace: None,
            handing_over: false,
        }
    }

    /// Runs until the node stops.
    pub(crate) async fn run(mut self) {
        let mut phase = self.context.phase.clone();
        let mut inputs = Vec::new();
        loop {
            let now = self.context.clock.now();
            let wake = self
                .core
                .poll_timeout()
                .max(self.grace.unwrap_or(Time::ZERO));
            let wake = wake.min(self.next_housekeeping);
            tokio::select! {
                biased;
                changed = phase.changed() => {
                    if changed.is_err() || *phase.borrow() == Phase::Stopped {
                        return;
                    }
                    self.handing_over = *phase.borrow() == Phase::Draining;
                }
                () = self.mailbox.receive(&mut inputs) => {}
                Some((replica, index)) = self.context.diverged.recv() => {
                    self.send(replica, Frame::Diverged { index });
                }
                () = tokio::time::sleep(wake.since(now)) => {}
            }
            self.handle(&mut inputs);
        }
    }

    /// One wake-up: takes everything in, then carries out what comes of it.
    fn handle(&mut self, inputs: &mut Vec<Input>) {
        let mut timed = !self.mailbox.prioritised;
        let taken = inputs.len();
        if known_bugs::active(KnownBug::ElectionBeforeMailbox) {
            self.core.handle_timeout(self.context.clock.now());
        }
        for input in inputs.drain(..) {
            if !timed && matches!(input, Input::Client(_)) {
                self.judge_timeouts();
                timed = true;
            }
            self.take(input);
        }
        if !timed || !self.mailbox.prioritised {
            self.judge_timeouts();
        }
        let now = self.context.clock.now();
        let effects = self.core.take_effects(now);
        if let Some(observer) = &self.context.observer {
            let queues = Queues {
                writes: self.writes.len(),
                reads: self.reads.len(),
                appends: self.unwritten.len(),
                inputs: taken,
            };
            observer.woke(now, &self.core.status(), &effects, queues);
        }
        self.carry_out(effects, now);
        self.publish();
        if now >= self.next_housekeeping {
            self.next_housekeeping = now + HOUSEKEEPING;
            self.keep_house(now);
        }
    }

    /// Lets the core act on the time: only now, after the peers' messages of this wake-up,
    /// and not at once when this process was stopped for a while.
    fn judge_timeouts(&mut self) {
        let now = self.context.clock.now();
        match self.grace {
            Some(until) if now < until => return,
            Some(_) => self.grace = None,
            None => {
                let late = now.since(self.core.poll_timeout());
                if late > STALL {
                    tracing::warn!(?late, "this process was stopped for a while");
                    self.grace = Some(now + STALL_GRACE);
                    return;
                }
            }
        }
        self.core.handle_timeout(now);
    }

    fn take(&mut self, input: Input) {
        // Taken anew for each: the time used for a read must come after the read was taken.
        let now = self.context.clock.now();
        match input {
            Input::Completed(completion) => self.core.log_completed(now, completion),
            Input::Peer { from, message } => {
                if let Some(observer) = &self.context.observer {
                    observer.received(now, from, &message);
                }
                self.core.step(now, from, message);
            }
            Input::Unreachable(peer) => self.core.peer_unreachable(now, peer),
            Input::Fetched {
                peer,
                first,
                entries,
            } => {
                let entries = match entries {
                    Ok(entries) => entries,
                    Err(error) => {
                        tracing::error!(peer, first, "cannot read the log for a follower: {error}");
                        Vec::new()
                    }
                };
                if let Some(observer) = &self.context.observer {
                    observer.fetched(peer, first, entries.len());
                }
                self.core.entries_fetched(now, peer, first, entries);
            }
            Input::Client(ClientInput::Write {
                command,
                reply,
                queued_at,
            }) => {
                self.context
                    .metrics
                    .queue
                    .observe(now.since(queued_at).as_secs_f64());
                // Its client gave up while it waited.
                if reply.is_closed() {
                    return;
                }
                let refusal = if self.context.shared.disk_full.load(Ordering::Relaxed) {
                    Refusal::DiskFull
                } else if self.backlog.is_some() {
                    self.context.metrics.overload("apply");
                    Refusal::Overloaded("the state machine is behind")
                } else {
                    match self.core.propose(now, command) {
                        Ok((term, index)) => {
                            self.writes.push_back(PendingWrite {
                                index,
                                term,
                                reply,
                                proposed_at: now,
                            });
                            return;
                        }
                        Err(ProposeRefusal::NotLeader { leader: Some(_) }) => Refusal::NotLeader,
                        Err(
                            ProposeRefusal::NotLeader { leader: None }
                            | ProposeRefusal::Transferring,
                        ) => Refusal::NoLeader,
                        Err(ProposeRefusal::Overloaded) => {
                            self.context.metrics.overload("open-proposals");
                            Refusal::Overloaded("open proposals")
                        }
                    }
                };
                let _ = reply.send(Err(refusal));
            }
            Input::Client(ClientInput::Read {
                query,
                min_index,
                mode,
                reply,
            }) => {
                let now = if known_bugs::active(KnownBug::ReadTimeBeforeQueue) {
                    // When it was to wake up at the latest.
                    now.min(self.next_housekeeping)
                } else {
                    now
                };
                if !reply.is_closed() {
                    self.read(now, query, min_index, mode, reply);
                }
            }
            Input::Client(ClientInput::Status(reply)) => {
                let _ = reply.send(self.core.status());
            }
        }
    }

    fn read(
        &mut self,
        now: Time,
        query: Query,
        min_index: LogIndex,
        mode: ReadMode,
        reply: ReadReply,
    ) {
        let context = ReadContext(self.next_read);
        self.next_read += 1;
        self.reads.insert(
            context,
            PendingRead {
                query,
                min_index,
                reply,
            },
        );
        if let Some(observer) = &self.context.observer {
            observer.read_taken(now, context, mode);
        }
        self.core.read(now, context, mode);
    }

    fn carry_out(&mut self, effects: Effects, now: Time) {
        let Effects {
            append,
            messages,
            committed,
            reads,
            fetches,
        } = effects;
        if let Some(append) = append {
            self.unwritten.push_back(Queued {
                append: Some(append),
                at: now,
            });
        }
        self.feed_writer();
        for envelope in messages {
            if matches!(
                envelope.message.body,
                Body::RequestVote {
                    pre_vote: false,
                    ..
                }
            ) {
                self.context.metrics.elections.inc();
            }
            let dropped = !self.send(envelope.to, Frame::Raft(envelope.message));
            if dropped {
                self.core.peer_unreachable(now, envelope.to);
            }
        }
        let mut work = Work::default();
        if let Some(committed) = committed {
            let status = self.core.status();
            work.durable = status.durable_index.min(status.commit_index);
            work.writes = self.committed_writes(committed.through, now);
            work.committed = Some((committed, now));
        }
        for (context, outcome) in reads {
            let Some(read) = self.reads.remove(&context) else {
                continue;
            };
            match outcome {
                Ok(index) => work.reads.push(ReadyRead {
                    query: read.query,
                    index: index.max(read.min_index),
                    reply: read.reply,
                }),
                Err(refusal) => {
                    let refusal = match refusal {
                        ReadRefusal::NoLeader => Refusal::NoLeader,
                        ReadRefusal::Overloaded => {
                            self.context.metrics.overload("pending-reads");
                            Refusal::Overloaded("pending reads")
                        }
                    };
                    let _ = read.reply.send(Err(refusal));
                }
            }
        }
        self.feed_applier(work);
        for fetch in fetches {
            self.fetch(fetch);
        }
    }

    /// The clients of the proposals up to `through`.
    fn committed_writes(&mut self, through: LogIndex, now: Time) -> Vec<CommittedWrite> {
        let mut writes = Vec::new();
        while let Some(write) = self.writes.pop_front_if(|write| write.index <= through) {
            self.context
                .metrics
                .replication
                .observe(now.since(write.proposed_at).as_secs_f64());
            writes.push(CommittedWrite {
                index: write.index,
                term: write.term,
                reply: write.reply,
            });
        }
        writes
    }

    /// Sends a frame; false when it was dropped.
    fn send(&self, to: NodeId, frame: Frame) -> bool {
        let Some(outbox) = self.context.outboxes.get(&to) else {
            return false;
        };
        outbox.send(frame)
    }

    fn feed_writer(&mut self) {
        while let Some(queued) = self.unwritten.pop_front() {
            if let Err(refused) = self.context.writer.try_send(queued) {
                // A closed queue means that the writer gave up, and has said so.
                self.unwritten.push_front(refused.into_inner());
                return;
            }
        }
    }

    fn feed_applier(&mut self, work: Work) {
        let work = match self.backlog.take() {
            Some(backlog) => merged(backlog, work, self.core.status().durable_index),
            None => work,
        };
        if work.committed.is_none() && work.reads.is_empty() && work.writes.is_empty() {
            return;
        }
        if let Err(refused) = self.context.applier.try_send(work) {
            self.backlog = Some(refused.into_inner());
        }
    }

    /// Reads entries for a follower far behind, without holding anything up.
    fn fetch(&self, fetch: Fetch) {
        let Fetch {
            peer,
            first,
            last,
            max_bytes,
        } = fetch;
        let reader = self.context.reader.clone();
        let spawner = Arc::clone(&self.context.spawner);
        let lane = self.context.lanes.peers.clone();
        let task = async move {
            let read = blocking(spawner.as_ref(), move || {
                reader.read(first, last, max_bytes)
            });
            if let Some(entries) = read.await {
                let fetched = Input::Fetched {
                    peer,
                    first,
                    entries,
                };
                // It fails when the node has stopped.
                let _ = lane.send(fetched).await;
            }
        };
        drop(self.context.spawner.spawn(Box::pin(task)));
    }

    /// Tells the others who leads, and the clients of a lost leadership that theirs is unknown.
    fn publish(&mut self) {
        let status = self.core.status();
        let view = View {
            role: status.role,
            term: status.term,
            leader: status.leader,
            serving: status.serving,
        };
        let metrics = &self.context.metrics;
        metrics.commit_index.set(gauge_value(status.commit_index));
        metrics.last_index.set(gauge_value(status.last_index));
        self.context.view.send_if_modified(|old| {
            if *old == view {
                return false;
            }
            if old.leader != view.leader && view.leader.is_some() {
                metrics.leader_changes.inc();
                tracing::info!(leader = view.leader, term = view.term, "a leader is known");
            }
            metrics.term.set(gauge_value(view.term));
            metrics.is_leader.set(i64::from(view.role == Role::Leader));
            *old = view;
            true
        });
        while let Some(lost) = self
            .writes
            .pop_front_if(|write| view.role != Role::Leader || write.term != view.term)
        {
            let answer = if known_bugs::active(KnownBug::UnknownAnsweredAsFailed) {
                Refusal::NoLeader
            } else {
                Refusal::Unknown
            };
            let _ = lost.reply.send(Err(answer));
        }
    }

    fn keep_house(&mut self, now: Time) {
        self.feed_writer();
        self.feed_applier(Work::default());
        let view = *self.context.view.borrow();
        if view.role == Role::Leader {
            if self.handing_over {
                self.hand_over(now);
            }
        } else if let Some(leader) = view.leader {
            let Applied { index, digest } = *self.context.applied.borrow();
            if index != self.reported && self.send(leader, Frame::Applied { index, digest }) {
                self.reported = index;
            }
        }
        if self.context.shared.disk_full.load(Ordering::Relaxed) {
            let retry = Queued {
                append: None,
                at: now,
            };
            // When the queue is full the writer has enough to try again with.
            let _ = self.context.writer.try_send(retry);
        }
    }

    /// Gives leadership to the peer that has come furthest, before this node stops.
    fn hand_over(&mut self, now: Time) {
        let status = self.core.status();
        let best = status
            .peers
            .iter()
            .filter(|peer| !peer.probing)
            .max_by_key(|peer| peer.match_index);
        if let Some(peer) = best
            && self.core.transfer_leadership(now, peer.id)
        {
            tracing::info!(to = peer.id, "handing leadership over");
        }
    }
}

/// Later work joined to what waits already. Of too many entries the oldest are left to be read
/// from the log, ⚠ but only what is durable here: at the index of an entry that is not, the log
/// may still hold another one, which this one supersedes.
fn merged(mut backlog: Work, work: Work, durable: LogIndex) -> Work {
    if let Some((later, at)) = work.committed {
        let committed = match backlog.committed.take() {
            None => later,
            Some((earlier, _)) => {
                let mut entries = earlier.entries;
                let contiguous =
                    later.entries.first().map(|entry| entry.index) == Some(earlier.through + 1);
                if !contiguous {
                    // What lies between was left to the log by the core, so it is durable, and
                    // so is all before it.
                    entries.clear();
                }
                entries.extend(later.entries);
                let bytes: usize = entries.iter().map(|entry| entry.encoded_len()).sum();
                if bytes > MAX_BACKLOG_BYTES {
                    let droppable = entries.partition_point(|entry| entry.index <= durable);
                    entries.drain(..droppable);
                }
                Committed {
                    through: later.through,
                    entries,
                }
            }
        };
        backlog.committed = Some((committed, at));
    }
    backlog.writes.extend(work.writes);
    backlog.reads.extend(work.reads);
    backlog
}
