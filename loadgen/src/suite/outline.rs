//! What a suite will run, for those who are about to wait for it.

use std::fmt::Write as _;

use super::{Suite, SuiteError};
use crate::values::duration_text;

/// Lists what is run in every trial, in that order, and says how long it loads in all.
///
/// # Errors
/// As those of [`Suite::configurations`].
pub fn outline(suite: &Suite) -> Result<String, SuiteError> {
    let configurations = suite.configurations()?;
    let mut text = format!("{}\n", suite.name);
    if !suite.description.is_empty() {
        text += &format!("  {}.\n", suite.description.trim_end_matches('.'));
    }
    text += "\nIn turn, trial by trial\n";
    let widths = configurations.iter().map(|each| each.name.len());
    let width = widths.max().unwrap_or(0);
    for each in &configurations {
        let times = match each.trials {
            1 => "once".to_owned(),
            trials => format!("{trials} times"),
        };
        writeln!(text, "  {:<width$}  {times}", each.name).expect("a string takes every text");
    }
    let runs: u32 = configurations.iter().map(|each| each.trials).sum();
    let each = suite.warmup + suite.duration;
    let load = each.saturating_mul(runs);
    let load = match load.as_secs() {
        seconds if seconds >= 120 => format!("{} min", seconds.div_ceil(60)),
        _ => duration_text(load),
    };
    let s = if runs == 1 { "" } else { "s" };
    text += &format!(
        "\n{runs} run{s} of {} + {}: {load} of load, and a second or two around each.\n",
        duration_text(suite.warmup),
        duration_text(suite.duration)
    );
    Ok(text)
}
