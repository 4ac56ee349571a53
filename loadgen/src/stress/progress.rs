//! What happens, on stderr: a bar in a terminal, a few lines elsewhere.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};

use super::board::Board;
use crate::engine::Stop;

/// How often the bar is drawn anew.
const STEADY: Duration = Duration::from_millis(250);

/// The progress of a run.
pub(super) enum Progress {
    Nowhere,
    Lines,
    Bar(ProgressBar),
}

impl Progress {
    pub(super) fn new(quiet: bool, duration: Duration) -> Self {
        let bar = ProgressBar::new(duration.as_secs().max(1));
        if quiet {
            Progress::Nowhere
        } else if bar.is_hidden() {
            Progress::Lines
        } else {
            let style = ProgressStyle::with_template("[{bar:24}] {wide_msg}")
                .expect("the template is well-formed")
                .progress_chars("=> ");
            bar.set_style(style);
            bar.enable_steady_tick(STEADY);
            Progress::Bar(bar)
        }
    }

    /// It is about something else now.
    pub(super) fn stage(&self, what: &str) {
        match self {
            Progress::Nowhere => {}
            Progress::Lines => eprintln!("{what}"),
            Progress::Bar(bar) => bar.set_message(what.to_owned()),
        }
    }

    /// Something that stays on the screen.
    pub(super) fn note(&self, line: &str) {
        match self {
            Progress::Nowhere => {}
            Progress::Lines => eprintln!("{line}"),
            Progress::Bar(bar) => bar.println(line),
        }
    }

    /// Shows the board until `stop`.
    pub(super) async fn show(&self, board: Arc<Board>, from: Instant, over: Instant, stop: Stop) {
        let Progress::Bar(bar) = self else {
            return;
        };
        while !stop.is_stopped() {
            let now = Instant::now();
            let left = over.saturating_duration_since(now).as_secs();
            let leader = match board.leader.load(Ordering::Relaxed) {
                0 => "no leader".to_owned(),
                id => format!("{id} leads"),
            };
            let going = match board.going() {
                none if none.is_empty() => "quiet".to_owned(),
                going => going,
            };
            bar.set_position(now.saturating_duration_since(from).as_secs());
            bar.set_message(format!(
                "{}:{:02} to go, {} ok, {} unknown, {leader}: {going}",
                left / 60,
                left % 60,
                board.ok.load(Ordering::Relaxed),
                board.unknown.load(Ordering::Relaxed),
            ));
            tokio::select! {
                () = sleep(STEADY) => {}
                () = stop.stopped() => {}
            }
        }
    }

    /// Everything is done.
    pub(super) fn finish(&self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
