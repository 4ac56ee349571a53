//! Power cuts and killed processes at every operation of a log's life.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod log_support;

use std::sync::Arc;

use log_support::{Author, Model, all_done, open, options};
use telegraft_cluster::env::SimDisk;
use telegraft_cluster::log::{LogError, LogOptions};
use telegraft_cluster::raft::Append;

/// What a life has come to.
struct Life {
    /// What the log has said to be durable.
    acknowledged: Model,
    /// What it was writing when it failed.
    open: Vec<Append>,
}

/// A life of two runs, until something fails.
fn live(disk: &Arc<SimDisk>, options: &LogOptions, seed: u64) -> Life {
    let mut author = Author::new(seed);
    let mut life = Life {
        acknowledged: Model::default(),
        open: Vec::new(),
    };
    for _ in 0..2 {
        let Ok((mut log, recovered)) = open(disk, options) else {
            return life;
        };
        assert_eq!(recovered.torn, None);
        author.restart(life.acknowledged.clone());
        for _ in 0..7 {
            life.open = author.appends();
            if log.append(life.open.clone()).is_err() {
                return life;
            }
            life.acknowledged = author.model.clone();
            life.open.clear();
        }
    }
    life
}

impl Life {
    /// What may be found after it: with `whole`, a call is there whole or not at all.
    fn allowed(&self, whole: bool) -> Vec<Model> {
        if whole {
            vec![
                self.acknowledged.clone(),
                self.acknowledged.with(&self.open),
            ]
        } else {
            self.acknowledged.on_the_way(&self.open)
        }
    }
}

/// Opens the log, which must hold one of `allowed`; which one is the answer.
fn recover(disk: &Arc<SimDisk>, options: &LogOptions, allowed: &[Model]) -> Model {
    let (log, recovered) = open(disk, options).unwrap();
    let found = Model::found(&recovered.restored, &log.reader());
    assert!(
        allowed.contains(&found),
        "found {:?} and entries through {:?}",
        found.hard_state,
        found.last()
    );
    found.check(&recovered.restored, &log.reader(), options.tail_bytes);
    found
}

/// The log works on from `model`, and what it says to be durable is.
fn go_on(disk: &Arc<SimDisk>, options: &LogOptions, model: Model, seed: u64) {
    let mut author = Author::new(seed);
    author.restart(model);
    for _ in 0..2 {
        let (mut log, recovered) = open(disk, options).unwrap();
        assert_eq!(recovered.torn, None, "it was cut already");
        author
            .model
            .check(&recovered.restored, &log.reader(), options.tail_bytes);
        author.restart(author.model.clone());
        let appends = author.appends();
        let completion = log.append(appends.clone()).unwrap();
        all_done(&completion, &appends, &author.model);
        drop(log);
        disk.crash(seed);
    }
}

/// For each operation of some lives: the disk after it, and what the life had come to.
fn at_every_operation(each: impl Fn(u64, &LogOptions, &Arc<SimDisk>, &[Model])) {
    // In small segments a call may be several batches.
    for (segment_bytes, seeds) in [(2 << 10, 0..2), (1 << 16, 2..3)] {
        let options = options(segment_bytes);
        for seed in seeds {
            let disk = Arc::new(SimDisk::new());
            live(&disk, &options, seed);
            let operations = disk.operations();
            assert!(operations > 30);
            for operation in 0..=operations {
                let disk = Arc::new(SimDisk::new());
                disk.cut_power_after(operation);
                let life = live(&disk, &options, seed);
                let allowed = life.allowed(segment_bytes == 1 << 16);
                println!("segments of {segment_bytes}, seed {seed}, operation {operation}");
                each(operation, &options, &disk, &allowed);
            }
        }
    }
}

#[test]
fn after_a_power_cut_at_any_operation_all_that_was_acknowledged_is_there() {
    at_every_operation(|operation, options, disk, allowed| {
        for seed in 0..5 {
            println!("crash {seed}");
            let disk = Arc::new(disk.fork());
            disk.crash(operation * 100 + seed);
            let found = recover(&disk, options, allowed);
            go_on(&disk, options, found, seed);
        }
    });
}

#[test]
fn a_power_cut_during_recovery_changes_nothing() {
    at_every_operation(|operation, options, disk, allowed| {
        let crashed = disk.fork();
        crashed.crash(operation);
        for cut in 0..5 {
            println!("cut {cut}");
            let disk = Arc::new(crashed.fork());
            disk.cut_power_after(cut);
            let recovered = open(&disk, options).map(|_| ());
            disk.crash(operation + cut);
            let found = recover(&disk, options, allowed);
            if recovered.is_ok() {
                break;
            }
            go_on(&disk, options, found, operation);
        }
    });
}

#[test]
fn what_a_restart_has_found_after_a_kill_survives_a_power_cut() {
    at_every_operation(|operation, options, disk, allowed| {
        for seed in 0..3 {
            println!("crash {seed}");
            let disk = Arc::new(disk.fork());
            let mut found = recover(&disk, options, allowed);
            if seed == 1 {
                disk.crash(operation * 100 + seed);
                found = recover(&disk, options, &[found]);
            }
            go_on(&disk, options, found, operation * 100 + seed);
        }
    });
}

#[test]
fn what_a_restart_has_found_after_a_failed_sync_survives_a_power_cut() {
    let options = options(1 << 16);
    for seed in 0..20 {
        println!("seed {seed}");
        let disk = Arc::new(SimDisk::new());
        let (mut log, _) = open(&disk, &options).unwrap();
        let mut author = Author::new(seed);
        for _ in 0..seed % 5 {
            log.append(author.appends()).unwrap();
        }
        let before = author.model.clone();
        let appends = author.appends();
        disk.fail_next_sync();
        log.append(appends.clone()).unwrap_err();
        drop(log);

        // The page cache still shows what the disk does not have.
        let allowed = [before.clone(), before.with(&appends)];
        let found = recover(&disk, &options, &allowed);
        disk.crash(seed);
        let again = recover(&disk, &options, &[found]);
        go_on(&disk, &options, again, seed);
    }
}

#[test]
fn a_torn_end_is_cut_and_named() {
    let options = options(1 << 16);
    let mut torn = 0;
    for seed in 0..50 {
        let disk = Arc::new(SimDisk::new());
        let (mut log, _) = open(&disk, &options).unwrap();
        let mut author = Author::new(seed);
        log.append(author.appends()).unwrap();
        let before = author.model.clone();
        // The write goes through, its sync does not.
        disk.cut_power_after(1);
        let error = log.append(author.appends()).unwrap_err();
        assert!(matches!(error, LogError::Io { .. }), "{error}");
        disk.crash(seed);
        let (log, recovered) = open(&disk, &options).unwrap();
        let found = Model::found(&recovered.restored, &log.reader());
        if let Some((path, offset)) = recovered.torn {
            torn += 1;
            assert_eq!(found, before);
            assert_eq!(path, log_support::segment(1));
            assert!((512..1 << 16).contains(&offset));
        }
    }
    assert!(torn > 10, "{torn} of 50 were torn");
}
