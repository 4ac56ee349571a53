//! `telegraft compare`: what is printed and written, and how it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::harness::BINARY;

/// A committed result directory.
fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("analysis/tests/data")
        .join(name)
}

/// Exit code, what was printed, what was told.
fn compare(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output: Output = Command::new(BINARY)
        .arg("compare")
        .args(arguments)
        .output()
        .expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn two_directories_are_compared_as_text_as_json_and_in_a_file() {
    let dir = TempDir::new().expect("a directory");
    let (well, open) = (committed("well"), committed("open"));
    let (well, open) = (well.to_str().expect("text"), open.to_str().expect("text"));

    let (code, printed, told) = compare(&[well, well]);
    assert_eq!((code, told.as_str()), (Some(0), ""), "{printed}");
    assert!(printed.contains("on both sides"), "{printed}");
    assert!(printed.contains("within noise"), "{printed}");

    // Several directories on a side are joined with commas.
    let file = dir.path().join("comparison.md");
    let place = file.to_str().expect("text");
    let both = format!("{well},{open}");
    let (code, printed, told) = compare(&[&both, well, "--format", "json", "--out", place]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(told, format!("Comparison: {place}\n"));
    let json: serde_json::Value = serde_json::from_str(&printed).expect("it is JSON");
    assert_eq!(printed.lines().count(), 1);
    assert_eq!(json["a"], "well, open");
    assert_eq!(json["rows"][0]["metric"], "ok_per_s");
    assert!(!json["unpaired"].as_array().expect("a list").is_empty());
    let page = fs::read_to_string(&file).expect("a page");
    assert!(page.starts_with("# Comparison of two sides\n"), "{page}");

    for (arguments, expected) in [
        (vec![well, "--by", "replicas"], "telegraft ×1 → ×3"),
        (vec![well, "--halves"], "Both halves are the same"),
    ] {
        let (code, printed, told) = compare(&arguments);
        assert_eq!(code, Some(0), "{told}");
        assert!(printed.contains(expected), "{printed}");
    }
}

#[test]
fn what_cannot_be_compared_ends_with_a_reason() {
    let well = committed("well");
    let well = well.to_str().expect("text");
    for (arguments, code, reason) in [
        (vec![], 2, "DIR"),
        (vec![well], 2, "one side is given"),
        (vec![well, well, well], 2, "3 sides are given"),
        (vec![well, "--by", "colour"], 2, "colour"),
        (vec![well, "--by", "mailbox", "--halves"], 2, "--halves"),
        (vec![well, well, "--noise", "2"], 2, "no share"),
        (vec![well, "/nonexistent/results"], 1, "/nonexistent"),
        (vec![well, "--by", "durability"], 1, "nothing to compare"),
        (vec![well, well, "--out", "/nonexistent/x.md"], 1, "x.md"),
    ] {
        let (found, _, told) = compare(&arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {told}");
        assert!(told.contains(reason), "{arguments:?}: {told}");
    }
}
