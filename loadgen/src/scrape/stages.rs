//! What a replica's stages cost over a whole window: its histograms' difference between the first
//! scrape and the last. Percentiles of seconds cannot be averaged; counts by bucket can be added.

use super::histogram::Histogram;
use super::metrics::{Metrics, STAGES};
use super::replica::{microseconds, rounded};
use crate::results::{SCHEMA_VERSION, StageRow};

/// The stages of one replica, scrape by scrape.
#[derive(Debug, Default)]
pub(super) struct Stages {
    last: Option<Metrics>,
    sums: [Sum; STAGES.len()],
}

/// One stage.
#[derive(Debug, Default)]
struct Sum {
    /// What processes that are gone have added.
    ended: Option<Histogram>,
    /// The process that is there, as it was seen first; none where it began within the window:
    /// then all that it counts was added there.
    first: Option<Histogram>,
    /// The same, as it was seen last.
    last: Option<Histogram>,
    began_within: bool,
    /// Two processes had different buckets.
    lost: bool,
}

impl Stages {
    /// A scrape that was answered.
    pub(super) fn see(&mut self, now: &Metrics) {
        let last = self.last.replace(now.clone());
        if last.is_some_and(|last| now.are_another_process_s(&last)) {
            self.sums.iter_mut().for_each(Sum::end);
        }
        for (sum, stage) in self.sums.iter_mut().zip(&now.stages) {
            if let Some(stage) = stage {
                sum.see(stage);
            }
        }
    }

    /// The rows of the stages that something is known of.
    pub(super) fn rows(self, run_id: &str, replica: u64) -> impl Iterator<Item = StageRow> {
        let stages = STAGES.into_iter().zip(self.sums);
        stages.filter_map(move |(stage, sum)| {
            let added = sum.total()?;
            // A whole number, as Prometheus counts.
            let count = added.count() as u64;
            let at = |q: f64| added.quantile(q).map(microseconds);
            Some(StageRow {
                schema_version: SCHEMA_VERSION,
                run_id: run_id.to_owned(),
                replica,
                stage: stage.to_owned(),
                count,
                // To a nanosecond.
                mean_us: added.mean().map(|seconds| rounded(seconds * 1e6, 1e3)),
                p50_us: at(0.5),
                p90_us: at(0.9),
                p99_us: at(0.99),
            })
        })
    }
}

impl Sum {
    fn see(&mut self, now: &Histogram) {
        let before = self.last.as_ref().or(self.first.as_ref());
        if before.is_some_and(|before| now.since(before).is_none()) {
            self.end();
        }
        if self.first.is_none() && !self.began_within {
            self.first = Some(now.clone());
        } else {
            self.last = Some(now.clone());
        }
    }

    /// The process is gone, and another one has begun.
    fn end(&mut self) {
        let added = match (self.first.take(), self.last.take()) {
            (Some(first), Some(last)) => last.since(&first),
            // Seen once: what it counted may all have been before.
            (Some(_), None) => None,
            (None, last) => last,
        };
        self.ended = match (self.ended.take(), added) {
            (Some(ended), Some(added)) => {
                let sum = ended.plus(&added);
                self.lost |= sum.is_none();
                sum
            }
            (ended, added) => ended.or(added),
        };
        self.began_within = true;
    }

    fn total(mut self) -> Option<Histogram> {
        self.end();
        self.ended.filter(|_| !self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The metrics of a process that has used so much processor time: of each stage, how many
    /// took up to 1 ms and how many up to 2 ms more than these, all 0.5 ms and 1.5 ms.
    fn metrics(cpu_s: f64, fast: u64, slow: u64) -> Metrics {
        let sum = fast as f64 * 0.0005 + slow as f64 * 0.0015;
        let mut text = format!("process_cpu_seconds_total {cpu_s}\n");
        for stage in ["queue", "log_write", "replication", "apply"] {
            let all = fast + slow;
            for (le, count) in [("0.001", fast), ("0.002", all), ("+Inf", all)] {
                text += &format!(
                    "telegraft_stage_seconds_bucket{{le=\"{le}\",stage=\"{stage}\"}} {count}\n"
                );
            }
            text += &format!("telegraft_stage_seconds_sum{{stage=\"{stage}\"}} {sum}\n");
        }
        Metrics::of(&text)
    }

    fn rows(scrapes: &[Metrics]) -> Vec<StageRow> {
        let mut stages = Stages::default();
        for scrape in scrapes {
            stages.see(scrape);
        }
        stages.rows("a-1", 7).collect()
    }

    /// Count, mean and the three percentiles of `commit`.
    fn commit(scrapes: &[Metrics]) -> Option<(u64, Option<f64>, [Option<u64>; 3])> {
        let rows = rows(scrapes);
        let row = rows.into_iter().find(|row| row.stage == "commit")?;
        let percentiles = [row.p50_us, row.p90_us, row.p99_us];
        Some((row.count, row.mean_us, percentiles))
    }

    #[test]
    fn the_difference_of_first_and_last_counts_whatever_was_seen_between() {
        let scrapes = [
            metrics(9.0, 1000, 50),
            metrics(9.5, 1010, 55),
            metrics(9.9, 1090, 60),
        ];
        // 90 up to 1 ms, 10 over the next: (90 × 0.5 ms + 10 × 1.5 ms) / 100.
        let expected = (100, Some(600.0), [Some(556), Some(1000), Some(1900)]);
        assert_eq!(commit(&scrapes), Some(expected));
        let ends = [scrapes[0].clone(), scrapes[2].clone()];
        assert_eq!(commit(&ends), Some(expected));
        let stages: Vec<String> = rows(&ends).into_iter().map(|row| row.stage).collect();
        assert_eq!(stages, ["queue", "log_write", "commit", "apply"]);
    }

    #[test]
    fn a_stage_that_nothing_passed_has_no_times_and_one_scrape_tells_nothing() {
        let still = [metrics(9.0, 10, 5), metrics(9.1, 10, 5)];
        assert_eq!(commit(&still), Some((0, None, [None; 3])));
        assert_eq!(commit(&still[..1]), None);
        assert_eq!(commit(&[]), None);
        assert_eq!(commit(&[Metrics::default(), Metrics::default()]), None);
    }

    #[test]
    fn of_a_restarted_process_everything_counts_and_of_the_one_before_what_it_told() {
        let scrapes = [
            metrics(9.0, 100, 0),
            metrics(9.5, 104, 0),
            // Less than before; and the next time more than ever, which is known by its CPU.
            metrics(0.1, 1, 0),
            metrics(0.2, 8, 2),
            metrics(0.1, 500, 0),
        ];
        assert_eq!(commit(&scrapes).map(|all| all.0), Some(4 + 10 + 500));
        // Once seen: nobody knows since when it had counted.
        let once = [metrics(9.0, 100, 0), metrics(0.1, 3, 0)];
        assert_eq!(commit(&once).map(|all| all.0), Some(3));
        // Its counts tell, though nothing else does.
        let mut backwards = metrics(9.1, 200, 0);
        backwards.stages[2] = metrics(0.0, 0, 300).stages[2].clone();
        let scrapes = [metrics(9.0, 100, 100), metrics(9.0, 110, 100), backwards];
        assert_eq!(commit(&scrapes).map(|all| all.0), Some(10 + 300));
    }

    #[test]
    fn what_two_processes_counted_by_other_buckets_is_not_added() {
        let mut other = metrics(0.1, 3, 0);
        other.stages[2] = Histogram::of(vec![(0.5, 1.0), (f64::INFINITY, 1.0)]);
        let scrapes = [metrics(9.0, 100, 0), metrics(9.5, 104, 0), other];
        assert_eq!(commit(&scrapes), None);
        assert_eq!(rows(&scrapes).len(), 3, "the other stages are known");
    }

    #[test]
    fn without_a_sum_there_is_no_mean() {
        let mut scrapes = [metrics(9.0, 100, 0), metrics(9.5, 104, 0)];
        let stage = scrapes[1].stages[2].take();
        scrapes[1].stages[2] = stage.map(|stage| stage.with_sum(None));
        let (count, mean, percentiles) = commit(&scrapes).expect("it is known");
        assert_eq!((count, mean, percentiles[0]), (4, None, Some(500)));
    }
}
