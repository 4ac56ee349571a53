//! What is printed at the end.

use std::path::Path;

use super::verdict::{Judgement, StressVerdict};

/// Reasons that are printed; `verdict.json` has more.
const MAX_REASONS: usize = 10;

/// The verdict for people.
pub(super) fn text(verdict: &StressVerdict, directory: &Path) -> String {
    let mut lines = vec![headline(verdict)];
    let reasons = verdict.reasons.iter().take(MAX_REASONS);
    lines.extend(reasons.map(|reason| format!("  {}", reason.replace('\n', "\n    "))));
    if let Some(more) = verdict.reasons.len().checked_sub(MAX_REASONS + 1) {
        lines.push(format!("  and {} more", more + 1));
    }
    lines.push(String::new());
    let faults = verdict.faults.iter().map(|(kind, tally)| {
        let of = match tally.scheduled {
            scheduled if scheduled == tally.happened => String::new(),
            scheduled => format!("/{scheduled}"),
        };
        format!("{kind} {}{of}", tally.happened)
    });
    lines.push(field("Faults", &faults.collect::<Vec<_>>().join(", ")));
    let links = &verdict.link_totals;
    if links.frames > 0 {
        lines.push(field(
            "Links",
            &format!(
                "{} frames: {} lost, {} doubled, {} overtaken, {} late, {} dropped by cuts; \
                 {} connections broken",
                links.frames,
                links.lost,
                links.duplicated,
                links.reordered,
                links.delayed,
                links.dropped_by_cuts,
                links.broken
            ),
        ));
    }
    if let Some(ms) = verdict.heal_ms {
        let text = format!("{:.2} s after the last fault", ms / 1e3);
        lines.push(field("Healed", &text));
    }
    for skipped in verdict.skipped.iter().chain(&verdict.passed_over) {
        lines.push(field("Note", skipped));
    }
    lines.push(field("Again", &verdict.command));
    lines.push(field("Results", &directory.display().to_string()));
    lines.join("\n")
}

fn field(name: &str, text: &str) -> String {
    format!("{name:<12}{text}")
}

fn headline(verdict: &StressVerdict) -> String {
    let what = match verdict.judgement {
        Judgement::Violated => "VIOLATED: the cluster broke a promise",
        Judgement::Interrupted => "INTERRUPTED: what was recorded is consistent",
        Judgement::Failed => "FAILED: what was recorded is consistent, and the run went wrong",
        Judgement::Inconclusive => {
            "INCONCLUSIVE: what was recorded is consistent, and a fault never happened"
        }
        Judgement::Consistent => "CONSISTENT: no promise was broken",
    };
    format!(
        "{what} ({} replicas, {:.0} s, seed {})",
        verdict.replicas, verdict.duration_s, verdict.seed
    )
}
