//! `telegraft-model`: explores every state that a few replicas of the Raft core can come into.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use telegraft_model::{Bounds, Explorer, Limits, Order, Report, Rule, Sight, search};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Explores every state that a few replicas of the real Raft core can come into, and checks that
/// none is unsafe. Exits with 0 when no rule is broken, 1 when one is, 2 on a wrong command line.
#[derive(Debug, Parser)]
#[command(version)]
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
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get());
    let limits = Limits {
        order: match arguments.first {
            First::Depth => Order::DepthFirst,
            First::Breadth => Order::BreadthFirst,
        },
        threads: arguments.threads.unwrap_or(cpus).max(1),
        max_states: arguments.max_states,
        max_time: arguments.max_seconds.map(Duration::from_secs),
    };
    println!("{bounds:?}");
    let mut told = Instant::now();
    let report = search(explorer, &limits, |progress| {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            eprintln!(
                "{:>6.0} s: {} unique states, {} in all, depth {}, {} replica states, {} messages",
                progress.elapsed.as_secs_f64(),
                progress.unique,
                progress.total,
                progress.depth,
                progress.replicas,
                progress.messages
            );
        }
    });
    print(&report);
    if report.broken.is_some() {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    }
}

fn print(report: &Report) {
    let progress = &report.progress;
    println!(
        "{} unique states, {} in all, depth {}, {:.1} s; {} replica states, {} messages",
        progress.unique,
        progress.total,
        progress.depth,
        progress.elapsed.as_secs_f64(),
        progress.replicas,
        progress.messages
    );
    let sights: Vec<&str> = report
        .sights
        .iter()
        .map(|sight| Sight::name(*sight))
        .collect();
    println!("came by: {}", sights.join("; "));
    if let Some((rule, way)) = &report.broken {
        println!("BROKEN: {rule}, by this way:");
        for line in way {
            println!("{line}");
        }
        return;
    }
    let rules: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    println!("held in all of them: {}", rules.join("; "));
    if report.exhausted {
        println!("EXHAUSTED: every state within the bounds was visited");
    } else {
        println!("NOT exhausted: given up at the limit of states or time");
    }
}
