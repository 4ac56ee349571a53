//! Writes a large result directory, and reports it with the time and memory that this takes:
//!
//! ```text
//! cargo run --release -p telegraft-analysis --example large_results -- write DIR 1000 600
//! cargo run --release -p telegraft-analysis --example large_results -- report DIR
//! ```

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use telegraft_analysis::report;

#[path = "../tests/large/mod.rs"]
mod large;

const USAGE: &str = "usage: large_results write DIR RUNS SECONDS | report DIR";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["write", dir, runs, seconds] => {
            large::write(Path::new(dir), runs.parse()?, seconds.parse()?)
        }
        ["report", dir] => {
            let began = Instant::now();
            let report = report::write(Path::new(dir))?;
            println!("{:.2} s", began.elapsed().as_secs_f64());
            println!("{} bytes of report.md", report.markdown.len());
            // Linux alone tells it.
            let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
            for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
                println!("{line}");
            }
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}
