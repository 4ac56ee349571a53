//! Latency by percentile, on the axis of HdrHistogram's plots: each nine as wide as the last.

use super::canvas::Canvas;
use super::legend::{Legend, MOST_SERIES, of_series};
use super::panel::{Frame, HEAD, NAMED_FOOT, Panel, runs};
use super::scale::Scale;
use super::style::{Paint, Shape};
use super::text::{figure, list, sane};
use super::{Heading, Plot};

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Percentiles {
    pub(crate) heading: Heading,
    /// A line each; ten at most are shown.
    pub(crate) series: Vec<Series>,
}

/// One line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    pub(crate) label: String,
    /// A quantile from 0 to below 1, and the milliseconds within which that share of all due
    /// operations was answered. Where a percentile is not known, there is no point.
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether the line ends because what is slower is `>timeout`, and not because there were no
    /// more operations.
    pub(crate) beyond_timeout: bool,
}

/// Where lines have markers, and what the alternative text tells.
const MARKED: [f64; 7] = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999];

/// Draws it.
pub(crate) fn draw(input: &Percentiles) -> Plot {
    let shown = &input.series[..input.series.len().min(MOST_SERIES)];
    let lines: Vec<Vec<(f64, f64)>> = shown.iter().map(line).collect();
    let ends = lines.iter().filter_map(|line| line.last());
    let x = Scale::nines(ends.map(|end| end.0).fold(0.0, f64::max));
    let y = Scale::log(lines.iter().flatten().map(|point| point.1));
    let labels: Vec<String> = input.series.iter().map(label).collect();
    let legend = Legend::new(of_series(labels.iter().map(String::as_str)));

    let top = legend.height + HEAD + 4.0;
    let bottom = top + 270.0;
    let canvas = Canvas::new(bottom + NAMED_FOOT);
    legend.draw(&canvas, 2.0);
    let panel = Panel::new(&canvas, Frame::beside(&[&y], top, bottom), x, y);
    panel.axes(
        Some("percentile of operations"),
        "response time (ms), logarithmic",
    );
    for (at, line) in lines.iter().enumerate() {
        panel.curve(&[thin(line, &panel)], Paint::series(at), 2.2);
        for quantile in MARKED {
            if let Some(ms) = along(line, quantile, panel.x()) {
                let at_point = panel.at(quantile, ms);
                panel
                    .canvas
                    .marker(at_point, Shape::series(at), Paint::series(at), false, 4.4);
            }
        }
        if let (Some((quantile, ms)), true) = (line.last(), shown[at].beyond_timeout) {
            let end = panel.at(*quantile, *ms);
            panel
                .canvas
                .marker(end, Shape::Up, Paint::series(at), true, 6.5);
        }
    }
    if lines.iter().all(Vec::is_empty) {
        panel.empty();
    }
    let mut caption = vec![
        "A point tells within how many milliseconds that share of all due operations was answered; \
         each nine of the horizontal axis is as wide as the one before."
            .to_owned(),
    ];
    if shown.iter().any(|series| series.beyond_timeout) {
        caption.push(
            "△: beyond this percentile operations failed, have an unknown outcome or never \
             finished, and count as slower than the timeout."
                .to_owned(),
        );
    }
    let alt = alt(shown, &lines, input.series.len());
    input.heading.plot(canvas, alt, &caption)
}

/// Its points in order, as far as they can be drawn.
fn line(series: &Series) -> Vec<(f64, f64)> {
    let points = series.points.iter().copied();
    let points = points.filter(|(quantile, _)| (0.0..1.0).contains(quantile));
    let points = points.filter_map(|(quantile, ms)| Some((quantile, Some(sane(ms)?))));
    runs(points, f64::INFINITY)
        .into_iter()
        .next()
        .unwrap_or_default()
}

fn label(series: &Series) -> String {
    match series.beyond_timeout {
        true => format!("{} (△ then >timeout)", series.label),
        false => series.label.clone(),
    }
}

/// The line without points that fall on the same pixel as their neighbours: of each column of
/// half a pixel the first and the last, which is all of a line that only rises (Jugel et al.,
/// "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014).
fn thin(line: &[(f64, f64)], panel: &Panel) -> Vec<(f64, f64)> {
    #[allow(clippy::cast_possible_truncation, reason = "columns of a canvas")]
    let column = |point: &(f64, f64)| (panel.at(point.0, point.1).0 * 2.0) as i64;
    let columns = line.chunk_by(|one, other| column(one) == column(other));
    columns
        .flat_map(|column| {
            let last = (column.len() > 1).then(|| column[column.len() - 1]);
            std::iter::once(column[0]).chain(last)
        })
        .collect()
}

/// The height of a drawn line at a quantile; none beyond its ends.
fn along(line: &[(f64, f64)], quantile: f64, x: &Scale) -> Option<f64> {
    let after = line.partition_point(|point| point.0 < quantile);
    let (right, right_ms) = *line.get(after)?;
    if right <= quantile {
        return Some(right_ms);
    }
    let (left, left_ms) = *line.get(after.checked_sub(1)?)?;
    let (from, to, here) = (x.place(left), x.place(right), x.place(quantile));
    let share = match to > from {
        true => (here - from) / (to - from),
        false => 1.0,
    };
    // The axis is logarithmic, so is what lies between two points of a drawn line.
    let (left_ms, right_ms) = (left_ms.max(1e-9), right_ms.max(1e-9));
    Some(left_ms * (right_ms / left_ms).powf(share))
}

/// The least known time within which at least that share was answered.
fn at_least(line: &[(f64, f64)], quantile: f64) -> Option<f64> {
    line.get(line.partition_point(|point| point.0 < quantile))
        .map(|point| point.1)
}

fn alt(shown: &[Series], lines: &[Vec<(f64, f64)>], all: usize) -> String {
    if lines.iter().all(Vec::is_empty) {
        return "Response time by percentile: no data.".to_owned();
    }
    let tell = |(series, line): (&Series, &Vec<(f64, f64)>)| {
        let at = |name: &str, quantile| {
            at_least(line, quantile).map(|ms| format!("{name} {} ms", figure(ms)))
        };
        let told: Vec<String> = [at("p50", 0.5), at("p99", 0.99), at("p99.9", 0.999)]
            .into_iter()
            .flatten()
            .collect();
        let told = match told.is_empty() {
            true => "no percentile known".to_owned(),
            false => told.join(", "),
        };
        let end = match series.beyond_timeout {
            true => ", then beyond the timeout",
            false => "",
        };
        format!("{}: {told}{end}", series.label)
    };
    let told: Vec<String> = shown.iter().zip(lines).map(tell).collect();
    let left_out = match all > shown.len() {
        true => format!(" {} more are not drawn.", all - shown.len()),
        false => String::new(),
    };
    format!(
        "Response time by percentile, a line for each of {}. {}.{left_out}",
        shown.len(),
        list(&told, 6)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_lie_on_the_drawn_line() {
        let x = Scale::nines(0.999);
        let line = [(0.9, 1.0), (0.999, 100.0)];
        assert!((along(&line, 0.99, &x).unwrap() - 10.0).abs() < 1e-9);
        assert_eq!(along(&line, 0.5, &x), None);
        assert_eq!(along(&line, 0.9999, &x), None);
    }
}
