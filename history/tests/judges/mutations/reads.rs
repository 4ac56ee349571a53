//! Mutations of reads of rooms.

use rand::RngExt;
use rand::rngs::StdRng;
use telegraft_history::{Completion, Consistency};

use crate::facts::{Facts, Read, pick};
use crate::story::{Line, Message, Story};

/// The page on a line, and the applied index that it tells.
fn page(story: &mut Story, line: usize) -> (&mut Vec<(u64, String)>, &mut u64) {
    match &mut story.lines[line] {
        Line::Complete {
            completion:
                Completion::Read {
                    values,
                    applied_index,
                },
            ..
        } => (values, applied_index),
        other => panic!("no page: {other:?}"),
    }
}

/// One of the reads that end the story.
fn last_read<'a>(facts: &'a Facts, rng: &mut StdRng, least: usize) -> Option<&'a Read> {
    pick(&facts.reads, rng, |r| {
        r.invoked >= facts.finals && r.fresh() && r.length >= least
    })
}

/// The last message of a room, which was acknowledged, is shown by no read and in no inbox.
pub(super) fn lost(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let last = pick(&facts.log, rng, |m| {
        m.seq == facts.length(m.room) && facts.acknowledged(m)
    });
    let Some(gone) = last else { return false };
    for line in &mut story.lines {
        match line {
            Line::Complete {
                completion: Completion::Read { values, .. },
                ..
            } => values.retain(|(_, id)| *id != gone.id),
            Line::Complete {
                completion: Completion::Inbox { values, .. },
                ..
            } => values.retain(|(_, _, id)| *id != gone.id),
            _ => {}
        }
    }
    true
}

/// The final read has a hole.
pub(super) fn hole_in_the_final_read(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some(read) = last_read(facts, rng, 2) else {
        return false;
    };
    let (values, _) = page(story, read.completed);
    values.remove(rng.random_range(0..values.len() - 1));
    true
}

/// A page does not begin where it was asked to.
pub(super) fn first_missing(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some(read) = pick(&facts.reads, rng, |r| r.length >= 2) else {
        return false;
    };
    page(story, read.completed).0.remove(0);
    true
}

/// A stale page has a hole.
pub(super) fn hole_in_a_local_read(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let local = pick(&facts.reads, rng, |r| !r.fresh() && r.length >= 3);
    let Some(read) = local else { return false };
    let (values, _) = page(story, read.completed);
    values.remove(rng.random_range(1..values.len() - 1));
    true
}

/// Two neighbours of a page have changed places.
pub(super) fn values_swapped(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some(read) = pick(&facts.reads, rng, |r| r.length >= 2) else {
        return false;
    };
    swap(story, read, rng);
    true
}

/// The same in a page that may be stale: it is no prefix of the room.
pub(super) fn local_no_prefix(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let local = pick(&facts.reads, rng, |r| !r.fresh() && r.length >= 2);
    let Some(read) = local else { return false };
    swap(story, read, rng);
    true
}

fn swap(story: &mut Story, read: &Read, rng: &mut StdRng) {
    let (values, _) = page(story, read.completed);
    let place = rng.random_range(1..values.len());
    let (before, after) = values.split_at_mut(place);
    std::mem::swap(&mut before[place - 1].1, &mut after[0].1);
}

/// A message stands in the final read a second time, at its end.
pub(super) fn message_doubled(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some(read) = last_read(facts, rng, 1) else {
        return false;
    };
    let (values, _) = page(story, read.completed);
    let (_, id) = values[rng.random_range(0..values.len())].clone();
    values.push((read.last + 1, id));
    true
}

/// A message whose send ended unknown, and which is there once, is there once more.
pub(super) fn unknown_twice(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let unknown = pick(&facts.log, rng, |m| facts.sends[&m.id].unknown);
    let Some(message) = unknown else { return false };
    let again = (facts.length(message.room) + 1, message.id.clone());
    let ending = facts.reads.iter().filter(|r| r.invoked >= facts.finals);
    for read in ending.filter(|r| r.room == message.room) {
        page(story, read.completed).0.push(again.clone());
    }
    true
}

/// The final read shows a message that nobody sent.
pub(super) fn never_sent(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some(read) = last_read(facts, rng, 0) else {
        return false;
    };
    page(story, read.completed)
        .0
        .push((read.last + 1, "nobody's".to_owned()));
    true
}

/// A read to the end whose last message had been acknowledged before it began, and that message.
fn ended_by_acknowledged<'a>(
    facts: &'a Facts,
    rng: &mut StdRng,
    holds: impl Fn(&Read) -> bool,
) -> Option<(&'a Read, &'a Message)> {
    let read = pick(&facts.reads, rng, |r| {
        r.length >= 1
            && holds(r)
            && facts.message(r.room, r.last).is_some_and(|m| {
                let send = facts.sends[&m.id];
                send.acknowledged && send.completed < r.invoked
            })
    })?;
    Some((read, facts.message(read.room, read.last)?))
}

/// A fresh read is late by one message, and honest about the index that it shows.
pub(super) fn stale_by_one(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let found = ended_by_acknowledged(facts, rng, |r| r.fresh() && r.to_the_end());
    let Some((read, message)) = found else {
        return false;
    };
    let (values, applied_index) = page(story, read.completed);
    values.pop();
    *applied_index = message.log_index - 1;
    true
}

/// A local read ends too early for the index that it says it has applied.
pub(super) fn page_short(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some((read, _)) = ended_by_acknowledged(facts, rng, |r| !r.fresh()) else {
        return false;
    };
    page(story, read.completed).0.pop();
    true
}

/// A page to the end lacks its last message, whose send ended unknown, although another page
/// shows that message at an applied index that is not higher.
pub(super) fn unknown_not_shown(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let shown_before = |r: &Read| {
        facts.reads.iter().any(|other| {
            other.completed != r.completed
                && other.room == r.room
                && other.after < r.last
                && r.last <= other.last
                && other.applied_index <= r.applied_index
        })
    };
    let read = pick(&facts.reads, rng, |r| {
        r.length >= 1
            && r.to_the_end()
            && facts
                .message(r.room, r.last)
                .is_some_and(|m| facts.sends[&m.id].unknown)
            && shown_before(r)
    });
    let Some(read) = read else { return false };
    page(story, read.completed).0.pop();
    true
}

/// A read shows a message that is sent only after the read has ended, and an index that fits.
pub(super) fn from_the_future(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    show_next(story, facts, rng, |applied_index, of_message| {
        *applied_index = of_message.max(*applied_index);
    })
}

/// The same, with the applied index left as it was.
pub(super) fn future_at_old_index(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    show_next(story, facts, rng, |_, _| {})
}

fn show_next(story: &mut Story, facts: &Facts, rng: &mut StdRng, tell: fn(&mut u64, u64)) -> bool {
    let next = |r: &Read| facts.message(r.room, r.last + 1);
    let read = pick(&facts.reads, rng, |r| {
        r.to_the_end() && next(r).is_some_and(|m| facts.sends[&m.id].invoked > r.completed)
    });
    let Some(read) = read else { return false };
    let message = next(read).expect("it was picked for having one");
    let (values, applied_index) = page(story, read.completed);
    values.push((message.seq, message.id.clone()));
    tell(applied_index, message.log_index);
    true
}

/// A read tells an applied index at which a message of another room stands, which is sent only
/// after the read has ended. Its own room has no message up to there that it does not show.
pub(super) fn applied_index_of_the_future(
    story: &mut Story,
    facts: &Facts,
    rng: &mut StdRng,
) -> bool {
    let ahead = |r: &Read| {
        let bound = facts
            .message(r.room, r.last + 1)
            .map_or(u64::MAX, |m| m.log_index);
        let later = facts.log.iter().find(|m| {
            facts.acknowledged(m) && m.room != r.room && facts.sends[&m.id].invoked > r.completed
        })?;
        (later.log_index < bound).then_some(later.log_index)
    };
    let Some(read) = pick(&facts.reads, rng, |r| ahead(r).is_some()) else {
        return false;
    };
    *page(story, read.completed).1 = ahead(read).expect("it was picked for having one");
    true
}

/// A page tells an applied index below that of a message that it shows.
pub(super) fn applied_index_too_low(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let read = pick(&facts.reads, rng, |r| {
        r.length >= 1
            && facts
                .message(r.room, r.last)
                .is_some_and(|m| facts.acknowledged(m))
    });
    let Some(read) = read else { return false };
    let message = facts.message(read.room, read.last).expect("it is shown");
    *page(story, read.completed).1 = message.log_index - 1;
    true
}

/// A fresh read tells an applied index below that of a message, of another room, which had been
/// acknowledged before the read began.
pub(super) fn applied_index_stale(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let stale = |r: &Read| {
        let before = facts.log.iter().rfind(|m| {
            let send = facts.sends[&m.id];
            send.acknowledged && send.completed < r.invoked && m.room != r.room
        })?;
        let shown = facts.message(r.room, r.last).map_or(0, |m| m.log_index);
        (shown < before.log_index && before.log_index <= r.applied_index)
            .then_some(before.log_index - 1)
    };
    let read = pick(&facts.reads, rng, |r| r.fresh() && stale(r).is_some());
    let Some(read) = read else { return false };
    *page(story, read.completed).1 = stale(read).expect("it was picked for having one");
    true
}

/// A replica answers with a page that lacks what it showed before, and it was up all the time.
pub(super) fn backwards(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let local = |r: &Read| r.consistency == Consistency::Local;
    let earlier = |later: &Read| {
        facts.reads.iter().rfind(|r| {
            local(r)
                && (r.replica, r.room) == (later.replica, later.room)
                && r.completed < later.invoked
                && facts.stayed_up(r.replica, r.invoked, later.completed)
                && r.length >= 1
                && r.last > later.after
        })
    };
    let later = pick(&facts.reads, rng, |r| local(r) && earlier(r).is_some());
    let Some(later) = later else { return false };
    let seen = earlier(later).expect("it was picked for having one").last;
    let first_unseen = facts.message(later.room, seen).expect("it was read");
    let (values, applied_index) = page(story, later.completed);
    values.retain(|(seq, _)| *seq < seen);
    *applied_index = first_unseen.log_index - 1;
    true
}

/// A page has one message more than were asked for.
pub(super) fn page_long(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let next = |r: &Read| facts.message(r.room, r.last + 1);
    let read = pick(&facts.reads, rng, |r| {
        !r.to_the_end() && next(r).is_some_and(|m| m.log_index <= r.applied_index)
    });
    let Some(read) = read else { return false };
    let message = next(read).expect("it was picked for having one");
    let more = (message.seq, message.id.clone());
    page(story, read.completed).0.push(more);
    true
}

/// A local read is asked to have applied some index, and tells that it has not.
pub(super) fn min_index_missed(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let below = |r: &Read| r.length == 0 && r.min_index > 1 && !r.fresh();
    let Some(read) = pick(&facts.reads, rng, below) else {
        return false;
    };
    *page(story, read.completed).1 = read.min_index - 1;
    true
}
