//! What is known of every node from looking inside: its log in memory and on its disk.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use telegraft_cluster::raft::{
    Append, Completion, Effects, HardState, LogIndex, NodeId, Restored, Role, Status, Term,
};

use crate::truth::Truth;

/// An append on its way to a disk.
#[derive(Clone, Debug)]
pub struct OnItsWay {
    batch: u64,
    hard_state: Option<HardState>,
    first: LogIndex,
    terms: Vec<Term>,
}

/// One node, from outside its code: followed by what it was seen to do.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Which of its lives this is; from 1. 0 before the first.
    pub life: u32,
    /// Whether it runs.
    pub up: bool,
    /// Each entry's term, as the consensus core has them: index 1 stands at 0.
    pub log: Vec<Term>,
    /// The same, as its disk has them for certain.
    pub disk: Vec<Term>,
    /// Term and vote on its disk.
    pub hard_state: HardState,
    /// What it writes.
    pub on_its_way: VecDeque<OnItsWay>,
    /// What its disk had before the last write that the log took for durable.
    before: Before,
    /// The last entry of the log that it was started with.
    pub restored: LogIndex,
    /// What it was at its last wake-up.
    pub role: Option<Role>,
    /// Its term then.
    pub term: Term,
    /// Its commit index then.
    pub commit: LogIndex,
    /// The last entry that it has applied in this life.
    pub applied: LogIndex,
    /// A bit of its disk was flipped: what it lost is not its fault.
    pub damaged: bool,
    /// It has lost what it had promised to keep, through a flipped bit.
    pub lied_to: bool,
    /// Since when its directory is gone. What it does from then on counts for nothing.
    pub forgotten: Option<Duration>,
}

/// What a disk had before its last durable write: a bad disk may make that one write look torn,
/// and no other.
#[derive(Clone, Debug, Default)]
struct Before {
    /// How many of the disk's entries it had as well.
    kept: usize,
    /// The entries after those.
    rest: Vec<Term>,
    hard_state: HardState,
    /// What was written then.
    written: Vec<OnItsWay>,
}

/// Why a log cannot be what is left of a node's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The rule.
    pub(crate) rule: &'static str,
    /// The contradiction.
    pub(crate) text: String,
}

/// What a wake-up changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wake {
    /// The first entry that was superseded in memory.
    pub superseded: Option<LogIndex>,
    /// The commit index before.
    pub commit_before: LogIndex,
    /// The term before.
    pub term_before: Term,
    /// The role before.
    pub role_before: Option<Role>,
}

/// The term of an entry.
fn term_at(log: &[Term], index: LogIndex) -> Option<Term> {
    log.get(usize::try_from(index.checked_sub(1)?).ok()?)
        .copied()
}

/// Puts entries at their places; what was there and after is gone.
fn put(log: &mut Vec<Term>, first: LogIndex, terms: &[Term]) {
    if !terms.is_empty() {
        log.truncate(usize::try_from(first - 1).expect("a log is in memory"));
        log.extend_from_slice(terms);
    }
}

impl Book {
    /// The term of an entry in memory.
    pub fn log_term(&self, index: LogIndex) -> Option<Term> {
        term_at(&self.log, index)
    }

    /// The term of an entry on the disk.
    pub fn disk_term(&self, index: LogIndex) -> Option<Term> {
        term_at(&self.disk, index)
    }

    /// A new life begins with what its log gave back. Why that cannot be, if it cannot: of a disk
    /// on which a bit was flipped, the last write may be gone (it cannot be told from a torn one),
    /// and nothing else.
    pub(crate) fn start(&mut self, life: u32, restored: &Restored) -> Result<(), Broken> {
        if self.forgotten.is_some() {
            self.life = life;
            self.lied_to = true;
            return Ok(());
        }
        let found = terms_of(restored);
        let kept = self.keeps(&found, restored.hard_state);
        self.life = life;
        self.up = true;
        self.restored = restored.last_index;
        self.role = None;
        self.term = restored.hard_state.term;
        self.commit = 0;
        self.applied = 0;
        match kept {
            Err(text) if self.damaged => {
                self.lied_to = true;
                self.lacks_the_last_write(&found, restored.hard_state)
                    .map_err(|_| Broken {
                        rule: "corruption-is-refused",
                        text: format!("a bit of its log was flipped, and {text}"),
                    })?;
                self.log = found;
                return Ok(());
            }
            Err(text) => {
                let rule = "durable-stays";
                return Err(Broken { rule, text });
            }
            Ok(()) => self.damaged = false,
        }
        if found != self.disk {
            // The last write is one that was on its way.
            self.note_before(0);
        }
        self.on_its_way.clear();
        self.log.clone_from(&found);
        self.disk = found;
        self.hard_state = restored.hard_state;
        Ok(())
    }

    /// Whether a log may be what is left of this node's disk: what was durable, and any
    /// beginning of what was on its way.
    fn keeps(&self, found: &[Term], hard_state: HardState) -> Result<(), String> {
        let on_its_way = self.on_its_way.iter();
        is_left(
            self.disk.clone(),
            self.hard_state,
            on_its_way,
            found,
            hard_state,
        )
    }

    /// Whether a log may be what is left of this node's disk without its last write.
    fn lacks_the_last_write(&self, found: &[Term], hard_state: HardState) -> Result<(), String> {
        let before = &self.before;
        let mut had = self.disk[..before.kept.min(self.disk.len())].to_vec();
        had.extend_from_slice(&before.rest);
        let writes = before.written.iter().chain(&self.on_its_way);
        is_left(had, before.hard_state, writes, found, hard_state)
    }

    /// The disk is about to have more: notes what it has and what it gets, through the entries
    /// of this append.
    fn note_before(&mut self, through: u64) {
        let written: Vec<OnItsWay> = self
            .on_its_way
            .iter()
            .take_while(|append| append.batch <= through || through == 0)
            .cloned()
            .collect();
        let first = written
            .iter()
            .filter(|append| !append.terms.is_empty())
            .map(|append| append.first)
            .min();
        let kept = first.map_or(self.disk.len(), |first| {
            let before_first = usize::try_from(first - 1).expect("a log is in memory");
            before_first.min(self.disk.len())
        });
        self.before = Before {
            kept,
            rest: self.disk[kept..].to_vec(),
            hard_state: self.hard_state,
            written,
        };
    }

    /// The consensus actor has woken up.
    pub fn wake(&mut self, status: &Status, effects: &Effects) -> Wake {
        let mut wake = Wake {
            superseded: None,
            commit_before: self.commit,
            term_before: self.term,
            role_before: self.role,
        };
        if let Some(append) = &effects.append
            && let Some(first) = append.entries.first()
        {
            if first.index <= self.log.len() as LogIndex {
                wake.superseded = Some(first.index);
            }
            let terms: Vec<Term> = append.entries.iter().map(|entry| entry.term).collect();
            put(&mut self.log, first.index, &terms);
        }
        self.role = Some(status.role);
        self.term = status.term;
        self.commit = status.commit_index;
        wake
    }

    /// The log writer begins a write.
    pub fn writing(&mut self, appends: &[Append]) {
        for append in appends {
            self.on_its_way.push_back(OnItsWay {
                batch: append.batch,
                hard_state: append.hard_state,
                first: append.entries.first().map_or(0, |entry| entry.index),
                terms: append.entries.iter().map(|entry| entry.term).collect(),
            });
        }
    }

    /// The log says what is durable.
    pub fn durable(&mut self, completion: &Completion) {
        let through = completion
            .entries_through
            .max(completion.hard_state_through);
        let brings_something = self.on_its_way.iter().any(|append| {
            append.batch <= completion.entries_through && !append.terms.is_empty()
                || append.batch <= completion.hard_state_through && append.hard_state.is_some()
        });
        if brings_something {
            self.note_before(through);
        }
        for append in &mut self.on_its_way {
            if append.batch <= completion.hard_state_through
                && let Some(hard_state) = append.hard_state.take()
            {
                self.hard_state = hard_state;
            }
            if append.batch <= completion.entries_through {
                put(&mut self.disk, append.first, &append.terms);
                append.terms.clear();
            }
        }
        self.on_its_way
            .retain(|append| append.batch > completion.entries_through);
    }
}

/// Whether a log may be what is left of a disk that had `disk` and `hard_state`, and any beginning
/// of these writes after that.
fn is_left<'a>(
    disk: Vec<Term>,
    hard_state: HardState,
    writes: impl Iterator<Item = &'a OnItsWay> + Clone,
    found: &[Term],
    found_hard_state: HardState,
) -> Result<(), String> {
    let mut hard_states = vec![hard_state];
    hard_states.extend(writes.clone().filter_map(|write| write.hard_state));
    if !hard_states.contains(&found_hard_state) {
        return Err(format!(
            "its log gave back {found_hard_state:?}; possible were {hard_states:?}"
        ));
    }
    let mut possible = disk;
    if possible == found {
        return Ok(());
    }
    let (durable, common) = (
        possible.len(),
        possible
            .iter()
            .zip(found)
            .take_while(|(a, b)| a == b)
            .count(),
    );
    for write in writes {
        for (term, index) in write.terms.iter().zip(write.first..) {
            put(&mut possible, index, &[*term]);
            if possible == found {
                return Ok(());
            }
        }
    }
    Err(format!(
        "{durable} entries were durable, its log gave back {} of which the first {common} are \
         those",
        found.len(),
    ))
}

/// Each entry's term of a log that was opened.
fn terms_of(restored: &Restored) -> Vec<Term> {
    let mut terms = Vec::new();
    for (position, (first, term)) in restored.term_runs.iter().enumerate() {
        let next = restored.term_runs.get(position + 1);
        let end = next.map_or(restored.last_index + 1, |(first, _)| *first);
        terms.extend((*first..end).map(|_| *term));
    }
    terms
}

/// All that the invariants may look at.
#[derive(Debug)]
pub struct Facts {
    /// How much time has passed.
    pub now: Duration,
    /// The nodes.
    pub nodes: BTreeMap<NodeId, Book>,
    /// The chat as it ought to be.
    pub truth: Truth,
    /// The term of each entry that any node took for committed.
    pub committed: Vec<Term>,
    /// The highest log index that any completed call has shown.
    pub floor: LogIndex,
    /// Links that are cut or faulty, nodes that stand or are down: faults in force.
    pub faults_in_force: u32,
}

impl Facts {
    /// How many nodes are a majority.
    pub fn quorum(&self) -> usize {
        self.nodes.len() / 2 + 1
    }

    /// On how many disks an entry is.
    pub fn copies(&self, index: LogIndex, term: Term) -> usize {
        let holders = self.nodes.values();
        holders
            .filter(|book| book.disk_term(index) == Some(term))
            .count()
    }

    /// The highest term of a node that leads.
    pub fn leading_term(&self) -> Term {
        let leaders = self.nodes.values();
        leaders
            .filter(|book| book.up && book.role == Some(Role::Leader))
            .map(|book| book.term)
            .max()
            .unwrap_or(0)
    }
}
