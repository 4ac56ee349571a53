//! Files as they should not be.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::results::table::read;
use crate::results::{ClusterRow, IntervalRow};

const HEAD: &str = "schema_version,run_id,second,op,ok,failed,unknown,response_p50_us,\
    response_p99_us,response_max_us,failures,unfinished,retries,service_p50_us,service_p99_us,\
    queued\n";

const GOOD: &str = "1,a-t1,0,send,450,1,2,934,1401,28020,503:1,3,4,930,1400,5\n";

fn directory(file: &str, bytes: &[u8]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("there is room");
    fs::write(directory.path().join(file), bytes).expect("there is room");
    directory
}

/// The rows with their lines, and what is told of others; or why there are none.
type Found<T> = Result<(Vec<(u64, T)>, Vec<String>), String>;

/// What both ways of reading find, which is the same.
fn found<T: Scan + PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    owned: impl Fn(T::Ref<'_>) -> T,
) -> Found<T> {
    let directory = directory(T::FILE, bytes);
    let (mut rows, mut borrowed) = (Vec::new(), Vec::new());
    let slow = for_each::<T>(directory.path(), |line, row| rows.push((line, row)));
    let fast = for_each_ref::<T>(directory.path(), |line, row| {
        borrowed.push((line, owned(row)));
    });
    assert_eq!(rows, borrowed);
    let told = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect();
    let slow = slow.map(told).map_err(|error| error.to_string());
    assert_eq!(slow, fast.map(told).map_err(|error| error.to_string()));
    slow.map(|problems| (rows, problems))
}

fn interval(row: crate::results::IntervalRef<'_>) -> IntervalRow {
    IntervalRow {
        schema_version: SCHEMA_VERSION,
        run_id: row.run_id.to_owned(),
        second: row.second,
        op: row.op.to_owned(),
        ok: row.ok,
        failed: row.failed,
        unknown: row.unknown,
        response_p50_us: row.response_p50_us,
        response_p99_us: row.response_p99_us,
        response_max_us: row.response_max_us,
        failures: row.failures.to_owned(),
        unfinished: row.unfinished,
        retries: row.retries,
        service_p50_us: row.service_p50_us,
        service_p99_us: row.service_p99_us,
        queued: row.queued,
    }
}

fn intervals(text: &str) -> Found<IntervalRow> {
    found(text.as_bytes(), interval)
}

/// What is left out is told as [`read`] tells it, and the rest is as it reads it.
#[test]
fn every_row_is_read_as_by_the_reader_of_whole_files() {
    let bad = [
        "1,a-t1,0,send,450,1,2\n",
        "1,a-t1,0,send,450,1,2,934,1401,28020,503:1,3,4,930,1400,5,6\n",
        "1,a-t1,0,send,-450,1,2,934,1401,28020,503:1,3,4,930,1400,5\n",
        "1,a-t1,zero,send,450,1,2,934,1401,28020,503:1,3,4,930,1400,5\n",
        "1,a-t1,4294967296,send,450,1,2,934,1401,28020,503:1,3,4,930,1400,5\n",
        "1,../a,0,send,450,1,2,934,1401,28020,503:1,3,4,930,1400,5\n",
        "1,a-t1,0,,450,1,2,934,1401,28020,503:1,3,4,930,1400,5\n",
        "1,a-t1,0,send,450,1,2,934,1401,28020,503:1,3,4,930,1400,NaN\n",
        ",a-t1,0,send,450,1,2,934,1401,28020,503:1,3,4,930,1400,5\n",
    ];
    let fine = [
        "1,a-t1,1,send,450,1,2,,,,,3,4,,,\n",
        "1,\"a-t1\",2,send,+450,1,2,934,1401,28020,\"503:1, \"\"x\"\"\",3,4,930,1400,5\n",
        "1,a-t1,3,send,18446744073709551615,1,2,1,2,3,503:1 timeout:1,3,4,930,1400,5\n",
        "\n",
    ];
    let text = format!("{HEAD}{GOOD}{}{}1,a-t1,9", bad.concat(), fine.concat());
    let (rows, problems) = intervals(&text).expect("it has a head");
    let whole = directory(IntervalRow::FILE, text.as_bytes());
    let whole = read::<IntervalRow>(whole.path()).expect("it has a head");
    assert_eq!(rows, whole.rows);
    assert_eq!(rows.len(), 4);
    let expected: Vec<String> = whole.problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, expected);
    assert_eq!(problems.len(), bad.len() + 1);
}

#[test]
fn columns_may_be_more_or_in_another_order_and_older_files_lack_some() {
    let text = "ok,run_id,schema_version,note,second,op,failed,unknown,response_p50_us,\
        response_p99_us,response_max_us,failures\n\
        7,a-t1,1,\u{fc}ber,3,send,1,2,10,20,30,\n";
    let (rows, problems) = intervals(text).expect("it has all that it must have");
    assert_eq!(problems, Vec::<String>::new());
    let row = &rows[0].1;
    assert_eq!((row.ok, row.second, row.unfinished), (7, 3, 0));
    assert_eq!((row.response_max_us, row.queued), (Some(30), None));

    for (from, to, told) in [
        (
            "second",
            "minute",
            "intervals.csv:1: there is no column second",
        ),
        ("note", "ok", "intervals.csv:1: there are two columns ok"),
    ] {
        assert_eq!(intervals(&text.replacen(from, to, 1)), Err(told.to_owned()));
    }
}

#[test]
fn rows_of_a_later_version_are_left_out() {
    let text = format!("{HEAD}{GOOD}2{}{GOOD}", &GOOD[1..]);
    let (rows, problems) = intervals(&text).expect("it has a head");
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(
        problems,
        [
            "intervals.csv:3: this is format version 2, and this program knows versions up to 1: a \
          later telegraft wrote it"
        ]
    );
}

#[test]
fn problems_are_few_however_many_there_are() {
    let alike = "x\n".repeat(5_000);
    let (_, problems) = intervals(&format!("{HEAD}{alike}")).expect("it has a head");
    let told = "it has 1 fields, and the head of the file has 16";
    assert_eq!(
        problems,
        [
            format!("intervals.csv:2: {told}"),
            format!("intervals.csv:3: {told}"),
            format!("intervals.csv:4: {told}"),
            "intervals.csv: 4997 more lines like these".to_owned()
        ]
    );
    let others: String = (0..5_000)
        .map(|n| GOOD.replace("a-t1", &format!("/{n}")))
        .collect();
    let (_, problems) = intervals(&format!("{HEAD}{others}")).expect("it has a head");
    assert_eq!(problems.len(), MAX_PROBLEMS + 1);
    assert_eq!(
        problems[MAX_PROBLEMS],
        "intervals.csv: 4980 more lines like these"
    );
}

#[test]
fn bytes_that_are_no_text_cost_their_line() {
    let mut bytes = HEAD.replace('\n', "\r\n").into_bytes();
    bytes.extend(GOOD.replace('\n', "\r\n").bytes());
    bytes.extend(b"1,a-t1,0,s\xffnd,450,1,2,934,1401,28020,503:1,3,4,930,1400,5\r\n");
    bytes.extend(b"1,a-t1,0,send,450,1,2,934,1401,28020,\0,3,4,930,1400,5\r\n");
    bytes.extend(vec![b'1'; 3 * MAX_LINE_BYTES]);
    bytes.extend(b"\r\n\"\r\n");
    bytes.extend(GOOD.bytes());
    let (rows, problems) = found(&bytes, interval).expect("it has a head");
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [2, 7]);
    assert_eq!(
        problems,
        [
            "intervals.csv:3: it is not UTF-8 text",
            "intervals.csv:4: it has a NUL byte or another control character",
            "intervals.csv:5: it is longer than 64 KiB",
            "intervals.csv:6: a quotation mark in it is not closed",
        ]
    );
}

#[test]
fn files_without_a_head_and_what_is_no_file() {
    for (text, told) in [
        ("", "it is empty"),
        ("schema_version,run_id", "its head is half-written"),
        ("\n", "there is no column schema_version"),
    ] {
        assert_eq!(intervals(text), Err(format!("intervals.csv:1: {told}")));
    }
    let directory = tempfile::tempdir().expect("there is room");
    let told = |directory: &Path| {
        for_each::<IntervalRow>(directory, |_, _| {})
            .expect_err("there is no such file")
            .to_string()
    };
    assert_eq!(
        told(directory.path()),
        "intervals.csv: there is no such file"
    );
    fs::create_dir(directory.path().join("intervals.csv")).expect("there is room");
    assert_eq!(
        told(directory.path()),
        "intervals.csv: it is no regular file"
    );
}

fn mutations() -> impl Strategy<Value = Vec<(usize, u8)>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"\",\n\r0-9.".to_vec())];
    vec((any::<usize>(), byte), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Both ways of reading agree (which `found` asserts), and none panics.
    #[test]
    fn any_bytes_can_be_read(changes in mutations(), cut in any::<usize>()) {
        let cluster = "schema_version,run_id,second,replica,role,term,commit_index,applied_index,\
            last_index,lag_entries,cpu_cores,anon_bytes,log_bytes_per_s,fdatasyncs_per_s,\
            queue_p50_us,queue_p99_us,log_write_p50_us,log_write_p99_us,commit_p50_us,\
            commit_p99_us,apply_p50_us,apply_p99_us\n\
            1,a-t1,0,1,leader,2,10,9,11,0,0.5,1000,12.5,3.5,1,2,3,4,5,6,7,8\n\
            1,a-t1,0,2,unreachable,,,,,,,,,,,,,,,,,\n";
        for text in [format!("{HEAD}{}", GOOD.repeat(4)), cluster.repeat(2)] {
            let mut bytes = text.into_bytes();
            for (at, byte) in &changes {
                let at = at % bytes.len();
                bytes[at] = *byte;
            }
            bytes.truncate(cut % (2 * bytes.len()));
            let _ = found::<IntervalRow>(&bytes, interval);
            let directory = directory(ClusterRow::FILE, &bytes);
            let (mut slow, mut fast) = (Vec::new(), Vec::new());
            let one = for_each::<ClusterRow>(directory.path(), |line, row| {
                slow.push((line, format!("{:?}", row.borrowed())));
            });
            let other = for_each_ref::<ClusterRow>(directory.path(), |line, row| {
                fast.push((line, format!("{row:?}")));
            });
            prop_assert_eq!(slow, fast);
            prop_assert_eq!(one.is_ok(), other.is_ok());
        }
    }
}
