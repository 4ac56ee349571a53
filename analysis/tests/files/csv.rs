//! The CSV files.

use std::fs;

use super::*;

const FILES: [&str; 6] = [
    "runs.csv",
    "intervals.csv",
    "cluster.csv",
    "stages.csv",
    "events.csv",
    "find-max.csv",
];

/// Those that directories may lack.
const LATER: [&str; 4] = ["cluster.csv", "stages.csv", "events.csv", "find-max.csv"];

/// Each file in turn is changed like this, and this is told of it; what the other files hold is
/// reported.
fn each_file(change: impl Fn(Vec<u8>) -> Vec<u8>, told: impl Fn(&str, usize) -> Vec<String>) {
    for file in FILES {
        let copy = copy("well");
        let path = copy.path().join(file);
        let bytes = fs::read(&path).unwrap();
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        fs::write(&path, change(bytes)).unwrap();
        let report = report(copy.path());
        let missing = missing(&report);
        for line in told(file, lines) {
            assert!(missing.contains(&line), "{line}: {missing:?}");
        }
        match missing.iter().any(|line| line.starts_with("runs.csv:1: ")) {
            true => assert!(report.terminal.contains("There is no run to report")),
            false => assert!(report.terminal.contains("telegraft ×3"), "{file}"),
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn nothing_is_told_of_a_whole_directory() {
    let whole = report(copy("well").path());
    assert_eq!(missing(&whole), Vec::<String>::new());
    // Nor of one that was made before these files were.
    let older = copy("well");
    for file in LATER {
        fs::remove_file(older.path().join(file)).unwrap();
    }
    assert_eq!(missing(&report(older.path())), Vec::<String>::new());
}

#[test]
fn a_missing_column_is_named() {
    each_file(
        |bytes| {
            text(bytes)
                .replacen("schema_version", "version", 1)
                .into_bytes()
        },
        |file, _| vec![format!("{file}:1: there is no column schema_version")],
    );
}

/// Of a later program of the same version, which may add columns; and of an editor.
#[test]
fn extra_columns_and_other_line_ends_change_nothing() {
    let expected = report(copy("well").path());
    let extra = |text: String| text.replace('\n', ",a note\n");
    let crlf = |text: String| text.replace('\n', "\r\n");
    for change in [extra as fn(String) -> String, crlf] {
        let copy = copy("well");
        for file in FILES {
            edit(&copy.path().join(file), change);
        }
        assert_eq!(report(copy.path()), expected);
    }
}

#[test]
fn rows_of_a_later_version_are_left_out_one_by_one() {
    each_file(
        |bytes| text(bytes).replacen("\n1,", "\n9,", 1).into_bytes(),
        |file, _| {
            vec![format!(
                "{file}:2: this is format version 9, and this program knows versions up to 1: a \
                 later telegraft wrote it"
            )]
        },
    );
}

#[test]
fn a_half_written_last_line_is_left_out() {
    each_file(
        |mut bytes| {
            bytes.extend(b"1,telegraft-3-wri");
            bytes
        },
        |file, lines| {
            vec![format!(
                "{file}:{}: the last line is half-written: its writer was interrupted",
                lines + 1
            )]
        },
    );
}

#[test]
fn lines_that_are_no_rows_cost_nothing_else() {
    each_file(
        |mut bytes| {
            bytes.extend(b"1,\xff\xfe\n1,\0\n");
            bytes.extend(vec![b'7'; 200_000]);
            bytes.extend(b"\n1,\"telegraft\n1,x\n");
            bytes
        },
        |file, lines| {
            let told = |line: usize, reason: &str| format!("{file}:{}: {reason}", lines + line);
            vec![
                told(1, "it is not UTF-8 text"),
                told(2, "it has a NUL byte or another control character"),
                told(3, "it is longer than 64 KiB"),
                told(4, "a quotation mark in it is not closed"),
            ]
        },
    );
}

#[test]
fn an_empty_file_is_told() {
    each_file(
        |_| Vec::new(),
        |file, _| vec![format!("{file}:1: it is empty")],
    );
}

#[test]
fn what_is_no_file_is_told() {
    for file in FILES.into_iter().chain(["suite.toml", "environment.json"]) {
        let copy = copy("well");
        fs::remove_file(copy.path().join(file)).unwrap();
        fs::create_dir(copy.path().join(file)).unwrap();
        let report = report(copy.path());
        let line = format!("{file}: it is no regular file");
        assert!(missing(&report).contains(&line), "{:?}", missing(&report));
    }
}

/// Reading from it would never end.
#[cfg(unix)]
#[test]
fn a_device_is_not_read() {
    for file in FILES.into_iter().chain(["suite.toml", "environment.json"]) {
        let copy = copy("well");
        fs::remove_file(copy.path().join(file)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", copy.path().join(file)).unwrap();
        let report = report(copy.path());
        assert!(missing(&report).contains(&format!("{file}: it is no regular file")));
    }
}

#[test]
fn runs_without_rows_are_told_once() {
    let copy = copy("well");
    for (file, row) in [
        ("intervals.csv", "1,lost-t1,0,send,1,0,0,,,,,0,0,,,\n"),
        ("cluster.csv", "1,lost-t2,0,1,leader,,,,,,,,,,,,,,,,,\n"),
        ("stages.csv", "1,lost-t3,1,queue,0,,,,\n"),
        ("events.csv", "1,lost-t4,1.5,kill,1,leader\n"),
    ] {
        edit(&copy.path().join(file), |text| text + row + row);
    }
    let lines = |file: &str| {
        let text = fs::read_to_string(copy.path().join(file)).unwrap();
        text.lines().count() - 1
    };
    let told = |run: &str, file: &str| {
        format!(
            "runs.csv: {run} was begun ({file}:{}) and has no whole row here: it is in no table",
            lines(file)
        )
    };
    assert_eq!(
        missing(&report(copy.path())),
        [
            told("lost-t1", "intervals.csv"),
            told("lost-t2", "cluster.csv"),
            told("lost-t3", "stages.csv"),
            told("lost-t4", "events.csv")
        ]
    );
}

#[test]
fn no_rows_and_no_operations() {
    let copy = copy("well");
    let runs = copy.path().join("runs.csv");
    let head = |text: String| text.lines().next().unwrap().to_owned() + "\n";
    edit(&runs, head);
    let none = report(copy.path());
    assert!(missing(&none).contains(&"runs.csv: there is no row in it".to_owned()));
    assert!(none.terminal.contains("There is no run to report"));

    // A run in which nothing was due.
    let row = "1,idle-t1,00,default,idle,telegraft,3,fsync,linearizable,lanes,leader,closed,1,1,1,\
               ,1,1,2026-03-01T12:30:06Z,0,0,all,0,0,0,0,0,0,0,,,,,,,,,,,0,0,,ok,valid,,,,,,\n";
    edit(&runs, |text| text + row);
    let idle = report(copy.path());
    assert!(idle.terminal.contains("idle"), "{}", idle.terminal);
    assert!(!idle.markdown.contains("NaN") && !idle.markdown.contains("inf"));
}

/// Numbers that no run can have, and one that it hardly can: sums of it stay within bounds.
#[test]
fn numbers_out_of_range() {
    for (from, to, reason) in [
        (
            ",10.0,send,",
            ",-1,send,",
            "duration_s -1 is no measurement",
        ),
        (
            ",10.0,send,",
            ",NaN,send,",
            "duration_s NaN is no measurement",
        ),
        (
            ",10.0,send,",
            ",1e400,send,",
            "duration_s inf is no measurement",
        ),
        (
            ",10.0,send,549",
            ",10.0,send,-549",
            "column attempts: invalid digit found in string",
        ),
        (
            ",10.0,send,549",
            ",10.0,send,99999999999999999999549",
            "column attempts: number too large to fit in target type",
        ),
    ] {
        let copy = copy("well");
        edit(&copy.path().join("runs.csv"), |text| {
            text.replacen(from, to, 1)
        });
        let report = report(copy.path());
        let line = format!("runs.csv:2: {reason}");
        assert!(
            missing(&report).contains(&line),
            "{line}: {:?}",
            missing(&report)
        );
        assert!(report.terminal.contains("telegraft ×3"));
    }
    let copy = copy("well");
    let most = format!(",{0},{0},{0},{0},", u64::MAX);
    edit(&copy.path().join("runs.csv"), |text| {
        text.replace(",0,0,0,", &most)
    });
    edit(&copy.path().join("intervals.csv"), |text| {
        text.replace(",0,0,", &most[..most.len() / 2])
    });
    assert!(report(copy.path()).terminal.contains("telegraft ×3"));
}

#[test]
fn names_that_lead_elsewhere_are_no_names() {
    let copy = copy("well");
    for file in ["runs.csv", "intervals.csv", "cluster.csv"] {
        edit(&copy.path().join(file), |text| {
            text.replacen("\n1,telegraft", "\n1,../../telegraft", 1)
        });
    }
    let missing = missing(&report(copy.path()));
    for file in ["runs.csv", "intervals.csv", "cluster.csv"] {
        let start = format!("{file}:2: run_id \"../../telegraft");
        assert!(
            missing.iter().any(|line| line.starts_with(&start)),
            "{missing:?}"
        );
    }
}

#[test]
fn rows_that_are_there_twice_count_once() {
    let expected = report(copy("well").path());
    let copy = copy("well");
    let mut told = Vec::new();
    for (file, what) in [
        (
            "runs.csv",
            "telegraft-1-write-heavy-t1 has a row for send already: the first one counts",
        ),
        (
            "intervals.csv",
            "there are rows of telegraft-1-write-heavy-t1 farther above already: those from here \
             on are left out",
        ),
        (
            "cluster.csv",
            "second 2 of replica 3 of telegraft-3-kill-leader-t3 is there already: the first one \
             counts",
        ),
    ] {
        let path = copy.path().join(file);
        edit(&path, |text| {
            let again = match file {
                "cluster.csv" => text.lines().last(),
                _ => text.lines().nth(1),
            };
            let again = again.unwrap().to_owned();
            text + &again + "\n"
        });
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        told.push(format!("{file}:{lines}: {what}"));
    }
    let report = report(copy.path());
    assert_eq!(missing(&report), told);
    let tables = |report: &Report| {
        let (_, results) = report.markdown.split_once("## Results").unwrap();
        let (results, _) = results.split_once("## Threats").unwrap();
        results.to_owned()
    };
    assert_eq!(tables(&report), tables(&expected));
}

#[test]
fn seconds_of_an_operation_that_the_run_has_not_are_told() {
    let copy = copy("well");
    edit(&copy.path().join("intervals.csv"), |text| {
        text.replacen(",read,", ",red,", 3)
            .replacen(",1,send,", ",0,send,", 1)
    });
    assert_eq!(
        missing(&report(copy.path())),
        [
            "intervals.csv:3: runs.csv has no row of red for telegraft-1-write-heavy-t1: left out",
            "intervals.csv:4: second 0 of send of telegraft-1-write-heavy-t1 is there already: \
             the first one counts",
        ]
    );
}

/// A run was cut off while its rows were written: what is left must not pass for a whole run.
#[test]
fn a_run_that_lacks_rows_does_not_count() {
    let cut = |dir: &Path, lost: &[&str]| {
        edit(&dir.join("runs.csv"), |text| {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.retain(|line| {
                let mut lost = lost.iter().map(|op| format!(",{op},"));
                !(line.contains(RUN) && lost.any(|op| line.contains(&op)))
            });
            lines.join("\n") + "\n"
        });
    };
    for (lost, wrong) in [
        (
            &["read", "all"][..],
            "its rows \"read\", \"all\" are missing",
        ),
        (&["all"][..], "its row \"all\" is missing"),
        (&["send"][..], "its row \"send\" is missing"),
    ] {
        let copy = copy("well");
        cut(copy.path(), lost);
        let report = report(copy.path());
        let told = format!("runs.csv: {RUN}: {wrong}: it does not count");
        assert!(missing(&report).contains(&told), "{:?}", missing(&report));
        let line = format!("- ⚠ {RUN}: incomplete: {wrong}\n");
        assert!(report.terminal.contains(&line), "{}", report.terminal);
        for op in ["send", "read", "all"] {
            let row = format!("| write-heavy | {op} | ⚠ telegraft ×3 |");
            let row = report.markdown.lines().find(|line| line.starts_with(&row));
            assert!(row.unwrap().contains("⚠ 2/3"), "{op}: {row:?}");
        }
        let side = [copy.path().to_owned()];
        let compared = telegraft_analysis::compare::sides(&side, &side, 0.0).unwrap();
        let text = compared.terminal();
        assert!(text.contains(&format!("incomplete: {wrong}")), "{text}");
    }

    // Alone, its histograms tell.
    let copy = copy("well");
    edit(&copy.path().join("runs.csv"), |text| {
        let lines = text.lines().enumerate();
        let kept =
            lines.filter(|(at, line)| *at == 0 || (line.contains(RUN) && line.contains(",send,")));
        kept.map(|(_, line)| format!("{line}\n")).collect()
    });
    let report = report(copy.path());
    let line = format!("- ⚠ {RUN}: incomplete: its row \"read\" is missing\n");
    assert!(report.terminal.contains(&line), "{}", report.terminal);
}
