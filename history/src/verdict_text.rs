//! A verdict in words, for terminals.

use std::fmt;

use crate::verdict::{Operations, Percentiles, Verdict};

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "{}: {}\n", violation.rule, violation.text)?;
        }
        let all: u64 = self.violated.values().sum();
        if all > self.violations.len() as u64 {
            let rules: Vec<String> = self
                .violated
                .iter()
                .map(|(rule, count)| format!("{count} {rule}"))
                .collect();
            writeln!(
                f,
                "The first {} of {all} violations are told: {}.\n",
                self.violations.len(),
                rules.join(", ")
            )?;
        }
        writeln!(
            f,
            "{} lines over {:.1} s: {} rooms, {} messages acknowledged, {} values read",
            self.lines,
            self.span_ns as f64 / 1e9,
            self.rooms,
            self.acknowledged,
            self.values_read
        )?;
        writeln!(f, "  operation               ok   failed  unknown")?;
        for operations in &self.operations {
            let Operations {
                ok,
                failed,
                unknown,
                ..
            } = operations;
            let name = match operations.consistency {
                None => operations.kind.name().to_owned(),
                Some(consistency) => format!("{} {consistency}", operations.kind),
            };
            writeln!(f, "  {name:<18} {ok:>8} {failed:>8} {unknown:>8}")?;
        }
        if self.unknown_sends > 0 {
            write!(
                f,
                "Of {} sends of unknown outcome, {} appeared",
                self.unknown_sends, self.unknown_appeared
            )?;
            match self.unknown_implied {
                0 => writeln!(f)?,
                implied => writeln!(f, ", and {implied} must be there that no read shows")?,
            }
        }
        let staleness = &self.staleness;
        if staleness.reads > 0 {
            writeln!(
                f,
                "Local reads were behind by (p50/p90/p99/max): {} ms, {} messages of their room, {} \
                 log entries",
                Slashed(staleness.milliseconds),
                Slashed(staleness.messages),
                Slashed(staleness.log_entries)
            )?;
        }
        writeln!(
            f,
            "The longest time without a successful send: {:.0} ms",
            self.longest_outage_ns as f64 / 1e6
        )?;
        if !self.faults.is_empty() {
            let faults: Vec<String> = self
                .faults
                .iter()
                .map(|(f, count)| format!("{count} {f}"))
                .collect();
            writeln!(f, "Faults: {}", faults.join(", "))?;
        }
        if self.digests_compared > 0 {
            writeln!(f, "Digests compared: {}", self.digests_compared)?;
        }
        for note in &self.notes {
            writeln!(f, "Note: {note}")?;
        }
        match all {
            0 => write!(f, "Consistent: every promise was kept."),
            1 => write!(f, "VIOLATED: 1 violation."),
            many => write!(f, "VIOLATED: {many} violations."),
        }
    }
}

struct Slashed(Percentiles);

impl fmt::Display for Slashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Percentiles { p50, p90, p99, max } = self.0;
        write!(f, "{p50}/{p90}/{p99}/{max}")
    }
}
