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
