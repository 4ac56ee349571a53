//! What was met on the way: a harness that never meets the interesting cases proves nothing.

use std::collections::BTreeMap;
use std::fmt;

/// Something worth meeting in a share of the schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sight {
    /// A term's leader was another than the last one's.
    LeaderChange,
    /// Two candidates in one term.
    SplitVote,
    /// A pre-vote was refused.
    PreVoteRefused,
    /// A follower refused what it lacked the entry before.
    Conflict,
    /// A node's entries were superseded.
    SupersededSuffix,
    /// A write completed after its last entry was superseded.
    LateCompletion,
    /// A restart had less, or other entries, than the process that died.
    LostSuffix,
    /// An entry of an earlier term was committed along with one of the leader's.
    OldTermCommitted,
    /// A lease read was answered at once.
    LeaseRead,
    /// A lease read waited for a round.
    LeaseFellBack,
    /// A leader was asked after a later term had one.
    StaleLeaderAsked,
    /// A read was refused.
    ReadRefused,
    /// One that does not lead answered a read.
    FollowerRead,
    /// A proposal was refused by one that does not lead, or hands over.
    ProposalRefused,
    /// A proposal was refused because too much is open.
    Overloaded,
    /// Committed entries were left to be read from the log.
    HandOutWithGap,
    /// Entries were read for a follower far behind.
    Fetch,
    /// They could not be read.
    FetchFailed,
    /// Whom the last leader told to campaign leads.
    TransferCompleted,
    /// A term or vote became durable while entries wait.
    DiskFull,
    /// A vote was asked of a node bound to its leader.
    RefusedUnderPromise,
    /// A leader committed what was not yet durable at itself.
    OwnDiskBehindCommit,
}

/// Each sight with the least share of schedules, in percent, that must meet it.
pub(crate) const WANTED: &[(Sight, u32)] = &[
    (Sight::LeaderChange, 60),
    (Sight::SplitVote, 20),
    (Sight::PreVoteRefused, 60),
    (Sight::Conflict, 60),
    (Sight::SupersededSuffix, 40),
    (Sight::LateCompletion, 5),
    (Sight::LostSuffix, 25),
    (Sight::OldTermCommitted, 50),
    (Sight::LeaseRead, 60),
    (Sight::LeaseFellBack, 50),
    (Sight::StaleLeaderAsked, 20),
    (Sight::ReadRefused, 60),
    (Sight::FollowerRead, 60),
    (Sight::ProposalRefused, 60),
    (Sight::Overloaded, 20),
    (Sight::HandOutWithGap, 50),
    (Sight::Fetch, 40),
    (Sight::FetchFailed, 20),
    (Sight::TransferCompleted, 10),
    (Sight::DiskFull, 25),
    (Sight::RefusedUnderPromise, 40),
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
