//! What happened in a run second by second, of the few runs that are plotted over time.

use std::collections::{BTreeMap, HashMap, HashSet};

use telegraft_loadgen::results::{IntervalRef, LatencyUs};

use crate::cluster::Role;
use crate::data::Run;

/// Runs whose seconds are kept: more plots than a reader looks at, and at most a few MiB.
pub(crate) const MAX_TIMELINES: usize = 24;

/// Of these, as many may be of runs with faults when there are many configurations.
const MAX_WITH_FAULTS: usize = MAX_TIMELINES / 2;

/// A run, second by second. Seconds count from when measuring began.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Timeline {
    /// By operation, in order of time.
    pub(crate) operations: BTreeMap<String, Vec<OpSecond>>,
    /// By replica, in order of time.
    pub(crate) replicas: BTreeMap<u64, Vec<ReplicaSecond>>,
}

/// One second of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpSecond {
    pub(crate) second: u32,
    /// Operations that succeeded.
    pub(crate) ok: u64,
    /// That failed, whose outcome is unknown, or that did not finish.
    pub(crate) missed: u64,
    /// The 99th percentile of the response times of those that succeeded; of shares of a run it
    /// is not known.
    p99_us: Option<u64>,
}

impl OpSecond {
    /// The 99th percentile of the response times of those that were due, by the rule of
    /// [`LatencyUs::at`]: it is known where less than one in 100 did not succeed.
    pub(crate) fn p99(&self) -> LatencyUs {
        let missed = u128::from(self.missed);
        let due = u128::from(self.ok) + missed;
        match self.p99_us {
            _ if missed > 0 && missed * 100 >= due => LatencyUs::BeyondTimeout,
            Some(us) => LatencyUs::Known(us),
            None => LatencyUs::None,
        }
    }
}

/// One second of one replica.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ReplicaSecond {
    pub(crate) second: u32,
    pub(crate) role: Role,
    pub(crate) term: Option<u64>,
    pub(crate) commit_index: Option<u64>,
    pub(crate) applied_index: Option<u64>,
    /// Entries that its log was behind the longest one.
    pub(crate) lag_entries: Option<u64>,
}

impl Timeline {
    pub(crate) fn add(&mut self, row: &IntervalRef<'_>) {
        let second = OpSecond {
            second: row.second,
            ok: row.ok,
            missed: row
                .failed
                .saturating_add(row.unknown)
                .saturating_add(row.unfinished),
            p99_us: row.response_p99_us,
        };
        match self.operations.get_mut(row.op) {
            Some(seconds) => seconds.push(second),
            None => {
                self.operations.insert(row.op.to_owned(), vec![second]);
            }
        }
    }

    /// To be called when all rows are in.
    pub(crate) fn sort(&mut self) {
        for seconds in self.operations.values_mut() {
            seconds.sort_by_key(|second| second.second);
        }
    }

    /// Of shares of one run, at least one, second by second: counts are added. Percentiles of
    /// parts are none of the whole. The replicas were the same ones for each.
    pub(crate) fn sum<'a>(shares: impl IntoIterator<Item = &'a Timeline>) -> Timeline {
        let mut sum = Timeline::default();
        let mut operations: BTreeMap<&str, BTreeMap<u32, OpSecond>> = BTreeMap::new();
        for share in shares {
            if sum.replicas.is_empty() {
                sum.replicas.clone_from(&share.replicas);
            }
            for (op, seconds) in &share.operations {
                let of_op = operations.entry(op).or_default();
                for second in seconds {
                    of_op
                        .entry(second.second)
                        .and_modify(|sum| {
                            sum.ok = sum.ok.saturating_add(second.ok);
                            sum.missed = sum.missed.saturating_add(second.missed);
                            sum.p99_us = None;
                        })
                        .or_insert(*second);
                }
            }
        }
        for (op, seconds) in operations {
            let seconds = seconds.into_values().collect();
            sum.operations.insert(op.to_owned(), seconds);
        }
        sum
    }
}

/// Which of `runs` are kept second by second: of each configuration the first valid trial, or
/// the first one where none is valid, and those with faults. Where these are more than
/// [`MAX_TIMELINES`], the first of both kinds.
pub(crate) fn choose(runs: &[&Run]) -> HashSet<usize> {
    // Each share of a run is chosen with the others, and counts as one.
    let mut configurations: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    let mut first: HashMap<_, (usize, usize)> = HashMap::new();
    for (at, run) in runs.iter().enumerate() {
        let key = run.configuration();
        let configuration = *known.entry(key).or_insert_with(|| {
            configurations.push(Vec::new());
            configurations.len() - 1
        });
        let shard = run.any().shard.as_str();
        match first.get(&(configuration, shard)) {
            Some((before, _)) if runs[*before].valid() || !run.valid() => {}
            Some((_, place)) => {
                let place = *place;
                configurations[configuration][place] = at;
                first.insert((configuration, shard), (at, place));
            }
            None => {
                let place = configurations[configuration].len();
                configurations[configuration].push(at);
                first.insert((configuration, shard), (at, place));
            }
        }
    }
    let mut faults: Vec<Vec<usize>> = Vec::new();
    let mut of_id: HashMap<_, usize> = HashMap::new();
    for (at, run) in runs.iter().enumerate().filter(|(_, run)| run.has_faults()) {
        let id = (run.configuration(), run.any().run_id.as_str());
        let place = *of_id.entry(id).or_insert_with(|| {
            faults.push(Vec::new());
            faults.len() - 1
        });
        faults[place].push(at);
    }
    let reserved = faults.len().min(MAX_WITH_FAULTS);
    let room = MAX_TIMELINES - reserved;
    let rest = configurations.split_off(room.min(configurations.len()));
    let more = faults.split_off(reserved);
    let mut chosen = HashSet::new();
    let in_order = [configurations, faults, rest, more];
    let mut left = MAX_TIMELINES;
    for alike in in_order.into_iter().flatten() {
        if left > 0 && alike.iter().any(|at| !chosen.contains(at)) {
            chosen.extend(alike);
            left -= 1;
        }
    }
    chosen
}

#[cfg(test)]
mod tests;
