//! What the verdicts, the machine and the method cannot exclude: from the data, as far as it tells.

use super::Context;
use super::markdown::warning;
use super::text::Text;
use crate::data::Run;
use crate::number::{count, plain, sig3};
use crate::stats::MIN_TRIALS;
use telegraft_loadgen::stress::FaultKind;

/// From how many seconds on the load generator judges whether a run was steady.
const STEADY_FROM_S: f64 = 20.0;

/// A trial this much above another of its configuration is worth a word: two thirds of what
/// systems are told to differ by.
const SPREAD: f64 = 1.1;

/// Generator lateness is worth a word from this share of the response times' p99 on.
const LATE_SHARE: f64 = 0.25;

/// What was found wrong, and must not be overlooked.
pub(super) fn warnings(context: &Context<'_>) -> Vec<Text> {
    let runs = &context.data.runs;
    let total = runs.len();
    let mut found = Vec::new();
    if total == 0 && context.data.stress.is_empty() {
        found.push(warning("There is no run to report."));
    }
    let verb = |count: usize| if count == 1 { "is" } else { "are" };
    let invalid = runs.iter().filter(|run| !run.valid()).count();
    if invalid > 0 {
        found.push(warning(format!(
            "{invalid} of {total} runs {} not valid: they are in no numbers but those of the tables of runs{}.",
            verb(invalid),
            match runs.iter().any(|run| run.is_stress() && !run.valid()) {
                true => " and of stress",
                false => "",
            }
        )));
    }
    let missed = |run: &&Run| run.rows.iter().any(|row| row.slo.starts_with("missed"));
    let missed = runs.iter().filter(missed).count();
    if missed > 0 {
        found.push(warning(format!("{missed} of {total} runs missed an SLO.")));
    }
    let builds = context
        .data
        .sources
        .iter()
        .filter_map(|s| s.environment.as_ref());
    for other in builds.filter(|e| e.profile != "release") {
        found.push(warning(format!(
            "{} was measured with a {} build, which is slower than what anybody runs.",
            context
                .data
                .sources
                .iter()
                .find(|s| s.environment.as_ref() == Some(other))
                .map_or("", |s| &s.name),
            other.profile
        )));
    }
    let memory = runs
        .iter()
        .filter(|run| run.any().durability == "fsync(tmpfs)")
        .count();
    if memory > 0 {
        found.push(warning(format!(
            "{memory} of {total} runs kept their logs in memory (tmpfs): their fdatasync costs nothing and keeps nothing.",
        )));
    }
    found
}

/// What limits what can be said.
pub(super) fn limits(context: &Context<'_>) -> Vec<Text> {
    let mut found = Vec::new();
    found.extend(few_trials(context));
    found.extend(spread(context));
    found.extend(generator(context));
    found.extend(lateness(context));
    found.extend(short(context));
    found.extend(circumstances(context));
    if !stress_alone(context) {
        found.push(Text::plain(
        "An audit compares, after the load, what every replica holds with what was acknowledged, and \
         the replicas' digests with each other; while it runs, clients hold what they read against what \
         was acknowledged before they asked (not of local reads, which may be stale, and not of null). \
         The order of all operations in time is not judged, and a run without faults tests no fault.",
    ));
    }
    found.extend(stress(context));
    if context.data.runs.iter().any(|run| run.cluster.is_some()) {
        found.push(Text::plain(
            "Replicas are asked once a second, one after the other: what is told of their lag is of \
             these moments, and includes what was appended between two answers.",
        ));
    }
    if context.data.runs.iter().any(|run| !run.standing()) {
        found.push(Text::plain(
            "Load and replicas share one machine and talk over loopback: numbers compare configurations \
             on that machine; they do not tell what replicas on machines of their own do, with a network \
             between them.",
        ));
    }
    if context.data.runs.iter().any(Run::standing) {
        found.push(Text::plain(
            "What a cluster that was up already was doing before and beside the load, where it ran and how \
             it kept its log, the files do not say.",
        ));
    }
    found
}

/// Whether all runs are stress runs.
fn stress_alone(context: &Context<'_>) -> bool {
    let runs = &context.data.runs;
    !runs.is_empty() && runs.iter().all(Run::is_stress)
}

/// What a stress run cannot show.
fn stress(context: &Context<'_>) -> Vec<Text> {
    let stress = &context.data.stress;
    let verdicts = || stress.iter().filter_map(|stress| stress.verdict.as_ref());
    if stress.is_empty() {
        return Vec::new();
    }
    let mut found = vec![
        Text::plain(
            "Stress runs: clients, replicas and recorder run on one machine and tell the time by one \
             monotonic clock, so that before and after are known; but no replica's clock differs from \
             another's, which is what leases depend on, and no real network lies between them. Processor \
             and disk are shared: a fault of one replica slows the others, too.",
        ),
        Text::plain(
            "Stress runs: the check rests on what clients were answered. What no client read during the \
             faults is known from the last reads and the digests alone; a wrong state that was there for \
             a moment and that nobody read or digested is not seen. A send whose outcome is unknown \
             may have happened or not, and shows less than an acknowledged one.",
        ),
        Text::plain(
            "Stress runs: a process that is killed leaves what it had written in the kernel's page cache, \
             so that a missing fdatasync does not show; power loss, torn and corrupt writes, failing disks \
             and clocks that jump are no faults of theirs. Nor are changes of membership.",
        ),
        Text::plain(
            "Stress runs: faults and clients' choices follow from the seed; when what meets what does not. \
             A run that finds nothing says that these faults at these moments broke nothing, not that none \
             can.",
        ),
    ];
    let mut absent: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
    let kinds = verdicts().flat_map(|verdict| &verdict.faults);
    for (kind, tally) in kinds {
        absent.retain(|name| *name != kind.name() || tally.happened == 0);
    }
    if !absent.is_empty() && verdicts().next().is_some() {
        let absent: Vec<String> = absent.into_iter().map(str::to_owned).collect();
        found.push(Text::plain(format!(
            "Stress runs: no fault of these kinds had an effect in any of them, so nothing is said of {}: {}.",
            if absent.len() == 1 { "it" } else { "them" },
            absent.join(", ")
        )));
    }
    let alone = stress.len() == 1;
    found.extend(
        alone.then(|| Text::plain("There is one stress run: other seeds draw other schedules.")),
    );
    found
}

fn few_trials(context: &Context<'_>) -> Option<Text> {
    let few = context
        .groups
        .iter()
        .filter(|g| g.valid().count() < MIN_TRIALS);
    let few = few.count();
    (few > 0).then(|| {
        Text::plain(format!(
            "{few} of {} configurations have fewer than {MIN_TRIALS} valid trials, and so no interval: \
             how exactly their typical trial is known is not told.",
            context.groups.len()
        ))
    })
}

/// The widest spread of trials.
fn spread(context: &Context<'_>) -> Option<Text> {
    let mut widest: Option<(f64, String)> = None;
    for group in context
        .groups
        .iter()
        .filter(|g| !super::results::latency::is_open(g))
    {
        let trials: Vec<f64> = group.per_trial(|run| Some(run.ok_per_s()));
        let Some(found) = crate::number::spread(trials.iter().copied()) else {
            continue;
        };
        let ratio = if found.min > 0.0 {
            found.max / found.min
        } else {
            0.0
        };
        if trials.len() > 1 && widest.as_ref().is_none_or(|(other, _)| ratio > *other) {
            widest = Some((
                ratio,
                format!("{}, {}", group.any().workload, group.system()),
            ));
        }
    }
    let (ratio, which) = widest.filter(|(ratio, _)| *ratio >= SPREAD)?;
    Some(Text::plain(format!(
        "Trials of one and the same configuration differ by up to {} times ({which}): so much is \
         noise of the machine.{}",
        sig3(ratio),
        match context.data.sources.len() {
            1 => " Trials come in turn, so that it meets all configurations alike.",
            _ => "",
        }
    )))
}

/// What the load itself took of the machine.
fn generator(context: &Context<'_>) -> Option<Text> {
    let mut most: Option<(f64, &Run)> = None;
    let ours = |run: &&Run| run.valid() && run.any().system != "null" && !run.standing();
    for run in context.data.runs.iter().filter(ours) {
        let row = run.any();
        let all = row.generator_cpu_cores + row.cluster_cpu_cores;
        let share = if all > 0.0 {
            row.generator_cpu_cores / all
        } else {
            0.0
        };
        if most.is_none_or(|(other, _)| share > other) {
            most = Some((share, run));
        }
    }
    let (share, run) = most.filter(|(share, _)| *share > 0.0)?;
    let cpus = context.data.sources[run.source].environment.as_ref()?.cpus;
    Some(Text::plain(format!(
        "The load generator runs on the same {cpus} CPUs and takes up to {} of the processor time that it \
         and the cluster use ({}): a cluster with the machine to itself would do more.",
        sig3(share),
        run.name
    )))
}

#[allow(
    clippy::cast_precision_loss,
    reason = "latencies stay below 2^52 microseconds"
)]
fn lateness(context: &Context<'_>) -> Option<Text> {
    use telegraft_loadgen::results::LatencyUs;
    let late = context.data.runs.iter().filter(|run| {
        run.valid()
            && run.rows.iter().any(|row| {
                let late = row.schedule_lag_p99_us.max(row.generator_delay_p99_us);
                match (late, row.response_p99_us) {
                    (Some(late), LatencyUs::Known(p99)) => late as f64 > p99 as f64 * LATE_SHARE,
                    _ => false,
                }
            })
    });
    let late = late.count();
    (late > 0).then(|| {
        Text::plain(format!(
            "In {} of {} runs the generator's own lateness (p99 of schedule lag or delay) is more than {} \
             of the response times' p99: these percentiles are in part the generator's.",
            count(late as u64),
            context.data.runs.len(),
            sig3(LATE_SHARE)
        ))
    })
}

fn short(context: &Context<'_>) -> Option<Text> {
    let runs = &context.data.runs;
    let short = runs
        .iter()
        .filter(|run| run.any().duration_s < STEADY_FROM_S && !run.is_stress())
        .count();
    (short > 0).then(|| {
        Text::plain(format!(
            "{short} of {} runs are shorter than the {} s from which on it is judged whether a run was \
             steady: what grows slowly (logs, memory, caches) does not show in them.",
            runs.len(),
            plain(STEADY_FROM_S)
        ))
    })
}

fn circumstances(context: &Context<'_>) -> Option<Text> {
    let runs = &context.data.runs;
    let first = runs.first()?.circumstances;
    if runs.iter().any(|run| run.circumstances != first) {
        return Some(warning(
            "The directories are from different machines, file systems or builds: what differs \
             between them may be these.",
        ));
    }
    // Shares of one run belong together.
    let apart = runs.iter().any(|run| run.source != runs[0].source);
    apart.then(|| {
        warning(
            "The directories were measured at different times: where trials of one configuration, or \
             the two sides of a ratio, are from several of them, what changed on the machine in between \
             (drift) is a part of it.",
        )
    })
}
