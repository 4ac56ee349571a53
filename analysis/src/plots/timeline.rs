//! Throughput and p99 of one run over its seconds, with what happened meanwhile.

use crate::number::plain;

use super::canvas::Canvas;
use super::legend::{Legend, MOST_SERIES, Sample, of_series};
use super::panel::{FOOT, Frame, HEAD, NAMED_FOOT, Panel, Runs, runs};
use super::scale::Scale;
use super::style::{Paint, Role, Shape};
use super::text::{figure, list, sane};
use super::time::{Marks, bucket, greatest, in_buckets, mean};
use super::{Heading, Latency, Mark, Plot};

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    pub(crate) heading: Heading,
    /// One for each operation; ten at most are shown.
    pub(crate) series: Vec<Series>,
    pub(crate) marks: Vec<Mark>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    pub(crate) label: String,
    /// Where a second is missing, the line is broken.
    pub(crate) seconds: Vec<Second>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Second {
    /// When it began, seconds since the run's count began.
    pub(crate) at_s: f64,
    /// Successful operations in it.
    pub(crate) ops_per_s: Option<f64>,
    /// The 99th percentile of its response times.
    pub(crate) p99: Latency,
}

/// One series as it is drawn.
struct Lines {
    ops_per_s: Runs,
    p99_ms: Runs,
    /// The beginnings of buckets in which a p99 is beyond the timeout.
    beyond_s: Vec<f64>,
}

/// Draws it.
pub(crate) fn draw(input: &Timeline) -> Plot {
    let shown = &input.series[..input.series.len().min(MOST_SERIES)];
    let seconds = || shown.iter().flat_map(|series| &series.seconds);
    let last = seconds()
        .filter_map(|second| sane(second.at_s))
        .fold(0.0, f64::max);
    let length = bucket(last);
    let lines: Vec<Lines> = shown.iter().map(|series| lines(series, length)).collect();

    let all = |of: fn(&Lines) -> &Runs| {
        let points = lines.iter().flat_map(of).flatten().map(|point| point.1);
        points.collect::<Vec<f64>>()
    };
    let ops = Scale::linear(all(|lines| &lines.ops_per_s).into_iter(), 4);
    let p99 = Scale::log(all(|lines| &lines.p99_ms).into_iter());
    let x = Scale::seconds(last + length, 6);

    let mut entries = of_series(input.series.iter().map(|series| &*series.label));
    let beyond = lines.iter().any(|lines| !lines.beyond_s.is_empty());
    if beyond {
        let sample = Sample::Marker(Role::Axis.into(), Shape::Up, true);
        entries.push((sample, "p99 >timeout".to_owned()));
    }
    let legend = Legend::new(entries);
    let frame = Frame::beside(&[&ops, &p99], 0.0, 0.0);
    let across = |at_s: f64| frame.left + x.place(at_s) * (frame.right - frame.left);
    let marks = Marks::new(&input.marks, across, x.high());

    let head = legend.height + HEAD + 4.0;
    let top = head + marks.height;
    let upper = Frame {
        top,
        bottom: top + 170.0,
        ..frame
    };
    let top = upper.bottom + FOOT + HEAD + 8.0;
    let lower = Frame {
        top,
        bottom: top + 170.0,
        ..frame
    };
    let canvas = Canvas::new(lower.bottom + NAMED_FOOT);
    legend.draw(&canvas, 2.0);
    let upper = Panel::new(&canvas, upper, x.clone(), ops);
    let lower = Panel::new(&canvas, lower, x, p99);
    upper.axes_below(head, None, "throughput (successful operations/s)");
    lower.axes(
        Some("seconds since counting began"),
        "p99 response time (ms), logarithmic",
    );
    marks.draw(&canvas, &[&upper, &lower]);
    let mut taken: Vec<f64> = Vec::new();
    for (at, lines) in lines.iter().enumerate() {
        let mut own = Vec::new();
        for (panel, runs) in [(&upper, &lines.ops_per_s), (&lower, &lines.p99_ms)] {
            panel.curve(runs, Paint::series(at), 1.8);
            panel.marks_along(runs, at, shown.len());
        }
        for at_s in &lines.beyond_s {
            let x = lower.at(*at_s, 1.0).0;
            // Below those of other series at the same time.
            let before = taken
                .iter()
                .filter(|other: &&f64| (**other - x).abs() < 9.0)
                .count();
            own.push(x);
            let down = f64::from(u32::try_from(before.min(9)).unwrap_or(9)) * 12.0;
            let place = (x, lower.frame.top + 7.0 + down);
            canvas.marker(place, Shape::Up, Paint::series(at), true, 5.0);
        }
        taken.append(&mut own);
    }
    let none = |of: fn(&Lines) -> &Runs| lines.iter().all(|l| of(l).is_empty());
    if none(|lines| &lines.ops_per_s) {
        upper.empty();
    }
    if none(|lines| &lines.p99_ms) && !beyond {
        lower.empty();
    }

    let mut caption = vec![match length > 1.0 {
        true => format!(
            "A point stands for {} seconds: of throughput their mean, of p99 the worst of their \
             seconds.",
            plain(length)
        ),
        false => "A point stands for one second.".to_owned(),
    }];
    caption.extend(marks.caption());
    if beyond {
        caption.push(
            "△ near the upper edge: so many operations did not succeed that the p99 is beyond the \
             timeout."
                .to_owned(),
        );
    }
    let alt = alt(shown, input.series.len(), &marks);
    input.heading.plot(canvas, alt, &caption)
}

fn lines(series: &Series, length: f64) -> Lines {
    let values = |of: fn(&Second) -> Option<f64>| {
        series
            .seconds
            .iter()
            .map(move |second| (second.at_s, of(second)))
    };
    let ops = in_buckets(values(|second| second.ops_per_s), length, mean);
    let p99 = in_buckets(values(|second| second.p99.ms()), length, greatest);
    let beyond = values(|second| (second.p99 == Latency::BeyondTimeout).then_some(1.0));
    let beyond_s: Vec<f64> = in_buckets(beyond, length, greatest)
        .into_iter()
        .filter_map(|(at_s, any)| any.map(|_| at_s))
        .collect();
    // The worst of such a bucket is not the greatest number in it.
    let p99 = p99
        .into_iter()
        .map(|(at_s, ms)| match beyond_s.contains(&at_s) {
            true => (at_s, None),
            false => (at_s, ms),
        });
    let gap = length * 1.5;
    Lines {
        ops_per_s: runs(ops.into_iter(), gap),
        p99_ms: runs(p99, gap),
        beyond_s,
    }
}

fn alt(shown: &[Series], all: usize, marks: &Marks) -> String {
    let tell = |series: &Series| {
        let ops: Vec<f64> = series
            .seconds
            .iter()
            .filter_map(|second| sane(second.ops_per_s?))
            .collect();
        let p99 = series.seconds.iter().filter_map(|second| second.p99.ms());
        let worst = p99.fold(None, |worst: Option<f64>, ms| {
            Some(worst.map_or(ms, |w| w.max(ms)))
        });
        if ops.is_empty() {
            return format!("{}: no throughput known", series.label);
        }
        let least = ops.iter().copied().fold(f64::INFINITY, f64::min);
        let worst = match worst {
            Some(ms) => format!("worst p99 of a second {} ms", figure(ms)),
            None => "no p99 known".to_owned(),
        };
        format!(
            "{}: {} to {} operations per second, mean {}, {worst}",
            series.label,
            figure(least),
            figure(greatest(&ops)),
            figure(mean(&ops)),
        )
    };
    let told: Vec<String> = shown.iter().map(tell).collect();
    if told.is_empty() {
        return format!("Throughput and p99 over time: no data.{}", marks.alt());
    }
    let left_out = match all - shown.len() {
        0 => String::new(),
        more => format!(" {more} more are not drawn."),
    };
    format!(
        "Throughput and p99 over the seconds of a run. {}.{}{left_out}",
        list(&told, 6),
        marks.alt()
    )
}
