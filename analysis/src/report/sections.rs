//! The parts of a report.

use telegraft_loadgen::results::{LatencyUs, SERVICE_SUFFIX};

use super::old_table::{Align, Table};
use super::runs::why_not;
use crate::data::{ALL, Data, Run};
use crate::number::{count, ms, plain, sig3};
use crate::summary::{CLOSED, Group, Latencies, ceiling, null_of};

/// What stands where a number is not known.
pub(super) const UNKNOWN: &str = "–";

/// Before everything that must not be overlooked.
pub(super) const MARK: &str = "⚠";

/// The replica count that findings are told of, where it was run: the smallest that survives
/// the loss of a replica.
const USUAL_REPLICAS: usize = 3;

pub(super) const THROUGHPUT_NOTE: &str = "\
Successful operations per second: the median of the valid trials, and the least and greatest \
of them. `of null`: the share of what the same HTTP server reaches under the same load with \
no consensus and no log behind it (of an open loop none: it does what it is offered). CPU in cores, medians.\n";

pub(super) const LATENCY_NOTE: &str = "\
Response times in milliseconds, from the moment an operation was due. All valid trials are \
counted together. Operations that failed, whose outcome is unknown or that never finished count \
as slower than all others; `>timeout` stands where these are too many for a percentile to be \
known. A count marked ⚠ lacks trials whose file is missing or bad.\n";

pub(super) const SERVICE_NOTE: &str = "\
The same from the moment a connection took the operation up, in milliseconds: without the time \
that it waited for one.\n";

pub(super) const OPEN_NOTE: &str = "\
Operations arrive at a rate, whether earlier ones are answered or not. Response time counts from \
the moment that an operation was due, service time from the moment a connection took it up, in \
milliseconds: what lies between the two is waiting. Rates are medians of the valid trials.\n";

/// The percentiles of the tables of latencies, in thousandths, as their heads say.
const SHOWN: [u64; 5] = [500, 900, 990, 999, 1000];

/// Suite and time.
pub(super) fn title(data: &Data) -> String {
    let environment = data.sources.iter().find_map(|s| s.environment.as_ref());
    let started_at = match (environment, data.runs.first()) {
        (Some(environment), _) => Some(&environment.started_at),
        (None, Some(run)) => Some(&run.any().started_at),
        (None, None) => None,
    };
    let mut title = "Telegraft".to_owned();
    let mut suites: Vec<&str> = Vec::new();
    for run in &data.runs {
        if !suites.contains(&run.any().suite.as_str()) {
            suites.push(&run.any().suite);
        }
    }
    match suites.as_slice() {
        [] => {}
        [one] => title += &format!(": suite {one}"),
        several => title += &format!(": suites {}", several.join(", ")),
    }
    if let Some(started_at) = started_at {
        title += &format!(", {started_at}");
    }
    if data.sources.len() > 1 {
        title += &format!(", {} directories", data.sources.len());
    }
    title
}

/// What the numbers say, in a few sentences.
pub(super) fn findings(data: &Data, groups: &[Group<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    let total = data.runs.len();
    if total == 0 {
        found.push(format!("{MARK} There is no run to report."));
    }
    let wrong: Vec<&Run> = data.runs.iter().filter(|run| !run.audit_fine()).collect();
    for run in &wrong {
        let audit = run.rows.iter().map(|row| &*row.audit).find(|a| *a != "ok");
        found.push(format!(
            "{MARK} The audit of {} found: {}",
            run.name,
            audit.unwrap_or_default()
        ));
    }
    let audited = data
        .runs
        .iter()
        .filter(|run| run.any().audit == "ok")
        .count();
    let runs = if audited == 1 { "run" } else { "runs" };
    if audited > 0 {
        found.push(match wrong.len() {
            0 => {
                format!("{audited} {runs} audited: all that was acknowledged is on every replica.")
            }
            _ => format!("{audited} other {runs} audited: nothing wrong."),
        });
    }
    let invalid = data.runs.iter().filter(|run| !run.valid()).count();
    if invalid > 0 {
        let verb = if invalid == 1 { "is" } else { "are" };
        found.push(format!(
            "{MARK} {invalid} of {total} runs {verb} not valid and left out of medians and percentiles."
        ));
    }
    let missed = |run: &&Run| run.rows.iter().any(|row| row.slo.starts_with("missed"));
    let missed = data.runs.iter().filter(missed).count();
    if missed > 0 {
        found.push(format!("{MARK} {missed} of {total} runs missed an SLO."));
    }
    let mut workloads: Vec<&str> = Vec::new();
    for group in groups.iter().filter(|group| !group.is_null()) {
        let workload = group.any().workload.as_str();
        let usual = |g: &&Group<'_>| {
            g.any().workload == workload && !g.is_null() && g.any().replicas == USUAL_REPLICAS
        };
        // One sentence for each workload.
        let told = groups.iter().find(usual).unwrap_or(group);
        if !workloads.contains(&workload) {
            workloads.push(workload);
            found.extend(compared(told, groups));
        }
    }
    found
}

/// How far a system gets, beside the ceiling; of an open loop, how soon it answers.
fn compared(group: &Group<'_>, groups: &[Group<'_>]) -> Option<String> {
    let op = *group.operations().last()?;
    if group.any().arrival != CLOSED {
        return answers(group, groups, op);
    }
    let own = group.ok_per_s(op)?.median;
    let null = ceiling(group, groups)?.ok_per_s(op)?.median;
    let what = if op == ALL { "operations" } else { op };
    let what = if op == ALL {
        what.to_owned()
    } else {
        format!("{what}s")
    };
    (null > 0.0).then(|| {
        format!(
            "{}: {} reaches {} of what null does, {} of {} {what} per second.",
            group.any().workload,
            group.system(),
            sig3(own / null),
            sig3(own),
            sig3(null),
        )
    })
}

/// How soon a system answers what it is offered, beside the null system.
fn answers(group: &Group<'_>, groups: &[Group<'_>], op: &str) -> Option<String> {
    let row = group.any();
    let offered = row.target_rate_per_s?;
    let at = |group: &Group<'_>| {
        let latencies = group.latencies(op, "")?;
        let (p50, p99) = (latencies.at(500), latencies.at(990));
        let text = |latency: LatencyUs| match latency {
            LatencyUs::Known(us) => format!("{} ms", ms(us)),
            other => printed(other),
        };
        Some(format!("p50 {}, p99 {}", text(p50), text(p99)))
    };
    let null = null_of(group, groups).and_then(at);
    let null = null.map_or_else(String::new, |null| format!("; null: {null}"));
    Some(format!(
        "{}, {} operations per second offered: {} answers with {}{null}.",
        row.workload,
        sig3(offered),
        group.system(),
        at(group)?,
    ))
}

/// What could not be read, one line each.
pub(super) fn missing(data: &Data, escape: impl Fn(&str) -> String) -> String {
    data.problems
        .iter()
        .map(|problem| format!("- {MARK} {}\n", escape(&problem.to_string())))
        .collect()
}

pub(super) fn throughput(groups: &[Group<'_>]) -> Table {
    let mut table = Table::new(&[
        ("workload", Align::Left),
        ("op", Align::Left),
        ("system", Align::Left),
        ("ops/s", Align::Right),
        ("min–max", Align::Right),
        ("of null", Align::Right),
        ("cluster CPU", Align::Right),
        ("generator CPU", Align::Right),
        ("valid trials", Align::Right),
        ("audit", Align::Left),
    ]);
    for group in groups {
        let trials = trials(group);
        for op in group.operations() {
            let rate = group.ok_per_s(op);
            let null = ceiling(group, groups).and_then(|null| null.ok_per_s(op));
            let share = match (rate, null) {
                (Some(own), Some(null)) if null.median > 0.0 => Some(own.median / null.median),
                _ => None,
            };
            let cores = |value: Option<f64>| value.map_or(UNKNOWN.to_owned(), sig3);
            table.row(vec![
                group.any().workload.clone(),
                op.to_owned(),
                system(group),
                rate.map_or(UNKNOWN.to_owned(), |s| sig3(s.median)),
                match rate {
                    // One trial has no spread.
                    Some(s) if group.valid().nth(1).is_some() => {
                        format!("{}–{}", sig3(s.min), sig3(s.max))
                    }
                    _ => UNKNOWN.to_owned(),
                },
                share.map_or(UNKNOWN.to_owned(), sig3),
                cores(group.median(|row| row.cluster_cpu_cores)),
                cores(group.median(|row| row.generator_cpu_cores)),
                trials.clone(),
                audit(group),
            ]);
        }
    }
    table
}

fn trials(group: &Group<'_>) -> String {
    let (valid, all) = (group.valid().count(), group.runs.len());
    if valid == all {
        all.to_string()
    } else {
        format!("{MARK} {valid}/{all}")
    }
}

fn audit(group: &Group<'_>) -> String {
    if group.runs.iter().any(|run| !run.audit_fine()) {
        return format!("{MARK} failed");
    }
    let ok = group.runs.iter().any(|run| run.any().audit == "ok");
    if ok { "ok" } else { "skipped" }.to_owned()
}

/// Response times (`suffix` is empty), or service times.
pub(super) fn latency<'g, 'd: 'g>(
    groups: impl IntoIterator<Item = &'g Group<'d>>,
    suffix: &str,
) -> Table {
    let mut table = Table::new(&[
        ("workload", Align::Left),
        ("op", Align::Left),
        ("system", Align::Left),
        ("p50 (ms)", Align::Right),
        ("p90 (ms)", Align::Right),
        ("p99 (ms)", Align::Right),
        ("p99.9 (ms)", Align::Right),
        ("max (ms)", Align::Right),
        ("count", Align::Right),
    ]);
    for group in groups {
        for op in group.operations() {
            let found = group.latencies(op, suffix);
            let mut cells = vec![group.any().workload.clone(), op.to_owned(), system(group)];
            match found {
                Some(found) => {
                    cells.extend(SHOWN.map(|q| printed(found.at(q))));
                    cells.push(match found.left_out {
                        0 => count(found.operations),
                        _ => format!("{MARK} {}", count(found.operations)),
                    });
                }
                None => {
                    cells.extend(SHOWN.map(|_| UNKNOWN.to_owned()));
                    cells.push(if group.valid().next().is_some() {
                        format!("{MARK} none")
                    } else {
                        UNKNOWN.to_owned()
                    });
                }
            }
            table.row(cells);
        }
    }
    table
}

pub(super) fn printed(latency: LatencyUs) -> String {
    match latency {
        LatencyUs::Known(us) => ms(us),
        LatencyUs::BeyondTimeout => ">timeout".to_owned(),
        LatencyUs::None => UNKNOWN.to_owned(),
    }
}

/// Service times, where they can differ from response times: where operations do not wait for
/// one another.
pub(super) fn service(groups: &[Group<'_>]) -> Option<Table> {
    let open = groups.iter().filter(|group| is_open(group));
    let table = latency(open, SERVICE_SUFFIX);
    (!table.is_empty()).then_some(table)
}

fn is_open(group: &Group<'_>) -> bool {
    group.any().arrival != "closed"
}

/// What arrives and what is done of it, and both views of how long it took, side by side.
pub(super) fn open(groups: &[Group<'_>]) -> Option<Table> {
    let mut table = Table::new(&[
        ("workload", Align::Left),
        ("op", Align::Left),
        ("system", Align::Left),
        ("offered /s", Align::Right),
        ("achieved /s", Align::Right),
        ("response p50", Align::Right),
        ("service p50", Align::Right),
        ("response p99", Align::Right),
        ("service p99", Align::Right),
    ]);
    for group in groups.iter().filter(|group| is_open(group)) {
        let operations = group.operations();
        for op in &operations {
            // The rate is that of all operations together.
            let offered = group.any().target_rate_per_s;
            let offered = offered.filter(|_| *op == ALL || operations.len() == 1);
            let (response, service) =
                (group.latencies(op, ""), group.latencies(op, SERVICE_SUFFIX));
            let at = |latencies: &Option<Latencies>, per_mille| match latencies {
                Some(latencies) => printed(latencies.at(per_mille)),
                None => UNKNOWN.to_owned(),
            };
            let achieved = group.ok_per_s(op).map(|s| s.median);
            table.row(vec![
                group.any().workload.clone(),
                (*op).to_owned(),
                system(group),
                offered.map_or(UNKNOWN.to_owned(), plain),
                achieved.map_or(UNKNOWN.to_owned(), sig3),
                at(&response, 500),
                at(&service, 500),
                at(&response, 990),
                at(&service, 990),
            ]);
        }
    }
    (!table.is_empty()).then_some(table)
}

/// A group's system, marked where some of its trials do not count.
fn system(group: &Group<'_>) -> String {
    match group.runs.iter().all(|run| run.valid()) {
        true => group.system(),
        false => format!("{MARK} {}", group.system()),
    }
}

/// The trials that a table of groups leaves out, and why: what its marks stand for.
pub(super) fn left_out(groups: &[Group<'_>]) -> String {
    let runs = groups.iter().flat_map(|group| &group.runs);
    let invalid: Vec<String> = runs
        .filter(|run| !run.valid())
        .map(|run| format!("{} ({})", run.name, why_not(run)))
        .collect();
    match invalid.is_empty() {
        true => String::new(),
        false => format!("{MARK} Not counted: {}.", invalid.join(", ")),
    }
}
