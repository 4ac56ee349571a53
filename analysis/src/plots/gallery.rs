//! All plots from made-up data: what the tests draw, and what is looked at after a change.

use std::path::Path;

use super::faults::{self, Faults};
use super::lag::{self, Lag};
use super::offered::{self, Offered};
use super::percentiles::{self, Percentiles};
use super::replicas::{self, Ceiling, Estimate, Replicas};
use super::stages::{self, Configuration, Stages};
use super::timeline::{self, Timeline};
use super::{Heading, Latency, Mark, MarkKind, Plot};

fn heading(name: &str, title: &str) -> Heading {
    Heading {
        name: name.to_owned(),
        title: title.to_owned(),
    }
}

/// A number from 0 to 1 that looks drawn: the same for the same `seed`.
pub(super) fn noise(seed: u32) -> f64 {
    let mixed = seed.wrapping_add(1).wrapping_mul(2_654_435_761);
    f64::from((mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519) >> 8) / f64::from(1 << 24)
}

/// A long-tailed distribution's quantiles as HdrHistogram tells them, so many for each half of
/// what is left.
fn quantiles(median_ms: f64, tail: f64, lowest_left: f64) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let (mut left, mut nth) = (1.0_f64, 0);
    while left > lowest_left {
        let nines = -left.log10();
        let wobble = 1.0 + 0.04 * noise(nth);
        points.push((
            1.0 - left,
            median_ms * (0.35 + nines.powf(1.3) * tail) * wobble,
        ));
        left *= 0.93;
        nth += 1;
    }
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut most = 0.0;
    for point in &mut points {
        most = point.1.max(most);
        point.1 = most;
    }
    points
}

pub(super) fn percentiles_input() -> Percentiles {
    let series = [
        ("telegraft ×1", 2.4, 0.55, 1e-5, false),
        ("telegraft ×3", 3.2, 0.5, 1e-5, false),
        ("telegraft ×5, leader killed", 4.1, 1.6, 8e-4, true),
        ("null", 1.4, 0.8, 4e-6, false),
    ];
    Percentiles {
        heading: heading(
            "percentiles-write-heavy-send",
            "Response times of send, write-heavy",
        ),
        series: series
            .into_iter()
            .map(
                |(label, median, tail, left, beyond_timeout)| percentiles::Series {
                    label: label.to_owned(),
                    points: quantiles(median, tail, left),
                    beyond_timeout,
                },
            )
            .collect(),
    }
}

pub(super) fn replicas_input() -> Replicas {
    let point = |replicas, trials: [f64; 3], spread: f64| replicas::Point {
        replicas,
        ops_per_s: Some(Estimate {
            value: trials.iter().sum::<f64>() / 3.0,
            interval: Some((
                trials.iter().sum::<f64>() / 3.0 - spread,
                trials.iter().sum::<f64>() / 3.0 + spread,
            )),
        }),
        trials_ops_per_s: trials.to_vec(),
    };
    let series = |label: &str, points| replicas::Series {
        label: label.to_owned(),
        points,
    };
    let ceiling = |label: &str, ops_per_s, series| Ceiling {
        label: label.to_owned(),
        ops_per_s,
        series: Some(series),
    };
    Replicas {
        heading: heading("replicas", "Throughput by number of replicas"),
        series: vec![
            series(
                "write-heavy",
                vec![
                    point(1, [25_400.0, 26_300.0, 25_800.0], 1_300.0),
                    point(3, [18_800.0, 19_900.0, 19_300.0], 1_500.0),
                    point(5, [14_500.0, 15_400.0, 14_700.0], 1_200.0),
                ],
            ),
            series(
                "read-heavy",
                vec![
                    point(1, [33_400.0, 35_200.0, 34_000.0], 2_400.0),
                    point(3, [21_200.0, 23_200.0, 22_600.0], 2_700.0),
                    point(5, [18_900.0, 20_200.0, 19_800.0], 1_700.0),
                ],
            ),
        ],
        ceilings: vec![
            ceiling("null, write-heavy", 40_100.0, 0),
            ceiling("null, read-heavy", 36_500.0, 1),
        ],
    }
}

pub(super) fn offered_input(slo_p99_ms: Option<f64>) -> Offered {
    let series = |label: &str, capacity: f64, base: f64| {
        let rates = [
            1_000.0, 2_000.0, 4_000.0, 6_000.0, 8_000.0, 10_000.0, 12_000.0, 14_000.0,
        ];
        let points = rates.into_iter().map(|rate| {
            let load = rate / capacity;
            let wait = |factor: f64| match load < 1.0 {
                true => Latency::Ms(base * factor * (1.0 + load.powi(3) / (1.0 - load))),
                false if load < 1.2 => Latency::Ms(base * factor * 300.0 * load),
                false => Latency::BeyondTimeout,
            };
            offered::Point {
                offered_per_s: rate,
                p50: wait(1.0),
                p99: wait(2.6),
                valid: load < 1.0,
            }
        });
        offered::Series {
            label: label.to_owned(),
            points: points.collect(),
        }
    };
    Offered {
        heading: heading(
            match slo_p99_ms {
                Some(_) => "offered-slo",
                None => "offered",
            },
            "Response time against offered load",
        ),
        series: vec![
            series("telegraft ×3", 12_700.0, 1.1),
            series("telegraft ×5", 9_300.0, 1.5),
        ],
        slo_p99_ms,
    }
}

fn marks() -> Vec<Mark> {
    let mark = |at_s, label: &str, kind| Mark {
        at_s,
        label: label.to_owned(),
        kind,
    };
    vec![
        mark(15.0, "kill 1", MarkKind::Fault),
        mark(16.4, "leader 3", MarkKind::Leader),
        mark(32.0, "start 1", MarkKind::Fault),
        mark(48.0, "partition 3 | 1, 2", MarkKind::Fault),
        mark(49.5, "leader 2", MarkKind::Leader),
        mark(57.0, "heal", MarkKind::Fault),
    ]
}

/// How the system is in that second: 0 while nobody leads.
fn health(second: u32) -> f64 {
    match second {
        15 | 48 => 0.0,
        16..=18 | 49..=51 => 0.6,
        33..=36 => 0.85,
        _ => 1.0,
    }
}

pub(super) fn timeline_input(seconds: u32) -> Timeline {
    let series = |label: &str, ops: f64, p99: f64, seed: u32| timeline::Series {
        label: label.to_owned(),
        seconds: (0..seconds)
            .filter(|second| *second != 40)
            .map(|second| {
                let noise = noise(second.wrapping_mul(7).wrapping_add(seed));
                let health = health(second);
                timeline::Second {
                    at_s: f64::from(second),
                    ops_per_s: Some(ops * health * (0.94 + 0.12 * noise)),
                    p99: match health > 0.0 {
                        true => Latency::Ms(p99 * (0.8 + 0.5 * noise) / health.powi(4)),
                        false => Latency::BeyondTimeout,
                    },
                }
            })
            .collect(),
    };
    Timeline {
        heading: heading(
            &format!("timeline-{seconds}"),
            "A run with faults, second by second",
        ),
        series: vec![
            series("send", 15_000.0, 5.2, 1),
            series("read", 4_100.0, 3.1, 50_000),
            series("inbox", 1_900.0, 2.2, 90_000),
        ],
        marks: marks(),
    }
}

pub(super) fn stages_input() -> Stages {
    let configuration = |label: &str, [queue, commit, apply, write]: [f64; 4]| Configuration {
        label: label.to_owned(),
        queue_ms: Some(queue),
        commit_ms: Some(commit),
        apply_ms: Some(apply),
        log_write_ms: Some(write),
    };
    Stages {
        heading: heading("stages", "Where the time of a write goes"),
        configurations: vec![
            configuration("telegraft ×1", [0.11, 0.82, 0.12, 0.8]),
            configuration("telegraft ×3", [0.19, 1.43, 0.14, 0.94]),
            configuration("telegraft ×5", [0.31, 2.05, 0.17, 1.12]),
            configuration("telegraft ×3, durability none", [0.16, 0.38, 0.11, 0.02]),
        ],
    }
}

pub(super) fn lag_input() -> Lag {
    let replica = |label: &str, base: f64, down: std::ops::Range<u32>, seed: u32| lag::Replica {
        label: label.to_owned(),
        seconds: (0..60)
            .filter(|second| !down.contains(second))
            .map(|second| {
                let noise = noise(second.wrapping_mul(13).wrapping_add(seed));
                let catching_up = second.checked_sub(down.end).map_or(0.0, |since| {
                    280_000.0 * 0.02_f64.powi(i32::try_from(since).unwrap_or(99))
                });
                lag::Second {
                    at_s: f64::from(second),
                    lag_entries: Some((base * noise + catching_up).round()),
                    stale_entries: Some((base * 1.6 * noise + 4.0 + catching_up).round()),
                }
            })
            .collect(),
    };
    Lag {
        heading: heading("lag", "Replication lag and staleness"),
        replicas: vec![
            replica("replica 1", 40.0, 15..33, 3),
            replica("replica 2", 60.0, 70..80, 900),
            replica("replica 3", 8.0, 48..58, 4_000),
        ],
        commits_per_s: Some(15_200.0),
        marks: marks(),
    }
}

pub(super) fn faults_input() -> Faults {
    let series = |label: &str, ok: f64, seed: u32| faults::Series {
        label: label.to_owned(),
        seconds: (0..60_u32)
            .map(|second| {
                let down = (20..23).contains(&second) && label == "send";
                let ok = ok * (0.8 + 0.4 * noise(seed + second));
                (f64::from(second), if down { 0.0 } else { ok })
            })
            .collect(),
    };
    let lane = |label: &str, bands_s: &[(f64, f64)]| faults::Lane {
        label: label.to_owned(),
        bands_s: bands_s.to_vec(),
    };
    Faults {
        heading: heading("faults", "Under faults"),
        series: vec![
            series("send", 340.0, 1),
            series("read", 520.0, 70),
            series("inbox", 110.0, 200),
        ],
        lanes: vec![
            lane("kill", &[(4.0, 7.5), (19.5, 22.0), (19.5, 22.1)]),
            lane("pause", &[(11.0, 14.5)]),
            lane("restart", &[(26.0, 26.02)]),
            lane("partition", &[(30.0, 36.0)]),
            lane("duplicate", &[(33.0, 38.5), (34.0, 41.0)]),
            lane("disk-full", &[(45.0, 52.0)]),
        ],
        leaders_s: vec![5.2, 12.1, 23.4],
        end_s: 60.0,
    }
}

/// Every plot once, some twice.
pub(super) fn all() -> Vec<Plot> {
    vec![
        percentiles::draw(&percentiles_input()),
        replicas::draw(&replicas_input()),
        offered::draw(&offered_input(None)),
        offered::draw(&offered_input(Some(20.0))),
        timeline::draw(&timeline_input(60)),
        timeline::draw(&timeline_input(3_600)),
        stages::draw(&stages_input()),
        lag::draw(&lag_input()),
        faults::draw(&faults_input()),
    ]
}

/// Inputs that go to the edges.
pub(super) fn odd() -> Vec<Plot> {
    let long = "a label that is far longer than anyone would write, ".repeat(8);
    let crowd = Percentiles {
        heading: heading("odd-crowd", "A thousand lines"),
        series: (0..1_000_u32)
            .map(|nth| percentiles::Series {
                label: format!("series {nth}"),
                points: quantiles(1.0 + f64::from(nth) / 3.0, 0.5, 1e-4),
                beyond_timeout: false,
            })
            .collect(),
    };
    let mut labels = replicas_input();
    labels.heading = heading("odd-labels", "Long labels, no intervals, huge values");
    for series in &mut labels.series {
        series.label.clone_from(&long);
        for point in &mut series.points {
            point.ops_per_s = point.ops_per_s.map(|e| Estimate {
                value: e.value * 1e6,
                interval: None,
            });
            point.trials_ops_per_s.clear();
        }
    }
    labels.ceilings.truncate(1);
    labels.ceilings[0].label = long;
    let mut marked = timeline_input(60);
    marked.heading = heading("odd-marks", "A mark each second");
    marked.marks = (0..60_u32)
        .map(|second| Mark {
            at_s: f64::from(second),
            label: format!("leader {second}"),
            kind: MarkKind::Leader,
        })
        .collect();
    let single = Offered {
        heading: heading("odd-single", "One point"),
        series: vec![offered::Series {
            label: "one".to_owned(),
            points: vec![offered::Point {
                offered_per_s: 5_000.0,
                p50: Latency::Ms(0.0),
                p99: Latency::Ms(3.0),
                valid: true,
            }],
        }],
        slo_p99_ms: None,
    };
    vec![
        percentiles::draw(&crowd),
        percentiles::draw(&Percentiles::default()),
        replicas::draw(&labels),
        replicas::draw(&Replicas::default()),
        offered::draw(&single),
        offered::draw(&Offered::default()),
        timeline::draw(&marked),
        timeline::draw(&Timeline::default()),
        stages::draw(&Stages::default()),
        lag::draw(&Lag::default()),
        faults::draw(&Faults::default()),
    ]
}

/// Writes every plot and a page of them into the directory `TELEGRAFT_GALLERY`:
/// `TELEGRAFT_GALLERY=/tmp/gallery cargo test -p telegraft-analysis gallery -- --ignored`.
#[test]
#[ignore = "writes files to be looked at"]
fn gallery() {
    let Some(directory) = std::env::var_os("TELEGRAFT_GALLERY") else {
        panic!("TELEGRAFT_GALLERY names no directory");
    };
    let directory = Path::new(&directory);
    std::fs::create_dir_all(directory).unwrap();
    for (page, plots) in [("index.html", all()), ("odd.html", odd())] {
        let mut html = String::from(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Plots</title>\
             <meta name=\"viewport\" content=\"width=device-width\">\
             <style>:root{color-scheme:light dark}body{margin:16px auto;max-width:720px;\
             padding:0 12px;font-family:sans-serif}figure{margin:0 0 32px}</style>",
        );
        for plot in &plots {
            std::fs::write(directory.join(format!("{}.svg", plot.name)), &plot.svg).unwrap();
            html += &format!(
                "<figure>{}<figcaption><b>{}.</b> {}<br><small>{}</small></figcaption></figure>",
                plot.svg,
                plot.title,
                plot.caption,
                plot.alt.replace('<', "&lt;")
            );
        }
        std::fs::write(directory.join(page), html).unwrap();
    }
}
