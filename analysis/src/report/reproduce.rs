//! How to get the results again.

use super::Context;
use super::document::Section;
use super::text::{Text, one_line};
use crate::data::Source;
use crate::number::plain;

/// The command, and the suites that it needs: each once, with the directories that have it.
pub(super) fn section(context: &Context<'_>) -> Section {
    let mut section = Section::new("reproduce", "How to reproduce");
    let data = context.data;
    let mut suites: Vec<(&Source, Vec<&str>)> = Vec::new();
    for source in &data.sources {
        match suites
            .iter_mut()
            .find(|(other, _)| other.suite == source.suite)
        {
            Some((_, names)) => names.push(&source.name),
            None => suites.push((source, vec![&source.name])),
        }
    }
    let runs = data.runs.iter().map(|run| run.any());
    let seconds: f64 = runs.map(|row| row.warmup_s + row.duration_s).sum();
    section.paragraph(Text::plain(format!(
        "It takes {} s of load in {} runs, and a second or two around each.",
        plain(seconds),
        data.runs.len()
    )));
    let mut stressed: Vec<String> = Vec::new();
    for (source, names) in &suites {
        let of = match data.sources.len() {
            1 => String::new(),
            _ => format!("{}: ", names.join(", ")),
        };
        if let Some(commands) = stress_commands(context, source) {
            // One block for all of them.
            let of = of.trim_end_matches([':', ' ']);
            stressed.extend((!of.is_empty()).then(|| format!("# {}", one_line(of))));
            stressed.extend(commands);
            continue;
        }
        let Some(suite) = &source.suite else {
            section.paragraph(Text::plain(format!(
                "{of}suite.toml is missing, so the exact configuration is not known."
            )));
            continue;
        };
        let built = source.environment.as_ref().map_or(String::new(), |e| {
            let revision = e.git_revision.as_ref();
            let revision = revision.map_or(String::new(), |r| format!(" (revision {r})"));
            format!(
                " (it was telegraft {}{revision}, built with {})",
                e.version, e.rustc
            )
        });
        let command = command(context, source);
        section.paragraph(Text::plain(of).then(Text::parse(command.preface)));
        section.paragraph(Text::plain(format!("With the same build{built}:")));
        section.code("sh", command.text);
        section.code("toml", suite.trim_end());
    }
    if !stressed.is_empty() {
        section.paragraph(Text::parse(STRESS));
        section.code("sh", stressed.join("\n"));
    }
    if data.runs.iter().any(|run| run.shares.is_some()) {
        section.paragraph(Text::parse(
            "The shards ran at the same time against one cluster, each with its share (`telegraft load \
             --shard 1/4 --start-at TIME`): the command above makes all of the load with one generator.",
        ));
    }
    section
}

/// What stands before the commands of stress runs.
const STRESS: &str = "\
Faults and clients' choices follow from the seed, so that the same faults come at the same times (with \
`--explain`, they are printed and nothing is done); what the machine does meanwhile does not, and the history \
is another one. The one that was recorded is judged again by `telegraft check`, in its result directory.";

/// The commands of a directory's stress runs, where it has such and their verdicts tell them all.
fn stress_commands(context: &Context<'_>, source: &Source) -> Option<Vec<String>> {
    let sources = &context.data.sources;
    let at = sources
        .iter()
        .position(|other| std::ptr::eq(other, source))?;
    let stress = context
        .data
        .stress
        .iter()
        .filter(|stress| stress.source == at);
    let mut lines = Vec::new();
    for stress in stress {
        let command = &stress.verdict.as_ref()?.command;
        let check = format!("telegraft check history/{}.jsonl", stress.run_id);
        for line in [one_line(command), check] {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    let mut runs = context.data.runs.iter().filter(|run| run.source == at);
    (!lines.is_empty() && runs.all(crate::data::Run::is_stress)).then_some(lines)
}

/// What is to be typed, and what is to be said before it.
struct Command {
    preface: &'static str,
    text: &'static str,
}

/// What made a directory's results.
fn command(context: &Context<'_>, source: &Source) -> Command {
    let sources = &context.data.sources;
    let at = sources.iter().position(|other| std::ptr::eq(other, source));
    let mut runs = context
        .data
        .runs
        .iter()
        .filter(|run| Some(run.source) == at);
    if !source.probes.is_empty() {
        return Command {
            preface: "A search for the highest rate of the workload in the suite.toml below (its limits \
                      and steps are not in the files; each rate can be run alone).",
            text: "telegraft bench suite.toml --rate RATE",
        };
    }
    match runs.any(|run| run.standing()) {
        true => Command {
            preface: "It ran against a cluster that was up already. The same load on a fresh one, in a directory \
                      with the suite.toml below (against one that is up: `telegraft load --target`).",
            text: "telegraft bench suite.toml",
        },
        false => Command {
            preface: "Run it in a directory with the suite.toml below.",
            text: "telegraft bench suite.toml",
        },
    }
}
