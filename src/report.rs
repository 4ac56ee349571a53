//! `telegraft report`: reports from result files alone.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use telegraft_analysis::export::{self, FileNames};
use telegraft_analysis::report;
use telegraft_analysis::write_up::{Outcome, write_up};

use crate::exit::{Exit, Failure};

const EXAMPLE: &str = "\
Examples:
  telegraft report results/20260131T120000Z-default
  telegraft report shard-1 shard-2 shard-3 shard-4 --out all
  telegraft report results --out all
  telegraft report DIR --export hdr-percentiles   files for HdrHistogram's plotter
  telegraft report --export hdr-percentiles other-tool.hlog >other-tool.hgrm
  telegraft report DIR --export json | jq '.tables.latency.rows[] | {system, p99_ms}'
  telegraft report DIR --write-up docs/write-up.md          its tables, figures and numbers
  telegraft report DIR --write-up docs/write-up.md --check  exit code 1 if they are others

A write-up is Markdown with markers; what stands between them is replaced, the rest stays:
  <!-- telegraft:table NAME --> … <!-- /telegraft -->         also: figure NAME, findings SECTION
  <!-- telegraft:value TABLE/ROW/COLUMN -->1.40<!-- /telegraft -->
ROW is what a row's first cells say, as in latency/chat/send/telegraft x3/p99_ms. A marker stands in
one line. One of a value must not begin its line: Markdown takes such a line for HTML. Pictures must
be there: `telegraft report DIR` writes them.";

/// Write a report from the files of result directories alone, and print it.
///
/// Of several directories, it is one report over all of them. Shares of one run, which several
/// generators had of the same load (`shard` in runs.csv), are put together: counts are added,
/// histograms bucket by bucket, percentiles taken from the sum. A share that is missing is told.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Result directories, or directories that hold some. With `--export hdr-percentiles` also
    /// HdrHistogram logs, of other tools too.
    #[arg(value_name = "DIR", required = true)]
    directories: Vec<PathBuf>,
    /// Where the report is written [default: the first DIR]. With `--export json` the file
    /// [default: stdout], with `--export hdr-percentiles` the directory [default:
    /// `hdr-percentiles` in the first DIR; stdout for a log with one tag].
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Write this for other tools, and no report.
    #[arg(long, value_name = "FORMAT", conflicts_with = "write_up")]
    export: Option<Export>,
    /// Refresh what stands between markers in this Markdown file, and write no report. Figures
    /// are linked in `plots/` of `--out`.
    #[arg(long, value_name = "FILE.md")]
    write_up: Option<PathBuf>,
    /// Write nothing; exit with 1 if the file would change.
    #[arg(long, requires = "write_up")]
    check: bool,
    /// Write the files and print nothing.
    #[arg(long)]
    quiet: bool,
}

/// What others read.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Export {
    /// Latencies by percentile in HdrHistogram's text format, in ms (of a log: as they are).
    HdrPercentiles,
    /// Everything that is reported, as one JSON document.
    Json,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let out = match (&args.out, args.directories.first()) {
        (Some(out), _) => out,
        (None, Some(first)) => first,
        (None, None) => return Err(Failure::usage("no result directory is given")),
    };
    if let Some(file) = &args.write_up {
        return refresh(&args, out, file);
    }
    match args.export {
        Some(Export::Json) => return json(&args),
        Some(Export::HdrPercentiles) if args.directories.iter().any(|path| path.is_file()) => {
            return logs(&args);
        }
        Some(Export::HdrPercentiles) => return percentiles(&args, out),
        None => {}
    }
    print_and_write(&args.directories, out, args.quiet)?;
    if !args.quiet && (args.out.is_some() || args.directories.len() > 1) {
        eprintln!("Report: {}", out.join("report.md").display());
    }
    Ok(Exit::Done)
}

/// `--write-up`.
fn refresh(args: &Args, out: &Path, file: &Path) -> Result<Exit, Failure> {
    let outcome = write_up(&args.directories, out, file, args.check).map_err(Failure::failed)?;
    let told = match (outcome, args.check) {
        (Outcome::Changed, true) => {
            return Err(Failure::failed(format!(
                "{} is not what the results say: --write-up without --check refreshes it",
                file.display()
            )));
        }
        (Outcome::Changed, false) => "is refreshed",
        (Outcome::Same, _) => "says what the results say",
    };
    if !args.quiet {
        eprintln!("{} {told}", file.display());
    }
    Ok(Exit::Done)
}

/// `--export json`.
fn json(args: &Args) -> Result<Exit, Failure> {
    let text = export::json(&args.directories).map_err(Failure::failed)?;
    match &args.out {
        Some(file) => write_file(file, &text)?,
        None => print(&text, false)?,
    }
    Ok(Exit::Done)
}

/// `--export hdr-percentiles` of result directories.
fn percentiles(args: &Args, out: &Path) -> Result<Exit, Failure> {
    let out = match &args.out {
        Some(out) => out.clone(),
        None => out.join("hdr-percentiles"),
    };
    let done = export::hdr_percentiles(&args.directories, &out).map_err(Failure::failed)?;
    told(&done.problems);
    if done.files.is_empty() {
        return Err(Failure::failed("there is no histogram to export"));
    }
    if !args.quiet {
        eprintln!("{} files in {}", done.files.len(), out.display());
    }
    Ok(Exit::Done)
}

/// `--export hdr-percentiles` of histogram logs.
fn logs(args: &Args) -> Result<Exit, Failure> {
    if let Some(other) = args.directories.iter().find(|path| !path.is_file()) {
        return Err(Failure::usage(format!(
            "{} is no file: export logs and directories one after the other",
            other.display()
        )));
    }
    let mut names = FileNames::default();
    for path in &args.directories {
        let log = export::hdr_percentiles_of_log(path).map_err(Failure::failed)?;
        told(&log.problems);
        match (&args.out, log.tags.as_slice()) {
            (Some(out), tags) => {
                fs::create_dir_all(out)
                    .map_err(|error| Failure::failed(format!("{}: {error}", out.display())))?;
                for tag in tags {
                    write_file(&out.join(tag.file_name(path, &mut names)), &tag.text)?;
                }
            }
            (None, [one]) if args.directories.len() == 1 => print(&one.text, false)?,
            (None, tags) => {
                let names: Vec<&str> = tags.iter().map(|tag| tag.tag.as_str()).collect();
                return Err(Failure::usage(format!(
                    "{}: several distributions ({}) need --out DIR",
                    path.display(),
                    names.join(", ")
                )));
            }
        }
        // Nothing else says what unit the values have.
        for tag in log.tags.iter().filter(|_| !args.quiet) {
            let name = if tag.tag.is_empty() {
                "untagged"
            } else {
                &tag.tag
            };
            let (count, min, max) = (tag.count, tag.min, tag.max);
            eprintln!(
                "{}: {name}: {count} values from {min} to {max}",
                path.display()
            );
        }
    }
    Ok(Exit::Done)
}

/// What could not be read.
fn told(problems: &[String]) {
    for problem in problems {
        eprintln!("telegraft: {problem}");
    }
}

fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text)
        .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))
}

/// Prints what a terminal shows of the report of `directory`, and writes it there.
pub(crate) fn write(directory: &Path, quiet: bool) -> Result<(), Failure> {
    print_and_write(&[directory.to_owned()], directory, quiet)
}

/// A report that cannot be written is printed all the same.
fn print_and_write(directories: &[PathBuf], out: &Path, quiet: bool) -> Result<(), Failure> {
    let draft = report::draft(directories).map_err(Failure::failed)?;
    let printed = print(&draft.report().terminal, quiet);
    draft.write(out).map_err(|error| {
        let given: Vec<String> = directories
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        Failure::failed(format!(
            "{error}: `telegraft report {} --out DIR` writes it elsewhere",
            given.join(" ")
        ))
    })?;
    printed
}

fn print(report: &str, quiet: bool) -> Result<(), Failure> {
    if quiet {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{}", report.trim_end())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::failed(format!("cannot print it: {error}")))
}
