//! The rules, each of which a violation breaks.

use std::fmt;

/// What a history must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// An acknowledged message is gone: every read that had to show it does not.
    Lost,
    /// A message is at two places.
    Duplicate,
    /// A seq is missing below one that is there.
    Gap,
    /// Two messages at one place, or the order of seqs is not that of log indexes.
    OrderConflict,
    /// A message is ordered before one that was acknowledged before it was sent.
    RealTimeOrder,
    /// A linearizable or lease read misses what was acknowledged before it began.
    StaleRead,
    /// A read shows what was sent after it ended.
    FutureRead,
    /// A read shows an older state than one that it must not fall behind.
    BackwardsRead,
    /// A page is no section of its room's messages.
    NotAPrefix,
    /// A read shows a message that nobody sent there.
    Phantom,
    /// A read shows a message whose send failed.
    FailedAppeared,
    /// A page ends before its limit, and before what its applied index holds.
    PageShort,
    /// A page has more messages than were asked for.
    PageLong,
    /// An applied index is below what it must cover, or below what the answer shows.
    AppliedIndex,
    /// An inbox is not in log order, or shows what is not between its cursors.
    InboxOrder,
    /// An inbox passes over a message.
    InboxMissing,
    /// Two replicas differ at one log index.
    Digest,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 17] = [
        Rule::Lost,
        Rule::Duplicate,
        Rule::Gap,
        Rule::OrderConflict,
        Rule::RealTimeOrder,
        Rule::StaleRead,
        Rule::FutureRead,
        Rule::BackwardsRead,
        Rule::NotAPrefix,
        Rule::Phantom,
        Rule::FailedAppeared,
        Rule::PageShort,
        Rule::PageLong,
        Rule::AppliedIndex,
        Rule::InboxOrder,
        Rule::InboxMissing,
        Rule::Digest,
    ];

    /// Its name in verdicts.
    pub const fn name(self) -> &'static str {
        match self {
            Rule::Lost => "lost",
            Rule::Duplicate => "duplicate",
            Rule::Gap => "gap",
            Rule::OrderConflict => "order-conflict",
            Rule::RealTimeOrder => "real-time-order",
            Rule::StaleRead => "stale-read",
            Rule::FutureRead => "future-read",
            Rule::BackwardsRead => "backwards-read",
            Rule::NotAPrefix => "not-a-prefix",
            Rule::Phantom => "phantom",
            Rule::FailedAppeared => "failed-appeared",
            Rule::PageShort => "page-short",
            Rule::PageLong => "page-long",
            Rule::AppliedIndex => "applied-index",
            Rule::InboxOrder => "inbox-order",
            Rule::InboxMissing => "inbox-missing",
            Rule::Digest => "digest",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
