//! What was broken, with the lines of the history that contradict each other.

use telegraft_history::{Excerpt, Violation};
use telegraft_loadgen::stress::StressVerdict;

use super::tables::marked;
use crate::number::count;
use crate::report::Context;
use crate::report::document::{Block, Picture, Section};
use crate::report::markdown::warning;
use crate::report::table::{Cell, Column, Table};
use crate::report::text::Text;
use crate::stress::{Answer, Stress};

/// Violations of one run that are shown with their lines; the others are in the file.
const MAX_SHOWN: usize = 3;

/// Lines of an excerpt.
const MAX_LINES: usize = 40;

/// Characters of a line of it.
const MAX_LINE: usize = 240;

const CAPTION: &str = "\
Violations by rule. *Explained*: with the lines of the history, in the run's verdict file.";

/// A section with a table of the rules that were broken, and the first violations of each run.
pub(super) fn section(context: &Context<'_>) -> Section {
    let mut section = Section::new("violations", "What was broken");
    let stress = context.data.stress.iter();
    let violated: Vec<&Stress> = stress
        .filter(|stress| stress.answer() == Answer::Violated)
        .collect();
    section.table(table(&violated));
    for stress in violated {
        let Some(verdict) = &stress.verdict else {
            continue;
        };
        if verdict.wrong_answers > 0 {
            let examples = verdict.wrong_examples.iter().take(MAX_SHOWN);
            let examples = examples.map(|text| {
                warning(format!(
                    "{}: a wrong answer: {}",
                    stress.name,
                    first_line(text)
                ))
            });
            section.warnings(examples.collect());
        }
        for (nth, violation) in verdict.check.violations.iter().take(MAX_SHOWN).enumerate() {
            show(stress, nth, violation, &mut section);
        }
        let more = verdict.check.violations.len().saturating_sub(MAX_SHOWN);
        if more > 0 {
            section.paragraph(
                Text::plain(format!("{more} more of {} are explained in ", stress.name))
                    .then(Text::code(format!("verdict/{}.json", stress.run_id)))
                    .then(Text::plain(".")),
            );
        }
    }
    section
}

fn table(violated: &[&Stress]) -> Table {
    let columns = [
        Column::text("run", "run"),
        Column::text("rule", "rule"),
        Column::number("violations", "violations", ""),
        Column::number("explained", "explained", ""),
    ];
    let mut table = Table::new("stress-violations", Text::parse(CAPTION), &columns);
    for stress in violated {
        let Some(verdict) = &stress.verdict else {
            continue;
        };
        let mut row = |rule: &str, n: u64, explained: usize| {
            table.row(vec![
                Cell::text(marked(stress)),
                Cell::text(rule),
                Cell::count(n),
                Cell::count(explained as u64),
            ]);
        };
        for (rule, n) in &verdict.check.violated {
            row(rule, *n, explained(verdict, rule));
        }
        if verdict.wrong_answers > 0 {
            let examples = verdict.wrong_examples.len();
            row("wrong answer", verdict.wrong_answers, examples);
        }
    }
    table
}

fn explained(verdict: &StressVerdict, rule: &str) -> usize {
    let violations = verdict.check.violations.iter();
    violations
        .filter(|violation| violation.rule == rule)
        .count()
}

fn show(stress: &Stress, nth: usize, violation: &Violation, section: &mut Section) {
    let what = first_line(&violation.text);
    let text = format!("{}: {}: {what}", stress.name, violation.rule);
    section.warnings(vec![warning(text)]);
    let lines = lines(violation);
    if !lines.is_empty() {
        section.code("text", lines);
    }
    let picture = stress.pictures.iter().find(|picture| picture.nth == nth);
    section.blocks.extend(picture.map(|picture| {
        Block::Picture(Picture {
            file: picture.file.clone(),
            alt: format!("The operations of this violation over time: {what}"),
            svg: picture.svg.clone(),
        })
    }));
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn cut(line: &str) -> String {
    match line.chars().count() > MAX_LINE {
        true => line.chars().take(MAX_LINE).collect::<String>() + "…",
        false => line.to_owned(),
    }
}

/// The rest of the text, or where there is an excerpt, its lines.
fn lines(violation: &Violation) -> String {
    let all: Vec<String> = match violation.excerpt.as_slice() {
        [] => violation.text.lines().skip(1).map(cut).collect(),
        excerpt => excerpt.iter().map(|line| cut(&of_excerpt(line))).collect(),
    };
    let mut shown = all[..all.len().min(MAX_LINES)].to_vec();
    if all.len() > shown.len() {
        shown.push(format!("… and {} more lines", all.len() - shown.len()));
    }
    shown.join("\n")
}

/// `   4,711   12.345678 s  process 3   ok      read of room 7: …`
fn of_excerpt(line: &Excerpt) -> String {
    #[allow(clippy::cast_precision_loss, reason = "a run has no 2^52 nanoseconds")]
    let seconds = line.at_ns as f64 / 1e9;
    let who = match line.process {
        Some(process) => format!("process {process}"),
        None => String::new(),
    };
    let number = count(line.line as u64);
    let text = &line.text;
    format!(
        "{number:>9} {seconds:>12.6} s  {who:<13} {:<6} {text}",
        line.kind
    )
}
