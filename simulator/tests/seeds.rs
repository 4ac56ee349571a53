//! A hundred seeds; the same seed twice; a failure made smaller.
#![allow(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

use std::time::Duration;

use telegraft_simulator::fleet::{Options, run_all};
use telegraft_simulator::judge::Violation;
use telegraft_simulator::plan::Plan;
use telegraft_simulator::report::Totals;
use telegraft_simulator::run::run;
use telegraft_simulator::shrink::shrink;

fn totals(seeds: std::ops::Range<u64>, nodes: u64, twice: bool) -> Totals {
    let options = Options {
        seeds,
        nodes,
        threads: 2,
        twice,
        bug: None,
    };
    let mut totals = Totals::new();
    run_all(&options, |report| totals.add(&report));
    println!("{}", totals.text(Duration::from_secs(1), 2));
    totals
}

#[test]
fn a_hundred_seeds_break_nothing_and_see_everything() {
    let totals = totals(0..100, 5, false);
    assert!(totals.failures.is_empty(), "{:#?}", totals.failures);
    assert_eq!(totals.too_rare(), Vec::<&str>::new());
    assert!(totals.fewest_operations >= 2_000);
    assert!(totals.virtual_s >= 30.0 * 100.0);
    assert!(totals.faults.values().sum::<u64>() >= 1_000);
}

#[test]
fn one_seed_gives_one_trace_byte_for_byte() {
    for nodes in [3, 5, 7] {
        let totals = totals(500..503, nodes, true);
        assert!(totals.failures.is_empty(), "{:#?}", totals.failures);
    }
    let hash = |seed| run(&Plan::draw(seed, 3), false, None).hash;
    assert_ne!(hash(1), hash(2), "another seed is another story");
}

#[test]
fn a_failure_is_made_smaller_to_what_it_needs() {
    let plan = Plan::draw(7, 5);
    let needed = (plan.faults[3].clone(), plan.faults[6].clone());
    let violation = Violation {
        rule: "made-up".to_owned(),
        text: String::new(),
        at: Duration::from_secs(20),
    };
    // It takes two faults, one client, and nine seconds.
    let fails = |plan: &Plan| {
        let has = |due| plan.faults.contains(due);
        let broken = has(&needed.0)
            && has(&needed.1)
            && plan.clients.iter().any(|client| client.number == 4)
            && plan.length >= Duration::from_secs(9);
        broken.then(|| violation.clone())
    };
    let small = shrink(&plan, &violation, 500, fails);
    assert_eq!(small.plan.faults, [needed.0.clone(), needed.1.clone()]);
    assert_eq!(small.plan.clients.len(), 1);
    assert_eq!(small.plan.nodes, 3);
    assert!(small.plan.length < Duration::from_secs(11));
    assert!(small.tries <= 500);
    // With no tries left it stays as it is.
    let same = shrink(&plan, &violation, 0, fails);
    assert_eq!(same.plan, plan);
}

#[test]
fn a_story_tells_faults_roles_and_calls() {
    let mut plan = Plan::draw(3, 3);
    plan.faults.truncate(2);
    plan.length = Duration::from_secs(8);
    plan.operations = 0;
    let report = run(&plan, true, None);
    assert_eq!(report.violation, None);
    let story = report.story.join("\n");
    for words in [
        "FAULT",
        "is Leader in term",
        "asks node",
        "all faults are over",
    ] {
        assert!(story.contains(words), "{words}");
    }
}
