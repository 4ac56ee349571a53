//! Results of several suites where one belongs.

use std::fs;

use super::*;

#[test]
fn rows_of_two_suites_in_one_file_are_told_and_reported() {
    let copy = copy("well");
    edit(&copy.path().join("runs.csv"), |text| {
        let (first, last) = text.rsplit_once(",default,").unwrap();
        format!("{first},another,{last}")
    });
    let lines = fs::read_to_string(copy.path().join("runs.csv")).unwrap();
    let last = lines.lines().count();
    let report = report(copy.path());
    assert_eq!(
        missing(&report),
        [format!(
            "runs.csv:{last}: its suite is \"another\", and that of the first run \"default\": \
             results of several are mixed here"
        )]
    );
    assert!(report.terminal.contains("telegraft ×3"));
}

#[test]
fn rows_of_two_configurations_under_one_id_are_told() {
    let copy = copy("well");
    edit(&copy.path().join("runs.csv"), |text| {
        let lines: Vec<&str> = text.lines().collect();
        let all = lines[3].replacen("telegraft-1-write-heavy,default", "other,default", 1);
        assert_ne!(all, lines[3]);
        let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
        lines[3] = all;
        lines.join("\n") + "\n"
    });
    let lost = "its row \"all\" is missing";
    assert_eq!(
        missing(&report(copy.path())),
        [
            format!("telegraft-1-write-heavy-t1: incomplete: {lost}"),
            "runs.csv:4: telegraft-1-write-heavy-t1 has rows of another configuration already: \
             these count"
                .to_owned(),
            format!("runs.csv: telegraft-1-write-heavy-t1: {lost}: it does not count"),
        ]
    );
}

#[test]
fn a_directory_in_a_result_directory_is_told() {
    let copy = copy("well");
    let inside = copy.path().join("older");
    copy_into("open", &inside);
    let report = report(copy.path());
    assert_eq!(
        missing(&report),
        [format!(
            "{}: results in a result directory: left out, give their directory by itself",
            inside.display()
        )]
    );
    assert!(!report.terminal.contains("send-at-rate"));
}

#[test]
fn of_a_directory_of_directories_those_without_runs_are_told() {
    let root = tempfile::tempdir().unwrap();
    copy_into("well", &root.path().join("a"));
    copy_into("open", &root.path().join("b"));
    let begun = root.path().join("c");
    fs::create_dir(&begun).unwrap();
    fs::write(root.path().join("notes.txt"), "nothing").unwrap();
    let first = report(root.path());
    let line = format!("{}: there is no runs.csv in it: left out", begun.display());
    assert!(missing(&first).contains(&line), "{:?}", missing(&first));
    // What that report has left there, and one over some of them, are no results.
    let both = [root.path().join("a"), root.path().join("b")];
    telegraft_analysis::report::write_all(&both, &root.path().join("both")).unwrap();
    let report = report(root.path());
    assert!(root.path().join("tables").is_dir() && root.path().join("both/report.md").is_file());
    assert_eq!(missing(&report), missing(&first));
    assert!(report.terminal.contains("write-heavy") && report.terminal.contains("send-at-rate"));
}
