//! Response time against the offered load, with the knee.

use super::canvas::{Canvas, Side, line};
use super::legend::{Legend, MOST_SERIES, Sample, and_more};
use super::panel::{End, Frame, HEAD, NAMED_FOOT, Panel, runs};
use super::scale::Scale;
use super::style::{DOTTED, Paint, REFERENCE_DASH, Role, Shape};
use super::text::{SIZE, figure, fit, list, sane, width};
use super::{Heading, Latency, Plot};

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offered {
    pub(crate) heading: Heading,
    /// One for each system or configuration, p50 and p99 in one colour; ten at most are shown.
    pub(crate) series: Vec<Series>,
    /// The greatest p99 that is good enough, milliseconds.
    pub(crate) slo_p99_ms: Option<f64>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    pub(crate) label: String,
    pub(crate) points: Vec<Point>,
}

/// A run at an offered load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) offered_per_s: f64,
    pub(crate) p50: Latency,
    pub(crate) p99: Latency,
    /// Points that are not valid are hollow, and are no knee.
    pub(crate) valid: bool,
}

/// How many times the p99 of the lowest rate still counts as before the knee, where there is no
/// SLO: an order of magnitude, which is more than trials of one rate differ by.
const FLAT: f64 = 10.0;

/// The highest offered rate up to which all valid points keep their p99 within a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Knee {
    pub(crate) offered_per_s: f64,
    /// Whether a higher rate that was tried did not: else the knee lies beyond all that was
    /// tried.
    pub(crate) seen: bool,
    /// The limit, milliseconds.
    pub(crate) limit_ms: f64,
}

/// Finds the knee of one series: the limit is the SLO, or else [`FLAT`] times the p99 at the
/// lowest rate. None where the lowest rate does not keep it, or nothing is valid.
pub(crate) fn knee(points: &[Point], slo_p99_ms: Option<f64>) -> Option<Knee> {
    let mut valid: Vec<Point> = points
        .iter()
        .copied()
        .filter(|point| point.valid && sane(point.offered_per_s).is_some())
        .filter(|point| point.p99 != Latency::Unknown)
        .collect();
    valid.sort_by(|one, other| one.offered_per_s.total_cmp(&other.offered_per_s));
    let limit_ms = match slo_p99_ms.and_then(sane) {
        Some(slo) => slo,
        None => FLAT * valid.first()?.p99.ms()?,
    };
    let kept = |point: &&Point| point.p99.ms().is_some_and(|ms| ms <= limit_ms);
    let fails = valid.iter().find(|point| !kept(point));
    // Of several runs at one rate, all must keep it.
    let below =
        |point: &&Point| fails.is_none_or(|fails| point.offered_per_s < fails.offered_per_s);
    let last = valid.iter().rfind(below)?;
    Some(Knee {
        offered_per_s: last.offered_per_s,
        seen: fails.is_some(),
        limit_ms,
    })
}

/// Draws it.
pub(crate) fn draw(input: &Offered) -> Plot {
    let shown = &input.series[..input.series.len().min(MOST_SERIES)];
    let points = || shown.iter().flat_map(|series| &series.points);
    let slo = input.slo_p99_ms.and_then(sane).filter(|slo| *slo > 0.0);
    let knees: Vec<Option<Knee>> = shown.iter().map(|s| knee(&s.points, slo)).collect();
    let latencies = points().flat_map(|point| [point.p50.ms(), point.p99.ms()]);
    let x = Scale::linear(points().map(|point| point.offered_per_s), 5);
    let y = Scale::log(latencies.flatten().chain(slo));

    let beyond = points().any(|point| [point.p50, point.p99].contains(&Latency::BeyondTimeout));
    let invalid = points().any(|point| !point.valid);
    let legend = Legend::new(entries(input, beyond, invalid));
    // Above the panel, a row for each knee's label.
    let rows = knees
        .iter()
        .flatten()
        .filter(|knee| knee.seen)
        .count()
        .min(3);
    let rows = f64::from(u32::try_from(rows).unwrap_or(0));
    let head = legend.height + HEAD + 4.0;
    let top = head + 19.0 * rows + 4.0;
    let bottom = top + 270.0;
    let canvas = Canvas::new(bottom + NAMED_FOOT);
    legend.draw(&canvas, 2.0);
    let panel = Panel::new(&canvas, Frame::beside(&[&y], top, bottom), x, y);
    panel.axes_below(
        head,
        Some("offered load (operations/s)"),
        "response time (ms), logarithmic",
    );
    if let Some(slo) = slo {
        let paint = Paint::from(Role::Ink).dashed(REFERENCE_DASH);
        panel.level(
            slo,
            &format!("SLO: p99 ≤ {} ms", crate::number::plain(slo)),
            paint,
            End::Left,
        );
    }
    draw_knees(&panel, &knees, head);
    for (at, series) in shown.iter().enumerate() {
        draw_series(&panel, series, at);
    }
    if points().next().is_none() {
        panel.empty();
    }
    let caption = caption(slo, &knees, invalid, beyond);
    let alt = alt(shown, &knees, input.series.len() - shown.len());
    input.heading.plot(canvas, alt, &caption)
}

fn entries(input: &Offered, beyond: bool, invalid: bool) -> Vec<(Sample, String)> {
    let mut entries = Vec::new();
    let of = input.series.len().min(MOST_SERIES);
    for (at, series) in input.series[..of].iter().enumerate() {
        let solid = Paint::series(at).dashed(0);
        let shape = Shape::series(at);
        entries.push((
            Sample::Line(solid, Some(shape)),
            format!("{} p99", series.label),
        ));
        entries.push((
            Sample::Line(solid.dashed(DOTTED), Some(shape)),
            "p50".to_owned(),
        ));
    }
    entries.extend(and_more(input.series.len() - of));
    if invalid {
        let sample = Sample::Marker(Role::Axis.into(), Shape::Circle, true);
        entries.push((sample, "hollow: invalid run".to_owned()));
    }
    if beyond {
        let sample = Sample::Marker(Role::Axis.into(), Shape::Up, true);
        entries.push((sample, "at the top: >timeout".to_owned()));
    }
    entries
}

fn draw_series(panel: &Panel, series: &Series, nth: usize) {
    let solid = Paint::series(nth).dashed(0);
    draw_percentile(panel, series, nth, solid.dashed(DOTTED), |point| point.p50);
    draw_percentile(panel, series, nth, solid, |point| point.p99);
}

fn draw_percentile(
    panel: &Panel,
    series: &Series,
    nth: usize,
    paint: Paint,
    of: fn(&Point) -> Latency,
) {
    let points = series.points.iter();
    let known = points.filter(|point| of(point) != Latency::Unknown);
    let drawn = known.map(|point| (point.offered_per_s, of(point).ms()));
    panel.curve(&runs(drawn, f64::INFINITY), paint, 2.2);
    for point in &series.points {
        let Some(offered) = sane(point.offered_per_s) else {
            continue;
        };
        if of(point) == Latency::BeyondTimeout {
            let at = (panel.at(offered, 1.0).0, panel.frame.top + 6.0);
            panel.canvas.marker(at, Shape::Up, paint, true, 6.0);
        }
        if let Some(ms) = of(point).ms() {
            let (at, shape) = (panel.at(offered, ms), Shape::series(nth));
            panel.canvas.marker(at, shape, paint, !point.valid, 4.6);
        }
    }
}

/// A line down for each knee, with its rate in one of the rows above the panel.
fn draw_knees(panel: &Panel, knees: &[Option<Knee>], head: f64) {
    let mut row = 0.0;
    let mut seen: Vec<(usize, Knee)> = knees
        .iter()
        .enumerate()
        .filter_map(|(nth, knee)| Some((nth, knee.filter(|knee| knee.seen)?)))
        .collect();
    // The leftmost label uppermost: no line of another goes through it.
    seen.sort_by(|one, other| one.1.offered_per_s.total_cmp(&other.1.offered_per_s));
    for (nth, knee) in seen {
        let x = panel.at(knee.offered_per_s, 1.0).0;
        let paint = Paint::from(Role::Series(nth)).dashed(REFERENCE_DASH);
        let y = head + 19.0 * row + 8.0;
        let named = y < panel.frame.top;
        let from = match named {
            true => y,
            false => panel.frame.top,
        };
        panel
            .canvas
            .path(&[(x, from), (x, panel.frame.bottom)], line(paint, 1.6));
        if named {
            let label = fit(
                &format!("knee: {}/s", figure(knee.offered_per_s)),
                SIZE,
                260.0,
            );
            let room = panel.frame.right - x - 8.0 > width(&label, SIZE);
            let (at, side) = match room {
                true => ((x + 6.0, y), Side::Right),
                false => ((x - 6.0, y), Side::Left),
            };
            panel.canvas.text(at, &label, side);
        }
        row += 1.0;
    }
}

fn caption(slo: Option<f64>, knees: &[Option<Knee>], invalid: bool, beyond: bool) -> Vec<String> {
    let limit = match slo {
        Some(slo) => format!("the SLO of {} ms", crate::number::plain(slo)),
        None => format!("{FLAT} times its value at the lowest rate"),
    };
    let mut caption = vec![format!(
        "The knee is the last offered rate before the first one at which a valid run's p99 is \
         above {limit}."
    )];
    if knees.iter().flatten().any(|knee| !knee.seen) {
        caption.push(
            "Where none is marked, none was found among the rates that were tried.".to_owned(),
        );
    }
    if invalid {
        caption.push("Hollow points are of invalid runs.".to_owned());
    }
    if beyond {
        caption.push(
            "△ at the upper edge: so many operations did not succeed that the percentile is \
             beyond the timeout."
                .to_owned(),
        );
    }
    caption
}

fn alt(shown: &[Series], knees: &[Option<Knee>], more: usize) -> String {
    let tell = |(series, knee): (&Series, &Option<Knee>)| {
        let mut points: Vec<&Point> = series.points.iter().collect();
        points.sort_by(|one, other| one.offered_per_s.total_cmp(&other.offered_per_s));
        let at = |point: &&Point| {
            let p99 = match point.p99 {
                Latency::Ms(ms) => format!("{} ms", figure(ms)),
                Latency::BeyondTimeout => "beyond the timeout".to_owned(),
                Latency::Unknown => "unknown".to_owned(),
            };
            format!("p99 {p99} at {}/s", figure(point.offered_per_s))
        };
        let ends = match &points[..] {
            [] => "no data".to_owned(),
            [only] => at(only),
            [first, .., last] => format!("{}, {}", at(first), at(last)),
        };
        let knee = match knee {
            Some(knee) if knee.seen => format!("the knee is at {}/s", figure(knee.offered_per_s)),
            Some(_) => "the knee was not reached".to_owned(),
            None => "no knee is told".to_owned(),
        };
        format!("{}: {ends}; {knee}", series.label)
    };
    let told: Vec<String> = shown.iter().zip(knees).map(tell).collect();
    if told.is_empty() {
        return "Response time against offered load: no data.".to_owned();
    }
    let left_out = match more {
        0 => String::new(),
        more => format!(" {more} more are not drawn."),
    };
    format!(
        "Response time against offered load. {}.{left_out}",
        list(&told, 6)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(offered_per_s: f64, p99: Latency, valid: bool) -> Point {
        Point {
            offered_per_s,
            p50: Latency::Unknown,
            p99,
            valid,
        }
    }

    #[test]
    fn the_knee_is_the_last_rate_before_the_tail_leaves_its_limit() {
        let ms = Latency::Ms;
        // Not in order, and flat again beyond the knee.
        let points = [
            point(4_000.0, ms(29.1), true),
            point(1_000.0, ms(3.0), true),
            point(2_000.0, ms(29.9), true),
            point(3_000.0, ms(30.1), true),
        ];
        let found = knee(&points, None).unwrap();
        assert_eq!(
            (found.offered_per_s, found.seen, found.limit_ms),
            (2_000.0, true, 30.0)
        );
        let found = knee(&points, Some(50.0)).unwrap();
        assert_eq!((found.offered_per_s, found.seen), (4_000.0, false));
        assert_eq!(knee(&points, Some(2.0)), None);
        assert_eq!(knee(&[], None), None);
    }

    #[test]
    fn a_timeout_ends_the_flat_part_and_invalid_runs_do_not_count() {
        let points = [
            point(500.0, Latency::Ms(0.1), false),
            point(1_000.0, Latency::Ms(3.0), true),
            point(2_000.0, Latency::Ms(4.0), true),
            point(3_000.0, Latency::Unknown, true),
            point(4_000.0, Latency::BeyondTimeout, true),
        ];
        let found = knee(&points, None).unwrap();
        assert_eq!((found.offered_per_s, found.limit_ms), (2_000.0, 30.0));
        // Of two runs at one rate, one that fails is enough.
        let twice = [
            points[1],
            points[2],
            point(2_000.0, Latency::Ms(90.0), true),
        ];
        assert_eq!(knee(&twice, None).unwrap().offered_per_s, 1_000.0);
    }
}
