//! What holds for every plot, whatever it was made from.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::canvas::WIDTH;
use super::faults::{self, Faults};
use super::gallery::{all, lag_input, odd, percentiles_input, replicas_input, timeline_input};
use super::lag::{self, Lag};
use super::offered::{self, Offered};
use super::percentiles::{self, Percentiles};
use super::replicas::{self, Ceiling, Estimate, Replicas};
use super::stages::{self, Configuration, Stages};
use super::text::{self, SIZE};
use super::timeline::{self, Timeline};
use super::{Heading, Latency, Mark, MarkKind, Plot};

/// Panics unless the SVG is one, has what a reader needs, and draws nothing outside itself.
fn check(plot: &Plot) {
    let document = roxmltree::Document::parse(&plot.svg)
        .unwrap_or_else(|problem| panic!("{problem}: {}", plot.svg));
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    assert_eq!(root.attribute("class"), Some("telegraft-plot"));
    let child = |name: &str| {
        let found = root.children().find(|node| node.has_tag_name(name));
        found
            .and_then(|node| node.text())
            .unwrap_or_default()
            .to_owned()
    };
    let clean = |text: &str| text::escape(text).replace("&quot;", "\"");
    assert!(clean(&child("desc")) == clean(&plot.alt) && !plot.alt.is_empty());
    let mut ids = BTreeSet::new();
    for id in document
        .descendants()
        .filter_map(|node| node.attribute("id"))
    {
        assert!(id.starts_with(&plot.name) && ids.insert(id));
    }

    let view: Vec<f64> = numbers(root.attribute("viewBox").unwrap());
    let (wide, high) = (view[2], view[3]);
    assert_eq!(wide, WIDTH);
    let within = |x: f64, y: f64, what: &str| {
        let inside = (-0.01..=wide + 0.01).contains(&x) && (-0.01..=high + 0.01).contains(&y);
        assert!(inside, "{x},{y} is outside {wide}x{high}: {what}");
    };
    for node in root.children().filter(roxmltree::Node::is_element) {
        let what = format!("{:?}", node.attributes().collect::<Vec<_>>());
        let what = what.as_str();
        let number = |name: &str| -> f64 { node.attribute(name).unwrap().parse().unwrap() };
        match node.tag_name().name() {
            "title" | "desc" | "style" => {}
            "rect" => {
                within(number("x"), number("y"), what);
                within(
                    number("x") + number("width"),
                    number("y") + number("height"),
                    what,
                );
            }
            "line" => {
                within(number("x1"), number("y1"), what);
                within(number("x2"), number("y2"), what);
            }
            "circle" => {
                let (x, y, r) = (number("cx"), number("cy"), number("r"));
                within(x - r, y - r, what);
                within(x + r, y + r, what);
            }
            "polyline" | "polygon" => {
                for point in node.attribute("points").unwrap().split(' ') {
                    let point = numbers(&point.replace(',', " "));
                    within(point[0], point[1], what);
                }
            }
            "text" => {
                assert_eq!(number("font-size"), SIZE);
                let wide = text::width(node.text().unwrap_or_default(), SIZE);
                let left = match node.attribute("text-anchor").unwrap() {
                    "start" => 0.0,
                    "middle" => wide / 2.0,
                    _ => wide,
                };
                within(number("x") - left, number("y") - SIZE * 0.8, what);
                within(number("x") - left + wide, number("y") + SIZE * 0.24, what);
            }
            other => panic!("what is <{other}>?"),
        }
    }
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(' ')
        .map(|number| number.parse().unwrap())
        .collect()
}

/// How many lines are drawn in the colour of a series.
fn curves(plot: &Plot, class: &str) -> usize {
    let line = |line: &&str| line.starts_with("<polyline") && line.contains(class);
    plot.svg.lines().filter(line).count()
}

#[test]
fn plots_are_whole_and_stay_inside_themselves() {
    let plots = [all(), odd()].concat();
    for plot in &plots {
        check(plot);
        assert!(
            plot.name
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
        );
        assert!(
            plot.svg.len() < 60_000,
            "{} has {} bytes",
            plot.name,
            plot.svg.len()
        );
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(all(), all());
    assert_eq!(odd(), odd());
}

#[test]
fn rules_of_style_reach_no_other_part_of_a_page() {
    let css = super::style::sheet();
    for rule in css.split('}').filter(|rule| !rule.is_empty()) {
        let selector = rule.rsplit_once('{').unwrap().0;
        let selector = selector.rsplit('{').next().unwrap();
        assert!(selector.starts_with(".telegraft-plot"), "{selector}");
    }
}

#[test]
fn every_series_has_its_line_and_its_label() {
    let input = percentiles_input();
    let plot = percentiles::draw(&input);
    for (nth, series) in input.series.iter().enumerate() {
        assert!(plot.svg.contains(&series.label));
        // In the legend and in the panel.
        let lines = curves(&plot, &format!("class=\"l-s{}\"", nth + 1));
        assert!(lines >= 2, "{}: {lines}", series.label);
        assert!(plot.alt.contains(&series.label));
    }
    assert!(plot.caption.contains('△'));
    assert!(plot.alt.contains("p99 4.16 ms"), "{}", plot.alt);
}

#[test]
fn what_is_left_out_is_told() {
    let plot = &odd()[0];
    assert!(plot.svg.contains("… and 990 more"));
    assert!(plot.alt.contains("990 more are not drawn"));
    let plot = timeline::draw(&timeline_input(3_600));
    assert!(plot.caption.contains("15 seconds"), "{}", plot.caption);
    assert!(
        odd()[6].caption.contains("have no label"),
        "{}",
        odd()[6].caption
    );
}

#[test]
fn nothing_known_is_said_to_be_nothing() {
    for plot in [
        percentiles::draw(&Percentiles::default()),
        replicas::draw(&Replicas::default()),
        offered::draw(&Offered::default()),
        timeline::draw(&Timeline::default()),
        stages::draw(&Stages::default()),
        lag::draw(&Lag::default()),
    ] {
        check(&plot);
        assert!(plot.svg.contains(">no data<") && plot.alt.contains("no data"));
    }
}

#[test]
fn lines_break_where_seconds_are_missing() {
    let mut input = timeline_input(60);
    input.series.truncate(1);
    input.marks.clear();
    // In the legend; throughput, broken at 40; p99, broken at 15, 40 and 48.
    assert_eq!(curves(&timeline::draw(&input), "l-s1"), 1 + 2 + 4 + 2);
    input.series[0].seconds.truncate(10);
    assert_eq!(curves(&timeline::draw(&input), "l-s1"), 1 + 1 + 1);
}

#[test]
fn a_long_run_shows_its_worst_seconds() {
    let mut input = timeline_input(3_600);
    input.series.truncate(1);
    input.marks.clear();
    for second in &mut input.series[0].seconds {
        let p99 = if second.at_s == 2_000.0 { 777.0 } else { 5.0 };
        second.p99 = Latency::Ms(p99);
    }
    let plot = timeline::draw(&input);
    check(&plot);
    assert!(plot.alt.contains("worst p99 of a second 777 ms"));
    // The axis reaches up to it: the greatest second was not averaged away.
    assert!(plot.svg.contains(">1,000</text>"));
}

#[test]
fn intervals_and_trials_are_drawn_and_told() {
    let plot = replicas::draw(&replicas_input());
    assert!(plot.caption.contains("95 % intervals") && plot.caption.contains("single trials"));
    assert!(
        plot.alt.contains("25,800 [24,500, 27,100] at 1"),
        "{}",
        plot.alt
    );
    let mut bare = replicas_input();
    for point in bare.series.iter_mut().flat_map(|series| &mut series.points) {
        point.ops_per_s = point.ops_per_s.map(|estimate| Estimate {
            interval: None,
            ..estimate
        });
    }
    let bare = replicas::draw(&bare);
    assert!(bare.caption.contains("too few trials"));
    // A bar has a stem and two ends.
    assert_eq!(curves(&plot, "l-s") - curves(&bare, "l-s"), 6 * 3);
}

#[test]
fn lag_is_told_in_entries_and_in_time() {
    let mut input = lag_input();
    let plot = lag::draw(&input);
    assert!(
        plot.svg.contains("ms at the run&#39;s commit rate")
            || plot.svg.contains("ms at the run's commit rate")
    );
    assert!(plot.alt.contains("entries (18,4"), "{}", plot.alt);
    input.commits_per_s = None;
    let plot = lag::draw(&input);
    assert!(!plot.svg.contains(">ms at the run"));
}

#[test]
fn labels_cannot_break_out() {
    let mut input = percentiles_input();
    input.series[0].label = "</text><script>alert(1)</script> & \u{1}".to_owned();
    input.heading.title = "</title><b>".to_owned();
    let plot = percentiles::draw(&input);
    check(&plot);
    assert!(!plot.svg.contains("<script>") && !plot.svg.contains("<b>"));
}

/// Any number, and often one of those that break things.
fn amount() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..50_000.0_f64,
        2 => prop::num::f64::ANY,
        1 => prop::sample::select(vec![
            0.0, -0.0, -1.0, 1.0, 1e-300, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY,
            f64::MAX, f64::MIN_POSITIVE,
        ]),
    ]
}

fn label() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ×0-9]{0,12}", any::<String>(), "[<>&\"m]{60,90}"]
}

fn heading() -> impl Strategy<Value = Heading> {
    (label(), label()).prop_map(|(name, title)| Heading { name, title })
}

fn latency() -> impl Strategy<Value = Latency> {
    prop_oneof![
        4 => amount().prop_map(Latency::Ms),
        1 => Just(Latency::BeyondTimeout),
        1 => Just(Latency::Unknown),
    ]
}

fn quantile() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..1.0, amount()]
}

fn estimate() -> impl Strategy<Value = Estimate> {
    (amount(), option::of((amount(), amount())))
        .prop_map(|(value, interval)| Estimate { value, interval })
}

fn replica_point() -> impl Strategy<Value = replicas::Point> {
    let parts = (any::<u32>(), option::of(estimate()), vec(amount(), 0..4));
    parts.prop_map(|(replicas, ops_per_s, trials_ops_per_s)| replicas::Point {
        replicas,
        ops_per_s,
        trials_ops_per_s,
    })
}

fn marks() -> impl Strategy<Value = Vec<Mark>> {
    let kind = prop::sample::select(vec![MarkKind::Fault, MarkKind::Leader]);
    let mark = (amount(), label(), kind).prop_map(|(at_s, label, kind)| Mark { at_s, label, kind });
    vec(mark, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_percentiles_can_be_drawn(
        heading in heading(),
        series in vec((label(), vec((quantile(), amount()), 0..12), any::<bool>()), 0..14),
    ) {
        let series = series.into_iter().map(|(label, points, beyond_timeout)| percentiles::Series {
            label, points, beyond_timeout,
        });
        check(&percentiles::draw(&Percentiles { heading, series: series.collect() }));
    }

    #[test]
    fn any_replicas_can_be_drawn(
        heading in heading(),
        series in vec((label(), vec(replica_point(), 0..6)), 0..12),
        ceilings in vec((label(), amount(), option::of(any::<usize>())), 0..12),
    ) {
        let series = series.into_iter().map(|(label, points)| replicas::Series { label, points });
        let ceilings = ceilings.into_iter().map(|(label, ops_per_s, series)| Ceiling { label, ops_per_s, series });
        check(&replicas::draw(&Replicas { heading, series: series.collect(), ceilings: ceilings.collect() }));
    }

    #[test]
    fn any_offered_load_can_be_drawn(
        heading in heading(),
        series in vec((label(), vec((amount(), latency(), latency(), any::<bool>()), 0..8)), 0..12),
        slo_p99_ms in option::of(amount()),
    ) {
        let point = |(offered_per_s, p50, p99, valid)| offered::Point { offered_per_s, p50, p99, valid };
        let series = series.into_iter().map(|(label, points)| offered::Series {
            label,
            points: points.into_iter().map(point).collect(),
        });
        check(&offered::draw(&Offered { heading, series: series.collect(), slo_p99_ms }));
    }

    #[test]
    fn any_timeline_can_be_drawn(
        heading in heading(),
        series in vec((label(), vec((amount(), option::of(amount()), latency()), 0..30)), 0..12),
        marks in marks(),
    ) {
        let second = |(at_s, ops_per_s, p99)| timeline::Second { at_s, ops_per_s, p99 };
        let series = series.into_iter().map(|(label, seconds)| timeline::Series {
            label,
            seconds: seconds.into_iter().map(second).collect(),
        });
        check(&timeline::draw(&Timeline { heading, series: series.collect(), marks }));
    }

    #[test]
    fn any_stages_can_be_drawn(
        heading in heading(),
        configurations in vec((label(), prop::array::uniform4(option::of(amount()))), 0..15),
    ) {
        let configurations = configurations.into_iter().map(|(label, [queue_ms, commit_ms, apply_ms, log_write_ms])| Configuration {
            label, queue_ms, commit_ms, apply_ms, log_write_ms,
        });
        check(&stages::draw(&Stages { heading, configurations: configurations.collect() }));
    }

    #[test]
    fn any_faults_can_be_drawn(
        heading in heading(),
        series in vec((label(), vec((amount(), amount()), 0..30)), 0..12),
        lanes in vec((label(), vec((amount(), amount()), 0..6)), 0..20),
        leaders_s in vec(amount(), 0..8),
        end_s in amount(),
    ) {
        let series = series.into_iter().map(|(label, seconds)| faults::Series { label, seconds });
        let lanes = lanes.into_iter().map(|(label, bands_s)| faults::Lane { label, bands_s });
        check(&faults::draw(&Faults {
            heading, series: series.collect(), lanes: lanes.collect(), leaders_s, end_s,
        }));
    }

    #[test]
    fn any_lag_can_be_drawn(
        heading in heading(),
        replicas in vec((label(), vec((amount(), option::of(amount()), option::of(amount())), 0..30)), 0..12),
        commits_per_s in option::of(amount()),
        marks in marks(),
    ) {
        let second = |(at_s, lag_entries, stale_entries)| lag::Second { at_s, lag_entries, stale_entries };
        let replicas = replicas.into_iter().map(|(label, seconds)| lag::Replica {
            label,
            seconds: seconds.into_iter().map(second).collect(),
        });
        check(&lag::draw(&Lag { heading, replicas: replicas.collect(), commits_per_s, marks }));
    }
}
