//! The rules that one replica's step can break by itself.

use telegraft_cluster::raft::{AppendResult, Body, Committed, Envelope};

use crate::replica::{Replica, Step};
use crate::rules::Rule;
use crate::sights::Sight;
use crate::view::Brief;

/// Passes a step on, unless it breaks a rule.
pub(crate) fn of_step(
    before: &Replica,
    mut step: Step,
    committed: Option<&Committed>,
    restarted: bool,
) -> Result<Step, (Rule, String)> {
    let (old, new) = (&before.view, &step.replica.view);
    let leads_on = old.leads() && new.leads() && old.term == new.term && !restarted;
    if leads_on && !new.log.starts_with(&old.log) {
        let text = format!("its log was {:?} and is {:?}", old.log, new.log);
        return Err((Rule::LeaderAppendOnly, text));
    }
    if leads_on && new.commit > old.commit {
        let last = new.log[new.commit - 1];
        if last.term != new.term {
            let text = format!(
                "the leader of term {} committed up to index {}, whose entry has term {}",
                new.term, new.commit, last.term
            );
            return Err((Rule::OwnTermCommit, text));
        }
    }
    if !restarted && new.commit < old.commit {
        let text = format!("commit index {} after {}", new.commit, old.commit);
        return Err((Rule::StateMachineSafety, text));
    }
    if let Some(committed) = committed {
        handed_out(committed, &new.log, new.commit)?;
    }
    for envelope in &step.sent {
        may_leave(&step.replica, envelope)?;
    }
    if !restarted && !new.log.starts_with(&old.log) {
        step.sights.push(Sight::Superseded);
    }
    let answered = step.answered.iter().any(|(_, index)| index.is_some());
    if answered {
        step.sights.push(Sight::ReadAnswered);
        if !new.leads() {
            step.sights.push(Sight::FollowerRead);
        }
    }
    Ok(step)
}

/// What the state machine is given is what is in the log up to the commit index.
fn handed_out(committed: &Committed, log: &[Brief], commit: usize) -> Result<(), (Rule, String)> {
    let end = usize::try_from(committed.through).unwrap_or(usize::MAX);
    let given: Vec<Brief> = committed.entries.iter().map(Brief::new).collect();
    let first = end.checked_sub(given.len());
    let same = end == commit && first.and_then(|first| log.get(first..end)) == Some(&given[..]);
    if same {
        return Ok(());
    }
    let text = format!("{committed:?} is handed out, with commit index {commit} and log {log:?}");
    Err((Rule::StateMachineSafety, text))
}

/// What a message says must be durable. (A request for a pre-vote, and a pre-vote that is
/// given, promise nothing.)
fn may_leave(sender: &Replica, envelope: &Envelope) -> Result<(), (Rule, String)> {
    let disk = sender.disk();
    let durable = disk.hard_state;
    let message = &envelope.message;
    let vote = match message.body {
        Body::RequestVote { pre_vote: true, .. }
        | Body::Vote {
            pre_vote: true,
            granted: true,
        } => return Ok(()),
        Body::RequestVote { .. } => Some(sender.id()),
        Body::Vote { granted: true, .. } => Some(envelope.to),
        _ => None,
    };
    if message.term != durable.term || (vote.is_some() && vote != durable.vote) {
        let text = format!("durable is {durable:?}, and {message:?} leaves");
        return Err((Rule::DurableTerm, text));
    }
    if let Body::AppendReply {
        result: AppendResult::Matched { durable },
        ..
    } = message.body
    {
        let end = usize::try_from(durable).unwrap_or(usize::MAX);
        let view = &sender.view;
        let (in_memory, on_disk) = (view.log.get(..end), view.disk.get(..end));
        if on_disk.is_none() || in_memory != on_disk {
            let text = format!(
                "up to {durable} is acknowledged; durable is {:?}, in memory {:?}",
                view.disk, view.log
            );
            return Err((Rule::DurableAcknowledgement, text));
        }
    }
    Ok(())
}
