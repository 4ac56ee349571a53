//! The checker against the two judges of linearizability.
//!
//! # What is compared
//!
//! Sends, and reads of the consistencies `linearizable` and `lease`, of one or two rooms; sends
//! may have failed or be unknown. On these the checker must say "consistent" exactly when a judge
//! finds the history linearizable.
//!
//! Left out, because the judges have no word for it, and held by mutations of large histories
//! instead: reads of the consistency `local`, inboxes, digests, `min_index`, and what the log's
//! indexes and the applied indexes say (they are set in the history's favour, see
//! [`crate::indexes`]).

use rand::SeedableRng;
use rand::rngs::StdRng;
use telegraft_history::Verdict;

use crate::breaks::{self, BREAKS};
use crate::case::Case;
use crate::{generate, histories, indexes, porcupine, stateright};

/// Made from the seed alone: the history to be judged, and how it was made.
pub(crate) fn made(seed: u64) -> Option<(&'static str, Case)> {
    let rng = &mut StdRng::seed_from_u64(!seed);
    let mut case = generate::good(seed).without_local_reads();
    // Half of them have one break of a known kind, the others are drawn.
    let kind = match seed % 4 {
        0 => {
            breaks::near_the_truth(&mut case, rng);
            "near the truth"
        }
        1 => {
            breaks::at_random(&mut case, rng);
            "at random"
        }
        _ => {
            let (name, change) = BREAKS[(seed / 4) as usize % BREAKS.len()];
            if !change(&mut case, rng) {
                return None;
            }
            name
        }
    };
    indexes::assign(&mut case);
    Some((kind, case))
}

/// Compares the checker with a judge on as many histories as are asked for, and returns how many
/// were made in each way and how many of these were bad.
fn compare(judge: fn(&Case) -> bool) -> Vec<(&'static str, u32, u32)> {
    let mut made_and_bad: Vec<(&'static str, u32, u32)> = Vec::new();
    for (seed, (kind, case)) in (0..)
        .filter_map(|seed| Some((seed, made(seed)?)))
        .take(histories())
    {
        let good = judge(&case);
        if case.verdict().is_consistent() != good {
            let least = shrink(&case, judge);
            panic!(
                "seed {seed} ({kind}): the judge says {}, the checker {}\n\n{}\nsmallest:\n{}\n{}",
                if judge(&least) { "good" } else { "bad" },
                explain(&least.verdict()),
                case.jsonl(),
                least.jsonl(),
                explain(&case.verdict()),
            );
        }
        match made_and_bad.iter_mut().find(|(name, ..)| *name == kind) {
            Some((_, made, bad)) => {
                *made += 1;
                *bad += u32::from(!good);
            }
            None => made_and_bad.push((kind, 1, u32::from(!good))),
        }
    }
    made_and_bad
}

/// The verdict in words.
pub(crate) fn explain(verdict: &Verdict) -> String {
    let violations = verdict.violations.iter();
    let lines: Vec<String> = violations
        .map(|v| format!("{}: {} {:?}", v.rule, v.text, v.lines))
        .collect();
    if lines.is_empty() {
        "good".to_owned()
    } else {
        lines.join("\n")
    }
}

/// Leaves out operations as long as the two still disagree.
fn shrink(case: &Case, judge: fn(&Case) -> bool) -> Case {
    let mut least = case.clone();
    let mut place = 0;
    while place < least.operations.len() {
        let mut smaller = least.clone();
        smaller.operations.remove(place);
        indexes::assign(&mut smaller);
        if smaller.verdict().is_consistent() == judge(&smaller) {
            place += 1;
        } else {
            least = smaller;
        }
    }
    least
}

/// Good and bad are both frequent: a checker that always says the same would be found out, and
/// every way to break does break.
fn assert_both_are_frequent(made_and_bad: &[(&'static str, u32, u32)]) {
    for &(name, made, bad) in made_and_bad {
        let share = f64::from(bad) / f64::from(made);
        println!("{name}: {bad} of {made} bad");
        let drawn = ["near the truth", "at random"].contains(&name);
        let range = if drawn { 0.2..=0.8 } else { 0.05..=1.0 };
        assert!(
            made < 40 || range.contains(&share),
            "{name}: {bad} of {made} are bad"
        );
    }
    assert!(made_and_bad.len() == BREAKS.len() + 2, "{made_and_bad:?}");
}

#[test]
fn what_a_good_cluster_shows_is_consistent() {
    for seed in 0..histories() as u64 {
        let case = generate::good(seed);
        let verdict = case.verdict();
        assert!(
            verdict.is_consistent(),
            "seed {seed}: {}\n{}",
            explain(&verdict),
            case.jsonl()
        );
        // The generator is judged too.
        assert!(porcupine::linearizable(&case), "seed {seed}");
    }
}

#[test]
fn the_verdict_is_porcupines() {
    assert_both_are_frequent(&compare(porcupine::linearizable));
}

#[test]
fn the_verdict_is_staterights() {
    assert_both_are_frequent(&compare(stateright::linearizable));
}
