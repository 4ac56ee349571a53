//! How far followers are behind over a run's seconds: what is not in their logs yet, and what is
//! committed and they have not applied yet.

use crate::number::plain;

use super::canvas::Canvas;
use super::legend::{Legend, MOST_SERIES, of_series};
use super::panel::{FOOT, Frame, HEAD, NAMED_FOOT, Panel, Runs, runs};
use super::scale::Scale;
use super::style::Paint;
use super::text::{SIZE, figure, list, sane, width};
use super::time::{Marks, bucket, greatest, in_buckets, mean};
use super::{Heading, Mark, Plot};

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lag {
    pub(crate) heading: Heading,
    /// A line each; ten at most are shown.
    pub(crate) replicas: Vec<Replica>,
    /// What the run committed, entries per second: with it the axis at the right tells how long
    /// that many entries took. None: there is no such axis.
    pub(crate) commits_per_s: Option<f64>,
    pub(crate) marks: Vec<Mark>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Replica {
    pub(crate) label: String,
    /// Where a second is missing, or it led, the line is broken.
    pub(crate) seconds: Vec<Second>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    /// When it began, seconds since the run's count began.
    pub(crate) at_s: f64,
    /// Entries of the leader's log that this replica did not have yet.
    pub(crate) lag_entries: Option<f64>,
    /// The leader's commit index less this replica's applied index.
    pub(crate) stale_entries: Option<f64>,
}

/// Draws it.
pub(crate) fn draw(input: &Lag) -> Plot {
    let shown = &input.replicas[..input.replicas.len().min(MOST_SERIES)];
    let seconds = || shown.iter().flat_map(|replica| &replica.seconds);
    let last = seconds()
        .filter_map(|second| sane(second.at_s))
        .fold(0.0, f64::max);
    let length = bucket(last);
    let lines = |of: fn(&Second) -> Option<f64>| -> Vec<Runs> {
        let line = |replica: &Replica| {
            let points = replica
                .seconds
                .iter()
                .map(|second| (second.at_s, of(second)));
            runs(
                in_buckets(points, length, greatest).into_iter(),
                length * 1.5,
            )
        };
        shown.iter().map(line).collect()
    };
    let panels = [
        ("lag", lines(|second| second.lag_entries)),
        ("staleness", lines(|second| second.stale_entries)),
    ];
    let x = Scale::seconds(last + length, 6);
    let scales = panels.each_ref().map(|(_, lines)| {
        let points = lines.iter().flatten().flatten().map(|point| point.1);
        Scale::counts(points, 7)
    });
    let rate = input
        .commits_per_s
        .and_then(sane)
        .filter(|rate| *rate > 1e-3);
    let right = scales.each_ref().map(|scale| {
        rate.map(|rate| scale.other(1000.0 / rate))
            .unwrap_or_default()
    });

    let legend = Legend::new(of_series(
        input.replicas.iter().map(|replica| &*replica.label),
    ));
    let mut frame = Frame::beside(&[&scales[0], &scales[1]], 0.0, 0.0);
    let labels = right
        .iter()
        .flatten()
        .filter_map(|tick| tick.label.as_deref());
    let widest = labels.map(|label| width(label, SIZE)).fold(0.0, f64::max);
    frame.right = frame.right.min(super::canvas::WIDTH - widest - 12.0);
    let across = |at_s: f64| frame.left + x.place(at_s) * (frame.right - frame.left);
    let marks = Marks::new(&input.marks, across, x.high());

    let head = legend.height + HEAD + 4.0;
    let upper = Frame {
        top: head + marks.height,
        bottom: head + marks.height + 150.0,
        ..frame
    };
    let lower = Frame {
        top: upper.bottom + FOOT + HEAD + 8.0,
        bottom: upper.bottom + FOOT + HEAD + 158.0,
        ..frame
    };
    let canvas = Canvas::new(lower.bottom + NAMED_FOOT);
    legend.draw(&canvas, 2.0);
    let [above, below] = scales;
    let name = |what: &str, scale: &Scale| format!("{what} (entries{})", scale.manner());
    let upper = Panel::new(&canvas, upper, x.clone(), above);
    let lower = Panel::new(&canvas, lower, x, below);
    upper.axes_below(head, None, &name(panels[0].0, upper.y()));
    lower.axes(
        Some("seconds since counting began"),
        &name(panels[1].0, lower.y()),
    );
    if rate.is_some() {
        upper.right_axis_below(head, &right[0], "ms at the run's commit rate");
        lower.right_axis(&right[1], "ms at the run's commit rate");
    }
    marks.draw(&canvas, &[&upper, &lower]);
    for (panel, (_, lines)) in [&upper, &lower].into_iter().zip(&panels) {
        for (at, runs) in lines.iter().enumerate() {
            panel.curve(runs, Paint::series(at), 1.8);
            panel.marks_along(runs, at, shown.len());
        }
        if lines.iter().all(Vec::is_empty) {
            panel.empty();
        }
    }

    let mut caption = vec![
        "Lag: entries of the leader's log that a replica did not have; staleness: the leader's \
         commit index less the index that a replica had applied."
            .to_owned(),
    ];
    if let Some(rate) = rate {
        caption.push(format!(
            "The axes at the right tell how long the run took to commit as many, at its {} \
             entries per second.",
            figure(rate)
        ));
    }
    if length > 1.0 {
        let length = plain(length);
        caption.push(format!("A point is the worst of {length} seconds."));
    }
    caption.extend(marks.caption());
    let alt = alt(shown, input.replicas.len(), rate, &marks);
    input.heading.plot(canvas, alt, &caption)
}

fn alt(shown: &[Replica], all: usize, rate: Option<f64>, marks: &Marks) -> String {
    let amount = |name: &str, values: Vec<f64>| {
        if values.is_empty() {
            return format!("no {name} known");
        }
        let most = greatest(&values).max(0.0);
        let ms = rate.map_or(String::new(), |rate| {
            format!(" ({} ms)", figure(most * 1000.0 / rate))
        });
        let mean = figure(mean(&values));
        format!("{name} at most {} entries{ms}, mean {mean}", plain(most))
    };
    let tell = |replica: &Replica| {
        let of = |value: fn(&Second) -> Option<f64>| {
            replica
                .seconds
                .iter()
                .filter_map(value)
                .filter_map(sane)
                .collect::<Vec<f64>>()
        };
        format!(
            "{}: {}, {}",
            replica.label,
            amount("lag", of(|second| second.lag_entries)),
            amount("staleness", of(|second| second.stale_entries))
        )
    };
    let told: Vec<String> = shown.iter().map(tell).collect();
    if told.is_empty() {
        return format!(
            "Replication lag and staleness over time: no data.{}",
            marks.alt()
        );
    }
    let left_out = match all - shown.len() {
        0 => String::new(),
        more => format!(" {more} more are not drawn."),
    };
    format!(
        "Replication lag and staleness over the seconds of a run. {}.{}{left_out}",
        list(&told, 6),
        marks.alt()
    )
}
