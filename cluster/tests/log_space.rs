//! A full disk is no failure.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod log_support;

use std::sync::Arc;

use log_support::{Model, all_done, command, open, options, segment};
use telegraft_cluster::env::SimDisk;
use telegraft_cluster::log::{Log, LogError, LogOptions};
use telegraft_cluster::raft::{Append, Completion, HardState};

/// An append of one entry.
fn entry(batch: u64, index: u64, term: u64) -> Append {
    Append {
        batch,
        hard_state: None,
        entries: vec![command(index, term, &[7; 300])],
    }
}

fn vote(batch: u64, term: u64) -> Append {
    Append {
        batch,
        hard_state: Some(HardState {
            term,
            vote: Some(2),
        }),
        entries: Vec::new(),
    }
}

/// A log on a disk that is full, the append that waits, and what is durable.
fn full(background: bool) -> (Arc<SimDisk>, LogOptions, Log, u64, Model) {
    let options = LogOptions {
        background_allocation: background,
        ..options(8 << 10)
    };
    let disk = Arc::new(SimDisk::new());
    let (mut log, _) = open(&disk, &options).unwrap();
    disk.set_capacity(disk.used() + 1000);
    let mut model = Model::default();
    for batch in 1.. {
        let append = entry(batch, batch, 1);
        let completion = log.append(vec![append.clone()]).unwrap();
        if log.out_of_space() {
            assert_eq!(completion.entries_through, batch - 1);
            assert_eq!(completion.hard_state_through, batch);
            assert_eq!(completion.last, (1, batch - 1));
            return (disk, options, log, batch, model);
        }
        all_done(
            &completion,
            std::slice::from_ref(&append),
            &model.with(std::slice::from_ref(&append)),
        );
        model.apply(&append);
    }
    unreachable!("the disk is full some time");
}

#[test]
fn entries_wait_while_terms_and_votes_and_reads_go_on() {
    wait_for_space(false);
}

#[test]
fn entries_wait_also_when_segments_are_made_ahead() {
    wait_for_space(true);
}

fn wait_for_space(background: bool) {
    let (disk, options, mut log, batch, mut model) = full(background);
    assert_eq!(disk.used(), 8 << 10, "half a segment takes no space");
    let waiting = entry(batch, batch, 1);
    for term in 2..5 {
        let append = vote(batch + term, term);
        let completion = log.append(vec![append.clone()]).unwrap();
        model.apply(&append);
        let Completion {
            entries_through,
            hard_state_through,
            last,
        } = completion;
        assert_eq!(entries_through, batch - 1);
        assert_eq!(hard_state_through, batch + term);
        assert_eq!(last, model.last());
        model.check_reads(&log.reader());
        assert!(log.out_of_space());

        // A crash now forgets what was not acknowledged.
        let crashed = Arc::new(disk.fork());
        crashed.crash(term);
        let (log, recovered) = open(&crashed, &options).unwrap();
        model.check(&recovered.restored, &log.reader(), options.tail_bytes);
    }

    // Nothing has changed: it still does not fit.
    assert_eq!(log.append(vec![]).unwrap().entries_through, batch - 1);
    disk.set_capacity(u64::MAX);
    let completion = log.append(vec![]).unwrap();
    model.apply(&waiting);
    all_done(&completion, &[vote(batch + 4, 4)], &model);
    assert!(!log.out_of_space());
    model.check_reads(&log.reader());
    drop(log);
    disk.crash(1);
    let (log, recovered) = open(&disk, &options).unwrap();
    model.check(&recovered.restored, &log.reader(), options.tail_bytes);
}

#[test]
fn waiting_entries_are_superseded_in_order() {
    let (disk, options, mut log, batch, mut model) = full(false);
    let mut appends = vec![entry(batch, batch, 1)];
    for (number, index) in [(1, batch + 1), (2, batch + 2), (3, batch - 1), (4, batch)] {
        let term = if number < 3 { 1 } else { 2 };
        appends.push(entry(batch + number, index, term));
    }
    let completion = log.append(appends[1..].to_vec()).unwrap();
    assert_eq!(completion.entries_through, batch - 1);
    assert_eq!(completion.last, (1, batch - 1));
    // What is about to be superseded is not served any more.
    let served = |log: &Log| {
        let stale = log.reader().read(batch - 1, batch - 1, 0).unwrap_err();
        assert!(matches!(stale, LogError::NotThere(_)));
        log.reader().read(batch - 2, batch - 2, 0).unwrap();
    };
    served(&log);
    appends.push(vote(batch + 5, 3));
    log.append(vec![vote(batch + 5, 3)]).unwrap();
    served(&log);

    disk.set_capacity(u64::MAX);
    let completion = log.append(vec![]).unwrap();
    model = model.with(&appends);
    all_done(&completion, &appends, &model);
    drop(log);
    let (log, recovered) = open(&disk, &options).unwrap();
    model.check(&recovered.restored, &log.reader(), options.tail_bytes);
}

#[test]
fn when_the_reserve_is_used_up_terms_wait_too() {
    let (disk, options, mut log, batch, mut model) = full(false);
    let mut last_durable = 0;
    let mut term = 1;
    loop {
        term += 1;
        let completion = log.append(vec![vote(batch + term, term)]).unwrap();
        if completion.hard_state_through < batch + term {
            assert_eq!(completion.hard_state_through, batch + term - 1);
            break;
        }
        last_durable = term;
    }
    assert!(last_durable > 10, "the reserve took {last_durable} terms");
    let crashed = Arc::new(disk.fork());
    crashed.crash(0);
    let (_, recovered) = open(&crashed, &options).unwrap();
    assert_eq!(recovered.restored.hard_state.term, last_durable);

    let completion = log.append(vec![vote(batch + term + 1, term + 1)]).unwrap();
    assert_eq!(completion.hard_state_through, batch + term - 1);
    disk.set_capacity(u64::MAX);
    let completion = log.append(vec![]).unwrap();
    model.apply(&entry(batch, batch, 1));
    model.apply(&vote(0, term + 1));
    all_done(&completion, &[vote(batch + term + 1, 0)], &model);
    drop(log);
    let (log, recovered) = open(&disk, &options).unwrap();
    model.check(&recovered.restored, &log.reader(), options.tail_bytes);
}

#[test]
fn a_power_cut_at_any_operation_on_a_full_disk_loses_nothing() {
    let story = |disk: &Arc<SimDisk>, log: &mut Log, batch: u64, model: &mut Model| {
        for term in 2..4 {
            let append = vote(batch + term, term);
            log.append(vec![append.clone()])?;
            model.apply(&append);
        }
        disk.set_capacity(u64::MAX);
        log.append(vec![])?;
        model.apply(&entry(batch, batch, 1));
        Ok::<(), LogError>(())
    };
    let mut whole = false;
    let mut operation = 0;
    while !whole {
        for seed in 0..5 {
            println!("operation {operation}, crash {seed}");
            let (disk, options, mut log, batch, mut model) = full(false);
            disk.cut_power_after(operation);
            whole = story(&disk, &mut log, batch, &mut model).is_ok();
            disk.crash(seed);
            let (log, recovered) = open(&disk, &options).unwrap();
            let found = Model::found(&recovered.restored, &log.reader());
            let mut later = model.clone();
            if later.hard_state.term < 3 {
                let term = later.hard_state.term.max(1) + 1;
                later.apply(&vote(0, term));
            } else if !whole {
                later.apply(&entry(batch, batch, 1));
            }
            assert!(found == model || found == later, "{:?}", found.hard_state);
            drop(log);
        }
        operation += 1;
    }
    assert!(operation > 8, "{operation} operations");
}

#[test]
fn an_append_that_fits_in_part_is_not_counted_before_it_is_whole() {
    let options = options(8 << 10);
    let disk = Arc::new(SimDisk::new());
    let (mut log, _) = open(&disk, &options).unwrap();
    log.append(vec![entry(1, 1, 1)]).unwrap();
    // More than a segment takes, and no room for a second one.
    let append = Append {
        batch: 2,
        hard_state: None,
        entries: (2..60).map(|index| command(index, 1, &[7; 300])).collect(),
    };
    disk.set_capacity(disk.used() + (8 << 10) + 1000);
    let completion = log.append(vec![append]).unwrap();
    assert!(log.out_of_space());
    assert!(log.reader().read(2, 2, 0).is_ok(), "a part of it is there");
    assert_eq!(completion.entries_through, 1);
    assert_eq!(completion.last, (1, 1), "the last of what is whole");
    disk.set_capacity(None);
    let completion = log.append(Vec::new()).unwrap();
    assert_eq!((completion.entries_through, completion.last), (2, (1, 59)));
}

#[test]
fn no_space_for_a_new_log_is_an_error_that_says_so() {
    let disk = Arc::new(SimDisk::new());
    disk.set_capacity(100);
    let error = open(&disk, &options(8 << 10)).unwrap_err().to_string();
    assert!(error.contains("cannot allocate"), "{error}");
    disk.set_capacity(u64::MAX);
    drop(open(&disk, &options(8 << 10)).unwrap());
    assert!(disk.used() >= 8 << 10, "{}", segment(1).display());
}
