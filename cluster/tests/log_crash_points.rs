//! A data directory's whole life, crash point by crash point, each with all that a crash may
//! leave there.
//!
//! A node's scripted lives: it is made (identity, first segment), meets peers, takes votes and
//! entries, supersedes some, fills segments and makes new ones; it is killed in the middle of a
//! write, or its last sync fails, or the power goes and tears the last batch; and it goes on from
//! there. And from all that the last write of a life can be torn into, it is started again and
//! stopped in the middle of that.
//!
//! After every operation of the disk the process is killed (what it wrote stays, until a crash),
//! or the power goes: then what was not synced is left in every combination of sectors, lengths
//! and names, as long as there are at most [`MOST_COMBINATIONS`] (else in the family that
//! `CrashStates::complete` states), and with sectors torn inside. Each time the directory opens,
//! what was acknowledged is there, nothing is there that was never written, it works on, and a
//! further power cut takes nothing.
//!
//! # Does it bite?
//!
//! With the feature `known-bugs` the known bugs of the log are found, one by one (the last test
//! below). Each of these was once built in, too, and was found: a torn end is not zeroed; recovery
//! syncs nothing, or not the directory; a small file is renamed before it is synced, or its
//! directory is not synced, or not synced again by the restart that finds it; a segment is
//! renamed before its header is synced; superseded terms are kept. (Not found, since the sync of
//! the header covers it: a new segment's length is not synced. Nor a batch with a wrong number,
//! which no crash leaves: `log_decay.rs` has that.)

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod log_support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use log_support::{Model, all_done, command, open, options};
use telegraft_cluster::env::{Disk, SimDisk};
use telegraft_cluster::log::{
    DirectoryLock, Identity, IdentityError, KnownPeers, Log, LogOptions, Recovered,
};
use telegraft_cluster::raft::{Append, Entry, HardState, LogIndex, NodeId, Term};

/// Combinations at one crash point that are all looked at, for each outcome of its names.
const MOST_COMBINATIONS: usize = 4096;

/// What a life does, one thing after the other.
#[derive(Clone, Debug)]
enum Step {
    /// Meets a peer with this data directory.
    Peer(NodeId, &'static str),
    /// Makes all of these durable.
    Append(Vec<Append>),
}

/// What a node was told of its directory so far: what must be there.
#[derive(Clone, Debug, Default)]
struct Told {
    identity: Option<Identity>,
    /// Its log was open: it is a replica.
    has_log: bool,
    peers: BTreeMap<NodeId, &'static str>,
    /// The peer that is being recorded.
    peer_open: Option<(NodeId, &'static str)>,
    /// What its log has acknowledged, or shown after a restart.
    durable: Model,
    /// What the log was writing.
    open: Vec<Append>,
}

/// What was looked at.
#[derive(Debug, Default)]
struct Tally {
    points: u64,
    states: u64,
    /// Crash points with too many combinations for all.
    sampled: u64,
    torn_inside: u64,
    /// States in which recovery cut a torn batch.
    cut: u64,
    /// States in which what was being written was not there, and was.
    old: u64,
    new: u64,
}

fn data() -> &'static Path {
    Path::new("/data")
}

fn load(
    disk: &SimDisk,
    bootstrap: bool,
    seed: u64,
) -> Result<(Identity, DirectoryLock), IdentityError> {
    Identity::load_or_create(disk, data(), "cluster", 1, bootstrap, seed)
}

fn peers(disk: &Arc<SimDisk>) -> Result<KnownPeers, IdentityError> {
    KnownPeers::load(Arc::clone(disk) as Arc<dyn Disk>, data())
}

/// An append of a term and vote, if there is one, and `count` entries from `first` on.
fn append(
    batch: u64,
    vote: Option<(Term, NodeId)>,
    (first, term): (LogIndex, Term),
    count: u64,
    bytes: usize,
) -> Append {
    let entry = |index| -> Entry {
        let body = [index, term, batch].map(|number| u8::try_from(number).unwrap());
        command(index, term, &body.repeat(bytes / 3))
    };
    Append {
        batch,
        hard_state: vote.map(|(term, vote)| HardState {
            term,
            vote: (vote != 0).then_some(vote),
        }),
        entries: (first..first + count).map(entry).collect(),
    }
}

fn one(
    batch: u64,
    vote: Option<(Term, NodeId)>,
    at: (LogIndex, Term),
    count: u64,
    bytes: usize,
) -> Step {
    Step::Append(vec![append(batch, vote, at, count, bytes)])
}

/// The first life, of a directory that is not there yet.
fn first_life() -> Vec<Step> {
    vec![
        one(1, Some((1, 1)), (1, 1), 0, 0),
        Step::Peer(2, "second"),
        one(2, None, (1, 1), 3, 90),
        one(3, None, (4, 1), 2, 900),
        Step::Peer(3, "third"),
        // Supersedes the last entry, and what it takes is less.
        one(4, Some((3, 3)), (5, 2), 1, 60),
        // Fills the segment: the next is in another.
        one(5, None, (6, 3), 1, 1500),
        one(6, None, (7, 3), 2, 600),
        one(7, Some((4, 0)), (9, 3), 0, 0),
        one(8, Some((5, 1)), (8, 5), 4, 300),
        one(9, None, (12, 5), 2, 330),
    ]
}

/// What follows a restart that found the entries up to `last`.
fn later_life(last: LogIndex, term: Term) -> Vec<Step> {
    vec![
        one(1, Some((term, 2)), (last + 1, term), 1, 30),
        // Supersedes what the segment before holds.
        one(2, Some((term + 1, 0)), (4, term + 1), 3, 700),
        Step::Append(vec![
            append(3, None, (7, term + 1), 2, 1300),
            append(4, Some((term + 2, 3)), (8, term + 2), 3, 1000),
        ]),
        Step::Peer(4, "fourth"),
        one(5, None, (11, term + 2), 2, 400),
    ]
}

/// One life with batches of many sectors, in larger segments.
fn large_life() -> Vec<Step> {
    vec![
        one(1, Some((1, 2)), (1, 1), 1, 200),
        one(2, None, (2, 1), 2, 2500),
        one(3, Some((2, 3)), (3, 2), 4, 1900),
        one(4, None, (5, 2), 3, 1400),
        one(5, Some((3, 0)), (6, 3), 1, 5200),
    ]
}

/// Starts the node and goes through the steps until something fails; all of what it was told.
fn live(disk: &Arc<SimDisk>, options: &LogOptions, script: &[Step], mut told: Told) -> Told {
    let Ok((identity, _lock)) = load(disk, true, 77) else {
        return told;
    };
    told.identity = Some(identity);
    let Ok(mut known) = peers(disk) else {
        return told;
    };
    let Ok((mut log, _)) = open(disk, options) else {
        return told;
    };
    // (Of a copy, since the power may be gone by now.)
    let (shown, recovered) = open(&Arc::new(disk.fork()), options).unwrap();
    told.durable = Model::found(&recovered.restored, &shown.reader());
    told.has_log = true;
    told.open.clear();
    for step in script {
        match step {
            Step::Peer(id, directory) => {
                told.peer_open = Some((*id, directory));
                if known.check_or_record(*id, directory).is_err() {
                    return told;
                }
                told.peers.insert(*id, directory);
                told.peer_open = None;
            }
            Step::Append(appends) => {
                told.open.clone_from(appends);
                let Ok(completion) = log.append(appends.clone()) else {
                    return told;
                };
                let durable = told.durable.with(appends);
                all_done(&completion, appends, &durable);
                told.durable = durable;
                told.open.clear();
            }
        }
    }
    told
}

/// A directory that was opened.
struct Started {
    identity: Identity,
    log: Log,
    recovered: Recovered,
    lock: DirectoryLock,
}

/// Opens a directory of which the node was told `told`.
fn restart(disk: &Arc<SimDisk>, options: &LogOptions, told: &Told, bootstrap: bool) -> Started {
    let (identity, lock) = load(disk, bootstrap, 78).unwrap();
    if let Some(known) = &told.identity {
        assert_eq!(identity, *known, "the directory is another");
    }
    let mut known = peers(disk).unwrap();
    for id in told.peers.keys() {
        let another = known.check_or_record(*id, "another");
        another.expect_err("a peer that was known is not any more");
    }
    let met = told.peers.iter().map(|(id, directory)| (*id, *directory));
    for (id, directory) in met.chain(told.peer_open) {
        known.check_or_record(id, directory).unwrap();
    }
    let (log, recovered) = open(disk, options).unwrap();
    Started {
        identity,
        log,
        recovered,
        lock,
    }
}

/// Lives in one size of segments.
struct Lives {
    options: LogOptions,
    tally: Tally,
}

impl Lives {
    /// The directory after a crash: all that was told is there, and it works on.
    fn check(&mut self, disk: SimDisk, told: &Told) {
        let disk = Arc::new(disk);
        let started = restart(&disk, &self.options, told, !told.has_log);
        let Started {
            identity,
            mut log,
            recovered,
            lock,
        } = started;
        // What it has found or made by now stays.
        let mut now = told.clone();
        now.identity = Some(identity);
        now.peers.extend(now.peer_open);
        let found = Model::found(&recovered.restored, &log.reader());
        let allowed = told.durable.on_the_way(&told.open);
        assert!(
            allowed.contains(&found),
            "found {:?} and entries through {:?}",
            found.hard_state,
            found.last()
        );
        let tail_bytes = self.options.tail_bytes;
        found.check(&recovered.restored, &log.reader(), tail_bytes);
        if !told.open.is_empty() {
            if found == told.durable {
                self.tally.old += 1;
            } else {
                self.tally.new += 1;
            }
        }
        if recovered.torn.is_some() {
            assert!(!told.open.is_empty(), "nothing was being written");
            self.tally.cut += 1;
        }
        let (_, last) = found.last();
        let term = found.hard_state.term + 1;
        let more = vec![append(1, Some((term, 1)), (last + 1, term), 1, 200)];
        let completion = log.append(more.clone()).unwrap();
        let found = found.with(&more);
        all_done(&completion, &more, &found);
        drop((log, lock));
        // Now nothing is open any more, but for names that do not matter.
        for crash in disk.crash_states(MOST_COMBINATIONS).states {
            let disk = Arc::new(disk.crashed_as(&crash));
            let again = restart(&disk, &self.options, &now, false);
            let (log, recovered) = (&again.log, &again.recovered);
            assert_eq!(recovered.torn, None, "it was cut already");
            found.check(&recovered.restored, &log.reader(), tail_bytes);
        }
    }

    /// Cuts the power after each operation of a life that begins with `start`.
    fn crash_everywhere(&mut self, name: &str, start: &SimDisk, script: &[Step], told: &Told) {
        let whole = Arc::new(start.fork());
        let before = whole.operations();
        live(&whole, &self.options, script, told.clone());
        for operation in 0..=whole.operations() - before {
            let disk = Arc::new(start.fork());
            disk.cut_power_after(operation);
            let told = live(&disk, &self.options, script, told.clone());
            let crashes = disk.crash_states(MOST_COMBINATIONS);
            self.tally.points += 1;
            self.tally.sampled += u64::from(!crashes.complete);
            println!("{name}, operation {operation}, killed");
            self.check(disk.fork(), &told);
            for (number, crash) in crashes.states.iter().enumerate() {
                // Shown when it fails.
                println!("{name}, operation {operation}, state {number}");
                self.tally.states += 1;
                self.tally.torn_inside += u64::from(crash.torn_inside);
                self.check(disk.crashed_as(crash), &told);
            }
        }
    }

    /// A life until its last write, whose sync never comes.
    fn killed(&self, start: &SimDisk, script: &[Step], told: &Told) -> (SimDisk, Told) {
        let whole = Arc::new(start.fork());
        let before = whole.operations();
        live(&whole, &self.options, script, told.clone());
        let disk = Arc::new(start.fork());
        disk.cut_power_after(whole.operations() - before - 1);
        let told = live(&disk, &self.options, script, told.clone());
        assert!(!told.open.is_empty(), "it was writing");
        (disk.fork(), told)
    }

    /// Whether recovery has something to cut.
    fn is_torn(&self, disk: &SimDisk) -> bool {
        let (_, recovered) = open(&Arc::new(disk.fork()), &self.options).unwrap();
        recovered.torn.is_some()
    }

    /// All lives in small segments.
    fn all(&mut self) {
        let new = SimDisk::new();
        let nothing = Told::default();
        let first = first_life();
        self.crash_everywhere("first life", &new, &first, &nothing);

        let (disk, told) = self.killed(&new, &first, &nothing);
        let shown = told.durable.with(&told.open);
        let second = later_life(shown.last().1, 6);
        self.crash_everywhere("after a kill", &disk, &second, &told);

        // The write is in the page cache and not on the disk, and nobody will write it again.
        let lost = Arc::new(new.fork());
        let (rest, Some(Step::Append(last))) = (&first[..first.len() - 1], first.last()) else {
            panic!("the first life ends with an append");
        };
        live(&lost, &self.options, rest, nothing.clone());
        {
            let (mut log, _) = open(&lost, &self.options).unwrap();
            lost.fail_next_sync();
            log.append(last.clone()).unwrap_err();
        }
        self.crash_everywhere("after a failed sync", &lost, &second, &told);

        // The power goes in the middle of the second life's last write, and again in the
        // middle of the restart.
        let (disk, told) = self.killed(&disk, &second, &told);
        let third = later_life(told.durable.last().1, 10);
        let mut went_on = false;
        for (number, crash) in disk
            .crash_states(MOST_COMBINATIONS)
            .states
            .iter()
            .enumerate()
        {
            let crashed = disk.crashed_as(crash);
            self.crash_everywhere(
                &format!("restart from state {number}"),
                &crashed,
                &[],
                &told,
            );
            if !went_on && self.is_torn(&crashed) {
                went_on = true;
                self.crash_everywhere("after a torn write", &crashed, &third, &told);
            }
        }
        assert!(went_on, "some state is torn");
    }
}

fn small_segments() -> Lives {
    Lives {
        options: options(4 << 10),
        tally: Tally::default(),
    }
}

#[test]
fn whatever_a_crash_leaves_at_any_point_all_that_was_acknowledged_is_there_and_nothing_else() {
    let mut lives = small_segments();
    lives.all();
    let tally = lives.tally;
    println!("{tally:?}");
    assert!(tally.points > 500 && tally.states > 5000, "{tally:?}");
    assert_eq!(tally.sampled, 0, "{tally:?}");
    assert!(tally.torn_inside > 2000 && tally.cut > 2000, "{tally:?}");
    assert!(tally.old > 2000 && tally.new > 500, "{tally:?}");
}

#[test]
fn the_same_with_batches_of_many_sectors() {
    let mut lives = Lives {
        options: options(16 << 10),
        tally: Tally::default(),
    };
    lives.crash_everywhere("large", &SimDisk::new(), &large_life(), &Told::default());
    let tally = lives.tally;
    println!("{tally:?}");
    assert!(tally.states > 4000, "{tally:?}");
    assert!(tally.sampled > 0, "{tally:?}");
}

#[test]
#[cfg(feature = "known-bugs")]
fn the_known_bugs_of_the_log_are_found() {
    use telegraft_cluster::known_bugs::{KnownBug, set_for_thread};

    for bug in [
        KnownBug::SyncSkipped,
        KnownBug::HardStateNotWritten,
        KnownBug::TornBatchAccepted,
        KnownBug::PageCacheTrusted,
        KnownBug::SegmentNameNotSynced,
        KnownBug::SegmentHeaderWithoutVote,
        KnownBug::LostDirectoryAccepted,
    ] {
        set_for_thread(Some(bug));
        let found = std::panic::catch_unwind(|| small_segments().all());
        set_for_thread(None);
        assert!(found.is_err(), "{bug} is not found");
    }
}
