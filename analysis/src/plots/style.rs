//! How plots look: roles instead of colours, two palettes for them, dashes and markers.
//!
//! Plotters knows colours only, so a role travels through it as one ([`Paint`]), and the backend
//! writes the light colour as an attribute and a class beside it. What knows style sheets takes
//! the class's colour, which changes with the reader's colour scheme; what does not, or prints,
//! shows the light one.

use std::fmt::Write as _;

use plotters::style::Color;
use plotters_backend::BackendColor;

/// How many series have a colour of their own; with dashes and markers, which repeat with other
/// periods, many more look different.
pub(super) const COLOURS: usize = 7;

/// For light pages: the palette of Okabe and Ito ("Color Universal Design", 2008) without its
/// yellow, the lighter hues darkened until they stand out from white by 3 : 1.
const LIGHT: [&str; COLOURS] = [
    "#0072b2", "#d55e00", "#008a64", "#b0608f", "#1a1a1a", "#b07700", "#2f8fc4",
];

/// For dark pages: the same hues, the darker ones lightened. Sky blue and blue have changed
/// places, and white is for black.
const DARK: [&str; COLOURS] = [
    "#56b4e9", "#f0752b", "#1fb58a", "#d98fb8", "#ececec", "#e69f00", "#5a8fd6",
];

/// Dashes of the series, in pixels; the first is a line without gaps.
const DASHES: [&str; 5] = ["", "9 4", "3 3", "12 3 3 3", "16 5"];

/// The dash of reference lines.
pub(super) const REFERENCE_DASH: u8 = 1;

/// The dash of the median beside a tail.
pub(super) const DOTTED: u8 = 2;

/// What a stroke or an area is there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// Text, and what must be read first.
    Ink,
    /// Axes, ticks and their labels.
    Axis,
    /// Lines behind the data.
    Grid,
    /// The page: behind everything, and inside hollow markers.
    Paper,
    /// Data, by the series' number.
    Series(usize),
}

impl Role {
    /// Its class in the style sheet, without the letter that says stroke or fill.
    pub(super) fn class(self) -> String {
        match self {
            Role::Ink => "ink".to_owned(),
            Role::Axis => "axis".to_owned(),
            Role::Grid => "grid".to_owned(),
            Role::Paper => "paper".to_owned(),
            Role::Series(at) => format!("s{}", at % COLOURS + 1),
        }
    }

    /// Its colour where nothing is known of the page.
    pub(super) fn light(self) -> &'static str {
        match self {
            Role::Ink => "#1a1a1a",
            Role::Axis => "#545454",
            Role::Grid => "#dddddd",
            Role::Paper => "#ffffff",
            Role::Series(at) => LIGHT[at % COLOURS],
        }
    }

    /// Its colour on a dark page.
    fn dark(self) -> &'static str {
        match self {
            Role::Ink => "#ececec",
            Role::Axis => "#b4b4b4",
            Role::Grid => "#3a3a3a",
            Role::Paper => "#161616",
            Role::Series(at) => DARK[at % COLOURS],
        }
    }

    fn all() -> impl Iterator<Item = Role> {
        [Role::Ink, Role::Axis, Role::Grid, Role::Paper]
            .into_iter()
            .chain((0..COLOURS).map(Role::Series))
    }
}

/// A role with a dash and an opacity: what takes the place of a colour in plotters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Paint {
    pub(super) role: Role,
    /// An index into the dashes.
    pub(super) dash: u8,
    /// From 0 to 1.
    pub(super) opacity: f64,
}

impl From<Role> for Paint {
    fn from(role: Role) -> Paint {
        Paint {
            role,
            dash: 0,
            opacity: 1.0,
        }
    }
}

impl Paint {
    /// The line of a series.
    pub(super) fn series(at: usize) -> Paint {
        let dash = u8::try_from(at % DASHES.len()).unwrap_or(0);
        Paint::from(Role::Series(at)).dashed(dash)
    }

    pub(super) fn dashed(self, dash: u8) -> Paint {
        Paint { dash, ..self }
    }

    pub(super) fn faint(self, opacity: f64) -> Paint {
        Paint { opacity, ..self }
    }

    /// What plotters was given as a colour.
    pub(super) fn of(colour: BackendColor) -> Paint {
        let (role, at, dash) = colour.rgb;
        let role = match role {
            0 => Role::Ink,
            1 => Role::Axis,
            2 => Role::Grid,
            3 => Role::Paper,
            _ => Role::Series(usize::from(at)),
        };
        Paint {
            role,
            dash,
            opacity: colour.alpha,
        }
    }

    /// The value of `stroke-dasharray`; none for a line without gaps.
    pub(super) fn dash_array(self) -> Option<&'static str> {
        DASHES
            .get(usize::from(self.dash))
            .copied()
            .filter(|dash| !dash.is_empty())
    }
}

impl Color for Paint {
    fn to_backend_color(&self) -> BackendColor {
        let (role, at) = match self.role {
            Role::Ink => (0, 0),
            Role::Axis => (1, 0),
            Role::Grid => (2, 0),
            Role::Paper => (3, 0),
            Role::Series(at) => (4, u8::try_from(at % COLOURS).unwrap_or(0)),
        };
        BackendColor {
            alpha: self.opacity,
            rgb: (role, at, self.dash),
        }
    }
}

/// The shapes of markers, which tell series apart without colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    Circle,
    Square,
    Up,
    Diamond,
    Down,
    Cross,
}

const SHAPES: [Shape; 6] = [
    Shape::Circle,
    Shape::Square,
    Shape::Up,
    Shape::Diamond,
    Shape::Down,
    Shape::Cross,
];

impl Shape {
    /// The marker of a series.
    pub(super) fn series(at: usize) -> Shape {
        SHAPES[at % SHAPES.len()]
    }
}

/// The style sheet of one plot. All rules are under the class `telegraft-plot`, for several plots
/// may stand in one page. A page that has colours of its own sets `--plot-ink`, `--plot-axis`,
/// `--plot-grid`, `--plot-paper` and `--plot-s1` to `--plot-s7`, which come first.
pub(super) fn sheet() -> String {
    let mut css = String::from(
        ".telegraft-plot{color-scheme:light dark;max-width:100%;height:auto;\
         font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif;\
         font-variant-numeric:tabular-nums",
    );
    let colours = |of: fn(Role) -> &'static str| {
        Role::all().fold(String::new(), |mut css, role| {
            let _ = write!(css, ";--tp-{}:{}", role.class(), of(role));
            css
        })
    };
    css += &colours(Role::light);
    css += "}@media screen and (prefers-color-scheme:dark){.telegraft-plot{";
    css += colours(Role::dark).trim_start_matches(';');
    css += "}}";
    for role in Role::all() {
        let class = role.class();
        let _ = write!(
            css,
            ".telegraft-plot .f-{class}{{fill:var(--plot-{class},var(--tp-{class}))}}\
             .telegraft-plot .l-{class}{{stroke:var(--plot-{class},var(--tp-{class}))}}"
        );
    }
    // A rim in the page's colour keeps words apart from what they lie on.
    css += "@supports (paint-order:stroke){.telegraft-plot .rim{paint-order:stroke;\
            stroke:var(--plot-paper,var(--tp-paper));stroke-width:4px;stroke-linejoin:round}}";
    css
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast of two colours, as WCAG 2.2 defines it.
    fn contrast(one: &str, other: &str) -> f64 {
        let luminance = |colour: &str| -> f64 {
            let channel = |at: usize| {
                let value = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
                let value = f64::from(value) / 255.0;
                match value <= 0.04045 {
                    true => value / 12.92,
                    false => ((value + 0.055) / 1.055).powf(2.4),
                }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn text_and_data_stand_out_on_light_and_dark_pages() {
        for at in 0..COLOURS {
            let role = Role::Series(at);
            for (colour, paper) in [
                (role.light(), Role::Paper.light()),
                (role.dark(), Role::Paper.dark()),
            ] {
                let contrast = contrast(colour, paper);
                assert!(contrast >= 3.0, "{colour} on {paper}: {contrast:.2}");
            }
        }
        for role in [Role::Ink, Role::Axis] {
            assert!(contrast(role.light(), Role::Paper.light()) >= 4.5);
            assert!(contrast(role.dark(), Role::Paper.dark()) >= 4.5);
        }
    }

    #[test]
    fn a_paint_comes_back_from_plotters_as_it_was() {
        for role in Role::all() {
            let paint = Paint::from(role).dashed(3).faint(0.25);
            assert_eq!(Paint::of(paint.to_backend_color()), paint);
        }
    }

    #[test]
    fn series_differ_without_colour() {
        let look = |at: usize| (Paint::series(at).dash, Shape::series(at) as u8);
        let mut looks: Vec<_> = (0..10).map(look).collect();
        looks.sort_unstable();
        looks.dedup();
        assert_eq!(looks.len(), 10);
    }
}
