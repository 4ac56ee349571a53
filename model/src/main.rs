//! `telegraft-model`: explores every state that a few replicas of the Raft core can come into.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use telegraft_model::{
    Bounds, End, Explorer, Limits, Order, Report, Rule, Sight, default_memory_limit, search,
};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// The exit code of a search that a signal ended, the same as that of `telegraft`.
const INTERRUPTED: u8 = 105;
const MEBIBYTE: u64 = 1 << 20;

/// Explores every state that a few replicas of the real Raft core can come into, and checks that
/// none is unsafe. SIGINT and SIGTERM end it early, and it says how far it went. Exits with 0 when
/// no rule is broken, 1 when one is or the search proves less than it should, 2 on a wrong command
/// line, 105 when a signal ended it.
#[derive(Debug, Parser)]
// The last one counts: a script's own may be overridden.
#[command(version, args_override_self = true)]
struct Arguments {
    /// Replicas.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// Terms.
    #[arg(long, default_value_t = 2)]
    terms: u64,
    /// Commands that clients propose; each leadership has a no-op beside them.
    #[arg(long, default_value_t = 2)]
    entries: u8,
    /// Crashes, with a restart from what was durable.
    #[arg(long, default_value_t = 1)]
    crashes: u8,
    /// Heartbeats, beside those of an election.
    #[arg(long, default_value_t = 0)]
    heartbeats: u8,
    /// How often any message may arrive again [default: any number of times].
    #[arg(long, value_name = "N")]
    duplicates: Option<u8>,
    /// Messages whose loss the sender is told of. (Every message may be lost in silence.)
    #[arg(long, default_value_t = 0, value_name = "N")]
    losses: u8,
    /// Linearizable reads.
    #[arg(long, default_value_t = 0)]
    reads: u8,
    /// Hand-overs of leadership.
    #[arg(long, default_value_t = 0)]
    transfers: u8,
    /// Explore refusals and PreVote message by message, instead of by what they may do at most.
    #[arg(long)]
    every_message: bool,
    /// Send entries one by one instead of all that there are.
    #[arg(long)]
    single_entries: bool,
    /// Give up after this many distinct states; `k`, `m` and `g` count thousands, millions and
    /// thousands of millions.
    #[arg(long, value_name = "N", value_parser = parse_count)]
    max_states: Option<usize>,
    /// Give up after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    max_seconds: Option<u64>,
    /// Give up at this many MiB of memory; it may be half as much again by then [default: 60 % of
    /// what is free].
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    max_memory: Option<u64>,
    /// Append a row to this Markdown table of searches.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// Threads that search [default: one for each CPU].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Which states come first. Breadth on one thread finds a shortest way to a broken rule, and
    /// needs much more memory.
    #[arg(long, value_enum, default_value_t = First::Depth)]
    first: First,
    /// Switch a known bug of the core on, by its name.
    #[cfg(feature = "known-bugs")]
    #[arg(long, value_name = "NAME")]
    bug: Option<telegraft_cluster::known_bugs::KnownBug>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum First {
    Depth,
    Breadth,
}

fn parse_count(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k') => (&text[..text.len() - 1], 1_000),
        Some(b'm') => (&text[..text.len() - 1], 1_000_000),
        Some(b'g') => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    let number: Option<usize> = digits.parse().ok();
    let number = number.and_then(|number| number.checked_mul(unit));
    number.ok_or_else(|| "not a number, as 250000, 250k or 100m".to_owned())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let bounds = Bounds {
        nodes: arguments.nodes,
        terms: arguments.terms,
        commands: arguments.entries,
        crashes: arguments.crashes,
        heartbeats: arguments.heartbeats,
        duplicates: arguments.duplicates,
        losses: arguments.losses,
        reads: arguments.reads,
        transfers: arguments.transfers,
        every_message: arguments.every_message,
        single_entries: arguments.single_entries,
    };
    #[cfg(feature = "known-bugs")]
    let bug = arguments.bug;
    #[cfg(not(feature = "known-bugs"))]
    let bug = None;
    let explorer = match Explorer::new(bounds, bug) {
        Ok(explorer) => explorer,
        Err(error) => {
            eprintln!("telegraft-model: {error}");
            return ExitCode::from(2);
        }
    };
    let interrupted = match watch_signals() {
        Ok(interrupted) => interrupted,
        Err(error) => {
            eprintln!("telegraft-model: cannot take signals: {error}");
            return ExitCode::from(1);
        }
    };
    let cpus = thread::available_parallelism().map_or(1, |cpus| cpus.get());
    let max_memory = arguments.max_memory.map(|mebibytes| mebibytes * MEBIBYTE);
    let limits = Limits {
        order: match arguments.first {
            First::Depth => Order::DepthFirst,
            First::Breadth => Order::BreadthFirst,
        },
        threads: arguments.threads.unwrap_or(cpus).max(1),
        max_states: arguments.max_states,
        max_time: arguments.max_seconds.map(Duration::from_secs),
        max_memory: max_memory.or_else(default_memory_limit),
    };
    println!("{bounds}");
    let mut told = Instant::now();
    let report = search(explorer, &limits, |progress| {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            eprintln!(
                "{:>6.0} s: {} unique states, {} in all, depth {}, {} replica states, {} messages, \
                 {} MiB",
                progress.elapsed.as_secs_f64(),
                progress.unique,
                progress.total,
                progress.depth,
                progress.replicas,
                progress.messages,
                in_mebibytes(progress.peak_memory),
            );
        }
        if interrupted.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    print(&report, &limits);
    if let Some(path) = &arguments.table
        && let Err(error) = append_row(path, &bounds, &report)
    {
        eprintln!("telegraft-model: {}: {error}", path.display());
        return ExitCode::from(1);
    }
    match report.end {
        End::Broken => ExitCode::from(1),
        End::Exhausted if !report.missed.is_empty() => ExitCode::from(1),
        End::Interrupted => ExitCode::from(INTERRUPTED),
        _ => ExitCode::SUCCESS,
    }
}

/// Is true from the first SIGINT or SIGTERM on. Who asks twice does not want to wait: the second
/// ends the process.
fn watch_signals() -> io::Result<Arc<AtomicBool>> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        let interrupt = signal(SignalKind::interrupt())?;
        (interrupt, signal(SignalKind::terminate())?)
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&interrupted);
    thread::Builder::new().spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if seen.swap(true, Ordering::Relaxed) {
                    std::process::exit(INTERRUPTED.into());
                }
            }
        });
    })?;
    Ok(interrupted)
}

fn in_mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(
        || "?".to_owned(),
        |bytes| bytes.div_ceil(MEBIBYTE).to_string(),
    )
}

/// Appends what was found to a table, which begins with this row when the file is new.
fn append_row(path: &Path, bounds: &Bounds, report: &Report) -> io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    let mut text = String::new();
    if file.metadata()?.len() == 0 {
        text.push_str(
            "| within | unique states | states in all | depth | result | seconds | peak MiB |\n\
             |---|---:|---:|---:|---|---:|---:|\n",
        );
    }
    let progress = &report.progress;
    let result = match &report.broken {
        Some((rule, _)) => format!("broken: {rule}"),
        None => report.end.to_string(),
    };
    text.push_str(&format!(
        "| {bounds} | {} | {} | {} | {result} | {:.1} | {} |\n",
        progress.unique,
        progress.total,
        progress.depth,
        progress.elapsed.as_secs_f64(),
        in_mebibytes(progress.peak_memory),
    ));
    file.write_all(text.as_bytes())
}

fn print(report: &Report, limits: &Limits) {
    let progress = &report.progress;
    println!(
        "{} unique states, {} in all, depth {}, {:.1} s, {} threads, at most {} MiB; {} replica \
         states, {} messages",
        progress.unique,
        progress.total,
        progress.depth,
        progress.elapsed.as_secs_f64(),
        limits.threads,
        in_mebibytes(progress.peak_memory),
        progress.replicas,
        progress.messages
    );
    println!("came by: {}", names(&report.sights));
    if let Some((rule, way)) = &report.broken {
        println!("BROKEN: {rule}, by this way:");
        for line in way {
            println!("{line}");
        }
        return;
    }
    let rules: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    println!("held in all of them: {}", rules.join("; "));
    if report.end == End::Memory {
        println!(
            "the limit of memory: {} MiB",
            in_mebibytes(limits.max_memory)
        );
    }
    if report.end == End::Exhausted {
        println!("EXHAUSTED: every state within the bounds was visited");
        if !report.missed.is_empty() {
            println!(
                "MISSED, though it should be within the bounds: {}",
                names(&report.missed)
            );
        }
    } else {
        println!("{}", report.end);
        if !report.missed.is_empty() {
            println!("not come by so far: {}", names(&report.missed));
        }
    }
}

fn names(sights: &[Sight]) -> String {
    let names: Vec<&str> = sights.iter().map(|sight| sight.name()).collect();
    names.join("; ")
}
