//! What was asked for, what was done, and what had an effect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::FaultKind;

/// Faults of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// In the schedule.
    pub scheduled: u64,
    /// Carried out. One is passed over where there is no replica left that it could hit, when the
    /// load is over before its turn comes, and when the run was interrupted before.
    pub done: u64,
    /// Of these, with an effect that was seen: the process was gone or stood still, frames were
    /// cut, lost, delayed, doubled or reordered, a replica said that its disk is full.
    pub happened: u64,
}

/// Faults by kind; kinds that were not asked for have no entry.
pub type Tallies = BTreeMap<FaultKind, Tally>;

/// The kinds that were asked for and never happened.
pub(super) fn missing(tallies: &Tallies) -> Vec<FaultKind> {
    let never = tallies.iter().filter(|(_, tally)| tally.happened == 0);
    never.map(|(kind, _)| *kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_was_done_and_had_no_effect_is_missing() {
        let tally = |scheduled, done, happened| Tally {
            scheduled,
            done,
            happened,
        };
        let tallies = Tallies::from([
            (FaultKind::Kill, tally(3, 2, 2)),
            (FaultKind::Loss, tally(2, 2, 0)),
            (FaultKind::DiskFull, tally(1, 0, 0)),
        ]);
        assert_eq!(missing(&tallies), [FaultKind::Loss, FaultKind::DiskFull]);
    }
}
