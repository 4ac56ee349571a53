//! What is wrong with a file is said, with its line and what would be right.
//!
//! In `refused/` stand files that are right, and beside each one a text with changes to it, one
//! after the other:
//!
//! ```text
//! - what stands in the file (\n is a new line)
//! + what stands there instead
//! 4: the error that comes of it, after its line
//! ```
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p telegraft-loadgen --test suites` writes the errors; read
//! the difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};

use telegraft_loadgen::suite::{self, Overrides, SuiteError};

use super::{but, written};

fn refused() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites/refused")
}

fn right(name: &str) -> String {
    fs::read_to_string(refused().join(format!("{name}.toml"))).unwrap()
}

/// Compares the errors of every change to `<name>.toml` with those in `<name>.txt`.
fn check(name: &str, error_of: impl Fn(&str) -> String) {
    let right = right(name);
    let path = refused().join(format!("{name}.txt"));
    let cases = fs::read_to_string(&path).unwrap();
    let unescaped = |text: &str| text.strip_prefix(' ').unwrap_or(text).replace("\\n", "\n");
    let (mut from, mut to) = (None, None);
    let mut now = String::new();
    let mut checked = 0;
    for line in cases.lines() {
        if let Some(text) = line.strip_prefix('-') {
            from = Some(unescaped(text));
        } else if let Some(text) = line.strip_prefix('+') {
            to = Some(unescaped(text));
        } else if let (Some(from), Some(to)) = (from.take(), to.take()) {
            let error = error_of(&but(&right, &from, &to));
            let place = format!("{name}.toml:");
            let at = error
                .find(&place)
                .unwrap_or_else(|| panic!("{from}, {to}: {error}"));
            now.push_str(&error[at + place.len()..]);
            now.push('\n');
            checked += 1;
            continue;
        }
        now.push_str(line);
        now.push('\n');
    }
    assert!(checked > 5, "{checked} cases");
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        fs::write(&path, &now).unwrap();
        return;
    }
    for (now, before) in now.lines().zip(cases.lines()) {
        assert_eq!(now, before);
    }
}

/// The error of a workload file with this name and text.
fn workload_error(name: &str, bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("{name}.toml"));
    fs::write(&path, bytes).unwrap();
    let found = suite::load_workload(path.to_str().unwrap(), &Overrides::default());
    let text = String::from_utf8_lossy(bytes);
    found.expect_err(&text).to_string()
}

#[test]
fn what_is_wrong_with_an_open_loop_is_said_with_its_line() {
    check("open", |text| workload_error("open", text.as_bytes()));
}

#[test]
fn what_is_wrong_with_a_closed_loop_is_said_with_its_line() {
    check("closed", |text| workload_error("closed", text.as_bytes()));
}

#[test]
fn what_is_wrong_with_a_trace_is_said_with_its_line() {
    check("trace", |text| workload_error("trace", text.as_bytes()));
}

/// The error of a suite file with this name and text, beside the workload `small`.
fn suite_error(name: &str, text: &str) -> String {
    let dir = written(text, &right("closed"));
    let path = dir.path().join(format!("{name}.toml"));
    fs::rename(dir.path().join("all.toml"), &path).unwrap();
    let error = suite::load(path.to_str().unwrap(), &Overrides::default());
    error.expect_err(text).to_string()
}

#[test]
fn what_is_wrong_with_a_suite_is_said_with_its_line() {
    check("suite", |text| suite_error("suite", text));
}

#[test]
fn what_is_wrong_with_the_parts_of_a_suite_is_said_with_its_line() {
    check("parts", |text| suite_error("parts", text));
}

#[test]
fn what_is_right_is_taken() {
    for name in ["open", "closed", "trace"] {
        let path = refused().join(format!("{name}.toml"));
        suite::load_workload(path.to_str().unwrap(), &Overrides::default()).unwrap();
    }
    for name in ["suite", "parts"] {
        let dir = written(&right(name), &right("closed"));
        let path = dir.path().join("all.toml");
        suite::load(path.to_str().unwrap(), &Overrides::default()).unwrap();
    }
}

#[test]
fn an_open_loop_needs_something_to_do() {
    let base = "message_bytes = 64\n[arrival]\nmodel = \"open\"\nrate = 0\n\
                [population]\nusers = 4\nrooms = 2\nrooms_per_user = 1\n";
    let refused = |text: &str, part: &str| {
        let error = workload_error("mine", text.as_bytes());
        assert!(error.contains(part), "{error}");
    };
    refused(base, "mine.toml:2: nothing would ever be due");
    refused(
        &but(base, "rate = 0\n", ""),
        "mine.toml:2: an open arrival needs a rate",
    );
    let polling = format!("{base}[polling]\nevery = \"1s\"\n");
    refused(
        &but(&polling, "rate = 0", "rate = 1"),
        "at least one operation",
    );
    let many = but(&polling, "users = 4", "users = 2000").replace("\"1s\"", "\"1ms\"");
    refused(&many, "mine.toml:10: that would be 2000000 polls a second");
    let stages = "[[arrival.stages]]\nrate = 1\nfor = \"1s\"\n".repeat(1001);
    refused(
        &but(base, "rate = 0\n", &stages),
        "1001 values: at most 1000",
    );
    // Polls alone are enough.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("polls.toml");
    fs::write(&path, &polling).unwrap();
    suite::load_workload(path.to_str().unwrap(), &Overrides::default()).unwrap();
}

#[test]
fn what_is_no_text_at_all_is_said() {
    let refused = |bytes: &[u8], part: &str| {
        let error = workload_error("mine", bytes);
        assert!(error.contains(part), "{error}");
    };
    refused(b"", "mine.toml:1: missing `arrival`");
    refused(
        b"message_bytes = 64\ndescription = \"\xff\"\n",
        "mine.toml:2: this is not UTF-8",
    );
    refused(
        &b"# more than that is no workload\n".repeat(1 << 16),
        "longer than 1048576 bytes",
    );
    let nested = [b"a = ".as_slice(), &b"[".repeat(100_000)].concat();
    refused(&nested, "mine.toml:1: this is not TOML");

    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("folder.toml")).unwrap();
    let folder = dir.path().join("folder.toml").display().to_string();
    for loaded in [
        suite::load_workload(&folder, &Overrides::default()).map(drop),
        suite::load(&folder, &Overrides::default()).map(drop),
    ] {
        let error = loaded.unwrap_err();
        assert!(matches!(error, SuiteError::Unreadable { .. }), "{error}");
    }
    let odd = dir.path().join("my workload.toml");
    fs::write(&odd, right("closed")).unwrap();
    let error = suite::load_workload(odd.to_str().unwrap(), &Overrides::default()).unwrap_err();
    assert!(error.to_string().contains("letters, digits"), "{error}");
}

#[test]
fn faults_must_fit_the_run() {
    let suite = right("suite");
    let dir = written(&suite, &right("open"));
    let path = dir.path().join("all.toml");
    let load = |overrides: &Overrides| {
        let error = suite::load(path.to_str().unwrap(), overrides);
        error.map(drop).map_err(|error| error.to_string())
    };
    load(&Overrides::default()).unwrap();
    fs::write(&path, but(&suite, "[3]", "[1, 3]")).unwrap();
    let error = load(&Overrides::default()).unwrap_err();
    assert!(
        error.contains("all.toml:3: workload small stops a replica"),
        "{error}"
    );
    let three = Overrides {
        replicas: Some(vec![3]),
        ..Overrides::default()
    };
    load(&three).unwrap();
    fs::write(&path, format!("{suite}duration = \"2s\"\n")).unwrap();
    let error = load(&Overrides::default()).unwrap_err();
    assert!(
        error.contains("all.toml:3: workload small has a fault at 2s"),
        "{error}"
    );
}
