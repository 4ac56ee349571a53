//! The large files: what is kept of the seconds, and the histograms of whole runs.
//!
//! Each file is read once, in a thread of its own; each histogram is decoded, and kept without
//! its empty buckets, before the next.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use telegraft_loadgen::results::{
    ClusterRef, ClusterRow, HlogInterval, IntervalRef, IntervalRow, Problem, ResultDir, Row,
    RunRow, SERVICE_SUFFIX, Scan,
};

use super::{Directory, MAX_UNRECORDED, Told, problem, regular, there};
use crate::cluster::{Cluster, RunRows};
use crate::data::{ALL, Run};
use crate::latencies::Latencies;
use crate::timeline::Timeline;

/// The largest file of whole-run histograms that is read, in bytes: a hundred times what there
/// is in ours.
const MAX_HLOG_BYTES: u64 = 64 << 20;

/// Threads that decode histograms, each with those of one run in its memory.
const MAX_DECODERS: usize = 8;

/// Reads all of it into the runs of `directory`.
pub(super) fn read(directory: &mut Directory, chosen: &BTreeSet<usize>) {
    let (runs, by_id, dir) = (&directory.runs, &directory.by_id, &directory.dir);
    let next = AtomicUsize::new(0);
    let decoders = thread::available_parallelism().map_or(1, usize::from);
    let (intervals, cluster, decoded) = thread::scope(|scope| {
        let intervals = scope.spawn(|| {
            let mut found = Seconds::of(runs, by_id, chosen, IntervalRow::FILE);
            let read = stream::<IntervalRow>(dir, |line, row| found.interval(line, &row));
            found.finish(read)
        });
        let cluster = scope.spawn(|| {
            let mut found = Seconds::of(runs, by_id, chosen, ClusterRow::FILE);
            if !there(dir.path(), ClusterRow::FILE) {
                return found.finish(Vec::new());
            }
            let read = stream::<ClusterRow>(dir, |line, row| found.replica(line, &row));
            found.finish(read)
        });
        let decode = || {
            let mut decoded = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(run) = runs.get(at) else {
                    return decoded;
                };
                decoded.push((at, Decoded::read(dir, run)));
            }
        };
        let threads = decoders.clamp(1, MAX_DECODERS);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(decode)).collect();
        // In the order of the runs, however the threads shared them.
        let decoded: BTreeMap<usize, Decoded> = threads.into_iter().flat_map(joined).collect();
        (joined(intervals), joined(cluster), decoded)
    });
    for found in [intervals, cluster] {
        directory.problems.extend(found.problems);
        for (id, place) in found.unrecorded {
            directory.unrecorded.entry(id).or_insert(place);
        }
        for (at, cluster) in found.clusters {
            directory.runs[at].cluster = Some(cluster);
        }
        for (at, timeline) in found.timelines {
            let kept = directory.runs[at].timeline.get_or_insert_default();
            kept.operations.extend(timeline.operations);
            kept.replicas.extend(timeline.replicas);
        }
    }
    for (at, decoded) in decoded {
        let run = &mut directory.runs[at];
        run.latencies = decoded.latencies;
        run.start = decoded.start;
        // The row of all operations is the last one: without it, others may be lost.
        if run.row(ALL).is_none() {
            let lacking = decoded.lacking.into_iter();
            let more: Vec<String> = lacking.filter(|op| !run.lacking.contains(op)).collect();
            run.lacking.extend(more);
        }
        directory.problems.extend(decoded.problems);
    }
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn stream<T: Scan>(dir: &ResultDir, each: impl FnMut(u64, T::Ref<'_>)) -> Vec<Problem> {
    dir.for_each_ref::<T>(each)
        .unwrap_or_else(|error| vec![problem(error)])
}

/// What the seconds of one file come to.
struct Seconds<'a> {
    runs: &'a [Run],
    by_id: &'a HashMap<String, usize>,
    chosen: &'a BTreeSet<usize>,
    file: &'static str,
    told: Told,
    /// The run whose rows are read: all of a run stand together.
    id: String,
    run: Option<usize>,
    /// Runs whose rows were read before.
    done: HashSet<usize>,
    /// Its seconds and operations, these by their place among its rows.
    seen: HashSet<(u32, usize)>,
    /// Its rows of `cluster.csv`.
    rows: RunRows,
    /// Its operations that have no row.
    others: BTreeSet<String>,
    found: Found,
}

/// What was found.
#[derive(Default)]
struct Found {
    clusters: BTreeMap<usize, Cluster>,
    timelines: BTreeMap<usize, Timeline>,
    /// Runs without a row, and where they are.
    unrecorded: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl<'a> Seconds<'a> {
    fn of(
        runs: &'a [Run],
        by_id: &'a HashMap<String, usize>,
        chosen: &'a BTreeSet<usize>,
        file: &'static str,
    ) -> Self {
        Seconds {
            runs,
            by_id,
            chosen,
            file,
            told: Told::about(file),
            id: String::new(),
            run: None,
            done: HashSet::new(),
            seen: HashSet::new(),
            rows: RunRows::default(),
            others: BTreeSet::new(),
            found: Found::default(),
        }
    }

    /// The run of a row; none where it does not count.
    fn run(&mut self, line: u64, id: &str) -> Option<usize> {
        if id != self.id {
            self.end();
            self.id.clear();
            self.id.push_str(id);
            self.run = self.by_id.get(id).copied();
            match self.run {
                None if self.found.unrecorded.len() < MAX_UNRECORDED => {
                    let place = || format!("{}:{line}", self.file);
                    let unrecorded = &mut self.found.unrecorded;
                    unrecorded.entry(id.to_owned()).or_insert_with(place);
                }
                Some(run) if !self.done.insert(run) => {
                    self.run = None;
                    self.told.tell(line, || {
                        format!(
                            "there are rows of {id} farther above already: those from here on \
                             are left out"
                        )
                    });
                }
                _ => {}
            }
        }
        self.run
    }

    fn interval(&mut self, line: u64, row: &IntervalRef<'_>) {
        let Some(at) = self.run(line, row.run_id) else {
            return;
        };
        let rows = &self.runs[at].rows;
        let Some(op) = rows.iter().position(|known| known.op == row.op) else {
            if self.others.len() < MAX_UNRECORDED && self.others.insert(row.op.to_owned()) {
                self.told.tell(line, || {
                    format!(
                        "{} has no row of {} for {}: left out",
                        RunRow::FILE,
                        row.op,
                        row.run_id
                    )
                });
            }
            return;
        };
        if !self.seen.insert((row.second, op)) {
            return self.told.tell(line, || {
                format!(
                    "second {} of {} of {} is there already: the first one counts",
                    row.second, row.op, row.run_id
                )
            });
        }
        if self.chosen.contains(&at) {
            self.found.timelines.entry(at).or_default().add(row);
        }
    }

    fn replica(&mut self, line: u64, row: &ClusterRef<'_>) {
        if self.run(line, row.run_id).is_some() {
            self.rows.add(line, row);
        }
    }

    /// The rows of a run are all there.
    fn end(&mut self) {
        self.seen.clear();
        self.others.clear();
        let Some(at) = self.run.take() else { return };
        if self.rows.is_empty() {
            return;
        }
        let finished = self.rows.finish();
        for twice in finished.twice {
            self.told.tell(twice.line, || {
                format!(
                    "second {} of replica {} of {} is there already: the first one counts",
                    twice.second, twice.replica, self.id
                )
            });
        }
        if self.chosen.contains(&at) {
            let timeline = self.found.timelines.entry(at).or_default();
            timeline.replicas = finished.seconds;
        }
        self.found.clusters.insert(at, finished.cluster);
    }

    fn finish(mut self, read: Vec<Problem>) -> Found {
        self.end();
        for timeline in self.found.timelines.values_mut() {
            timeline.sort();
        }
        self.found.problems = read;
        self.found.problems.append(&mut self.told.finish());
        self.found
    }
}

/// The histograms of a whole run.
#[derive(Default)]
struct Decoded {
    start: Option<Duration>,
    latencies: BTreeMap<String, Latencies>,
    /// Operations that have latencies and no row.
    lacking: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Decoded {
    fn read(dir: &ResultDir, run: &Run) -> Decoded {
        let mut decoded = Decoded::default();
        let file = format!("latency/{}.total.hlog", run.any().run_id);
        let mut found: BTreeMap<String, Latencies> = BTreeMap::new();
        let keep = |interval: HlogInterval| {
            let latencies = Latencies::of(&interval.histogram);
            match found.get_mut(&interval.tag) {
                Some(sum) => sum.merge(&latencies),
                None => drop(found.insert(interval.tag, latencies)),
            }
        };
        let run_id = &run.any().run_id;
        let log = regular(dir.path(), &file, MAX_HLOG_BYTES)
            .and_then(|()| dir.for_each_total_hlog(run_id, keep).map_err(problem));
        let log = match log {
            Ok(log) => log,
            Err(problem) => {
                decoded.problems.push(problem);
                return decoded;
            }
        };
        decoded.problems = log.problems;
        decoded.start = log.start;
        decoded.latencies = found;
        decoded.check(&file, run);
        decoded
    }

    /// A histogram that lacks operations, or has too many, would give other percentiles.
    fn check(&mut self, file: &str, run: &Run) {
        let mut tell = |reason: String| {
            self.problems.push(Problem {
                file: file.to_owned(),
                line: None,
                reason,
            });
        };
        let lacking = &mut self.lacking;
        self.latencies.retain(|tag, _| {
            let op = tag.strip_suffix(SERVICE_SUFFIX).unwrap_or(tag);
            let known = op == ALL || run.row(op).is_some();
            if !known {
                tell(format!("{} has no row of {op}: left out", RunRow::FILE));
                lacking.insert(op.to_owned());
            }
            known
        });
        let all = run.row(ALL).is_none().then_some(ALL);
        for op in run.rows.iter().map(|row| row.op.as_str()).chain(all) {
            let ok = run
                .row(op)
                .map_or_else(|| run.total(|row| row.ok), |row| row.ok);
            let service = format!("{op}{SERVICE_SUFFIX}");
            for tag in [op, service.as_str()] {
                let held = self.latencies.get(tag).map(Latencies::count);
                // Of all operations, and of times from sending, there need be none.
                let needed = tag == op && run.operations().any(|row| row.op == op);
                if held == Some(ok) || (held.is_none() && !(needed && ok > 0)) {
                    continue;
                }
                tell(format!(
                    "it has {} latencies of {tag}, and {ok} succeeded by {}: left out",
                    held.unwrap_or(0),
                    RunRow::FILE
                ));
                self.latencies.remove(tag);
                if tag == op {
                    self.latencies.remove(&service);
                }
            }
        }
    }
}
