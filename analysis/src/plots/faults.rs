//! Throughput of one run over its seconds, with the faults that went on meanwhile as bands beneath.

use crate::number::plain;

use super::canvas::{Canvas, Side, line};
use super::legend::{Legend, MOST_SERIES, Sample, of_series};
use super::panel::{FOOT, Frame, HEAD, NAMED_FOOT, Panel, Runs, runs};
use super::scale::Scale;
use super::style::{Paint, Role, Shape};
use super::text::{SIZE, figure, fit, list, sane, width};
use super::time::{bucket, greatest, in_buckets, mean};
use super::{Heading, Plot};

/// The height of a kind of fault.
const LANE: f64 = 22.0;

/// Kinds that are drawn; there are fewer.
const MOST_LANES: usize = 16;

/// Bands and changes of leader that are drawn of one kind.
const MOST_BANDS: usize = 400;

/// How wide the name of a kind may be, in pixels.
const MOST_LABEL: f64 = 110.0;

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) heading: Heading,
    /// One for each operation; ten at most are shown.
    pub(crate) series: Vec<Series>,
    /// One for each kind of fault.
    pub(crate) lanes: Vec<Lane>,
    /// Seconds at which another leader was seen.
    pub(crate) leaders_s: Vec<f64>,
    /// When the load was over, in seconds.
    pub(crate) end_s: f64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    pub(crate) label: String,
    /// When a second began, and its successful operations. A second that is missing had none that
    /// is known, and breaks the line.
    pub(crate) seconds: Vec<(f64, f64)>,
}

/// Faults of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    pub(crate) label: String,
    /// From when to when each went on, in seconds.
    pub(crate) bands_s: Vec<(f64, f64)>,
}

/// Draws it.
pub(crate) fn draw(input: &Faults) -> Plot {
    let shown = &input.series[..input.series.len().min(MOST_SERIES)];
    let lanes: Vec<(&Lane, Vec<(f64, f64)>)> = input
        .lanes
        .iter()
        .take(MOST_LANES)
        .map(|lane| (lane, sound(&lane.bands_s)))
        .collect();
    let leaders = input.leaders_s.iter().copied().filter_map(sane);
    let leaders: Vec<f64> = leaders.take(MOST_BANDS).collect();
    let seconds = shown.iter().flat_map(|series| &series.seconds);
    let last = seconds
        .filter_map(|second| sane(second.0))
        .fold(0.0, f64::max);
    let length = bucket(last);
    let ends = lanes.iter().flat_map(|(_, bands)| bands).map(|band| band.1);
    let end = ends
        .chain(sane(input.end_s))
        .chain(leaders.iter().copied())
        .fold(last + length, f64::max);
    let lines: Vec<Runs> = shown
        .iter()
        .map(|series| {
            let values = series.seconds.iter().map(|(at_s, ok)| (*at_s, Some(*ok)));
            runs(in_buckets(values, length, mean).into_iter(), length * 1.5)
        })
        .collect();
    let values = lines.iter().flatten().flatten().map(|point| point.1);
    let ops = Scale::linear(values, 4);
    let x = Scale::seconds(end, 6);

    let mut labels: Vec<String> = lanes.iter().map(|(lane, _)| lane.label.clone()).collect();
    if !leaders.is_empty() {
        labels.push("new leader".to_owned());
    }
    for label in &mut labels {
        *label = fit(label, SIZE, MOST_LABEL);
    }
    let widest = labels
        .iter()
        .map(|label| width(label, SIZE))
        .fold(0.0, f64::max);

    let mut entries = of_series(input.series.iter().map(|series| &*series.label));
    let band = Paint::from(Role::Ink);
    if lanes.iter().any(|(_, bands)| !bands.is_empty()) {
        entries.push((
            Sample::Area(band.faint(0.3), band),
            "a fault goes on".to_owned(),
        ));
    }
    let legend = Legend::new(entries);
    let mut frame = Frame::beside(&[&ops], 0.0, 0.0);
    frame.left = frame.left.max(widest + 12.0);
    let top = legend.height + HEAD + 4.0;
    let upper = Frame {
        top,
        bottom: top + 200.0,
        ..frame
    };
    #[allow(clippy::cast_precision_loss, reason = "there are few lanes")]
    let below = labels.len() as f64 * LANE;
    let top = upper.bottom + FOOT + 8.0;
    let lower = Frame {
        top,
        bottom: top + below.max(LANE),
        ..frame
    };
    let canvas = Canvas::new(lower.bottom + NAMED_FOOT);
    legend.draw(&canvas, 2.0);
    let upper = Panel::new(&canvas, upper, x.clone(), ops);
    upper.axes(None, "throughput (successful operations/s)");
    for (at, runs) in lines.iter().enumerate() {
        upper.curve(runs, Paint::series(at), 1.8);
        upper.marks_along(runs, at, shown.len());
    }
    if lines.iter().all(Vec::is_empty) {
        upper.empty();
    }
    let lower = Panel::new(&canvas, lower, x, Scale::linear(std::iter::empty(), 1));
    lower.x_axis(Some("seconds since counting began"));
    let mut y = lower.frame.top + LANE / 2.0;
    let mut labels = labels.iter();
    for (_, bands) in &lanes {
        name(&lower, y, labels.next());
        for (from, to) in bands {
            let (left, right) = (lower.at(*from, 0.0).0, lower.at(*to, 0.0).0);
            // One that was over at once is seen, too.
            let corners = ((left, y - 7.0), (right.max(left + 2.0), y + 7.0));
            canvas.rect(corners.0, corners.1, band.faint(0.3));
            canvas.rim(corners.0, corners.1, line(band, 1.0));
        }
        y += LANE;
    }
    if let Some(label) = labels.next() {
        name(&lower, y, Some(label));
        for at_s in &leaders {
            let x = lower.at(*at_s, 0.0).0;
            canvas.marker((x, y), Shape::Diamond, Role::Ink.into(), false, 4.6);
        }
    }

    let mut caption = Vec::new();
    if length > 1.0 {
        caption.push(format!(
            "A point stands for {} seconds, of which it is the mean.",
            plain(length)
        ));
    }
    if !leaders.is_empty() {
        caption.push("◆: another leader was seen.".to_owned());
    }
    let left_out = input
        .lanes
        .iter()
        .map(|lane| lane.bands_s.len().saturating_sub(MOST_BANDS));
    let left_out = left_out.sum::<usize>() + input.leaders_s.len().saturating_sub(MOST_BANDS);
    if left_out > 0 {
        caption.push(format!("{left_out} later faults or changes are not drawn."));
    }
    let alt = alt(shown, &lanes, leaders.len());
    input.heading.plot(canvas, alt, &caption)
}

/// The name of a lane, left of it.
fn name(panel: &Panel<'_>, y: f64, label: Option<&String>) {
    let label = label.map_or("", String::as_str);
    let at = (panel.frame.left - 7.0, y);
    panel.canvas.text(at, label, Side::Left);
}

/// Those that can be drawn, their ends in order.
fn sound(bands: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let bands = bands.iter().filter_map(|(from, to)| {
        let (from, to) = (sane(*from)?.max(0.0), sane(*to)?.max(0.0));
        Some((from.min(to), from.max(to)))
    });
    bands.take(MOST_BANDS).collect()
}

fn alt(shown: &[Series], lanes: &[(&Lane, Vec<(f64, f64)>)], leaders: usize) -> String {
    let tell = |series: &Series| {
        let ok = series.seconds.iter().filter_map(|second| sane(second.1));
        let ok: Vec<f64> = ok.collect();
        if ok.is_empty() {
            return format!("{}: no throughput known", series.label);
        }
        let least = ok.iter().copied().fold(f64::INFINITY, f64::min);
        format!(
            "{}: {} to {} operations per second, mean {}",
            series.label,
            figure(least),
            figure(greatest(&ok)),
            figure(mean(&ok))
        )
    };
    let told: Vec<String> = shown.iter().map(tell).collect();
    let told = match told.is_empty() {
        true => "no data".to_owned(),
        false => list(&told, 6),
    };
    let bands = lanes.iter().map(|(lane, bands)| {
        let seconds: f64 = bands.iter().map(|(from, to)| to - from).sum();
        format!(
            "{} {} times, {} s in all",
            lane.label,
            bands.len(),
            figure(seconds)
        )
    });
    let mut bands: Vec<String> = bands.collect();
    if leaders > 0 {
        bands.push(format!("another leader {leaders} times"));
    }
    let bands = match bands.is_empty() {
        true => String::new(),
        false => format!(" Meanwhile: {}.", list(&bands, MOST_LANES)),
    };
    format!("Throughput over the seconds of a stress run. {told}.{bands}")
}
