//! What the replicas did during a run, from `cluster.csv`.

use std::collections::BTreeMap;

use telegraft_loadgen::results::ClusterRef;

use crate::timeline::ReplicaSecond;

/// What a run's replicas did, summed up.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cluster {
    /// By id.
    pub(crate) replicas: BTreeMap<u64, Replica>,
    /// How often the leader of a second was another, or of a later term, than the last one that
    /// was known.
    pub(crate) leader_changes: u64,
}

/// What one replica did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Replica {
    /// Seconds in which it answered.
    pub(crate) seconds: u64,
    /// Of these, as leader.
    pub(crate) leader_seconds: u64,
    /// Bytes written to its log; none where that was never known.
    pub(crate) log_bytes: Option<Rate>,
    /// fdatasyncs of its log; none where they were never known.
    pub(crate) fdatasyncs: Option<Rate>,
    /// Entries that its log was behind the longest one.
    pub(crate) lag_entries: Option<OverSeconds>,
    /// Entries that were committed by the second's leader and not yet applied here, in the
    /// seconds in which it was not the leader.
    pub(crate) stale_entries: Option<OverSeconds>,
}

/// What was done in the seconds in which that is known, at least one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rate {
    pub(crate) sum: f64,
    pub(crate) seconds: u64,
}

impl Rate {
    /// Of one of these seconds, on average.
    #[allow(clippy::cast_precision_loss, reason = "seconds are few")]
    pub(crate) fn per_s(self) -> f64 {
        self.sum / self.seconds as f64
    }
}

/// A count, second by second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverSeconds {
    pub(crate) median: u64,
    pub(crate) max: u64,
}

impl OverSeconds {
    /// By nearest rank; none of none.
    fn of(mut seconds: Vec<u64>) -> Option<OverSeconds> {
        seconds.sort_unstable();
        let at = |per_cent: usize| {
            let rank = (seconds.len() * per_cent).div_ceil(100).max(1);
            seconds.get(rank - 1).copied()
        };
        Some(OverSeconds {
            median: at(50)?,
            max: at(100)?,
        })
    }
}

/// What a replica was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Leader,
    Follower,
    Candidate,
    Learner,
    /// It did not answer.
    Unreachable,
    /// What this program does not know.
    Other,
}

impl Role {
    fn of(name: &str) -> Role {
        match name {
            "leader" => Role::Leader,
            "follower" => Role::Follower,
            "candidate" => Role::Candidate,
            "learner" => Role::Learner,
            "unreachable" => Role::Unreachable,
            _ => Role::Other,
        }
    }
}

/// One row, as far as it counts here.
#[derive(Clone, Copy, Debug)]
struct Second {
    line: u64,
    replica: u64,
    log_bytes: Option<f64>,
    fdatasyncs: Option<f64>,
    seen: ReplicaSecond,
}

/// The rows of one run, in any order.
#[derive(Debug, Default)]
pub(crate) struct RunRows {
    rows: Vec<Second>,
}

/// A second of a replica that is there more than once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Twice {
    pub(crate) line: u64,
    pub(crate) second: u32,
    pub(crate) replica: u64,
}

impl RunRows {
    pub(crate) fn add(&mut self, line: u64, row: &ClusterRef<'_>) {
        self.rows.push(Second {
            line,
            replica: row.replica,
            log_bytes: row.log_bytes_per_s,
            fdatasyncs: row.fdatasyncs_per_s,
            seen: ReplicaSecond {
                second: row.second,
                role: Role::of(row.role),
                term: row.term,
                commit_index: row.commit_index,
                applied_index: row.applied_index,
                lag_entries: row.lag_entries,
            },
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes the rows and sums them up. Of those for the same second and replica, the first one
    /// counts.
    pub(crate) fn finish(&mut self) -> Finished {
        let mut rows = std::mem::take(&mut self.rows);
        // Stable: the first of several stays the first.
        rows.sort_by_key(|row| (row.seen.second, row.replica));
        let mut twice = Vec::new();
        rows.dedup_by(|later, first| {
            let same = (later.seen.second, later.replica) == (first.seen.second, first.replica);
            if same {
                twice.push(Twice {
                    line: later.line,
                    second: later.seen.second,
                    replica: later.replica,
                });
            }
            same
        });
        let mut cluster = Cluster::default();
        let mut seconds: BTreeMap<u64, Vec<ReplicaSecond>> = BTreeMap::new();
        let mut lags: BTreeMap<u64, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
        let mut last_leader = None;
        for second in rows.chunk_by(|one, other| one.seen.second == other.seen.second) {
            // A leader that was cut off may not know of its successor, whose term is later.
            let leader = second.iter().filter(|row| row.seen.role == Role::Leader);
            let leader = leader.max_by_key(|row| row.seen.term);
            if let Some(leader) = leader {
                let known = (leader.replica, leader.seen.term);
                cluster.leader_changes += u64::from(last_leader.is_some_and(|last| last != known));
                last_leader = Some(known);
            }
            let committed = leader.and_then(|leader| leader.seen.commit_index);
            for row in second {
                cluster.replicas.entry(row.replica).or_default().add(row);
                seconds.entry(row.replica).or_default().push(row.seen);
                let (lag, stale) = lags.entry(row.replica).or_default();
                lag.extend(row.seen.lag_entries);
                let applied = row.seen.applied_index;
                let applied = applied.filter(|_| row.seen.role != Role::Leader);
                if let (Some(committed), Some(applied)) = (committed, applied) {
                    stale.push(committed.saturating_sub(applied));
                }
            }
        }
        for (id, (lag, stale)) in lags {
            if let Some(replica) = cluster.replicas.get_mut(&id) {
                replica.lag_entries = OverSeconds::of(lag);
                replica.stale_entries = OverSeconds::of(stale);
            }
        }
        Finished {
            cluster,
            seconds,
            twice,
        }
    }
}

/// What became of the rows of a run.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) cluster: Cluster,
    /// By replica, in order.
    pub(crate) seconds: BTreeMap<u64, Vec<ReplicaSecond>>,
    pub(crate) twice: Vec<Twice>,
}

impl Replica {
    fn add(&mut self, row: &Second) {
        self.seconds += u64::from(row.seen.role != Role::Unreachable);
        self.leader_seconds += u64::from(row.seen.role == Role::Leader);
        // Each row is one second, so that a rate is what was done in it.
        let add = |rate: &mut Option<Rate>, more: Option<f64>| {
            if let Some(more) = more {
                let rate = rate.get_or_insert_default();
                rate.sum += more;
                rate.seconds += 1;
            }
        };
        add(&mut self.log_bytes, row.log_bytes);
        add(&mut self.fdatasyncs, row.fdatasyncs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(second: u32, replica: u64, role: &str, term: u64, indexes: [u64; 2]) -> ClusterRef<'_> {
        ClusterRef {
            run_id: "a-t1",
            second,
            replica,
            role,
            term: Some(term),
            commit_index: Some(indexes[0]),
            applied_index: Some(indexes[1]),
            last_index: Some(indexes[0]),
            lag_entries: Some(u64::from(second)),
            cpu_cores: Some(0.5),
            anon_bytes: Some(1_000 + u64::from(second)),
            log_bytes_per_s: Some(10.0),
            fdatasyncs_per_s: None,
            queue_p50_us: None,
            queue_p99_us: None,
            log_write_p50_us: None,
            log_write_p99_us: None,
            commit_p50_us: None,
            commit_p99_us: None,
            apply_p50_us: None,
            apply_p99_us: None,
        }
    }

    /// Replica 1 leads for two seconds and hangs; 2 leads from the third on, while 1 still
    /// believes that it does.
    #[test]
    fn the_leader_of_a_second_is_that_of_the_latest_term() {
        let mut rows = RunRows::default();
        let given = [
            row(0, 1, "leader", 4, [100, 100]),
            row(0, 2, "follower", 4, [90, 80]),
            row(1, 2, "follower", 4, [190, 150]),
            row(1, 1, "leader", 4, [200, 199]),
            row(2, 1, "leader", 4, [200, 200]),
            row(2, 2, "leader", 5, [300, 300]),
            row(2, 3, "follower", 5, [280, 260]),
            row(3, 1, "unreachable", 4, [0, 0]),
            row(3, 2, "leader", 5, [400, 400]),
            row(1, 1, "follower", 9, [0, 0]),
        ];
        for (line, row) in (2..).zip(given) {
            // Of a replica's first second, no rate is known.
            let known = row.second > 0 && row.role != "unreachable";
            let log_bytes_per_s = known.then_some(10.0);
            let row = ClusterRef {
                log_bytes_per_s,
                ..row
            };
            rows.add(line, &row);
        }
        let found = rows.finish();
        assert!(rows.is_empty());
        assert_eq!(
            found.twice,
            [Twice {
                line: 11,
                second: 1,
                replica: 1
            }]
        );
        assert_eq!(found.cluster.leader_changes, 1);
        let one = &found.cluster.replicas[&1];
        assert_eq!((one.seconds, one.leader_seconds), (3, 3));
        let rate = Rate {
            sum: 20.0,
            seconds: 2,
        };
        assert_eq!((one.log_bytes, one.fdatasyncs), (Some(rate), None));
        assert!((rate.per_s() - 10.0).abs() < 1e-9);
        let two = &found.cluster.replicas[&2];
        assert_eq!((two.seconds, two.leader_seconds), (4, 2));
        let of = |median, max| Some(OverSeconds { median, max });
        assert_eq!(two.lag_entries, of(1, 3));
        assert_eq!(two.stale_entries, of(20, 50));
        assert_eq!(found.cluster.replicas[&3].stale_entries, of(40, 40));
        assert_eq!(found.seconds[&2].len(), 4);
    }
}
