//! Bugs that systems like this one have had, to be switched on: what the tests must catch.
//!
//! Each stands in the code where its protection stands, as
//! `if known_bugs::active(KnownBug::…)`. Without the feature `known-bugs` that is the constant
//! `false`, and nothing of them is compiled. With it, a bug is active when it is the one that
//! `set_for_thread` has set for this thread (simulators run several worlds in a process), or,
//! where none is set, the one that the environment variable `VARIABLE` names (whole
//! processes). There is never more than one.
//!
//! A checker is as good as the bugs that it finds: a fault test that stays green with a bug of
//! this list shows that it looks away.

use std::fmt;
use std::str::FromStr;

/// The environment variable that names the bug of a process, as `quorum-one-short`.
pub const VARIABLE: &str = "TELEGRAFT_KNOWN_BUG";

macro_rules! known_bugs {
    ($($variant:ident $name:literal $fault:literal $outside:ident $about:literal, $caught_by:literal;)*) => {
        /// A known bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum KnownBug {
            $(#[doc = $about] $variant,)*
        }

        impl KnownBug {
            /// All of them, in the order of the way of a message.
            pub const ALL: &[KnownBug] = &[$(KnownBug::$variant,)*];

            /// Its name, in kebab-case.
            pub const fn name(self) -> &'static str {
                match self { $(KnownBug::$variant => $name,)* }
            }

            /// What it does, in a sentence.
            pub const fn about(self) -> &'static str {
                match self { $(KnownBug::$variant => $about,)* }
            }

            /// The invariant, or the rule of a history's check, that should catch it.
            pub const fn caught_by(self) -> &'static str {
                match self { $(KnownBug::$variant => $caught_by,)* }
            }

            /// The fault to survive that it fails, as numbered in the list of faults.
            pub const fn fault(self) -> u8 {
                match self { $(KnownBug::$variant => $fault,)* }
            }

            /// Whether clients of real processes can be expected to see its effect, under what
            /// can be done to processes and links: kills, pauses, cuts, delays. The others need
            /// a power cut, a bad disk, a clock that runs wrong, a moment that is rarely met, or
            /// a look inside.
            pub const fn seen_from_outside(self) -> bool {
                match self { $(KnownBug::$variant => known_bugs!(@$outside),)* }
            }
        }
    };
    (@outside) => { true };
    (@inside) => { false };
}

known_bugs! {
    // Elections.
    VoteBeforeDurable "vote-before-durable" 5 inside
        "Votes, requests for votes and answers leave before their term and vote are durable.",
        "one vote a term and voter; no message in a term that is not durable";
    VoteForgottenOnRestart "vote-forgotten-on-restart" 5 inside
        "A restart takes up the term from the log, and not the vote.",
        "one vote a term and voter; one leader a term";
    TwoVotesInATerm "two-votes-in-a-term" 5 inside
        "A replica votes for whoever asks, also when it has voted for another in that term.",
        "one vote a term and voter; one leader a term";
    VoteWithoutComparingLogs "vote-without-comparing-logs" 4 inside
        "A vote is given to a candidate whose log lacks entries that the voter has.",
        "leader completeness; lost";
    NoPreVote "no-pre-vote" 15 inside
        "A replica that hears from no leader enters a new term without asking whether it would be \
         elected, and disturbs the others when it comes back.",
        "terms do not grow while a leader is heard by a majority";
    NoCheckQuorum "no-check-quorum" 13 inside
        "A leader that no majority answers goes on taking itself for one.",
        "a leader without a majority steps back";
    NoPromiseToLeader "no-promise-to-leader" 1 inside
        "A follower votes though it has just heard from a leader that may hold a lease.",
        "no vote within the promise; stale-read of a lease read";
    NoPromiseAfterRestart "no-promise-after-restart" 1 inside
        "A follower votes at once after a restart, though it may have promised not to just before.",
        "no vote within the promise; stale-read of a lease read";
    ElectionBeforeMailbox "election-before-mailbox" 27 inside
        "Timeouts are judged before the heartbeats that lie in the mailbox, and at once after a \
         stop.",
        "no election while a leader is heard";

    // Commitment.
    QuorumOneShort "quorum-one-short" 4 outside
        "The leader takes one replica less than a majority for one: of three, itself alone.",
        "committed is durable on a majority; lost";
    OldTermCommittedByCounting "old-term-committed-by-counting" 6 inside
        "An entry of an earlier term counts as committed once it is on a majority (Figure 8).",
        "committed entries stay; lost";
    LeaderCountsItselfEarly "leader-counts-itself-early" 4 inside
        "The leader counts its own copy of an entry before its disk has it.",
        "committed is durable on a majority; lost";
    AcknowledgedBeforeDurable "acknowledged-before-durable" 4 inside
        "A follower acknowledges entries before its disk has them.",
        "acknowledged is durable; lost";
    SupersededSuffixAcknowledged "superseded-suffix-acknowledged" 7 inside
        "The late completion of a superseded suffix counts for the entries that took its place.",
        "acknowledged is durable; lost";
    SupersededBodyShown "superseded-body-shown" 7 inside
        "A page takes a message's body from the log, where the entry is not durable yet and the one \
         that it supersedes still stands.",
        "reads show the log's messages; order-conflict";
    MatchingEntriesCut "matching-entries-cut" 7 inside
        "An old AppendEntries makes a follower cut entries that match, and all after them.",
        "acknowledged entries stay; lost";
    CommitBeyondMatch "commit-beyond-match" 7 inside
        "A follower takes the leader's commit index up to the end of its own log, which the \
         leader's need not be.",
        "committed entries are the same everywhere; digest";

    // Leases and reads.
    LeaseTooLong "lease-too-long" 1 inside
        "A lease has no margin, and lasts twice as long as the followers' promise.",
        "stale-read of a lease read";
    LeaseFromAnswer "lease-from-answer" 1 inside
        "A lease counts from when the answers to a heartbeat arrive, not from when it was sent.",
        "stale-read of a lease read";
    LeaseKeptAfterHandover "lease-kept-after-handover" 1 inside
        "A leader keeps its lease after it has asked another replica to take over.",
        "stale-read of a lease read";
    ReadTimeBeforeQueue "read-time-before-queue" 26 inside
        "A lease is judged by a time from before the read left its queue.",
        "stale-read of a lease read";
    ReadWithoutRound "read-without-round" 1 inside
        "A leader answers a linearizable read at once, without finding out whether it still leads.",
        "stale-read";
    ReadJoinsOpenRound "read-joins-open-round" 26 inside
        "A linearizable read is confirmed by a round of heartbeats that had left before it came.",
        "stale-read";
    ReadBeforeNoop "read-before-noop" 1 inside
        "A new leader serves reads before it has committed in its own term, at a commit index that \
         may miss what its predecessor committed.",
        "stale-read; backwards-read";
    FollowerReadsOwnCommit "follower-reads-own-commit" 1 outside
        "A follower answers a linearizable read at its own commit index instead of the leader's.",
        "stale-read";
    ReadQuestionReused "read-question-reused" 26 inside
        "A follower's questions for a read index all have one name, so that the late answer to an \
         old one passes for that to a new one.",
        "stale-read";
    RoundOfEarlierTerm "round-of-earlier-term" 26 inside
        "The answer to an earlier term's message repeats its round, which the same leader takes for \
         one of its present term.",
        "stale-read; no round is answered early";

    // The log.
    SyncSkipped "sync-skipped" 4 inside
        "The log writer reports a batch as durable without having synced it.",
        "acknowledged is durable; lost";
    FailedSyncRetried "failed-sync-retried" 10 inside
        "A sync that failed is tried again, and its success is believed.",
        "a failed sync stops the process; lost";
    HardStateNotWritten "hard-state-not-written" 5 inside
        "Terms and votes are never written into the log.",
        "one vote a term and voter; terms only grow";
    TornBatchAccepted "torn-batch-accepted" 8 inside
        "Recovery takes in a last batch whose checksum is wrong.",
        "a torn batch is cut whole";
    CorruptionTakenForTorn "corruption-taken-for-torn" 9 inside
        "Recovery cuts at a bad batch though whole ones follow it.",
        "corruption is refused; lost";
    RecordChecksumIgnored "record-checksum-ignored" 9 inside
        "An entry is read from the log without verifying its checksum.",
        "corruption is never served; phantom";
    PageCacheTrusted "page-cache-trusted" 10 inside
        "Recovery takes what it reads of the last batch for durable, without writing it again.",
        "what a restart has found stays; lost";
    SegmentNameNotSynced "segment-name-not-synced" 18 inside
        "A new segment is written before its name in the directory is durable.",
        "acknowledged is durable; lost";
    SegmentHeaderWithoutVote "segment-header-without-vote" 5 inside
        "A segment's header does not repeat the term and vote.",
        "a restart finds a whole log";
    LostDirectoryAccepted "lost-directory-accepted" 25 inside
        "A replica that comes back with another data directory is taken for the one that it was.",
        "a replica that has forgotten its votes is refused; lost";

    // The chat.
    OutcomesForgottenOnRestart "outcomes-forgotten-on-restart" 2 outside
        "A restarted replica has forgotten what sessions have done, and applies a retry again.",
        "digest; duplicate";
    RetryAppliedByNextLeader "retry-applied-by-next-leader" 2 outside
        "A retry that another leader takes is applied again.",
        "duplicate";
    ExpiredSessionApplied "expired-session-applied" 2 inside
        "A write of an expired session is carried out.",
        "duplicate";
    WriteBelowWindowApplied "write-below-window-applied" 2 inside
        "A write below its session's window, of which nobody knows, is carried out.",
        "duplicate";
    SeqAssignedTwice "seq-assigned-twice" 24 outside
        "A restarted replica has forgotten each room's newest message, and gives its number again.",
        "digest; order-conflict";
    OneReplicaSkipsEntries "one-replica-skips-entries" 24 outside
        "Replica 1 applies every 64th entry as if it were a no-op.",
        "digest; gap";
    BodiesShiftAtNoop "bodies-shift-at-noop" 24 outside
        "From a replica's second no-op on, messages in memory are found one entry too late: reads \
         give other messages' bodies, and no digest shows it.",
        "order-conflict; duplicate";
    InboxKnowsFirstRoomOnly "inbox-knows-first-room-only" 24 outside
        "An inbox leaves out the messages of all rooms but the one that was joined first.",
        "inbox-missing";
    InboxCursorSkips "inbox-cursor-skips" 24 outside
        "The cursor of a full page of an inbox passes by what did not fit into it.",
        "inbox-missing";

    // Answers.
    UnknownAnsweredAsFailed "unknown-answered-as-failed" 3 outside
        "A write that was proposed by a leader that is one no more is answered as if it had not been.",
        "failed-appeared";
    SupersededAnsweredAsOk "superseded-answered-as-ok" 3 inside
        "A write whose entry was superseded is answered with what came of the entry in its place.",
        "lost";
    ForwardResent "forward-resent" 3 outside
        "A write whose way to the leader broke is sent again, without its key.",
        "duplicate; failed-appeared";
    MinIndexIgnored "min-index-ignored" 3 outside
        "A read does not wait for the index that its client has seen.",
        "applied-index; stale-read";
}

impl fmt::Display for KnownBug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no known bug of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no known bug {0:?}")]
pub struct UnknownBug(String);

impl FromStr for KnownBug {
    type Err = UnknownBug;

    fn from_str(name: &str) -> Result<Self, UnknownBug> {
        let found = KnownBug::ALL.iter().find(|bug| bug.name() == name);
        found.copied().ok_or_else(|| UnknownBug(name.to_owned()))
    }
}

#[cfg(not(feature = "known-bugs"))]
mod switch {
    use super::KnownBug;

    /// Whether this bug is switched on: never, without the feature `known-bugs`.
    #[inline(always)]
    pub const fn active(_bug: KnownBug) -> bool {
        false
    }
}

#[cfg(feature = "known-bugs")]
mod switch {
    use std::cell::Cell;
    use std::env;
    use std::sync::OnceLock;

    use super::{KnownBug, UnknownBug, VARIABLE};

    thread_local! {
        static OF_THREAD: Cell<Option<KnownBug>> = const { Cell::new(None) };
    }

    /// Whether this bug is switched on.
    pub fn active(bug: KnownBug) -> bool {
        static OF_PROCESS: OnceLock<Option<KnownBug>> = OnceLock::new();
        // A name that is none was refused at the start of the process.
        let of_process = || *OF_PROCESS.get_or_init(|| from_environment().ok().flatten());
        OF_THREAD.get().or_else(of_process) == Some(bug)
    }

    /// Switches a bug on for what runs on this thread; none leaves it to the environment.
    pub fn set_for_thread(bug: Option<KnownBug>) {
        OF_THREAD.set(bug);
    }

    /// The bug that `VARIABLE` names, if it is set.
    ///
    /// # Errors
    /// It names none.
    pub fn from_environment() -> Result<Option<KnownBug>, UnknownBug> {
        match env::var(VARIABLE) {
            Ok(name) if !name.is_empty() => name.parse().map(Some),
            _ => Ok(None),
        }
    }
}

pub use switch::*;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_in_kebab_case_and_lead_back() {
        let names: BTreeSet<&str> = KnownBug::ALL.iter().map(|bug| bug.name()).collect();
        assert_eq!(names.len(), KnownBug::ALL.len());
        assert!(names.len() >= 26);
        for bug in KnownBug::ALL {
            let name = bug.name();
            assert_eq!(name.parse(), Ok(*bug));
            assert_eq!(bug.to_string(), name);
            // The variant's name is the same one.
            let camel: String = name
                .split('-')
                .flat_map(|word| {
                    let (first, rest) = word.split_at(1);
                    [first.to_uppercase(), rest.to_owned()]
                })
                .collect();
            assert_eq!(camel, format!("{bug:?}"));
        }
        let error = "quorum_one_short".parse::<KnownBug>().unwrap_err();
        assert!(error.to_string().contains("quorum_one_short"), "{error}");
    }

    #[test]
    fn each_says_what_it_does_and_what_should_catch_it() {
        for bug in KnownBug::ALL {
            let about = bug.about();
            assert!(about.ends_with('.') && !about.contains("  "), "{about}");
            assert!(!bug.caught_by().is_empty());
            assert!((1..=27).contains(&bug.fault()), "{bug}");
        }
        let outside = KnownBug::ALL.iter().filter(|bug| bug.seen_from_outside());
        assert!((8..KnownBug::ALL.len()).contains(&outside.count()));
    }

    #[test]
    #[cfg(not(feature = "known-bugs"))]
    fn without_the_feature_none_is_ever_active() {
        const NONE: bool = active(KnownBug::QuorumOneShort);
        assert!(!NONE && KnownBug::ALL.iter().all(|bug| !active(*bug)));
    }

    #[test]
    #[cfg(feature = "known-bugs")]
    fn a_bug_is_active_on_its_thread_alone() {
        set_for_thread(Some(KnownBug::NoPreVote));
        assert!(active(KnownBug::NoPreVote) && !active(KnownBug::NoCheckQuorum));
        std::thread::spawn(|| assert!(!active(KnownBug::NoPreVote)))
            .join()
            .unwrap();
        set_for_thread(None);
        assert!(!active(KnownBug::NoPreVote));
    }
}
