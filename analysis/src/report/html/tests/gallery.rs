//! Documents to try a page with.

use crate::number::Number;
use crate::report::document::{Block, Document, Figure, Section};
use crate::report::table::{Cell, Column, Table};
use crate::report::text::Text;

/// What nobody should be able to do, as a name in a file.
pub(super) const HOSTILE: &str = "<script>alert(1)</script>\"'&`</title></style><!-- \u{202e}\u{0}";

/// As the plots are: it names itself, and its text follows the page's colours.
const SVG: &str = r##"<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 300" width="720" height="300" role="img" aria-labelledby="plot-NAME-title plot-NAME-desc" class="telegraft-plot">
<title id="plot-NAME-title">Sends per second</title>
<desc id="plot-NAME-desc">Falls from 610 with one replica to 400 with five.</desc>
<defs><clipPath id="plot-NAME-clip"><rect x="60" y="10" width="650" height="250"/></clipPath></defs>
<style>.telegraft-plot .f-ink{fill:var(--plot-ink,#1a1a1a)}.telegraft-plot .l-axis{stroke:var(--plot-axis,#545454)}</style>
<path class="l-axis" d="M60 10V260H710" fill="none" stroke="#545454"/>
<polyline clip-path="url(#plot-NAME-clip)" points="120,40 380,90 640,180" fill="none" stroke="#0072b2" stroke-width="2"/>
<g class="f-ink" font-family="sans-serif" font-size="15" text-anchor="middle"><text x="120" y="282">1</text><text x="380" y="282">3</text><text x="640" y="282">5 replicas</text><text x="30" y="45">600</text><text x="30" y="185">400</text></g>
</svg>
"##;

fn figure(name: &str) -> Block {
    Block::Figure(Figure {
        name: name.to_owned(),
        title: "Throughput by number of replicas".to_owned(),
        alt: "Falls from 610 with one replica to 400 with five.".to_owned(),
        caption: Text::parse("Sends per second, `write-heavy`, three trials each; medians."),
        svg: SVG.replace("NAME", name),
    })
}

/// A table of `rows` runs, with everything that a cell can be.
fn runs(name: &'static str, rows: u32) -> Table {
    let columns = [
        Column::text("run", "run"),
        Column::text("verdict", "verdict"),
        Column::text("audit", "audit"),
        Column::number("ops_per_s", "ops", "1/s"),
        Column::interval("interval_per_s", "95 % interval", "1/s"),
        Column::number("p50_ms", "p50", "ms"),
        Column::number("p99_ms", "p99", "ms"),
        Column::number("p999_ms", "p99.9", "ms"),
        Column::number("ok", "ok", ""),
        Column::number("unknown", "unknown", ""),
    ];
    let caption = Text::parse(
        "All runs with their verdicts: durability `fsync`, consistency `linearizable`, 64 clients, \
         messages of 128 bytes, 10 s counted after 1 s of warm-up. The audit compares what *every* \
         replica holds with what was acknowledged.",
    );
    let mut table = Table::new(name, caption, &columns);
    for at in 0..rows {
        let value = f64::from((at * 7919) % 1000) * 3.7 + 0.4;
        let [ops, low, high] = Number::with_interval(value, value * 0.97, value * 1.04);
        let run = format!("telegraft-{}-write-heavy-t{at}", 1 + at % 5);
        let bad = at % 11 == 5;
        table.row(vec![
            Cell::text(if bad { format!("⚠ {run}") } else { run }),
            Cell::text(if bad {
                "invalid:generator-saturated"
            } else {
                "valid"
            }),
            match at % 13 {
                5 => Cell::text(format!("2 acknowledged messages are lost {HOSTILE}")),
                6 => Cell::Unknown,
                _ => Cell::text("ok"),
            },
            Cell::Number(ops),
            Cell::Interval(low, high),
            Cell::number((at % 7 != 3).then_some(value / 1000.0)),
            if at % 9 == 4 {
                Cell::BeyondTimeout
            } else {
                Cell::number(Some(value / 90.0))
            },
            if at % 3 == 1 {
                Cell::BeyondTimeout
            } else {
                Cell::number(Some(value / 7.0))
            },
            match at % 17 {
                3 => Cell::text("⚠ 4,500"),
                _ => Cell::count(u64::from(at) * 1973),
            },
            Cell::count(u64::from(at % 2)),
        ]);
    }
    table.notes = vec![
        Text::parse(
            "`>timeout`: too many operations have no answer for the percentile to be known.",
        ),
        Text::plain("⚠ Not counted: telegraft-1-write-heavy-t5 (invalid:generator-saturated)."),
    ];
    table
}

fn conditions() -> Table {
    let columns = [
        Column::text("condition", "condition"),
        Column::text("value", "value"),
    ];
    let mut table = Table::new(
        "conditions",
        Text::parse("What was the same in all runs."),
        &columns,
    );
    for (name, value) in [
        ("durability", "fsync"),
        (
            "processor",
            "AMD EPYC 7B13, 2 cores at 2.45 GHz, shared with others on the same host",
        ),
        (
            "file system",
            "ext4 auf /dev/vda · файловая система · 文件系统 · نظام الملفات",
        ),
        ("id", &"unbroken".repeat(20)),
        ("hostile", HOSTILE),
    ] {
        table.row(vec![Cell::text(name), Cell::text(value)]);
    }
    table
}

fn small_table() -> Table {
    let columns = [
        Column::text("system", "system"),
        Column::number("replicas", "replicas", ""),
        Column::number("sends_per_s", "sends", "1/s"),
        Column::interval("interval", "95 %", "1/s"),
    ];
    let caption = Text::parse(
        "Sends per second by number of replicas: geometric mean over three trials, and a 95 % \
         interval. Closed loop with 64 clients.",
    );
    let mut table = Table::new("throughput", caption, &columns);
    for (system, replicas, value) in [
        ("null", 1, 1210.0),
        ("telegraft", 3, 510.0),
        ("telegraft", 5, 362.0),
    ] {
        let [value, low, high] = Number::with_interval(value, value * 0.98, value * 1.02);
        table.row(vec![
            Cell::text(system),
            Cell::count(replicas),
            Cell::Number(value),
            Cell::Interval(low, high),
        ]);
    }
    table
}

fn prose(section: &mut Section) {
    section.paragraph(Text::parse(
        "Five replicas reach 0.71 [0.68, 0.74] of three replicas' sends per second under \
         `write-heavy`. The leader writes and sends each entry once more for every follower, and \
         waits for the *third* answer instead of the second; what that costs grows with the \
         distance between the answers, which on one machine share its two cores and its one disk.",
    ));
}

fn code(language: &'static str, text: &str) -> Block {
    Block::Code {
        language,
        text: text.to_owned(),
    }
}

/// A document with everything that there is, at its worst.
pub(super) fn gallery() -> Document {
    let mut design = Section::new("design", "Design of the experiments");
    prose(&mut design);
    let mut conditions_section = Section::new("conditions", "Conditions");
    conditions_section.table(conditions());
    design.section(conditions_section);

    let mut results = Section::new("results", "Results");
    let mut speed = Section::new("speed", "Speed");
    prose(&mut speed);
    speed.blocks.push(figure("throughput"));
    speed.table(small_table());
    let mut deep = Section::new("deep", "Beside the original");
    prose(&mut deep);
    deep.section({
        let mut deeper = Section::new("deeper", "A level further down");
        prose(&mut deeper);
        deeper
    });
    speed.section(deep);
    results.section(speed);
    let mut latency = Section::new(
        "latency",
        "Latency, from the moment that an operation was due",
    );
    latency.blocks.push(figure("latency"));
    latency.warnings(vec![Text::parse(
        "Fewer than three trials: there is no interval.",
    )]);
    results.section(latency);

    let mut validity = Section::new("validity", "Threats to validity");
    validity.list(vec![
        Text::parse("All replicas share one machine: `2` cores and one disk."),
        Text::plain(format!(
            "A name from a file: {HOSTILE} *not emphasis*, `not code`."
        )),
        Text::parse(&format!(
            "`{}`",
            "a-very-long-name-without-a-space-".repeat(9)
        )),
    ]);
    validity.table(runs("runs", 60));

    let mut reproduce = Section::new("reproduce", "How to reproduce");
    reproduce.paragraph(Text::parse("In this directory:"));
    reproduce.blocks.push(code(
        "sh",
        "telegraft bench suite.toml --out \"$PWD/again\"\n",
    ));
    reproduce.blocks.push(code(
        "toml",
        &format!("# The resolved configuration.\nname = \"default\"\n\n[[run]]\n\tclients = 64\nodd = '{HOSTILE}'\n{}\n", "long ".repeat(60)),
    ));

    let mut document = Document {
        title: "Telegraft: suite default, 2026-03-01T12:30:06Z".to_owned(),
        lead: vec![
            Block::Paragraph(Text::parse(
                "19 runs of three systems with one, three and five replicas, on one machine.",
            )),
            Block::List(vec![
                Text::parse(
                    "Five replicas reach 0.71 [0.68, 0.74] of three replicas' sends per second.",
                ),
                Text::parse(
                    "`telegraft` ×3 answers half of its sends within 0.922 ms and 99 % within 1.40 ms.",
                ),
                Text::parse(
                    "⚠ 2 of 19 runs are not valid and left out of medians and percentiles.",
                ),
            ]),
            Block::Warnings(vec![
                Text::parse(
                    "The audit of `telegraft-3-write-heavy-t2` found: 2 acknowledged messages are lost (room 7: 41, 42).",
                ),
                Text::plain(
                    "⚠ runs.csv:19: the last line is half-written: its writer was interrupted",
                ),
            ]),
        ],
        sections: Vec::new(),
    };
    for section in [design, results, validity, reproduce] {
        document.section(section);
    }
    document
}

/// A small document.
pub(super) fn small() -> Document {
    let mut speed = Section::new("speed", "Speed & size");
    speed.paragraph(Text::parse(
        "Half of *all* sends take less than `0.9 ms`, 99 % less than 2 ms.",
    ));
    speed.warnings(vec![
        Text::plain("⚠ a <b> has no file"),
        Text::parse("Two trials: there is no interval."),
    ]);
    let columns = [
        Column::text("system", "system"),
        Column::number("p50_ms", "p50", "ms"),
        Column::interval("interval_ms", "95 %", "ms"),
        Column::number("p999_ms", "p99.9", "ms"),
    ];
    let mut table = Table::new("latency", Text::parse("Latency of `send`."), &columns);
    let [value, low, high] = Number::with_interval(0.912, 0.88, 0.95);
    table.row(vec![
        Cell::text("telegraft ×3"),
        Cell::Number(value),
        Cell::Interval(low, high),
        Cell::BeyondTimeout,
    ]);
    table.row(vec![
        Cell::text("⚠ null"),
        Cell::text("⚠ 1,234"),
        Cell::Unknown,
        Cell::number(Some(1234.5)),
    ]);
    table.row(vec![
        Cell::Unknown,
        Cell::count(7),
        Cell::Unknown,
        Cell::text("none"),
    ]);
    table.notes = vec![Text::parse("⚠ not counted: `null-t2`.")];
    speed.table(table);
    let mut shape = Section::new("shape", "Shape");
    shape.blocks.push(Block::Figure(Figure {
        name: "nines".to_owned(),
        title: "Latency by percentile".to_owned(),
        alt: "One line that rises from 0.4 to 1,234 ms.".to_owned(),
        caption: Text::parse("All trials."),
        svg: "<?xml version=\"1.0\"?>\n<svg viewBox=\"0 0 8 4\"><path d=\"M0 4L8 0\"/></svg>\n"
            .to_owned(),
    }));
    shape.list(vec![Text::parse("one"), Text::plain("`two`")]);
    shape
        .blocks
        .push(code("sh", "telegraft bench \\\n\t--out 'x'\n"));
    speed.section(shape);
    Document {
        title: "Telegraft: \"small\"".to_owned(),
        lead: vec![Block::Paragraph(Text::plain("One run."))],
        sections: vec![speed, Section::new("nothing", "Left out")],
    }
}
