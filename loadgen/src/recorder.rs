//! What is kept of the operations of a run: counts, latencies, and what went wrong, for each
//! second. Every runtime thread has a recorder of its own; they are added up at the end.
//!
//! An operation counts if it was due inside the window, whenever it completes: so each one that
//! was due is in the end ok, failed, unknown or unfinished, and a stall at the window's end
//! does not fall out of it. It stands in the second in which it completed.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::call::{Tries, Trouble};
use crate::client::Outcome;
use crate::plan::Kind;
use crate::results;

/// Significant digits of a latency, as in the result files.
const DIGITS: u8 = 3;

/// The part of a run that counts.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// When it begins.
    pub from: Instant,
    /// When it ends.
    pub to: Instant,
}

impl Window {
    /// Whether what is due at `moment` counts.
    pub fn contains(&self, moment: Instant) -> bool {
        self.from <= moment && moment < self.to
    }

    /// How many seconds it has, the last of them maybe not whole.
    pub fn seconds(&self) -> usize {
        let length = self.to - self.from;
        let whole = usize::try_from(length.as_secs()).expect("runs are bounded");
        whole + usize::from(length.subsec_nanos() > 0)
    }
}

/// Operations of one kind, in one second or altogether.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Requests sent.
    pub attempts: u64,
    /// Of these, retries.
    pub retries: u64,
    /// Succeeded.
    pub ok: u64,
    /// Surely had no effect.
    pub failed: u64,
    /// Nobody knows.
    pub unknown: u64,
    /// Not completed when the run had drained.
    pub unfinished: u64,
    /// Tries that went wrong, by how, also those of operations that succeeded at last.
    pub troubles: BTreeMap<Trouble, u64>,
    /// Latencies of those that succeeded, in microseconds.
    pub latency: Histogram<u64>,
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            attempts: 0,
            retries: 0,
            ok: 0,
            failed: 0,
            unknown: 0,
            unfinished: 0,
            troubles: BTreeMap::new(),
            // It grows with what it is given: there is one for every second.
            latency: Histogram::new(DIGITS).expect("a histogram may have three digits"),
        }
    }
}

impl Counts {
    /// Operations that were due.
    pub fn due(&self) -> u64 {
        self.ok + self.missed()
    }

    /// Operations that were due and did not succeed.
    pub fn missed(&self) -> u64 {
        self.failed + self.unknown + self.unfinished
    }

    fn tries(&mut self, tries: &Tries) {
        self.attempts += tries.attempts;
        self.retries += tries.attempts.saturating_sub(1);
        for trouble in &tries.troubles {
            *self.troubles.entry(*trouble).or_default() += 1;
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: &Counts) {
        self.attempts += other.attempts;
        self.retries += other.retries;
        self.ok += other.ok;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.unfinished += other.unfinished;
        for (trouble, count) in &other.troubles {
            *self.troubles.entry(*trouble).or_default() += count;
        }
        results::add(&mut self.latency, &other.latency);
    }
}

/// Counts of each kind.
pub type ByKind = [Counts; Kind::ALL.len()];

/// A recorder.
#[derive(Debug)]
pub struct Recorder {
    window: Window,
    /// Each second of the window, as far as something completed in it or a later one.
    pub seconds: Vec<ByKind>,
    /// The milliseconds, counted from the window's beginning, in which a write succeeded.
    writes: Vec<u64>,
}

impl Recorder {
    /// An empty one.
    pub fn new(window: Window) -> Self {
        Recorder {
            window,
            seconds: Vec::new(),
            writes: Vec::new(),
        }
    }

    /// How long the window was.
    pub fn length(&self) -> Duration {
        self.window.to - self.window.from
    }

    fn second(&mut self, moment: Instant) -> &mut ByKind {
        let since = moment.saturating_duration_since(self.window.from);
        // What completes while the run drains was due in the window: it belongs to its end.
        let last = self.window.seconds() - 1;
        let second = usize::try_from(since.as_secs()).map_or(last, |second| second.min(last));
        self.reach(second + 1);
        &mut self.seconds[second]
    }

    /// Has `seconds` of them at least. A histogram takes some kilobytes, so there is none
    /// before it is needed.
    fn reach(&mut self, seconds: usize) {
        if self.seconds.len() < seconds {
            self.seconds.resize_with(seconds, ByKind::default);
        }
    }

    /// An operation that was due at `due` has completed at `now`.
    pub fn record(
        &mut self,
        kind: Kind,
        due: Instant,
        now: Instant,
        outcome: Outcome,
        tries: &Tries,
    ) {
        if kind == Kind::Send && outcome == Outcome::Ok && now >= self.window.from {
            self.write_succeeded(now - self.window.from);
        }
        if !self.window.contains(due) {
            return;
        }
        let counts = &mut self.second(now)[kind.index()];
        counts.tries(tries);
        match outcome {
            Outcome::Ok => {
                counts.ok += 1;
                let micros = u64::try_from((now - due).as_micros()).unwrap_or(u64::MAX);
                // Bounded like the result files' histograms: nothing takes longer.
                let micros = micros.min(results::MAX_LATENCY_US);
                counts
                    .latency
                    .record(micros)
                    .expect("the histogram grows up to the bound");
            }
            Outcome::Failed => counts.failed += 1,
            Outcome::Unknown => counts.unknown += 1,
        }
    }

    /// An operation that was due at `due` is given up at `now`.
    pub fn unfinished(&mut self, kind: Kind, due: Instant, now: Instant, tries: &Tries) {
        if self.window.contains(due) {
            let counts = &mut self.second(now)[kind.index()];
            counts.tries(tries);
            counts.unfinished += 1;
        }
    }

    fn write_succeeded(&mut self, since: Duration) {
        let milli = usize::try_from(since.as_millis()).expect("runs are bounded");
        let word = milli / 64;
        if self.writes.len() <= word {
            self.writes.resize(word + 1, 0);
        }
        self.writes[word] |= 1 << (milli % 64);
    }

    /// Adds what another thread has recorded of the same window.
    pub fn merge(&mut self, other: &Recorder) {
        self.reach(other.seconds.len());
        for (second, more) in self.seconds.iter_mut().zip(&other.seconds) {
            for (counts, more) in second.iter_mut().zip(more) {
                counts.add(more);
            }
        }
        let words = self.writes.len().max(other.writes.len());
        self.writes.resize(words, 0);
        for (word, more) in self.writes.iter_mut().zip(&other.writes) {
            *word |= more;
        }
    }

    /// The window is over at `to`: an interrupted one earlier than it was to be. Seconds in
    /// which nothing completed are there, too, from now on.
    pub fn end_at(&mut self, to: Instant) {
        self.window.to = to.max(self.window.from + Duration::from_millis(1));
        let seconds = self.window.seconds();
        self.reach(seconds);
        // What completed while an interrupted run drained belongs to its end, too.
        let late: Vec<ByKind> = self.seconds.drain(seconds..).collect();
        let last = self.seconds.last_mut().expect("no window is empty");
        for kinds in late {
            for (counts, more) in last.iter_mut().zip(&kinds) {
                counts.add(more);
            }
        }
    }

    /// The longest time without a successful write that begins at `lost` or, up to `until`,
    /// later: in milliseconds.
    pub fn longest_gap_ms(&self, lost: Instant, until: Instant) -> u64 {
        let milli = |moment: Instant| {
            let since = moment.saturating_duration_since(self.window.from);
            u64::try_from(since.as_millis()).expect("runs are bounded")
        };
        let written = |at: &u64| {
            let word = usize::try_from(at / 64).expect("runs are bounded");
            let bits = self.writes.get(word);
            bits.is_some_and(|bits| bits >> (at % 64) & 1 == 1)
        };
        let (lost, end) = (milli(lost), milli(until));
        let (mut last, mut longest) = (lost, 0);
        for at in (lost..end).filter(written).chain([end]) {
            longest = longest.max(at - last);
            last = at;
        }
        longest
    }

    /// Everything of each kind.
    pub fn total(&self) -> ByKind {
        let mut total = ByKind::default();
        for second in &self.seconds {
            for (counts, more) in total.iter_mut().zip(second) {
                counts.add(more);
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn an_operation_counts_when_it_was_due_in_the_window() {
        let from = Instant::now();
        let window = Window {
            from,
            to: from + millis(1_500),
        };
        let mut recorder = Recorder::new(window);
        let once = Tries {
            attempts: 1,
            troubles: Vec::new(),
        };
        let thrice = Tries {
            attempts: 3,
            troubles: vec![Trouble::Refused, Trouble::Status(503)],
        };
        let early = from - millis(5);
        recorder.record(Kind::Send, early, from + millis(10), Outcome::Ok, &once);
        recorder.record(Kind::Send, from, from + millis(20), Outcome::Ok, &once);
        recorder.record(Kind::Send, from, from + millis(1_100), Outcome::Ok, &thrice);
        let late = from + millis(1_499);
        recorder.record(Kind::Read, late, from + millis(9_000), Outcome::Ok, &once);
        recorder.record(
            Kind::Read,
            window.to,
            from + millis(1_600),
            Outcome::Ok,
            &once,
        );
        recorder.record(Kind::Send, late, late, Outcome::Unknown, &once);
        recorder.unfinished(Kind::Inbox, late, from + millis(9_000), &thrice);
        recorder.end_at(window.to);

        assert_eq!(recorder.seconds.len(), 2);
        let [send, _, _] = &recorder.seconds[0];
        assert_eq!((send.ok, send.attempts), (1, 1));
        let [send, read, inbox] = recorder.total();
        assert_eq!((send.ok, send.unknown, send.due()), (2, 1, 3));
        assert_eq!((send.attempts, send.retries), (5, 2));
        let troubles: Vec<(Trouble, u64)> = send.troubles.into_iter().collect();
        assert_eq!(troubles, [(Trouble::Refused, 1), (Trouble::Status(503), 1)]);
        assert_eq!(read.ok, 1);
        assert!(read.latency.max() >= 7_500_000, "a stall is not cut off");
        assert_eq!(
            (inbox.unfinished, inbox.retries, inbox.latency.len()),
            (1, 2, 0)
        );
    }

    #[test]
    fn a_window_that_ends_early_loses_nothing_and_a_silent_end_stays() {
        let from = Instant::now();
        let window = Window {
            from,
            to: from + millis(9_000),
        };
        let once = Tries::default();
        let mut recorder = Recorder::new(window);
        for at in [500, 1_500, 2_500] {
            let at = from + millis(at);
            recorder.record(Kind::Read, from, at, Outcome::Ok, &once);
        }
        let mut silent = Recorder::new(window);
        silent.merge(&recorder);
        silent.end_at(window.to);
        let ok = |recorder: &Recorder| -> Vec<u64> {
            recorder.seconds.iter().map(|kinds| kinds[1].ok).collect()
        };
        assert_eq!(ok(&silent), [1, 1, 1, 0, 0, 0, 0, 0, 0]);
        recorder.end_at(from + millis(1_200));
        assert_eq!(ok(&recorder), [1, 2]);
        assert_eq!(recorder.length(), millis(1_200));
        recorder.end_at(from);
        assert_eq!(ok(&recorder), [3]);
    }

    #[test]
    fn the_longest_gap_counts_from_the_loss() {
        let from = Instant::now();
        let to = from + millis(4_000);
        let (mut one, mut other) = (
            Recorder::new(Window { from, to }),
            Recorder::new(Window { from, to }),
        );
        let once = Tries::default();
        // Nothing before 500 ms, which is no fail-over; killed at 1000, again there at 1740.
        for at in (500..1_000).step_by(2).chain((1_740..4_000).step_by(2)) {
            let at = from + millis(at);
            one.record(Kind::Send, at, at, Outcome::Ok, &once);
            other.record(Kind::Send, at, at + millis(1), Outcome::Ok, &once);
        }
        one.merge(&other);
        assert_eq!(one.longest_gap_ms(from + millis(1_000), to), 740);
        assert_eq!(one.longest_gap_ms(from + millis(3_000), to), 1);
        let never = to + millis(5_000);
        assert_eq!(one.longest_gap_ms(from + millis(3_000), never), 5_001);
        assert_eq!(one.total()[0].ok, 2 * (250 + 1_130));
    }
}
