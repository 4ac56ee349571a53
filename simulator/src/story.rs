//! What happened, told for people: time, who, what.

use std::time::Duration;

/// Lines of a story that are kept, at most; later ones are counted.
const MOST_LINES: usize = 20_000;

/// A story; it may be that nobody listens.
#[derive(Debug, Default)]
pub(crate) struct Story {
    lines: Option<Vec<(Duration, String)>>,
    left_out: usize,
}

impl Story {
    /// One that nobody listens to.
    pub(crate) fn untold() -> Self {
        Story::default()
    }

    /// One that is kept.
    pub(crate) fn told() -> Self {
        Story {
            lines: Some(Vec::new()),
            left_out: 0,
        }
    }

    /// Adds a line about that moment.
    pub(crate) fn tell(&mut self, at: Duration, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            if lines.len() < MOST_LINES {
                lines.push((at, text()));
            } else {
                self.left_out += 1;
            }
        }
    }

    /// All lines, in the order of their times.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = self.lines.clone().unwrap_or_default();
        lines.sort_by_key(|(at, _)| *at);
        let mut text: Vec<String> = lines
            .into_iter()
            .map(|(at, text)| format!("{:10.3} s  {text}", at.as_secs_f64()))
            .collect();
        if self.left_out > 0 {
            text.push(format!("({} more lines)", self.left_out));
        }
        text
    }
}
