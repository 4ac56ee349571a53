//! What always holds: one rule a file, each with its source.

mod acknowledged_is_durable;
mod answers_are_the_logs;
mod asks_before_it_stands;
mod bounded_queues;
mod check_quorum;
mod commit_is_durable;
mod deadlines;
mod digests_agree;
mod durable_is_on_disk;
mod exactly_once;
mod expired_never_applied;
mod forgetful_are_refused;
mod fresh_reads;
mod inbox_order;
mod leader_append_only;
mod leader_completeness;
mod lease_means_leader;
mod log_matching;
mod monotonic_reads;
mod never_back;
mod one_leader;
mod one_vote;
mod promises_kept;
mod read_rounds;
mod reads_are_prefixes;
mod real_time_order;
mod refused_never_appears;
mod retries_agree;
mod rounds_of_their_term;
mod seq_without_gaps;
mod state_machine_safety;
mod steady_terms;

use std::fmt::Debug;

use telegraft_cluster::chat::{Digest, Outcome};
use telegraft_cluster::env::Queues;
use telegraft_cluster::raft::{
    Effects, Entry, LogIndex, Message, NodeId, ReadContext, ReadMode, Restored, Status,
};

use telegraft_cluster::time::Time;

use crate::facts::{Facts, Wake};
use crate::operation::Operation;

/// What has just happened; the facts show it already.
#[derive(Debug)]
pub enum Event<'a> {
    /// A node has opened its log.
    Started {
        /// What its clock shows.
        now: Time,
        /// What the log gave back.
        restored: &'a Restored,
        /// Whether a torn batch was cut.
        torn: bool,
    },
    /// A node is gone.
    Ended,
    /// A message is taken in.
    Received {
        /// What the node's clock shows.
        now: Time,
        /// The sender.
        from: NodeId,
        /// What it says.
        message: &'a Message,
    },
    /// A read is given to the core.
    ReadTaken {
        /// What the node's clock shows.
        now: Time,
        /// Its name.
        context: ReadContext,
        /// How sure it must be.
        mode: ReadMode,
    },
    /// Entries for a follower far behind came from the log.
    Fetched {
        /// How many.
        entries: usize,
    },
    /// The consensus actor has woken up.
    Woke {
        /// What the node's clock shows.
        now: Time,
        /// What it is.
        status: &'a Status,
        /// What it is about to do.
        effects: &'a Effects,
        /// What waits.
        queues: Queues,
        /// What has changed.
        wake: Wake,
    },
    /// The disk has something for certain.
    Durable,
    /// An entry is applied.
    Applied {
        /// The entry.
        entry: &'a Entry,
        /// A hash of its payload.
        hash: u64,
        /// What came of it.
        outcome: Option<&'a Outcome>,
        /// The digest after it.
        digest: Digest,
        /// What ought to have come of it, if no node has applied it before.
        expected: Option<&'a Option<Outcome>>,
    },
    /// A client asks.
    Invoked(&'a Operation),
    /// A client has its reply.
    Completed(&'a Operation),
    /// A fault begins or ends.
    Fault,
    /// The calm after the faults begins.
    Calm,
    /// All is over.
    End,
}

/// A rule. It is told of everything and says what contradicts it.
pub trait Invariant: Debug + Send {
    /// Its name, kebab-case.
    fn name(&self) -> &'static str;
    /// Judges an event on `node` (0 for what is nobody's).
    ///
    /// # Errors
    /// What contradicts the rule.
    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String>;
}

/// All of them.
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(one_leader::OneLeader::default()),
        Box::new(never_back::NeverBack::default()),
        Box::new(one_vote::OneVote::default()),
        Box::new(log_matching::LogMatching::default()),
        Box::new(state_machine_safety::StateMachineSafety::default()),
        Box::new(leader_completeness::LeaderCompleteness::default()),
        Box::new(leader_append_only::LeaderAppendOnly),
        Box::new(commit_is_durable::CommitIsDurable::default()),
        Box::new(acknowledged_is_durable::AcknowledgedIsDurable),
        Box::new(durable_is_on_disk::DurableIsOnDisk),
        Box::new(digests_agree::DigestsAgree::default()),
        Box::new(answers_are_the_logs::AnswersAreTheLogs),
        Box::new(exactly_once::ExactlyOnce::default()),
        Box::new(seq_without_gaps::SeqWithoutGaps),
        Box::new(retries_agree::RetriesAgree::default()),
        Box::new(real_time_order::RealTimeOrder::default()),
        Box::new(fresh_reads::FreshReads),
        Box::new(monotonic_reads::MonotonicReads::default()),
        Box::new(inbox_order::InboxOrder),
        Box::new(reads_are_prefixes::ReadsArePrefixes),
        Box::new(expired_never_applied::ExpiredNeverApplied::default()),
        Box::new(refused_never_appears::RefusedNeverAppears::default()),
        Box::new(promises_kept::PromisesKept::default()),
        Box::new(asks_before_it_stands::AsksBeforeItStands::default()),
        Box::new(check_quorum::CheckQuorum::default()),
        Box::new(lease_means_leader::LeaseMeansLeader::default()),
        Box::new(read_rounds::ReadRounds::default()),
        Box::new(rounds_of_their_term::RoundsOfTheirTerm::default()),
        Box::new(forgetful_are_refused::ForgetfulAreRefused),
        Box::new(deadlines::Deadlines),
        Box::new(steady_terms::SteadyTerms::default()),
        Box::new(bounded_queues::BoundedQueues),
    ]
}

/// Fails with the text unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(format!($($text)*));
        }
    };
}
pub(crate) use ensure;

/// The place of a log index in a list that begins with index 1.
pub(crate) fn place(index: LogIndex) -> usize {
    usize::try_from(index).expect("a log is in memory") - 1
}

/// Whether a message is a question about a vote, or leave to have one: its term is none yet.
pub(crate) fn is_pre_vote(message: &Message) -> bool {
    use telegraft_cluster::raft::Body;
    matches!(
        message.body,
        Body::RequestVote { pre_vote: true, .. }
            | Body::Vote {
                pre_vote: true,
                granted: true
            }
    )
}
