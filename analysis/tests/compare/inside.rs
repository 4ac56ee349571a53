//! Comparisons inside of one suite.

use telegraft_analysis::compare::{self, Setting};
use telegraft_analysis::stats::NOISE;

use crate::made::{BEFORE, Made, Place, SENDS};
use crate::{check, directory, row, verdict};

#[test]
fn settings_are_compared_inside_of_a_suite() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = Made {
        mailbox: "fifo",
        ok_per_s: 4_500.0,
        ..SENDS
    };
    let five = Made {
        replicas: 5,
        ok_per_s: 4_000.0,
        ..SENDS
    };
    let one = Made {
        replicas: 1,
        ok_per_s: 8_000.0,
        ..SENDS
    };
    let null = Made {
        system: "null",
        replicas: 0,
        ok_per_s: 12_000.0,
        ..SENDS
    };
    let suite = directory(&dir, "suite", &BEFORE, &[SENDS, fifo, five, one, null]);
    let by = |setting| compare::by(&suite, setting, NOISE).unwrap().terminal();
    check("by-mailbox.txt", &by(Setting::Mailbox));
    check("by-replicas.txt", &by(Setting::Replicas));
    check("by-system.txt", &by(Setting::System));
    let nothing = compare::by(&suite, Setting::Durability, NOISE).unwrap();
    assert!(nothing.is_empty());
    assert!(nothing.terminal().contains("There is nothing to compare."));
}

/// Two directories may hold the values of a setting, but then they were not measured by turns.
#[test]
fn values_of_a_setting_in_different_directories_drift() {
    let dir = tempfile::tempdir().unwrap();
    let lanes = directory(&dir, "lanes", &BEFORE, &[SENDS]);
    let later = Place {
        from_s: 3_600,
        nonce: "77c1",
        ..BEFORE
    };
    let fifo = directory(
        &dir,
        "fifo",
        &later,
        &[Made {
            mailbox: "fifo",
            ..SENDS
        }],
    );
    let both = [lanes, fifo].concat();
    let comparison = compare::by(&both, Setting::Mailbox, NOISE).unwrap();
    let text = comparison.terminal();
    assert!(text.contains("⚠ some values of the setting"), "{text}");
    let row = row(&comparison, "write-heavy", "ok_per_s");
    assert_eq!(row["system"], "telegraft ×3, lanes → fifo");
}

#[test]
fn halves_of_a_configuration_are_compared_with_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let six = Made { trials: 6, ..SENDS };
    let few = Made {
        workload: "chat",
        ..SENDS
    };
    let one = Made {
        workload: "once",
        trials: 1,
        ..SENDS
    };
    let suite = directory(&dir, "suite", &BEFORE, &[six, few, one.clone()]);
    let comparison = compare::halves(&suite, NOISE).unwrap();
    check("halves.txt", &comparison.terminal());
    assert_eq!(verdict(&comparison, "chat", "ok_per_s"), "too-few-trials");
    let alone = directory(&dir, "alone", &BEFORE, &[one]);
    assert!(compare::halves(&alone, NOISE).unwrap().is_empty());
}
