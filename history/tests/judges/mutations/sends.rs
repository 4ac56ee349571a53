//! Mutations of sends: what was acknowledged, and when.

use rand::RngExt;
use rand::rngs::StdRng;
use telegraft_history::Completion;

use crate::facts::{Facts, pick};
use crate::story::{Line, Message, Story};

/// The acknowledgement on a line: its sequence number and log index.
fn ack(story: &mut Story, line: usize) -> (&mut u64, &mut u64) {
    match &mut story.lines[line] {
        Line::Complete {
            completion: Completion::Sent { seq, log_index, .. },
            ..
        } => (seq, log_index),
        other => panic!("no acknowledgement: {other:?}"),
    }
}

fn acknowledged<'a>(facts: &'a Facts, rng: &mut StdRng) -> Option<&'a Message> {
    pick(&facts.log, rng, |m| facts.acknowledged(m))
}

/// An acknowledgement tells another place than the one at which everybody reads the message.
pub(super) fn wrong_seq(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some(message) = acknowledged(facts, rng) else {
        return false;
    };
    let (seq, _) = ack(story, facts.sends[&message.id].completed);
    *seq = if *seq > 1 && rng.random() {
        *seq - 1
    } else {
        *seq + 1
    };
    true
}

/// Two messages of one room are told each other's log index: the log's order is not the room's.
pub(super) fn log_indexes_swapped(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    swap_log_indexes(story, facts, rng, |a, b| a.room == b.room && a.seq < b.seq)
}

/// Two messages of different rooms, the second sent after the first was acknowledged, are told
/// each other's log index: the log's order is not that of real time.
pub(super) fn log_against_time(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    swap_log_indexes(story, facts, rng, |a, b| {
        let (first, second) = (&facts.sends[&a.id], &facts.sends[&b.id]);
        a.room != b.room && first.completed < second.invoked
    })
}

fn swap_log_indexes(
    story: &mut Story,
    facts: &Facts,
    rng: &mut StdRng,
    fit: impl Fn(&Message, &Message) -> bool,
) -> bool {
    let Some(one) = acknowledged(facts, rng) else {
        return false;
    };
    let other = pick(&facts.log, rng, |m| {
        m.id != one.id && facts.acknowledged(m) && fit(one, m)
    });
    let Some(other) = other else { return false };
    *ack(story, facts.sends[&one.id].completed).1 = other.log_index;
    *ack(story, facts.sends[&other.id].completed).1 = one.log_index;
    true
}

/// Two messages of different rooms are told the same log index.
pub(super) fn same_log_index(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some(one) = acknowledged(facts, rng) else {
        return false;
    };
    let other = pick(&facts.log, rng, |m| {
        m.room != one.room && facts.acknowledged(m)
    });
    let Some(other) = other else { return false };
    *ack(story, facts.sends[&other.id].completed).1 = one.log_index;
    true
}

/// Two sends of a room that overlapped, the later of which has the lower place.
fn overlapping(facts: &Facts, rng: &mut StdRng) -> Option<(usize, usize)> {
    let (mut later, mut sooner) = (Vec::new(), Vec::new());
    for a in facts.log.iter().filter(|m| facts.acknowledged(m)) {
        let lower = facts.sends[&a.id];
        for b in facts
            .log
            .iter()
            .filter(|m| m.room == a.room && m.seq > a.seq)
        {
            let higher = facts.sends[&b.id];
            if higher.acknowledged
                && higher.invoked < lower.invoked
                && lower.invoked < higher.completed
                && higher.completed < lower.completed
            {
                later.push(lower);
                sooner.push(higher);
            }
        }
    }
    if later.is_empty() {
        return None;
    }
    let chosen = rng.random_range(0..later.len());
    Some((later[chosen].invoked, sooner[chosen].completed))
}

/// An acknowledgement comes before a message with a lower place is sent.
pub(super) fn acknowledged_earlier(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some((invoked, completed)) = overlapping(facts, rng) else {
        return false;
    };
    let line = story.lines.remove(completed);
    story.lines.insert(invoked, line);
    true
}

/// A message is sent after one with a higher place was acknowledged.
pub(super) fn sent_later(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some((invoked, completed)) = overlapping(facts, rng) else {
        return false;
    };
    let line = story.lines.remove(invoked);
    story.lines.insert(completed, line);
    true
}

/// A send that is read by somebody is said to have failed for sure.
pub(super) fn failed_is_visible(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    // Everything in the log is shown by the reads in the end.
    let Some(message) = pick(&facts.log, rng, |_| true) else {
        return false;
    };
    complete(story, facts.sends[&message.id].completed, Completion::Fail);
    true
}

/// A send that never had an effect is acknowledged.
pub(super) fn acknowledged_but_never_there(
    story: &mut Story,
    facts: &Facts,
    rng: &mut StdRng,
) -> bool {
    let nothing: Vec<usize> = facts
        .sends
        .iter()
        .filter(|(id, _)| !facts.log.iter().any(|m| m.id == **id))
        .map(|(_, send)| send.completed)
        .collect();
    if nothing.is_empty() {
        return false;
    }
    let line = nothing[rng.random_range(0..nothing.len())];
    let Line::Complete { op, .. } = &story.lines[line] else {
        panic!("a send ends with a completion");
    };
    let telegraft_history::Op::Send { room, .. } = *op else {
        panic!("a send's completion");
    };
    let last = facts.log.last().map_or(0, |m| m.log_index);
    let told = Completion::Sent {
        seq: facts.length(room) + 1,
        log_index: last + 1,
        term: 1,
    };
    complete(story, line, told);
    true
}

fn complete(story: &mut Story, line: usize, how: Completion) {
    match &mut story.lines[line] {
        Line::Complete { completion, .. } => *completion = how,
        other => panic!("no completion: {other:?}"),
    }
}
