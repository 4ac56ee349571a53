//! What is due on one thread of an open load, and who is free for it.

use crate::plan::{Kind, Step, Timeline};

/// Operations that are due and wait for a client are not kept anywhere: they lie between two
/// readers of one timeline, one that counts what is due and one that takes it up.
#[derive(Debug)]
pub(super) struct Queue {
    due: Timeline,
    taken: Timeline,
    waiting: u64,
    /// Clients with nothing to do, by their places; the last one is the next to be woken, so
    /// that as few as suffice do everything.
    idle: Vec<usize>,
    /// Nothing that is due from here on is taken up.
    end_ns: u64,
}

/// What there is for a client that is free.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This, at once; so many others wait.
    Due(Step, u64),
    /// Nothing yet; it will be woken.
    Later,
    /// Nothing ever.
    Over,
}

impl Queue {
    pub(super) fn new(timeline: Timeline) -> Self {
        Queue {
            due: timeline.clone(),
            taken: timeline,
            waiting: 0,
            idle: Vec::new(),
            end_ns: u64::MAX,
        }
    }

    /// The client at `place` is free. Before the beginning there is no `now_ns`, and nothing is
    /// due, not even what is due at 0.
    pub(super) fn next(&mut self, place: usize, now_ns: Option<u64>) -> Next {
        match (self.taken.due_ns(), now_ns) {
            (Some(due), _) if due >= self.end_ns => Next::Over,
            (Some(due), Some(now_ns)) if due <= now_ns => {
                self.count(now_ns);
                self.waiting -= 1;
                let step = self.taken.next().expect("it has a due time");
                Next::Due(step, self.waiting)
            }
            (Some(_), _) => {
                self.idle.push(place);
                Next::Later
            }
            (None, _) => Next::Over,
        }
    }

    /// Everything due by now waits, or was taken up; how much of it is new.
    fn count(&mut self, now_ns: u64) -> u64 {
        let before = self.waiting;
        while self
            .due
            .due_ns()
            .is_some_and(|due| due <= now_ns && due < self.end_ns)
        {
            self.due.next();
            self.waiting += 1;
        }
        self.waiting - before
    }

    /// It is `now_ns`: gives the clients that are to be woken for what waits to `wake`.
    pub(super) fn release(&mut self, now_ns: u64, wake: impl FnMut(usize)) {
        self.count(now_ns);
        let many = usize::try_from(self.waiting).unwrap_or(usize::MAX);
        let from = self.idle.len().saturating_sub(many);
        self.idle.drain(from..).rev().for_each(wake);
    }

    /// When more will be due; none when nothing will.
    pub(super) fn next_due_ns(&self) -> Option<u64> {
        self.due.due_ns().filter(|due| *due < self.end_ns)
    }

    /// Operations that are due and wait.
    pub(super) fn waiting(&mut self, now_ns: u64) -> u64 {
        self.count(now_ns);
        self.waiting
    }

    /// What is due from `end_ns` on is not taken up: gives all that are idle to `wake`.
    pub(super) fn end_at(&mut self, end_ns: u64, wake: impl FnMut(usize)) {
        self.end_ns = end_ns;
        self.idle.drain(..).for_each(wake);
    }

    /// What was due and will not be taken up any more: by kind, from `from_ns` on.
    pub(super) fn left(&mut self, from_ns: u64) -> [u64; Kind::ALL.len()] {
        let mut left = [0; Kind::ALL.len()];
        while self.taken.due_ns().is_some_and(|due| due < self.end_ns) {
            let step = self.taken.next().expect("it has a due time");
            if step.due_ns >= from_ns {
                left[step.kind.index()] += 1;
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::draw::Draws;
    use crate::plan::{NO_ROOM, Source};
    use crate::trace::Trace;

    /// Operations that are due at these moments, sends and reads in turn, each by its own user.
    fn queue(dues: &[u64]) -> Queue {
        let steps = (0..).zip(dues).map(|(nth, due)| Step {
            due_ns: *due,
            kind: Kind::ALL[nth as usize % 2],
            user: nth,
            room: NO_ROOM,
            size: 0,
            latest: false,
        });
        let trace = Trace {
            steps: steps.collect(),
            users: Vec::new(),
            rooms: Vec::new(),
            raised: 0,
            hash: 0,
        };
        let trace = Arc::new(trace);
        Queue::new(Timeline::new(
            Source::Recorded { trace, speed: 1.0 },
            u64::MAX,
        ))
    }

    fn released(queue: &mut Queue, now_ns: u64) -> Vec<usize> {
        let mut woken = Vec::new();
        queue.release(now_ns, |place| woken.push(place));
        woken
    }

    fn taken(queue: &mut Queue, place: usize, now_ns: u64) -> Option<(u32, u64)> {
        match queue.next(place, Some(now_ns)) {
            Next::Due(step, waiting) => Some((step.user, waiting)),
            Next::Later | Next::Over => None,
        }
    }

    #[test]
    fn what_is_due_waits_while_clients_are_busy_and_is_counted() {
        let mut queue = queue(&[10, 20, 20, 30, 90]);
        assert_eq!(queue.next(0, Some(5)), Next::Later);
        assert_eq!(queue.next(1, Some(5)), Next::Later);
        assert_eq!((queue.waiting(9), queue.next_due_ns()), (0, Some(10)));
        assert_eq!(released(&mut queue, 10), [1], "the last that was free");
        assert_eq!(taken(&mut queue, 1, 11), Some((0, 0)));
        // Both are busy from now on: the other one is woken as well.
        assert_eq!(released(&mut queue, 20), [0]);
        assert_eq!(queue.waiting(20), 2);
        assert_eq!(queue.next_due_ns(), Some(30));
        assert_eq!(taken(&mut queue, 0, 31), Some((1, 2)));
        assert_eq!(queue.waiting(40), 2);
        assert_eq!(released(&mut queue, 40), Vec::<usize>::new());
        assert_eq!(taken(&mut queue, 0, 50), Some((2, 1)));
        assert_eq!(taken(&mut queue, 1, 51), Some((3, 0)));
        assert_eq!(queue.waiting(60), 0);
        assert_eq!(queue.next(0, Some(60)), Next::Later);
        assert_eq!(released(&mut queue, 90), [0]);
        assert_eq!(queue.next_due_ns(), None);
        assert_eq!(taken(&mut queue, 0, 95), Some((4, 0)));
        assert_eq!(queue.next(0, Some(99)), Next::Over);
    }

    #[test]
    fn before_the_beginning_nothing_is_due() {
        let mut queue = queue(&[0, 10]);
        assert_eq!(queue.next(0, None), Next::Later);
        assert_eq!(released(&mut queue, 0), [0]);
        assert_eq!(taken(&mut queue, 0, 0), Some((0, 0)));
    }

    #[test]
    fn whatever_happens_when_nothing_is_lost_or_doubled() {
        const CLIENTS: usize = 4;
        for seed in 0..50 {
            let mut draws = Draws::new(seed, 0, 0);
            let mut at = 0;
            let dues: Vec<u64> = (0..200)
                .map(|_| {
                    at += draws.below(20);
                    at
                })
                .collect();
            let mut queue = queue(&dues);
            let mut done: Vec<u32> = Vec::new();
            // Who asks next: clients that are free and have not been told to wait.
            let mut free: Vec<usize> = (0..CLIENTS).collect();
            let mut busy: Vec<usize> = Vec::new();
            let mut over = 0;
            let mut now = 0;
            while over < CLIENTS {
                now += draws.below(15);
                queue.release(now, |place| free.push(place));
                if let Some(place) = free.pop() {
                    match queue.next(place, Some(now)) {
                        Next::Due(step, waiting) => {
                            assert!(dues[step.user as usize] <= now, "seed {seed}");
                            done.push(step.user);
                            let due = dues.iter().filter(|due| **due <= now).count() as u64;
                            assert_eq!(waiting, due - done.len() as u64, "seed {seed}");
                            busy.push(place);
                        }
                        Next::Later => {}
                        Next::Over => over += 1,
                    }
                }
                if !busy.is_empty() && draws.below(3) == 0 {
                    let place = draws.place(busy.len());
                    free.push(busy.swap_remove(place));
                }
                if queue.next_due_ns().is_none() {
                    queue.end_at(u64::MAX, |place| free.push(place));
                }
            }
            assert_eq!(
                done,
                Vec::from_iter(0..200),
                "seed {seed}: in order, each once"
            );
        }
    }

    #[test]
    fn the_end_leaves_what_was_due_and_counts_it_by_kind() {
        let mut queue = queue(&[10, 20, 30, 40, 50, 60, 70]);
        assert_eq!(queue.next(7, Some(0)), Next::Later);
        assert_eq!(taken(&mut queue, 0, 10), Some((0, 0)));
        assert_eq!(queue.waiting(45), 3);
        let mut woken = Vec::new();
        queue.end_at(60, |place| woken.push(place));
        assert_eq!(woken, [7], "there is nothing to wait for");
        // What was due before the end is still taken up, and nothing else.
        assert_eq!(taken(&mut queue, 7, 45), Some((1, 2)));
        assert_eq!(queue.waiting(1_000), 3, "30, 40 and 50");
        assert_eq!(queue.next_due_ns(), None);
        assert_eq!(queue.left(40), [1, 1, 0, 0, 0], "40 and 50: what counts");
        assert_eq!(queue.next(7, Some(1_000)), Next::Over);
        assert_eq!(queue.left(0), [0; Kind::ALL.len()]);
    }
}
