//! What must hold in every state.

use std::fmt;

/// The rules. The first five are those of the Raft paper's Figure 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// At most one leader is elected in a term.
    ElectionSafety,
    /// A leader never overwrites or deletes entries of its log; it only appends.
    LeaderAppendOnly,
    /// Two logs, in memory or on disk, with an entry of the same index and term are the same up
    /// to it.
    LogMatching,
    /// An entry that was committed in a term is in the logs of the leaders of all later terms.
    LeaderCompleteness,
    /// No two replicas ever take different entries of one index for committed, nor one replica
    /// what no leader has committed.
    StateMachineSafety,
    /// A replica votes once in a term, across crashes: its durable vote never changes.
    OneVote,
    /// No message (but those of PreVote) leaves before its term, and the vote that it tells of,
    /// are durable.
    DurableTerm,
    /// A follower acknowledges no entry before it is durable.
    DurableAcknowledgement,
    /// What is committed is durable on a majority, and stays so.
    DurableCommit,
    /// A leader commits by counting only entries of its own term (§5.4.2).
    OwnTermCommit,
    /// A linearizable read sees all that was committed before it was asked.
    FreshRead,
    /// The core's own assertions hold.
    Assertions,
}

impl Rule {
    /// All of them.
    pub const ALL: &[Rule] = &[
        Rule::ElectionSafety,
        Rule::LeaderAppendOnly,
        Rule::LogMatching,
        Rule::LeaderCompleteness,
        Rule::StateMachineSafety,
        Rule::OneVote,
        Rule::DurableTerm,
        Rule::DurableAcknowledgement,
        Rule::DurableCommit,
        Rule::OwnTermCommit,
        Rule::FreshRead,
        Rule::Assertions,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Rule::ElectionSafety => "election safety",
            Rule::LeaderAppendOnly => "leader append-only",
            Rule::LogMatching => "log matching",
            Rule::LeaderCompleteness => "leader completeness",
            Rule::StateMachineSafety => "state machine safety",
            Rule::OneVote => "one vote a term",
            Rule::DurableTerm => "durable term before messages",
            Rule::DurableAcknowledgement => "durable before acknowledged",
            Rule::DurableCommit => "committed is durable on a majority",
            Rule::OwnTermCommit => "commit by own term's entries",
            Rule::FreshRead => "fresh linearizable reads",
            Rule::Assertions => "the core's own assertions",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a search must have come by to have meant anything. One that broke no rule because
/// nothing happened in it is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// Two replicas led at the same time, in different terms.
    TwoLeaders,
    /// A leader committed in a later term than the first.
    LaterCommit,
    /// A leader committed entries of an earlier term with one of its own.
    EarlierTermsCarried,
    /// A follower superseded entries that it had.
    Superseded,
    /// A crash lost writes.
    WritesLost,
    /// A linearizable read was answered.
    ReadAnswered,
    /// A linearizable read was answered by a follower.
    FollowerRead,
}

impl Sight {
    /// All of them.
    pub const ALL: &[Sight] = &[
        Sight::TwoLeaders,
        Sight::LaterCommit,
        Sight::EarlierTermsCarried,
        Sight::Superseded,
        Sight::WritesLost,
        Sight::ReadAnswered,
        Sight::FollowerRead,
    ];

    /// What was seen.
    pub fn name(self) -> &'static str {
        match self {
            Sight::TwoLeaders => "two leaders at once",
            Sight::LaterCommit => "a commit in a later term",
            Sight::EarlierTermsCarried => "entries of an earlier term committed with a later one",
            Sight::Superseded => "entries superseded",
            Sight::WritesLost => "writes lost in a crash",
            Sight::ReadAnswered => "a read answered",
            Sight::FollowerRead => "a read answered by a follower",
        }
    }
}
