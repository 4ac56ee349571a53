//! The legend: above the panels, where it covers no data.

use super::canvas::{Canvas, Side, WIDTH, line};
use super::style::{Paint, Role, Shape};
use super::text::{SIZE, fit, width};

/// How many series a plot shows. More could not be told apart.
pub(super) const MOST_SERIES: usize = 10;

const ROW: f64 = 23.0;
const SAMPLE: f64 = 40.0;

/// What stands before a label.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sample {
    Line(Paint, Option<Shape>),
    Marker(Paint, Shape, bool),
    /// An area and its rim.
    Area(Paint, Paint),
    None,
}

impl Sample {
    /// The line and marker of a series.
    pub(super) fn series(at: usize) -> Sample {
        Sample::Line(Paint::series(at), Some(Shape::series(at)))
    }

    fn width(self) -> f64 {
        match self {
            Sample::Line(..) => SAMPLE,
            Sample::Marker(..) | Sample::Area(..) => SAMPLE / 2.0,
            Sample::None => 0.0,
        }
    }
}

/// Entries in rows.
pub(super) struct Legend {
    /// The row, the distance from the left, what stands there.
    entries: Vec<(f64, f64, Sample, String)>,
    pub(super) height: f64,
}

/// The entries of series, the first [`MOST_SERIES`] of them, and how many more there are.
pub(super) fn of_series<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<(Sample, String)> {
    let mut entries: Vec<(Sample, String)> = Vec::new();
    let mut more = 0_usize;
    for label in labels {
        match entries.len() < MOST_SERIES {
            true => entries.push((Sample::series(entries.len()), label.to_owned())),
            false => more += 1,
        }
    }
    entries.extend(and_more(more));
    entries
}

/// The entry that says how many were left out.
pub(super) fn and_more(more: usize) -> Option<(Sample, String)> {
    (more > 0).then(|| (Sample::None, format!("… and {more} more")))
}

impl Legend {
    pub(super) fn new(entries: Vec<(Sample, String)>) -> Legend {
        let (mut x, mut row) = (2.0, 0.0);
        let mut placed = Vec::new();
        for (sample, label) in entries {
            let label = fit(&label, SIZE, WIDTH - SAMPLE - 12.0);
            let wide = sample.width() + 5.0 + width(&label, SIZE);
            if x > 2.0 && x + wide > WIDTH - 2.0 {
                (x, row) = (2.0, row + 1.0);
            }
            placed.push((row, x, sample, label));
            x += wide + 16.0;
        }
        let height = match placed.is_empty() {
            true => 0.0,
            false => (row + 1.0) * ROW,
        };
        Legend {
            entries: placed,
            height,
        }
    }

    pub(super) fn draw(&self, canvas: &Canvas, top: f64) {
        for (row, x, sample, label) in &self.entries {
            let y = top + (row + 0.5) * ROW;
            let (left, right) = (*x, x + sample.width());
            let middle = (f64::midpoint(left, right), y);
            match *sample {
                Sample::Line(paint, shape) => {
                    canvas.path(&[(left, y), (right, y)], line(paint, 2.2));
                    if let Some(shape) = shape {
                        canvas.marker(middle, shape, paint, false, 4.6);
                    }
                }
                Sample::Marker(paint, shape, hollow) => {
                    canvas.marker(middle, shape, paint, hollow, 5.0);
                }
                Sample::Area(paint, rim) => {
                    let (one, other) = ((left, y - 6.5), (right - 2.0, y + 6.5));
                    canvas.rect(one, other, Role::Paper.into());
                    canvas.rect(one, other, paint);
                    canvas.rim(one, other, line(rim, 1.3));
                }
                Sample::None => {}
            }
            let gap = match sample {
                Sample::None => 0.0,
                _ => 5.0,
            };
            canvas.text((right + gap, y), label, Side::Right);
        }
    }
}
