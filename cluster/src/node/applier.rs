//! The applier: owns the chat state machine, applies what is committed and answers reads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::Limits;
use super::mailbox::WriteReply;
use super::metrics::{Metrics, gauge_value};
use super::state::{Applied, Fatal, Phase, Shared, stopped};
use crate::chat::{
    Answer, Chat, ChatMessage, Digest, DigestAt, Found, MessageRef, Outcome, Query, QueryError,
};
use crate::env::{BlockingWork, Clock, Observer, Spawner};
use crate::http::Refusal;
use crate::known_bugs::{self, KnownBug};
use crate::log::{LogError, LogReader};
use crate::raft::{Committed, Entry, LogIndex, NodeId, Payload, Term};
use crate::time::Time;

/// What a read comes to: the answer, and the index that was applied then.
pub(crate) type ReadResult = Result<(Result<Answer, QueryError>, LogIndex), Refusal>;
/// Answers a read.
pub(crate) type ReadReply = oneshot::Sender<ReadResult>;

/// Hand-overs from the consensus actor that may wait; it holds back what does not fit.
pub(crate) const WORK_CAPACITY: usize = 64;
/// Reads and looks inside that may wait; more are refused with 503.
pub(crate) const READS_CAPACITY: usize = 4096;
/// Reads that wait for an index that is not applied yet; more are refused with 503.
const MAX_WAITING_READS: usize = 4096;
/// What an entry there costs beside its command, in bytes: its slot, and the allocation's own.
const TAIL_ENTRY_BYTES: usize = 64;
/// Reads of older messages that may be at the disk at once; more are refused with 503.
const MAX_COLD_READS: usize = 64;
/// Entries applied before other tasks of this thread get their turn.
const APPLY_CHUNK: usize = 256;
/// How much of the log is read at once when replaying it, in bytes.
const REPLAY_CHUNK_BYTES: usize = 1 << 20;
/// How long to wait for an entry that is committed, and not yet durable here.
const REPLAY_RETRY: Duration = Duration::from_millis(5);

/// A write whose entry is committed; it is answered with what comes of it.
#[derive(Debug)]
pub(crate) struct CommittedWrite {
    pub(crate) index: LogIndex,
    pub(crate) term: Term,
    pub(crate) reply: WriteReply,
}

/// A read that may be answered once an index is applied.
#[derive(Debug)]
pub(crate) struct ReadyRead {
    pub(crate) query: Query,
    pub(crate) index: LogIndex,
    pub(crate) reply: ReadReply,
}

/// What the consensus actor hands over.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// What became committed, and when.
    pub(crate) committed: Option<(Committed, Time)>,
    /// Through which entry what is committed is durable here. A leader may commit what its own
    /// disk, or a follower's, does not have yet.
    pub(crate) durable: LogIndex,
    /// The clients who wait for some of it, in order.
    pub(crate) writes: Vec<CommittedWrite>,
    /// Reads that have their index.
    pub(crate) reads: Vec<ReadyRead>,
}

/// What others ask for.
#[derive(Debug)]
pub(crate) enum Ask {
    /// A read that needs no read index.
    Local(ReadyRead),
    /// The digest at an index, or at the last applied one.
    Digest {
        index: Option<LogIndex>,
        reply: oneshot::Sender<(LogIndex, DigestAt)>,
    },
    /// A follower says what its digest is; the leader compares.
    Report {
        from: NodeId,
        index: LogIndex,
        digest: Digest,
    },
}

/// The newest commands, contiguous. ⚠ All that are not durable here are among them: at their
/// indexes the log may still hold other entries, which they supersede.
///
/// How many those are is bounded by what a leader has open, and by what it sends a follower ahead
/// of its acknowledgements.
#[derive(Debug)]
struct Tail {
    first: LogIndex,
    commands: VecDeque<Bytes>,
    bytes: usize,
    /// What it may take, in bytes, unless that much is not durable.
    most: usize,
    /// Through which entry the log has what was applied.
    durable: LogIndex,
}

impl Tail {
    fn new(most: usize) -> Self {
        Tail {
            first: 0,
            commands: VecDeque::new(),
            bytes: 0,
            most,
            durable: 0,
        }
    }

    fn push(&mut self, entry: &Entry) {
        if self.commands.is_empty() {
            self.first = entry.index;
        } else if known_bugs::active(KnownBug::BodiesShiftAtNoop) && entry.payload == Payload::Noop
        {
            return;
        }
        let command = match &entry.payload {
            Payload::Command(command) => command.clone(),
            Payload::Noop | Payload::Configuration(_) => Bytes::new(),
        };
        self.bytes += command.len() + TAIL_ENTRY_BYTES;
        self.commands.push_back(command);
        while self.bytes > self.most
            && (self.first <= self.durable || known_bugs::active(KnownBug::SupersededBodyShown))
        {
            let oldest = self.commands.pop_front().expect("its bytes were counted");
            self.bytes -= oldest.len() + TAIL_ENTRY_BYTES;
            self.first += 1;
        }
    }

    fn get(&self, index: LogIndex) -> Option<&Bytes> {
        let offset = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.commands.get(offset)
    }
}

/// The clients that wait for entries of one hand-over, in the order of their indexes.
struct Writes(std::iter::Peekable<std::vec::IntoIter<CommittedWrite>>);

/// The applier.
#[derive(Debug)]
pub(crate) struct Applier {
    chat: Chat,
    tail: Tail,
    reader: LogReader,
    /// Reads whose index is not applied yet, in the order of their indexes.
    waiting: BTreeMap<(LogIndex, u64), ReadyRead>,
    next_waiting: u64,
    /// Followers' digests at indexes that are not applied here yet: the newest of each.
    reports: BTreeMap<NodeId, (LogIndex, Digest)>,
    cold_reads: Arc<Semaphore>,
    work: mpsc::Receiver<Work>,
    asks: mpsc::Receiver<Ask>,
    context: Context,
}

/// What the applier is given of the rest of the node.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) id: NodeId,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawner: Arc<dyn Spawner>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) fatal: Fatal,
    pub(crate) applied: watch::Sender<Applied>,
    pub(crate) phase: watch::Receiver<Phase>,
    /// Followers found to differ, for the consensus actor's links to tell them.
    pub(crate) diverged: mpsc::Sender<(NodeId, LogIndex)>,
}

impl Applier {
    pub(crate) fn new(
        reader: LogReader,
        limits: &Limits,
        work: mpsc::Receiver<Work>,
        asks: mpsc::Receiver<Ask>,
        context: Context,
    ) -> Self {
        Applier {
            chat: Chat::with_limits(limits.sessions),
            tail: Tail::new(limits.applier_tail_bytes),
            reader,
            waiting: BTreeMap::new(),
            next_waiting: 0,
            reports: BTreeMap::new(),
            cold_reads: Arc::new(Semaphore::new(MAX_COLD_READS)),
            work,
            asks,
            context,
        }
    }

    /// Runs until the node stops.
    pub(crate) async fn run(mut self) {
        let mut asks = Vec::new();
        let mut phase = self.context.phase.clone();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut phase) => return,
                work = self.work.recv() => match work {
                    Some(work) => {
                        if !self.take(work).await {
                            return;
                        }
                    }
                    None => return,
                },
                _ = self.asks.recv_many(&mut asks, READS_CAPACITY) => {
                    for ask in asks.drain(..) {
                        self.answer_ask(ask);
                    }
                }
            }
        }
    }

    /// Applies and answers; false when the node has to stop.
    async fn take(&mut self, work: Work) -> bool {
        let mut writes = Writes(work.writes.into_iter().peekable());
        self.tail.durable = self.tail.durable.max(work.durable);
        if let Some((committed, at)) = work.committed {
            #[cfg(feature = "known-bugs")]
            let replay = self.chat.applied().0 == 0;
            let first_given = committed
                .entries
                .first()
                .map_or(committed.through + 1, |entry| entry.index);
            if !self.replay_until(first_given - 1, &mut writes, at).await {
                return false;
            }
            for chunk in committed.entries.chunks(APPLY_CHUNK) {
                for entry in chunk {
                    self.apply_and_answer(entry, &mut writes, at);
                }
                tokio::task::consume_budget().await;
            }
            #[cfg(feature = "known-bugs")]
            if replay {
                self.chat.forget_after_replay();
            }
            self.publish();
        }
        for write in writes.0 {
            // It was to be committed with this work and its entry did not come.
            let _ = write.reply.send(Err(Refusal::Unknown));
        }
        for read in work.reads {
            self.serve_or_wait(read);
        }
        true
    }

    /// Applies what stands in the log up to `last`: after a restart, or when the hand-over
    /// fell behind.
    async fn replay_until(&mut self, last: LogIndex, writes: &mut Writes, at: Time) -> bool {
        loop {
            let first = self.chat.applied().0 + 1;
            if first > last {
                return true;
            }
            let reader = self.reader.clone();
            let read = blocking(self.context.spawner.as_ref(), move || {
                reader.read(first, last, REPLAY_CHUNK_BYTES)
            })
            .await;
            match read {
                Some(Ok(entries)) => {
                    for entry in &entries {
                        self.apply_and_answer(entry, writes, at);
                    }
                    self.publish();
                }
                // Committed by a majority without us, and still on its way to our disk.
                Some(Err(LogError::NotThere(_))) => tokio::time::sleep(REPLAY_RETRY).await,
                Some(Err(error)) => {
                    self.context
                        .fatal
                        .raise(format!("cannot apply entry {first}: {error}"));
                    return false;
                }
                None => return false,
            }
            if *self.context.phase.borrow() == Phase::Stopped {
                return false;
            }
        }
    }

    /// Applies one entry and tells its client, if one waits, what came of it.
    fn apply_and_answer(&mut self, entry: &Entry, writes: &mut Writes, committed_at: Time) {
        let outcome = self.apply(entry);
        let Some(write) = writes.0.next_if(|write| write.index == entry.index) else {
            return;
        };
        let answer = answer(write.term, entry, outcome);
        let now = self.context.clock.now();
        self.context
            .metrics
            .apply
            .observe(now.since(committed_at).as_secs_f64());
        // The client may be gone.
        let _ = write.reply.send(answer);
    }

    fn apply(&mut self, entry: &Entry) -> Option<Outcome> {
        self.tail.push(entry);
        let outcome = if known_bugs::active(KnownBug::OneReplicaSkipsEntries)
            && self.context.id == 1
            && entry.index.is_multiple_of(64)
        {
            let payload = Payload::Noop;
            self.chat.apply(&Entry { payload, ..*entry })
        } else {
            self.chat.apply(entry)
        };
        if let Some(observer) = &self.context.observer {
            observer.applied(entry, outcome.as_ref(), self.chat.applied().1);
        }
        outcome
    }

    /// Tells how far it is, and serves who waited for that.
    fn publish(&mut self) {
        let (index, digest) = self.chat.applied();
        self.context.applied.send_replace(Applied { index, digest });
        self.context.metrics.applied_index.set(gauge_value(index));
        self.context
            .metrics
            .kept_messages
            .set(gauge_value(self.chat.kept_messages()));
        while let Some(first) = self.waiting.first_entry() {
            if first.key().0 > index {
                break;
            }
            let read = first.remove();
            self.serve(read);
        }
        let due: Vec<_> = self
            .reports
            .iter()
            .filter(|(_, (at, _))| *at <= index)
            .map(|(from, (at, digest))| (*from, *at, *digest))
            .collect();
        for (from, at, digest) in due {
            self.reports.remove(&from);
            self.compare(from, at, digest);
        }
    }

    fn answer_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Local(read) => self.serve_or_wait(read),
            Ask::Digest { index, reply } => {
                let index = index.unwrap_or(self.chat.applied().0);
                let _ = reply.send((index, self.chat.digest_at(index)));
            }
            Ask::Report {
                from,
                index,
                digest,
            } => self.compare(from, index, digest),
        }
    }

    /// Compares a follower's digest with ours at that index.
    fn compare(&mut self, from: NodeId, index: LogIndex, digest: Digest) {
        match self.chat.digest_at(index) {
            DigestAt::Known(ours) if ours == digest => {}
            DigestAt::Known(ours) => {
                tracing::error!(
                    replica = from, index, %ours, theirs = %digest,
                    "a replica's state differs from the leader's"
                );
                // When the lane is full the next report tells it again.
                let _ = self.context.diverged.try_send((from, index));
            }
            DigestAt::NotYet => {
                self.reports.insert(from, (index, digest));
            }
            // Too far behind to tell; a later report will do.
            DigestAt::Forgotten { .. } => {}
        }
    }

    fn serve_or_wait(&mut self, read: ReadyRead) {
        if read.index <= self.chat.applied().0 {
            self.serve(read);
            return;
        }
        if self.waiting.len() >= MAX_WAITING_READS {
            // Those who gave up make room first.
            self.waiting.retain(|_, read| !read.reply.is_closed());
        }
        if self.waiting.len() >= MAX_WAITING_READS {
            self.context.metrics.overload("waiting-reads");
            let _ = read.reply.send(Err(Refusal::Overloaded("waiting reads")));
            return;
        }
        self.next_waiting += 1;
        self.waiting.insert((read.index, self.next_waiting), read);
    }

    fn serve(&self, read: ReadyRead) {
        let applied = self.chat.applied().0;
        if let Some(index) = self.context.shared.diverged() {
            let _ = read.reply.send(Err(Refusal::Diverged { index }));
            return;
        }
        match self.chat.query(&read.query) {
            Err(error) => drop(read.reply.send(Ok((Err(error), applied)))),
            Ok(Found::User(user_id)) => {
                let _ = read.reply.send(Ok((Ok(Answer::User(user_id)), applied)));
            }
            Ok(Found::Room(room_id)) => {
                let _ = read.reply.send(Ok((Ok(Answer::Room(room_id)), applied)));
            }
            Ok(Found::Members(members)) => {
                let answer = Answer::Members(members);
                let _ = read.reply.send(Ok((Ok(answer), applied)));
            }
            Ok(Found::Messages(references)) => {
                self.with_bodies(references, read.reply, applied, Answer::Messages);
            }
            Ok(Found::Inbox { messages, cursor }) => {
                self.with_bodies(messages, read.reply, applied, move |messages| {
                    Answer::Inbox { messages, cursor }
                });
            }
        }
    }

    /// Answers with the messages' bodies: from memory, or else from the log, on a thread
    /// that may block.
    fn with_bodies(
        &self,
        references: Vec<MessageRef>,
        reply: ReadReply,
        applied: LogIndex,
        answer: impl FnOnce(Vec<ChatMessage>) -> Answer + Send + 'static,
    ) {
        let mut messages = Vec::with_capacity(references.len());
        for reference in &references {
            match self.tail.get(reference.index) {
                Some(command) => match ChatMessage::from_payload(*reference, command.clone()) {
                    Ok(message) => messages.push(message),
                    Err(error) => {
                        let _ = reply.send(Err(undecodable(reference.index, &error)));
                        return;
                    }
                },
                None => break,
            }
        }
        if messages.len() == references.len() {
            let _ = reply.send(Ok((Ok(answer(messages)), applied)));
            return;
        }
        let Ok(permit) = Arc::clone(&self.cold_reads).try_acquire_owned() else {
            self.context.metrics.overload("cold-reads");
            let _ = reply.send(Err(Refusal::Overloaded("reads of old messages")));
            return;
        };
        let reader = self.reader.clone();
        let mut hot: BTreeMap<LogIndex, Bytes> = BTreeMap::new();
        for reference in &references {
            if let Some(command) = self.tail.get(reference.index) {
                hot.insert(reference.index, command.clone());
            }
        }
        let work: BlockingWork = Box::new(move || {
            let messages = read_bodies(&reader, &references, &hot);
            let _ = reply.send(messages.map(|messages| (Ok(answer(messages)), applied)));
            drop(permit);
        });
        self.context.spawner.run_blocking(work);
    }
}

/// The messages that `references` name, from memory where `hot` has them.
fn read_bodies(
    reader: &LogReader,
    references: &[MessageRef],
    hot: &BTreeMap<LogIndex, Bytes>,
) -> Result<Vec<ChatMessage>, Refusal> {
    /// Neighbours in a room often are neighbours in the log: one read fetches several.
    const READ_AHEAD_BYTES: usize = 64 << 10;
    let mut fetched: VecDeque<Entry> = VecDeque::new();
    let mut messages = Vec::with_capacity(references.len());
    let last = references.last().map_or(0, |reference| reference.index);
    for reference in references {
        let index = reference.index;
        let command = if let Some(command) = hot.get(&index) {
            command.clone()
        } else {
            while fetched.front().is_some_and(|entry| entry.index < index) {
                fetched.pop_front();
            }
            if fetched.front().is_none_or(|entry| entry.index != index) {
                // Reading ahead pays only where the next ones are close.
                let dense = last - index < 4 * references.len() as u64;
                let (through, bytes) = if dense {
                    (last, READ_AHEAD_BYTES)
                } else {
                    (index, 0)
                };
                fetched = reader
                    .read(index, through, bytes)
                    .map_err(|error| Refusal::Storage(error.to_string()))?
                    .into();
            }
            match fetched.front().map(|entry| &entry.payload) {
                Some(Payload::Command(command)) => command.clone(),
                _ => {
                    return Err(Refusal::Storage(format!(
                        "entry {index} of the log is no message"
                    )));
                }
            }
        };
        let message = ChatMessage::from_payload(*reference, command)
            .map_err(|error| undecodable(index, &error))?;
        messages.push(message);
    }
    Ok(messages)
}

/// What the client of a write is told that was proposed in a term, for the entry at its index and
/// what came of that one.
fn answer(proposed: Term, entry: &Entry, outcome: Option<Outcome>) -> Result<Outcome, Refusal> {
    if proposed == entry.term || known_bugs::active(KnownBug::SupersededAnsweredAsOk) {
        outcome.ok_or(Refusal::Unknown)
    } else {
        // Another leader's entry stands there: this one never happens.
        Err(Refusal::NoLeader)
    }
}

fn undecodable(index: LogIndex, error: &crate::codec::DecodeError) -> Refusal {
    Refusal::Storage(format!("message in entry {index}: {error}"))
}

/// Runs work that blocks and waits for what it gives; none when the node is going down.
pub(crate) async fn blocking<T: Send + 'static>(
    spawner: &dyn Spawner,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    spawner.run_blocking(Box::new(move || {
        let _ = sender.send(work());
    }));
    receiver.await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever learns in one wake-up that it leads no more, and that another's entries are
    /// committed in the place of its own. Seen to fail with `superseded-answered-as-ok`.
    #[test]
    fn a_superseded_write_is_not_answered_by_what_came_of_another() {
        let entry = Entry {
            index: 7,
            term: 2,
            payload: Payload::Command(Bytes::new()),
        };
        let joined = Some(Outcome::Joined);
        assert_eq!(answer(1, &entry, joined.clone()), Err(Refusal::NoLeader));
        assert_eq!(answer(2, &entry, joined), Ok(Outcome::Joined));
        assert_eq!(answer(2, &entry, None), Err(Refusal::Unknown));
    }

    /// Found by the simulator: a leader that had been cut off showed the body of a superseded
    /// message, for the entry in its place was committed by others and not on its disk yet.
    #[test]
    fn what_the_log_does_not_have_stays_in_memory() {
        let entry = |index| Entry {
            index,
            term: 1,
            payload: Payload::Command(Bytes::from(vec![0; 100])),
        };
        let mut tail = Tail::new(0);
        tail.durable = 2;
        for index in 1..=5 {
            tail.push(&entry(index));
        }
        let held = |tail: &Tail| {
            (1..=6)
                .filter(|at| tail.get(*at).is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(held(&tail), [3, 4, 5]);
        tail.durable = 5;
        tail.push(&entry(6));
        assert_eq!(held(&tail), [6]);
    }
}
