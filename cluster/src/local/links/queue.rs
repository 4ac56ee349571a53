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
            self.line_free = fault.bytes_per_s.map(|_| carried);
            if due > came {
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
