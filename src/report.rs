//! `telegraft report`: reports from result files alone.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use telegraft_analysis::report;

use crate::exit::{Exit, Failure};

const EXAMPLE: &str = "\
Examples:
  telegraft report results/20260131T120000Z-default
  telegraft report shard-1 shard-2 shard-3 shard-4 --out all
  telegraft report results --out all";

/// Write a report from the files of result directories alone, and print it.
///
/// Of several directories, it is one report over all of them. Shares of one run, which several
/// generators had of the same load (`shard` in runs.csv), are put together: counts are added,
/// histograms bucket by bucket, percentiles taken from the sum. A share that is missing is told.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Result directories, or directories that hold some.
    #[arg(value_name = "DIR", required = true)]
    directories: Vec<PathBuf>,
    /// Where `report.md` is written [default: the first DIR].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write `report.md` and print nothing.
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let out = match (&args.out, args.directories.first()) {
        (Some(out), _) => out,
        (None, Some(first)) => first,
        (None, None) => return Err(Failure::usage("no result directory is given")),
    };
    let report = report::write_all(&args.directories, out).map_err(Failure::failed)?;
    print(&report.terminal, args.quiet)?;
    if !args.quiet && (args.out.is_some() || args.directories.len() > 1) {
        eprintln!("Report: {}", out.join("report.md").display());
    }
    Ok(Exit::Done)
}

/// Writes the report of `directory` into it, and prints what a terminal shows of it.
pub(crate) fn write(directory: &Path, quiet: bool) -> Result<(), Failure> {
    let report = report::write(directory).map_err(Failure::failed)?;
    print(&report.terminal, quiet)
}

fn print(report: &str, quiet: bool) -> Result<(), Failure> {
    if quiet {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{}", report.trim_end())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::failed(format!("cannot print the report: {error}")))
}
