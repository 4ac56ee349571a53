//! `telegraft report`: reports from result files alone.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use telegraft_analysis::report;

use crate::exit::{Exit, Failure};

const EXAMPLE: &str = "\
Example:
  telegraft report results/20260131T120000Z-default";

/// Write the report of result directories again, from their files alone, and print it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Result directories.
    #[arg(value_name = "DIR", required = true)]
    directories: Vec<PathBuf>,
    /// Write `report.md` and print nothing.
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    for directory in &args.directories {
        write(directory, args.quiet)?;
    }
    Ok(Exit::Done)
}

/// Writes the report of `directory` into it, and prints what a terminal shows of it.
pub(crate) fn write(directory: &Path, quiet: bool) -> Result<(), Failure> {
    let report = report::write(directory).map_err(Failure::failed)?;
    if quiet {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{}", report.terminal.trim_end())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::failed(format!("cannot print the report: {error}")))
}
