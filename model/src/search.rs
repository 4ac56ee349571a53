//! Runs a search to its end, or to a bound.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::rules::{Rule, Sight};
use crate::show;
use crate::world::{Explorer, SAFETY};

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
}

/// What a search found.
#[derive(Debug)]
pub struct Report {
    /// How far it came.
    pub progress: Progress,
    /// Every state within the bounds was visited, and no rule was broken.
    pub exhausted: bool,
    /// The rule that was broken, and the way there, a line a step.
    pub broken: Option<(Rule, Vec<String>)>,
    /// What it came by.
    pub sights: Vec<Sight>,
}

/// Searches; `tell` is called with how far it is.
pub fn search(explorer: Explorer, limits: &Limits, tell: impl FnMut(&Progress)) -> Report {
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
    mut tell: impl FnMut(&Progress),
) -> Report {
    let start = Instant::now();
    let ended = join_all(checker.handles());
    loop {
        match ended.recv_timeout(LOOK) {
            Ok(()) => break,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("the search itself failed"),
        }
        let progress = progress(&checker, start);
        tell(&progress);
        let too_many = limits
            .max_states
            .is_some_and(|most| progress.unique >= most);
        let too_long = limits.max_time.is_some_and(|most| progress.elapsed >= most);
        if too_many || too_long {
            checker.model().stopped.store(true, Ordering::Relaxed);
        }
    }
    let progress = progress(&checker, start);
    let stopped = checker.model().stopped.load(Ordering::Relaxed);
    // The way is walked again, by the model that has been stopped.
    checker.model().stopped.store(false, Ordering::Relaxed);
    let path = checker.discovery(SAFETY);
    let broken = path.map(|path| show::counterexample(checker.model(), &path.into_vec()));
    Report {
        progress,
        exhausted: !stopped && broken.is_none(),
        broken,
        sights: checker.model().sights(),
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
    }
}
