//! Throughput against the number of replicas, with intervals.

use super::canvas::{Canvas, line};
use super::legend::{Legend, MOST_SERIES, Sample, of_series};
use super::panel::{End, Frame, HEAD, NAMED_FOOT, Panel};
use super::scale::Scale;
use super::style::{Paint, REFERENCE_DASH, Role, Shape};
use super::text::{figure, list, sane};
use super::{Heading, Plot};

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replicas {
    pub(crate) heading: Heading,
    /// One for each workload or system; ten at most are shown.
    pub(crate) series: Vec<Series>,
    /// Levels to compare with, of systems without replicas; ten at most are shown.
    pub(crate) ceilings: Vec<Ceiling>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    pub(crate) label: String,
    pub(crate) points: Vec<Point>,
}

/// A configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Point {
    pub(crate) replicas: u32,
    /// Successful operations per second; none where no trial is valid.
    pub(crate) ops_per_s: Option<Estimate>,
    /// Each valid trial's, operations per second.
    pub(crate) trials_ops_per_s: Vec<f64>,
}

/// A figure and what it lies between.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    /// The ends of its 95 % interval; none where there are too few trials for one.
    pub(crate) interval: Option<(f64, f64)>,
}

/// A horizontal line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ceiling {
    /// `null`, or with the workload.
    pub(crate) label: String,
    pub(crate) ops_per_s: f64,
    /// The index of the series that it is to be compared with, whose colour it takes.
    pub(crate) series: Option<usize>,
}

/// Draws it.
pub(crate) fn draw(input: &Replicas) -> Plot {
    let shown = &input.series[..input.series.len().min(MOST_SERIES)];
    let ceilings = &input.ceilings[..input.ceilings.len().min(MOST_SERIES)];
    let points = || shown.iter().flat_map(|series| &series.points);
    let mut places: Vec<f64> = points().map(|point| f64::from(point.replicas)).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let drawn = points()
        .flat_map(amounts)
        .chain(ceilings.iter().map(|ceiling| ceiling.ops_per_s));
    let x = Scale::places(&places);
    let y = Scale::linear(drawn, 5);

    let mut entries = of_series(input.series.iter().map(|series| &*series.label));
    let trials = points().any(|point| point.trials_ops_per_s.len() > 1);
    if trials {
        let faint = Paint::from(Role::Axis).faint(0.55);
        let sample = Sample::Marker(faint, Shape::Circle, false);
        entries.push((sample, "single trials".to_owned()));
    }
    let legend = Legend::new(entries);
    let top = legend.height + HEAD + 4.0;
    let bottom = top + 270.0;
    let canvas = Canvas::new(bottom + NAMED_FOOT);
    legend.draw(&canvas, 2.0);
    let panel = Panel::new(&canvas, Frame::beside(&[&y], top, bottom), x, y);
    panel.axes(Some("replicas"), "throughput (successful operations/s)");
    draw_ceilings(&panel, ceilings);
    for (at, series) in shown.iter().enumerate() {
        draw_series(&panel, series, at, shown.len());
    }
    if points().flat_map(amounts).next().is_none() {
        panel.empty();
    }
    let intervals = points().any(|point| interval(point).is_some());
    let without = points().any(|point| point.ops_per_s.is_some() && interval(point).is_none());
    let caption = [
        (intervals, "Bars are 95 % intervals."),
        (
            without,
            "Where there is no bar, there were too few trials for an interval.",
        ),
        (trials, "Faint points beside a marker are single trials."),
        (
            !ceilings.is_empty(),
            "Dashed lines across are the ceilings that systems without consensus reach.",
        ),
    ];
    let caption: Vec<String> = caption
        .into_iter()
        .filter(|(there, _)| *there)
        .map(|(_, sentence)| sentence.to_owned())
        .collect();
    input.heading.plot(canvas, alt(input, shown), &caption)
}

fn draw_ceilings(panel: &Panel, ceilings: &[Ceiling]) {
    let known = |ceiling: &&Ceiling| sane(ceiling.ops_per_s).is_some();
    let mut ceilings: Vec<&Ceiling> = ceilings.iter().filter(known).collect();
    ceilings.sort_by(|one, other| other.ops_per_s.total_cmp(&one.ops_per_s));
    let mut above = f64::NEG_INFINITY;
    for ceiling in ceilings {
        let role = ceiling.series.map_or(Role::Ink, Role::Series);
        let y = panel.at(0.0, ceiling.ops_per_s).1;
        let end = match y - above < 24.0 {
            true => End::RightBelow,
            false => End::Right,
        };
        let paint = Paint::from(role).dashed(REFERENCE_DASH);
        panel.level(ceiling.ops_per_s, &ceiling.label, paint, end);
        above = y;
    }
}

/// All that must be within the axis.
fn amounts(point: &Point) -> impl Iterator<Item = f64> {
    let value = point.ops_per_s.and_then(|estimate| sane(estimate.value));
    let ends = interval(point)
        .into_iter()
        .flat_map(|(low, high)| [low, high]);
    let trials = point.trials_ops_per_s.iter().copied().filter_map(sane);
    value.into_iter().chain(ends).chain(trials)
}

/// The interval, its ends in order.
fn interval(point: &Point) -> Option<(f64, f64)> {
    let estimate = point.ops_per_s?;
    sane(estimate.value)?;
    let (low, high) = estimate.interval?;
    let (low, high) = (sane(low)?, sane(high)?);
    Some((low.min(high), low.max(high)))
}

fn draw_series(panel: &Panel, series: &Series, nth: usize, of: usize) {
    let paint = Paint::series(nth);
    let solid = paint.dashed(0);
    // Side by side, so that bars of equal heights do not lie on each other.
    #[allow(clippy::cast_precision_loss, reason = "there are ten series at most")]
    let aside = (nth as f64 - (of as f64 - 1.0) / 2.0) * (56.0 / of.max(1) as f64).min(15.0);
    let mut points: Vec<&Point> = series.points.iter().collect();
    points.sort_by_key(|point| point.replicas);
    let at = |point: &Point, value: f64| {
        let (x, y) = panel.at(f64::from(point.replicas), value);
        (x + aside, y)
    };
    let known = |point: &&&Point| point.ops_per_s.is_some_and(|e| sane(e.value).is_some());
    let lines = points.chunk_by(|one, other| known(&one) && known(&other));
    for run in lines {
        let run: Vec<(f64, f64)> = run
            .iter()
            .filter_map(|point| Some(at(point, sane(point.ops_per_s?.value)?)))
            .collect();
        panel.canvas.path(&run, line(paint, 2.0));
    }
    for point in points {
        // Of very many, the first hundred; a cloud of them says no more.
        for trial in point
            .trials_ops_per_s
            .iter()
            .copied()
            .filter_map(sane)
            .take(100)
        {
            let (x, y) = at(point, trial);
            let (faint, place) = (solid.faint(0.45), (x + 8.0, y));
            panel.canvas.marker(place, Shape::Circle, faint, false, 2.6);
        }
        if let Some((low, high)) = interval(point) {
            let ((x, low), (_, high)) = (at(point, low), at(point, high));
            let thick = line(solid, 1.8);
            panel.canvas.path(&[(x, low), (x, high)], thick);
            for end in [low, high] {
                panel.canvas.path(&[(x - 5.0, end), (x + 5.0, end)], thick);
            }
        }
        if let Some(value) = point.ops_per_s.and_then(|estimate| sane(estimate.value)) {
            panel
                .canvas
                .marker(at(point, value), Shape::series(nth), paint, false, 4.6);
        }
    }
}

fn alt(input: &Replicas, shown: &[Series]) -> String {
    let tell = |series: &Series| {
        let mut points: Vec<&Point> = series.points.iter().collect();
        points.sort_by_key(|point| point.replicas);
        let points: Vec<String> = points
            .into_iter()
            .filter_map(|point| {
                let value = figure(sane(point.ops_per_s?.value)?);
                let between = interval(point).map_or(String::new(), |(low, high)| {
                    format!(" [{}, {}]", figure(low), figure(high))
                });
                Some(format!("{value}{between} at {}", point.replicas))
            })
            .collect();
        match points.is_empty() {
            true => format!("{}: not known", series.label),
            false => format!("{}: {}", series.label, points.join(", ")),
        }
    };
    let told: Vec<String> = shown.iter().map(tell).collect();
    if told.is_empty() {
        return "Throughput against the number of replicas: no data.".to_owned();
    }
    let ceilings: Vec<String> = input
        .ceilings
        .iter()
        .map(|ceiling| format!("{} {}", ceiling.label, figure(ceiling.ops_per_s)))
        .collect();
    let ceilings = match ceilings.is_empty() {
        true => String::new(),
        false => format!(" To compare: {}.", list(&ceilings, 6)),
    };
    let left_out = match input.series.len() - shown.len() {
        0 => String::new(),
        more => format!(" {more} more are not drawn."),
    };
    format!(
        "Operations per second by number of replicas. {}.{ceilings}{left_out}",
        list(&told, 6)
    )
}
