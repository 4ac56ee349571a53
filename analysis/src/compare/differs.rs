//! What differs between two sides beside what is compared.

use std::collections::HashSet;
use std::time::SystemTime;

use telegraft_loadgen::results::{RunRow, utc};

use crate::circumstances::{BUILD, MACHINE, OfEnvironment};
use crate::data::Data;
use crate::shards::nonce;

/// Of values of a setting that stand in different directories.
pub(super) const DIRECTORIES: &str = "some values of the setting were measured in different \
     directories, and so at different times: what changed on the machine in between is a part of \
     their change";

/// Of two tools.
pub(super) const OTHER_TOOL: &str = "different tools drew different loads on different systems \
     here, and each has its own notion of an operation and of its latency: a change says that the \
     numbers differ, not why";

/// How far the times of an fdatasync may be apart before they are told.
const SYNC_FACTOR: f64 = 1.2;

/// What must not be overlooked.
pub(super) fn warnings(a: &Data, b: &Data) -> Vec<String> {
    let mut told = Vec::new();
    told.extend(twice(a, b));
    told.extend(drift(a, b));
    let machines = differences(a, b, &MACHINE);
    if !machines.is_empty() {
        told.push(format!(
            "the machines differ, and so a change is not that of the program alone: {}",
            machines.join("; ")
        ));
    }
    told.extend(syncs(a, b));
    for (side, data) in [("A", a), ("B", b)] {
        let without = data.sources.iter().filter(|s| s.environment.is_none());
        for source in without {
            told.push(format!(
                "what {} ({side}) was measured on is not known",
                source.name
            ));
        }
        if data
            .runs
            .iter()
            .any(|run| run.circumstances != data.runs[0].circumstances)
        {
            let known = data.sources.iter().all(|s| s.environment.is_some());
            let are = if known { "are" } else { "may be" };
            told.push(format!(
                "the directories of {side} {are} of different machines or builds: their trials \
                 are taken together"
            ));
        }
    }
    told
}

/// What differs between the builds, as is usual.
pub(super) fn builds(a: &Data, b: &Data) -> Vec<String> {
    differences(a, b, &BUILD)
}

fn differences(a: &Data, b: &Data, of: &[(&str, OfEnvironment)]) -> Vec<String> {
    let values = |data: &Data, value: OfEnvironment| {
        let known = data.sources.iter().filter_map(|s| s.environment.as_ref());
        let mut values: Vec<String> = known.map(value).collect();
        values.sort();
        values.dedup();
        values.join(" and ")
    };
    let of = of
        .iter()
        .map(|(name, value)| (name, values(a, *value), values(b, *value)));
    of.filter(|(_, a, b)| a != b && !a.is_empty() && !b.is_empty())
        .map(|(name, a, b)| format!("{name} {a} (A), {b} (B)"))
        .collect()
}

/// A disk that syncs faster makes a faster cluster.
fn syncs(a: &Data, b: &Data) -> Option<String> {
    let middle = |data: &Data| {
        let known = data.sources.iter().filter_map(|s| s.environment.as_ref());
        crate::number::spread(known.map(|e| e.fdatasync.p50_us)).map(|spread| spread.median)
    };
    let (a, b) = (middle(a)?, middle(b)?);
    let factor = a.max(b) / a.min(b);
    (factor > SYNC_FACTOR).then(|| {
        format!(
            "an fdatasync alone took {} ms (A) and {} ms (B) before the runs: the disk changed, \
             too",
            crate::number::sig3(a / 1000.0),
            crate::number::sig3(b / 1000.0)
        )
    })
}

/// What a run is known by, wherever its directory lies.
type Key<'a> = (Option<&'a str>, &'a str, &'a str, u64, &'a str);

fn keys<'a>(data: &'a Data, nonces: &'a [Option<String>]) -> impl Iterator<Item = Key<'a>> {
    data.runs.iter().map(|run| {
        let row = run.any();
        let nonce = nonces[run.source].as_deref();
        (
            nonce,
            &*row.run_id,
            &*row.config_hash,
            row.seed,
            &*row.started_at,
        )
    })
}

/// Runs that are on both sides.
fn twice(a: &Data, b: &Data) -> Option<String> {
    let nonces = |data: &Data| -> Vec<Option<String>> {
        let suites = data.sources.iter().map(|source| source.suite.as_ref());
        suites.map(|suite| nonce(suite?)).collect()
    };
    let (of_a, of_b) = (nonces(a), nonces(b));
    let in_a: HashSet<Key<'_>> = keys(a, &of_a).collect();
    let count = keys(b, &of_b).filter(|key| in_a.contains(key)).count();
    (count > 0).then(|| {
        format!(
            "{count} {} on both sides: what is compared with itself does not differ",
            if count == 1 { "run is" } else { "runs are" }
        )
    })
}

/// Whether the sides were measured one after the other.
fn drift(a: &Data, b: &Data) -> Option<String> {
    let times = |data: &Data| -> Option<[(SystemTime, String); 2]> {
        let started = |row: &RunRow| Some((utc::parse(&row.started_at)?, row.started_at.clone()));
        let mut times: Vec<_> = data
            .runs
            .iter()
            .filter_map(|run| started(run.any()))
            .collect();
        times.sort();
        Some([times.first()?.clone(), times.last()?.clone()])
    };
    let ([a_from, a_to], [b_from, b_to]) = (times(a)?, times(b)?);
    let middle =
        |from: SystemTime, to: SystemTime| from + to.duration_since(from).unwrap_or_default() / 2;
    let within =
        |moment: SystemTime, from: SystemTime, to: SystemTime| from <= moment && moment <= to;
    // By turns, as far as that can be told from when runs began.
    let by_turns = within(middle(a_from.0, a_to.0), b_from.0, b_to.0)
        && within(middle(b_from.0, b_to.0), a_from.0, a_to.0);
    (!by_turns || a_from.0 == a_to.0).then(|| {
        format!(
            "A was measured from {} to {}, B from {} to {}: what changed on the machine in \
             between (drift) is a part of every change. Trials interleaved in one suite have no \
             such part",
            a_from.1, a_to.1, b_from.1, b_to.1
        )
    })
}
