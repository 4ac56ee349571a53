//! `telegraft-simulator`: runs seeds, and tells the story of one.

use std::ops::Range;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use telegraft_cluster::known_bugs::KnownBug;
use telegraft_simulator::fleet::{self, Options};
use telegraft_simulator::plan::Plan;
use telegraft_simulator::report::Totals;
use telegraft_simulator::run::run;
use telegraft_simulator::shrink::shrink;

/// Failing seeds that are made smaller and told, at most.
const STORIES: usize = 3;
/// Runs to make one smaller, at most.
const SHRINK_TRIES: u32 = 150;
/// Lines at the end of a story that are printed.
const STORY_LINES: usize = 150;

/// Runs whole clusters on virtual time, network and disk, one seed after another.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Example: scripts/simulate --seeds 0..20000 --nodes 5"
)]
struct Arguments {
    /// The seeds to run
    #[arg(long, value_parser = range, default_value = "0..1000")]
    seeds: Range<u64>,
    /// Replicas of the cluster
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=9))]
    nodes: u64,
    /// Threads [default: one for each core]
    #[arg(long)]
    threads: Option<usize>,
    /// Run each seed twice and compare what happened
    #[arg(long)]
    twice: bool,
    /// Run this seed alone
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// With --seed: tell all that happened
    #[arg(long, requires = "seed")]
    story: bool,
    /// Switch a known bug on (needs the feature known-bugs)
    #[arg(long, value_name = "NAME")]
    bug: Option<KnownBug>,
    /// Do not make failing seeds smaller
    #[arg(long)]
    no_shrink: bool,
    /// The output
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// No progress
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text
        .split_once("..")
        .ok_or("a range of seeds is written 0..1000")?;
    let number = |digits: &str| digits.parse::<u64>().map_err(|error| error.to_string());
    let (start, end) = (number(start)?, number(end)?);
    if start < end {
        Ok(start..end)
    } else {
        Err("there is no seed in that range".to_owned())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.bug.is_some() && !cfg!(feature = "known-bugs") {
        eprintln!("this build has no known bugs: build with --features known-bugs");
        return ExitCode::from(2);
    }
    let threads = arguments
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let seeds = match arguments.seed {
        Some(seed) => seed..seed + 1,
        None => arguments.seeds.clone(),
    };
    if let (Some(seed), true) = (arguments.seed, arguments.story) {
        let report = run(&Plan::draw(seed, arguments.nodes), true, arguments.bug);
        for line in &report.story {
            println!("{line}");
        }
    }
    let options = Options {
        threads: threads.min(usize::try_from(seeds.end - seeds.start).unwrap_or(threads)),
        seeds,
        nodes: arguments.nodes,
        twice: arguments.twice,
        bug: arguments.bug,
    };
    let progress = progress(&options, arguments.quiet);
    let begun = Instant::now();
    let mut totals = Totals::new();
    fleet::run_all(&options, |report| {
        progress.inc(1);
        if let Some(violation) = &report.violation {
            progress.println(format!("seed {} fails: {}", report.seed, violation.rule));
        }
        totals.add(&report);
    });
    progress.finish_and_clear();
    let took = begun.elapsed();
    match arguments.format {
        Format::Text => print!("{}", totals.text(took, options.threads)),
        Format::Json => {
            let json = serde_json::json!({
                "took_s": took.as_secs_f64(),
                "threads": options.threads,
                "nodes": options.nodes,
                "too_rare": totals.too_rare(),
                "totals": totals,
            });
            println!("{json}");
        }
    }
    if !arguments.no_shrink {
        for failure in totals.failures.iter().take(STORIES) {
            tell_smaller(failure.seed, &options);
        }
    }
    if totals.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn progress(options: &Options, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(options.seeds.end - options.seeds.start);
    let style = ProgressStyle::with_template("{pos}/{len} seeds {wide_bar} {eta}")
        .expect("the template is well formed");
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// Makes a failing seed smaller and tells its story.
fn tell_smaller(seed: u64, options: &Options) {
    let bug = options.bug;
    let plan = Plan::draw(seed, options.nodes);
    let Some(violation) = run(&plan, false, bug).violation else {
        return;
    };
    let small = shrink(&plan, &violation, SHRINK_TRIES, |plan| {
        run(plan, false, bug).violation
    });
    let plan = &small.plan;
    println!(
        "\nSeed {seed}, made smaller in {} tries: {} nodes, {} clients, {} faults, {:.1} s",
        small.tries,
        plan.nodes,
        plan.clients.len(),
        plan.faults.len(),
        plan.length.as_secs_f64()
    );
    let story = run(plan, true, bug).story;
    let skipped = story.len().saturating_sub(STORY_LINES);
    if skipped > 0 {
        println!("({skipped} lines before)");
    }
    for line in &story[skipped..] {
        println!("{line}");
    }
}
