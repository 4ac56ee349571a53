//! What happens, on stderr: bars in a terminal, lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::collect::Tick;
use crate::results::LatencyUs;
use crate::run::latency_text;
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

/// The progress of a job.
pub(crate) struct Progress {
    shown: Shown,
    began: Instant,
    /// How many runs it has, if that is known before.
    runs: Option<usize>,
    begun: usize,
    each: Duration,
    title: String,
    /// Runs that were there before.
    before: usize,
    /// Seconds of a run that count.
    seconds: u64,
}

impl Progress {
    pub(crate) fn new(quiet: bool, suite: &Suite, before: usize, runs: Option<usize>) -> Self {
        let all = MultiProgress::new();
        let shown = if quiet {
            Shown::Nowhere
        } else if all.is_hidden() {
            Shown::Lines
        } else {
            let (template, bar) = match runs {
                Some(runs) => (
                    "[{bar:24}] {pos}/{len} runs, {msg}",
                    ProgressBar::new((before + runs) as u64),
                ),
                None => ("{pos} runs", ProgressBar::no_length()),
            };
            let style = ProgressStyle::with_template(template)
                .expect("the template is well-formed")
                .progress_chars("=> ");
            let bar = all.add(bar.with_style(style));
            let style = ProgressStyle::with_template("[{bar:24}] {msg}")
                .expect("the template is well-formed")
                .progress_chars("=> ");
            let run = ProgressBar::new(suite.duration.as_secs().max(1)).with_style(style);
            let run = all.add(run);
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
            before,
            seconds: suite.duration.as_secs().max(1),
        }
    }

    /// A run begins.
    pub(crate) fn begin(&mut self, title: &str) {
        let done = self.begun;
        self.begun += 1;
        title.clone_into(&mut self.title);
        if let Ok(count) = u32::try_from(done)
            && count > 0
        {
            self.each = self.began.elapsed() / count;
        }
        let nth = self.before + self.begun;
        let (place, left) = match self.runs {
            None => (nth.to_string(), String::new()),
            Some(runs) => {
                let left = u32::try_from(runs - done).unwrap_or(u32::MAX);
                let left = self.each.saturating_mul(left).as_secs();
                (
                    format!("{nth}/{}", self.before + runs),
                    format!("{}:{:02} to go", left / 60, left % 60),
                )
            }
        };
        match &self.shown {
            Shown::Nowhere => {}
            Shown::Lines if left.is_empty() => eprintln!("[{place}] {}", self.title),
            Shown::Lines => eprintln!("[{place}] {} ({left})", self.title),
            Shown::Bars { suite, run, .. } => {
                run.set_position(0);
                suite.set_position((self.before + done) as u64);
                suite.set_message(left);
            }
        }
    }

    /// It is about something else now.
    pub(crate) fn stage(&self, what: &str) {
        if let Shown::Bars { run, .. } = &self.shown {
            run.set_message(format!("{}: {what}", self.title));
        }
    }

    /// A second is over, in which the replica `leader` led.
    pub(crate) fn tick(&mut self, tick: &Tick, leader: Option<u64>) {
        let Shown::Bars { run, .. } = &self.shown else {
            return;
        };
        let counts = &tick.counts;
        let at =
            |per_mille| latency_text(LatencyUs::at(&counts.response, per_mille, counts.missed()));
        let errors: u64 = counts.troubles.values().sum();
        let leader = leader.map_or_else(String::new, |id| format!(", leader {id}"));
        let queued = match tick.queued {
            0 => String::new(),
            queued => format!(", {queued} waiting"),
        };
        run.set_position((tick.second as u64 + 1).min(self.seconds));
        run.set_message(format!(
            "{}: {}/s, p50 {}, p99 {}, {errors} errors{queued}{leader}",
            self.title,
            counts.ok,
            at(500),
            at(990),
        ));
    }

    /// The run is recorded.
    pub(crate) fn done(&self, summary: &str) {
        match &self.shown {
            Shown::Nowhere => {}
            Shown::Lines => eprintln!("  {summary}"),
            // The terminal may be gone, which is no reason to stop.
            Shown::Bars { all, .. } => drop(all.println(summary)),
        }
    }

    /// Everything is done.
    pub(crate) fn finish(&self) {
        if let Shown::Bars { suite, run, .. } = &self.shown {
            run.finish_and_clear();
            suite.finish_and_clear();
        }
    }
}
