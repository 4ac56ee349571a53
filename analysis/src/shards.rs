//! Puts shares of one run together: the load of several generators on the same cluster, at the
//! same time.
//!
//! Counts are added, histograms bucket by bucket, and every percentile is taken anew from the
//! sum: percentiles of parts cannot be averaged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use telegraft_loadgen::results::{LatencyUs, Problem, Row as _, RunRow, SERVICE_SUFFIX};

use crate::data::{self, ALL, AUDIT_FINE, Data, Run, VALID, distinct, missed};
use crate::latencies::Latencies;
use crate::timeline::Timeline;

/// What makes a run invalid, the worst first. What is not among these comes before them.
const WORST_FIRST: [&str; 7] = [
    "invalid:audit",
    "invalid:interrupted",
    "invalid:errors",
    "invalid:generator-saturated",
    "invalid:schedule-missed",
    "invalid:not-steady",
    VALID,
];

/// What `steady` reads where a run was steady.
const STEADY: &str = "steady";

/// What `slo` reads where what was asked for was reached, and how it begins where it was not.
const MET: &str = "met";
const MISSED: &str = "missed: ";

/// What `slo` reads where nothing was missed: what was asked for was reached, or nothing was.
const UNMISSED: [&str; 2] = [MET, ""];

/// How much longer than the longest of them the time of all shares together may be.
const APART: f64 = 1.05;

/// The most shares that a run can have: more than anybody has generators.
const MAX_SHARES: u32 = 1_000;

/// What a run was put together from.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    /// How many there must be; 0 when that is not known.
    pub(crate) of: u32,
    /// The ones that it consists of, with the directory of each.
    pub(crate) found: Vec<(u32, String)>,
    /// What is missing or too much; none of it is in the run.
    wrong: Vec<String>,
}

impl Shares {
    /// Whether each share is there, once.
    pub(crate) fn complete(&self) -> bool {
        self.wrong.is_empty()
    }

    /// `4 of 4`.
    pub(crate) fn count(&self) -> String {
        match self.of {
            0 => format!("{} of ?", self.found.len()),
            of => format!("{} of {of}", self.found.len()),
        }
    }

    /// What is not as it should be.
    pub(crate) fn wrong(&self) -> String {
        self.wrong.join("; ")
    }
}

/// Which share a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Share {
    number: u32,
    of: u32,
}

/// A run that is one of several shares, or alone.
struct Part {
    run: Run,
    share: Option<Share>,
}

/// Replaces the shares of each run by their sum, where the first of them was.
pub(crate) fn merge(data: &mut Data) {
    let mut groups: Vec<Vec<Run>> = Vec::new();
    let mut places: HashMap<Key, usize> = HashMap::new();
    let nonces: Vec<Option<String>> = data
        .sources
        .iter()
        .map(|s| nonce(s.suite.as_ref()?))
        .collect();
    for run in std::mem::take(&mut data.runs) {
        let place = nonces[run.source].as_ref().map(|nonce| {
            let place = places.entry(key(nonce, &run));
            *place.or_insert(groups.len())
        });
        match place.and_then(|place| groups.get_mut(place)) {
            Some(runs) => runs.push(run),
            None => groups.push(vec![run]),
        }
    }
    for runs in groups {
        let (alone, shares): (Vec<Run>, Vec<Run>) =
            runs.into_iter().partition(|run| run.any().shard.is_empty());
        let mut alone = alone.into_iter();
        data.runs.extend(alone.next());
        for copy in alone {
            let told = format!(
                "{} is the same run as another directory's: it counts once",
                copy.name
            );
            tell(data, &copy, told);
        }
        if !shares.is_empty() {
            let run = put_together(data, shares);
            data.runs.push(run);
        }
    }
}

/// What shares of one run have in common: the suite's nonce, the id, the configuration, trial
/// and seed.
type Key = (String, String, String, u32, u64);

fn key(nonce: &str, run: &Run) -> Key {
    let row = run.any();
    (
        nonce.to_owned(),
        row.run_id.clone(),
        row.config_hash.clone(),
        row.trial,
        row.seed,
    )
}

/// The nonce of a `suite.toml`, as a run notes it before the first table.
pub(crate) fn nonce(suite: &str) -> Option<String> {
    let head = suite.lines().take_while(|line| !line.starts_with('['));
    let mut values = head.filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "nonce").then(|| value.trim().trim_matches('"').to_owned())
    });
    values.next()
}

fn parse(shard: &str) -> Option<Share> {
    let (number, of) = shard.split_once('/')?;
    let (number, of) = (number.parse().ok()?, of.parse().ok()?);
    let fits = (1..=of).contains(&number) && of <= MAX_SHARES;
    fits.then_some(Share { number, of })
}

fn tell(data: &mut Data, run: &Run, reason: String) {
    let file = match data.sources.len() {
        1 => RunRow::FILE.to_owned(),
        _ => format!("{}/{}", data.source_of(run), RunRow::FILE),
    };
    data.problems.push(Problem {
        file,
        line: None,
        reason,
    });
}

/// One run from shares, at least one; what does not fit is told.
fn put_together(data: &mut Data, shares: Vec<Run>) -> Run {
    let parts: Vec<Part> = shares
        .into_iter()
        .map(|run| Part {
            share: parse(&run.any().shard),
            run,
        })
        .collect();
    // The division that most shares are of, the first of several.
    let count = |of: u32| {
        parts
            .iter()
            .filter(|p| p.share.is_some_and(|s| s.of == of))
            .count()
    };
    let divisions = parts.iter().filter_map(|part| part.share.map(|s| s.of));
    let of = divisions.rev().max_by_key(|of| count(*of)).unwrap_or(0);

    let mut found: BTreeMap<u32, Run> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut unused = Vec::new();
    for Part { run, share } in parts {
        let shard = &run.any().shard;
        let reason = match share {
            Some(share) if share.of != of => format!("shard {shard} is of another division"),
            Some(share) if found.contains_key(&share.number) => {
                format!("shard {shard} is there twice")
            }
            Some(share) => {
                found.insert(share.number, run);
                continue;
            }
            None => format!("shard {shard:?} is no share, as 2/4 is"),
        };
        wrong.push(reason.clone());
        unused.push((run, reason));
    }
    let missing: Vec<String> = (1..=of)
        .filter(|number| !found.contains_key(number))
        .map(|number| number.to_string())
        .collect();
    match missing.as_slice() {
        [] => {}
        [one] => wrong.push(format!("shard {one} of {of} is missing")),
        several => wrong.push(format!("shards {} of {of} are missing", several.join(", "))),
    }
    for (run, reason) in &unused {
        tell(data, run, format!("{}: {reason}: left out", run.name));
    }
    if found.is_empty() {
        // None is a share of anything: the first stands for itself, marked.
        let (run, _) = unused.swap_remove(0);
        found.insert(0, run);
    }
    let names = found.iter();
    let names = names.map(|(number, run)| (*number, data.source_of(run).to_owned()));
    let shares = Shares {
        of,
        found: names.collect(),
        wrong,
    };
    let runs: Vec<Run> = found.into_values().collect();
    let (run, apart) = sum(&runs, shares);
    if let Some(apart) = apart {
        tell(data, &runs[0], format!("{}: {apart}", run.name));
    }
    run
}

/// The sum of shares, at least one, and what is to be told of when they ran.
fn sum(runs: &[Run], shares: Shares) -> (Run, Option<String>) {
    let latencies = latencies(runs);
    let longest = runs
        .iter()
        .map(|run| run.any().duration_s)
        .fold(0.0, f64::max);
    let window_s = window_s(runs).unwrap_or(longest);
    let apart = (window_s > longest * APART).then(|| {
        format!(
            "its shards did not run together: the first began {window_s:.1} s before the last \
             ended, and none is longer than {longest:.1} s"
        )
    });
    let mut ops: Vec<&str> = Vec::new();
    for row in runs.iter().flat_map(Run::operations) {
        if row.op != ALL && !ops.contains(&row.op.as_str()) {
            ops.push(&row.op);
        }
    }
    // Where one lacks it, the sum of the others would not be all.
    if runs.iter().all(|run| run.row(ALL).is_some()) {
        ops.push(ALL);
    }
    let timelines: Option<Vec<&Timeline>> = runs.iter().map(|run| run.timeline.as_ref()).collect();
    let mut run = Run {
        latencies,
        // The cluster is one and the same, whoever watched it.
        cluster: runs.iter().find_map(|run| run.cluster.clone()),
        timeline: timelines.map(Timeline::sum),
        stages: seen(runs, |run| &run.stages),
        events: seen(runs, |run| &run.events),
        lacking: lacking(runs),
        shares: Some(shares),
        ..runs[0].clone()
    };
    run.start = runs.iter().filter_map(|run| run.start).min();
    let rows: Vec<RunRow> = ops
        .into_iter()
        .filter_map(|op| {
            let rows: Vec<&RunRow> = runs.iter().filter_map(|run| run.row(op)).collect();
            merged_row(&rows, &run, window_s)
        })
        .collect();
    if !rows.is_empty() {
        run.rows = rows;
    }
    (run, apart)
}

/// What any of them lacks.
fn lacking(runs: &[Run]) -> Vec<String> {
    let mut lacking: Vec<String> = Vec::new();
    for op in runs.iter().flat_map(|run| &run.lacking) {
        if !lacking.contains(op) {
            lacking.push(op.clone());
        }
    }
    lacking
}

/// What the first share has that has any of it.
fn seen<T: Clone>(runs: &[Run], of: fn(&Run) -> &Vec<T>) -> Vec<T> {
    let mut found = runs.iter().map(of);
    found
        .find(|rows| !rows.is_empty())
        .cloned()
        .unwrap_or_default()
}

/// The time that all shares together took, in seconds: from the first beginning to the last end,
/// so that no rate looks better than it was. None where a beginning is not known.
fn window_s(runs: &[Run]) -> Option<f64> {
    let starts: Option<Vec<_>> = runs.iter().map(|run| run.start).collect();
    let starts = starts?;
    let first = starts.iter().min()?;
    let ends = starts.iter().zip(runs);
    let ends = ends.map(|(start, run)| (*start - *first).as_secs_f64() + run.any().duration_s);
    ends.reduce(f64::max)
}

/// The histograms, added by tag. A tag that a share lacks though it has such operations is left
/// out: percentiles of the others would be those of something else.
fn latencies(runs: &[Run]) -> BTreeMap<String, Latencies> {
    let tags: BTreeSet<&String> = runs.iter().flat_map(|run| run.latencies.keys()).collect();
    let mut merged = BTreeMap::new();
    'tags: for tag in tags {
        let op = tag.strip_suffix(SERVICE_SUFFIX).unwrap_or(tag);
        let mut sum = Latencies::default();
        for run in runs {
            match run.latencies.get(tag) {
                Some(one) => sum.merge(one),
                None if run.row(op).is_some_and(|row| row.ok > 0) => continue 'tags,
                None => {}
            }
        }
        merged.insert(tag.clone(), sum);
    }
    merged
}

/// One row from those of the shares for the same operation; none of none.
fn merged_row(rows: &[&RunRow], run: &Run, window_s: f64) -> Option<RunRow> {
    let first = *rows.first()?;
    let total = |count: fn(&RunRow) -> u64| data::sum(rows.iter().map(|row| count(row)));
    let ok = total(|row| row.ok);
    let missed = total(missed);
    let of = |suffix: &str| {
        let found = run.latencies_of(&first.op, suffix);
        // Nothing has no latency, also where no histogram says so.
        found.or_else(|| (ok == 0).then(Latencies::default))
    };
    let response = of("");
    let service = match of(SERVICE_SUFFIX) {
        // In a closed loop, both views are one.
        None if first.arrival == "closed" => response.clone(),
        found => found,
    };
    let at = |latencies: &Option<Latencies>, per_mille| match latencies {
        Some(latencies) => latencies.at(per_mille, missed),
        None => LatencyUs::None,
    };
    let cores = |cores: f64, row: &RunRow| cores * row.duration_s / window_s.max(f64::MIN_POSITIVE);
    let generators = rows.iter().map(|row| cores(row.generator_cpu_cores, row));
    let longest =
        |value: fn(&RunRow) -> Option<u64>| rows.iter().filter_map(|row| value(row)).max();
    let gaps = rows.iter().filter_map(|row| row.failover_ms);
    Some(RunRow {
        attempts: total(|row| row.attempts),
        retries: total(|row| row.retries),
        ok,
        failed: total(|row| row.failed),
        unknown: total(|row| row.unknown),
        unfinished: total(|row| row.unfinished),
        duration_s: window_s,
        ok_per_s: per_s(ok, window_s),
        response_mean_us: mean(response.as_ref(), rows),
        response_p50_us: at(&response, 500),
        response_p90_us: at(&response, 900),
        response_p95_us: at(&response, 950),
        response_p99_us: at(&response, 990),
        response_p999_us: at(&response, 999),
        response_max_us: at(&response, 1000),
        service_p50_us: at(&service, 500),
        service_p99_us: at(&service, 990),
        service_p999_us: at(&service, 999),
        generator_cpu_cores: generators.sum(),
        // Each generator may have watched the cluster: it is one and the same.
        cluster_cpu_cores: rows
            .iter()
            .map(|row| row.cluster_cpu_cores)
            .fold(0.0, f64::max),
        // These have no histograms: no percentile of all is above the greatest of the parts'.
        schedule_lag_p99_us: longest(|row| row.schedule_lag_p99_us),
        queue_p99_us: longest(|row| row.queue_p99_us),
        generator_delay_p99_us: longest(|row| row.generator_delay_p99_us),
        // Whichever generator got through first: no loss lasted longer than that.
        failover_ms: gaps.reduce(f64::min),
        audit: audit(rows),
        verdict: verdict(rows),
        steady: told_by(rows, |row| &row.steady, &[STEADY, ""]),
        slo: slo(rows),
        ..first.clone()
    })
}

#[allow(clippy::cast_precision_loss, reason = "no run has 2^52 operations")]
fn per_s(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

#[allow(clippy::cast_precision_loss, reason = "no run has 2^52 operations")]
fn mean(all: Option<&Latencies>, rows: &[&RunRow]) -> Option<f64> {
    if let Some(all) = all {
        return (all.count() > 0).then(|| all.mean_us());
    }
    let means = rows.iter().filter(|row| row.ok > 0);
    let means: Option<Vec<(f64, u64)>> = means
        .map(|row| Some((row.response_mean_us?, row.ok)))
        .collect();
    let means = means.filter(|means| !means.is_empty())?;
    let sum: f64 = means.iter().map(|(mean, ok)| mean * *ok as f64).sum();
    Some(sum / means.iter().map(|(_, ok)| *ok as f64).sum::<f64>())
}

/// `ok` only where all are: a share that was not audited makes the whole `skipped`.
fn audit(rows: &[&RunRow]) -> String {
    let wrong = rows
        .iter()
        .any(|row| !AUDIT_FINE.contains(&row.audit.as_str()));
    match wrong {
        true => labelled(rows, |row| &row.audit, &AUDIT_FINE).join("; "),
        false => distinct(rows.iter().map(|row| &*row.audit), AUDIT_FINE[0]),
    }
}

fn verdict(rows: &[&RunRow]) -> String {
    let rank = |verdict: &str| {
        let known = WORST_FIRST.iter().position(|worst| *worst == verdict);
        known.map_or(0, |at| at + 1)
    };
    let verdicts = rows.iter().map(|row| &row.verdict);
    verdicts
        .min_by_key(|verdict| rank(verdict))
        .cloned()
        .unwrap_or_default()
}

/// What one column says: the same everywhere, or what differs from all of `fine`, with the share;
/// nothing where some say one of these, and others another.
fn told_by(rows: &[&RunRow], value: fn(&RunRow) -> &String, fine: &[&str]) -> String {
    let first = value(rows[0]);
    if rows.iter().all(|row| value(row) == first) {
        return first.clone();
    }
    labelled(rows, value, fine).join("; ")
}

fn slo(rows: &[&RunRow]) -> String {
    let missed = rows.iter().any(|row| row.slo.starts_with(MISSED));
    match missed {
        true => format!(
            "{MISSED}{}",
            labelled(rows, |row| &row.slo, &UNMISSED).join("; ")
        ),
        false => told_by(rows, |row| &row.slo, &UNMISSED),
    }
}

/// `shard 2/4: …` for each row that says something else than `fine`.
fn labelled(rows: &[&RunRow], value: fn(&RunRow) -> &String, fine: &[&str]) -> Vec<String> {
    let told = rows
        .iter()
        .filter(|row| !fine.contains(&value(row).as_str()));
    told.map(|row| {
        let text = value(row);
        format!(
            "shard {}: {}",
            row.shard,
            text.strip_prefix(MISSED).unwrap_or(text)
        )
    })
    .collect()
}

#[cfg(test)]
pub(crate) mod tests;
