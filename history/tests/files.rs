//! Files as they are found: torn, out of order, hostile, and large.

#![allow(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use telegraft_history::{
    CheckOptions, Completion, Consistency, History, HistoryError, MAX_LINE_BYTES, Op, Verdict,
    check, check_bytes, check_file, timeline_svg,
};

fn checked(lines: &[u8]) -> Result<Verdict, HistoryError> {
    check_bytes(lines, &CheckOptions::default())
}

/// The line and the reason of an error.
fn malformed(lines: &[u8]) -> (usize, String) {
    match checked(lines) {
        Err(HistoryError::Malformed { line, why, .. }) => (line, why),
        other => panic!("{other:?}"),
    }
}

fn send(id: &str) -> Op {
    Op::Send {
        room: 1,
        id: id.to_owned(),
    }
}

fn sent(seq: u64, log_index: u64) -> Completion {
    Completion::Sent {
        seq,
        log_index,
        term: 1,
    }
}

fn read(consistency: Consistency) -> Op {
    Op::Read {
        room: 1,
        after: 0,
        limit: 100,
        consistency,
        replica: 1,
        min_index: 0,
    }
}

fn page(ids: &[&str], applied_index: u64) -> Completion {
    Completion::Read {
        values: (1..).zip(ids.iter().map(|id| (*id).to_owned())).collect(),
        applied_index,
    }
}

#[test]
fn a_torn_last_line_is_noted_and_what_was_open_is_unknown() {
    let mut history = History::new();
    history.invoke(1, 1, &send("a"));
    let one = history.as_bytes().len();
    history.complete(2, 1, &send("a"), &sent(1, 5));
    let whole = history.as_bytes();
    for cut in one + 1..whole.len() - 1 {
        let verdict = checked(&whole[..cut]).unwrap();
        assert_eq!(verdict.lines, 1, "cut at {cut}");
        assert_eq!(verdict.unknown_sends, 1);
        assert_eq!(verdict.notes.len(), 2);
        assert!(
            verdict.notes[0].contains("line, 2, is torn"),
            "{:?}",
            verdict.notes
        );
        assert!(verdict.notes[1].contains("nothing was checked"));
    }
    // Only its line end is gone: it is whole.
    let verdict = checked(&whole[..whole.len() - 1]).unwrap();
    assert_eq!((verdict.lines, verdict.acknowledged), (2, 1));
    assert!(verdict.notes.is_empty());
    let nothing = checked(b"").unwrap();
    assert!(nothing.is_consistent() && nothing.to_string().contains("nothing was checked"));
}

#[test]
fn what_contradicts_the_recording_is_an_error_with_its_line() {
    let invoke = |process: u64, id: &str, time: u64| {
        format!(
            "{{\"process\":{process},\"type\":\"invoke\",\"f\":\"send\",\"room\":1,\"value\":\"{id}\",\
             \"time_ns\":{time}}}\n"
        )
    };
    let line = |text: &str| format!("{{\"process\":1,{text},\"time_ns\":9}}\n");
    let info = line(r#""type":"info","f":"send""#);
    let ok = line(r#""type":"ok","f":"send","seq":1,"log_index":1"#);
    let cases = [
        (
            invoke(1, "a", 1) + &invoke(1, "b", 2),
            2,
            "another one open",
        ),
        (
            invoke(1, "a", 1) + &info + &invoke(1, "b", 10),
            3,
            "unknown outcome",
        ),
        (
            invoke(1, "a", 1) + &invoke(2, "a", 2),
            2,
            "sent before, in line 1",
        ),
        (ok.clone(), 1, "no operation open"),
        (invoke(1, "a", 1) + &ok + &ok, 3, "no operation open"),
        (invoke(1, "a", 10) + &ok, 2, "goes back in time"),
        (
            invoke(1, "a", 1) + &line(r#""type":"ok","f":"read","values":[],"applied_index":1"#),
            2,
            "a send is open",
        ),
        (
            invoke(1, "a", 1)
                + &line(r#""type":"ok","f":"send","value":"b","seq":1,"log_index":1"#),
            2,
            "another id",
        ),
        (
            invoke(1, "a", 1) + &line(r#""type":"ok","f":"send","room":2,"seq":1,"log_index":1"#),
            2,
            "another room",
        ),
        (
            invoke(1, "a", 1) + &line(r#""type":"ok","f":"send","seq":0,"log_index":1"#),
            2,
            "count from 1",
        ),
        (
            invoke(1, "a", 1)
                + &line(r#""type":"ok","f":"send","seq":1,"log_index":4611686018427387904"#),
            2,
            "2^62",
        ),
        (
            invoke(1, "a", 1) + &line(r#""type":"ok","f":"send","seq":1"#),
            2,
            "log_index",
        ),
        (
            line(r#""type":"invoke","f":"read","room":1,"limit":0,"consistency":"local""#),
            1,
            "at least 1",
        ),
        (
            line(r#""type":"invoke","f":"read","room":1,"limit":1,"consistency":"strong""#),
            1,
            "strong",
        ),
        (line(r#""type":"invoke","f":"delete""#), 1, "delete"),
        (
            line(r#""index":4,"type":"invoke","f":"send","room":1,"value":"a""#)
                + &line(r#""index":6,"type":"ok","f":"send","seq":1,"log_index":1"#),
            2,
            "lines are missing",
        ),
    ];
    for (lines, number, part) in cases {
        let (line, why) = malformed(lines.as_bytes());
        assert_eq!(line, number, "{lines}{why}");
        assert!(why.contains(part), "{lines}{why}");
    }
}

#[test]
fn hostile_lines_are_errors() {
    let deep = format!("{{\"x\":{}{}}}\n", "[".repeat(100_000), "]".repeat(100_000));
    let cases: [&[u8]; 8] = [
        b"\n",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b"{\"process\":1e99,\"type\":\"invoke\",\"f\":\"send\",\"room\":1,\"value\":\"a\",\"time_ns\":1}\n",
        b"{\"process\":99999999999999999999999,\"type\":\"fail\",\"f\":\"send\",\"time_ns\":1}\n",
        b"{\"process\":1,\"type\":\"invoke\",\"f\":\"send\",\"room\":1,\"value\":\"\xff\xfe\",\"time_ns\":1}\n",
        deep.as_bytes(),
    ];
    for lines in cases {
        assert_eq!(malformed(lines).0, 1);
    }
}

/// Bytes without a line end, as many as are asked for.
struct Endless<'a>(&'a Mutex<u64>);

impl std::io::Read for Endless<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        into.fill(b'x');
        *self.0.lock().unwrap() += into.len() as u64;
        Ok(into.len())
    }
}

#[test]
fn a_line_without_an_end_is_read_up_to_the_bound_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("long.jsonl");
    let asked = Mutex::new(0);
    let mut file = std::fs::File::create(&path).unwrap();
    let bytes = 3 * MAX_LINE_BYTES as u64;
    std::io::copy(&mut std::io::Read::take(Endless(&asked), bytes), &mut file).unwrap();
    let read = Mutex::new(0);
    let options = CheckOptions {
        progress: Some(&|bytes| *read.lock().unwrap() = bytes),
        ..CheckOptions::default()
    };
    match check_file(&path, &options) {
        Err(HistoryError::LineTooLong { line: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(*read.lock().unwrap(), 0, "nothing of it was taken");
}

#[test]
fn a_long_line_is_read() {
    let ids: Vec<String> = (0..200_000).map(|n| format!("message-{n}")).collect();
    let mut history = History::new();
    let mut time = 0;
    for (seq, id) in (1..).zip(&ids) {
        time += 2;
        history.invoke(time, 1, &send(id));
        history.complete(time + 1, 1, &send(id), &sent(seq, seq + 4));
    }
    let all = Op::Read {
        room: 1,
        after: 0,
        limit: 1_000_000,
        consistency: Consistency::Linearizable,
        replica: 1,
        min_index: 0,
    };
    history.invoke(time + 2, 2, &all);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    history.complete(time + 3, 2, &all, &page(&ids, 200_004));
    let verdict = check(&history);
    assert!(verdict.is_consistent(), "{verdict}");
    assert_eq!(verdict.values_read, 200_000);
}

#[test]
fn lines_may_come_out_of_the_order_of_their_times() {
    // Two recorders: the second one's lines come late.
    let mut history = History::new();
    history.invoke(10, 1, &send("a"));
    history.complete(20, 1, &send("a"), &sent(1, 5));
    history.invoke(5, 2, &read(Consistency::Linearizable));
    history.complete(8, 2, &read(Consistency::Linearizable), &page(&[], 4));
    assert!(check(&history).is_consistent());
    history.invoke(30, 3, &read(Consistency::Linearizable));
    history.complete(40, 3, &read(Consistency::Linearizable), &page(&[], 4));
    history.invoke(22, 4, &send("b"));
    history.complete(25, 4, &send("b"), &sent(2, 6));
    let verdict = check(&history);
    assert_eq!(verdict.violations.len(), 1, "{verdict}");
    assert_eq!(verdict.violations[0].rule, "lost");
    assert_eq!(verdict.violations[0].lines, [1, 2, 5, 6]);
    assert_eq!(verdict.span_ns, 35);
}

#[test]
fn equal_times_are_in_the_order_of_lines() {
    let mut history = History::new();
    history.invoke(7, 1, &send("a"));
    history.complete(7, 1, &send("a"), &sent(1, 5));
    history.invoke(7, 2, &read(Consistency::Lease));
    history.complete(7, 2, &read(Consistency::Lease), &page(&[], 4));
    assert!(!check(&history).is_consistent());
}

#[test]
fn figures_are_counted() {
    const MS: u64 = 1_000_000;
    let mut history = History::new();
    history.invoke(0, 1, &send("a"));
    history.complete(10 * MS, 1, &send("a"), &sent(1, 5));
    // Nobody sends until 100 ms: no outage. Then two fail, one's outcome is unknown.
    history.invoke(100 * MS, 1, &send("b"));
    history.complete(110 * MS, 1, &send("b"), &Completion::Fail);
    history.nemesis(111 * MS, "kill", Some(1), "the leader");
    history.invoke(120 * MS, 1, &send("c"));
    history.complete(130 * MS, 1, &send("c"), &Completion::Unknown);
    history.invoke(140 * MS, 2, &send("d"));
    history.complete(150 * MS, 2, &send("d"), &sent(3, 9));
    // Local reads: one is current, one misses the last two messages, known since 150 ms.
    history.invoke(200 * MS, 3, &read(Consistency::Local));
    history.complete(
        201 * MS,
        3,
        &read(Consistency::Local),
        &page(&["a", "c", "d"], 9),
    );
    history.nemesis(201 * MS, "start", Some(1), "");
    history.invoke(202 * MS, 3, &read(Consistency::Local));
    history.complete(203 * MS, 3, &read(Consistency::Local), &page(&["a"], 6));
    history.invoke(204 * MS, 4, &send("e"));
    history.digest(205 * MS, 1, 9, "d9");
    history.digest(205 * MS, 2, 9, "d9");
    // Held against its own: that is no comparison.
    history.digest(205 * MS, 1, 9, "d9");
    let verdict = check(&history);
    assert!(verdict.is_consistent(), "{verdict}");
    assert_eq!(verdict.longest_outage_ns, 50 * MS);
    assert_eq!((verdict.acknowledged, verdict.unknown_sends), (2, 2));
    assert_eq!((verdict.unknown_appeared, verdict.unknown_implied), (1, 0));
    // What ends a fault is none.
    assert_eq!(verdict.faults, [("kill".to_owned(), 1)].into());
    assert_eq!(verdict.digests_compared, 1);
    let staleness = &verdict.staleness;
    assert_eq!(staleness.reads, 2);
    assert_eq!((staleness.messages.p50, staleness.messages.max), (0, 2));
    assert_eq!(staleness.log_entries.max, 3);
    assert_eq!(staleness.milliseconds.max, 52);
    let counts: Vec<(u64, u64, u64)> = verdict
        .operations
        .iter()
        .map(|all| (all.ok, all.failed, all.unknown))
        .collect();
    assert_eq!(counts, [(2, 1, 2), (2, 0, 0)]);
    let json = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
}

#[test]
fn violations_are_counted_beyond_those_explained() {
    let mut history = History::new();
    for n in 0..50 {
        history.invoke(n, n, &read(Consistency::Local));
        history.complete(
            n,
            n,
            &read(Consistency::Local),
            &page(&[&format!("x{n}")], 5),
        );
    }
    let options = CheckOptions {
        max_explained: 3,
        ..CheckOptions::default()
    };
    let verdict = check_bytes(history.as_bytes(), &options).unwrap();
    assert_eq!(verdict.violations.len(), 3);
    assert_eq!(verdict.violated.get("phantom"), Some(&50));
    assert_eq!(verdict.violations[0].lines, [1, 2]);
    assert!(verdict.to_string().contains("The first 3 of 50 violations"));
}

#[test]
fn a_timeline_is_a_whole_picture_whatever_the_texts_hold() {
    let mut history = History::new();
    let id = "<script>\"&'\u{1}\u{ffff}é";
    history.invoke(1_000_000, 1, &send(id));
    history.complete(2_000_000, 1, &send(id), &sent(1, 5));
    history.nemesis(2_500_000, "kill", Some(2), "the <leader>");
    history.invoke(3_000_000, 2, &read(Consistency::Linearizable));
    history.complete(
        4_000_000,
        2,
        &read(Consistency::Linearizable),
        &page(&[], 4),
    );
    let verdict = check(&history);
    let svg = timeline_svg(&verdict.violations[0]);
    let document = roxmltree::Document::parse(&svg).unwrap();
    let class = |name: &str| {
        let named = |node: &roxmltree::Node<'_, '_>| node.attribute("class") == Some(name);
        document.descendants().filter(named).count()
    };
    assert_eq!((class("ok"), class("fault"), class("faults")), (2, 1, 1));
    let text: String = document
        .descendants()
        .filter_map(|node| node.text())
        .collect();
    assert!(text.contains("<script>"), "{text}");
    assert!(text.contains("prefers-color-scheme: dark"));
    assert!(
        document
            .descendants()
            .all(|node| !node.has_tag_name("script"))
    );
}

#[test]
fn a_check_is_stopped() {
    let mut history = History::new();
    history.invoke(1, 1, &send("a"));
    let stop = AtomicBool::new(true);
    let options = CheckOptions {
        stop: Some(&stop),
        ..CheckOptions::default()
    };
    let stopped = check_bytes(history.as_bytes(), &options);
    assert!(
        matches!(stopped, Err(HistoryError::Interrupted)),
        "{stopped:?}"
    );
    let missing = check_file("no/such/file.jsonl".as_ref(), &CheckOptions::default());
    assert!(
        matches!(missing, Err(HistoryError::Read { .. })),
        "{missing:?}"
    );
}

/// A check that looks through all messages for each read would take minutes.
#[test]
fn two_hundred_thousand_operations_take_seconds() {
    let mut history = History::new();
    let count = 100_000;
    for n in 1..=count {
        let op = send(&format!("m{n}"));
        let time = n * 10;
        history.invoke(time, 1, &op);
        history.complete(time + 1, 1, &op, &sent(n, n));
        let last = Op::Read {
            room: 1,
            after: n - 1,
            limit: 100,
            consistency: Consistency::ALL[n as usize % 3],
            replica: 1,
            min_index: 0,
        };
        history.invoke(time + 2, 2, &last);
        let page = Completion::Read {
            values: vec![(n, format!("m{n}"))],
            applied_index: n,
        };
        history.complete(time + 3, 2, &last, &page);
    }
    let began = Instant::now();
    let verdict = check(&history);
    assert!(verdict.is_consistent(), "{verdict}");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}
