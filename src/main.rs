//! The `telegraft` command: it parses its arguments, calls a crate, and sets the exit code.

mod args;
mod bench;
mod check;
mod cluster;
mod compare;
mod exit;
mod find_max;
mod load;
mod node;
mod null;
mod report;
mod runtime;
mod stress;
mod tracing_setup;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Failure;

/// A Raft chat cluster with its load generator.
#[derive(Debug, Parser)]
#[command(name = "telegraft", version, about, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  telegraft bench                  load fresh clusters of 1, 3 and 5 replicas, and report
  telegraft load chat --target URL  load a cluster that is up, anywhere
  telegraft find-max chat          the highest rate that still meets the SLO
  telegraft stress                 faults of all kinds, a recorded history, a verdict
  telegraft cluster --replicas 3   a cluster to play with, until Ctrl-C
  telegraft report results/DIR     the report of a result directory again
  telegraft check HISTORY          whether a recorded history keeps every promise
  telegraft compare A B            which differences of two directories are more than noise

Exit codes: 0 done, 1 failed, 2 usage, 3 consistency violated, 99 an SLO was missed,
105 interrupted. TELEGRAFT_LOG=debug says more (TELEGRAFT_LOG=telegraft_cluster=trace: of one
part); NO_COLOR is honoured.";

#[derive(Debug, Subcommand)]
enum Command {
    Bench(bench::Args),
    Load(load::Args),
    FindMax(find_max::Args),
    Stress(stress::Args),
    Cluster(cluster::Args),
    Node(node::Args),
    Null(null::Args),
    Report(report::Args),
    Check(check::Args),
    Compare(compare::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Bench(args) => bench::run(args),
        Command::Load(args) => load::run(args),
        Command::FindMax(args) => find_max::run(args),
        Command::Stress(args) => stress::run(args),
        Command::Cluster(args) => cluster::run(args),
        Command::Node(args) => node::run(args),
        Command::Null(args) => null::run(args),
        Command::Report(args) => report::run(args),
        Command::Check(args) => check::run(args),
        Command::Compare(args) => compare::run(args),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(Failure { exit, text }) => {
            eprintln!("telegraft: {text}");
            exit.into()
        }
    }
}
