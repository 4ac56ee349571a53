//! A panel: two axes, the lines of their ticks, and curves between them.

use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::DrawingArea;
use plotters::element::PathElement;
use plotters::style::ShapeStyle;
use plotters_backend::FontStyle;

use super::backend::{SvgBackend, TENTHS};
use super::canvas::{Canvas, Side, WIDTH, line, tenths};
use super::scale::{Scale, Tick};
use super::style::{Paint, Role, Shape};
use super::text::{SIZE, fit, width};

/// Above a panel: the name of its vertical axis.
pub(super) const HEAD: f64 = 30.0;

/// Below a panel: tick labels, and with the name of the horizontal axis.
pub(super) const FOOT: f64 = 24.0;
pub(super) const NAMED_FOOT: f64 = 46.0;

/// Where a panel lies, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Frame {
    /// Between two heights, with room at the left for the labels of `scales`.
    pub(super) fn beside(scales: &[&Scale], top: f64, bottom: f64) -> Frame {
        let ticks = scales.iter().flat_map(|scale| &scale.ticks);
        Frame {
            left: 12.0 + widest(ticks),
            right: WIDTH - 26.0,
            top,
            bottom,
        }
    }
}

fn widest<'a>(ticks: impl Iterator<Item = &'a Tick>) -> f64 {
    ticks
        .filter_map(|tick| tick.label.as_deref())
        .map(|label| width(label, SIZE))
        .fold(0.0, f64::max)
}

/// Where the name of a line across stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Left,
    Right,
    /// Under the line, where another one is close above it.
    RightBelow,
}

/// The line of a tick through the panel.
fn grid(tick: &Tick) -> ShapeStyle {
    match tick.label {
        Some(_) => line(Role::Grid.into(), 1.0),
        None => line(Paint::from(Role::Grid).faint(0.55), 0.8),
    }
}

/// A panel on a canvas.
pub(super) struct Panel<'a> {
    pub(super) canvas: &'a Canvas,
    pub(super) frame: Frame,
    area: DrawingArea<SvgBackend, Cartesian2d<Scale, Scale>>,
}

impl<'a> Panel<'a> {
    pub(super) fn new(canvas: &'a Canvas, frame: Frame, x: Scale, y: Scale) -> Panel<'a> {
        let across = tenths(frame.left)..tenths(frame.right);
        // Upwards: pixels count down the page.
        let up = tenths(frame.bottom)..tenths(frame.top);
        let spec = Cartesian2d::new(x, y, (across, up));
        Panel {
            canvas,
            frame,
            area: canvas.root().apply_coord_spec(spec),
        }
    }

    /// Where a point of the data lies, in pixels.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let (x, y) = self.area.map_coordinate(&(x, y));
        (f64::from(x) / TENTHS, f64::from(y) / TENTHS)
    }

    pub(super) fn x(&self) -> &Scale {
        self.area.as_coord_spec().x_spec()
    }

    pub(super) fn y(&self) -> &Scale {
        self.area.as_coord_spec().y_spec()
    }

    /// Draws grid, ticks and labels. The name of the vertical axis stands above it, where it is
    /// read without turning the head; that of the horizontal one below.
    pub(super) fn axes(&self, x_name: Option<&str>, y_name: &str) {
        self.axes_below(self.frame.top, x_name, y_name);
    }

    /// The same, with labels between `head` and the panel, above which the name stands.
    pub(super) fn axes_below(&self, head: f64, x_name: Option<&str>, y_name: &str) {
        let Frame { left, right, .. } = self.frame;
        for tick in &self.y().ticks {
            let y = self.at(0.0, tick.at).1;
            self.canvas.path(&[(left, y), (right, y)], grid(tick));
        }
        let mut free = f64::INFINITY;
        for tick in self.y().ticks.iter().filter(|tick| tick.label.is_some()) {
            let y = self.at(0.0, tick.at).1;
            if free - y >= SIZE * 0.95 {
                self.tick_label((left - 7.0, y), tick, Side::Left);
                free = y;
            }
        }
        self.x_axis(x_name);
        self.canvas.styled(
            (2.0, head - 19.0),
            &fit(y_name, SIZE, WIDTH - 4.0),
            Side::Right,
            Role::Ink,
            FontStyle::Normal,
        );
    }

    /// Draws the horizontal axis, alone for what has no vertical one.
    pub(super) fn x_axis(&self, name: Option<&str>) {
        let Frame {
            left,
            right,
            top,
            bottom,
        } = self.frame;
        let axis = line(Role::Axis.into(), 1.2);
        let mut free = f64::NEG_INFINITY;
        for tick in &self.x().ticks {
            let x = self.at(tick.at, 0.0).0;
            self.canvas.path(&[(x, top), (x, bottom)], grid(tick));
            self.canvas.path(&[(x, bottom), (x, bottom + 5.0)], axis);
            let Some(label) = &tick.label else { continue };
            let half = width(label, SIZE) / 2.0;
            let x = x.clamp(half, (WIDTH - half - 2.0).max(half));
            if x - half >= free + 6.0 {
                self.tick_label((x, bottom + 15.0), tick, Side::Middle);
                free = x + half;
            }
        }
        self.canvas.path(&[(left, bottom), (right, bottom)], axis);
        if let Some(name) = name {
            let at = (f64::midpoint(left, right), bottom + 36.0);
            self.canvas
                .text(at, &fit(name, SIZE, right - left), Side::Middle);
        }
    }

    fn tick_label(&self, at: (f64, f64), tick: &Tick, side: Side) {
        let label = tick.label.as_deref().unwrap_or_default();
        self.canvas
            .styled(at, label, side, Role::Axis, FontStyle::Normal);
    }

    /// A second axis at the right, with ticks in values of the left one.
    pub(super) fn right_axis(&self, ticks: &[Tick], name: &str) {
        self.right_axis_below(self.frame.top, ticks, name);
    }

    /// The same, its name above `head`.
    pub(super) fn right_axis_below(&self, head: f64, ticks: &[Tick], name: &str) {
        let mut free = f64::INFINITY;
        let right = self.frame.right;
        for tick in ticks {
            let y = self.at(0.0, tick.at).1;
            if free - y >= SIZE * 1.05 && y >= self.frame.top - 1.0 {
                let axis = line(Role::Axis.into(), 1.2);
                self.canvas.path(&[(right, y), (right + 5.0, y)], axis);
                self.tick_label((right + 8.0, y), tick, Side::Right);
                free = y;
            }
        }
        self.canvas
            .text((WIDTH - 2.0, head - 19.0), name, Side::Left);
    }

    /// Lines through runs of points, each broken off from the next one. A point alone is a dot.
    pub(super) fn curve(&self, runs: &[Vec<(f64, f64)>], paint: Paint, thick: f64) {
        for run in runs {
            match run[..] {
                [] => {}
                [(x, y)] => {
                    let at = self.at(x, y);
                    self.canvas.marker(at, Shape::Circle, paint, false, thick);
                }
                _ => self
                    .area
                    .draw(&PathElement::new(run.clone(), line(paint, thick)))
                    .expect("drawing into a string does not fail"),
            }
        }
    }

    /// A few markers along a curve, other places for each series, so that they do not lie on
    /// each other.
    pub(super) fn marks_along(&self, runs: &[Vec<(f64, f64)>], series: usize, of: usize) {
        let spacing = (self.frame.right - self.frame.left) / 5.0;
        #[allow(clippy::cast_precision_loss, reason = "there are ten series at most")]
        let shift = spacing * (series as f64 + 0.5) / of.max(1) as f64;
        let mut next = self.frame.left + shift;
        for (x, y) in runs.iter().flatten() {
            let at = self.at(*x, *y);
            if at.0 >= next {
                self.canvas
                    .marker(at, Shape::series(series), Paint::series(series), false, 4.2);
                while next <= at.0 {
                    next += spacing;
                }
            }
        }
    }

    /// A line across at a value of the vertical axis, and what it is, at one end of it.
    pub(super) fn level(&self, value: f64, label: &str, paint: Paint, end: End) {
        let Frame {
            left, right, top, ..
        } = self.frame;
        let y = self.at(0.0, value).1;
        self.canvas.path(&[(left, y), (right, y)], line(paint, 1.6));
        let label = fit(label, SIZE, right - left - 8.0);
        let below = end == End::RightBelow || y - top < 16.0;
        let y = match below {
            true => y + 11.0,
            false => y - 10.0,
        };
        match end {
            End::Left => self.canvas.text((left + 6.0, y), &label, Side::Right),
            End::Right | End::RightBelow => {
                self.canvas.text((right - 4.0, y), &label, Side::Left);
            }
        }
    }

    /// Says in the middle that there is nothing to be seen.
    pub(super) fn empty(&self) {
        let Frame {
            left,
            right,
            top,
            bottom,
        } = self.frame;
        let middle = (f64::midpoint(left, right), f64::midpoint(top, bottom));
        self.canvas.text(middle, "no data", Side::Middle);
    }
}

/// Lines of one series, each broken off from the next one.
pub(super) type Runs = Vec<Vec<(f64, f64)>>;

/// Points in order of x, those that cannot be drawn left out, broken where the value is unknown
/// or more than `gap` lies between two.
pub(super) fn runs(points: impl Iterator<Item = (f64, Option<f64>)>, gap: f64) -> Runs {
    let mut points: Vec<(f64, Option<f64>)> = points
        .filter(|(x, _)| super::text::sane(*x).is_some())
        .collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut runs: Runs = Vec::new();
    let mut run: Vec<(f64, f64)> = Vec::new();
    for (x, y) in points {
        let y = y.and_then(super::text::sane);
        if y.is_none() || run.last().is_some_and(|(last, _)| x - last > gap) {
            runs.push(std::mem::take(&mut run));
        }
        run.extend(y.map(|y| (x, y)));
    }
    runs.push(run);
    runs.retain(|run| !run.is_empty());
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_breaks_where_there_is_no_data() {
        let points = [
            (0.0, Some(1.0)),
            (2.0, None),
            (1.0, Some(2.0)),
            (3.0, Some(4.0)),
            (7.0, Some(5.0)),
            (8.0, Some(f64::NAN)),
            (f64::INFINITY, Some(1.0)),
        ];
        assert_eq!(
            runs(points.into_iter(), 1.5),
            [
                vec![(0.0, 1.0), (1.0, 2.0)],
                vec![(3.0, 4.0)],
                vec![(7.0, 5.0)]
            ]
        );
    }
}
