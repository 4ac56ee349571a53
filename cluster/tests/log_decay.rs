//! Bits that flip on the disk, in every byte of a small log and of the small files beside it:
//! refused, or never noticed, and not once served.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod log_support;

use std::path::Path;
use std::sync::Arc;

use log_support::{Author, Model, dir, open, options, read_all, segment};
use telegraft_cluster::env::{Disk, SimDisk};
use telegraft_cluster::log::{Identity, KnownPeers, LogError, LogOptions};

/// A log of several segments, what it holds, and what it held before its last append.
fn small_log() -> (Arc<SimDisk>, LogOptions, Model, Model) {
    let options = options(2 << 10);
    let disk = Arc::new(SimDisk::new());
    let (mut log, _) = open(&disk, &options).unwrap();
    let mut author = Author::new(6);
    let (mut before, mut segments, mut batches) = (Model::default(), 1, 0);
    // Several segments, and several batches in the last.
    while segments < 3 || batches < 3 {
        before = author.model.clone();
        log.append(vec![author.append()]).unwrap();
        let now = disk.list(dir()).unwrap().len();
        batches = if now == segments { batches + 1 } else { 1 };
        segments = now;
    }
    (disk, options, before, author.model)
}

/// What a byte is flipped by: each of its bits, and all of them.
const PATTERNS: [u8; 9] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff];

fn flip(disk: &SimDisk, path: &Path, offset: u64, pattern: u8) {
    for bit in (0..8).filter(|bit| pattern & (1 << bit) != 0) {
        disk.flip(path, offset, bit);
    }
}

fn length(disk: &SimDisk, sequence: u64) -> u64 {
    disk.open(&segment(sequence)).unwrap().len().unwrap()
}

#[test]
fn every_flipped_byte_is_refused_or_harms_nothing_but_the_last_batch() {
    let (disk, options, before, model) = small_log();
    let segments = disk.list(dir()).unwrap().len() as u64;
    let (mut refused, mut cut, mut harmless) = (0, 0, 0);
    for sequence in 1..=segments {
        let path = segment(sequence);
        for offset in 0..length(&disk, sequence) {
            for pattern in PATTERNS {
                let disk = Arc::new(disk.fork());
                flip(&disk, &path, offset, pattern);
                let context = format!("{pattern:#04x} in {} at {offset}", path.display());
                match open(&disk, &options) {
                    Err(LogError::Corrupt {
                        path: named,
                        offset: at,
                        ..
                    }) => {
                        assert_eq!(named, path, "{context}");
                        assert!(at <= offset, "{context}: {at}");
                        refused += 1;
                    }
                    Err(error) => panic!("{context}: {error}"),
                    Ok((log, recovered)) => {
                        let found = Model::found(&recovered.restored, &log.reader());
                        assert_eq!(sequence, segments, "{context}");
                        let (torn, at) = recovered.torn.expect(&context);
                        assert_eq!(torn, path, "{context}");
                        assert!(at <= offset, "{context}: {at}");
                        if found == model {
                            harmless += 1;
                        } else {
                            assert!(found == before, "{context}");
                            cut += 1;
                        }
                    }
                }
            }
        }
    }
    println!("{refused} refused, {cut} cut the last batch, {harmless} beside all batches");
    assert!(refused > 0 && cut > 0 && harmless > 0);
}

#[test]
fn a_reader_never_gives_what_has_flipped() {
    let (disk, options, _, model) = small_log();
    let (log, _) = open(&disk, &options).unwrap();
    let reader = log.reader();
    let path = segment(1);
    let (mut refused, mut harmless) = (0, 0);
    for offset in 0..length(&disk, 1) {
        let bit = u8::try_from(offset % 8).unwrap();
        disk.flip(&path, offset, bit);
        let context = format!("bit {bit} at {offset}");
        match read_all(&reader) {
            Ok(entries) => {
                assert_eq!(entries, model.entries, "{context}");
                harmless += 1;
            }
            Err(error) => {
                refused += 1;
                let LogError::Corrupt {
                    path: named,
                    offset: at,
                    ..
                } = &error
                else {
                    panic!("{context}: {error}");
                };
                assert_eq!(*named, path, "{context}");
                assert!(*at <= offset, "{context}: {at}");
                let text = error.to_string();
                assert!(text.contains("/data/log/0000000001.log"), "{text}");
                assert!(text.contains(&format!("offset {at}")), "{text}");
                // The other segments are read as before.
                let (_, last) = model.last();
                assert_eq!(reader.read(last, last, 0).unwrap().len(), 1);
            }
        }
        disk.flip(&path, offset, bit);
    }
    println!("{refused} refused, {harmless} outside of what is read");
    assert!(refused > 0 && harmless > 0);
    assert_eq!(read_all(&reader).unwrap(), model.entries);
}

#[test]
fn a_segment_that_is_missing_or_stands_elsewhere_is_corruption() {
    let (disk, options, ..) = small_log();
    let segments = disk.list(dir()).unwrap().len() as u64;
    assert!(segments > 2);
    for sequence in 1..segments {
        let disk = Arc::new(disk.fork());
        disk.remove(&segment(sequence)).unwrap();
        let error = open(&disk, &options).unwrap_err().to_string();
        assert!(error.contains("corrupt log"), "{error}");
        let name = segment(sequence).display().to_string();
        assert!(
            error.contains(&name) && error.contains("missing"),
            "{error}"
        );
    }
    let disk = Arc::new(disk.fork());
    disk.rename(&segment(1), &segment(2)).unwrap();
    let error = open(&disk, &options).unwrap_err().to_string();
    assert!(error.contains("missing"), "{error}");
    disk.rename(&segment(2), &segment(1)).unwrap();
    disk.rename(&segment(segments), &segment(segments - 1))
        .unwrap();
    let error = open(&disk, &options).unwrap_err().to_string();
    let other = format!("this is segment {segments}");
    assert!(error.contains(&other), "{error}");
}

#[test]
fn batches_that_became_zeros_at_the_end_of_a_sealed_segment_are_missed() {
    let (disk, options, ..) = small_log();
    let file = disk.open(&segment(1)).unwrap();
    let mut bytes = vec![0; usize::try_from(length(&disk, 1)).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    // The last batch of the segment begins with the last magic number.
    let magic = &bytes[512..516];
    let last = bytes
        .windows(4)
        .rposition(|window| window == magic)
        .unwrap();
    file.write_at(last as u64, &vec![0; bytes.len() - last])
        .unwrap();
    let error = open(&disk, &options).unwrap_err().to_string();
    assert!(error.contains("0000000001.log"), "{error}");
    assert!(error.contains(&format!("offset {last}:")), "{error}");
    assert!(error.contains("missing"), "{error}");
}

#[test]
fn a_bad_batch_before_a_torn_one_is_corruption() {
    let options = options(1 << 16);
    let mut torn = 0;
    for seed in 0..40 {
        println!("seed {seed}");
        let disk = Arc::new(SimDisk::new());
        let (mut log, _) = open(&disk, &options).unwrap();
        let mut author = Author::new(seed);
        log.append(author.appends()).unwrap();
        let before = author.model.clone();
        // The next is large, and only a part of it comes through.
        disk.cut_power_after(1);
        log.append((0..9).flat_map(|_| author.appends()).collect())
            .unwrap_err();
        disk.crash(seed);
        let whole = Arc::new(disk.fork());
        let Some((path, offset)) = open(&whole, &options).unwrap().1.torn else {
            continue;
        };
        // Where its first bytes are there, they tell that what is before was synced.
        let mut magic = [0; 4];
        disk.open(&path)
            .unwrap()
            .read_at(offset, &mut magic)
            .unwrap();
        disk.flip(&path, 600, 0);
        match open(&disk, &options) {
            Err(error) => {
                torn += 1;
                assert!(matches!(error, LogError::Corrupt { .. }), "{error}");
            }
            Ok(_) => assert_eq!(magic, [0; 4], "{:?} was lost", before.last()),
        }
    }
    assert!(torn > 5, "{torn} of 40");
}

/// A data directory's small files: every flipped byte is refused with the file's name, or what it
/// says is the same.
#[test]
fn a_small_file_with_a_flipped_byte_is_refused_or_says_the_same() {
    let data = Path::new("/data");
    let load = |disk: &SimDisk| Identity::load_or_create(disk, data, "cluster", 1, true, 5);
    let disk = Arc::new(SimDisk::new());
    let (identity, lock) = load(&disk).unwrap();
    drop(lock);
    drop(open(&disk, &options(2 << 10)).unwrap());
    let peers = |disk: &Arc<SimDisk>| KnownPeers::load(Arc::clone(disk) as Arc<dyn Disk>, data);
    let mut known = peers(&disk).unwrap();
    known.check_or_record(2, "00c0ffee").unwrap();
    known.check_or_record(3, "0badcafe").unwrap();

    let (mut refused, mut harmless) = (0, 0);
    for name in ["identity.json", "peers.json"] {
        let path = data.join(name);
        let length = disk.open(&path).unwrap().len().unwrap();
        for (offset, pattern) in (0..length).flat_map(|at| PATTERNS.map(|pattern| (at, pattern))) {
            let disk = Arc::new(disk.fork());
            flip(&disk, &path, offset, pattern);
            let context = format!("{pattern:#04x} in {name} at {offset}");
            let opened = load(&disk).and_then(|(found, _)| Ok((found, peers(&disk)?)));
            match opened {
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains(&format!("/data/{name}")), "{context}: {text}");
                    refused += 1;
                }
                Ok((found, mut known)) => {
                    assert_eq!(found, identity, "{context}");
                    for (id, directory) in [(2, "00c0ffee"), (3, "0badcafe")] {
                        known.check_or_record(id, "another").expect_err(&context);
                        known.check_or_record(id, directory).expect(&context);
                    }
                    harmless += 1;
                }
            }
        }
    }
    println!("{refused} refused, {harmless} say the same");
    assert!(refused > 1000);
}

#[test]
fn small_files_of_earlier_versions_have_no_checksum_and_are_read() {
    let disk = Arc::new(SimDisk::new());
    let data = Path::new("/data");
    disk.create_dir_all(data).unwrap();
    for (name, text) in [
        (
            "identity.json",
            r#"{"cluster_id": "cluster", "node_id": 1, "directory_id": "abc"}"#,
        ),
        ("peers.json", r#"{"2": "def"}"#),
    ] {
        let file = disk.create(&data.join(name)).unwrap();
        file.write_at(0, text.as_bytes()).unwrap();
    }
    drop(open(&disk, &options(2 << 10)).unwrap());
    let (identity, _lock) =
        Identity::load_or_create(disk.as_ref(), data, "cluster", 1, false, 5).unwrap();
    assert_eq!(identity.directory_id, "abc");
    let mut known = KnownPeers::load(disk as Arc<dyn Disk>, data).unwrap();
    known.check_or_record(2, "def").unwrap();
    known.check_or_record(2, "another").unwrap_err();
}

#[test]
fn a_batch_that_stands_there_once_more_is_not_taken_in() {
    let options = options(1 << 16);
    let disk = Arc::new(SimDisk::new());
    let (mut log, _) = open(&disk, &options).unwrap();
    let mut author = Author::new(1);
    for _ in 0..4 {
        log.append(author.appends()).unwrap();
    }
    // (The header of the segment comes first.)
    let end = 512 + log.written().bytes;
    drop(log);
    let file = disk.open(&segment(1)).unwrap();
    let mut bytes = vec![0; 1 << 16];
    file.read_at(0, &mut bytes).unwrap();
    let magic = &bytes[512..516];
    let second = (513..bytes.len())
        .find(|at| bytes[*at..].starts_with(magic))
        .unwrap();
    // A write of the first batch went astray, to where the next one will go.
    file.write_at(end, &bytes[512..second]).unwrap();
    file.sync_data().unwrap();
    let (log, recovered) = open(&disk, &options).unwrap();
    assert_eq!(recovered.torn, Some((segment(1), end)));
    let found = Model::found(&recovered.restored, &log.reader());
    assert!(found == author.model, "an old batch was taken in");
}
