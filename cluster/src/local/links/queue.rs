//! The frames that are on their way along a link.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use super::link::{Fate, Link, Way, count};
use super::{LinkCut, LinkFault};
use crate::node::wire::MAX_FRAME_BYTES;

/// Bytes that wait in a link; when there are more, its dialer is not read on: what a replica
/// keeps for a peer, too, and a second of 8 MB/s.
pub(super) const MAX_QUEUED_BYTES: usize = 8 << 20;
/// Frames that wait in a link: those that are small are more than their bytes.
const MAX_QUEUED_FRAMES: usize = 16 << 10;
/// How long a frame that is to be overtaken waits for the next one: a leader speaks every 100 ms.
pub(super) const OVERTAKING: Duration = Duration::from_millis(200);
/// What is written to a connection at once, about, in bytes.
const WRITE_BYTES: usize = 512 << 10;

const _: () = assert!(MAX_QUEUED_BYTES > 2 * MAX_FRAME_BYTES);

/// A frame on its way.
#[derive(Debug)]
struct Queued {
    frame: BytesMut,
    came: Instant,
    way: Way,
}

/// What is due now, and what comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// More is due at once.
    Now,
    /// The next frame is due then.
    At(Instant),
    /// Nothing waits.
    Nothing,
}

/// The frames of one connection that are on their way along its link, in order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    frames: VecDeque<Queued>,
    bytes: usize,
    /// When the throttled line has carried all that has left.
    line_free: Option<Instant>,
    /// The frame that is to be overtaken, and how long it waits for that.
    held: Option<(BytesMut, Instant)>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.held.is_none()
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes < MAX_QUEUED_BYTES && self.frames.len() < MAX_QUEUED_FRAMES
    }

    /// Takes in a frame that came at `now`.
    pub(super) fn push(&mut self, frame: BytesMut, now: Instant, fault: &LinkFault, link: &Link) {
        let counters = &link.counters;
        count(&counters.frames, 1);
        if fault.cut.is_some() {
            return count(&counters.dropped_by_cuts, 1);
        }
        let Fate {
            lost,
            duplicated,
            ways: [way, copys_way],
        } = link.cast(fault);
        if lost {
            return count(&counters.lost, 1);
        }
        let copy = duplicated.then(|| frame.clone());
        self.put(frame, now, way);
        if let Some(copy) = copy {
            count(&counters.duplicated, 1);
            self.put(copy, now, copys_way);
        }
    }

    fn put(&mut self, frame: BytesMut, came: Instant, way: Way) {
        self.bytes += frame.len();
        self.frames.push_back(Queued { frame, came, way });
    }

    /// Puts what is due at `now` at the end of `out`, and not much more than [`WRITE_BYTES`].
    /// When something is due hangs on the fault as it is now, not on what it was before.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        fault: &LinkFault,
        link: &Link,
        out: &mut BytesMut,
    ) -> Next {
        if fault.cut == Some(LinkCut::Silent) {
            self.drop_all(link);
            return Next::Nothing;
        }
        let counters = &link.counters;
        while let Some(head) = self.frames.front() {
            let carried = self.carried(head, fault);
            let due = carried + fault.delay + fault.jitter.mul_f64(head.way.jitter);
            if due > now {
                return self.unless_held(now, Some(due), out);
            }
            if out.len() >= WRITE_BYTES {
                return Next::Now;
            }
            let Queued { frame, came, way } = self.frames.pop_front().expect("it was seen");
            self.bytes -= frame.len();
            // The time of its own bytes is a throttle's, too, but of small frames that is nothing.
            let waited = self.line_free.is_some_and(|free| free > came);
            if waited && fault.bytes_per_s.is_some() {
                count(&counters.throttled, 1);
            }
            self.line_free = fault.bytes_per_s.map(|_| carried);
            if due > carried {
                count(&counters.delayed, 1);
            }
            if way.overtaken && self.held.is_none() {
                self.held = Some((frame, now + OVERTAKING));
                continue;
            }
            out.extend_from_slice(&frame);
            if let Some((held, _)) = self.held.take() {
                count(&counters.reordered, 1);
                out.extend_from_slice(&held);
            }
        }
        self.unless_held(now, None, out)
    }

    /// When the line has carried a frame: one after the other, at its speed.
    fn carried(&self, head: &Queued, fault: &LinkFault) -> Instant {
        let Some(bytes_per_s) = fault.bytes_per_s else {
            return head.came;
        };
        let begins = self.line_free.map_or(head.came, |free| free.max(head.came));
        let seconds = head.frame.len() as f64 / bytes_per_s.max(1) as f64;
        begins + Duration::from_secs_f64(seconds)
    }

    /// What comes next, when the next frame of the queue is due then: one that waits to be
    /// overtaken may have waited enough.
    fn unless_held(&mut self, now: Instant, due: Option<Instant>, out: &mut BytesMut) -> Next {
        let due = match &self.held {
            Some((held, until)) if *until <= now => {
                out.extend_from_slice(held);
                self.held = None;
                due
            }
            Some((_, until)) => Some(due.map_or(*until, |due| due.min(*until))),
            None => due,
        };
        due.map_or(Next::Nothing, Next::At)
    }

    /// All that is on its way vanishes in the cut.
    pub(super) fn drop_all(&mut self, link: &Link) {
        let dropped = self.frames.len() + usize::from(self.held.is_some());
        count(&link.counters.dropped_by_cuts, dropped);
        *self = Queue::default();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::local::links::LinkCounts;
    use crate::local::links::link::Counters;

    const NONE: LinkFault = LinkFault {
        cut: None,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        bytes_per_s: None,
        loss: 0.0,
        duplicate: 0.0,
        reorder: 0.0,
    };
    const MS: Duration = Duration::from_millis(1);

    struct Bench {
        link: Link,
        queue: Queue,
        start: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Bench {
                link: Link::new(7, 1, 2, Arc::<Counters>::default()),
                queue: Queue::default(),
                start: Instant::now(),
            }
        }

        /// The frames are single bytes here, with these numbers.
        fn push(&mut self, numbers: impl IntoIterator<Item = u8>, at: u32, fault: &LinkFault) {
            for number in numbers {
                let frame = BytesMut::from(&[number][..]);
                self.queue
                    .push(frame, self.start + MS * at, fault, &self.link);
            }
        }

        fn due(&mut self, at: u32, fault: &LinkFault) -> (Vec<u8>, Next) {
            let mut out = BytesMut::new();
            let now = self.start + MS * at;
            let next = self.queue.take_due(now, fault, &self.link, &mut out);
            (out.to_vec(), next)
        }

        fn at(&self, at: u32) -> Next {
            Next::At(self.start + MS * at)
        }

        fn counts(&self) -> LinkCounts {
            self.link.counters.read()
        }
    }

    #[test]
    fn without_a_fault_frames_pass_at_once_and_in_order() {
        let mut bench = Bench::new();
        bench.push([1, 2, 3], 0, &NONE);
        assert_eq!(bench.due(0, &NONE), (vec![1, 2, 3], Next::Nothing));
        assert!(bench.queue.is_empty());
        let expected = LinkCounts {
            frames: 3,
            ..LinkCounts::default()
        };
        assert_eq!(bench.counts(), expected);
    }

    #[test]
    fn a_delay_counts_from_when_a_frame_came_and_a_change_of_it_for_those_on_their_way() {
        let mut bench = Bench::new();
        let slow = LinkFault {
            delay: MS * 100,
            ..NONE
        };
        bench.push([1], 0, &slow);
        bench.push([2], 30, &slow);
        assert_eq!(bench.due(99, &slow), (vec![], bench.at(100)));
        assert_eq!(bench.due(100, &slow), (vec![1], bench.at(130)));
        let slower = LinkFault {
            delay: MS * 200,
            ..NONE
        };
        assert_eq!(bench.due(130, &slower), (vec![], bench.at(230)));
        assert_eq!(bench.due(131, &NONE), (vec![2], Next::Nothing));
        assert_eq!(bench.counts().delayed, 1);
    }

    #[test]
    fn jitter_spreads_frames_and_keeps_their_order() {
        let mut bench = Bench::new();
        let fault = LinkFault {
            jitter: MS * 100,
            ..NONE
        };
        bench.push(0..100, 0, &fault);
        let mut came = Vec::new();
        let mut steps = 0;
        for at in 0..=100 {
            let (frames, _) = bench.due(at, &fault);
            steps += u32::from(!frames.is_empty());
            came.extend(frames);
        }
        assert_eq!(came, (0..100).collect::<Vec<u8>>());
        assert!(steps > 1, "not all at once");
    }

    #[test]
    fn a_throttled_line_carries_one_frame_after_the_other() {
        let mut bench = Bench::new();
        let fault = LinkFault {
            bytes_per_s: Some(100),
            delay: MS * 5,
            ..NONE
        };
        bench.push([1, 2], 0, &fault);
        assert_eq!(bench.due(14, &fault), (vec![], bench.at(15)));
        assert_eq!(bench.due(15, &fault), (vec![1], bench.at(25)));
        // Late to look: the line has not stood still.
        bench.push([3], 26, &fault);
        assert_eq!(bench.due(30, &fault), (vec![2], bench.at(41)));
        assert_eq!(bench.due(41, &fault), (vec![3], Next::Nothing));
        // The second alone found the line busy; all of them were delayed.
        assert_eq!((bench.counts().throttled, bench.counts().delayed), (1, 3));
    }

    #[test]
    fn a_delay_throttles_nothing_and_a_throttle_delays_nothing() {
        let delay = LinkFault {
            delay: MS * 5,
            ..NONE
        };
        let throttle = LinkFault {
            bytes_per_s: Some(100),
            ..NONE
        };
        for (fault, expected) in [(delay, (0, 2)), (throttle, (1, 0))] {
            let mut bench = Bench::new();
            bench.push([1, 2], 0, &fault);
            assert_eq!(bench.due(100, &fault).0, [1, 2]);
            let counts = bench.counts();
            assert_eq!((counts.throttled, counts.delayed), expected, "{fault:?}");
        }
    }

    #[test]
    fn a_frame_is_overtaken_by_the_next_one_or_waits_in_vain() {
        let mut bench = Bench::new();
        let fault = LinkFault {
            reorder: 1.0,
            ..NONE
        };
        bench.push([1, 2, 3], 0, &fault);
        let patience = u32::try_from(OVERTAKING.as_millis()).expect("it is short");
        assert_eq!(bench.due(0, &fault), (vec![2, 1], bench.at(patience)));
        assert_eq!(
            bench.due(patience - 1, &fault),
            (vec![], bench.at(patience))
        );
        assert_eq!(bench.due(patience, &fault), (vec![3], Next::Nothing));
        assert!(bench.queue.is_empty());
        assert_eq!(bench.counts().reordered, 1);
    }

    #[test]
    fn losses_and_copies_are_as_frequent_as_was_asked_and_the_same_for_a_seed() {
        let fault = LinkFault {
            loss: 0.1,
            duplicate: 0.3,
            ..NONE
        };
        let run = || {
            let mut bench = Bench::new();
            for _ in 0..10 {
                bench.push(0..100, 0, &fault);
            }
            (bench.due(0, &fault).0, bench.counts())
        };
        let (came, counts) = run();
        assert_eq!((came.clone(), counts), run());
        assert_eq!(counts.frames, 1000);
        // Both are binomial: six standard deviations are 57 and 82.
        assert!(counts.lost.abs_diff(100) < 57, "{counts:?}");
        assert!(counts.duplicated.abs_diff(270) < 82, "{counts:?}");
        let expected = counts.frames - counts.lost + counts.duplicated;
        assert_eq!(came.len() as u64, expected);
    }

    #[test]
    fn all_that_is_on_its_way_vanishes_in_a_silent_cut() {
        let mut bench = Bench::new();
        let slow = LinkFault {
            delay: MS * 100,
            reorder: 1.0,
            ..NONE
        };
        bench.push([1, 2, 3, 4], 0, &slow);
        assert_eq!(bench.due(100, &slow).0, [2, 1, 4, 3]);
        bench.push([5, 6], 0, &slow);
        let silent = LinkFault::cut(LinkCut::Silent);
        assert_eq!(bench.due(100, &silent), (vec![], Next::Nothing));
        bench.push([7], 100, &silent);
        bench.push([8], 100, &NONE);
        assert_eq!(bench.due(100, &NONE), (vec![8], Next::Nothing));
        assert_eq!(bench.counts().dropped_by_cuts, 3);
    }

    #[test]
    fn a_full_queue_has_no_room() {
        let mut bench = Bench::new();
        let slow = LinkFault {
            delay: MS * 100,
            ..NONE
        };
        while bench.queue.has_room() {
            bench.push([0], 0, &slow);
        }
        assert_eq!(bench.counts().frames, MAX_QUEUED_FRAMES as u64);
        bench.due(100, &slow);
        assert!(bench.queue.has_room());
    }
}
