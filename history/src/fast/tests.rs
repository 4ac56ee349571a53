//! The plain reader agrees with the one that reads anything.

use super::plain_line;
use crate::entry::{Entry, Value, any_line};
use crate::memory::History;
use crate::op::{Completion, Consistency, Op};

fn plain(line: &str) -> Option<(Entry, Vec<Value>)> {
    let mut pool = Vec::new();
    let (entry, length) = plain_line(format!("{line}\n").as_bytes(), &mut pool)?;
    assert_eq!(length, line.len() + 1, "{line}");
    Some((entry, pool))
}

fn any(line: &str) -> Result<(Entry, Vec<Value>), String> {
    let mut pool = Vec::new();
    any_line(line.as_bytes(), &mut pool).map(|entry| (entry, pool))
}

/// All kinds of lines that processes write.
fn written() -> History {
    let mut history = History::new();
    let send = |id: &str| Op::Send {
        room: 3,
        id: id.to_owned(),
    };
    history.invoke(0, 1, &send("a-1"));
    let sent = Completion::Sent {
        seq: 41,
        log_index: 900,
        term: 2,
    };
    history.complete(5, 1, &send("a-1"), &sent);
    history.invoke(6, 1, &send(""));
    history.complete(7, 1, &send(""), &Completion::Fail);
    history.invoke(8, 1, &send("z"));
    history.complete(9, 1, &send("z"), &Completion::Unknown);
    for consistency in Consistency::ALL {
        for min_index in [0, 17] {
            let read = Op::Read {
                room: 3,
                after: 40,
                limit: 100,
                consistency,
                replica: 2,
                min_index,
            };
            let inbox = Op::Inbox {
                user: 7,
                after: 1 << 61,
                limit: u32::MAX,
                consistency,
                replica: 0,
            };
            for ids in [vec![], vec!["x"], vec!["x", "y", "z"]] {
                let values = (41..).zip(ids.iter().map(|id| (*id).to_owned())).collect();
                history.invoke(10, 2, &read);
                let page = Completion::Read {
                    values,
                    applied_index: 907,
                };
                history.complete(11, 2, &read, &page);
                history.invoke(12, 2, &inbox);
                let values = ids.iter().map(|id| (3, 41, (*id).to_owned())).collect();
                let page = Completion::Inbox {
                    values,
                    applied_index: 907,
                    cursor: 905,
                };
                history.complete(13, 2, &inbox, &page);
            }
        }
    }
    history
}

#[test]
fn what_the_writer_writes_for_processes_is_plain() {
    let history = written();
    for line in std::str::from_utf8(history.as_bytes()).unwrap().lines() {
        let read = plain(line).unwrap_or_else(|| panic!("{line} is not plain"));
        assert_eq!(Ok(read), any(line), "{line}");
    }
}

#[test]
fn a_line_that_is_read_plainly_says_the_same_to_the_other_reader() {
    let history = written();
    let lines: Vec<&str> = std::str::from_utf8(history.as_bytes())
        .unwrap()
        .lines()
        .collect();
    // Every byte of every line left out, doubled, or replaced: what is still plain must agree.
    let mut agreed = 0;
    for line in &lines[..12] {
        for at in 0..line.len() {
            for other in [
                "", "0", "9", "\"", "\\", " ", ",", "[", "]", "{", "}", ":", "-", "é", "e",
            ] {
                let mutant = format!("{}{other}{}", &line[..at], &line[at + 1..]);
                let twice = format!("{}{other}{}", &line[..at], &line[at..]);
                for mutant in [mutant, twice] {
                    if let Some(read) = plain(&mutant) {
                        agreed += 1;
                        assert_eq!(Ok(read), any(&mutant), "{mutant}");
                    }
                }
            }
        }
    }
    assert!(agreed > 1000, "only {agreed} mutants were plain");
}

#[test]
fn odd_lines_are_left_to_the_other_reader() {
    let odd = [
        // Spaces, escapes, letters beyond ASCII.
        r#"{"index": 0,"process":1,"type":"invoke","f":"send","room":1,"value":"a","time_ns":1}"#,
        r#"{"process":1,"type":"invoke","f":"send","room":1,"value":"\u0061","time_ns":1}"#,
        r#"{"process":1,"type":"invoke","f":"send","room":1,"value":"ä","time_ns":1}"#,
        // Cursors as texts, fields that are not known, the largest numbers.
        r#"{"process":1,"type":"invoke","f":"inbox","user":1,"after":"12","limit":1,"consistency":"lease","time_ns":1}"#,
        r#"{"process":1,"type":"fail","f":"send","error":["x",{"y":null}],"time_ns":1}"#,
        r#"{"process":18446744073709551615,"type":"fail","f":"send","time_ns":1}"#,
        r#"{"process":1,"type":"fail","f":"read","values":[[1,"a"]],"time_ns":1}"#,
        r#"{"process":"nemesis","type":"info","f":"kill","replica":2,"time_ns":1}"#,
    ];
    for line in odd {
        assert_eq!(plain(line), None, "{line}");
        assert!(any(line).is_ok(), "{line}: {:?}", any(line));
    }
    let escaped = any(odd[1]).unwrap();
    let a = r#"{"process":1,"type":"invoke","f":"send","room":1,"value":"a","time_ns":1}"#;
    assert_eq!(plain(a), Some(escaped));
}
