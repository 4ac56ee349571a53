//! Whether a run says what it seems to say.

use crate::audit;
use crate::engine::Stop;
use crate::plan::Kind;
use crate::recorder::{ByKind, Counts};
use crate::results::LatencyUs;
use crate::slo;
use crate::steady::{self, Steadiness};
use crate::suite::{Arrival, Workload};
use crate::world::Checks;

use super::{Beside, Measured, Run};

/// Of the operations that were due, the share that may miss, unless the workload says
/// otherwise: with more, a run measures something other than its workload.
const MAX_ERRORS: f64 = 0.01;
/// How late operations may be taken up, in microseconds, at the 99th percentile: response times
/// count that lateness, so it must not be what they tell.
const MAX_LAG_US: u64 = 5_000;
/// Unless it is this small beside the 99th percentile of the response times themselves.
const LAG_SHARE: f64 = 0.05;
/// A thread of the generator that has a processor for this share of the time has no time left:
/// it would measure itself.
const MAX_BUSY: f64 = 0.95;
/// How late the generator's runtime may be, in microseconds, at the 99th percentile, beyond which
/// every answer waits as long to be noticed.
const MAX_DELAY_US: u64 = 20_000;
/// In an open loop, a median response time that grows by this share of itself is a queue that
/// grows: the rate is above what the system can do, and every second's latency is another.
const GROWS: f64 = 1.0;

/// What is to be thought of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// As it stands in `runs.csv`: `valid`, or `invalid:<why>`.
    pub verdict: String,
    /// Why, for people; empty when valid.
    pub reason: String,
    /// As it stands in `runs.csv`.
    pub steady: String,
    /// As it stands in `runs.csv`; empty when nothing was asked for, or the run was interrupted.
    pub slo: String,
    /// What was missed of the workload's SLOs, each with by how much.
    pub misses: Vec<String>,
}

/// All kinds together.
pub(crate) fn all(total: &ByKind) -> Counts {
    let mut all = Counts::default();
    for counts in total {
        all.add(counts);
    }
    all
}

/// Judges a run.
pub fn judge(
    workload: &Workload,
    run: &Run,
    measured: &Measured,
    beside: &Beside,
    stop: &Stop,
) -> Judgement {
    let all = all(&measured.collected.total);
    let steadiness = steadiness(workload, beside, measured);
    let (steady, unsteady) = match &steadiness {
        Ok(Steadiness::Steady) => match queue_grows(workload, measured) {
            Some(grows) => (grows, true),
            None => (Steadiness::Steady.to_string(), false),
        },
        Ok(unjudged @ Steadiness::NotJudged { .. }) => (unjudged.to_string(), false),
        Ok(unsteady) => (unsteady.to_string(), true),
        Err(why) => (format!("not judged: {why}"), false),
    };
    let why = if matches!(beside.audit, audit::Verdict::Violated(_)) {
        Some(("audit", beside.audit.text()))
    } else if stop.is_stopped() {
        // Also when it could not be audited: it is made again when the suite is gone on with.
        Some(("interrupted", "it was ended early".to_owned()))
    } else if matches!(beside.audit, audit::Verdict::Impossible(_)) {
        Some(("audit", beside.audit.text()))
    } else {
        // A generator that is the limit causes errors, too: it comes first.
        saturated(run, measured)
            .map(|reason| ("generator-saturated", reason))
            .or_else(|| too_many_errors(workload, &all).map(|reason| ("errors", reason)))
            .or_else(|| late(measured, &all).map(|reason| ("schedule-missed", reason)))
            .or_else(|| unsteady.then(|| ("not-steady", steady.clone())))
    };
    // A part of a run says nothing of the whole.
    let whole = !stop.is_stopped();
    let misses: Vec<String> = match whole {
        true => misses(workload, measured),
        false => Vec::new(),
    };
    Judgement {
        verdict: match &why {
            Some((why, _)) => format!("invalid:{why}"),
            None => "valid".to_owned(),
        },
        reason: why.map_or_else(String::new, |(_, reason)| reason),
        steady,
        slo: match (workload.slo.is_empty() || !whole, misses.is_empty()) {
            (true, _) => String::new(),
            (false, true) => "met".to_owned(),
            (false, false) => format!("missed: {}", misses.join("; ")),
        },
        misses,
    }
}

/// What was missed of the workload's SLOs.
fn misses(workload: &Workload, measured: &Measured) -> Vec<String> {
    let seconds = measured.window.length().as_secs_f64().max(1e-3);
    let total = &measured.collected.total;
    let mut misses = Vec::new();
    for (operation, slo) in &workload.slo {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == operation);
        let counts = match kind {
            Some(kind) => total[kind.index()].clone(),
            None => all(total),
        };
        let at = |per_mille| LatencyUs::at(&counts.response, per_mille, counts.missed());
        let of = slo::Measured {
            operation,
            due: counts.due(),
            missed: counts.missed(),
            ok_per_s: counts.ok as f64 / seconds,
            response_p50: at(500),
            response_p90: at(900),
            response_p95: at(950),
            response_p99: at(990),
            response_p999: at(999),
            response_max: at(1000),
        };
        let told = slo::judge(&of, slo)
            .into_iter()
            .map(|miss| miss.to_string());
        misses.extend(told);
    }
    misses
}

/// Whether the throughput is steady; or why that is not asked.
fn steadiness(
    workload: &Workload,
    beside: &Beside,
    measured: &Measured,
) -> Result<Steadiness, &'static str> {
    if !beside.faults.is_empty() {
        return Err("replicas were hit by faults");
    }
    match &workload.arrival {
        Arrival::Trace { .. } => return Err("a recording offers what it offers"),
        Arrival::Open { stages, .. } => {
            let first = stages.first().map(|stage| stage.rate);
            let changes = |stage: &crate::suite::Stage| {
                Some(stage.rate) != first || stage.to.is_some_and(|to| Some(to) != first)
            };
            if stages.iter().any(changes) {
                return Err("the offered load changes");
            }
        }
        Arrival::Closed { .. } => {}
    }
    Ok(steady::judge(&whole(measured, &measured.collected.ok)))
}

/// The values of the window's whole seconds.
fn whole(measured: &Measured, per_second: &[u64]) -> Vec<f64> {
    let whole = usize::try_from(measured.window.length().as_secs()).expect("runs are bounded");
    let seconds = per_second.iter().take(whole);
    seconds.map(|value| *value as f64).collect()
}

/// An open loop's throughput is what is offered, also when it is too much for a while: that shows
/// in the response times.
fn queue_grows(workload: &Workload, measured: &Measured) -> Option<String> {
    if workload.is_closed() {
        return None;
    }
    match steady::judge(&whole(measured, &measured.collected.p50_us)) {
        Steadiness::Trend { change, .. } | Steadiness::Shift { change, .. } if change >= GROWS => {
            Some(format!(
                "the median response time grows by {:.0} % over the window: more is offered than \
                 is done",
                change * 100.0
            ))
        }
        _ => None,
    }
}

fn too_many_errors(workload: &Workload, all: &Counts) -> Option<String> {
    if all.ok == 0 {
        return Some("nothing succeeded".to_owned());
    }
    // With faults, some miss on purpose.
    let default = if workload.faults.is_empty() {
        MAX_ERRORS
    } else {
        1.0
    };
    let most = workload.max_errors.unwrap_or(default);
    let share = all.missed() as f64 / all.due() as f64;
    (share > most).then(|| {
        format!(
            "{} of {} operations ({:.2} %) failed, are unknown or unfinished: more than {:.2} %",
            all.missed(),
            all.due(),
            share * 100.0,
            most * 100.0
        )
    })
}

/// The null system is there to show how far generator and HTTP go, so it may saturate them.
fn saturated(run: &Run, measured: &Measured) -> Option<String> {
    let timing = &measured.timing;
    if run.checks == Checks::Shape {
        return None;
    }
    if timing.busy > MAX_BUSY {
        return Some(format!(
            "a thread of the generator was busy for {:.0} % of the time",
            timing.busy * 100.0
        ));
    }
    let delay = timing.delay.value_at_quantile(0.99);
    (delay > MAX_DELAY_US).then(|| {
        format!(
            "the generator came {:.1} ms late to what it had to do (99th percentile)",
            delay as f64 / 1e3
        )
    })
}

fn late(measured: &Measured, all: &Counts) -> Option<String> {
    let lag = measured.timing.lag.value_at_quantile(0.99);
    let response = all.response.value_at_quantile(0.99);
    let much = lag > MAX_LAG_US && lag as f64 > LAG_SHARE * response as f64;
    much.then(|| {
        format!(
            "operations were taken up {:.1} ms late (99th percentile) though connections were free",
            lag as f64 / 1e3
        )
    })
}
