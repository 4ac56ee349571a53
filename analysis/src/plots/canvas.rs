//! A drawing area in pixels of the plot, with words and shapes on it.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::style::{IntoFont, ShapeStyle, TextStyle};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{FontFamily, FontStyle};

use super::SVG_CLASS;
use super::backend::{SvgBackend, TENTHS};
use super::style::{Paint, Role, Shape, sheet};
use super::text::{SIZE, escape};

/// How wide a plot is, in pixels. With text of [`SIZE`] it is still read at 390.
pub(super) const WIDTH: f64 = 600.0;

/// What cannot go wrong: nothing is written but a string.
const WRITES: &str = "drawing into a string does not fail";

/// Where a text lies around its point.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// It begins there.
    Right,
    /// It ends there.
    Left,
    Middle,
}

/// A plot while it is drawn. Lengths are pixels, from the upper left corner.
pub(super) struct Canvas {
    out: Rc<RefCell<String>>,
    root: DrawingArea<SvgBackend, Shift>,
    pub(super) height: f64,
}

/// Pixels of the plot as the backend counts them.
pub(super) fn tenths(pixels: f64) -> i32 {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the range is that of a canvas, and the cast saturates"
    )]
    let tenths = (pixels.clamp(-1e5, 1e5) * TENTHS).round() as i32;
    tenths
}

fn point((x, y): (f64, f64)) -> (i32, i32) {
    (tenths(x), tenths(y))
}

fn lengths(pixels: f64) -> u32 {
    u32::try_from(tenths(pixels)).unwrap_or(0)
}

/// A line of `width` pixels.
pub(super) fn line(paint: Paint, width: f64) -> ShapeStyle {
    ShapeStyle::from(paint).stroke_width(lengths(width))
}

impl Canvas {
    pub(super) fn new(height: f64) -> Canvas {
        let out = Rc::new(RefCell::new(String::new()));
        let backend = SvgBackend {
            out: Rc::clone(&out),
            size: (lengths(WIDTH), lengths(height)),
        };
        let canvas = Canvas {
            out,
            root: backend.into_drawing_area(),
            height,
        };
        canvas.rect((0.0, 0.0), (WIDTH, height), Role::Paper.into());
        canvas
    }

    /// The area itself, for plotters' coordinates.
    pub(super) fn root(&self) -> &DrawingArea<SvgBackend, Shift> {
        &self.root
    }

    /// A text whose middle is at the height of `at`.
    pub(super) fn text(&self, at: (f64, f64), text: &str, side: Side) {
        self.styled(at, text, side, Role::Ink, FontStyle::Normal);
    }

    /// The same in the colour of axes, or in bold.
    pub(super) fn styled(
        &self,
        at: (f64, f64),
        text: &str,
        side: Side,
        role: Role,
        font: FontStyle,
    ) {
        let side = match side {
            Side::Right => HPos::Left,
            Side::Left => HPos::Right,
            Side::Middle => HPos::Center,
        };
        let font = (FontFamily::SansSerif, SIZE * TENTHS, font).into_font();
        let paint = Paint::from(role);
        let style = TextStyle::from(font)
            .color(&paint)
            .pos(Pos::new(side, VPos::Center));
        self.root.draw_text(text, &style, point(at)).expect(WRITES);
    }

    pub(super) fn path(&self, points: &[(f64, f64)], style: ShapeStyle) {
        if points.len() < 2 {
            return;
        }
        let points: Vec<(i32, i32)> = points.iter().copied().map(point).collect();
        self.root
            .draw(&PathElement::new(points, style))
            .expect(WRITES);
    }

    /// A filled rectangle between two corners.
    pub(super) fn rect(&self, one: (f64, f64), other: (f64, f64), paint: Paint) {
        let style = ShapeStyle::from(paint).filled();
        self.root
            .draw(&Rectangle::new([point(one), point(other)], style))
            .expect(WRITES);
    }

    /// The rim of a rectangle.
    pub(super) fn rim(&self, one: (f64, f64), other: (f64, f64), style: ShapeStyle) {
        self.root
            .draw(&Rectangle::new([point(one), point(other)], style))
            .expect(WRITES);
    }

    /// A marker of a radius of about `size` pixels; hollow ones have the page inside.
    pub(super) fn marker(
        &self,
        at: (f64, f64),
        shape: Shape,
        paint: Paint,
        hollow: bool,
        size: f64,
    ) {
        let paint = paint.dashed(0);
        let corners: Vec<(f64, f64)> = match shape {
            Shape::Circle => {
                let circle = |style: ShapeStyle| Circle::new(point(at), lengths(size), style);
                let inside = match hollow {
                    true => Role::Paper.into(),
                    false => paint,
                };
                let inside = circle(ShapeStyle::from(inside).filled());
                self.root.draw(&inside).expect(WRITES);
                if hollow {
                    self.root.draw(&circle(line(paint, 1.6))).expect(WRITES);
                }
                return;
            }
            Shape::Cross => {
                let size = size * 0.95;
                for side in [-1.0, 1.0] {
                    let ends = [
                        (at.0 - size, at.1 - side * size),
                        (at.0 + size, at.1 + side * size),
                    ];
                    self.path(&ends, line(paint, 2.2));
                }
                return;
            }
            Shape::Square => [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)].to_vec(),
            Shape::Diamond => [(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)].to_vec(),
            Shape::Up => [(0.0, -1.2), (1.15, 0.85), (-1.15, 0.85)].to_vec(),
            Shape::Down => [(0.0, 1.2), (1.15, -0.85), (-1.15, -0.85)].to_vec(),
        };
        let corners: Vec<(f64, f64)> = corners
            .into_iter()
            .map(|(x, y)| (at.0 + x * size, at.1 + y * size))
            .collect();
        let inside = match hollow {
            true => Role::Paper.into(),
            false => paint,
        };
        let whole: Vec<(i32, i32)> = corners.iter().copied().map(point).collect();
        self.root
            .draw(&Polygon::new(whole, ShapeStyle::from(inside).filled()))
            .expect(WRITES);
        if hollow {
            let closed: Vec<(f64, f64)> = corners.iter().chain(&corners[..2]).copied().collect();
            self.path(&closed, line(paint, 1.6));
        }
    }

    /// The whole file. `name` makes the ids in it differ from those of other plots.
    pub(super) fn finish(self, name: &str, title: &str, alt: &str) -> String {
        let height = self.height;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"720\" height=\"{:.0}\" class=\"{SVG_CLASS}\" role=\"img\" \
             aria-labelledby=\"{name}-title {name}-desc\" font-family=\"sans-serif\">\n",
            height * 720.0 / WIDTH,
        );
        let _ = write!(
            svg,
            "<title id=\"{name}-title\">{}</title>\n<desc id=\"{name}-desc\">{}</desc>\n\
             <style>{}</style>\n",
            escape(title),
            escape(alt),
            sheet(),
        );
        svg += &self.out.borrow();
        svg += "</svg>\n";
        svg
    }
}
