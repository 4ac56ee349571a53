//! Judges acknowledged places: one message at a log index, and seqs in the order of log indexes,
//! with room between them for what lies between.

use std::collections::HashMap;

use crate::found::Found;
use crate::places::Places;
use crate::rule::Rule;
use crate::store::Store;

pub(crate) fn judge(store: &Store, places: &Places, found: &mut Found) {
    for (room, &name) in places.rooms.iter().zip(&store.rooms) {
        let mut last: Option<(u64, u64, u32)> = None;
        for (seq, slot) in (1..).zip(&room.slots) {
            if slot.log_index == 0 {
                continue;
            }
            if let Some((before, index, line)) = last {
                let lines = [line, slot.line];
                if slot.log_index <= index {
                    found.add(Rule::OrderConflict, &lines, || {
                        format!(
                            "In room {name}, seq {before} is at log index {index}, but seq {seq} \
                             at {}.",
                            slot.log_index
                        )
                    });
                } else if slot.log_index - index < seq - before {
                    found.add(Rule::OrderConflict, &lines, || {
                        format!(
                            "In room {name}, seq {before} is at log index {index} and seq {seq} at \
                             {}: the messages between them have no place in the log.",
                            slot.log_index
                        )
                    });
                }
            }
            last = Some((seq, slot.log_index, slot.line));
        }
    }
    // In their own order, acknowledged log indexes are nearly sorted.
    let mut indexes: Vec<(u64, u32)> = (0..)
        .zip(&store.sends)
        .filter(|(_, send)| send.log_index > 0)
        .map(|(number, send)| (send.log_index, number))
        .collect();
    indexes.sort();
    for pair in indexes.windows(2) {
        let [(index, a), (other, b)] = pair else {
            continue;
        };
        if index == other {
            let lines = [*a, *b].map(|send| store.sends[send as usize].complete);
            found.add(Rule::OrderConflict, &lines, || {
                format!("Two messages were acknowledged at log index {index}.")
            });
        }
    }
}

/// Judges that digests at the same index are the same. How many were held against another
/// replica's: a replica agrees with itself all too easily, so that it counts for nothing; a
/// difference does.
pub(crate) fn digests(store: &Store, found: &mut Found) -> u64 {
    let mut first: HashMap<u64, usize> = HashMap::new();
    let mut compared = 0;
    for (number, digest) in store.digests.iter().enumerate() {
        let first = &store.digests[*first.entry(digest.log_index).or_insert(number)];
        if first.line == digest.line {
            continue;
        }
        compared += u64::from(first.replica != digest.replica);
        if first.value != digest.value {
            found.add(Rule::Digest, &[first.line, digest.line], || {
                format!(
                    "At log index {}, replicas {} and {} have different digests.",
                    digest.log_index, first.replica, digest.replica
                )
            });
        }
    }
    compared
}
