//! A leader answers a read only when it has committed in its own term, and either a majority has
//! answered a round of heartbeats that began after the read was taken (thesis, §6.4), or, for a read
//! by lease, a majority has answered a round that left less than the lease before, and the leader has
//! asked nobody to take over (§6.4.1, §3.10). faults.md, rows 1 and 26.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use telegraft_cluster::raft::{Body, NodeId, ReadContext, ReadMode, Role, Term};
use telegraft_cluster::time::Time;

use super::promises_kept::ELECTION_TIMEOUT;
use super::{Event, Invariant, ensure};
use crate::facts::Facts;

/// An election timeout less a tenth for clocks that run apart.
const LEASE: Duration = ELECTION_TIMEOUT
    .checked_sub(Duration::from_millis(60))
    .expect("it is longer");

/// Who asked for a read index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asker {
    Here(ReadContext),
    Peer(NodeId, u64),
}

/// A read that waits.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// In which wake-up it was taken.
    wake: u64,
    /// What the core took for the time, when it may be answered by the lease at once.
    lease: Option<Time>,
}

/// What a node was seen to do with its rounds.
#[derive(Debug, Default)]
struct Seen {
    wake: u64,
    term: Term,
    /// When each round was first sent: wake-up and time.
    sent: HashMap<u64, (u64, Time)>,
    /// The newest of those that each peer has answered.
    answered: BTreeMap<NodeId, (u64, Time)>,
    open: HashMap<Asker, Open>,
    /// It has asked somebody to take over in this term.
    hands_over: bool,
}

impl Seen {
    /// What a majority has reached, the node itself being one of it.
    fn majority<T: Ord + Copy>(&self, quorum: usize, of: impl Fn(&(u64, Time)) -> T) -> Option<T> {
        let mut values: Vec<T> = self.answered.values().map(of).collect();
        values.sort_unstable_by(|a, b| b.cmp(a));
        values.get(quorum.checked_sub(2)?).copied()
    }
}

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct ReadRounds {
    nodes: HashMap<NodeId, Seen>,
}

impl Invariant for ReadRounds {
    fn name(&self) -> &'static str {
        "read-rounds"
    }

    fn judge(&mut self, facts: &Facts, node: NodeId, event: &Event) -> Result<(), String> {
        match event {
            Event::Started { .. } => {
                self.nodes.remove(&node);
            }
            Event::ReadTaken { now, context, mode } => {
                let seen = self.nodes.entry(node).or_default();
                let open = Open {
                    wake: seen.wake,
                    lease: (*mode == ReadMode::Lease).then_some(*now),
                };
                seen.open.insert(Asker::Here(*context), open);
            }
            Event::Received { from, message, .. } => {
                let seen = self.nodes.entry(node).or_default();
                match message.body {
                    Body::AppendReply { round, .. } if message.term == seen.term => {
                        if let Some(sent) = seen.sent.get(&round) {
                            let newest = seen.answered.entry(*from).or_insert(*sent);
                            *newest = (*newest).max(*sent);
                        }
                    }
                    Body::ReadIndex { context } => {
                        let open = Open {
                            wake: seen.wake,
                            lease: None,
                        };
                        // A frame may come twice; the first one's answer names it too.
                        let asker = Asker::Peer(*from, context);
                        seen.open.entry(asker).or_insert(open);
                    }
                    _ => {}
                }
            }
            Event::Woke {
                now,
                status,
                effects,
                ..
            } => {
                let seen = self.nodes.entry(node).or_default();
                if seen.term != status.term || status.role != Role::Leader {
                    *seen = Seen {
                        wake: seen.wake,
                        term: status.term,
                        ..Seen::default()
                    };
                }
                if status.role == Role::Leader {
                    judge_answers(facts, node, event, seen)?;
                }
                for envelope in &effects.messages {
                    match envelope.message.body {
                        Body::AppendEntries { round, .. } => {
                            seen.sent.entry(round).or_insert((seen.wake, *now));
                        }
                        Body::TimeoutNow => seen.hands_over = true,
                        _ => {}
                    }
                }
                for open in seen.open.values_mut() {
                    open.lease = None;
                }
                seen.wake += 1;
            }
            _ => {}
        }
        Ok(())
    }
}

fn judge_answers(
    facts: &Facts,
    node: NodeId,
    event: &Event,
    seen: &mut Seen,
) -> Result<(), String> {
    let Event::Woke {
        status, effects, ..
    } = event
    else {
        return Ok(());
    };
    let here = effects
        .reads
        .iter()
        .filter(|(_, outcome)| outcome.is_ok())
        .map(|(context, _)| Asker::Here(*context));
    let peers = effects.messages.iter().filter_map(|envelope| {
        if let Body::ReadIndexReply {
            context,
            index: Some(_),
        } = envelope.message.body
        {
            Some(Asker::Peer(envelope.to, context))
        } else {
            None
        }
    });
    let answered: Vec<Asker> = here.chain(peers).collect();
    for asker in answered {
        // One that was taken before it led was refused, or is its own question of long ago.
        let Some(open) = seen.open.remove(&asker) else {
            continue;
        };
        ensure!(
            facts.nodes[&node].log_term(status.commit_index) == Some(status.term),
            "node {node} answers a read in term {} and has committed nothing in it",
            status.term
        );
        let quorum = facts.quorum();
        let round = seen.majority(quorum, |(wake, _)| *wake);
        if quorum == 1 || round.is_some_and(|wake| wake >= open.wake) {
            continue;
        }
        let lease = seen.majority(quorum, |(_, at)| *at);
        let by_lease = open.lease.is_some_and(|at| {
            !seen.hands_over && lease.is_some_and(|sent_at| at < sent_at + LEASE)
        });
        ensure!(
            by_lease,
            "node {node} answers a read in term {} of which no majority has shown that it still \
             leads: taken in wake-up {}{}, the newest round of a majority began in wake-up {round:?} \
             at {lease:?}{}",
            status.term,
            open.wake,
            open.lease
                .map_or_else(String::new, |at| format!(" (at {at}, by lease)")),
            if seen.hands_over {
                ", and it has asked another to take over"
            } else {
                ""
            }
        );
    }
    Ok(())
}
