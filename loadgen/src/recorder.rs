//! What is kept of the operations of a run: counts and latencies of each second, what went wrong,
//! and how well the generator itself kept time. Every runtime thread has a recorder of its own
//! and hands each second on when it is over; nothing of it stays.
//!
//! An operation counts if it was due inside the window, whenever it completes: so each one that
//! was due is in the end ok, failed, unknown or unfinished, and a stall at the window's end
//! does not fall out of it. It stands in the second in which it completed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::call::{Tries, Trouble};
use crate::client::Outcome;
use crate::engine::Stop;
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

    /// How many seconds it has, the last of them maybe not whole; one at least.
    pub fn seconds(&self) -> usize {
        let length = self.length();
        let whole = usize::try_from(length.as_secs()).expect("runs are bounded");
        (whole + usize::from(length.subsec_nanos() > 0)).max(1)
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        self.to.saturating_duration_since(self.from)
    }

    /// The same, ended by `stop` if that was earlier.
    pub fn until(self, stop: &Stop) -> Window {
        let to = stop.at().map_or(self.to, |at| at.clamp(self.from, self.to));
        Window { to, ..self }
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
    /// Of those that succeeded, microseconds from the moment when they were due.
    pub response: Histogram<u64>,
    /// The same from the moment when a connection took them up; none in a closed loop, where
    /// both are one.
    pub service: Option<Histogram<u64>>,
}

/// It grows with what it is given: there is one for every second.
fn histogram() -> Histogram<u64> {
    Histogram::new(DIGITS).expect("a histogram may have three digits")
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
            response: histogram(),
            service: None,
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

    /// Microseconds from the moment when a connection took them up.
    pub fn service(&self) -> &Histogram<u64> {
        self.service.as_ref().unwrap_or(&self.response)
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
        results::add(&mut self.response, &other.response);
        if let Some(service) = &other.service {
            results::add(self.service.get_or_insert_with(histogram), service);
        }
    }
}

/// Counts of each kind.
pub type ByKind = [Counts; Kind::ALL.len()];

/// Adds the counts of each kind to those of `sum`.
pub fn add(sum: &mut ByKind, more: &ByKind) {
    for (counts, more) in sum.iter_mut().zip(more) {
        counts.add(more);
    }
}

/// When an operation was what.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// It was due.
    pub due: Instant,
    /// A connection took it up.
    pub taken: Instant,
    /// It had an outcome.
    pub done: Instant,
}

/// One second of one thread.
#[derive(Debug)]
pub struct Second {
    /// Which, from the window's beginning.
    pub second: usize,
    /// What completed in it.
    pub counts: Box<ByKind>,
    /// Operations that were due and not taken up at its end.
    pub queued: u64,
}

/// How well the generator kept time, in microseconds.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How late operations were taken up that were due and had a free connection.
    pub lag: Histogram<u64>,
    /// How long operations that were due waited for a connection.
    pub queue: Histogram<u64>,
    /// How late the runtime came to what it had been asked to do at a set moment.
    pub delay: Histogram<u64>,
    /// Of the thread that was busiest: the share of the time in which it had a processor.
    pub busy: f64,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            lag: histogram(),
            queue: histogram(),
            delay: histogram(),
            busy: 0.0,
        }
    }
}

impl Timing {
    /// Adds another thread's.
    pub fn add(&mut self, other: &Timing) {
        results::add(&mut self.lag, &other.lag);
        results::add(&mut self.queue, &other.queue);
        results::add(&mut self.delay, &other.delay);
        self.busy = self.busy.max(other.busy);
    }
}

/// Milliseconds, counted from the window's beginning, in which a write succeeded.
#[derive(Clone, Debug, Default)]
pub struct Writes(Vec<u64>);

impl Writes {
    fn insert(&mut self, since: Duration) {
        let milli = usize::try_from(since.as_millis()).expect("runs are bounded");
        let word = milli / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (milli % 64);
    }

    /// Adds another thread's.
    pub fn add(&mut self, other: &Writes) {
        let words = self.0.len().max(other.0.len());
        self.0.resize(words, 0);
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// The longest time without a successful write, in milliseconds, that begins at `lost`
    /// milliseconds or, up to `until`, later.
    pub fn longest_gap(&self, lost: u64, until: u64) -> u64 {
        let written = |at: &u64| {
            let word = usize::try_from(at / 64).expect("runs are bounded");
            self.0
                .get(word)
                .is_some_and(|bits| bits >> (at % 64) & 1 == 1)
        };
        let (mut last, mut longest) = (lost, 0);
        for at in (lost..until).filter(written).chain([until]) {
            longest = longest.max(at.saturating_sub(last));
            last = at;
        }
        longest
    }
}

/// A recorder.
#[derive(Debug)]
pub struct Recorder {
    window: Window,
    stop: Stop,
    /// Whether response and service times differ.
    open: bool,
    /// The second that is going on.
    second: usize,
    counts: Box<ByKind>,
    /// Operations that are due and wait, as last heard.
    queued: u64,
    /// Seconds that are over and not handed on yet.
    over: VecDeque<Second>,
    /// When writes succeeded.
    pub writes: Writes,
    /// How well the generator kept time.
    pub timing: Timing,
}

impl Recorder {
    /// An empty one. In an `open` load, operations have due times of their own.
    pub fn new(window: Window, stop: Stop, open: bool) -> Self {
        Recorder {
            window,
            stop,
            open,
            second: 0,
            counts: Box::default(),
            queued: 0,
            over: VecDeque::new(),
            writes: Writes::default(),
            timing: Timing::default(),
        }
    }

    /// The window, as it is by now.
    pub fn window(&self) -> Window {
        self.window.until(&self.stop)
    }

    /// The counts that `moment` belongs to.
    fn at(&mut self, moment: Instant, kind: Kind) -> &mut Counts {
        self.reach(self.second_of(moment));
        &mut self.counts[kind.index()]
    }

    /// Everything before `second` is over.
    fn reach(&mut self, second: usize) {
        while self.second < second {
            let counts = std::mem::take(&mut self.counts);
            self.over.push_back(Second {
                second: self.second,
                counts,
                queued: self.queued,
            });
            self.second += 1;
        }
    }

    /// It is `now`, and `queued` operations wait: seconds before are over. The last one is over
    /// when the run has drained: see [`Recorder::finish`].
    pub fn pass(&mut self, now: Instant, queued: u64) {
        self.queued = queued;
        self.reach(self.second_of(now));
    }

    /// Everything is over.
    pub fn finish(&mut self) {
        let end = self.window().seconds();
        self.reach(end.max(self.second + 1));
    }

    /// The next second that is over.
    pub fn take_over(&mut self) -> Option<Second> {
        self.over.pop_front()
    }

    /// Which second a moment belongs to. What completes while the run drains was due in the
    /// window: it belongs to its end.
    fn second_of(&self, moment: Instant) -> usize {
        let since = moment.saturating_duration_since(self.window.from);
        let last = self.window().seconds() - 1;
        usize::try_from(since.as_secs()).map_or(last, |second| second.min(last))
    }

    /// An operation has an outcome.
    pub fn record(&mut self, kind: Kind, times: Times, outcome: Outcome, tries: &Tries) {
        let Times { due, taken, done } = times;
        if kind == Kind::Send && outcome == Outcome::Ok && done >= self.window.from {
            self.writes.insert(done - self.window.from);
        }
        if !self.window().contains(due) {
            return;
        }
        let open = self.open;
        let counts = self.at(done, kind);
        counts.tries(tries);
        match outcome {
            Outcome::Ok => {
                counts.ok += 1;
                put(&mut counts.response, done - due);
                if open {
                    put(counts.service.get_or_insert_with(histogram), done - taken);
                }
            }
            Outcome::Failed => counts.failed += 1,
            Outcome::Unknown => counts.unknown += 1,
        }
    }

    /// An operation was taken up that was due at `due`, by a connection that was free since
    /// `free`; `queued` others wait.
    pub fn taken(&mut self, due: Instant, free: Instant, taken: Instant, queued: u64) {
        self.queued = queued;
        if self.window().contains(due) {
            put(
                &mut self.timing.lag,
                taken.saturating_duration_since(due.max(free)),
            );
            put(&mut self.timing.queue, free.saturating_duration_since(due));
        }
    }

    /// The runtime came this late to what it had been asked to do at a moment.
    pub fn delayed(&mut self, due: Instant, late: Duration) {
        if self.window().contains(due) {
            put(&mut self.timing.delay, late);
        }
    }

    /// An operation that was due at `due` is given up at `now`.
    pub fn unfinished(&mut self, kind: Kind, due: Instant, now: Instant, tries: &Tries) {
        if self.window().contains(due) {
            let counts = self.at(now, kind);
            counts.tries(tries);
            counts.unfinished += 1;
        }
    }

    /// Operations that were due in the window were never taken up.
    pub fn never_taken(&mut self, left: &[u64; Kind::ALL.len()], now: Instant) {
        for (kind, count) in Kind::ALL.into_iter().zip(left) {
            self.at(now, kind).unfinished += count;
        }
    }
}

/// Bounded like the result files' histograms: nothing takes longer.
fn put(histogram: &mut Histogram<u64>, time: Duration) {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    histogram
        .record(micros.min(results::MAX_LATENCY_US))
        .expect("the histogram grows up to the bound");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn times(due: Instant, done: Instant) -> Times {
        Times {
            due,
            taken: due,
            done,
        }
    }

    fn all(recorder: &mut Recorder) -> Vec<Second> {
        std::iter::from_fn(|| recorder.take_over()).collect()
    }

    fn total(seconds: &[Second]) -> ByKind {
        let mut total = ByKind::default();
        for second in seconds {
            add(&mut total, &second.counts);
        }
        total
    }

    #[test]
    fn an_operation_counts_when_it_was_due_in_the_window() {
        let from = Instant::now();
        let window = Window {
            from,
            to: from + millis(1_500),
        };
        let mut recorder = Recorder::new(window, Stop::default(), false);
        let once = Tries {
            attempts: 1,
            troubles: Vec::new(),
        };
        let thrice = Tries {
            attempts: 3,
            troubles: vec![Trouble::Refused, Trouble::Status(503)],
        };
        let mut done = |kind, due, at, outcome, tries: &Tries| {
            recorder.record(kind, times(due, from + millis(at)), outcome, tries);
        };
        done(Kind::Send, from - millis(5), 10, Outcome::Ok, &once);
        done(Kind::Send, from, 20, Outcome::Ok, &once);
        done(Kind::Send, from, 1_100, Outcome::Ok, &thrice);
        let late = from + millis(1_499);
        done(Kind::Send, late, 1_499, Outcome::Unknown, &once);
        done(Kind::Read, window.to, 1_600, Outcome::Ok, &once);
        done(Kind::Read, late, 9_000, Outcome::Ok, &once);
        recorder.unfinished(Kind::Inbox, late, from + millis(9_000), &thrice);
        recorder.finish();
        let seconds = all(&mut recorder);

        assert_eq!(seconds.len(), 2);
        let send = &seconds[0].counts[0];
        assert_eq!((send.ok, send.attempts), (1, 1));
        let [send, read, inbox, ..] = total(&seconds);
        assert_eq!((send.ok, send.unknown, send.due()), (2, 1, 3));
        assert_eq!((send.attempts, send.retries), (5, 2));
        let troubles: Vec<(Trouble, u64)> = send.troubles.into_iter().collect();
        assert_eq!(troubles, [(Trouble::Refused, 1), (Trouble::Status(503), 1)]);
        assert_eq!(read.ok, 1);
        assert!(read.response.max() >= 7_500_000, "a stall is not cut off");
        assert_eq!(
            (inbox.unfinished, inbox.retries, inbox.response.len()),
            (1, 2, 0)
        );
    }

    #[test]
    fn response_counts_from_the_due_moment_and_service_from_the_taking() {
        let from = Instant::now();
        let to = from + millis(1_000);
        let mut recorder = Recorder::new(Window { from, to }, Stop::default(), true);
        let (due, taken, done) = (from + millis(10), from + millis(700), from + millis(702));
        recorder.taken(due, from + millis(699), taken, 0);
        let times = Times { due, taken, done };
        recorder.record(Kind::Send, times, Outcome::Ok, &Tries::default());
        recorder.finish();
        let seconds = all(&mut recorder);
        let send = &seconds[0].counts[0];
        let near = |histogram: &Histogram<u64>, us: u64| {
            assert!(histogram.equivalent(histogram.max(), us), "{us}");
        };
        near(&send.response, 692_000);
        near(send.service(), 2_000);
        near(&recorder.timing.lag, 1_000);
        near(&recorder.timing.queue, 689_000);
    }

    #[test]
    fn seconds_are_handed_on_and_a_stop_ends_the_window() {
        let from = Instant::now();
        let window = Window {
            from,
            to: from + millis(9_000),
        };
        let once = Tries::default();
        let stop = Stop::default();
        let mut recorder = Recorder::new(window, stop.clone(), false);
        recorder.record(
            Kind::Read,
            times(from, from + millis(500)),
            Outcome::Ok,
            &once,
        );
        recorder.pass(from + millis(999), 7);
        assert!(all(&mut recorder).is_empty());
        recorder.record(
            Kind::Read,
            times(from, from + millis(2_500)),
            Outcome::Ok,
            &once,
        );
        recorder.pass(from + millis(3_000), 7);
        let over = all(&mut recorder);
        let ok: Vec<(usize, u64)> = over.iter().map(|s| (s.second, s.counts[1].ok)).collect();
        assert_eq!(ok, [(0, 1), (1, 0), (2, 1)]);
        assert_eq!(over[2].queued, 7);
        // It is stopped now, a moment after the beginning: what comes later is its end's.
        stop.stop();
        recorder.record(
            Kind::Read,
            times(from, from + millis(8_500)),
            Outcome::Ok,
            &once,
        );
        recorder.finish();
        let rest = all(&mut recorder);
        let ok: Vec<(usize, u64)> = rest.iter().map(|s| (s.second, s.counts[1].ok)).collect();
        assert_eq!(
            ok,
            [(3, 1)],
            "nothing is lost, though second 0 was handed on"
        );
    }

    #[test]
    fn the_longest_gap_counts_from_the_loss() {
        let (mut one, mut other) = (Writes::default(), Writes::default());
        // Nothing before 500 ms, which is no fail-over; killed at 1000, again there at 1740.
        for at in (500..1_000).step_by(2).chain((1_740..4_000).step_by(2)) {
            one.insert(millis(at));
            other.insert(millis(at + 1));
        }
        one.add(&other);
        assert_eq!(one.longest_gap(1_000, 4_000), 740);
        assert_eq!(one.longest_gap(3_000, 4_000), 1);
        assert_eq!(one.longest_gap(3_000, 9_000), 5_001);
        assert_eq!(Writes::default().longest_gap(1_000, 4_000), 3_000);
    }
}
