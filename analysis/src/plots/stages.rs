//! Where the time of a write goes, stage by stage.
//!
//! Waiting, commit and apply come one after the other, so they stand end to end. The leader's
//! own log write runs while the entry is replicated: it is part of the commit where its answer
//! was needed and hidden behind it where it was not. It is no fourth piece of the same bar, but
//! a thin one below, which begins where the commit does.

use plotters_backend::FontStyle;

use super::canvas::{Canvas, Side, WIDTH, line};
use super::legend::{Legend, Sample, and_more};
use super::panel::{Frame, NAMED_FOOT, Panel};
use super::scale::Scale;
use super::style::{Paint, Role};
use super::text::{SIZE, decimal, figure, fit, list, sane};
use super::{Heading, Plot};

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stages {
    pub(crate) heading: Heading,
    /// A bar each; twelve at most are shown.
    pub(crate) configurations: Vec<Configuration>,
}

/// Mean times of a configuration's writes, milliseconds. Means, because these add up; medians
/// and percentiles of stages do not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    pub(crate) label: String,
    /// From the mailbox to the core.
    pub(crate) queue_ms: Option<f64>,
    /// From proposal to commit.
    pub(crate) commit_ms: Option<f64>,
    /// From commit to the answer.
    pub(crate) apply_ms: Option<f64>,
    /// The leader's own log write with its fdatasync, which overlaps the commit.
    pub(crate) log_write_ms: Option<f64>,
}

const MOST: usize = 12;

/// A configuration's share of the height: its label, the bar, the thin bar, a gap.
const LANE: f64 = 74.0;

/// How the stages are filled, told apart by lightness alone, too.
fn fills() -> [(&'static str, Paint, Paint); 4] {
    let ink = Paint::from(Role::Ink);
    let blue = Paint::from(Role::Series(0));
    let orange = Paint::from(Role::Series(1));
    [
        ("waiting in the queue", blue.faint(0.18), blue),
        ("commit (proposal to commit)", blue, blue),
        ("apply", ink.faint(0.0), ink),
        (
            "own log write (overlaps the commit)",
            orange.faint(0.45),
            orange,
        ),
    ]
}

impl Configuration {
    fn stages(&self) -> [Option<f64>; 4] {
        let ms = |ms: Option<f64>| ms.and_then(sane).map(|ms| ms.max(0.0));
        [
            ms(self.queue_ms),
            ms(self.commit_ms),
            ms(self.apply_ms),
            ms(self.log_write_ms),
        ]
    }

    /// What follows each other, together.
    fn path_ms(&self) -> f64 {
        self.stages()[..3].iter().flatten().sum()
    }
}

/// Draws it.
pub(crate) fn draw(input: &Stages) -> Plot {
    let all = &input.configurations;
    let shown = &all[..all.len().min(MOST)];
    let ends = shown.iter().flat_map(|configuration| {
        let [queue, _, _, log_write] = configuration.stages();
        let write_ends = queue.unwrap_or(0.0) + log_write.unwrap_or(0.0);
        [configuration.path_ms(), write_ends]
    });
    let x = Scale::linear(ends, 5);
    let mut entries: Vec<(Sample, String)> = fills()
        .into_iter()
        .map(|(name, fill, rim)| (Sample::Area(fill, rim), name.to_owned()))
        .collect();
    entries.extend(and_more(all.len() - shown.len()));
    let legend = Legend::new(entries);

    let head = legend.height + 14.0;
    let top = head + 12.0;
    let lanes = f64::from(u32::try_from(shown.len().max(1)).unwrap_or(1));
    let frame = Frame {
        left: 8.0,
        right: WIDTH - 30.0,
        top,
        bottom: top + lanes * LANE,
    };
    let canvas = Canvas::new(frame.bottom + NAMED_FOOT);
    legend.draw(&canvas, 2.0);
    let panel = Panel::new(&canvas, frame, x, Scale::places(&[]));
    panel.x_axis(Some("mean time since the request was queued (ms)"));
    canvas.text((WIDTH - 8.0, head), "queue + commit + apply", Side::Left);
    let mut lane = top;
    for configuration in shown {
        draw_lane(&panel, configuration, lane);
        lane += LANE;
    }
    if shown.is_empty() {
        panel.empty();
    }
    let caption = [
        "Queue, commit and apply follow each other; their means add up. The leader's own log \
         write runs while the entry is replicated, and is drawn below the commit that it overlaps."
            .to_owned(),
    ];
    input.heading.plot(canvas, alt(shown, all.len()), &caption)
}

fn draw_lane(panel: &Panel, configuration: &Configuration, top: f64) {
    let canvas = panel.canvas;
    let stages = configuration.stages();
    let [_, _, _, log_write] = stages;
    let numbers = fit(&numbers(configuration), SIZE, WIDTH - 130.0);
    let Frame { left, right, .. } = panel.frame;
    let row = top + 17.0;
    let wide = super::text::width(&numbers, SIZE);
    let label = fit(
        &configuration.label,
        SIZE,
        (right - left - wide - 30.0).max(80.0),
    );
    canvas.styled(
        (left + 6.0, row),
        &label,
        Side::Right,
        Role::Ink,
        FontStyle::Bold,
    );
    canvas.styled(
        (WIDTH - 8.0, row),
        &numbers,
        Side::Left,
        Role::Ink,
        FontStyle::Normal,
    );
    let bar = |from: f64, to: f64, top: f64, height: f64, nth: usize| {
        let (_, fill, rim) = fills()[nth];
        let (one, other) = (
            (panel.at(from, 0.0).0, top),
            (panel.at(to, 0.0).0, top + height),
        );
        canvas.rect(one, other, Role::Paper.into());
        canvas.rect(one, other, fill);
        canvas.rim(one, other, line(rim, 1.3));
    };
    let mut at = 0.0;
    for (nth, ms) in stages[..3].iter().enumerate() {
        let Some(ms) = ms else { continue };
        bar(at, at + ms, top + 29.0, 22.0, nth);
        at += ms;
    }
    if let Some(ms) = log_write {
        let from = stages[0].unwrap_or(0.0);
        bar(from, from + ms, top + 55.0, 9.0, 3);
        let told = format!("{} ms", told_ms(ms, configuration));
        let place = panel.at(from + ms, 0.0).0 + 6.0;
        let rightmost = WIDTH - 8.0 - super::text::width(&told, SIZE);
        canvas.text((place.min(rightmost), top + 60.0), &told, Side::Right);
    }
}

/// Milliseconds with as many decimals as all numbers of a configuration have.
fn told_ms(ms: f64, configuration: &Configuration) -> String {
    let most = configuration.stages()[3]
        .unwrap_or(0.0)
        .max(configuration.path_ms());
    let decimals = match most {
        most if most >= 100.0 => 0,
        most if most >= 10.0 => 1,
        most if most >= 0.1 => 2,
        _ => 4,
    };
    decimal(ms, decimals)
}

/// `0.07 + 0.77 + 0.09 = 0.93 ms`.
fn numbers(configuration: &Configuration) -> String {
    let stages = configuration.stages();
    let told: Vec<String> = stages[..3]
        .iter()
        .map(|ms| ms.map_or("?".to_owned(), |ms| told_ms(ms, configuration)))
        .collect();
    let sum = match stages[..3].iter().all(Option::is_some) {
        true => format!(" = {} ms", told_ms(configuration.path_ms(), configuration)),
        false => " ms".to_owned(),
    };
    format!("{}{sum}", told.join(" + "))
}

fn alt(shown: &[Configuration], all: usize) -> String {
    let tell = |configuration: &Configuration| {
        let names = ["queue", "commit", "apply", "own log write"];
        let stages = configuration.stages();
        let told: Vec<String> = names
            .iter()
            .zip(stages)
            .filter_map(|(name, ms)| Some(format!("{name} {} ms", figure(ms?))))
            .collect();
        match told.is_empty() {
            true => format!("{}: no stage is known", configuration.label),
            false => format!("{}: {}", configuration.label, told.join(", ")),
        }
    };
    let told: Vec<String> = shown.iter().map(tell).collect();
    if told.is_empty() {
        return "Mean time of a write's stages: no data.".to_owned();
    }
    let left_out = match all - shown.len() {
        0 => String::new(),
        more => format!(" {more} more are not drawn."),
    };
    format!(
        "Mean time of a write in each stage. {}.{left_out}",
        list(&told, 8)
    )
}
