//! How many arrivals are due by when.
//!
//! Arrivals are drawn in the time of a process with one arrival a second, and that time is
//! mapped to the run's by the inverse of the integrated rate (the time-rescaling theorem; Çinlar,
//! Introduction to Stochastic Processes, 1975, section 4.7). So rates may change, rise and
//! fall, and every due time is computed.

use std::time::Duration;

use crate::suite::Stage;

/// A time in which the rate changes evenly.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// When it begins, in seconds.
    start: f64,
    /// How long it is, in seconds.
    length: f64,
    /// The rate at its beginning, per second.
    from: f64,
    /// The rate at its end, per second.
    to: f64,
    /// Arrivals expected before it.
    before: f64,
}

impl Piece {
    fn arrivals(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.length
    }

    /// When the `nth` arrival is due that it is expected to have, in seconds from its start.
    fn when(&self, nth: f64) -> f64 {
        if nth <= 0.0 {
            // Where the rate rises from zero, the root below is zero, too.
            return 0.0;
        }
        if self.from == self.to {
            return nth / self.from;
        }
        // The root of from × t + slope / 2 × t² = nth, in the form that cancels nothing.
        let slope = (self.to - self.from) / self.length;
        let root = (self.from * self.from + 2.0 * slope * nth).max(0.0).sqrt();
        2.0 * nth / (self.from + root)
    }
}

/// The rate of arrivals over a run.
#[derive(Clone, Debug)]
pub struct Rate {
    pieces: Vec<Piece>,
    /// What holds after the last piece: since when, how many before, and the rate.
    last: Piece,
}

impl Rate {
    /// `stages` after a warm-up, which has the rate that they begin with. After their end, the
    /// last rate holds.
    pub fn new(stages: &[Stage], warmup: Duration) -> Self {
        let first = stages.first().map_or(0.0, |stage| stage.rate);
        let mut pieces = Vec::new();
        let mut at = Piece {
            start: 0.0,
            length: warmup.as_secs_f64(),
            from: first,
            to: first,
            before: 0.0,
        };
        for stage in stages {
            let to = stage.to.unwrap_or(stage.rate);
            let next = Piece {
                start: at.start + at.length,
                length: stage
                    .length
                    .map_or(f64::INFINITY, |length| length.as_secs_f64()),
                from: stage.rate,
                to,
                before: at.before + at.arrivals(),
            };
            pieces.push(at);
            at = next;
        }
        // A stage without an end goes on for ever, so what follows it is itself.
        if at.length.is_finite() {
            pieces.push(at);
            at = Piece {
                start: at.start + at.length,
                length: f64::INFINITY,
                from: at.to,
                to: at.to,
                before: at.before + at.arrivals(),
            };
        }
        pieces.retain(|piece| piece.length > 0.0);
        Rate { pieces, last: at }
    }

    /// When the arrival is due before which `nth` are expected, in seconds from the run's
    /// beginning; none when it never is.
    pub fn due(&self, nth: f64) -> Option<f64> {
        let within = |piece: &&Piece| nth < piece.before + piece.arrivals();
        match self.pieces.iter().find(within) {
            Some(piece) => Some(piece.start + piece.when(nth - piece.before)),
            None if self.last.from > 0.0 => {
                Some(self.last.start + (nth - self.last.before) / self.last.from)
            }
            None => None,
        }
    }

    /// Arrivals expected in a time, in seconds from the run's beginning.
    pub fn expected(&self, from: f64, to: f64) -> f64 {
        self.by(to) - self.by(from)
    }

    fn by(&self, at: f64) -> f64 {
        let within = |piece: &&Piece| at < piece.start + piece.length;
        match self.pieces.iter().find(within) {
            Some(piece) => {
                let since = at - piece.start;
                let slope = (piece.to - piece.from) / piece.length;
                piece.before + since * (piece.from + slope * since / 2.0)
            }
            None => self.last.before + (at - self.last.start) * self.last.from,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(rate: f64, to: Option<f64>, seconds: Option<u64>) -> Stage {
        Stage {
            rate,
            to,
            length: seconds.map(Duration::from_secs),
        }
    }

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn a_constant_rate_is_due_at_multiples() {
        let rate = Rate::new(&[stage(250.0, None, None)], Duration::from_secs(2));
        for nth in [0.0, 1.0, 499.0, 500.0, 12_345.0] {
            near(rate.due(nth).expect("for ever"), nth / 250.0);
        }
        near(rate.expected(2.0, 6.0), 1_000.0);
    }

    #[test]
    fn stages_and_ramps_are_the_inverse_of_their_integral() {
        let stages = [
            stage(100.0, None, Some(2)),
            stage(100.0, Some(500.0), Some(4)),
            stage(500.0, Some(0.0), Some(2)),
            stage(0.0, None, Some(1)),
            stage(50.0, None, Some(1)),
        ];
        let rate = Rate::new(&stages, Duration::from_secs(1));
        // 100 in the warm-up, 200, 1200, 500, none, 50, and then 50 a second.
        near(rate.expected(0.0, 10.0), 2_000.0);
        near(rate.expected(9.0, 10.0), 0.0);
        near(rate.expected(11.0, 13.0), 100.0);
        for nth in 0..2_500 {
            let nth = f64::from(nth) + 0.25;
            let due = rate.due(nth).expect("the last rate holds");
            let by = rate.expected(0.0, due);
            assert!((by - nth).abs() < 1e-6, "{nth}: {by} are due by {due}");
        }
        // The first one at the beginning of a rate that rises from zero.
        let rises = [
            stage(0.0, Some(10.0), Some(2)),
            stage(10.0, Some(0.0), Some(2)),
            stage(0.0, Some(10.0), Some(2)),
        ];
        let rises = Rate::new(&rises, Duration::from_secs(1));
        let due: Vec<f64> = [0.0, 10.0, 20.0]
            .map(|nth| rises.due(nth).expect("the last rate holds"))
            .to_vec();
        assert_eq!(due, [1.0, 3.0, 5.0]);
        let ends = Rate::new(&[stage(10.0, Some(0.0), Some(2))], Duration::ZERO);
        assert!(ends.due(9.9).is_some());
        assert_eq!(ends.due(10.1), None);
    }
}
