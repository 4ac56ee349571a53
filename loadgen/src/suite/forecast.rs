//! What follows from a workload's numbers before it is run: arrivals, shares, members of rooms.

use super::workload::{Operations, Popularity, Population, Stage};
use crate::plan::Kind;

/// A rate over time: the arrivals of an open loop.
pub(super) struct Rates<'a>(pub(super) &'a [Stage]);

/// What one stage adds to the time that counts.
pub(super) struct Span {
    /// Seconds from when measuring begins.
    pub(super) from: f64,
    /// The same, of its end.
    pub(super) to: f64,
    /// Arrivals a second at its beginning.
    pub(super) first: f64,
    /// The same at its end.
    pub(super) last: f64,
}

impl Span {
    /// Arrivals in it.
    pub(super) fn due(&self) -> f64 {
        (self.first + self.last) / 2.0 * (self.to - self.from)
    }
}

impl Rates<'_> {
    /// The stages within the first `seconds`, and what holds after the last one.
    pub(super) fn spans(&self, seconds: f64) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut from = 0.0;
        let mut rate = 0.0;
        for stage in self.0 {
            let length = stage
                .length
                .map_or(f64::INFINITY, |length| length.as_secs_f64());
            let end = stage.to.unwrap_or(stage.rate);
            if from < seconds {
                let to = seconds.min(from + length);
                // A stage without end is level.
                let part = if length.is_finite() {
                    (to - from) / length
                } else {
                    0.0
                };
                let last = stage.rate + (end - stage.rate) * part;
                let first = stage.rate;
                spans.push(Span {
                    from,
                    to,
                    first,
                    last,
                });
            }
            from += length;
            rate = end;
        }
        if from < seconds {
            spans.push(Span {
                from,
                to: seconds,
                first: rate,
                last: rate,
            });
        }
        spans
    }

    /// Arrivals within the first `seconds`.
    pub(super) fn due(&self, seconds: f64) -> f64 {
        self.spans(seconds).iter().map(Span::due).sum()
    }
}

/// The kinds that arrivals have, with their shares of them.
pub(super) fn shares(operations: &Operations) -> Vec<(Kind, f64)> {
    let weight = |kind| match kind {
        _ if !operations.sequence.is_empty() => operations
            .sequence
            .iter()
            .filter(|other| **other == kind)
            .count() as f64,
        Kind::Send => operations.send.map_or(0.0, |send| f64::from(send.weight)),
        Kind::Read => operations.read.map_or(0.0, |read| f64::from(read.weight)),
        Kind::Inbox => operations
            .inbox
            .map_or(0.0, |inbox| f64::from(inbox.weight)),
        Kind::Join => operations.join.map_or(0.0, |join| f64::from(join.weight)),
        Kind::CreateRoom => operations
            .create_room
            .map_or(0.0, |create| f64::from(create.weight)),
    };
    let weights = Kind::ALL.map(|kind| (kind, weight(kind)));
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let shares = weights.into_iter().filter(|(_, weight)| *weight > 0.0);
    shares
        .map(|(kind, weight)| (kind, weight / total))
        .collect()
}

/// The fewest, the median and the most members of a room, and whether they are exact.
pub(super) fn members(population: &Population) -> (usize, usize, usize, bool) {
    let Population { users, rooms, .. } = *population;
    let memberships = users * population.rooms_per_user;
    let weight = |rank: usize| match population.room_sizes {
        Popularity::Uniform | Popularity::Latest(_) => 1.0,
        Popularity::Zipf(exponent) => (rank as f64).powf(-exponent),
        Popularity::Hot { rooms: hot, share } if rank <= hot => share / hot as f64,
        Popularity::Hot { rooms: hot, share } => (1.0 - share) / (rooms - hot) as f64,
    };
    if population.room_sizes == Popularity::Uniform {
        let (each, more) = (memberships / rooms, memberships % rooms);
        let median = if more > rooms / 2 { each + 1 } else { each };
        return (each, median, each + usize::from(more > 0), true);
    }
    // A room has one member at least and all users at most; in between, the same multiple of its
    // weight, found by halving.
    let weights: Vec<f64> = (1..=rooms).map(weight).collect();
    let size = |weight: f64, scale: f64| (weight * scale).clamp(1.0, users as f64);
    let (mut low, mut high) = (0.0, 1e12);
    for _ in 0..100 {
        let scale = (low + high) / 2.0;
        let sum: f64 = weights.iter().map(|weight| size(*weight, scale)).sum();
        if sum < memberships as f64 {
            low = scale;
        } else {
            high = scale;
        }
    }
    let mut sizes: Vec<f64> = weights.iter().map(|weight| size(*weight, high)).collect();
    sizes.sort_by(f64::total_cmp);
    let [least, median, most] = [0, rooms / 2, rooms - 1].map(|nth| sizes[nth].round() as usize);
    (least, median, most, false)
}
