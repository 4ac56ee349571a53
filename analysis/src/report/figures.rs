//! The plots of a report: which there are, and what they are drawn from.

use std::collections::BTreeMap;

use telegraft_loadgen::results::LatencyUs;

use super::Context;
use super::cells::{marked, ms};
use super::document::Figure;
use super::results::{latency, stages};
use super::text::Text;
use crate::alike::{differing, same_but_replicas};
use crate::cluster::Role;
use crate::data::{ALL, LEADER, Run};
use crate::plots::{self, Heading, Latency, Mark, MarkKind, Plot};
use crate::stats;
use crate::summary::Group;
use crate::timeline::ReplicaSecond;

/// Workloads whose percentiles are drawn: each is a figure.
const MAX_PERCENTILES: usize = 8;

/// Runs that are drawn over time: two figures each.
const MAX_RUNS_OVER_TIME: usize = 6;

/// Points of a curve of offered load: fewer tell nothing of its shape.
const MIN_OFFERED: usize = 3;

fn heading(name: impl Into<String>, title: impl Into<String>) -> Heading {
    Heading {
        name: name.into(),
        title: title.into(),
    }
}

/// With what it shows, the rules by which it is drawn, and the conditions.
pub(super) fn figure(plot: Plot, what: &str, caption: impl FnOnce(&str) -> Text) -> Figure {
    let rules = match plot.caption.as_str() {
        "" => String::new(),
        rules => format!(" {rules}"),
    };
    Figure {
        caption: caption(&format!("{what}{rules}")),
        name: plot.name,
        title: plot.title,
        alt: plot.alt,
        svg: plot.svg,
    }
}

/// The operation that stands for a run: all of them together, or the only one.
fn whole<'a>(group: &Group<'a>) -> &'a str {
    group.operations().last().copied().unwrap_or(ALL)
}

/// Throughput against replicas, of closed loops.
pub(super) fn replicas(context: &Context<'_>) -> Vec<Figure> {
    let mut input = plots::replicas::Replicas {
        heading: heading("throughput-replicas", "Throughput by number of replicas"),
        ..Default::default()
    };
    let mut shown: Vec<&Group<'_>> = Vec::new();
    for usual in context.usual_groups() {
        let alike = context
            .groups
            .iter()
            .filter(|g| same_but_replicas(g, usual));
        let alike: Vec<&Group<'_>> = alike.filter(|g| !latency::is_open(g)).collect();
        if alike.len() < 2 {
            continue;
        }
        let points = alike.iter().map(|group| {
            let trials = group.ok_per_s_by_trial(whole(group));
            plots::replicas::Point {
                replicas: u32::try_from(group.any().replicas).unwrap_or(u32::MAX),
                ops_per_s: stats::typical(&trials).map(|typical| plots::replicas::Estimate {
                    value: typical.value,
                    interval: typical
                        .interval
                        .map(|interval| (interval.low, interval.high)),
                }),
                trials_ops_per_s: trials,
            }
        });
        shown.extend(&alike);
        input.series.push(plots::replicas::Series {
            label: usual.any().workload.clone(),
            points: points.collect(),
        });
        let null = crate::summary::ceiling(usual, &context.groups);
        let level = null.and_then(|null| stats::typical(&null.ok_per_s_by_trial(whole(null))));
        input
            .ceilings
            .extend(level.map(|level| plots::replicas::Ceiling {
                label: format!("null, {}", usual.any().workload),
                ops_per_s: level.value,
                series: Some(input.series.len() - 1),
            }));
    }
    let what = "Successful operations of all kinds per second, the typical trial with its 95 % \
                interval; each trial as a faint point.";
    match input.series.is_empty() {
        true => Vec::new(),
        false => vec![figure(plots::replicas::draw(&input), what, |text| {
            context.caption(text, &shown)
        })],
    }
}

/// Latency by percentile, a plot for each workload.
pub(super) fn percentiles(context: &Context<'_>) -> Vec<Figure> {
    let mut by_workload: BTreeMap<usize, (String, Vec<&Group<'_>>)> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for group in &context.groups {
        let workload = group.any().workload.as_str();
        let at = order.iter().position(|name| *name == workload);
        let at = at.unwrap_or_else(|| {
            order.push(workload);
            order.len() - 1
        });
        let entry = by_workload.entry(at);
        let entry = entry.or_insert_with(|| (workload.to_owned(), Vec::new()));
        entry.1.push(group);
    }
    let mut figures = Vec::new();
    for (workload, groups) in by_workload.into_values().take(MAX_PERCENTILES) {
        let series = groups.iter().filter_map(|group| {
            let pooled = group.latencies(whole(group), "")?;
            let points = pooled.latencies.steps(pooled.missed);
            // The slowest of all stands at the middle of its own share: 1 is not on the axis.
            let due = of_count(pooled.latencies.count().saturating_add(pooled.missed));
            let last = 1.0 - 0.5 / due.max(1.0);
            let points = points.map(|(quantile, us)| (quantile.min(last), ms(us)));
            let valid = group.valid().count();
            let label = match pooled.left_out {
                0 => group.system(),
                out => format!(
                    "{} ({} of {valid} trials)",
                    group.system(),
                    valid - out.min(valid)
                ),
            };
            Some(plots::percentiles::Series {
                label,
                points: points.collect(),
                beyond_timeout: pooled.missed > 0,
            })
        });
        let input = plots::percentiles::Percentiles {
            heading: heading(
                format!("percentiles-{workload}"),
                format!("Response time by percentile: {workload}"),
            ),
            series: series.filter(|series| !series.points.is_empty()).collect(),
        };
        if input.series.is_empty() {
            continue;
        }
        let what = "Response times of all operations, the valid trials counted together.";
        figures.push(figure(plots::percentiles::draw(&input), what, |text| {
            context.caption(text, &groups)
        }));
    }
    figures
}

fn known(latency: Option<LatencyUs>) -> Latency {
    match latency {
        Some(LatencyUs::Known(us)) => Latency::Ms(ms(us)),
        Some(LatencyUs::BeyondTimeout) => Latency::BeyondTimeout,
        Some(LatencyUs::None) | None => Latency::Unknown,
    }
}

/// `telegraft ×3`, without what tells it from others.
fn system(group: &Group<'_>) -> String {
    format!("{} ×{}", group.any().system, group.any().replicas)
}

/// Response time against offered load: configurations that differ in the rate alone, and the
/// probes of a search for the highest one.
pub(super) fn offered(context: &Context<'_>) -> Vec<Figure> {
    let searched =
        |group: &Group<'_>| !context.data.sources[group.runs[0].source].probes.is_empty();
    let mut curves: Vec<(Vec<&Group<'_>>, Vec<plots::offered::Point>)> = Vec::new();
    // A search has a line of its own.
    for group in context.groups.iter().filter(|group| !searched(group)) {
        let Some(rate) = group.any().target_rate_per_s else {
            continue;
        };
        let pooled = group.latencies(whole(group), "");
        let at = |per_mille| known(pooled.as_ref().map(|pooled| pooled.at(per_mille)));
        let point = plots::offered::Point {
            offered_per_s: rate,
            p50: at(500),
            p99: at(990),
            valid: group.valid().next().is_some(),
        };
        let same = |other: &&mut (Vec<&Group<'_>>, Vec<plots::offered::Point>)| {
            let changed = differing(group, other.0[0]);
            changed.is_some_and(|d| d.iter().all(|(name, ..)| *name == "arrival"))
        };
        match curves.iter_mut().find(same) {
            Some((groups, points)) => {
                groups.push(group);
                points.push(point);
            }
            None => curves.push((vec![group], vec![point])),
        }
    }
    curves.retain(|(_, points)| points.len() >= MIN_OFFERED);
    let mut shown: Vec<&Group<'_>> = context.groups.iter().filter(|g| searched(g)).collect();
    shown.extend(curves.iter().flat_map(|(groups, _)| groups));
    let series = curves
        .into_iter()
        .map(|(groups, points)| plots::offered::Series {
            label: format!("{}, {}", groups[0].any().workload, system(groups[0])),
            points,
        });
    let probes = context
        .data
        .sources
        .iter()
        .filter(|s| s.probes.len() >= MIN_OFFERED);
    let probes = probes.map(|source| plots::offered::Series {
        label: match context.data.sources.len() {
            1 => "probes".to_owned(),
            _ => source.name.clone(),
        },
        points: source
            .probes
            .iter()
            .map(|probe| plots::offered::Point {
                offered_per_s: probe.rate_per_s,
                p50: known(Some(probe.p50_us)),
                p99: known(Some(probe.p99_us)),
                valid: probe.valid,
            })
            .collect(),
    });
    let input = plots::offered::Offered {
        heading: heading("offered-load", "Response time against offered load"),
        series: series.chain(probes).collect(),
        slo_p99_ms: None,
    };
    let what = "Percentiles of the response times of all operations; the valid trials of a rate are \
                counted together, a probe is one run.";
    match input.series.is_empty() {
        true => Vec::new(),
        false => vec![figure(plots::offered::draw(&input), what, |text| {
            context.caption(text, &shown)
        })],
    }
}

/// Where a write's time goes.
pub(super) fn stage_means(context: &Context<'_>) -> Vec<Figure> {
    let groups = stages::with_stages(context);
    let configurations = groups.iter().map(|group| {
        let means = stages::means(group);
        plots::stages::Configuration {
            label: format!("{}, {}", group.any().workload, group.system()),
            queue_ms: means.queue_ms,
            commit_ms: means.commit_ms,
            apply_ms: means.apply_ms,
            log_write_ms: means.log_write_ms,
        }
    });
    let input = plots::stages::Stages {
        heading: heading("stages", "Where a write's time goes in the leader"),
        configurations: configurations.collect(),
    };
    let what = "Mean times over all writes of the valid trials; of the own log write, over its appends, each of \
                which may carry many writes.";
    match input.configurations.is_empty() {
        true => Vec::new(),
        false => vec![figure(plots::stages::draw(&input), what, |text| {
            context.caption(text, &groups)
        })],
    }
}

/// The runs that are drawn over time: first those in which something happened, one of each
/// configuration, then one of each workload.
fn over_time<'a>(context: &Context<'a>) -> Vec<&'a Run> {
    let happened = |run: &&&Run| run.has_faults();
    // One that does not count is drawn where no other is there, and marked.
    let drawn = |run: &&&Run| run.timeline.is_some();
    let of_groups = context.groups.iter();
    let with_faults = of_groups
        // These have a figure of their own.
        .filter(|group| !group.is_stress())
        .filter_map(|group| group.runs.iter().filter(happened).find(drawn))
        .copied();
    let usual = context.usual_groups().into_iter();
    let usual = usual
        .filter_map(|group| group.runs.iter().find(drawn))
        .copied();
    let mut found: Vec<&Run> = Vec::new();
    for run in with_faults.chain(usual) {
        if found.len() < MAX_RUNS_OVER_TIME && !found.iter().any(|other| std::ptr::eq(*other, run))
        {
            found.push(run);
        }
    }
    found
}

/// What happened in a run.
fn marks(run: &Run) -> Vec<Mark> {
    let events = run.events.iter().map(|event| Mark {
        at_s: event.at_s,
        label: format!("{} {}", event.event, event.replica),
        kind: match event.event.as_str() {
            LEADER => MarkKind::Leader,
            _ => MarkKind::Fault,
        },
    });
    events.collect()
}

/// Throughput and p99 over the seconds of some runs.
pub(super) fn timelines(context: &Context<'_>) -> Vec<Figure> {
    let mut figures = Vec::new();
    for run in over_time(context) {
        let Some(timeline) = &run.timeline else {
            continue;
        };
        let series = timeline
            .operations
            .iter()
            .map(|(op, seconds)| plots::timeline::Series {
                label: op.clone(),
                seconds: seconds
                    .iter()
                    .map(|second| plots::timeline::Second {
                        at_s: f64::from(second.second),
                        ops_per_s: Some(of_count(second.ok)),
                        p99: known(Some(second.p99())),
                    })
                    .collect(),
            });
        let input = plots::timeline::Timeline {
            heading: heading(
                format!("timeline-{}", run.name),
                format!("Throughput and p99 over time: {}", marked(run)),
            ),
            series: series.collect(),
            marks: marks(run),
        };
        let what = "Second by second, from when measuring began, with faults and changes of leader \
                    (which are seen up to a second late).";
        figures.push(figure(plots::timeline::draw(&input), what, |text| {
            context.caption_of(text, &[run])
        }));
    }
    figures
}

/// How far followers are behind, over the seconds of some runs.
pub(super) fn lags(context: &Context<'_>) -> Vec<Figure> {
    let mut figures = Vec::new();
    for run in over_time(context) {
        let Some(timeline) = run.timeline.as_ref().filter(|t| t.replicas.len() > 1) else {
            continue;
        };
        // What the leader of each second had committed.
        let mut committed: BTreeMap<u32, (Option<u64>, u64)> = BTreeMap::new();
        for second in timeline.replicas.values().flatten() {
            if let (Role::Leader, Some(index)) = (second.role, second.commit_index) {
                let known = committed.entry(second.second).or_default();
                *known = (*known).max((second.term, index));
            }
        }
        // One that led all the time was never behind.
        let followed = |seconds: &[ReplicaSecond]| seconds.iter().any(|s| s.role != Role::Leader);
        let followers = timeline.replicas.iter().filter(|(_, s)| followed(s));
        let replicas = followers.map(|(id, seconds)| {
            let of_second = |second: &ReplicaSecond| {
                let behind = second.role != Role::Leader;
                let stale = committed.get(&second.second).zip(second.applied_index);
                plots::lag::Second {
                    at_s: f64::from(second.second),
                    lag_entries: second.lag_entries.filter(|_| behind).map(of_count),
                    stale_entries: stale
                        .filter(|_| behind)
                        .map(|((_, index), applied)| of_count(index.saturating_sub(applied))),
                }
            };
            plots::lag::Replica {
                label: format!("replica {id}"),
                seconds: seconds.iter().map(of_second).collect(),
            }
        });
        let input = plots::lag::Lag {
            heading: heading(
                format!("lag-{}", run.name),
                format!("Lag and staleness: {}", marked(run)),
            ),
            replicas: replicas.collect(),
            commits_per_s: run.row("send").map(|row| row.ok_per_s),
            marks: marks(run),
        };
        let what = "How far each follower is behind, as asked once a second.";
        figures.push(figure(plots::lag::draw(&input), what, |text| {
            context.caption_of(text, &[run])
        }));
    }
    figures
}

#[allow(clippy::cast_precision_loss, reason = "no run has 2^52 operations")]
pub(super) fn of_count(count: u64) -> f64 {
    count as f64
}
