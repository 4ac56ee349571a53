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
