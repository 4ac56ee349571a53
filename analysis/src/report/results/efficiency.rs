//! What an operation costs the cluster.

use crate::cluster::{Rate, Replica};
use crate::data::Run;
use crate::report::Context;
use crate::report::cells::{self, estimate};
use crate::report::table::{Cell, Column, Table};
use crate::stats;

const CAPTION: &str = "\
What operations cost. *Per CPU-second*: successful operations of all kinds over the processor time \
of all replicas together, in the typical trial; CPU: means of the valid trials. *Log per message*: \
what one replica's log grew by in a second, over the messages sent in one. *Messages per fdatasync*: \
messages sent in a second over the fdatasyncs of one replica: how many share one. These two are means \
over the replicas and the valid trials, from the seconds in which a replica told its rate.";

const COLUMNS: [Column; 8] = [
    Column::text("workload", "workload"),
    Column::text("system", "system"),
    Column::number("ops_per_cpu_s", "per CPU-second", "ops"),
    Column::interval("ops_per_cpu_s_95", "95 % interval", "ops"),
    Column::number("cluster_cpu_cores", "cluster CPU", "cores"),
    Column::number("generator_cpu_cores", "generator CPU", "cores"),
    Column::number("log_bytes_per_message", "log per message", "B"),
    Column::number("messages_per_fdatasync", "messages per fdatasync", ""),
];

/// By workload and system.
pub(crate) fn table(context: &Context<'_>) -> Table {
    let mut table = Table::new(
        "efficiency",
        context.caption(CAPTION, &context.all()),
        &COLUMNS,
    );
    for group in &context.groups {
        let per_cpu_s: Vec<f64> = group.per_trial(|run| {
            let cores = run.any().cluster_cpu_cores;
            (cores > 0.0).then(|| run.ok_per_s() / cores)
        });
        let [typical, interval] = estimate(stats::typical(&per_cpu_s));
        let mean = |values: Vec<f64>| cells::mean(&values);
        table.row(vec![
            Cell::text(&group.any().workload),
            cells::system(group),
            typical,
            interval,
            mean(group.per_trial(|run| Some(run.any().cluster_cpu_cores))),
            mean(group.per_trial(|run| Some(run.any().generator_cpu_cores))),
            mean(group.per_trial(|run| per_message(run, |replica| replica.log_bytes))),
            mean(group.per_trial(|run| {
                let syncs = per_message(run, |replica| replica.fdatasyncs)?;
                (syncs > 0.0).then_some(1.0 / syncs)
            })),
        ]);
    }
    table.notes = context.left_out();
    table.without_empty_columns()
}

/// What one replica did in a second, on average, over the messages that were sent in it; none
/// where nothing is known of a replica or nothing was sent.
#[allow(clippy::cast_precision_loss, reason = "replicas are few")]
fn per_message(run: &Run, done: impl Fn(&Replica) -> Option<Rate>) -> Option<f64> {
    let sends_per_s = run.row("send")?.ok_per_s;
    let replicas = run.cluster.as_ref()?.replicas.values();
    let rates: Option<Vec<f64>> = replicas
        .filter(|replica| replica.seconds > 0)
        .map(|replica| done(replica).map(Rate::per_s))
        .collect();
    let rates = rates.filter(|rates| !rates.is_empty() && sends_per_s > 0.0)?;
    Some(rates.iter().sum::<f64>() / rates.len() as f64 / sends_per_s)
}
