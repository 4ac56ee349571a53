//! Two logs with the same term at an index are the same up to there: an entry is known by index and
//! term, and so is the one before it. Paper, Figure 3, Log Matching (§5.3). Also: a follower
//! acknowledges only what is durable on its disk (Figure 2; thesis §10.2.1).

use std::collections::HashMap;

use telegraft_cluster::raft::{AppendResult, Body, LogIndex, NodeId, Term};

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct LogMatching {
    /// Each entry's payload hash and the term of the entry before it.
    entries: HashMap<(LogIndex, Term), (u64, Term)>,
}

impl Invariant for LogMatching {
    fn name(&self) -> &'static str {
        "log-matching"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let Event::Woke { effects, .. } = event else {
            return Ok(());
        };
        let book = &facts.nodes[&node];
        let entries = effects.append.iter().flat_map(|append| &append.entries);
        for entry in entries {
            let before = book.log_term(entry.index - 1).unwrap_or(0);
            let seen = (crate::judge::hash_of(entry), before);
            let first = *self
                .entries
                .entry((entry.index, entry.term))
                .or_insert(seen);
            ensure!(
                first == seen,
                "entry {} of term {} is not the same everywhere: on node {node} it follows term \
                 {before}, elsewhere term {} (payloads {:x} and {:x})",
                entry.index,
                entry.term,
                first.1,
                seen.0,
                first.0
            );
        }
        for envelope in &effects.messages {
            if let Body::AppendReply {
                result: AppendResult::Matched { durable },
                ..
            } = envelope.message.body
                && durable > 0
            {
                ensure!(
                    book.disk_term(durable).is_some()
                        && book.disk_term(durable) == book.log_term(durable),
                    "node {node} acknowledges entry {durable} (term {:?}), its disk has term {:?}",
                    book.log_term(durable),
                    book.disk_term(durable)
                );
            }
        }
        Ok(())
    }
}
