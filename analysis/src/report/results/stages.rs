//! Where a write's time goes inside of the leader.

use telegraft_loadgen::results::StageRow;

use crate::data::Run;
use crate::report::Context;
use crate::report::cells::{self, ms};
use crate::report::table::{Cell, Column, Table};
use crate::summary::Group;

const CAPTION: &str = "\
Where a write's time goes inside of the leader: means over all writes of the valid trials, which can \
be added up, unlike percentiles. *Queue*: from the clients' mailbox to the proposal; *commit*: from \
the proposal until it is committed; *apply*: from committed to applied. *Own log write*: until the disk \
of the replica that committed the most has an append, which may carry many writes; it lies within the \
commit, and is no part of a sum. Beside them the least and the greatest trial's 99th percentile of the \
commit. What is left of the response time is HTTP on both sides and waiting for a processor.";

const COLUMNS: [Column; 7] = [
    Column::text("workload", "workload"),
    Column::text("system", "system"),
    Column::number("queue_mean_ms", "queue", "ms"),
    Column::number("commit_mean_ms", "commit", "ms"),
    Column::number("log_write_mean_ms", "own log write", "ms"),
    Column::number("apply_mean_ms", "apply", "ms"),
    Column::interval("commit_p99_ms", "commit p99", "ms"),
];

/// Mean times of a write in the leader, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Means {
    pub(crate) queue_ms: Option<f64>,
    pub(crate) log_write_ms: Option<f64>,
    pub(crate) commit_ms: Option<f64>,
    pub(crate) apply_ms: Option<f64>,
}

/// The stages of a group's leaders.
pub(crate) fn means(group: &Group<'_>) -> Means {
    Means {
        queue_ms: mean_ms(group, "queue"),
        log_write_ms: mean_ms(group, "log_write"),
        commit_ms: mean_ms(group, "commit"),
        apply_ms: mean_ms(group, "apply"),
    }
}

/// The replica that led the longest: the one that committed the most of its own proposals.
fn leader(stages: &[StageRow]) -> Option<u64> {
    let commits = stages.iter().filter(|row| row.stage == "commit");
    let most = commits.max_by_key(|row| row.count)?;
    (most.count > 0).then_some(most.replica)
}

/// The mean over all that passed a stage, of all who led; of what every replica does, that of the
/// one who led the longest.
#[allow(clippy::cast_precision_loss, reason = "no run has 2^52 operations")]
fn mean_ms(group: &Group<'_>, stage: &str) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for run in group.valid() {
        let leader = leader(&run.stages);
        let counts = |row: &&StageRow| stage != OF_ALL || Some(row.replica) == leader;
        let rows = run.stages.iter().filter(|row| row.stage == stage);
        for row in rows.filter(counts) {
            if let Some(mean_us) = row.mean_us {
                sum += mean_us * row.count as f64;
                count += row.count as f64;
            }
        }
    }
    (count > 0.0).then(|| sum / count / 1000.0)
}

/// The stage that followers have, too.
const OF_ALL: &str = "log_write";

/// The 99th percentile of the commit on the replica that led the longest.
fn commit_p99_ms(run: &Run) -> Option<f64> {
    let leader = leader(&run.stages)?;
    let mut rows = run.stages.iter();
    let commit = rows.find(|row| row.replica == leader && row.stage == "commit")?;
    commit.p99_us.map(ms)
}

/// The groups of which it is known.
pub(crate) fn with_stages<'c, 'a>(context: &'c Context<'a>) -> Vec<&'c Group<'a>> {
    let groups = context.groups.iter();
    groups
        .filter(|group| means(group).commit_ms.is_some())
        .collect()
}

/// By workload and system.
pub(crate) fn table(context: &Context<'_>) -> Table {
    let all = with_stages(context);
    let mut table = Table::new("stages", context.caption(CAPTION, &all), &COLUMNS);
    for group in all {
        let means = means(group);
        let p99 = group.per_trial(commit_p99_ms);
        table.row(vec![
            Cell::text(&group.any().workload),
            cells::system(group),
            Cell::number(means.queue_ms),
            Cell::number(means.commit_ms),
            Cell::number(means.log_write_ms),
            Cell::number(means.apply_ms),
            cells::range(&p99),
        ]);
    }
    table.notes = context.left_out();
    table.without_empty_columns()
}
