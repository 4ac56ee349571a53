//! The judge: looks inside all nodes and at all clients, keeps the books and asks the invariants.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use telegraft_cluster::chat::{Digest, Outcome, SessionLimits};
use telegraft_cluster::env::{Observer, Queues, SimDisk, SimNode};
use telegraft_cluster::raft::{
    Append, Completion, Effects, Entry, LogIndex, Message, NodeId, Payload, ReadContext, ReadMode,
    Restored, Role, Status,
};
use telegraft_cluster::time::Time;
use tokio::time::Instant;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::facts::{Book, Facts};
use crate::invariants::{self, Event, Invariant};
use crate::operation::{Operation, Reply};
use crate::sometimes::Sometimes;
use crate::story::Story;
use crate::truth::Truth;
use crate::world::DATA_DIR;

/// What contradicts an invariant, or a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, kebab-case.
    pub rule: String,
    /// The contradiction.
    pub text: String,
    /// When, since the beginning of the run.
    pub at: Duration,
}

/// A hash of what an entry says.
pub(crate) fn hash_of(entry: &Entry) -> u64 {
    match &entry.payload {
        Payload::Noop => 1,
        Payload::Command(command) => xxh3_64(command),
        Payload::Configuration(configuration) => {
            let mut bytes = Vec::new();
            configuration.encode(&mut bytes);
            xxh3_64(&bytes).wrapping_add(2)
        }
    }
}

/// The judge. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Judge(Arc<Mutex<Court>>);

struct Court {
    start: Instant,
    facts: Facts,
    invariants: Vec<Box<dyn Invariant>>,
    violation: Option<Violation>,
    sometimes: Sometimes,
    hash: Xxh3Default,
    story: Story,
    operations: Vec<Operation>,
    completed: u64,
    took_hold: BTreeMap<&'static str, u64>,
    wakes: u64,
}

impl std::fmt::Debug for Court {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Court")
            .field("violation", &self.violation)
            .finish_non_exhaustive()
    }
}

/// More wake-ups than any run needs: something goes in circles without time passing.
const MOST_WAKES: u64 = 20_000_000;

impl Court {
    fn judge(&mut self, node: NodeId, event: &Event) {
        if self.violation.is_some() {
            return;
        }
        self.facts.now = self.start.elapsed();
        self.sometimes.see(&self.facts, node, event);
        for invariant in &mut self.invariants {
            if let Err(text) = invariant.judge(&self.facts, node, event) {
                let rule = invariant.name().to_owned();
                self.fail(rule, text);
                return;
            }
        }
    }

    fn fail(&mut self, rule: String, text: String) {
        if self.violation.is_none() {
            let at = self.start.elapsed();
            self.story.tell(at, || format!("VIOLATION {rule}: {text}"));
            self.violation = Some(Violation { rule, text, at });
        }
    }

    fn trace(&mut self, numbers: &[u64]) {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.hash.update(&now.to_le_bytes());
        for number in numbers {
            self.hash.update(&number.to_le_bytes());
        }
    }

    fn book(&mut self, node: NodeId) -> &mut Book {
        self.facts
            .nodes
            .get_mut(&node)
            .expect("every node has a book")
    }
}

impl Judge {
    /// A judge of `nodes` nodes, whose chats have these limits.
    pub(crate) fn new(nodes: u64, limits: SessionLimits, story: Story) -> Self {
        Judge(Arc::new(Mutex::new(Court {
            start: Instant::now(),
            facts: Facts {
                now: Duration::ZERO,
                nodes: (1..=nodes).map(|id| (id, Book::default())).collect(),
                truth: Truth::new(limits),
                committed: Vec::new(),
                floor: 0,
                faults_in_force: 0,
            },
            invariants: invariants::all(),
            violation: None,
            sometimes: Sometimes::default(),
            hash: Xxh3Default::new(),
            story,
            operations: Vec::new(),
            completed: 0,
            took_hold: BTreeMap::new(),
            wakes: 0,
        })))
    }

    fn court(&self) -> MutexGuard<'_, Court> {
        // A panic while it was held is a failure of the run anyway, and told as one.
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Who looks at one life of a node, and at its disk.
    pub fn observer(
        &self,
        node: NodeId,
        life: u32,
        disk: Arc<SimDisk>,
        sim: SimNode,
    ) -> Arc<dyn Observer> {
        Arc::new(Eye {
            disk,
            sim,
            judge: self.clone(),
            node,
            life,
        })
    }

    /// Time since the beginning of the run.
    pub fn now(&self) -> Duration {
        self.court().start.elapsed()
    }

    /// A line for the story, if one is told.
    pub fn tell(&self, text: impl FnOnce() -> String) {
        let mut court = self.court();
        let now = court.start.elapsed();
        court.story.tell(now, text);
    }

    /// The run has failed.
    pub fn fail(&self, rule: &str, text: String) {
        self.court().fail(rule.to_owned(), text);
    }

    /// Whether it has.
    pub fn violation(&self) -> Option<Violation> {
        self.court().violation.clone()
    }

    /// Something that is to be seen in some runs.
    pub fn sometimes(&self, name: &'static str) {
        self.court().sometimes.hit(name);
    }

    /// All nodes are down.
    pub fn all_down(&self) {
        let mut court = self.court();
        let now = court.start.elapsed();
        court.sometimes.all_down(now);
    }

    /// A bit of a stopped node's disk was flipped.
    pub fn damaged(&self, node: NodeId) {
        self.court().book(node).damaged = true;
    }

    /// A node's directory is gone, and it comes back with another one.
    pub fn forgotten(&self, node: NodeId) {
        let mut court = self.court();
        let now = court.start.elapsed();
        court.book(node).forgotten = Some(now);
    }

    /// Whether a node has lost what it had promised to keep, by a flipped bit.
    pub fn lied_to(&self, node: NodeId) -> bool {
        self.court().book(node).lied_to
    }

    /// A node is gone.
    pub fn ended(&self, node: NodeId) {
        let mut court = self.court();
        let book = court.book(node);
        book.up = false;
        book.role = None;
        court.judge(node, &Event::Ended);
        court.trace(&[1, node]);
    }

    /// How many faults are in force has changed.
    pub fn fault(&self, begins: bool) {
        let mut court = self.court();
        let faults = &mut court.facts.faults_in_force;
        *faults = if begins { *faults + 1 } else { *faults - 1 };
        court.judge(0, &Event::Fault);
        court.trace(&[2, u64::from(begins)]);
    }

    /// A fault of a kind has taken hold: something is not as it would be without it.
    pub fn took_hold(&self, kind: &'static str) {
        *self.court().took_hold.entry(kind).or_default() += 1;
    }

    /// The kinds of faults, as often as they took hold.
    pub fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.court().took_hold.clone()
    }

    /// The node that leads the highest term, as seen from inside.
    pub fn leader(&self) -> Option<NodeId> {
        let court = self.court();
        let nodes = court.facts.nodes.iter();
        nodes
            .filter(|(_, book)| book.up && book.role == Some(Role::Leader))
            .max_by_key(|(_, book)| book.term)
            .map(|(id, _)| *id)
    }

    /// A client asks; the call's number.
    pub fn invoked(&self, mut operation: Operation) -> usize {
        let mut court = self.court();
        operation.number = court.operations.len();
        operation.floor = court.facts.floor;
        operation.invoked = court.start.elapsed();
        court.judge(operation.node, &Event::Invoked(&operation));
        court.trace(&[3, operation.client as u64, operation.node]);
        let number = operation.number;
        court.operations.push(operation);
        number
    }

    /// A client has its reply.
    pub fn completed(&self, number: usize, reply: Reply, undisturbed: bool) {
        let mut court = self.court();
        let now = court.start.elapsed();
        let shown = reply.shown_index();
        let reply_hash = xxh3_64(reply.to_string().as_bytes());
        let mut operation = court.operations[number].clone();
        operation.completed = Some(now);
        operation.reply = Some(reply);
        operation.undisturbed = undisturbed;
        court.story.tell(operation.invoked, || {
            let took = (now - operation.invoked).as_millis();
            let (client, node, call) = (operation.client, operation.node, &operation.call);
            let reply = operation.reply.as_ref().map(Reply::to_string);
            let reply = reply.unwrap_or_default();
            format!("client {client} asks node {node}: {call} — after {took} ms: {reply}")
        });
        court.judge(operation.node, &Event::Completed(&operation));
        court.trace(&[4, operation.client as u64, operation.node, reply_hash]);
        court.facts.floor = court.facts.floor.max(shown);
        court.operations[number] = operation;
    }

    /// A client is done with something, tries and retries together.
    pub fn operation_done(&self) {
        self.court().completed += 1;
    }

    /// How many of those there were.
    pub fn operations(&self) -> u64 {
        self.court().completed
    }

    /// The calm begins.
    pub fn calm(&self) {
        self.court().judge(0, &Event::Calm);
    }

    /// All is over: the last rules, and the hash of all that was seen.
    pub fn end(&self) -> u64 {
        let mut court = self.court();
        court.judge(0, &Event::End);
        court.hash.digest()
    }

    /// A look at the facts.
    pub fn facts<T>(&self, look: impl FnOnce(&Facts) -> T) -> T {
        look(&self.court().facts)
    }

    /// A look at all calls.
    pub fn calls<T>(&self, look: impl FnOnce(&[Operation]) -> T) -> T {
        look(&self.court().operations)
    }

    /// What was seen of what is to be seen in some runs.
    pub fn seen(&self) -> BTreeMap<&'static str, u64> {
        self.court().sometimes.counts().clone()
    }

    /// The story so far.
    pub fn story(&self) -> Vec<String> {
        self.court().story.lines()
    }
}

/// Looks at one life of a node.
#[derive(Debug)]
struct Eye {
    judge: Judge,
    node: NodeId,
    life: u32,
    disk: Arc<SimDisk>,
    sim: SimNode,
}

impl Eye {
    /// The file of the log whose sync has failed in this life: what was written may be gone, and
    /// nothing can be found out about it (faults.md, row 10).
    fn failed_sync(&self) -> Option<String> {
        let path = self.disk.failed_sync()?;
        path.starts_with(Path::new(DATA_DIR).join("log"))
            .then(|| path.display().to_string())
    }

    /// The court, unless another life has begun.
    fn court(&self) -> Option<MutexGuard<'_, Court>> {
        let court = self.judge.court();
        let book = &court.facts.nodes[&self.node];
        (book.life == self.life && !book.lied_to).then_some(court)
    }
}

impl Observer for Eye {
    fn started(&self, now: Time, restored: &Restored, torn: bool) {
        let mut court = self.judge.court();
        if let Some(path) = self.failed_sync() {
            let text = format!(
                "node {} opens its log though a sync of {path} has failed",
                self.node
            );
            court.fail("failed-sync-stops".to_owned(), text);
            return;
        }
        let begun = court.book(self.node).start(self.life, restored);
        if let Err(broken) = begun {
            let text = format!("node {}: {}", self.node, broken.text);
            court.fail(broken.rule.to_owned(), text);
            return;
        }
        court.judge(
            self.node,
            &Event::Started {
                now,
                restored,
                torn,
            },
        );
        court.trace(&[5, self.node, restored.last_index, u64::from(torn)]);
    }

    fn received(&self, now: Time, from: NodeId, message: &Message) {
        if let Some(mut court) = self.court() {
            court.judge(self.node, &Event::Received { now, from, message });
        }
    }

    fn read_taken(&self, _now: Time, context: ReadContext, mode: ReadMode) {
        if let Some(mut court) = self.court() {
            // What the clock shows counts, not what the node takes for the time.
            let now = self.sim.shows();
            court.judge(self.node, &Event::ReadTaken { now, context, mode });
        }
    }

    fn fetched(&self, _peer: NodeId, _first: LogIndex, entries: usize) {
        if let Some(mut court) = self.court() {
            court.judge(self.node, &Event::Fetched { entries });
        }
    }

    fn woke(&self, now: Time, status: &Status, effects: &Effects, queues: Queues) {
        let Some(mut court) = self.court() else {
            return;
        };
        court.wakes += 1;
        assert!(court.wakes < MOST_WAKES, "the run goes in circles");
        let book = court.book(self.node);
        let changed = book.role != Some(status.role) || book.term != status.term;
        let wake = book.wake(status, effects);
        let facts = &mut court.facts;
        let log = &facts.nodes[&self.node].log;
        for index in facts.committed.len()..usize::try_from(status.commit_index).unwrap_or(0) {
            match log.get(index) {
                Some(term) => facts.committed.push(*term),
                None => break,
            }
        }
        if changed {
            let (node, role, term) = (self.node, status.role, status.term);
            let at = court.start.elapsed();
            court
                .story
                .tell(at, || format!("node {node} is {role:?} in term {term}"));
        }
        court.trace(&[
            6,
            self.node,
            status.term,
            status.commit_index,
            status.last_index,
            status.durable_index,
            effects.messages.len() as u64,
            effects.append.as_ref().map_or(0, |append| append.batch),
        ]);
        let event = Event::Woke {
            now,
            status,
            effects,
            queues,
            wake,
        };
        court.judge(self.node, &event);
    }

    fn writing(&self, appends: &[Append]) {
        if let Some(mut court) = self.court() {
            court.book(self.node).writing(appends);
        }
    }

    fn durable(&self, completion: &Completion) {
        if let Some(mut court) = self.court() {
            if let Some(path) = self.failed_sync() {
                let text = format!(
                    "node {} takes {completion:?} for durable after a sync of {path} has failed",
                    self.node
                );
                court.fail("failed-sync-stops".to_owned(), text);
                return;
            }
            court.book(self.node).durable(completion);
            court.trace(&[7, self.node, completion.entries_through]);
            court.judge(self.node, &Event::Durable);
        }
    }

    fn applied(&self, entry: &Entry, outcome: Option<&Outcome>, digest: Digest) {
        let Some(mut court) = self.court() else {
            return;
        };
        court.book(self.node).applied = entry.index;
        let truth = &mut court.facts.truth;
        let expected = (entry.index == truth.applied() + 1).then(|| truth.apply(entry));
        let event = Event::Applied {
            entry,
            hash: hash_of(entry),
            outcome,
            digest,
            expected: expected.as_ref(),
        };
        court.judge(self.node, &event);
    }
}
