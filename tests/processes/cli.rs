//! The command line: what is asked for wrongly is refused with exit code 2 and a reason.

use std::process::{Command, Output};

use crate::harness::BINARY;

fn telegraft(arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .output()
        .expect("the program runs")
}

/// The arguments of a node that would start, but for what is changed.
fn node<'a>(changes: &[(&'a str, &'a str)], flags: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["node"];
    let usual = [
        ("--id", "1"),
        ("--listen", "127.0.0.1:0"),
        ("--peer-listen", "127.0.0.1:0"),
        ("--peers", "1=127.0.0.1:9351,2=127.0.0.1:9352"),
        ("--data-dir", "/nonexistent/telegraft"),
    ];
    for (name, value) in usual {
        let change = changes.iter().find(|(changed, _)| *changed == name);
        let value = change.map_or(value, |(_, value)| value);
        if !value.is_empty() {
            arguments.extend([name, value]);
        }
    }
    for (name, value) in changes {
        if !arguments.contains(name) && !value.is_empty() {
            arguments.extend([name, value]);
        }
    }
    arguments.extend(flags);
    arguments
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let bootstrap: &[&str] = &["--bootstrap"];
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (vec![], "Usage"),
        (vec!["flood"], "flood"),
        (vec!["cluster", "--replicas", "0"], "--replicas"),
        (vec!["cluster", "--replicas", "three"], "--replicas"),
        (vec!["cluster", "--base-port", "70000"], "--base-port"),
        (vec!["cluster", "--format", "xml"], "xml"),
        (vec!["null", "--listen", "0.0.0.0:0"], "no loopback address"),
        (vec!["report"], "DIR"),
        (vec!["bench", "no-such-suite"], "no-such-suite"),
        (vec!["bench", "--workload", "no-such"], "no-such"),
        (vec!["bench", "--duration", "10"], "no unit"),
        (vec!["bench", "--replicas", "1,0"], "from 1 to 99"),
        (vec!["bench", "--systems", "abacus"], "abacus"),
        (vec!["bench", "--targets", "nobody"], "nobody"),
        (vec!["bench", "--clients", "0"], "at least one"),
        (vec!["bench", "--trials", "0"], "--trials"),
        (vec!["find-max"], "WORKLOAD"),
        (vec!["find-max", "chat", "--rate", "9"], "--rate"),
        (vec!["find-max", "write-heavy"], "--slo-p99"),
        (vec!["find-max", "chat", "--slo-p99", "20"], "no unit"),
        (
            vec![
                "find-max",
                "chat",
                "--target",
                "http://a",
                "--mailbox",
                "fifo",
            ],
            "--mailbox",
        ),
        (vec!["find-max", "chat", "--repeats", "0"], "1 to 10"),
        (node(&[("--id", "")], &[]), "--id"),
        (node(&[("--id", "0")], &[]), "id is 1 or more"),
        (node(&[("--id", "3")], bootstrap), "does not name node 3"),
        (node(&[("--listen", "8351")], &[]), "--listen"),
        (node(&[("--peers", "")], &[]), "--peers"),
        (node(&[("--peers", "1")], &[]), "= is missing"),
        (node(&[("--peers", "0=a:1")], &[]), "no number from 1"),
        (node(&[("--peers", "1=a")], &[]), "port is missing"),
        (node(&[("--peers", "1=:9351")], &[]), "host is missing"),
        (node(&[("--peers", "1=a:0")], &[]), "no port"),
        (node(&[("--peers", "1=a:1,1=b:2")], &[]), "node 1 twice"),
        (node(&[("--mailbox", "stack")], &[]), "stack"),
        (node(&[("--durability", "maybe")], &[]), "maybe"),
        (node(&[("--listen", "0.0.0.0:0")], &[]), "--insecure"),
        (node(&[("--peer-listen", "0.0.0.0:0")], &[]), "--insecure"),
    ];
    for (arguments, why) in cases {
        let output = telegraft(&arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(
            text.contains(why),
            "{arguments:?}: {why:?} is not in: {text}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_data_directory_that_cannot_be_made_is_a_failure_with_a_reason() {
    // A file is where the directory should be.
    let file = tempfile::NamedTempFile::new().expect("a file");
    let dir = file.path().join("node-1").display().to_string();
    let output = telegraft(&node(&[("--data-dir", &dir)], &["--bootstrap"]));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&dir), "{text}");
}

#[test]
fn a_result_directory_that_is_not_there_is_a_failure_with_a_reason() {
    let output = telegraft(&["report", "/nonexistent/results"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("/nonexistent/results"), "{text}");
}

#[test]
fn a_port_that_is_taken_is_a_failure_with_a_reason() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it has one").to_string();
    for option in ["--listen", "--peer-listen"] {
        let output = telegraft(&node(&[(option, &address)], &[]));
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&address), "{text}");
    }
}

#[test]
fn every_help_has_an_example() {
    let commands: [&[&str]; 8] = [
        &[],
        &["bench"],
        &["cluster"],
        &["load"],
        &["find-max"],
        &["node"],
        &["null"],
        &["report"],
    ];
    for command in commands {
        let mut arguments = command.to_vec();
        arguments.push("--help");
        let output = telegraft(&arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let example = text.split_once("Example").map(|(_, rest)| rest);
        let example = example.unwrap_or_else(|| panic!("{arguments:?}: {text}"));
        let call = format!("telegraft {}", command.join(" "));
        assert!(example.contains(call.trim_end()), "{arguments:?}: {text}");
    }
}
