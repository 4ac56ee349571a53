//! What happens, on stderr: bars in a terminal, lines elsewhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Run;
use super::rows::latency_text;
use crate::closed::Tick;
use crate::recorder::Counts;
use crate::results::LatencyUs;
use crate::suite::Suite;

/// What a run takes beside its load, until it is known: starting, setting up, the audit.
const AROUND: Duration = Duration::from_secs(3);
/// How often the bars move by themselves.
const STEADY: Duration = Duration::from_millis(250);

/// Where it goes.
enum Shown {
    Nowhere,
    /// One line for each run.
    Lines,
    Bars {
        all: MultiProgress,
        suite: ProgressBar,
        run: ProgressBar,
    },
}

/// The progress of a suite.
pub(super) struct Progress {
    shown: Shown,
    began: Instant,
    runs: usize,
    begun: usize,
    each: Duration,
    title: String,
    /// By second: how many threads have told of it, and what.
    ticks: BTreeMap<usize, (usize, Counts)>,
}

impl Progress {
    pub(super) fn new(quiet: bool, suite: &Suite, runs: usize) -> Self {
        let all = MultiProgress::new();
        let shown = if quiet {
            Shown::Nowhere
        } else if all.is_hidden() {
            Shown::Lines
        } else {
            let style = ProgressStyle::with_template("[{bar:24}] {pos}/{len} runs, {msg}")
                .expect("the template is well-formed")
                .progress_chars("=> ");
            let bar = all.add(ProgressBar::new(runs as u64).with_style(style));
            let style = ProgressStyle::with_template("{spinner} {msg}")
                .expect("the template is well-formed");
            let run = all.add(ProgressBar::no_length().with_style(style));
            run.enable_steady_tick(STEADY);
            Shown::Bars {
                all,
                suite: bar,
                run,
            }
        };
        Progress {
            shown,
            began: Instant::now(),
            runs,
            begun: 0,
            each: suite.warmup + suite.duration + AROUND,
            title: String::new(),
            ticks: BTreeMap::new(),
        }
    }

    /// A run begins.
    pub(super) fn begin(&mut self, run: &Run) {
        let done = self.begun;
        self.begun += 1;
        self.title.clone_from(&run.id);
        self.ticks.clear();
        if let Ok(count) = u32::try_from(done)
            && count > 0
        {
            self.each = self.began.elapsed() / count;
        }
        let left = u32::try_from(self.runs - done).unwrap_or(u32::MAX);
        let left = self.each.saturating_mul(left).as_secs();
        let left = format!("{}:{:02} to go", left / 60, left % 60);
        match &self.shown {
            Shown::Nowhere => {}
            Shown::Lines => {
                eprintln!("[{}/{}] {} ({left})", self.begun, self.runs, self.title);
            }
            Shown::Bars { suite, .. } => {
                suite.set_position(done as u64);
                suite.set_message(left);
            }
        }
    }

    /// It is about something else now.
    pub(super) fn stage(&self, what: &str) {
        if let Shown::Bars { run, .. } = &self.shown {
            run.set_message(format!("{}: {what}", self.title));
        }
    }

    /// One of `threads` tells of a second.
    pub(super) fn tick(&mut self, tick: Tick, threads: usize) {
        let Shown::Bars { run, .. } = &self.shown else {
            return;
        };
        let (told, counts) = self.ticks.entry(tick.second).or_default();
        *told += 1;
        counts.add(&tick.counts);
        if *told < threads {
            return;
        }
        let at =
            |per_mille| latency_text(LatencyUs::at(&counts.latency, per_mille, counts.missed()));
        let errors: u64 = counts.troubles.values().sum();
        run.set_message(format!(
            "{}: {} s, {}/s, p50 {}, p99 {}, {errors} errors",
            self.title,
            tick.second + 1,
            counts.ok,
            at(500),
            at(990),
        ));
        self.ticks.remove(&tick.second);
    }

    /// The run is recorded.
    pub(super) fn done(&self, summary: &str) {
        match &self.shown {
            Shown::Nowhere => {}
            Shown::Lines => eprintln!("  {summary}"),
            // The terminal may be gone, which is no reason to stop.
            Shown::Bars { all, .. } => drop(all.println(summary)),
        }
    }

    /// Everything is done.
    pub(super) fn finish(&self) {
        if let Shown::Bars { suite, run, .. } = &self.shown {
            run.finish_and_clear();
            suite.finish_and_clear();
        }
    }
}
