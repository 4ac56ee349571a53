//! Mutations of inboxes and digests.

use rand::RngExt;
use rand::rngs::StdRng;
use telegraft_history::Completion;

use crate::facts::{Facts, pick};
use crate::story::{Line, Story};

type Values = Vec<(u64, u64, String)>;

/// The inbox on a line.
fn values(story: &mut Story, line: usize) -> &mut Values {
    match &mut story.lines[line] {
        Line::Complete {
            completion: Completion::Inbox { values, .. },
            ..
        } => values,
        other => panic!("no inbox: {other:?}"),
    }
}

/// An inbox with at least so many messages.
fn some_inbox<'a>(
    story: &'a mut Story,
    facts: &Facts,
    rng: &mut StdRng,
    least: usize,
) -> Option<&'a mut Values> {
    let inbox = pick(&facts.inboxes, rng, |inbox| inbox.length >= least)?;
    Some(values(story, inbox.completed))
}

fn acknowledged(facts: &Facts, id: &str) -> bool {
    facts.sends[id].acknowledged
}

/// An inbox passes by a message before its last one.
pub(super) fn misses_one(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some(values) = some_inbox(story, facts, rng, 2) else {
        return false;
    };
    let place = rng.random_range(0..values.len() - 1);
    // Where it stands in the log is told by its acknowledgement, and by that of the last.
    let told = [place, values.len() - 1];
    if !told.iter().all(|i| acknowledged(facts, &values[*i].2)) {
        return false;
    }
    values.remove(place);
    true
}

/// Two neighbours of an inbox have changed places.
pub(super) fn order_swapped(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some(values) = some_inbox(story, facts, rng, 2) else {
        return false;
    };
    let place = rng.random_range(1..values.len());
    let told = [place - 1, place];
    if !told.iter().all(|i| acknowledged(facts, &values[*i].2)) {
        return false;
    }
    values.swap(place - 1, place);
    true
}

/// An inbox has a message twice.
pub(super) fn doubled(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let Some(values) = some_inbox(story, facts, rng, 1) else {
        return false;
    };
    let place = rng.random_range(0..values.len());
    values.insert(place, values[place].clone());
    true
}

/// An inbox begins with a message from before its cursor.
pub(super) fn before_its_cursor(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    let inbox = pick(&facts.inboxes, rng, |inbox| {
        inbox.after > 0 && inbox.length > 0 && inbox.length < inbox.limit as usize
    });
    let Some(inbox) = inbox else { return false };
    let rooms: Vec<u64> = story.rooms_of(inbox.user);
    let before = pick(&facts.log, rng, |m| {
        m.log_index <= inbox.after && rooms.contains(&m.room) && facts.acknowledged(m)
    });
    let Some(before) = before else { return false };
    let again = (before.room, before.seq, before.id.clone());
    values(story, inbox.completed).insert(0, again);
    true
}

/// A replica's digest is another than that of the others at the same index.
pub(super) fn digest_changed(story: &mut Story, facts: &Facts, rng: &mut StdRng) -> bool {
    // In the end all replicas tell theirs of the last index.
    let lines = &mut story.lines[facts.finals.saturating_sub(1)..];
    let mut digests: Vec<&mut String> = lines
        .iter_mut()
        .filter_map(|line| match line {
            Line::Digest { value, .. } => Some(value),
            _ => None,
        })
        .collect();
    let chosen = rng.random_range(0..digests.len());
    let flipped = if digests[chosen].starts_with('f') {
        "e"
    } else {
        "f"
    };
    digests[chosen].replace_range(0..1, flipped);
    true
}
