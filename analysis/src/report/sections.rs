//! The parts of a report.

use telegraft_loadgen::results::{LatencyUs, SERVICE_SUFFIX};

use super::table::{Align, Table, escape};
use crate::data::{ALL, Data, Run};
use crate::number::{count, ms, plain, sig3};
use crate::summary::{Group, ceiling};

/// What stands where a number is not known.
const UNKNOWN: &str = "–";

/// Before everything that must not be overlooked.
const MARK: &str = "⚠";

/// The replica count that findings are told of, where it was run: the smallest that survives
/// the loss of a replica.
const USUAL_REPLICAS: usize = 3;

pub(super) const THROUGHPUT_NOTE: &str = "\
Successful operations per second: the median of the valid trials, and the least and greatest \
of them. `of null`: the share of what the same HTTP server reaches under the same load with \
no consensus and no log behind it. CPU in cores, medians.\n";

pub(super) const LATENCY_NOTE: &str = "\
Response times in milliseconds, from the moment an operation was due. All valid trials are \
counted together. Operations that failed, whose outcome is unknown or that never finished count \
as slower than all others; `>timeout` stands where these are too many for a percentile to be \
known. A count marked ⚠ lacks trials whose file is missing or bad.\n";

pub(super) const SERVICE_NOTE: &str = "\
The same from the moment a connection took the operation up, in milliseconds: without the time \
that it waited for one.\n";

pub(super) const FAILOVER_NOTE: &str = "\
The longest time from the loss of a leader to the first write that was acknowledged after it.\n";

pub(super) const RUNS_NOTE: &str = "\
The audit compares what every replica holds with what was acknowledged. A run marked ⚠ counts \
in none of the medians and percentiles above.\n";

/// Suite and time.
pub(super) fn title(data: &Data) -> String {
    let started_at = match (&data.environment, data.runs.first()) {
        (Some(environment), _) => Some(&environment.started_at),
        (None, Some(run)) => Some(&run.any().started_at),
        (None, None) => None,
    };
    let mut title = "Telegraft".to_owned();
    if let Some(run) = data.runs.first() {
        title += &format!(": suite {}", run.any().suite);
    }
    if let Some(started_at) = started_at {
        title += &format!(", {started_at}");
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
            run.any().run_id,
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

/// How far a system gets, beside the ceiling.
fn compared(group: &Group<'_>, groups: &[Group<'_>]) -> Option<String> {
    let op = *group.operations().last()?;
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

/// The runs that do not count, one line each.
pub(super) fn invalid(data: &Data) -> Vec<String> {
    let invalid = data.runs.iter().filter(|run| !run.valid());
    invalid
        .map(|run| format!("{}: {}", marked(run), verdict(run)))
        .collect()
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
                group.system(),
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
pub(super) fn latency(groups: &[Group<'_>], suffix: &str) -> Table {
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
            let mut cells = vec![group.any().workload.clone(), op.to_owned(), group.system()];
            match found {
                Some(found) => {
                    cells.extend(found.percentiles.map(printed));
                    cells.push(match found.left_out {
                        0 => count(found.operations),
                        _ => format!("{MARK} {}", count(found.operations)),
                    });
                }
                None => {
                    cells.extend(vec![UNKNOWN.to_owned(); 5]);
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

fn printed(latency: LatencyUs) -> String {
    match latency {
        LatencyUs::Known(us) => ms(us),
        LatencyUs::BeyondTimeout => ">timeout".to_owned(),
        LatencyUs::None => UNKNOWN.to_owned(),
    }
}

/// Service times, where they can differ from response times: in an open loop.
pub(super) fn service(groups: &[Group<'_>]) -> Option<Table> {
    let open = groups.iter().any(|group| group.any().arrival == "open");
    open.then(|| latency(groups, SERVICE_SUFFIX))
}

/// Runs in which a leader was lost.
pub(super) fn failover(data: &Data) -> Option<Table> {
    let mut table = Table::new(&[("run", Align::Left), ("fail-over (ms)", Align::Right)]);
    for run in &data.runs {
        let longest = run.rows.iter().filter_map(|row| row.failover_ms);
        if let Some(longest) = longest.reduce(f64::max) {
            table.row(vec![marked(run), sig3(longest)]);
        }
    }
    (!table.is_empty()).then_some(table)
}

fn marked(run: &Run) -> String {
    let id = &run.any().run_id;
    if run.valid() {
        id.clone()
    } else {
        format!("{MARK} {id}")
    }
}

fn verdict(run: &Run) -> String {
    distinct(run.rows.iter().map(|row| &*row.verdict), "valid")
}

/// What the rows of a run say, each thing once, beside `fine`.
fn distinct<'a>(values: impl Iterator<Item = &'a str>, fine: &str) -> String {
    let mut found: Vec<&str> = Vec::new();
    for value in values {
        if value != fine && !found.contains(&value) {
            found.push(value);
        }
    }
    if found.is_empty() {
        return fine.to_owned();
    }
    found.join("; ")
}

/// One row for each run.
pub(super) fn runs(data: &Data) -> Table {
    let mut table = Table::new(&[
        ("run", Align::Left),
        ("verdict", Align::Left),
        ("audit", Align::Left),
        ("ops/s", Align::Right),
        ("ok", Align::Right),
        ("failed", Align::Right),
        ("unknown", Align::Right),
        ("unfinished", Align::Right),
        ("retries", Align::Right),
    ]);
    for run in &data.runs {
        let rate = match run.row(ALL) {
            Some(all) => all.ok_per_s,
            None => run.rows.iter().map(|row| row.ok_per_s).sum(),
        };
        table.row(vec![
            marked(run),
            verdict(run),
            distinct(run.rows.iter().map(|row| &*row.audit), "ok"),
            sig3(rate),
            count(run.total(|row| row.ok)),
            count(run.total(|row| row.failed)),
            count(run.total(|row| row.unknown)),
            count(run.total(|row| row.unfinished)),
            count(run.total(|row| row.retries)),
        ]);
    }
    table
}

/// The command, and the suite that it needs.
pub(super) fn reproduce(data: &Data) -> String {
    let Some(suite) = &data.suite else {
        return "`suite.toml` is missing, so the exact configuration is not known.\n".to_owned();
    };
    let built = match &data.environment {
        Some(e) => format!(
            "With telegraft {}{}, built with {}, in this directory:",
            escape(&e.version),
            e.git_revision
                .as_ref()
                .map_or(String::new(), |revision| format!(
                    " (revision {})",
                    escape(revision)
                )),
            escape(&e.rustc)
        ),
        None => "In this directory:".to_owned(),
    };
    // A fence longer than any inside it.
    let mut fence = "```".to_owned();
    while suite.contains(&fence) {
        fence.push('`');
    }
    let seconds: f64 = data
        .runs
        .iter()
        .map(|run| run.any().warmup_s + run.any().duration_s)
        .sum();
    let runs = data.runs.len();
    format!(
        "{built}\n\n```sh\ntelegraft bench suite.toml\n```\n\n\
         It takes {} s of load in {runs} runs. `suite.toml`:\n\n{fence}toml\n{}\n{fence}\n",
        plain(seconds),
        suite.trim_end()
    )
}
