//! `telegraft report`: where the report goes, and what is printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::harness::BINARY;

/// Copies a committed result directory, without its report.
fn copy(name: &str, to: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("analysis/tests/data");
    let (from, to) = (from.join(name), to.join(name));
    for sub in ["", "latency"] {
        fs::create_dir_all(to.join(sub)).expect("it can be made");
        for entry in fs::read_dir(from.join(sub)).expect("it is committed") {
            let path = entry.expect("it can be read").path();
            let file = path.file_name().expect("a file has a name");
            if path.is_file() && file != "report.md" {
                fs::copy(&path, to.join(sub).join(file)).expect("it can be copied");
            }
        }
    }
    to
}

fn report(directories: &[&Path], more: &[&str]) -> (Output, String) {
    let mut command = Command::new(BINARY);
    let output = command.arg("report").args(directories).args(more).output();
    let output = output.expect("the program runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    (output, told)
}

#[test]
fn one_report_is_written_over_several_directories_and_its_place_is_told() {
    let dir = TempDir::new().expect("a directory");
    let (well, open) = (copy("well", dir.path()), copy("open", dir.path()));

    let (output, told) = report(&[&well, &open], &[]);
    let first = well.join("report.md");
    assert_eq!(told, format!("Report: {}\n", first.display()));
    let text = fs::read_to_string(&first).expect("a report");
    assert!(
        text.contains("\n| well | ") && text.contains("\n| open | "),
        "{text}"
    );
    assert!(!open.join("report.md").exists());
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("Beside the original"), "{printed}");

    let out = dir.path().join("new/all");
    let place = out.to_str().expect("it is text");
    let (_, told) = report(&[&well, &open], &["--out", place]);
    assert_eq!(told, format!("Report: {place}/report.md\n"));
    let again = fs::read_to_string(out.join("report.md")).expect("a report");
    assert_eq!(again, text);

    let (output, told) = report(&[&open], &["--quiet"]);
    assert!(output.stdout.is_empty() && told.is_empty(), "{told}");
    assert!(open.join("report.md").is_file());
}

/// As from a directory that can only be read.
#[test]
fn a_report_that_cannot_be_written_is_printed() {
    let dir = TempDir::new().expect("a directory");
    let well = copy("well", dir.path());
    let file = well.join("runs.csv");
    let (code, printed, said) = told(&[&well, Path::new("--out"), &file]);
    assert_eq!(code, Some(1), "{said}");
    assert!(printed.contains("Response time (pooled)"), "{printed}");
    let place = well.display();
    let hint = format!("`telegraft report {place} --out DIR` writes it elsewhere");
    assert!(
        said.contains("cannot make") && said.contains(&hint),
        "{said}"
    );
}

/// Runs the command; exit code, stdout, stderr.
fn told(arguments: &[&Path]) -> (Option<i32>, String, String) {
    let output = Command::new(BINARY).arg("report").args(arguments).output();
    let output = output.expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn percentiles_are_exported_of_directories_and_of_logs() {
    let dir = TempDir::new().expect("a directory");
    let troubled = copy("troubled", dir.path());
    let export = [Path::new("--export"), Path::new("hdr-percentiles")];
    let (code, _, said) = told(&[&troubled, export[0], export[1]]);
    assert_eq!(code, Some(0), "{said}");
    let run = troubled.join("hdr-percentiles/runs/telegraft-3-write-heavy-t1.send.hgrm");
    let text = fs::read_to_string(run).expect("it is written");
    assert!(text.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"));
    // 28.031 ms is what runs.csv has as the longest.
    assert!(
        text.contains("#[Max     =       28.031, Total count    =         4500]"),
        "{text}"
    );
    let pooled = troubled.join("hdr-percentiles/pooled/write-heavy-telegraft-x1.send.hgrm");
    assert!(pooled.exists(), "{said}");
    assert!(!troubled.join("report.md").exists());

    let log = troubled.join("latency/telegraft-3-write-heavy-t1.total.hlog");
    let (code, _, said) = told(&[&log, export[0], export[1]]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("(read, send) need --out DIR"), "{said}");
    let out = dir.path().join("out");
    let (code, _, said) = told(&[&log, export[0], export[1], Path::new("--out"), &out]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(": send: 4500 values from ") && said.contains(" to 28031"),
        "{said}"
    );
    assert_eq!(fs::read_dir(&out).expect("it is made").count(), 2);
    // A log of the same name, which takes no file of the first.
    let other = dir
        .path()
        .join("other")
        .join(log.file_name().expect("it has one"));
    fs::create_dir(dir.path().join("other")).expect("it can be made");
    fs::copy(&log, &other).expect("it can be copied");
    let (code, _, said) = told(&[&log, &other, export[0], export[1], Path::new("--out"), &out]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read_dir(&out).expect("it is made").count(), 4);
    assert!(
        out.join("telegraft-3-write-heavy-t1.total.send-2.hgrm")
            .is_file()
    );

    // As a tool without tags writes it, to stdout.
    let lines = fs::read_to_string(&log).expect("it is committed");
    let lines: Vec<&str> = lines.lines().filter(|l| !l.contains("Tag=read")).collect();
    let untagged = lines.join("\n").replace("Tag=send,", "") + "\n";
    let one = dir.path().join("one.hlog");
    fs::write(&one, untagged).expect("it can be written");
    let (code, printed, said) = told(&[&one, export[0], export[1]]);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("#[Max     =    28031.000, Total count    =         4500]"));
    assert!(said.contains(": untagged: 4500 values"), "{said}");

    fs::write(&one, "nothing\n").expect("it can be written");
    let (code, _, said) = told(&[&one, export[0], export[1]]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("it holds no histogram"), "{said}");
}

#[test]
fn everything_is_exported_as_json() {
    let dir = TempDir::new().expect("a directory");
    let well = copy("well", dir.path());
    let (code, printed, said) = told(&[&well, Path::new("--export"), Path::new("json")]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let json: serde_json::Value = serde_json::from_str(&printed).expect("it is JSON");
    assert_eq!(json["schema_version"], 1);
    assert!(json["runs"].as_array().is_some_and(|runs| runs.len() > 10));
    let file = dir.path().join("all.json");
    let export = ["--export", "json", "--out"].map(Path::new);
    let (code, empty, _) = told(&[&well, export[0], export[1], export[2], &file]);
    assert_eq!((code, empty.as_str()), (Some(0), ""));
    assert_eq!(
        fs::read_to_string(&file).expect("it is written").trim(),
        printed.trim()
    );
}

#[test]
fn a_write_up_is_refreshed_or_left_as_it_was() {
    let dir = TempDir::new().expect("a directory");
    let well = copy("well", dir.path());
    let file = dir.path().join("write-up.md");
    let [write_up, check] = ["--write-up", "--check"].map(Path::new);
    let source = "# Ours\r\n<!-- telegraft:table no-such -->\r\n<!-- /telegraft -->";
    fs::write(&file, source).expect("it can be written");
    let (code, _, said) = told(&[&well, write_up, &file]);
    assert_eq!(code, Some(1));
    let place = format!("{}:2: there is no table `no-such`", file.display());
    assert!(said.contains(&place), "{said}");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), source);

    fs::write(&file, "# Ours\r\n").expect("it can be written");
    let (code, _, said) = told(&[&well, write_up, &file, check]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!well.join("report.md").exists());
    let (code, ..) = told(&[&well, check]);
    assert_eq!(code, Some(2), "--check alone makes no sense");
}
