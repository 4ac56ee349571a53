//! Letters that can do nothing more, now or ever: two worlds that differ only in them are one.
//!
//! Most of the reduction of the search is here, and a letter that is taken away too early hides
//! what it could still do. So a letter goes when two things hold: the real core, asked, does
//! nothing with it now; and for its kind there is a reason, below, why that stays so. Where the
//! core does not do as the reason says, the letter stays, and the search finds what comes of it.
//!
//! One thing a spent letter could still do: its answer could drive out another that is held back
//! until a term is durable. That one is lost then, as it may be on its way too. Otherwise the replicas
//! come to the same with all letters kept: `soundness` searches small spaces both ways.

use telegraft_cluster::raft::{AppendResult, Body, Role};

use crate::explorer::Explorer;
use crate::input::Input;
use crate::letter::Letter;
use crate::replica::Outcome;
use crate::view::{View, place};
use crate::world::World;

/// Whether a letter is spent.
pub(crate) fn is_spent(explorer: &Explorer, world: &World, letter: u32) -> bool {
    #[cfg(test)]
    if explorer.keeps_spent {
        return false;
    }
    stays_useless(explorer, world, letter) && is_useless(explorer, world, letter)
}

/// Whether the receiver stays as it is when the letter arrives, and sends nothing new.
fn is_useless(explorer: &Explorer, world: &World, letter: u32) -> bool {
    let to = place(explorer.letters.get(letter).to);
    match explorer.outcome(world.replicas[to], Input::Deliver(letter)) {
        Outcome::Went {
            next,
            sent,
            answered,
            ..
        } => {
            let is_new = |sent| {
                world.network.binary_search(sent).is_err() && !is_spent(explorer, world, *sent)
            };
            *next == world.replicas[to] && answered.is_empty() && !sent.iter().any(is_new)
        }
        Outcome::Broke { .. } => false,
    }
}

/// Whether a letter that is useless now will be so for ever.
fn stays_useless(explorer: &Explorer, world: &World, letter: u32) -> bool {
    let letter = explorer.letters.get(letter);
    let view = |id| &explorer.replica(world, place(id)).view;
    let (sender, receiver) = (view(letter.from), view(letter.to));
    let bounds = &explorer.bounds;
    // A replica never goes back behind a term and vote that are durable, nor, when there is no
    // crash to come, behind those in memory.
    let crashes_are_over = world.used.crashes == bounds.crashes;
    let (term_now, vote_now) = if crashes_are_over {
        (receiver.term, receiver.vote)
    } else {
        (receiver.durable_term, receiver.durable_vote)
    };
    let term = u8::try_from(letter.message.term).expect("bounds are small");
    let past = term < term_now;
    // Whoever had a role in a term, and has it no more, has it never again in that term.
    let was_once = |role| term <= term_now && !(receiver.term == term && receiver.role == role);
    // Rounds are of no use without reads.
    let no_reads = bounds.reads == 0;
    match &letter.message.body {
        // A pre-vote is counted in the term before the one that it is for.
        Body::Vote {
            pre_vote: true,
            granted: true,
        } => term <= term_now,
        Body::Vote {
            pre_vote: false,
            granted: true,
        } => was_once(Role::Candidate),
        // An answer in an earlier term is not looked at.
        Body::Vote { .. } | Body::ReadIndexReply { .. } | Body::TimeoutNow => past,
        Body::AppendReply { .. } if was_once(Role::Leader) => true,
        Body::AppendReply { result, .. } => {
            no_reads
                && receiver.leads()
                && receiver.term == term
                && is_old_news(explorer, letter, receiver, *result)
        }
        // These bring a refusal, and all that a refusal can do is done by `Learn`.
        Body::RequestVote { .. } if !bounds.every_message => {
            let free = vote_now == 0 || u64::from(vote_now) == letter.from;
            past || (term == term_now && !free)
        }
        Body::AppendEntries { .. } if past && no_reads => {
            // The answer tells of a later term, and nothing else. In the last term there is none
            // to be told of. (With reads it matters that the round is not repeated.)
            !bounds.every_message || sender.durable_term == explorer.last_term()
        }
        Body::AppendEntries {
            prev_index,
            entries,
            commit,
            ..
        } => {
            // It brings nothing, and its answer has been given and can arrive any time. (Without
            // PreVote's messages, a follower leaves its leader only for another term.)
            let end = prev_index + entries.len() as u64;
            let is_known = |(leader, matched, acknowledged)| {
                leader == letter.from
                    && matched >= end
                    && acknowledged == receiver.durable_index.min(matched)
                    && receiver.commit as u64 >= *commit
            };
            no_reads
                && crashes_are_over
                && !bounds.every_message
                && bounds.duplicates.is_none()
                && receiver.term == term
                && receiver.followed.is_some_and(is_known)
        }
        Body::RequestVote { .. } | Body::ReadIndex { .. } => false,
    }
}

/// Whether an answer tells a leader what it knows: nothing that has matched is refused, and where
/// more is known to match, the answer that told it does all that this one can (and can arrive
/// again).
fn is_old_news(explorer: &Explorer, letter: &Letter, leader: &View, result: AppendResult) -> bool {
    let known = leader.matches[place(letter.from)];
    match result {
        AppendResult::Matched { durable } => {
            durable < known && explorer.bounds.duplicates.is_none()
        }
        AppendResult::Conflict { prev_index, .. } => prev_index <= known,
    }
}
