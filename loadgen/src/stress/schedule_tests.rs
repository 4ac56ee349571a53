//! Schedules: what they promise, for many seeds.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fault::{Action, FaultKind};
use super::schedule::{Fault, MAX_AT_ONCE, Request, Schedule, fits, shortest};

fn request(seed: u64, seconds: u64, replicas: usize, kinds: &[FaultKind]) -> Request {
    Request {
        seed,
        duration: Duration::from_secs(seconds),
        replicas,
        kinds: kinds.to_vec(),
    }
}

fn draw(request: &Request) -> Schedule {
    let drawn = Schedule::draw(request);
    drawn.unwrap_or_else(|why| panic!("seed {}: {why}", request.seed))
}

fn kinds(schedule: &Schedule) -> BTreeSet<FaultKind> {
    let faults = schedule.faults.iter();
    faults.map(|fault| fault.action.kind()).collect()
}

/// In order, inside the run, and never more at once than may be.
fn check(schedule: &Schedule, request: &Request) {
    let seed = request.seed;
    let faults = &schedule.faults;
    assert!(
        faults.is_sorted_by_key(|fault| fault.at),
        "seed {seed}: {schedule}"
    );
    for (nth, fault) in faults.iter().enumerate() {
        let (shortest, longest) = fault.action.kind().lengths();
        assert!(
            (shortest..=longest).contains(&fault.lasts),
            "seed {seed}: {fault:?}"
        );
        assert!(
            fault.at >= Duration::from_secs(1),
            "seed {seed}: {schedule}"
        );
        let end = request.duration - Duration::from_secs(1);
        assert!(fault.ends() <= end, "seed {seed}: {schedule}");
        let going: Vec<&Fault> = faults[..nth]
            .iter()
            .filter(|before| before.ends() > fault.at)
            .collect();
        assert!(
            going.len() < MAX_AT_ONCE,
            "seed {seed}: {fault:?}\n{schedule}"
        );
        let beside = going.iter().map(|fault| &fault.action);
        assert!(
            fits(beside, &fault.action, request.replicas),
            "seed {seed}: {fault:?} is beside {going:?}"
        );
    }
}

#[test]
fn each_kind_happens_and_never_too_much_at_once() {
    for seed in 0..300 {
        for replicas in [1, 2, 3, 5, 7] {
            let possible = |kind: &FaultKind| super::schedule::possible(*kind, replicas);
            let all: Vec<_> = FaultKind::ALL.into_iter().filter(possible).collect();
            for seconds in [30, 60, 600] {
                let request = request(seed, seconds, replicas, &all);
                let schedule = draw(&request);
                check(&schedule, &request);
                let want: BTreeSet<FaultKind> = all.iter().copied().collect();
                assert_eq!(kinds(&schedule), want, "seed {seed}: {schedule}");
            }
        }
    }
}

#[test]
fn the_shortest_run_has_each_kind_and_a_shorter_one_is_refused() {
    for count in 1..=FaultKind::ALL.len() {
        let some = &FaultKind::ALL[..count];
        let least = shortest(some);
        for seed in 0..100 {
            let mut request = request(seed, 0, 5, some);
            request.duration = least;
            let schedule = draw(&request);
            check(&schedule, &request);
            assert_eq!(kinds(&schedule).len(), count, "seed {seed}: {schedule}");
            request.duration = least - Duration::from_millis(1);
            let refused = Schedule::draw(&request).expect_err("it is too short");
            assert!(refused.contains("it takes "), "{refused}");
        }
    }
}

#[test]
fn a_seed_gives_one_schedule_and_another_seed_another() {
    let of = |seed| draw(&request(seed, 60, 5, &FaultKind::ALL));
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
    assert_eq!(of(7).to_string(), of(7).to_string());
}

#[test]
fn a_long_run_has_every_variant_many_faults_and_quiet_windows() {
    let request = request(11, 600, 5, &FaultKind::ALL);
    let schedule = draw(&request);
    let shapes: BTreeSet<String> = schedule
        .faults
        .iter()
        .filter_map(|fault| match fault.action {
            Action::Partition { shape, .. } => Some(shape.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(shapes.len(), 8, "{shapes:?}");
    let kills: BTreeSet<String> = schedule
        .faults
        .iter()
        .filter(|fault| fault.action.kind() == FaultKind::Kill)
        .map(|fault| fault.action.to_string())
        .collect();
    assert_eq!(kills.len(), 5, "{kills:?}");
    // Every 1 to 3 s in a storm, and less often with the quiet windows between.
    assert!(
        (120..400).contains(&schedule.faults.len()),
        "{}",
        schedule.faults.len()
    );
    let mut busy_until = Duration::ZERO;
    let mut quiet = 0;
    for fault in &schedule.faults {
        quiet += usize::from(fault.at >= busy_until + Duration::from_secs(2));
        busy_until = busy_until.max(fault.ends());
    }
    assert!(quiet >= 15, "{quiet} quiet windows:\n{schedule}");
}

#[test]
fn what_begins_a_fault_is_counted_in_a_history_and_what_ends_it_is_not() {
    for kind in FaultKind::ALL {
        assert!(telegraft_history::ENDS.contains(&kind.end_name()), "{kind}");
        assert!(!telegraft_history::ENDS.contains(&kind.name()), "{kind}");
    }
}

#[test]
fn partitions_can_be_made_silent_and_nothing_else_changes() {
    let drawn = draw(&request(3, 60, 3, &[FaultKind::Partition, FaultKind::Kill]));
    let reset = |schedule: &Schedule| schedule.to_string().matches("connections reset").count();
    let mut silent = drawn.clone();
    silent.cut_in_silence();
    assert!(reset(&drawn) > 0 && reset(&silent) == 0, "{drawn}");
    let text = drawn.to_string().replace("connections reset", "in silence");
    assert_eq!(silent.to_string(), text);
}

#[test]
fn it_is_told_in_words() {
    let schedule = draw(&request(3, 20, 3, &[FaultKind::Partition, FaultKind::Loss]));
    let text = schedule.to_string();
    assert!(
        text.contains("partition: ") && text.contains("loss on "),
        "{text}"
    );
    assert_eq!(text.lines().count(), schedule.faults.len() + 1, "{text}");
    assert!(text.ends_with("20.000 s  everything is healed"), "{text}");
}
