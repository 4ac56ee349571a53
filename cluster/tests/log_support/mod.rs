//! A log's life made up from a seed, and the plainest model of what the log must hold.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use telegraft_cluster::env::{Disk, SimDisk};
use telegraft_cluster::log::{Durability, Log, LogError, LogOptions, LogReader, Recovered};
use telegraft_cluster::raft::{
    Append, Completion, Configuration, Entry, HardState, LogIndex, Payload, Restored, Term,
};

pub(crate) fn dir() -> &'static Path {
    Path::new("/data/log")
}

pub(crate) fn segment(sequence: u64) -> PathBuf {
    dir().join(format!("{sequence:010}.log"))
}

pub(crate) fn configuration(voters: u64) -> Configuration {
    Configuration {
        voters: (1..=voters).map(|id| (id, format!("node{id}:1"))).collect(),
        learners: BTreeMap::new(),
    }
}

pub(crate) fn options(segment_bytes: u64) -> LogOptions {
    LogOptions {
        durability: Durability::Fsync,
        segment_bytes,
        tail_bytes: 2000,
        seed: 1,
        background_allocation: false,
    }
}

pub(crate) fn open(
    disk: &Arc<SimDisk>,
    options: &LogOptions,
) -> Result<(Log, Recovered), LogError> {
    Log::open(
        Arc::clone(disk) as Arc<dyn Disk>,
        dir(),
        Some(&configuration(3)),
        options.clone(),
    )
}

pub(crate) fn command(index: LogIndex, term: Term, body: &[u8]) -> Entry {
    Entry {
        index,
        term,
        payload: Payload::Command(Bytes::copy_from_slice(body)),
    }
}

/// What a log must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) hard_state: HardState,
    pub(crate) entries: Vec<Entry>,
}

impl Model {
    pub(crate) fn apply(&mut self, append: &Append) {
        if let Some(hard_state) = append.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(first) = append.entries.first() {
            self.entries
                .truncate(usize::try_from(first.index).unwrap() - 1);
            self.entries.extend(append.entries.iter().cloned());
        }
    }

    pub(crate) fn with(&self, appends: &[Append]) -> Model {
        let mut model = self.clone();
        for append in appends {
            model.apply(append);
        }
        model
    }

    /// What a log may hold when it was told to write `appends` and did not say that it has:
    /// for each batch that they may have become, all before it.
    pub(crate) fn on_the_way(&self, appends: &[Append]) -> Vec<Model> {
        let mut model = self.clone();
        let mut models = vec![self.clone()];
        // The newest term and vote go first.
        model.hard_state = self.with(appends).hard_state;
        for entry in appends.iter().flat_map(|append| &append.entries) {
            model.apply(&Append {
                entries: vec![entry.clone()],
                ..Append::default()
            });
            models.push(model.clone());
        }
        models.push(model);
        models
    }

    /// What was found in a log.
    pub(crate) fn found(restored: &Restored, reader: &LogReader) -> Model {
        Model {
            hard_state: restored.hard_state,
            entries: read_all(reader).unwrap(),
        }
    }

    pub(crate) fn last(&self) -> (Term, LogIndex) {
        self.entries
            .last()
            .map_or((0, 0), |entry| (entry.term, entry.index))
    }

    pub(crate) fn term_runs(&self) -> Vec<(LogIndex, Term)> {
        let mut runs: Vec<(LogIndex, Term)> = Vec::new();
        for entry in &self.entries {
            if runs.last().is_none_or(|(_, term)| *term != entry.term) {
                runs.push((entry.index, entry.term));
            }
        }
        runs
    }

    pub(crate) fn configuration(&self) -> Configuration {
        let newest = self.entries.iter().rev().find_map(|e| match &e.payload {
            Payload::Configuration(configuration) => Some(configuration.clone()),
            _ => None,
        });
        newest.unwrap_or_else(|| configuration(3))
    }

    pub(crate) fn check(&self, restored: &Restored, reader: &LogReader, tail_bytes: usize) {
        assert_eq!(restored.hard_state, self.hard_state);
        assert_eq!(restored.base, (0, 0));
        assert_eq!(restored.last_index, self.last().1);
        assert_eq!(restored.term_runs, self.term_runs());
        assert_eq!(restored.configuration, self.configuration());
        let kept = self.entries.len() - restored.tail.len();
        assert_eq!(restored.tail, self.entries[kept..]);
        let bytes: usize = restored.tail.iter().map(Entry::encoded_len).sum();
        assert!(bytes <= tail_bytes, "the tail has {bytes} bytes");
        self.check_reads(reader);
    }

    /// All entries, read one after another and in pieces.
    pub(crate) fn check_reads(&self, reader: &LogReader) {
        assert_eq!(read_all(reader).unwrap(), self.entries);
        let last = self.last().1;
        // Some, for there are many checks: another few in each length of the log.
        for index in (1 + last % 5..=last).step_by(5) {
            let entries = reader.read(index, index, 0).unwrap();
            assert_eq!(entries, self.entries[at(index)..=at(index)]);
        }
        assert!(matches!(
            reader.read(0, last, 1),
            Err(LogError::NotThere(0))
        ));
        let beyond = reader.read(last + 1, last + 9, 1);
        assert!(matches!(beyond, Err(LogError::NotThere(index)) if index == last + 1));
    }
}

fn at(index: LogIndex) -> usize {
    usize::try_from(index).unwrap() - 1
}

/// Everything that a log holds.
pub(crate) fn read_all(reader: &LogReader) -> Result<Vec<Entry>, LogError> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let first = entries.len() as u64 + 1;
        match reader.read(first, u64::MAX, 700) {
            Ok(more) => {
                assert!(!more.is_empty(), "a read gives one entry at least");
                entries.extend(more);
            }
            Err(LogError::NotThere(index)) if index == first => return Ok(entries),
            Err(error) => return Err(error),
        }
    }
}

/// Makes up what a core could append.
#[derive(Debug)]
pub(crate) struct Author {
    rng: StdRng,
    /// What the log will hold once all that was made up is written.
    pub(crate) model: Model,
    batch: u64,
}

impl Author {
    pub(crate) fn new(seed: u64) -> Self {
        Author {
            rng: StdRng::seed_from_u64(seed),
            model: Model::default(),
            batch: 0,
        }
    }

    /// Goes on after a restart that gave `model`.
    pub(crate) fn restart(&mut self, model: Model) {
        self.model = model;
        self.batch = 0;
    }

    pub(crate) fn append(&mut self) -> Append {
        self.batch += 1;
        let mut append = Append {
            batch: self.batch,
            ..Append::default()
        };
        let (last_term, last_index) = self.model.last();
        let mut term = last_term.max(self.model.hard_state.term).max(1);
        let mut first = last_index + 1;
        let kind = self.rng.random_range(0..10);
        if kind < 3 {
            term += self.rng.random_range(1..3);
            append.hard_state = Some(HardState {
                term,
                vote: self
                    .rng
                    .random::<bool>()
                    .then(|| self.rng.random_range(1..4)),
            });
            if self.rng.random() {
                first = self.rng.random_range(1..=first);
            }
        }
        if kind != 0 {
            for index in first..first + self.rng.random_range(1..8) {
                let payload = self.payload();
                append.entries.push(Entry {
                    index,
                    term,
                    payload,
                });
            }
        }
        self.model.apply(&append);
        append
    }

    pub(crate) fn appends(&mut self) -> Vec<Append> {
        let count = self.rng.random_range(1..4);
        (0..count).map(|_| self.append()).collect()
    }

    fn payload(&mut self) -> Payload {
        match self.rng.random_range(0..30) {
            0 => Payload::Noop,
            1 => Payload::Configuration(configuration(self.rng.random_range(1..6))),
            kind => {
                let most = if kind == 2 { 5000 } else { 200 };
                let mut body = vec![0; self.rng.random_range(0..most)];
                self.rng.fill(&mut body[..]);
                Payload::Command(body.into())
            }
        }
    }
}

/// Everything was written.
pub(crate) fn all_done(completion: &Completion, appends: &[Append], model: &Model) {
    let through = appends.last().unwrap().batch;
    assert_eq!(completion.entries_through, through);
    assert_eq!(completion.hard_state_through, through);
    assert_eq!(completion.last, model.last());
}
