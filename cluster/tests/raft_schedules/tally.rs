//! What was met on the way: a harness that never meets the interesting cases proves nothing.

use std::collections::BTreeMap;
use std::fmt;

/// Something worth meeting in a share of the schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sight {
    LeaderChange,
    SplitVote,
    PreVoteRefused,
    Conflict,
    SupersededSuffix,
    LateCompletion,
    LostSuffix,
    OldTermCommitted,
    LeaseRead,
    LeaseFellBack,
    StaleLeaderAsked,
    ReadRefused,
    FollowerRead,
    ProposalRefused,
    Overloaded,
    HandOutWithGap,
    Fetch,
    FetchFailed,
    TransferCompleted,
    DiskFull,
    RefusedUnderPromise,
    OwnDiskBehindCommit,
}

/// Each sight with the least share of schedules, in percent, that must meet it.
pub(crate) const WANTED: &[(Sight, u32)] = &[
    (Sight::LeaderChange, 50),
    (Sight::SplitVote, 10),
    (Sight::PreVoteRefused, 50),
    (Sight::Conflict, 40),
    (Sight::SupersededSuffix, 20),
    (Sight::LateCompletion, 5),
    (Sight::LostSuffix, 20),
    (Sight::OldTermCommitted, 20),
    (Sight::LeaseRead, 50),
    (Sight::LeaseFellBack, 40),
    (Sight::StaleLeaderAsked, 30),
    (Sight::ReadRefused, 40),
    (Sight::FollowerRead, 40),
    (Sight::ProposalRefused, 50),
    (Sight::Overloaded, 5),
    (Sight::HandOutWithGap, 20),
    (Sight::Fetch, 20),
    (Sight::FetchFailed, 5),
    (Sight::TransferCompleted, 15),
    (Sight::DiskFull, 15),
    (Sight::RefusedUnderPromise, 30),
    (Sight::OwnDiskBehindCommit, 20),
];

/// How often each sight was met, and in how many schedules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    met: BTreeMap<Sight, (u32, u64)>,
    schedules: u32,
}

impl Tally {
    /// Notes a sight within one schedule.
    pub(crate) fn saw(&mut self, sight: Sight) {
        let (schedules, times) = self.met.entry(sight).or_default();
        *schedules = 1;
        *times += 1;
    }

    /// Adds one schedule's tally.
    pub(crate) fn add(&mut self, one: &Tally) {
        self.schedules += 1;
        for (sight, (schedules, times)) in &one.met {
            let sum = self.met.entry(*sight).or_default();
            sum.0 += schedules;
            sum.1 += times;
        }
    }

    /// The sights met too rarely.
    pub(crate) fn missing(&self) -> Vec<Sight> {
        WANTED
            .iter()
            .filter(|(sight, percent)| {
                let (schedules, _) = self.met.get(sight).copied().unwrap_or_default();
                schedules * 100 < percent * self.schedules
            })
            .map(|(sight, _)| *sight)
            .collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "of {} schedules, met in (times in all):", self.schedules)?;
        for (sight, percent) in WANTED {
            let (schedules, times) = self.met.get(sight).copied().unwrap_or_default();
            writeln!(
                f,
                "  {:<20} {schedules:>5} ({times}), at least {percent} %",
                format!("{sight:?}")
            )?;
        }
        Ok(())
    }
}
