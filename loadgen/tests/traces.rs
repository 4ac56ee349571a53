//! Recordings of chat traffic, as people and programs write and read them.
#![allow(
    clippy::unwrap_used,
    reason = "tests may stop at the first surprise, their helpers too"
)]

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use proptest::prelude::*;
use telegraft_loadgen::plan::{Kind, NO_ROOM, Step};
use telegraft_loadgen::trace::{RecordError, Recording, RecordingSummary, Trace, TraceError};

const HEAD: &str = "offset,user,operation,room,size\n";

/// A recording of these lines, read.
fn read(lines: &[u8]) -> Result<Trace, TraceError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.csv");
    fs::write(&path, lines).unwrap();
    Trace::read(&path)
}

/// A recording with our head, read.
fn lines(lines: &str) -> Result<Trace, TraceError> {
    read(format!("{HEAD}{lines}").as_bytes())
}

fn step(due_us: u64, kind: Kind, user: u32, room: u32, size: u32) -> Step {
    Step {
        due_ns: due_us * 1_000,
        kind,
        user,
        room,
        size,
        latest: false,
    }
}

/// Records the steps, each user's by one of `threads` threads.
fn record(
    path: &Path,
    steps: &[Step],
    threads: usize,
    users: &[String],
    rooms: &[String],
) -> Result<RecordingSummary, RecordError> {
    let (recording, parts) = Recording::begin(path, threads)?;
    thread::scope(|scope| {
        for (nth, mut part) in parts.into_iter().enumerate() {
            scope.spawn(move || {
                let own = |step: &&Step| step.user as usize % threads == nth;
                for step in steps.iter().filter(own) {
                    part.push(step);
                }
            });
        }
    });
    recording.finish(
        &|user| Cow::Borrowed(users[user as usize].as_str()),
        &|room| Cow::Borrowed(rooms[room as usize].as_str()),
    )
}

fn entries(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_recording_says_who_did_what_and_when() {
    let trace = lines(
        "0.5,bob,read,lobby,20\n\
         0.25,alice,send,lobby,120\n\
         0.25,bob,inbox,,\n\
         1,\"O'Brien, \"\"Bob\"\"\",join,kitchen,\n\
         1.000000001,alice,read-latest,kitchen,\n\
         2,alice,create-room,annex,\n\
         2.1,alice,create-room,,\n\
         3,bob,send,lobby,5\n\
         3,bob,send,lobby,\n",
    )
    .unwrap();
    assert_eq!(trace.users, ["bob", "alice", "O'Brien, \"Bob\""]);
    assert_eq!(trace.rooms, ["lobby", "kitchen"], "annex is made meanwhile");
    let latest = Step {
        due_ns: 1_000_000_001,
        latest: true,
        ..step(0, Kind::Read, 1, 1, 50)
    };
    assert_eq!(
        trace.steps,
        [
            step(250_000, Kind::Send, 1, 0, 120),
            step(250_000, Kind::Inbox, 0, NO_ROOM, 50),
            step(500_000, Kind::Read, 0, 0, 20),
            step(1_000_000, Kind::Join, 2, 1, 0),
            latest,
            step(2_000_000, Kind::CreateRoom, 1, NO_ROOM, 0),
            step(2_100_000, Kind::CreateRoom, 1, NO_ROOM, 0),
            step(3_000_000, Kind::Send, 0, 0, 32),
            step(3_000_000, Kind::Send, 0, 0, 128),
        ]
    );
    assert_eq!(trace.raised, 1, "five bytes carry no id");
    assert_eq!(trace.memberships(), [vec![0], vec![0, 1], vec![]]);
    assert_eq!(trace.creators(), [1, 1]);
}

#[test]
fn a_room_that_is_only_joined_is_the_first_users() {
    let trace = lines("0,alice,inbox,,\n0,bob,join,lobby,\n").unwrap();
    assert!(trace.memberships().iter().all(Vec::is_empty));
    assert_eq!(trace.memberships().len(), 2);
    assert_eq!(trace.creators(), [0]);
}

#[test]
fn columns_stand_in_any_order_and_others_are_passed_over() {
    let trace = read(
        "\u{feff}size,text,room,operation,user,offset\r\n\
         64,\"hello,\r\nworld\",lobby,send,alice,0.1\r\n"
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(trace.steps, [step(100_000, Kind::Send, 0, 0, 64)]);
}

#[test]
fn the_hash_is_of_the_bytes() {
    let one = lines("0,a,inbox,,50\n").unwrap();
    let same = lines("0,a,inbox,,50\n").unwrap();
    let other = lines("0,a,inbox,,\n").unwrap();
    assert_eq!(one, same);
    assert_eq!(one.steps, other.steps);
    assert_ne!(one.hash, other.hash);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let offset =
        "an offset is the seconds from the beginning, 0 to 31622400, with up to 9 decimals";
    let operations = "there are send, read, read-latest, inbox, join, create-room";
    let cases: &[(&str, &str)] = &[
        ("x,a,send,r,9\n", "2: column offset: \"x\" is no number: "),
        (",a,send,r,9\n", "2: column offset: \"\" is empty: "),
        ("-1,a,send,r,9\n", "2: column offset: \"-1\" is negative: "),
        (
            "-0.5,a,send,r,9\n",
            "2: column offset: \"-0.5\" is negative: ",
        ),
        (
            "NaN,a,send,r,9\n",
            "2: column offset: \"NaN\" is no number: ",
        ),
        (
            "inf,a,send,r,9\n",
            "2: column offset: \"inf\" is no number: ",
        ),
        (
            "1e3,a,send,r,9\n",
            "2: column offset: \"1e3\" is no number: ",
        ),
        ("1.,a,send,r,9\n", "2: column offset: \"1.\" is no number: "),
        (".5,a,send,r,9\n", "2: column offset: \".5\" is no number: "),
        (
            "0.1234567891,a,send,r,9\n",
            "2: column offset: \"0.1234567891\" has more decimals: ",
        ),
        (
            "0.12345678901234567890123,a,send,r,9\n",
            "2: column offset: \"0.12345678901234567890123\" has more decimals: ",
        ),
        (
            "1772368205,a,send,r,9\n",
            "2: column offset: \"1772368205\" is too late: ",
        ),
        (
            "99999999999999999999999,a,send,r,9\n",
            "2: column offset: \"99999999999999999999999\" is too late: ",
        ),
        ("x,a,send,r,9\n", offset),
        (
            "0,a,send,r,40\n0,a,Snd,r,9\n",
            "3: column operation: \"Snd\" is no operation (did you mean \"send\"?): ",
        ),
        (
            "0,a,readlatest,r,9\n",
            "\"readlatest\" is no operation (did you mean \"read-latest\"?): ",
        ),
        ("0,a,whatever,r,9\n", operations),
        ("0,a,whatever,r,9\n", "\"whatever\" is no operation: "),
        ("0,a,,r,9\n", "\"\" is no operation: "),
        ("0,,send,r,9\n", "2: column user: it is empty"),
        ("0,a,send,,9\n", "2: column room: it is empty: a send has"),
        (
            "0,a,read-latest,,9\n",
            "column room: it is empty: a read-latest",
        ),
        ("0,a,join,,\n", "2: column room: it is empty: a join has"),
        (
            "0,a,send,r,61441\n",
            "2: column size: \"61441\" is no size: a send has bytes from 0 to 61440",
        ),
        ("0,a,send,r,-1\n", "column size: \"-1\" is no size"),
        ("0,a,send,r,1KiB\n", "column size: \"1KiB\" is no size"),
        ("0,a,read,r,0\n", "a page has messages from 1 to 1000, or"),
        ("0,a,inbox,,1001\n", "column size: \"1001\" is no size"),
        (
            "0,a,send,r\n",
            "2: it has 4 fields, and the head of the file has 5",
        ),
        ("", "1: there are no lines below the head of the file"),
        (
            "0,a,send,r,40\n0,a,send,r,12",
            "3: the last line has no line break at its end",
        ),
        ("0,a,send,\"r,40\n", "2: it has 4 fields"),
    ];
    for (text, expected) in cases {
        let error = lines(text).expect_err(text).to_string();
        assert!(error.contains("chat.csv:"), "{error}");
        let (_, place) = error.split_once("chat.csv:").unwrap();
        assert!(place.contains(expected), "{text:?}: {error}");
    }
    let whole: &[(&[u8], &str)] = &[
        (b"", "1: there is no column offset"),
        (
            b"offset,user,operation,size\n",
            "1: there is no column room",
        ),
        (
            b"offset,user,operation,room,size,user\n",
            "1: there are two columns user",
        ),
        (
            b"offset,user,operation,room,size\n0,a\xff,send,r,40\n",
            "2: column user: \"a\u{fffd}\" is not UTF-8 text",
        ),
        (
            b"offset,operation,size,room,user\n0,send,40,r,a\n1,send,40,r,\"b\n2,send,40,r,a\n",
            "3: a quote is left open up to the end of the file",
        ),
        (
            b"offset,user,operation,room,size\r\n0,a,send,r,40\r\n0,a,send,r,-\r\n",
            "3: column size: \"-\" is no size",
        ),
        (
            b"offset,user,operation,room,size\r\n0,\"a\r\n\",send,r,40\r\n\r\n0,a,send,r\r\n",
            "5: it has 4 fields",
        ),
        (
            b"offset,operation,size,room,user\r\n0,send,40,r,\"b\r\n",
            "2: a quote is left open up to the end of the file",
        ),
    ];
    for (text, expected) in whole {
        let error = read(text).expect_err(expected).to_string();
        assert!(error.contains(&format!("chat.csv:{expected}")), "{error}");
    }
    let long = format!("0,{},inbox,,\n", "a".repeat(1_025));
    let error = lines(&long).expect_err("a long name").to_string();
    assert!(
        error.contains("2: column user: it has 1025 bytes"),
        "{error}"
    );
    let gone = Trace::read(Path::new("/nowhere/chat.csv")).unwrap_err();
    assert!(
        gone.to_string()
            .starts_with("cannot read /nowhere/chat.csv: ")
    );
}

#[test]
fn a_quoted_name_with_a_line_break_at_its_end_is_whole() {
    for end in ["\n", "\r\n"] {
        let head = "offset,operation,size,room,user";
        let text = format!("{head}{end}0,inbox,,,\"bob{end}\"{end}");
        let trace = read(text.as_bytes()).unwrap();
        assert_eq!(trace.users, [format!("bob{end}")]);
    }
}

#[test]
fn threads_record_one_file_and_leave_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.csv");
    fs::write(&path, "an older one").unwrap();
    let users: Vec<String> = (0..7).map(|user| format!("user-{user}")).collect();
    let rooms: Vec<String> = (0..3).map(|room| format!("room-{room}")).collect();
    // Each thread pushes out of order, by as much as an operation may take.
    let steps: Vec<Step> = (0..50_000_u32)
        .map(|nth| {
            let late = u64::from(nth.wrapping_mul(2_654_435_761) >> 20);
            let due_us = u64::from(nth) * 10 + late;
            step(due_us, Kind::Send, nth % 7, nth % 3, 32 + nth % 100)
        })
        .collect();
    let summary = record(&path, &steps, 4, &users, &rooms).unwrap();
    assert_eq!(summary.steps, 50_000);
    assert_eq!(summary.bytes, fs::metadata(&path).unwrap().len());
    assert_eq!(entries(dir.path()), ["chat.csv"]);

    let trace = Trace::read(&path).unwrap();
    assert!(trace.steps.is_sorted_by_key(|step| step.due_ns));
    let named = |step: &Step, users: &[String], rooms: &[String]| {
        let user = users[step.user as usize].clone();
        let room = rooms[step.room as usize].clone();
        (step.due_ns, user, room, step.size)
    };
    let mut expected: Vec<_> = steps.iter().map(|it| named(it, &users, &rooms)).collect();
    let mut got: Vec<_> = trace
        .steps
        .iter()
        .map(|it| named(it, &trace.users, &trace.rooms))
        .collect();
    expected.sort();
    got.sort();
    assert!(got == expected, "the file has other operations");

    // Replayed by another number of threads, it is recorded as it was.
    let again = dir.path().join("again.csv");
    record(&again, &trace.steps, 3, &trace.users, &trace.rooms).unwrap();
    assert!(fs::read(&again).unwrap() == fs::read(&path).unwrap());
}

#[test]
fn lines_are_written_as_people_read_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.csv");
    let names = ["b, \"c\"", "a"].map(str::to_owned);
    let steps = [
        step(7, Kind::Join, 0, 1, 0),
        step(7, Kind::Send, 0, 1, 77),
        Step {
            due_ns: 7_999,
            latest: true,
            ..step(0, Kind::Read, 1, 0, 20)
        },
        step(2_500_000, Kind::Inbox, 1, NO_ROOM, 50),
        step(3_000_000_000, Kind::CreateRoom, 1, NO_ROOM, 0),
        step(0, Kind::Read, 1, 1, 50),
    ];
    record(&path, &steps, 2, &names, &names).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "offset,user,operation,room,size\n\
         0.000000,a,read,a,50\n\
         0.000007,a,read-latest,\"b, \"\"c\"\"\",20\n\
         0.000007,\"b, \"\"c\"\"\",join,a,\n\
         0.000007,\"b, \"\"c\"\"\",send,a,77\n\
         2.500000,a,inbox,,50\n\
         3000.000000,a,create-room,,\n"
    );
}

#[test]
fn what_cannot_be_recorded_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.csv");
    let nothing = record(&path, &[], 2, &[], &[]).unwrap_err();
    assert!(matches!(nothing, RecordError::Nothing { .. }), "{nothing}");

    let (recording, parts) = Recording::begin(&path, 2).unwrap();
    drop(recording);
    drop(parts);
    assert!(entries(dir.path()).is_empty());

    let nowhere = dir.path().join("nowhere").join("chat.csv");
    let error = Recording::begin(&nowhere, 1).unwrap_err().to_string();
    assert!(error.contains("nowhere/chat.csv"), "{error}");

    // A directory is in the way: found out at the end.
    fs::create_dir(&path).unwrap();
    let names = ["a".to_owned()];
    let steps = [step(0, Kind::Send, 0, 0, 32)];
    let error = record(&path, &steps, 1, &names, &names).unwrap_err();
    assert!(matches!(error, RecordError::Io { .. }), "{error}");
    assert_eq!(entries(dir.path()), ["chat.csv"]);
}

/// Any text that is a name, with more than its share of what CSV quotes.
fn names() -> impl Strategy<Value = Vec<String>> {
    let nasty = prop::sample::select(vec![
        "\"", ",", "\n", "\r", "\r\n", " ", "\u{feff}", "\0", "#", "é", "🦀", "send",
    ]);
    let pieces = prop_oneof![
        nasty.prop_map(str::to_owned),
        any::<char>().prop_map(String::from)
    ];
    let name = prop::collection::vec(pieces, 1..8).prop_map(|pieces| pieces.concat());
    let different = prop::collection::hash_set(name, 1..6);
    different.prop_map(|names| names.into_iter().collect())
}

fn steps(users: usize, rooms: usize) -> impl Strategy<Value = Vec<Step>> {
    let kinds = prop::sample::select(vec![
        Kind::Send,
        Kind::Read,
        Kind::Inbox,
        Kind::Join,
        Kind::CreateRoom,
    ]);
    let step = (
        0..30_000_u64,
        kinds,
        0..users,
        0..rooms,
        1..1_000_u32,
        any::<bool>(),
    );
    let step = step.prop_map(|(due_ns, kind, user, room, size, latest)| Step {
        due_ns,
        kind,
        user: u32::try_from(user).unwrap(),
        room: match kind {
            Kind::Inbox | Kind::CreateRoom => NO_ROOM,
            _ => u32::try_from(room).unwrap(),
        },
        size: match kind {
            Kind::Send => 31 + size,
            Kind::Read | Kind::Inbox => size,
            _ => 0,
        },
        latest: kind == Kind::Read && latest,
    });
    prop::collection::vec(step, 1..60)
}

/// A step, with names instead of places.
type Named = (u64, String, Kind, Option<String>, u32, bool);

fn named(steps: &[Step], users: &[String], rooms: &[String]) -> Vec<Named> {
    let named = |step: &Step| {
        let room = (step.room != NO_ROOM).then(|| rooms[step.room as usize].clone());
        let micros = step.due_ns / 1_000;
        let user = users[step.user as usize].clone();
        (micros, user, step.kind, room, step.size, step.latest)
    };
    let mut named: Vec<Named> = steps.iter().map(named).collect();
    named.sort();
    named
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_recorded_is_read_and_recorded_again_to_the_same_bytes(
        (users, rooms, steps) in (names(), names()).prop_flat_map(|(users, rooms)| {
            let steps = steps(users.len(), rooms.len());
            (Just(users), Just(rooms), steps)
        }),
        threads in 1..4_usize,
        other_threads in 1..4_usize,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chat.csv");
        record(&path, &steps, threads, &users, &rooms).unwrap();
        let trace = Trace::read(&path).unwrap();
        prop_assert_eq!(trace.raised, 0);
        prop_assert_eq!(
            named(&trace.steps, &trace.users, &trace.rooms),
            named(&steps, &users, &rooms)
        );
        let again = dir.path().join("again.csv");
        record(&again, &trace.steps, other_threads, &trace.users, &trace.rooms).unwrap();
        prop_assert_eq!(fs::read(&path).unwrap(), fs::read(&again).unwrap());
    }
}

/// A recording with so many lines, of 5000 users in 400 rooms.
fn large(path: &Path, lines: u64) {
    let mut text = String::from(HEAD);
    let mut random = 1_u64;
    for nth in 0..lines {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let user = (random >> 33) % 5_000;
        let room = (random >> 40) % 400;
        let micros = nth * 1_200;
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let done = match (random >> 50) % 10 {
            0 => format!("send,room-{room},128"),
            1..=6 => format!("read,room-{room},50"),
            _ => "inbox,,50".to_owned(),
        };
        writeln!(text, "{seconds}.{micros:06},user-{user},{done}").unwrap();
    }
    fs::write(path, text).unwrap();
}

#[test]
fn some_minutes_of_chat_are_read_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.csv");
    large(&path, 200_000);
    let trace = Trace::read(&path).unwrap();
    assert_eq!(trace.steps.len(), 200_000);
    assert_eq!((trace.users.len(), trace.rooms.len()), (5_000, 400));
    let again = dir.path().join("again.csv");
    record(&again, &trace.steps, 4, &trace.users, &trace.rooms).unwrap();
    assert!(fs::read(&again).unwrap() == fs::read(&path).unwrap());
}

/// `cargo test --release -p telegraft-loadgen --test traces -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, of an optimised build"]
fn an_hour_of_chat_is_read_in_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.csv");
    large(&path, 3_000_000);
    let start = Instant::now();
    let trace = Trace::read(&path).unwrap();
    let read = start.elapsed();
    let start = Instant::now();
    let memberships: usize = trace.memberships().iter().map(Vec::len).sum();
    let joined = start.elapsed();
    let start = Instant::now();
    record(
        &dir.path().join("again.csv"),
        &trace.steps,
        2,
        &trace.users,
        &trace.rooms,
    )
    .unwrap();
    let recorded = start.elapsed();
    println!(
        "3 million lines: read in {read:?}, {memberships} memberships in {joined:?}, recorded in {recorded:?}"
    );
    assert!(read.as_secs() < 10, "{read:?}");
}
