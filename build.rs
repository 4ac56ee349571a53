//! Notes which sources and which compiler a binary is built from, for the results it writes.

use std::env;
use std::path::Path;
use std::process::Command;

/// What makes up the program: a change here may change whether the revision is a clean one.
const SOURCES: [&str; 8] = [
    "Cargo.lock",
    "Cargo.toml",
    "analysis",
    "build.rs",
    "cluster",
    "loadgen",
    "src",
    "workloads",
];

fn main() {
    for source in SOURCES {
        if Path::new(source).exists() {
            println!("cargo:rerun-if-changed={source}");
        }
    }
    let revision = git_revision().unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=TELEGRAFT_GIT_REVISION={revision}");
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = output(&rustc, &["--version"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=TELEGRAFT_RUSTC={version}");
}

/// The revision of the sources, with `-dirty` where they have been changed since; none without
/// git or outside of a repository.
fn git_revision() -> Option<String> {
    // It is written at every commit and checkout.
    let log = output("git", &["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo:rerun-if-changed={log}");
    }
    let revision = output("git", &["rev-parse", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES.iter().filter(|source| Path::new(source).exists()));
    let dirty = !output("git", &status)?.is_empty();
    Some(if dirty {
        format!("{revision}-dirty")
    } else {
        revision
    })
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned())
}
