//! Changes of leader, as scrapes tell them.

use tokio::time::Instant;

use super::Round;
use super::replica::rounded;
use crate::results::{EventRow, SCHEMA_VERSION};

/// A leader that a scrape told.
#[derive(Clone, Copy, Debug)]
struct Leader {
    term: u64,
    id: u64,
    /// When that was told.
    at: Instant,
}

impl Leader {
    /// Whom the replica with the highest term takes for the leader; of two, one that leads
    /// itself.
    fn of(round: &Round) -> Option<Leader> {
        let known = round.iter().flatten().filter_map(|scrape| {
            let status = &scrape.status;
            let id = status.leader.as_ref()?.id;
            let leader = Leader {
                term: status.term,
                id,
                at: scrape.at,
            };
            Some(((status.term, id == status.id, id), leader))
        });
        let last = known.max_by_key(|(rank, _)| *rank);
        last.map(|(_, leader)| leader)
    }
}

/// Whom the replicas take for the leader.
pub(super) fn leader(round: &Round) -> Option<u64> {
    Leader::of(round).map(|leader| leader.id)
}

/// The changes of a run.
#[derive(Debug)]
pub(super) struct Changes {
    run_id: String,
    from: Instant,
    /// Rounds that were seen.
    rounds: u64,
    /// The highest term that had a leader.
    term: Option<u64>,
    pub(super) events: Vec<EventRow>,
}

impl Changes {
    /// Those since `from`.
    pub(super) fn new(run_id: String, from: Instant) -> Changes {
        Changes {
            run_id,
            from,
            rounds: 0,
            term: None,
            events: Vec::new(),
        }
    }

    /// A round of scrapes. A term has one leader at most, and what is told of an earlier one is
    /// no news.
    pub(super) fn see(&mut self, round: &Round) {
        self.rounds += 1;
        let Some(Leader { term, id, at }) = Leader::of(round) else {
            return;
        };
        if self.term.is_some_and(|known| term <= known) {
            return;
        }
        self.term = Some(term);
        if self.rounds > 1 {
            self.events.push(EventRow {
                schema_version: SCHEMA_VERSION,
                run_id: self.run_id.clone(),
                at_s: rounded(at.saturating_duration_since(self.from).as_secs_f64(), 1e3),
                event: "leader".to_owned(),
                replica: id,
                detail: format!("term {term}"),
            });
        }
    }
}
