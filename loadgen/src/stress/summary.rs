//! What is printed at the end.

use std::path::Path;

use telegraft_history::Kind;

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
    history(&verdict.check, &mut lines);
    lines.push(field(
        "Retries",
        &format!(
            "{}; {} writes below their session's window, refused as they must be",
            verdict.retries, verdict.refused_below_window
        ),
    ));
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
    if links.frames == 0 && verdict.cuts_counted && links.dropped_by_cuts + links.broken > 0 {
        lines.push(field(
            "Cuts",
            &format!(
                "{} packets vanished, {} were answered by a reset",
                links.dropped_by_cuts, links.broken
            ),
        ));
    }
    if let Some(ms) = verdict.heal_ms {
        let text = format!("{:.2} s after the load and the last fault", ms / 1e3);
        lines.push(field("Healed", &text));
    }
    for skipped in verdict.skipped.iter().chain(&verdict.passed_over) {
        lines.push(field("Note", skipped));
    }
    lines.push(field("Again", &verdict.command));
    lines.push(field("Results", &directory.display().to_string()));
    lines.join("\n")
}

/// What the history says.
fn history(check: &telegraft_history::Verdict, lines: &mut Vec<String>) {
    for kind in [Kind::Send, Kind::Read, Kind::Inbox] {
        let of = check.operations.iter().filter(|of| of.kind == kind);
        let (ok, failed, unknown) = of.fold((0, 0, 0), |sum, of| {
            (sum.0 + of.ok, sum.1 + of.failed, sum.2 + of.unknown)
        });
        let name = match kind {
            Kind::Send => "Sends",
            Kind::Read => "Reads",
            Kind::Inbox => "Inboxes",
        };
        let unknown = match (kind, unknown) {
            (Kind::Send, unknown) if unknown > 0 => {
                let there = check.unknown_appeared;
                format!(", {unknown} unknown ({there} of them happened)")
            }
            _ => String::new(),
        };
        lines.push(field(name, &format!("{ok} ok, {failed} failed{unknown}")));
    }
    let outage = check.longest_outage_ns as f64 / 1e9;
    lines.push(field(
        "Outage",
        &format!("{outage:.2} s at most without a successful send"),
    ));
    let stale = &check.staleness;
    if stale.reads > 0 {
        let (ms, entries) = (&stale.milliseconds, &stale.log_entries);
        lines.push(field(
            "Staleness",
            &format!(
                "of {} local reads: {} / {} / {} ms, {} / {} / {} entries (p50 / p99 / max)",
                stale.reads, ms.p50, ms.p99, ms.max, entries.p50, entries.p99, entries.max
            ),
        ));
    }
    lines.push(field(
        "Digests",
        &format!(
            "{} compared, in the run and after it",
            check.digests_compared
        ),
    ));
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
            "INCONCLUSIVE: what was recorded is consistent, and shows less than it was to show"
        }
        Judgement::Consistent => "CONSISTENT: no promise was broken",
    };
    format!(
        "{what} ({} replicas, {:.0} s, seed {})",
        verdict.replicas, verdict.duration_s, verdict.seed
    )
}
