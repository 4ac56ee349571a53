//! A comparison as a reader sees it.

mod json;
mod table;

use super::rows::{Outcome, Row, SIDES};
use super::{Comparison, What};
use crate::number::plain;
use crate::report::table::MARK;
use crate::report::text::Text;
use crate::stats::{ALPHA, MIN_TRIALS, Verdict};

/// What stands beside the table.
struct Words {
    title: String,
    /// What the columns are.
    lead: Vec<Text>,
    warnings: Vec<Text>,
    /// What came of it, in numbers.
    summary: Vec<Text>,
    /// What is not in the table.
    left_out: Vec<Text>,
}

impl Comparison {
    /// For a terminal of 110 columns; without colours.
    pub fn terminal(&self) -> String {
        let words = self.words();
        let mut text = format!("{}\n", Text::plain(&words.title).terminal());
        text += &terminal("", &words.lead);
        text += &terminal(&format!("{MARK} "), &words.warnings);
        text += "\n";
        if !self.is_empty() {
            text += &format!("{}\n", self.table(true).terminal());
        }
        text += &terminal("", &words.summary);
        text += &terminal("- ", &words.left_out);
        text
    }

    /// As a page of Markdown.
    pub fn markdown(&self) -> String {
        let words = self.words();
        let mut text = format!("# {}\n", Text::plain(&words.title).markdown());
        for line in &words.lead {
            text += &format!("\n{}\n", line.markdown());
        }
        if !words.warnings.is_empty() {
            text += "\n";
        }
        for line in &words.warnings {
            text += &format!("- {MARK} {}\n", line.markdown());
        }
        if !self.is_empty() {
            let table = self.table(false);
            text += &format!("\n{}\n", table.markdown());
            text += &format!("{}\n", table.caption.markdown());
        }
        for line in &words.summary {
            text += &format!("\n{}\n", line.markdown());
        }
        if !words.left_out.is_empty() {
            text += "\n## What is not in the table\n\n";
        }
        for line in &words.left_out {
            text += &format!("- {}\n", line.markdown());
        }
        text
    }

    fn words(&self) -> Words {
        let warning = |text: &String| Text::plain(text);
        Words {
            title: self.title(),
            lead: self.lead(),
            warnings: self.warnings.iter().map(warning).collect(),
            summary: self.summary(),
            left_out: self.left_out(),
        }
    }

    fn title(&self) -> String {
        match self.what {
            What::Sides => "Comparison of two sides".to_owned(),
            What::Setting(setting) => format!("Comparison by {}", setting.name()),
            What::Halves => "Comparison of odd with even trials (A/A)".to_owned(),
        }
    }

    fn lead(&self) -> Vec<Text> {
        let [a, b] = &self.sides;
        let mut lead = vec![Text::plain(format!("A: {a} · B: {b}"))];
        let noise = plain(self.noise * 100.0);
        lead.push(Text::plain(format!(
            "Δ: change of B against A · p: after Holm's correction · noise threshold: {noise} %"
        )));
        if !self.differs.is_empty() {
            let differs = format!("What differs: {}.", self.differs.join("; "));
            lead.push(Text::plain(differs));
        }
        lead
    }

    /// How many rows have each verdict, and of an A/A comparison how many are false.
    fn summary(&self) -> Vec<Text> {
        if self.is_empty() {
            return vec![Text::plain("There is nothing to compare.")];
        }
        let verdicts = [
            Verdict::Faster,
            Verdict::Slower,
            Verdict::NoDifferenceSeen,
            Verdict::WithinNoise,
            Verdict::TooFewTrials,
        ];
        let of = |verdict| self.count(|row| row.outcome == Outcome::Judged(verdict));
        let mut counts: Vec<String> = verdicts
            .into_iter()
            .map(|verdict| (of(verdict), verdict))
            .filter(|(count, _)| *count > 0)
            .map(|(count, verdict)| format!("{count} {verdict}"))
            .collect();
        let untestable = self.count(|row| matches!(row.outcome, Outcome::Untestable(_)));
        if untestable > 0 {
            counts.push(format!("{untestable} that cannot be tested"));
        }
        let rows = self.rows.len();
        let many = if rows == 1 { "row" } else { "rows" };
        let mut summary = vec![Text::plain(format!(
            "{rows} {many}: {}.",
            counts.join(", ")
        ))];
        if self.what == What::Halves {
            summary.push(Text::plain(self.false_alarms()));
        }
        summary
    }

    fn false_alarms(&self) -> String {
        let tested = self.count(|row| row.p.is_some());
        if tested == 0 {
            return format!(
                "Both halves are the same configuration. None has {MIN_TRIALS} trials that count \
                 in each half, and so there is no false alarm to be had."
            );
        }
        let below = |p: Option<f64>| p.is_some_and(|p| p < ALPHA);
        let alarms = self.count(|row| below(row.p));
        let adjusted = self.count(|row| below(row.adjusted_p));
        #[allow(clippy::cast_precision_loss, reason = "rows are few")]
        let expected = tested as f64 * ALPHA;
        format!(
            "Both halves are the same configuration: of {tested} tested rows {alarms} have p < \
             {ALPHA} before the correction (about {} would by chance alone), {adjusted} after it. \
             Whatever is seen here is a false alarm.",
            plain(expected)
        )
    }

    fn left_out(&self) -> Vec<Text> {
        let mut told = Vec::new();
        let inside = self.what != What::Sides;
        for (at, side) in SIDES.into_iter().enumerate() {
            for name in &self.unpaired[at] {
                told.push(match self.what {
                    What::Sides => format!("{name}: only in {side}"),
                    What::Setting(setting) => {
                        format!(
                            "{name}: no other differs from it in {} alone",
                            setting.name()
                        )
                    }
                    What::Halves => format!("{name}: it has no odd and even trials that count"),
                });
            }
        }
        for (side, runs) in SIDES.into_iter().zip(&self.invalid) {
            let side = match inside {
                true => String::new(),
                false => format!(" ({side})"),
            };
            for (run, why) in runs {
                told.push(format!("{run}{side} does not count: {why}"));
            }
        }
        told.extend(self.problems.iter().map(ToString::to_string));
        told.into_iter().map(Text::plain).collect()
    }

    fn count(&self, is: impl Fn(&Row) -> bool) -> usize {
        self.rows.iter().filter(|row| is(row)).count()
    }
}

/// A line each, with a sign before it.
fn terminal(sign: &str, lines: &[Text]) -> String {
    let line = |line: &Text| format!("{sign}{}\n", line.terminal());
    lines.iter().map(line).collect()
}
