//! Everything that is due in an open workload, in the order of time.

use std::sync::Arc;
use std::time::Duration;

use super::{Kind, Mix, NO_ROOM, Rate, Step, stream};
use crate::draw::Draws;
use crate::suite::{Polling, Spacing};
use crate::trace::Trace;

/// Part of a whole that is divided among equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which part, from 0.
    pub nth: u32,
    /// Of how many.
    pub of: u32,
}

impl Share {
    /// Everything.
    pub const WHOLE: Share = Share { nth: 0, of: 1 };

    /// Whether something that bears `number` belongs to it.
    pub fn has(self, number: u64) -> bool {
        number % u64::from(self.of) == u64::from(self.nth)
    }
}

/// Where operations with set times come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// They are drawn.
    Drawn(Box<Drawn>),
    /// They were recorded.
    Recorded {
        /// The recording.
        trace: Arc<Trace>,
        /// Two: twice as fast as recorded.
        speed: f64,
    },
}

/// Arrivals, and polls beside them.
#[derive(Clone, Debug)]
pub struct Drawn {
    seed: u64,
    spacing: Spacing,
    rate: Rate,
    mix: Mix,
    /// The next arrival's number.
    nth: u64,
    /// Arrivals that are expected before it.
    expected: f64,
    polls: Option<Polls>,
}

impl Drawn {
    /// Arrivals by `rate`, mixed by `mix`, and inboxes read as `polling` says.
    pub fn new(
        seed: u64,
        spacing: Spacing,
        rate: Rate,
        mix: Mix,
        polling: Option<&Polling>,
    ) -> Self {
        let polls = polling.and_then(|polling| Polls::new(seed, polling, mix.people().users()));
        let mut drawn = Drawn {
            seed,
            spacing,
            rate,
            mix,
            nth: 0,
            expected: 0.0,
            polls,
        };
        if spacing == Spacing::Poisson {
            drawn.expected = drawn.gap(0);
        }
        drawn
    }

    /// From one arrival to the next, where one a second is expected.
    fn gap(&self, nth: u64) -> f64 {
        match self.spacing {
            Spacing::Constant => 1.0,
            Spacing::Poisson => Draws::new(self.seed, stream::GAPS, nth).exponential(),
        }
    }

    /// When the next arrival is due.
    fn arrival_ns(&self) -> Option<u64> {
        let due = self.rate.due(self.expected)?;
        // Beyond what a clock counts is never.
        Duration::try_from_secs_f64(due)
            .ok()
            .and_then(|due| u64::try_from(due.as_nanos()).ok())
    }

    fn next(&mut self) -> Option<Step> {
        let arrival = self.arrival_ns();
        let poll = self.polls.as_ref().map(Polls::due_ns);
        match (arrival, poll) {
            (None, None) => None,
            (Some(arrival), poll) if poll.is_none_or(|poll| arrival <= poll) => {
                let nth = self.nth;
                self.nth += 1;
                self.expected += self.gap(self.nth);
                let mut draws = Draws::new(self.seed, stream::ARRIVALS, nth);
                if !self.mix.is_in_turn() {
                    return Some(self.mix.drawn(arrival, &mut draws));
                }
                let users = self.mix.people().users() as u64;
                let user = u32::try_from(nth % users).expect("populations are bounded");
                Some(self.mix.in_turn(arrival, nth / users, user, &mut draws))
            }
            _ => self.polls.as_mut().map(Polls::next),
        }
    }
}

/// Every user reads its inbox at its own times, which are as far apart for all.
#[derive(Clone, Debug)]
struct Polls {
    every_ns: u64,
    limit: u32,
    /// When each user is first due, in nanoseconds, in order; and who.
    firsts: Arc<[(u64, u32)]>,
    at: usize,
    round: u64,
}

impl Polls {
    /// None when nobody is online.
    fn new(seed: u64, polling: &Polling, users: usize) -> Option<Self> {
        let online = polling.users.unwrap_or(users).min(users);
        let every_ns = u64::try_from(polling.every.as_nanos()).expect("durations are bounded");
        let first = |user: u32| Draws::new(seed, stream::POLLING, u64::from(user)).below(every_ns);
        let mut firsts: Vec<(u64, u32)> = (0..u32::try_from(online).expect("bounded"))
            .map(|user| (first(user), user))
            .collect();
        firsts.sort_unstable();
        (!firsts.is_empty()).then(|| Polls {
            every_ns,
            limit: u32::try_from(polling.limit).expect("pages are bounded"),
            firsts: firsts.into(),
            at: 0,
            round: 0,
        })
    }

    fn due_ns(&self) -> u64 {
        self.firsts[self.at].0 + self.round * self.every_ns
    }

    fn next(&mut self) -> Step {
        let step = Step {
            due_ns: self.due_ns(),
            kind: Kind::Inbox,
            user: self.firsts[self.at].1,
            room: NO_ROOM,
            size: self.limit,
            latest: false,
        };
        self.at += 1;
        if self.at == self.firsts.len() {
            self.at = 0;
            self.round += 1;
        }
        step
    }
}

/// A share of everything that is due, in the order of time. Two copies give the same, so
/// nothing that was or will be due need be kept.
#[derive(Clone, Debug)]
pub struct Timeline {
    source: Source,
    /// Of a trace: the next step.
    at: usize,
    /// Of the users: which machine's.
    machine: Share,
    /// Of what is left, operation by operation: which thread's.
    thread: Share,
    /// After how many operations the threads' shares repeat.
    round: u64,
    /// Operations of this machine so far.
    count: u64,
    /// Nothing is due from here on.
    end_ns: u64,
    next: Option<Step>,
}

impl Timeline {
    /// What is due before `end_ns`.
    pub fn new(source: Source, end_ns: u64) -> Self {
        let mut timeline = Timeline {
            source,
            at: 0,
            machine: Share::WHOLE,
            thread: Share::WHOLE,
            round: u64::MAX,
            count: 0,
            end_ns,
            next: None,
        };
        timeline.next = timeline.find();
        timeline
    }

    /// What is due of the users that belong to one of several machines.
    pub fn of_machine(mut self, machine: Share) -> Self {
        assert_eq!(self.machine, Share::WHOLE, "a share is not shared");
        self.machine = machine;
        match self.next {
            Some(step) if !machine.has(u64::from(step.user)) => {
                self.count = 0;
                self.next = self.find();
            }
            _ => {}
        }
        self
    }

    /// The same for so many connections, which are dealt out to the threads one by one: a thread
    /// that has more of them has more of the operations.
    pub fn among(mut self, connections: usize) -> Self {
        self.round = u64::try_from(connections).unwrap_or(u64::MAX).max(1);
        self
    }

    /// The share of one of several threads, operation by operation. From its beginning.
    pub fn of_thread(&self, thread: Share) -> Self {
        assert_eq!(
            self.count,
            u64::from(self.next.is_some()),
            "a timeline is shared unread"
        );
        let mut own = self.clone();
        own.thread = thread;
        if self.next.is_some() && !thread.has(0) {
            own.next = own.find();
        }
        own
    }

    /// When the next operation is due, if there is one.
    pub fn due_ns(&self) -> Option<u64> {
        self.next.map(|step| step.due_ns)
    }

    fn find(&mut self) -> Option<Step> {
        loop {
            let step = match &mut self.source {
                Source::Drawn(drawn) => drawn.next(),
                Source::Recorded { trace, speed } => {
                    let step = trace.steps.get(self.at).copied();
                    self.at += 1;
                    step.map(|step| Step {
                        due_ns: scaled(step.due_ns, *speed),
                        ..step
                    })
                }
            };
            let step = step.filter(|step| step.due_ns < self.end_ns)?;
            if !self.machine.has(u64::from(step.user)) {
                continue;
            }
            let nth = self.count;
            self.count += 1;
            if self.thread.has(nth % self.round) {
                return Some(step);
            }
        }
    }
}

impl Iterator for Timeline {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let step = self.next?;
        self.next = self.find();
        Some(step)
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast to an integer saturates, and recordings are no centuries long"
)]
fn scaled(due_ns: u64, speed: f64) -> u64 {
    if speed == 1.0 {
        due_ns
    } else {
        (due_ns as f64 / speed) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_have_operations_by_their_connections() {
        let step = |due_ns| Step {
            due_ns,
            kind: Kind::Inbox,
            user: 0,
            room: NO_ROOM,
            size: 1,
            latest: false,
        };
        let trace = Arc::new(Trace {
            steps: (0..30).map(step).collect(),
            users: vec!["someone".to_owned()],
            rooms: Vec::new(),
            raised: 0,
            hash: 0,
        });
        let whole = Timeline::new(Source::Recorded { trace, speed: 1.0 }, 1_000).among(5);
        // Of five connections, two threads have two, and the third one.
        let mut all = Vec::new();
        for (nth, many) in [(0, 12), (1, 12), (2, 6)] {
            let own = whole.of_thread(Share { nth, of: 3 });
            let own: Vec<u64> = own.map(|step| step.due_ns).collect();
            assert_eq!(own.len(), many);
            all.extend(own);
        }
        all.sort_unstable();
        assert_eq!(all, (0..30).collect::<Vec<u64>>());
    }
}
