//! `telegraft check`: whether a recorded history keeps what the cluster promises.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use telegraft_history::export::elle_file;
use telegraft_history::{
    CheckOptions, DEFAULT_EXPLAINED, HistoryError, Verdict, check_file, timeline_svg,
};

use crate::exit::{Exit, Failure};
use crate::runtime;

const EXAMPLE: &str = "\
Examples:
  telegraft check results/20260131T120000Z-stress
  telegraft check history.jsonl --timeline violations   a picture of each violation
  telegraft check history.jsonl --format json | jq .histories[0].verdict.violated
  telegraft check history.jsonl --export elle > elle.json   for elle-cli or adya

Exit codes: 0 every promise was kept, 3 one was not, 1 a history cannot be read, 105 interrupted.";

/// A file of this size is read in a second or more: its progress is shown.
const PROGRESS_BYTES: u64 = 64 << 20;

/// Check recorded histories: acknowledged messages, their order, and what reads saw.
///
/// The verdict is exact: it knows operations whose outcome is unknown, and names those that
/// contradict each other.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// A history, or a result directory: then all that are in its `history/`.
    #[arg(value_name = "HISTORY")]
    history: PathBuf,
    /// How the verdict is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write a timeline (SVG) of each violation that is explained into this directory.
    #[arg(long, value_name = "DIR")]
    timeline: Option<PathBuf>,
    /// Explain at most so many violations of a history; all are counted.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_EXPLAINED)]
    explain: usize,
    /// Check nothing: print the history as another checker reads it, and what it has no word for.
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with_all = ["format", "timeline", "explain"])]
    export: Option<ExportFormat>,
    /// Print no verdict and no progress: the exit code says it.
    #[arg(long)]
    quiet: bool,
}

/// How the verdict is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One document with the verdict of each history.
    Json,
}

/// What other checkers read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ExportFormat {
    /// Transactions that append to lists and read them (JSON lines): for elle-cli and adya.
    Elle,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let histories = histories(&args.history)?;
    if let Some(ExportFormat::Elle) = args.export {
        return export(&args, &histories);
    }
    let runtime = runtime::launcher()?;
    let stop = Arc::new(AtomicBool::new(false));
    let interrupt = {
        let _inside = runtime.enter();
        runtime::interrupt()?
    };
    let stopped = Arc::clone(&stop);
    runtime.spawn(async move {
        interrupt.await;
        stopped.store(true, Ordering::Relaxed);
    });

    let mut verdicts: Vec<(&Path, Verdict)> = Vec::new();
    let mut unreadable = Vec::new();
    for path in &histories {
        match check_one(&args, path, &stop) {
            Ok(verdict) => verdicts.push((path, verdict)),
            Err(HistoryError::Interrupted) => return Ok(Exit::Interrupted),
            Err(error) => unreadable.push(error.to_string()),
        }
    }
    let exit = match verdicts.iter().all(|(_, verdict)| verdict.is_consistent()) {
        true => Exit::Done,
        false => Exit::Inconsistent,
    };
    let mut told = tell(&args, &verdicts);
    if let Some(directory) = &args.timeline {
        told = told.and(draw(directory, &verdicts));
    }
    if !unreadable.is_empty() {
        told = told.and(Err(Failure::failed(unreadable.join("\ntelegraft: "))));
    }
    exit.unless_unreported(told)
}

/// The files that are checked.
fn histories(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let directory = path.join("history");
    let unreadable =
        |error| Failure::failed(format!("cannot read {}: {error}", directory.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(&directory).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            files.push(file);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(Failure::failed(format!(
            "there is no history (*.jsonl) in {}",
            directory.display()
        ))),
        false => Ok(files),
    }
}

/// Prints a history for the checkers of transactions.
fn export(args: &Args, histories: &[PathBuf]) -> Result<Exit, Failure> {
    let [path] = histories else {
        return Err(Failure::failed(format!(
            "{} has {} histories: export one of them",
            args.history.display(),
            histories.len()
        )));
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let exported = elle_file(path, &mut out).map_err(|error| Failure::failed(error.to_string()))?;
    out.flush()
        .map_err(|error| Failure::failed(format!("cannot print it: {error}")))?;
    if !args.quiet {
        eprintln!("{exported}");
    }
    Ok(Exit::Done)
}

fn check_one(args: &Args, path: &Path, stop: &AtomicBool) -> Result<Verdict, HistoryError> {
    let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
    let bar = match !args.quiet && bytes >= PROGRESS_BYTES {
        // It draws on stderr, if that is a terminal.
        true => ProgressBar::new(bytes).with_style(
            ProgressStyle::with_template("{msg} [{bar:30}] {bytes} of {total_bytes}, {eta} left")
                .expect("the template is right"),
        ),
        false => ProgressBar::hidden(),
    };
    bar.set_message(
        path.file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
    );
    let progress = |read| bar.set_position(read);
    let options = CheckOptions {
        max_explained: args.explain,
        progress: Some(&progress),
        stop: Some(stop),
    };
    let verdict = check_file(path, &options);
    bar.finish_and_clear();
    verdict
}

fn tell(args: &Args, verdicts: &[(&Path, Verdict)]) -> Result<(), Failure> {
    if args.quiet {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    let told = match args.format {
        Format::Text => verdicts
            .iter()
            .try_for_each(|(path, verdict)| match verdicts.len() > 1 {
                true => writeln!(out, "{}:\n{verdict}\n", path.display()),
                false => writeln!(out, "{verdict}"),
            }),
        Format::Json => {
            let consistent = verdicts.iter().all(|(_, verdict)| verdict.is_consistent());
            let each = verdicts
                .iter()
                .map(|(path, verdict)| json!({ "history": path.display().to_string(), "verdict": verdict }));
            let all = json!({ "consistent": consistent, "histories": each.collect::<Vec<_>>() });
            writeln!(out, "{all:#}")
        }
    };
    told.and_then(|()| out.flush())
        .map_err(|error| Failure::failed(format!("cannot print it: {error}")))
}

/// Writes a picture of each violation that is explained.
fn draw(directory: &Path, verdicts: &[(&Path, Verdict)]) -> Result<(), Failure> {
    let cannot =
        |path: &Path, error| Failure::failed(format!("cannot write {}: {error}", path.display()));
    fs::create_dir_all(directory).map_err(|error| cannot(directory, error))?;
    for (path, verdict) in verdicts {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        for (number, violation) in (1..).zip(&verdict.violations) {
            let file = directory.join(format!("{stem}-{number:02}-{}.svg", violation.rule));
            fs::write(&file, timeline_svg(violation)).map_err(|error| cannot(&file, error))?;
        }
    }
    Ok(())
}
