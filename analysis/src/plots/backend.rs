//! A drawing backend of plotters that writes SVG.
//!
//! Plotters' own writes fixed colours and one element for each dash. This one writes roles as
//! classes (`style`), dashes as attributes, and coordinates in tenths: plotters counts in
//! whole pixels, too coarse for a curve, so ten of its pixels are one of the plot.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::rc::Rc;

use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontStyle,
};

use super::style::Paint;
use super::text::escape;

/// How many pixels of plotters are one of the plot.
pub(super) const TENTHS: f64 = 10.0;

/// Writes elements into a string that others read when all is drawn.
pub(super) struct SvgBackend {
    pub(super) out: Rc<RefCell<String>>,
    pub(super) size: (u32, u32),
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// A coordinate in pixels of the plot: `12.3`.
fn px(tenths: i32) -> String {
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        _ => format!("{:.1}", f64::from(tenths) / TENTHS),
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn points(path: impl IntoIterator<Item = BackendCoord>) -> String {
    let mut text = String::new();
    let mut last = None;
    for point in path {
        if last == Some(point) {
            continue;
        }
        if last.is_some() {
            text.push(' ');
        }
        let _ = write!(text, "{},{}", px(point.0), px(point.1));
        last = Some(point);
    }
    text
}

fn stroke<S: BackendStyle>(style: &S) -> String {
    let paint = Paint::of(style.color());
    let mut text = format!(
        r#"class="l-{}" stroke="{}" stroke-width="{}""#,
        paint.role.class(),
        paint.role.light(),
        number(f64::from(style.stroke_width()) / TENTHS),
    );
    if let Some(dash) = paint.dash_array() {
        let _ = write!(text, r#" stroke-dasharray="{dash}""#);
    }
    if paint.opacity < 1.0 {
        let _ = write!(text, r#" stroke-opacity="{}""#, number(paint.opacity));
    }
    text
}

fn fill(colour: BackendColor) -> String {
    let paint = Paint::of(colour);
    let mut text = format!(
        r#"class="f-{}" fill="{}""#,
        paint.role.class(),
        paint.role.light()
    );
    if paint.opacity < 1.0 {
        let _ = write!(text, r#" fill-opacity="{}""#, number(paint.opacity));
    }
    text
}

/// What a shape with an inside is painted with.
fn area<S: BackendStyle>(style: &S, filled: bool) -> String {
    match filled {
        true => fill(style.color()),
        false => format!(r#"{} fill="none""#, stroke(style)),
    }
}

impl SvgBackend {
    fn write(&self, element: &str) -> Drawn {
        let mut out = self.out.borrow_mut();
        out.push_str(element);
        out.push('\n');
        Ok(())
    }
}

impl DrawingBackend for SvgBackend {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Drawn {
        self.write(&format!(
            r#"<rect x="{}" y="{}" width=".1" height=".1" {}/>"#,
            px(x),
            px(y),
            fill(colour)
        ))
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        (x1, y1): BackendCoord,
        (x2, y2): BackendCoord,
        style: &S,
    ) -> Drawn {
        self.write(&format!(
            r#"<line x1="{}" y1="{}" x2="{}" y2="{}" {}/>"#,
            px(x1),
            px(y1),
            px(x2),
            px(y2),
            stroke(style)
        ))
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        (x2, y2): BackendCoord,
        style: &S,
        filled: bool,
    ) -> Drawn {
        self.write(&format!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" {}/>"#,
            px(x.min(x2)),
            px(y.min(y2)),
            px((x2 - x).abs()),
            px((y2 - y).abs()),
            area(style, filled)
        ))
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.write(&format!(
            r#"<polyline points="{}" {} fill="none" stroke-linejoin="round"/>"#,
            points(path),
            stroke(style)
        ))
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        filled: bool,
    ) -> Drawn {
        self.write(&format!(
            r#"<circle cx="{}" cy="{}" r="{}" {}/>"#,
            px(x),
            px(y),
            number(f64::from(radius) / TENTHS),
            area(style, filled)
        ))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        self.write(&format!(
            r#"<polygon points="{}" {}/>"#,
            points(corners),
            fill(style.color())
        ))
    }

    fn draw_text<T: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &T,
        (x, y): BackendCoord,
    ) -> Drawn {
        let size = style.size() / TENTHS;
        let anchor = match style.anchor().h_pos {
            HPos::Left => "start",
            HPos::Center => "middle",
            HPos::Right => "end",
        };
        // By hand: not all that shows SVG knows `dominant-baseline`.
        let down = match style.anchor().v_pos {
            VPos::Top => 0.76,
            VPos::Center => 0.36,
            VPos::Bottom => -0.24,
        };
        let weight = match style.style() {
            FontStyle::Bold => r#" font-weight="600""#,
            _ => "",
        };
        let paint = Paint::of(style.color());
        self.write(&format!(
            r#"<text x="{}" y="{}" class="f-{} rim" fill="{}" font-size="{}" text-anchor="{anchor}"{weight}>{}</text>"#,
            px(x),
            number(f64::from(y) / TENTHS + down * size),
            paint.role.class(),
            paint.role.light(),
            number(size),
            escape(text)
        ))
    }
}
