//! What plots over seconds share: buckets for long runs, and marks of what happened.

use super::canvas::{Canvas, Side, WIDTH, line};
use super::panel::Panel;
use super::style::{DOTTED, Paint, REFERENCE_DASH, Role, Shape};
use super::text::{SIZE, fit, sane, width};
use super::{Mark, MarkKind};

/// How many points a line over time has at most: two pixels each.
const MOST_POINTS: f64 = 280.0;

/// How many marks are drawn; a run has far fewer.
const MOST_MARKS: usize = 60;

const ROW: f64 = 19.0;
const MOST_ROWS: usize = 4;

/// How many seconds one point of a plot stands for.
pub(super) fn bucket(seconds: f64) -> f64 {
    let round = [
        1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 3_600.0,
    ];
    let least = seconds / MOST_POINTS;
    let fits = round.into_iter().find(|length| *length >= least);
    fits.unwrap_or_else(|| least.ceil())
}

/// Puts points into buckets of that length, each at its beginning: `combine` makes one of the
/// known values of a bucket; where none is known, there is none.
pub(super) fn in_buckets(
    points: impl Iterator<Item = (f64, Option<f64>)>,
    length: f64,
    combine: fn(&[f64]) -> f64,
) -> Vec<(f64, Option<f64>)> {
    let mut points: Vec<(f64, Option<f64>)> = points
        .filter_map(|(at, value)| Some((sane(at)?, value.and_then(sane))))
        .collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    let nth = |point: &(f64, Option<f64>)| (point.0 / length).floor();
    points
        .chunk_by(|one, other| nth(one) == nth(other))
        .map(|chunk| {
            let known: Vec<f64> = chunk.iter().filter_map(|point| point.1).collect();
            let value = (!known.is_empty()).then(|| combine(&known));
            match length > 1.0 {
                true => (nth(&chunk[0]) * length, value),
                // Seconds stay where they are.
                false => (chunk[0].0, value),
            }
        })
        .collect()
}

/// The mean of at least one value.
#[allow(clippy::cast_precision_loss, reason = "few values")]
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The greatest of at least one value.
pub(super) fn greatest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Marks with the rows that their labels stand in, above the first panel.
pub(super) struct Marks<'a> {
    marks: Vec<&'a Mark>,
    /// By mark: the row, where the label begins, the label; none where there is no room.
    labels: Vec<Option<(f64, f64, String)>>,
    pub(super) height: f64,
    left_out: usize,
}

impl<'a> Marks<'a> {
    /// Finds room for the labels of what lies within the panel's seconds: each in the first row
    /// where none is in its way.
    pub(super) fn new(marks: &'a [Mark], at: impl Fn(f64) -> f64, end_s: f64) -> Self {
        let within = |mark: &&Mark| mark.at_s >= 0.0 && mark.at_s <= end_s;
        let mut shown: Vec<&Mark> = marks.iter().filter(within).collect();
        shown.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
        let left_out = shown.len().saturating_sub(MOST_MARKS);
        shown.truncate(MOST_MARKS);
        let mut free = [f64::NEG_INFINITY; MOST_ROWS];
        let mut labels = Vec::new();
        for mark in &shown {
            let label = fit(&mark.label, SIZE, 220.0);
            // Right of its line, after the symbol; at the right edge left of it.
            let (x, wide) = (at(mark.at_s), width(&label, SIZE) + 12.0);
            let begins = match x + wide > WIDTH - 2.0 {
                true => x - wide - 2.0,
                false => x + 10.0,
            };
            let row = free
                .iter()
                .position(|free| begins.min(x - 8.0) >= *free + 6.0);
            labels.push(row.map(|row| {
                free[row] = (begins + wide).max(x + 8.0);
                (f64::from(u32::try_from(row).unwrap_or(0)), begins, label)
            }));
        }
        let rows = labels.iter().flatten().map(|label| label.0 + 1.0);
        let rows = rows.fold(0.0, f64::max);
        Marks {
            marks: shown,
            labels,
            height: match rows > 0.0 {
                true => rows * ROW + 4.0,
                false => 0.0,
            },
            left_out,
        }
    }

    /// Draws lines through the panels, and the labels above the first one.
    pub(super) fn draw(&self, canvas: &Canvas, panels: &[&Panel]) {
        let Some(first) = panels.first() else { return };
        let head = first.frame.top - self.height;
        for (mark, label) in self.marks.iter().zip(&self.labels) {
            let x = first.at(mark.at_s, 0.0).0;
            let dash = match mark.kind {
                MarkKind::Fault => REFERENCE_DASH,
                MarkKind::Leader => DOTTED,
            };
            let style = line(Paint::from(Role::Ink).dashed(dash).faint(0.8), 1.3);
            for panel in panels {
                let top = match std::ptr::eq(*panel, *first) {
                    true => label
                        .as_ref()
                        .map_or(panel.frame.top, |label| head + label.0 * ROW + 9.0),
                    false => panel.frame.top,
                };
                canvas.path(&[(x, top), (x, panel.frame.bottom)], style);
            }
        }
        // After all lines, so that none goes through a word.
        for (mark, label) in self.marks.iter().zip(&self.labels) {
            let Some((row, begins, label)) = label else {
                continue;
            };
            let shape = match mark.kind {
                MarkKind::Fault => Shape::Down,
                MarkKind::Leader => Shape::Diamond,
            };
            let (x, y) = (first.at(mark.at_s, 0.0).0, head + row * ROW + 8.0);
            canvas.marker((x, y), shape, Role::Ink.into(), false, 4.6);
            canvas.text((*begins, y), label, Side::Right);
        }
    }

    /// What a caption says of them.
    pub(super) fn caption(&self) -> Vec<String> {
        let mut caption = Vec::new();
        let of = |kind| self.marks.iter().any(|mark| mark.kind == kind);
        if of(MarkKind::Fault) {
            caption.push("▼ and a dashed line: a fault or its end.".to_owned());
        }
        if of(MarkKind::Leader) {
            caption.push("◆ and a dotted line: a change of leader.".to_owned());
        }
        let bare = self.labels.iter().filter(|label| label.is_none()).count();
        if bare > 0 {
            caption.push(format!("{bare} lines have no label for want of room."));
        }
        if self.left_out > 0 {
            caption.push(format!("{} later marks are not drawn.", self.left_out));
        }
        caption
    }

    /// What the alternative text says of them; empty without any.
    pub(super) fn alt(&self) -> String {
        let told: Vec<String> = self
            .marks
            .iter()
            .map(|mark| format!("{} at {} s", mark.label, crate::number::plain(mark.at_s)))
            .collect();
        match told.is_empty() {
            true => String::new(),
            false => format!(" Marked: {}.", super::text::list(&told, 8)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_are_put_into_buckets() {
        assert_eq!(bucket(60.0), 1.0);
        assert_eq!(bucket(3_600.0), 15.0);
        let seconds = (0..6).map(|s| (f64::from(s), (s != 4 && s != 5).then_some(f64::from(s))));
        let most = in_buckets(seconds.clone(), 2.0, greatest);
        assert_eq!(most, [(0.0, Some(1.0)), (2.0, Some(3.0)), (4.0, None)]);
        let means = in_buckets(seconds, 4.0, mean);
        assert_eq!(means, [(0.0, Some(1.5)), (4.0, None)]);
    }
}
