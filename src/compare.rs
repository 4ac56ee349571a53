//! `telegraft compare`: which differences between configurations are more than noise.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use telegraft_analysis::compare::{self, Comparison, Setting};
use telegraft_analysis::stats::NOISE;

use crate::args::Format;
use crate::exit::{Exit, Failure};

const EXAMPLE: &str = "\
Examples:
  telegraft compare results/BEFORE results/AFTER
  telegraft compare monday-1,monday-2 tuesday-1,tuesday-2 --noise 0.05 --out comparison.md
  telegraft compare results/DIR --by mailbox
  telegraft compare results/DIR --halves
  telegraft compare results/DIR ycsb-1.txt,ycsb-2.txt,ycsb-3.txt

A row is the throughput (closed loops), the p50 or the p99 of one operation. Its change is the ratio
of geometric means over trials, with a 95 % interval; p is Welch's test on the logarithms, adjusted by
Holm over all rows. `faster` and `slower` are seen differences (p < 0.05), `no difference seen` is not
the same as none: the interval says what there may be. `within noise` is an interval that lies within
--noise on both sides of 0. Below three trials a side nothing is tested (`too few trials`).

Exit codes: 0 done, whatever differs; 1 failed, or there was nothing to compare; 2 usage.";

/// Compare result directories, or configurations inside of one, with significance.
///
/// Two sides, A and B, are paired by configuration (`config_hash` in runs.csv): what has no partner is
/// named, and so are runs that do not count and what differs between machines and builds. Directories
/// that were measured one after the other confound a change with the machine's drift; configurations
/// of one suite, whose trials are interleaved, do not: --by compares these, and --halves compares each
/// configuration with itself, which shows how many differences are seen where there are none.
///
/// A side may also be files with the output of YCSB or of etcd's `benchmark`, a trial each.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Two sides, each a result directory, or several joined with commas; with --by or --halves any
    /// number of result directories.
    #[arg(value_name = "DIR", required = true)]
    directories: Vec<PathBuf>,
    /// Compare configurations that differ in this setting alone, each with the first.
    #[arg(long, value_enum, value_name = "SETTING", conflicts_with = "halves")]
    by: Option<SettingArg>,
    /// Compare the even trials of each configuration with the odd ones.
    #[arg(long)]
    halves: bool,
    /// The share below which a difference does not matter.
    #[arg(long, value_name = "SHARE", default_value_t = NOISE, value_parser = noise)]
    noise: f64,
    /// How the comparison is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write it as Markdown, too.
    #[arg(long, value_name = "FILE.md")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SettingArg {
    /// lanes, fifo.
    Mailbox,
    /// linearizable, lease, local.
    Consistency,
    /// fsync, none.
    Durability,
    /// telegraft, null, …
    System,
    /// 1, 3, 5, …
    Replicas,
    /// leader, any, round-robin.
    Targets,
}

impl From<SettingArg> for Setting {
    fn from(arg: SettingArg) -> Setting {
        match arg {
            SettingArg::Mailbox => Setting::Mailbox,
            SettingArg::Consistency => Setting::Consistency,
            SettingArg::Durability => Setting::Durability,
            SettingArg::System => Setting::System,
            SettingArg::Replicas => Setting::Replicas,
            SettingArg::Targets => Setting::Targets,
        }
    }
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let comparison = compare(&args)?;
    let printed = match args.format {
        Format::Text => comparison.terminal(),
        Format::Json => comparison.json() + "\n",
    };
    let mut out = io::stdout().lock();
    write!(out, "{printed}")
        .and_then(|()| out.flush())
        .map_err(|error| Failure::failed(format!("cannot print the comparison: {error}")))?;
    if let Some(path) = &args.out {
        fs::write(path, comparison.markdown()).map_err(|error| {
            Failure::failed(format!("cannot write {}: {error}", path.display()))
        })?;
        eprintln!("Comparison: {}", path.display());
    }
    match comparison.is_empty() {
        true => Err(Failure::failed("there is nothing to compare")),
        false => Ok(Exit::Done),
    }
}

fn compare(args: &Args) -> Result<Comparison, Failure> {
    let directories: Vec<Vec<PathBuf>> = args.directories.iter().map(|d| split(d)).collect();
    let comparison = match (args.by, args.halves, directories.as_slice()) {
        (Some(setting), _, all) => compare::by(&all.concat(), setting.into(), args.noise),
        (None, true, all) => compare::halves(&all.concat(), args.noise),
        (None, false, [a, b]) => compare::sides(a, b, args.noise),
        (None, false, several) => {
            return Err(Failure::usage(format!(
                "{} given: two sides are compared, each a directory or several joined with \
                 commas; inside of one, --by or --halves says what is compared",
                match several.len() {
                    1 => "one side is".to_owned(),
                    n => format!("{n} sides are"),
                }
            )));
        }
    };
    comparison.map_err(Failure::failed)
}

/// Several paths that are joined with commas, unless it is one that is there.
fn split(path: &Path) -> Vec<PathBuf> {
    match path.to_str() {
        Some(text) if !path.exists() => text
            .split(',')
            .filter(|part| !part.is_empty())
            .map(PathBuf::from)
            .collect(),
        _ => vec![path.to_owned()],
    }
}

fn noise(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err(format!("{text:?} is no share from 0 to below 1, as 0.02")),
    }
}
