//! What goes into the log comes out again, also after a restart.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod log_support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use log_support::{Author, Model, all_done, command, configuration, dir, open, options, segment};
use telegraft_cluster::env::{Disk, FsDisk, SimDisk};
use telegraft_cluster::log::{Durability, Log, LogError, LogOptions};
use telegraft_cluster::raft::{Append, HardState};

#[test]
fn random_lives_are_remembered_through_restarts_and_supersessions() {
    for seed in 0..24 {
        println!("seed {seed}");
        let disk = Arc::new(SimDisk::new());
        let options = LogOptions {
            segment_bytes: [4 << 10, 16 << 10, 1 << 20][usize::try_from(seed).unwrap() % 3],
            ..options(0)
        };
        let mut author = Author::new(seed);
        for run in 0..5 {
            let (mut log, recovered) = open(&disk, &options).unwrap();
            assert_eq!(recovered.restored.restarted, run > 0);
            assert_eq!(recovered.torn, None);
            let reader = log.reader();
            author
                .model
                .check(&recovered.restored, &reader, options.tail_bytes);
            author.restart(author.model.clone());
            for _ in 0..12 {
                let appends = author.appends();
                let completion = log.append(appends.clone()).unwrap();
                all_done(&completion, &appends, &author.model);
                assert!(!log.out_of_space());
            }
            author.model.check_reads(&reader);
        }
        if options.segment_bytes == 4 << 10 {
            assert!(
                disk.list(dir()).unwrap().len() > 5,
                "there are many segments"
            );
        }
    }
}

#[test]
fn a_full_restart_keeps_what_was_synced_and_one_without_syncs_does_not() {
    for (durability, kept) in [(Durability::Fsync, 4), (Durability::None, 0)] {
        let disk = Arc::new(SimDisk::new());
        // Made with syncs, so that there is a log to open.
        drop(open(&disk, &options(1 << 16)).unwrap());
        let options = LogOptions {
            durability,
            ..options(1 << 16)
        };
        let (mut log, _) = open(&disk, &options).unwrap();
        for index in 1..=4 {
            let append = Append {
                batch: index,
                hard_state: None,
                entries: vec![command(index, 1, &[7; 600])],
            };
            log.append(vec![append]).unwrap();
        }
        let written = log.written();
        assert_eq!(written.syncs, kept, "{durability:?}");
        assert!((2400..4000).contains(&written.bytes), "{written:?}");
        // Some seed lets nothing through that was not synced.
        let least = (0..20)
            .map(|seed| {
                let disk = Arc::new(disk.fork());
                disk.crash(seed);
                let recovered = open(&disk, &options).map(|(_, recovered)| recovered);
                // Without syncs it may also be found corrupt.
                recovered.map_or(0, |recovered| recovered.restored.last_index)
            })
            .min();
        assert_eq!(least, Some(kept), "{durability:?}");
    }
}

#[test]
fn an_append_larger_than_a_batch_or_a_segment_is_written() {
    let disk = Arc::new(SimDisk::new());
    let options = LogOptions {
        tail_bytes: 1 << 20,
        ..options(1 << 20)
    };
    let (mut log, _) = open(&disk, &options).unwrap();
    let mut model = Model::default();
    let entries = (1..=180)
        .map(|index| command(index, 2, &vec![u8::try_from(index).unwrap(); 60_000]))
        .collect();
    let huge = vec![9; 3 << 20];
    let appends = vec![
        Append {
            batch: 1,
            hard_state: Some(HardState {
                term: 2,
                vote: Some(1),
            }),
            entries,
        },
        Append {
            batch: 2,
            hard_state: None,
            entries: vec![command(181, 2, &huge), command(182, 2, b"small")],
        },
    ];
    appends.iter().for_each(|append| model.apply(append));
    let completion = log.append(appends.clone()).unwrap();
    all_done(&completion, &appends, &model);
    model.check_reads(&log.reader());
    drop(log);
    let (log, recovered) = open(&disk, &options).unwrap();
    model.check(&recovered.restored, &log.reader(), options.tail_bytes);
}

#[test]
fn the_newest_entries_come_back_as_the_tail() {
    let disk = Arc::new(SimDisk::new());
    let options = options(64 << 10);
    let (mut log, _) = open(&disk, &options).unwrap();
    let entries: Vec<_> = (1..=1000)
        .map(|index| command(index, 1, &[1; 100]))
        .collect();
    let append = Append {
        batch: 1,
        hard_state: None,
        entries,
    };
    log.append(vec![append]).unwrap();
    drop(log);
    for (tail_bytes, least, most) in [(0, 0, 0), (20_000, 110, 165), (1 << 20, 1000, 1000)] {
        let options = LogOptions {
            tail_bytes,
            ..options.clone()
        };
        let (_, recovered) = open(&disk, &options).unwrap();
        let tail = recovered.restored.tail;
        assert!((least..=most).contains(&tail.len()), "{}", tail.len());
        assert!(tail.last().is_none_or(|entry| entry.index == 1000));
    }
}

#[test]
fn a_read_stops_before_its_limit_and_gives_one_entry_at_least() {
    let disk = Arc::new(SimDisk::new());
    let (mut log, _) = open(&disk, &options(64 << 10)).unwrap();
    let entries: Vec<_> = (1..=100).map(|index| command(index, 1, &[1; 79])).collect();
    let append = Append {
        batch: 1,
        hard_state: None,
        entries,
    };
    log.append(vec![append]).unwrap();
    let reader = log.reader();
    let count = |first, last, bytes| reader.read(first, last, bytes).unwrap().len();
    // An entry takes 100 bytes.
    assert_eq!(count(1, 100, 0), 1);
    assert_eq!(count(50, 100, 99), 1);
    assert_eq!(count(50, 100, 200), 2);
    assert_eq!(count(50, 100, 299), 2);
    assert_eq!(count(50, 60, usize::MAX), 11);
    assert_eq!(count(50, 1000, usize::MAX), 51);
    assert_eq!(count(50, 49, usize::MAX), 0);
}

#[test]
fn without_a_log_or_bootstrap_there_is_nothing_to_open() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let error = Log::open(disk, dir(), None, options(4096)).unwrap_err();
    assert!(matches!(error, LogError::Missing(_)));
    assert!(error.to_string().contains("--bootstrap"), "{error}");
}

#[test]
fn a_failed_sync_poisons_the_log_for_good() {
    let disk = Arc::new(SimDisk::new());
    let (mut log, _) = open(&disk, &options(1 << 16)).unwrap();
    let mut author = Author::new(3);
    log.append(author.appends()).unwrap();
    disk.fail_next_sync();
    let error = log.append(author.appends()).unwrap_err();
    let path = segment(1).display().to_string();
    assert!(error.to_string().contains(&path), "{error}");
    for appends in [vec![], author.appends()] {
        let error = log.append(appends).unwrap_err();
        assert!(matches!(error, LogError::Poisoned(_)), "{error}");
    }
}

#[test]
fn readers_beside_the_writer_see_one_history_at_a_time() {
    let disk = Arc::new(SimDisk::new());
    let (mut log, _) = open(&disk, &options(8 << 10)).unwrap();
    let reader = log.reader();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0_u64;
                    let mut newest = vec![0; 400];
                    while !done.load(Ordering::Acquire) || seen < 100 {
                        let first = seen % 300 + 1;
                        match reader.read(first, first + 50, 4000) {
                            Ok(entries) => {
                                // Each entry's body is its term: those read together must be
                                // of one history, and histories do not come back.
                                for (index, entry) in (first..).zip(&entries) {
                                    assert_eq!(entry.index, index);
                                    let at = usize::try_from(index).unwrap();
                                    assert!(entry.term >= newest[at], "it was superseded");
                                    newest[at] = entry.term;
                                }
                                assert!(entries.is_sorted_by_key(|entry| entry.term));
                            }
                            Err(LogError::NotThere(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                        seen += 1;
                    }
                })
            })
            .collect();
        let mut batch = 0;
        for term in 1..=150 {
            // Every term supersedes half of what is there.
            for first in (1 + term % 150..330).step_by(40) {
                batch += 1;
                let entries = (first..first + 40)
                    .map(|index| command(index, term, &term.to_le_bytes()))
                    .collect();
                let append = Append {
                    batch,
                    hard_state: None,
                    entries,
                };
                if first > 1 && log.append(vec![]).unwrap().last.1 + 1 < first {
                    break;
                }
                log.append(vec![append]).unwrap();
            }
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

#[test]
fn the_real_disk_does_the_same_with_segments_made_ahead() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("deep/log");
    let options = LogOptions {
        background_allocation: true,
        ..options(64 << 10)
    };
    let open = || {
        let disk: Arc<dyn Disk> = Arc::new(FsDisk);
        Log::open(disk, &dir, Some(&configuration(3)), options.clone()).unwrap()
    };
    let mut author = Author::new(11);
    for _ in 0..3 {
        let (mut log, recovered) = open();
        author
            .model
            .check(&recovered.restored, &log.reader(), options.tail_bytes);
        author.restart(author.model.clone());
        for _ in 0..40 {
            let appends = author.appends();
            let completion = log.append(appends.clone()).unwrap();
            all_done(&completion, &appends, &author.model);
        }
        author.model.check_reads(&log.reader());
    }
    assert!(FsDisk.list(&dir).unwrap().len() > 2);
}

#[test]
fn the_real_disk_keeps_its_promises() {
    let directory = tempfile::tempdir().unwrap();
    let disk: &dyn Disk = &FsDisk;
    let dir = directory.path().join("a/b/c");
    disk.create_dir_all(&dir).unwrap();
    disk.create_dir_all(&dir).unwrap();
    let file = disk.create(&dir.join("x")).unwrap();
    assert!(disk.create(&dir.join("x")).is_err());
    file.allocate(100_000).unwrap();
    assert_eq!(file.len().unwrap(), 100_000);
    file.write_at(99_990, b"0123456789").unwrap();
    let mut buffer = [1; 20];
    file.read_at(99_980, &mut buffer).unwrap();
    assert_eq!(&buffer, b"\0\0\0\0\0\0\0\0\0\x000123456789");
    let beyond = file.read_at(99_981, &mut buffer).unwrap_err();
    assert_eq!(beyond.kind(), std::io::ErrorKind::UnexpectedEof);
    file.sync_data().unwrap();
    disk.rename(&dir.join("x"), &dir.join("y")).unwrap();
    disk.sync_dir(&dir).unwrap();
    assert_eq!(disk.list(&dir).unwrap(), ["y"]);
    let lock = disk.lock(&dir.join("LOCK")).unwrap();
    let held = disk.lock(&dir.join("LOCK")).unwrap_err();
    assert_eq!(held.kind(), std::io::ErrorKind::WouldBlock);
    drop(lock);
    drop(disk.lock(&dir.join("LOCK")).unwrap());
    disk.remove(&dir.join("y")).unwrap();
    let gone = disk.open(&dir.join("y")).unwrap_err();
    assert_eq!(gone.kind(), std::io::ErrorKind::NotFound);
    let nowhere = disk.list(Path::new("/nowhere/at/all")).unwrap_err();
    assert_eq!(nowhere.kind(), std::io::ErrorKind::NotFound);
}
