//! How long actions take.

use std::rc::Rc;

use telegraft_loadgen::results::{LatencyUs, SERVICE_SUFFIX};

use crate::data::ALL;
use crate::number::{Number, count, plain, sig3};
use crate::report::Context;
use crate::report::cells::{self, estimate, ms};
use crate::report::table::{BEYOND_TIMEOUT, Cell, Column, MARK, Table, UNKNOWN};
use crate::report::text::Text;
use crate::stats::{self, Estimate};
use crate::summary::{CLOSED, Group, Pooled, null_of};

const RESPONSE_CAPTION: &str = "\
Response times, from the moment an operation was due: percentiles of all valid trials counted \
together (*pooled*; percentiles are never averaged). Operations that failed, whose outcome is \
unknown or that never finished count as slower than all others; `>timeout` stands where these are \
too many for a percentile to be known.";

const SERVICE_CAPTION: &str = "\
Service times, from the moment a connection took the operation up, without the time that it \
waited for one: percentiles of all valid trials counted together.";

const TYPICAL_CAPTION: &str = "\
Response times of the *typical trial*: the geometric mean over the trials of each one's \
percentile, with its 95 % interval (Student's t on the logarithm; from three trials on).";

const OPEN_CAPTION: &str = "\
Open loops: operations arrive at a rate, whether earlier ones are answered or not. Response time \
counts from the moment that an operation was due, service time from the moment a connection took \
it up: what lies between the two is waiting. Pooled percentiles; rates are those of the pooled \
trials.";

/// The percentiles of the tables, in thousandths, as their heads say.
const SHOWN: [u64; 5] = [500, 900, 990, 999, 1000];

const COLUMNS: [Column; 9] = [
    Column::text("workload", "workload"),
    Column::text("op", "op"),
    Column::text("system", "system"),
    Column::number("p50_ms", "p50", "ms"),
    Column::number("p90_ms", "p90", "ms"),
    Column::number("p99_ms", "p99", "ms"),
    Column::number("p999_ms", "p99.9", "ms"),
    Column::number("max_ms", "max", "ms"),
    Column::number("count", "count", ""),
];

/// Pooled percentiles of response time.
pub(crate) fn response(context: &Context<'_>) -> Table {
    let groups: Vec<&Group<'_>> = context.groups.iter().collect();
    pooled(context, "latency", RESPONSE_CAPTION, &groups, "")
}

/// Pooled percentiles of service time, where it can differ from response time: where operations
/// do not wait for one another.
pub(crate) fn service(context: &Context<'_>) -> Table {
    let open: Vec<&Group<'_>> = context.groups.iter().filter(|g| is_open(g)).collect();
    pooled(
        context,
        "service-time",
        SERVICE_CAPTION,
        &open,
        SERVICE_SUFFIX,
    )
}

fn pooled(
    context: &Context<'_>,
    name: &'static str,
    caption: &str,
    groups: &[&Group<'_>],
    suffix: &str,
) -> Table {
    let mut table = Table::new(name, context.caption(caption, groups), &COLUMNS);
    let mut lacking = false;
    for group in groups {
        for op in group.operations() {
            let mut cells = vec![
                Cell::text(&group.any().workload),
                Cell::text(op),
                cells::system(group),
            ];
            let found = group.latencies(op, suffix);
            cells.extend(SHOWN.map(|q| cells::pooled(found.as_deref(), q)));
            let some = group.valid().next().is_some();
            lacking |= found.as_ref().map_or(some, |found| found.left_out > 0);
            cells.push(match &found {
                Some(found) if found.left_out == 0 => Cell::count(found.operations()),
                Some(found) => Cell::text(format!("{MARK} {}", count(found.operations()))),
                None if some => Cell::text(format!("{MARK} none")),
                None => Cell::Unknown,
            });
            table.row(cells);
        }
    }
    table.notes = context.left_out();
    table.notes.extend(cells::left_out_note(lacking));
    table
}

/// The typical trial's percentiles, with intervals.
pub(crate) fn typical(context: &Context<'_>) -> Table {
    let columns = [
        Column::text("workload", "workload"),
        Column::text("op", "op"),
        Column::text("system", "system"),
        Column::number("p50_ms", "p50", "ms"),
        Column::interval("p50_95_ms", "95 % interval", "ms"),
        Column::number("p99_ms", "p99", "ms"),
        Column::interval("p99_95_ms", "95 % interval", "ms"),
        Column::text("trials", "trials"),
    ];
    let mut table = Table::new(
        "latency-typical",
        context.caption(TYPICAL_CAPTION, &context.all()),
        &columns,
    );
    for group in &context.groups {
        for op in group.operations() {
            let mut cells = vec![
                Cell::text(&group.any().workload),
                Cell::text(op),
                cells::system(group),
            ];
            for per_mille in [500, 990] {
                cells.extend(typical_cells(group, op, per_mille));
            }
            cells.push(cells::trials(group));
            table.row(cells);
        }
    }
    table.notes = context.left_out();
    table.without_empty_columns()
}

fn typical_cells(group: &Group<'_>, op: &str, per_mille: u64) -> [Cell; 2] {
    let trials = group.percentile_by_trial(op, "", per_mille);
    if trials.contains(&LatencyUs::BeyondTimeout) {
        return [Cell::BeyondTimeout, Cell::Unknown];
    }
    estimate(typical_ms(group, op, per_mille))
}

/// The typical trial's percentile of response time, in milliseconds; none where one of the
/// trials does not know it.
pub(crate) fn typical_ms(group: &Group<'_>, op: &str, per_mille: u64) -> Option<Estimate> {
    let typical = stats::typical(&by_trial_ms(group, op, per_mille)?)?;
    Some(cells::as_recorded(typical, cells::BUCKET))
}

/// Each trial's percentile of response time, in milliseconds; none where one does not know it.
pub(crate) fn by_trial_ms(group: &Group<'_>, op: &str, per_mille: u64) -> Option<Vec<f64>> {
    let trials = group.percentile_by_trial(op, "", per_mille);
    let known = trials.into_iter().map(|latency| match latency {
        LatencyUs::Known(us) => Some(ms(us)),
        LatencyUs::BeyondTimeout | LatencyUs::None => None,
    });
    known.collect()
}

pub(crate) fn is_open(group: &Group<'_>) -> bool {
    group.any().arrival != CLOSED
}

/// What arrives and what is done of it, and both views of how long it took, side by side.
pub(crate) fn open(context: &Context<'_>) -> Table {
    let columns = [
        Column::text("workload", "workload"),
        Column::text("op", "op"),
        Column::text("system", "system"),
        Column::number("offered_per_s", "offered", "ops/s"),
        Column::number("achieved_per_s", "achieved", "ops/s"),
        Column::number("response_p50_ms", "response p50", "ms"),
        Column::number("service_p50_ms", "service p50", "ms"),
        Column::number("response_p99_ms", "response p99", "ms"),
        Column::number("service_p99_ms", "service p99", "ms"),
    ];
    let open: Vec<&Group<'_>> = context.groups.iter().filter(|g| is_open(g)).collect();
    let mut table = Table::new("open-loop", context.caption(OPEN_CAPTION, &open), &columns);
    let mut lacking = false;
    for group in open {
        let operations = group.operations();
        for op in &operations {
            // The rate is that of all operations together.
            let offered = group.any().target_rate_per_s;
            let offered = offered.filter(|_| *op == ALL || operations.len() == 1);
            let (response, service) =
                (group.latencies(op, ""), group.latencies(op, SERVICE_SUFFIX));
            for found in [&response, &service].into_iter().flatten() {
                lacking |= found.left_out > 0;
            }
            let at =
                |found: &Option<Rc<Pooled>>, per_mille| cells::pooled(found.as_deref(), per_mille);
            table.row(vec![
                Cell::text(&group.any().workload),
                Cell::text(*op),
                cells::system(group),
                offered.map_or(Cell::Unknown, |rate| Cell::Number(Number::setting(rate))),
                Cell::number(group.pooled_ok_per_s(op)),
                at(&response, 500),
                at(&service, 500),
                at(&response, 990),
                at(&service, 990),
            ]);
        }
    }
    table.notes = context.left_out();
    table.notes.extend(cells::left_out_note(lacking));
    table
}

/// How soon the usual cluster answers in each open loop, beside the null system.
pub(crate) fn open_findings(context: &Context<'_>) -> Vec<Text> {
    let open = context.usual_groups().into_iter().filter(|g| is_open(g));
    open.filter_map(|group| answers(group, context)).collect()
}

/// How soon each workload's usual cluster answers, beside the null system.
pub(crate) fn findings(context: &Context<'_>) -> Vec<Text> {
    let usual = context.usual_groups().into_iter();
    usual.filter_map(|group| answers(group, context)).collect()
}

fn answers(group: &Group<'_>, context: &Context<'_>) -> Option<Text> {
    let row = group.any();
    let op = *group.operations().last()?;
    let at = |group: &Group<'_>| {
        let latencies = group.latencies(op, "")?;
        let text = |latency: LatencyUs| match latency {
            LatencyUs::Known(us) => format!("{} ms", sig3(ms(us))),
            LatencyUs::BeyondTimeout => BEYOND_TIMEOUT.to_owned(),
            LatencyUs::None => UNKNOWN.to_owned(),
        };
        Some(format!(
            "p50 {}, p99 {}",
            text(latencies.at(500)),
            text(latencies.at(990))
        ))
    };
    let left_out = group.latencies(op, "").map_or(0, |found| found.left_out);
    let valid = group.valid().count();
    let counted = match left_out {
        0 => "all valid trials counted together".to_owned(),
        // Of one trial without a histogram, its row tells.
        _ if valid == 1 => "as its row says".to_owned(),
        out => format!(
            "{} of {valid} valid trials counted together: the others' histograms are missing",
            valid - out.min(valid)
        ),
    };
    let null = null_of(group, &context.groups).and_then(at);
    let null = null.map_or_else(String::new, |null| format!("; null: {null}"));
    let load = match row.target_rate_per_s {
        Some(rate) => format!("{} operations per second offered", plain(rate)),
        None => format!("{} clients in a closed loop", row.clients),
    };
    Some(Text::plain(format!(
        "{}, {load}: {} answers with {}{null} ({counted}).",
        row.workload,
        group.system(),
        at(group)?,
    )))
}
