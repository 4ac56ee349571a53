//! When a leader serves a read on the word of its lease, no other node leads a later term. Thesis,
//! §6.4.1; faults.md, rows 1, 15 and 26.

use std::collections::HashSet;

use telegraft_cluster::raft::{NodeId, ReadContext, ReadMode, Role, Term};

use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct LeaseMeansLeader {
    /// Reads by lease that were taken in this wake-up: only the lease answers those at once.
    taken: HashSet<(NodeId, ReadContext)>,
    /// The highest term that anyone leads or has led, and who.
    highest: (Term, NodeId),
}

impl Invariant for LeaseMeansLeader {
    fn name(&self) -> &'static str {
        "lease-means-leader"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        let _ = facts;
        match event {
            Event::ReadTaken {
                context,
                mode: ReadMode::Lease,
                ..
            } => {
                self.taken.insert((node, *context));
            }
            Event::Woke {
                status, effects, ..
            } => {
                if status.role == Role::Leader {
                    self.highest = self.highest.max((status.term, node));
                    for (context, outcome) in &effects.reads {
                        ensure!(
                            outcome.is_err()
                                || !self.taken.contains(&(node, *context))
                                || self.highest.0 <= status.term,
                            "node {node} serves a read by its lease in term {}; node {} leads \
                             term {}",
                            status.term,
                            self.highest.1,
                            self.highest.0
                        );
                    }
                }
                self.taken.retain(|(of, _)| *of != node);
            }
            _ => {}
        }
        Ok(())
    }
}
