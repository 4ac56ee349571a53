//! A violation as a picture: its operations as bars over time, a row a process.

use std::fmt::Write;

use crate::explain::milliseconds;
use crate::verdict::{Excerpt, Violation};

const WIDTH: f64 = 960.0;
/// Left of the time axis: names of processes.
const LEFT: f64 = 110.0;
const RIGHT: f64 = 940.0;
const ROW: f64 = 46.0;
const TITLE: f64 = 22.0;
const LINE: f64 = 18.0;
/// Characters of the explanation in a line, and of an operation's label.
const COLUMNS: usize = 120;
const LABEL: usize = 110;

const STYLE: &str = "
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .back { fill: #ffffff }
  .axis { stroke: #8c959f } .grid { stroke: #d0d7de }
  .ok { fill: #2f81f7 } .fail { fill: #8c959f }
  .info { fill: none; stroke: #bf5b04; stroke-width: 2; stroke-dasharray: 5 3 }
  .fault { stroke: #cf222e; stroke-dasharray: 3 3 } .faults { fill: #cf222e }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .back { fill: #0d1117 } .grid { stroke: #30363d }
    .info { stroke: #f0883e } .fault { stroke: #ff7b72 } .faults { fill: #ff7b72 }
  }
";

/// A bar: an operation, from its invocation to its answer.
struct Bar<'a> {
    process: Option<u64>,
    from: i64,
    /// None if it is open.
    to: Option<i64>,
    kind: &'a str,
    label: String,
}

/// Draws a violation as an SVG document that needs nothing else.
pub fn timeline_svg(violation: &Violation) -> String {
    let excerpt = &violation.excerpt;
    let bars = bars(excerpt);
    let mut rows: Vec<Option<u64>> = Vec::new();
    for bar in &bars {
        if !rows.contains(&bar.process) {
            rows.push(bar.process);
        }
    }
    let times = || excerpt.iter().map(|line| line.at_ns);
    let first = times().min().unwrap_or(0);
    let last = times().max().unwrap_or(0).max(first.saturating_add(1));
    // An unknown operation's bar runs on a little after all else.
    let span = (last - first) as f64 * 1.08;
    let x = |at: i64| LEFT + (at - first) as f64 / span * (RIGHT - LEFT);

    let why = violation.text.lines().next().unwrap_or("");
    let told = wrapped(why, COLUMNS);
    let faults: Vec<&Excerpt> = excerpt.iter().filter(|line| line.kind == "fault").collect();
    let top = 12.0 + TITLE + LINE * (told.len() + faults.len()) as f64 + 14.0;
    // Bars of one process are below each other: their labels would cover each other beside.
    let bottom = top + ROW * bars.len() as f64;
    let height = bottom + 40.0;

    let mut out = String::new();
    let mut put = |line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    put(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         width=\"{WIDTH}\" height=\"{height:.0}\" role=\"img\">"
    ));
    put(format!("<title>{}</title>", escaped(&violation.rule)));
    put(format!("<style>{STYLE}</style>"));
    put(format!(
        "<rect class=\"back\" width=\"{WIDTH}\" height=\"{height:.0}\"/>"
    ));
    put(format!(
        "<text class=\"title\" x=\"12\" y=\"{:.0}\">{}</text>",
        TITLE,
        escaped(&violation.rule)
    ));
    for (line, y) in told.iter().zip(1..) {
        let y = TITLE + LINE * f64::from(y);
        put(format!(
            "<text x=\"12\" y=\"{y:.0}\">{}</text>",
            escaped(line)
        ));
    }
    for tick in 0..=4 {
        let at = first + (last - first) / 4 * tick;
        let x = x(at);
        put(format!(
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.0}\" y2=\"{bottom:.0}\"/>"
        ));
        put(format!(
            "<text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{} ms</text>",
            bottom + 20.0,
            milliseconds(at)
        ));
    }
    put(format!(
        "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{bottom:.0}\" y2=\"{bottom:.0}\"/>"
    ));
    for (number, fault) in faults.iter().enumerate() {
        let x = x(fault.at_ns);
        let y = 12.0 + TITLE + LINE * (told.len() + number) as f64 + 4.0;
        put(format!(
            "<line class=\"fault\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y:.0}\" y2=\"{bottom:.0}\"/>"
        ));
        let (anchor, x) = match x > f64::midpoint(LEFT, RIGHT) {
            true => ("end", x - 4.0),
            false => ("start", x + 4.0),
        };
        put(format!(
            "<text class=\"faults\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{}</text>",
            y + 8.0,
            escaped(&clipped(&fault.text, LABEL))
        ));
    }
    let mut y = top;
    for row in rows {
        let who = row.map_or("observer".to_owned(), |process| {
            format!("process {process}")
        });
        put(format!(
            "<text x=\"12\" y=\"{:.0}\">{}</text>",
            y + 34.0,
            escaped(&who)
        ));
        for bar in bars.iter().filter(|bar| bar.process == row) {
            let from = x(bar.from);
            let to = bar.to.map_or(RIGHT, x);
            let (anchor, label_x) = match from > f64::midpoint(LEFT, RIGHT) {
                true => ("end", RIGHT),
                false => ("start", from),
            };
            put(format!(
                "<text x=\"{label_x:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{}</text>",
                y + 18.0,
                escaped(&clipped(&bar.label, LABEL))
            ));
            put(format!(
                "<rect class=\"{}\" x=\"{from:.1}\" y=\"{:.0}\" width=\"{:.1}\" height=\"12\" \
                 rx=\"2\"/>",
                bar.kind,
                y + 24.0,
                (to - from).max(3.0)
            ));
            y += ROW;
        }
    }
    put("</svg>".to_owned());
    out
}

/// Pairs invocations with their answers.
fn bars(excerpt: &[Excerpt]) -> Vec<Bar<'_>> {
    let mut bars: Vec<Bar<'_>> = Vec::new();
    for line in excerpt {
        let open = bars
            .iter_mut()
            .rev()
            .find(|bar| bar.process == line.process && bar.to.is_none() && bar.kind == "info");
        match (&*line.kind, open) {
            ("fault", _) => {}
            ("info", Some(bar)) => {
                // Its outcome stays open: so does its bar.
                let _infallible = write!(bar.label, " → {}", line.text);
            }
            ("ok" | "fail", Some(bar)) if line.process.is_some() => {
                bar.to = Some(line.at_ns);
                bar.kind = match &*line.kind {
                    "fail" => "fail",
                    _ => "ok",
                };
                let _infallible = write!(bar.label, " → {}", line.text);
            }
            ("invoke", _) => bars.push(Bar {
                process: line.process,
                from: line.at_ns,
                to: None,
                kind: "info",
                label: line.text.clone(),
            }),
            _ => bars.push(Bar {
                process: line.process,
                from: line.at_ns,
                to: Some(line.at_ns),
                kind: "ok",
                label: line.text.clone(),
            }),
        }
    }
    bars
}

/// At most so many characters.
fn clipped(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns - 1).chain(['…']).collect()
}

fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > columns {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// For XML; what XML cannot hold becomes the replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
