//! Runs a search to its end, or to a bound.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::bounds::MAX_WRITES;
use crate::explorer::Explorer;
use crate::memory;
use crate::rules::Rule;
use crate::show;
use crate::sights::Sight;
use crate::world::SAFETY;

/// How often the search is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// In which order states are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Deep paths first: needs the least memory.
    DepthFirst,
    /// Nearest states first: on one thread a broken rule is found by a shortest path.
    BreadthFirst,
}

/// How to search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Which way.
    pub order: Order,
    /// Threads that search.
    pub threads: usize,
    /// Distinct states after which it gives up, within a look's time.
    pub max_states: Option<usize>,
    /// Time after which it gives up.
    pub max_time: Option<Duration>,
    /// Bytes of memory after which it gives up, within a look's time; the table of states may be
    /// growing then, and take half as much again ([`default_memory_limit`](crate::default_memory_limit)).
    pub max_memory: Option<u64>,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every state within the bounds was visited.
    Exhausted,
    /// There was no more within the bounds, but for states with more open writes than there is
    /// room for, which were left out.
    TooManyWrites,
    /// A rule was broken.
    Broken,
    /// There are more states than it was to visit.
    States,
    /// It took longer than it was to take.
    Time,
    /// It needed more memory than it was to take.
    Memory,
    /// It was interrupted.
    Interrupted,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exhausted => f.write_str("exhausted"),
            End::TooManyWrites => write!(
                f,
                "not exhausted: states with more than {MAX_WRITES} open writes of a replica were \
                 left out"
            ),
            End::Broken => f.write_str("a rule was broken"),
            End::States => f.write_str("not exhausted: stopped at the limit of states"),
            End::Time => f.write_str("not exhausted: stopped at the limit of time"),
            End::Memory => f.write_str("not exhausted: stopped at the limit of memory"),
            End::Interrupted => f.write_str("not exhausted: interrupted"),
        }
    }
}

/// How far a search is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Distinct states.
    pub unique: usize,
    /// States that were come to, again and again.
    pub total: usize,
    /// The longest path.
    pub depth: usize,
    /// Since the start.
    pub elapsed: Duration,
    /// Distinct replicas at a moment.
    pub replicas: usize,
    /// Distinct messages.
    pub messages: usize,
    /// The most memory that the process has had so far, in bytes, where the system tells.
    pub peak_memory: Option<u64>,
}

/// What a search found.
#[derive(Debug)]
pub struct Report {
    /// How far it came.
    pub progress: Progress,
    /// Why it ended.
    pub end: End,
    /// The rule that was broken, and the way there, a line a step.
    pub broken: Option<(Rule, Vec<String>)>,
    /// What it came by.
    pub sights: Vec<Sight>,
    /// What it should have come by on its way to the end, and did not: then the bounds allow less
    /// than they seem to. A search that ended earlier may miss much.
    pub missed: Vec<Sight>,
}

/// Searches; `tell` is called with how far it is, five times a second, and may break it off.
pub fn search(
    explorer: Explorer,
    limits: &Limits,
    tell: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Report {
    let checker = explorer
        .checker()
        .threads(limits.threads)
        .finish_when(HasDiscoveries::AnyFailures);
    match limits.order {
        Order::DepthFirst => watch(checker.spawn_dfs(), limits, tell),
        Order::BreadthFirst => watch(checker.spawn_bfs(), limits, tell),
    }
}

fn watch(
    mut checker: impl Checker<Explorer>,
    limits: &Limits,
    mut tell: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Report {
    let mut given_up = None;
    let start = Instant::now();
    let ended = join_all(checker.handles());
    loop {
        match ended.recv_timeout(LOOK) {
            Ok(()) => break,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("the search itself failed"),
        }
        let progress = progress(&checker, start);
        let interrupted = tell(&progress).is_break();
        let too_many = limits
            .max_states
            .is_some_and(|most| progress.unique >= most);
        let too_long = limits.max_time.is_some_and(|most| progress.elapsed >= most);
        let too_large = limits
            .max_memory
            .is_some_and(|most| memory::resident().is_some_and(|now| now >= most));
        let end = match () {
            () if interrupted => End::Interrupted,
            () if too_large => End::Memory,
            () if too_long => End::Time,
            () if too_many => End::States,
            () => continue,
        };
        given_up.get_or_insert(end);
        checker.model().stopped.store(true, Ordering::Relaxed);
    }
    let progress = progress(&checker, start);
    let model = checker.model();
    // The way is walked again, by the model that has been stopped.
    model.stopped.store(false, Ordering::Relaxed);
    let path = checker.discovery(SAFETY);
    let broken = path.map(|path| show::counterexample(model, &path.into_vec()));
    let end = match given_up {
        _ if broken.is_some() => End::Broken,
        Some(end) => end,
        None if model.cut.load(Ordering::Relaxed) => End::TooManyWrites,
        None => End::Exhausted,
    };
    let sights = model.sights();
    let mut missed = Sight::expected(&model.bounds);
    missed.retain(|sight| !sights.contains(sight));
    Report {
        progress,
        end,
        broken,
        sights,
        missed,
    }
}

/// Says when all have ended; hangs up when one has failed.
fn join_all(handles: Vec<JoinHandle<()>>) -> mpsc::Receiver<()> {
    let (ended, all_ended) = mpsc::channel();
    thread::spawn(move || {
        let well = handles.into_iter().all(|handle| handle.join().is_ok());
        if well {
            // Nobody listens any more only when the search was given up by a panic.
            let _ = ended.send(());
        }
    });
    all_ended
}

fn progress(checker: &impl Checker<Explorer>, start: Instant) -> Progress {
    Progress {
        unique: checker.unique_state_count(),
        total: checker.state_count(),
        depth: checker.max_depth(),
        elapsed: start.elapsed(),
        replicas: checker.model().replicas.len(),
        messages: checker.model().letters.len(),
        peak_memory: memory::peak(),
    }
}
