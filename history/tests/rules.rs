//! Each rule: histories that keep it, and ones that break it, with what is told of them.
//!
//! `UPDATE_GOLDENFILES=1` writes anew what is told.

#![allow(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use telegraft_history::{CheckOptions, Rule, check_bytes};

/// A part of a fixture: `good` or `bad`, what it is about, its lines, and what is told of it.
struct Case<'a> {
    title: &'a str,
    lines: &'a str,
    told: &'a str,
}

fn cases(text: &str) -> Vec<Case<'_>> {
    text.split("\n== ")
        .skip(1)
        .map(|part| {
            let (title, rest) = part.split_once('\n').unwrap();
            let (lines, told) = rest.split_once("-- violations").unwrap_or((rest, ""));
            Case {
                title,
                lines,
                told: told.trim_start(),
            }
        })
        .collect()
}

#[test]
fn histories_are_judged_as_the_fixtures_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    let update = std::env::var_os("UPDATE_GOLDENFILES").is_some();
    let mut rules = BTreeSet::new();
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let rule = path.file_stem().unwrap().to_str().unwrap();
        rules.insert(rule.to_owned());
        let text = fs::read_to_string(&path).unwrap();
        let mut anew = text.lines().next().unwrap().to_owned();
        let (mut good, mut bad) = (0, 0);
        for case in cases(&text) {
            let title = case.title;
            let verdict = check_bytes(case.lines.as_bytes(), &CheckOptions::default())
                .unwrap_or_else(|error| panic!("{rule}: {title}: {error}"));
            let mut told = String::new();
            for violation in &verdict.violations {
                writeln!(told, "{}: {}", violation.rule, violation.text).unwrap();
            }
            write!(anew, "\n== {title}\n{}", case.lines.trim_end()).unwrap();
            if title.starts_with("good") {
                good += 1;
                assert!(verdict.is_consistent(), "{rule}: {title}:\n{told}");
            } else {
                bad += 1;
                write!(anew, "\n-- violations\n{}", told.trim_end()).unwrap();
                assert!(
                    verdict.violated.contains_key(rule),
                    "{rule}: {title}: {:?}\n{told}",
                    verdict.violated
                );
                if !update {
                    assert_eq!(told.trim_end(), case.told.trim_end(), "{rule}: {title}");
                }
            }
        }
        assert!(good > 0 && bad > 0, "{rule} needs both");
        anew.push('\n');
        if update {
            fs::write(&path, anew).unwrap();
        } else {
            assert_eq!(text, anew, "{rule}");
        }
    }
    let all: BTreeSet<String> = Rule::ALL
        .iter()
        .map(|rule| rule.name().to_owned())
        .collect();
    assert_eq!(rules, all, "each rule has a fixture");
}
