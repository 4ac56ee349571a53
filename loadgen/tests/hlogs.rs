//! Histogram logs of other tools.

#![allow(
    clippy::unwrap_used,
    reason = "tests may stop at the first surprise, their helpers too"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer, V2Serializer};
use telegraft_loadgen::results::Hlog;

/// When the logs of `hlogs/make.py` begin to count, in milliseconds since the epoch.
const EPOCH_MS: u64 = 1_441_812_279_474;

fn read(text: impl AsRef<[u8]>) -> Hlog {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("other.hlog");
    fs::write(&path, text).unwrap();
    Hlog::read(&path).unwrap()
}

/// One value, encoded as logs have it.
fn encoded(value: u64) -> String {
    let mut histogram = Histogram::<u64>::new(3).unwrap();
    histogram.record(value).unwrap();
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    serializer.serialize(&histogram, &mut bytes).unwrap();
    STANDARD.encode(bytes)
}

/// The intervals' starts, in milliseconds from the file's.
fn starts(log: &Hlog) -> Vec<u128> {
    let intervals = log.intervals.iter();
    intervals.map(|one| one.start.as_millis()).collect()
}

/// Without the directory, which is another one each time.
fn problems(log: &Hlog) -> Vec<String> {
    log.problems.iter().map(told).collect()
}

/// From the file's name on.
fn told(what: impl ToString) -> String {
    let text = what.to_string();
    let at = text.find("other.hlog").unwrap();
    assert!(
        text[..at].ends_with('/'),
        "it is told as it was given: {text}"
    );
    text[at..].to_owned()
}

#[test]
fn logs_of_another_implementation_are_read() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hlogs");
    for (file, started_ms, first_ms) in [
        ("absolute.hlog", EPOCH_MS + 127, 0),
        ("base-time.hlog", EPOCH_MS + 100, 27),
    ] {
        let text = fs::read_to_string(place.join(file)).unwrap();
        let windows = text.replace('\n', "\r\n");
        for text in [text, windows] {
            let log = read(text);
            assert_eq!(problems(&log), [""; 0], "{file}");
            assert_eq!(log.start, Some(Duration::from_millis(started_ms)), "{file}");
            assert_eq!(starts(&log), [first_ms, first_ms + 1007], "{file}");
            let lengths = log.intervals.iter().map(|one| one.length.as_millis());
            assert_eq!(lengths.collect::<Vec<_>>(), [1007, 1000], "{file}");
            assert!(log.intervals.iter().all(|one| one.tag.is_empty()));

            let [first, second] = &log.intervals[..] else {
                panic!("{file}: there are two");
            };
            assert_eq!(first.histogram.len(), 10_000);
            for value in 1..=1000 {
                assert_eq!(first.histogram.count_at(value), 10, "{file}: {value}");
            }
            assert_eq!(second.histogram.len(), 20);
            assert_eq!(second.histogram.count_at(5), 10);
            assert_eq!(second.histogram.count_at(1_000_000), 10);
            assert_eq!(log.merged("").unwrap().len(), 10_020);
        }
    }
}

#[test]
fn timestamps_count_from_what_the_file_says() {
    let at = encoded(77);
    // (head, timestamps, the file's start and the intervals' in milliseconds)
    for (case, head, timestamps, start, expected) in [
        (
            "more than a year before the start: from the start",
            "#[StartTime: 1441812279.474 (seconds since epoch), Wed Sep 09 08:24:39 PDT 2015]\n",
            ["0.127", "1.134"],
            Some(EPOCH_MS),
            [127, 1134],
        ),
        (
            "the same to the day: from the epoch, and before the file",
            "#[StartTime: 31536000.5 (seconds since epoch)]\n",
            ["0.5", "31536001.000"],
            Some(31_536_000_500),
            [0, 500],
        ),
        (
            "a little more than a year",
            "#[StartTime: 31536000.501 (seconds since epoch)]\n",
            ["0.5", "1.0"],
            Some(31_536_000_501),
            [500, 1000],
        ),
        (
            "absolute",
            "#[StartTime: 1441812279.474 (seconds since epoch)]\n",
            ["1441812279.601", "1441812280.608"],
            Some(EPOCH_MS),
            [127, 1134],
        ),
        (
            "by an exponent",
            "#[StartTime: 1.441812279474E9]\n",
            ["1.441812279601E9", "1.441812280608E9"],
            Some(EPOCH_MS),
            [127, 1134],
        ),
        (
            "from another base",
            "#[BaseTime: 1441812270 (seconds since epoch)]\n#[StartTime: 1441812279.474 ]\n",
            ["9.601", "10.608"],
            Some(EPOCH_MS),
            [127, 1134],
        ),
        (
            "a base alone",
            "#[BaseTime: 1441812279.474 (seconds since epoch)]\n",
            ["0", "1"],
            Some(EPOCH_MS),
            [0, 1000],
        ),
        (
            "the base is the epoch, and only looks as if there were none",
            "#[StartTime: 1441812279.474 ]\n#[BaseTime: 0.0 ]\n",
            ["1.5", "1441812279.475"],
            Some(EPOCH_MS),
            [0, 1],
        ),
        ("nothing said", "", ["5.0", "6.25"], None, [0, 1250]),
        (
            "absolute, nothing said",
            "\n# nothing\n",
            ["1441812279.474", "1441812279.974"],
            Some(EPOCH_MS),
            [0, 500],
        ),
    ] {
        let [first, second] = timestamps;
        let log = read(format!(
            "{head}{first},1.0,0.077,{at}\nTag=x,{second},1.0,0.077,{at}\n"
        ));
        assert_eq!(problems(&log), [""; 0], "{case}");
        assert_eq!(log.start, start.map(Duration::from_millis), "{case}");
        assert_eq!(starts(&log), expected, "{case}");
        assert_eq!(log.intervals[1].tag, "x", "{case}");
    }
}

#[test]
fn what_is_said_twice_or_late_is_told() {
    let at = encoded(77);
    let log = read(format!(
        "#[StartTime: 1441812279.474 ]\n#[StartTime: 1441812279.474 ]\n#[StartTime: 7 ]\n\
         1,1,0,{at}\n#[BaseTime: 3 ]\n#[StartTime: soon ]\n2,1,0,{at}\n"
    ));
    assert_eq!(log.start, Some(Duration::from_millis(EPOCH_MS)));
    assert_eq!(starts(&log), [1000, 2000]);
    assert_eq!(
        problems(&log),
        [
            "other.hlog:3: a second StartTime: the first one counts",
            "other.hlog:5: a BaseTime behind an interval counts for none",
            "other.hlog:6: its StartTime \"soon\" is no number of seconds",
        ]
    );
    let log = read(format!("1,1,0,{at}\n1e10,1,0,{at}\n1e18,1,0,{at}\n"));
    assert_eq!(starts(&log), [0, 9_999_999_999_000]);
    let told = "other.hlog:3: its timestamp is centuries after the file's start";
    assert_eq!(problems(&log), [told]);
}

#[test]
fn versions_up_to_ours_are_read() {
    let log = |version: &str| {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("other.hlog");
        let text = format!("#[Histogram log format version {version}]\r\n");
        fs::write(&path, text).unwrap();
        Hlog::read(&path).map(|log| log.problems).map_err(told)
    };
    for version in ["1.0", "1.00", "1.01", "1.2", "1.3"] {
        assert_eq!(log(version), Ok(Vec::new()), "{version}");
    }
    for version in ["1.4", "2.0", "0.9", "1", "", "x.y"] {
        let told = log(version).unwrap_err();
        let start = format!("other.hlog:1: log format {version} is unknown");
        assert!(told.starts_with(&start), "{told}");
    }
}

#[test]
fn encodings_that_are_not_read_are_named() {
    let line = |bytes: &[u8]| {
        let log = read(format!("1.0,1.0,1.0,{}\n", STANDARD.encode(bytes)));
        assert!(log.intervals.is_empty());
        problems(&log).concat()
    };
    for (cookie, name) in [
        (0x1c84_9308_u32, "V0"),
        (0x1c84_9389, "V0"),
        (0x1c84_9301, "V1"),
        (0x1c84_9312, "V1"),
        (0x0c72_124e, "floating-point numbers"),
        (0x0c72_124f, "floating-point numbers"),
    ] {
        let bytes = [&cookie.to_be_bytes()[..], &[0; 40]].concat();
        assert_eq!(
            line(&bytes),
            format!(
                "other.hlog:1: the histogram is encoded as {name}: V2 of whole numbers is \
                 read alone"
            )
        );
    }
    for bytes in [&b""[..], b"\x1c\x84", &[0; 44]] {
        let told = line(bytes);
        assert!(told.contains("the histogram cannot be decoded: "), "{told}");
    }

    // V2 that nobody has compressed is read.
    let mut histogram = Histogram::<u64>::new(3).unwrap();
    histogram.record_n(77, 3).unwrap();
    let mut bytes = Vec::new();
    V2Serializer::new()
        .serialize(&histogram, &mut bytes)
        .unwrap();
    let log = read(format!("1.0,1.0,77,{}\n", STANDARD.encode(bytes)));
    assert_eq!(
        log.intervals[0].histogram,
        histogram,
        "{:?}",
        problems(&log)
    );
}

/// Its counts alone would take 48 MiB.
#[test]
fn a_histogram_of_absurd_bounds_is_told() {
    let line = |digits: u8, high: u64| {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, high, digits).unwrap();
        histogram.record(77).unwrap();
        let mut bytes = Vec::new();
        let mut serializer = V2DeflateSerializer::new();
        serializer.serialize(&histogram, &mut bytes).unwrap();
        format!("1.0,1.0,77,{}\n", STANDARD.encode(bytes))
    };
    let absurd = line(5, u64::MAX);
    assert!(absurd.len() < 120);
    let hour_in_nanoseconds = line(5, 3_600_000_000_000);
    let log = read(format!("{absurd}{hour_in_nanoseconds}"));
    let [problem] = &problems(&log)[..] else {
        panic!("{:?}", log.problems);
    };
    assert!(
        problem.starts_with("other.hlog:1: the histogram has room for 4")
            && problem.ends_with("MiB of counts, and 32 MiB are read at most"),
        "{problem}"
    );
    assert_eq!(log.intervals.len(), 1);
}

#[test]
fn whatever_stands_in_a_log_is_no_panic() {
    let at = encoded(77);
    let whole = format!("#[StartTime: 5.5 ]\n#[BaseTime: -1 ]\nTag=é,0.127,1.007,2.769,{at}\n");
    for cut in 0..whole.len() {
        let bytes = &whole.as_bytes()[..cut];
        read([bytes, b"\n"].concat());
        read([bytes, b"\xff\n"].concat());
    }
    for line in [
        "-1e19,1,1,x\n",
        "18446744073709551615,18446744073,1,x\n",
        ",,,\n",
        "Tag=,,,,\n",
    ] {
        assert_eq!(read(line).problems.len(), 1, "{line}");
    }
}
