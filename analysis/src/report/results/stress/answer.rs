//! The answer in sentences.

use telegraft_history::{Consistency, Kind, Percentiles};

use crate::data::sum;
use crate::number::{count, plain, sig3};
use crate::report::Context;
use crate::report::design::{self, listed};
use crate::report::table::MARK;
use crate::report::text::Text;
use crate::stress::{Answer, Stress};

/// Runs that are told of one by one.
const MAX_TOLD: usize = 20;

/// Characters of a reason.
const MAX_REASON: usize = 240;

/// A rule that is broken where a linearizable or lease read was stale.
const STALE: &str = "stale-read";

/// A rule that is broken where replicas differ.
const DIGEST: &str = "digest";

/// The conditions of all stress runs, as captions have them.
pub(crate) fn conditions(context: &Context<'_>) -> String {
    let runs = context.data.stress.iter();
    let runs: Vec<_> = runs
        .filter_map(|stress| context.data.run_of(stress))
        .collect();
    design::conditions(context.data, &runs)
}

/// What must be known at once: the answer, and how old reads were.
pub(crate) fn short(context: &Context<'_>) -> Vec<Text> {
    let stress = &context.data.stress;
    if stress.is_empty() {
        return Vec::new();
    }
    let mut found = vec![answer(stress)];
    found.extend(exceptions(stress));
    found.extend(fresh(stress));
    found.extend(local(stress));
    found
}

/// All of it.
pub(crate) fn findings(context: &Context<'_>) -> Vec<Text> {
    let mut found = short(context);
    let stress = &context.data.stress;
    found.extend(unknown(stress));
    found.extend(digests(stress));
    found.extend(outage(stress));
    found
}

fn runs(n: usize) -> String {
    match n {
        1 => "1 stress run".to_owned(),
        n => format!("{n} stress runs"),
    }
}

/// Of all that was checked, as much as a sentence holds.
fn extent(stress: &[Stress]) -> String {
    let verdicts = || stress.iter().filter_map(|stress| stress.verdict.as_ref());
    let distinct = |of: &mut dyn Iterator<Item = u64>| {
        let mut values: Vec<u64> = of.collect();
        values.sort_unstable();
        values.dedup();
        let values: Vec<String> = values.iter().map(u64::to_string).collect();
        listed(&values, "and")
    };
    let replicas = distinct(&mut verdicts().map(|verdict| verdict.replicas as u64));
    let seconds: f64 = verdicts().map(|verdict| verdict.duration_s).sum();
    let acknowledged = sum(verdicts().map(|verdict| verdict.check.acknowledged));
    let faults = verdicts().flat_map(|verdict| verdict.faults.values());
    let happened = sum(faults.map(|tally| tally.happened));
    let mut kinds: Vec<_> = verdicts()
        .flat_map(|verdict| &verdict.faults)
        .filter(|(_, tally)| tally.happened > 0)
        .map(|(kind, _)| *kind)
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    let of_one = match replicas.as_str() {
        "1" => "1 replica".to_owned(),
        replicas => format!("{replicas} replicas"),
    };
    format!(
        "{of_one}, {} s, {} operations, {} messages acknowledged; {} faults of {} {} had an effect",
        plain(seconds.round()),
        count(sum(stress.iter().map(Stress::operations))),
        count(acknowledged),
        count(happened),
        kinds.len(),
        if kinds.len() == 1 { "kind" } else { "kinds" },
    )
}

fn of(stress: &[Stress], answer: Answer) -> impl Iterator<Item = &Stress> {
    stress
        .iter()
        .filter(move |stress| stress.answer() == answer)
}

/// The answer in a sentence.
fn answer(stress: &[Stress]) -> Text {
    let many = |answer| of(stress, answer).count();
    let (violated, open) = (many(Answer::Violated), many(Answer::Inconclusive));
    let (all, extent) = (stress.len(), extent(stress));
    let others = |rest: &[(usize, Answer)]| {
        let rest = rest.iter().filter(|(n, _)| *n > 0);
        let rest: Vec<String> = rest
            .map(|(n, answer)| format!("{n} {}", answer.name()))
            .collect();
        match rest.as_slice() {
            [] => String::new(),
            rest => format!(" Of the others, {}.", listed(rest, "and")),
        }
    };
    let consistent = many(Answer::Consistent);
    Text::plain(match (violated, open) {
        (0, 0) => format!(
            "Consistent: in {} no answer contradicts what the cluster promises ({extent}). More faults, \
             and longer runs, could still show what these did not.",
            runs(all)
        ),
        (0, open) => format!(
            "{MARK} Inconclusive: {open} of {} {} less than {} to show. No answer that was recorded \
             contradicts what the cluster promises ({extent}).{}",
            runs(all),
            if open == 1 { "shows" } else { "show" },
            if open == 1 { "it was" } else { "they were" },
            others(&[(consistent, Answer::Consistent)])
        ),
        (violated, _) => format!(
            "{MARK} Violated: in {violated} of {} the cluster broke a promise ({extent}).{}",
            runs(all),
            others(&[
                (consistent, Answer::Consistent),
                (open, Answer::Inconclusive)
            ])
        ),
    })
}

/// The runs that were not consistent, each with the reason.
fn exceptions(stress: &[Stress]) -> Vec<Text> {
    let mut worse: Vec<&Stress> = of(stress, Answer::Violated).collect();
    worse.extend(of(stress, Answer::Inconclusive));
    let mut told: Vec<Text> = worse
        .iter()
        .take(MAX_TOLD)
        .map(|stress| {
            let mut reasons = Vec::new();
            if stress.answer() == Answer::Violated {
                reasons.push(broken(stress));
            }
            reasons.extend(stress.doubts());
            let mut text = reasons.join("; ");
            if text.chars().count() > MAX_REASON {
                text = text.chars().take(MAX_REASON).collect::<String>() + "…";
            }
            let name = stress.answer().name();
            Text::plain(format!("{MARK} {} ({name}): {text}.", stress.name))
        })
        .collect();
    let more = worse.len().saturating_sub(MAX_TOLD);
    if more > 0 {
        told.push(Text::plain(format!(
            "{MARK} {more} more runs: see the table."
        )));
    }
    told
}

/// `rules broken: lost (1), stale-read (2)`.
fn broken(stress: &Stress) -> String {
    let Some(verdict) = &stress.verdict else {
        return String::new();
    };
    let rules = verdict.check.violated.iter();
    let mut rules: Vec<String> = rules
        .map(|(rule, n)| format!("{rule} ({})", count(*n)))
        .collect();
    if verdict.wrong_answers > 0 {
        rules.push(format!("wrong answers ({})", count(verdict.wrong_answers)));
    }
    match rules.is_empty() {
        // It judges itself so, and tells no rule.
        true => verdict.reasons.first().cloned().unwrap_or_default(),
        false => format!("rules broken: {}", rules.join(", ")),
    }
}

fn violated(stress: &[Stress], rule: &str) -> u64 {
    let verdicts = stress.iter().filter_map(|stress| stress.verdict.as_ref());
    sum(verdicts.filter_map(|verdict| verdict.check.violated.get(rule).copied()))
}

fn any_violated(stress: &[Stress]) -> bool {
    stress
        .iter()
        .any(|stress| stress.answer() == Answer::Violated)
}

/// Reads that must be fresh.
fn fresh(stress: &[Stress]) -> Option<Text> {
    let verdicts = stress.iter().filter_map(|stress| stress.verdict.as_ref());
    let operations = verdicts.flat_map(|verdict| &verdict.check.operations);
    let answered = |consistency| {
        let of = operations.clone();
        let of = of.filter(move |of| of.kind != Kind::Send && of.consistency == Some(consistency));
        sum(of.map(|of| of.ok))
    };
    let linearizable = answered(Consistency::Linearizable);
    let lease = answered(Consistency::Lease);
    if stress.iter().all(|stress| stress.verdict.is_none()) {
        return None;
    }
    if linearizable.saturating_add(lease) == 0 {
        return Some(Text::plain(format!(
            "{MARK} At any time: no linearizable and no lease read was answered, so nothing is said of \
             them."
        )));
    }
    let reads = format!(
        "{} linearizable and {} lease reads (of rooms and inboxes) were answered",
        count(linearizable),
        count(lease)
    );
    let stale = violated(stress, STALE);
    Some(Text::plain(match (stale, any_violated(stress)) {
        (0, false) => format!(
            "At any time: {reads}, by whichever replica was asked, faults or not; none of them missed a \
             message that had been acknowledged before it began."
        ),
        (0, true) => format!(
            "{MARK} At any time: {reads}. None broke the rule {STALE}, but other promises were broken, \
             which is told beside them."
        ),
        (stale, _) => format!(
            "{MARK} At any time: {reads}, and {} of them missed what had been acknowledged before they \
             began ({STALE}).",
            count(stale)
        ),
    }))
}

/// Of several runs, the one that was behind the most.
fn worst(stress: &[Stress], of: impl Fn(&Stress) -> Option<Percentiles>) -> Option<Percentiles> {
    let all = stress.iter().filter_map(of);
    // Percentiles of several runs are none of all of them.
    all.reduce(|one, other| Percentiles {
        p50: one.p50.max(other.p50),
        p90: one.p90.max(other.p90),
        p99: one.p99.max(other.p99),
        max: one.max.max(other.max),
    })
}

/// Reads that may be old.
fn local(stress: &[Stress]) -> Option<Text> {
    let verdicts = || stress.iter().filter_map(|stress| stress.verdict.as_ref());
    let reads = sum(verdicts().map(|verdict| verdict.check.staleness.reads));
    if reads == 0 {
        return verdicts().next().is_some().then(|| {
            Text::plain(format!(
                "{MARK} No local read of a room was answered: how far such reads are behind is not known."
            ))
        });
    }
    let of = |measure: fn(&telegraft_history::Staleness) -> Percentiles| {
        worst(stress, |stress| {
            let staleness = &stress.verdict.as_ref()?.check.staleness;
            (staleness.reads > 0).then(|| measure(staleness))
        })
    };
    let (ms, messages) = (of(|s| s.milliseconds)?, of(|s| s.messages)?);
    let several = match stress.len() {
        1 => "",
        _ => " in the worst of the runs",
    };
    let half = match ms.p50 {
        0 => "half missed nothing".to_owned(),
        ms => format!("half were behind by at most {} ms", count(ms)),
    };
    Some(Text::plain(format!(
        "Local reads may be old, and were: of {} reads of rooms, {half}, 99 of 100 were behind by at most \
         {} ms, and the oldest by {} ms{several} (in messages of the room: {}, {} and {}).",
        count(reads),
        count(ms.p99),
        count(ms.max),
        count(messages.p50),
        count(messages.p99),
        count(messages.max),
    )))
}

/// Sends of which nobody knows.
fn unknown(stress: &[Stress]) -> Option<Text> {
    let verdicts = || stress.iter().filter_map(|stress| stress.verdict.as_ref());
    let sends = sum(verdicts().map(|verdict| verdict.check.unknown_sends));
    let appeared = sum(verdicts().map(|verdict| verdict.check.unknown_appeared));
    let implied = sum(verdicts().map(|verdict| verdict.check.unknown_implied));
    verdicts().next()?;
    if sends == 0 {
        return Some(Text::plain("Every send had a known outcome."));
    }
    let implied_text = match implied {
        0 => String::new(),
        n => format!(
            ", {} more must be there, as higher ones of their rooms are",
            count(n)
        ),
    };
    let rest = sends.saturating_sub(appeared).saturating_sub(implied);
    Some(Text::plain(format!(
        "The outcome of {} sends stayed unknown to their clients: {} of them were read later{implied_text}, and {} \
         were in no read. Either is allowed, twice is not.",
        count(sends),
        count(appeared),
        count(rest),
    )))
}

/// What replicas say of their states.
fn digests(stress: &[Stress]) -> Option<Text> {
    let verdicts = || stress.iter().filter_map(|stress| stress.verdict.as_ref());
    verdicts().next()?;
    let compared = sum(verdicts().map(|verdict| verdict.check.digests_compared));
    Some(Text::plain(match (compared, violated(stress, DIGEST)) {
        (0, _) => format!("{MARK} No digest of a replica was held against another's."),
        (compared, 0) => format!(
            "{} digests of replicas, which chain every log entry with what came of it, were held against \
             another replica's at the same log index, during the faults and after: all were equal.",
            count(compared)
        ),
        (compared, differ) => format!(
            "{MARK} Of {} digests that were held against another replica's at the same log index, {} differ.",
            count(compared),
            count(differ)
        ),
    }))
}

/// What it cost those who write.
fn outage(stress: &[Stress]) -> Option<Text> {
    let verdicts = || stress.iter().filter_map(|stress| stress.verdict.as_ref());
    let longest = verdicts()
        .map(|verdict| verdict.check.longest_outage_ns)
        .max()?;
    let healed = verdicts()
        .filter_map(|verdict| verdict.heal_ms)
        .reduce(f64::max);
    let healed = healed.map_or(String::new(), |ms| {
        format!(
            " After the load and the last fault it took {} s at most until all replicas had applied the whole log.",
            sig3(ms / 1e3)
        )
    });
    #[allow(clippy::cast_precision_loss, reason = "no outage has 2^52 nanoseconds")]
    let seconds = longest as f64 / 1e9;
    Some(Text::plain(format!(
        "The longest time without a successful write was {} s; faults that stop a majority are among its \
         causes.{healed}",
        sig3(seconds)
    )))
}
