//! Small spaces of the real core, searched to their ends. `scripts/explore-model` searches larger
//! ones.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::ops::ControlFlow;

use telegraft_model::{Bounds, End, Explorer, Limits, Order, Report, Sight, search};

/// Searches to the end, and finds no broken rule.
fn exhaust(bounds: Bounds) -> Report {
    let limits = Limits {
        order: Order::DepthFirst,
        threads: 1,
        max_states: None,
        max_time: None,
        max_memory: None,
    };
    let report = search(Explorer::new(bounds, None).unwrap(), &limits, |_| {
        ControlFlow::Continue(())
    });
    assert!(report.broken.is_none(), "{bounds:?}: {:#?}", report.broken);
    assert_eq!(report.end, End::Exhausted);
    assert_eq!(report.missed, [], "{bounds:?}");
    println!("{bounds:?}: {:?}", report.progress);
    report
}

#[test]
fn two_replicas_with_a_command_and_a_crash() {
    let report = exhaust(Bounds {
        commands: 1,
        crashes: 1,
        ..Bounds::new(2, 2)
    });
    // A search that came by little shows little.
    assert!(report.progress.unique > 10_000, "{:?}", report.progress);
    for sight in [
        Sight::LaterCommit,
        Sight::EarlierTermsCarried,
        Sight::WritesLost,
    ] {
        assert!(report.sights.contains(&sight), "{sight:?} was not seen");
    }
}

#[test]
fn two_replicas_with_every_message() {
    let report = exhaust(Bounds {
        every_message: true,
        ..Bounds::new(2, 2)
    });
    assert!(report.progress.unique > 10_000, "{:?}", report.progress);
}

#[test]
fn three_replicas_in_a_term_with_a_command() {
    let report = exhaust(Bounds {
        commands: 1,
        ..Bounds::new(3, 1)
    });
    assert!(report.progress.unique > 10_000, "{:?}", report.progress);
}

#[test]
fn three_replicas_in_two_terms() {
    let report = exhaust(Bounds::new(3, 2));
    assert!(report.progress.unique > 100_000, "{:?}", report.progress);
    for sight in [
        Sight::TwoLeaders,
        Sight::LaterCommit,
        Sight::EarlierTermsCarried,
        Sight::Superseded,
    ] {
        assert!(report.sights.contains(&sight), "{sight:?} was not seen");
    }
}

#[test]
fn bounds_that_are_none_are_refused() {
    for bounds in [
        Bounds::new(4, 2),
        Bounds::new(3, 0),
        Bounds {
            reads: 1,
            ..Bounds::new(2, 2)
        },
    ] {
        assert!(Explorer::new(bounds, None).is_err(), "{bounds:?}");
    }
}
