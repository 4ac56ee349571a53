//! One direction of a simulated connection: frames on their way, and what faults do to them.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::Instant;

use super::network::LinkFaults;
use crate::raft::NodeId;

/// Bytes that one direction holds before its writer has to wait: a socket's two buffers.
/// (A frame that is not whole yet comes on top.)
pub(super) const PIPE_BYTES: usize = 256 << 10;
/// Bytes before a frame's content: its length and checksum.
const HEADER_BYTES: usize = 8;
/// A length beyond this is no frame's; what follows is then carried as it comes, in bytes.
const MAX_FRAME_BYTES: usize = 1 << 20;
/// How many later frames a frame that is held back lets pass, at most.
const MAX_OVERTAKERS: u32 = 4;
/// How long a frame is held back beyond its latency, at most, when nothing overtakes it.
const MAX_HOLD: Duration = Duration::from_millis(50);
/// After a silent cut is mended, what was held comes at the latest after this: the sender
/// tries again from time to time.
const MAX_RETRANSMISSION: Duration = Duration::from_millis(200);
/// How long a sender goes without an acknowledgement before it gives the connection up.
const GIVE_UP: Duration = Duration::from_secs(10);

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Fate {
    Passes,
    Lost,
    Duplicated,
    HeldBack,
    /// It waits for a silent cut to be mended.
    Stuck,
}

impl Fate {
    pub(super) fn name(self) -> &'static str {
        match self {
            Fate::Passes => "passes",
            Fate::Lost => "is lost",
            Fate::Duplicated => "is doubled",
            Fate::HeldBack => "is held back",
            Fate::Stuck => "is stuck",
        }
    }
}

/// A frame that others may overtake.
#[derive(Debug)]
struct Held {
    frame: Bytes,
    /// How many frames may still pass it.
    overtakers: u32,
    until: Instant,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    /// What has come in of a frame that is not whole.
    partial: BytesMut,
    /// Whether length prefixes have made sense so far.
    framed: bool,
    /// Whether the first frame has gone, which is the handshake's.
    handshaken: bool,
    /// On their way, in the order of their arrival.
    queue: VecDeque<(Instant, Bytes)>,
    held: Vec<Held>,
    /// Arrived and read in part.
    current: Bytes,
    /// Bytes of whole frames that were not read, or whose reading was not acknowledged.
    unacknowledged: usize,
    /// The part of them that was read while acknowledgements could not pass.
    read_in_silence: usize,
    /// When the newest in `queue` arrives.
    last_arrival: Instant,
    /// Nothing arrives before: retransmission after a cut takes its time.
    not_before: Instant,
    /// When the end of the stream arrives.
    pub(super) end: Option<Instant>,
    /// This direction is cut in silence.
    pub(super) silent: bool,
    /// The other one is, which acknowledgements take.
    pub(super) silent_back: bool,
    /// Since when something waits in vain for its acknowledgement.
    stuck_since: Option<Instant>,
    /// What the reader's timer is set to, while it waits.
    pub(super) armed: Option<Instant>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Pipe {
    pub(super) fn new(from: NodeId, to: NodeId, now: Instant) -> Self {
        Pipe {
            from,
            to,
            partial: BytesMut::new(),
            framed: true,
            handshaken: false,
            queue: VecDeque::new(),
            held: Vec::new(),
            current: Bytes::new(),
            unacknowledged: 0,
            read_in_silence: 0,
            last_arrival: now,
            not_before: now,
            end: None,
            silent: false,
            silent_back: false,
            stuck_since: None,
            armed: None,
            reader: None,
            writer: None,
        }
    }

    /// Whether the writer has to wait.
    pub(super) fn is_full(&self) -> bool {
        self.unacknowledged >= PIPE_BYTES
    }

    /// Takes bytes in; [`Pipe::next_frame`] then gives the frames that they complete.
    pub(super) fn take_in(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
    }

    /// The next whole frame of what came in, or what came if it is no frames.
    pub(super) fn next_frame(&mut self) -> Option<Bytes> {
        if self.framed && self.partial.len() >= HEADER_BYTES {
            let length = self.partial[..4].try_into().expect("four bytes");
            let length = u32::from_le_bytes(length) as usize;
            self.framed = (1..=MAX_FRAME_BYTES).contains(&length);
            if self.framed {
                let whole = HEADER_BYTES + length;
                if self.partial.len() < whole {
                    self.partial.reserve(whole - self.partial.len());
                    return None;
                }
                return Some(self.partial.split_to(whole).freeze());
            }
        }
        if self.framed || self.partial.is_empty() {
            return None;
        }
        Some(self.partial.split().freeze())
    }

    /// Decides about a frame that leaves at `sent`.
    pub(super) fn send(
        &mut self,
        frame: Bytes,
        sent: Instant,
        latency: (Duration, Duration),
        faults: &LinkFaults,
        rng: &mut StdRng,
    ) -> Fate {
        let arrival = sent + between(rng, latency) + between(rng, faults.delay);
        let exempt = !self.handshaken || !self.framed;
        self.handshaken = true;
        if exempt {
            self.enqueue(frame, arrival);
            return self.passing();
        }
        if chance(rng, faults.loss) {
            return Fate::Lost;
        }
        if chance(rng, faults.reorder) {
            self.let_one_pass();
            self.hold(frame, arrival, rng);
            return Fate::HeldBack;
        }
        self.enqueue(frame.clone(), arrival);
        self.let_one_pass();
        if chance(rng, faults.duplicate) {
            // A copy comes at once, or after others.
            if rng.random() {
                self.enqueue(frame, arrival);
            } else {
                self.hold(frame, arrival, rng);
            }
            return Fate::Duplicated;
        }
        self.passing()
    }

    fn passing(&self) -> Fate {
        if self.silent {
            Fate::Stuck
        } else {
            Fate::Passes
        }
    }

    /// Nothing overtakes on the way but what faults let overtake, as on one connection.
    fn enqueue(&mut self, frame: Bytes, arrival: Instant) {
        self.last_arrival = self.last_arrival.max(arrival);
        self.unacknowledged += frame.len();
        self.queue.push_back((self.last_arrival, frame));
    }

    fn hold(&mut self, frame: Bytes, arrival: Instant, rng: &mut StdRng) {
        self.unacknowledged += frame.len();
        self.held.push(Held {
            frame,
            overtakers: rng.random_range(1..=MAX_OVERTAKERS),
            until: arrival + between(rng, (Duration::ZERO, MAX_HOLD)),
        });
    }

    /// A frame has passed all that are held back: some have waited long enough.
    fn let_one_pass(&mut self) {
        let mut position = 0;
        while position < self.held.len() {
            let held = &mut self.held[position];
            held.overtakers -= 1;
            if held.overtakers == 0 {
                let held = self.held.remove(position);
                self.queue.push_back((self.last_arrival, held.frame));
            } else {
                position += 1;
            }
        }
    }

    /// The writer has ended: what it left unfinished goes, then the end of the stream.
    pub(super) fn finish(&mut self, arrival: Instant) {
        if self.end.is_some() {
            return;
        }
        let rest = self.partial.split().freeze();
        if !rest.is_empty() {
            self.enqueue(rest, arrival);
        }
        let held = self.held.iter().map(|held| held.until);
        let last = held.fold(self.last_arrival.max(arrival), Instant::max);
        self.end = Some(last);
    }

    /// When the next thing arrives; none while nothing can.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        if self.silent {
            return None;
        }
        let queued = self.queue.front().map(|(arrival, _)| *arrival);
        let held = self.held.iter().map(|held| held.until).min();
        let next = match (queued, held) {
            (Some(queued), Some(held)) => Some(queued.min(held)),
            (one, other) => one.or(other).or(self.end),
        };
        next.map(|next| next.max(self.not_before))
    }

    /// Whether the end of the stream has come.
    pub(super) fn has_ended(&self, now: Instant) -> bool {
        self.queue.is_empty()
            && self.held.is_empty()
            && self.current.is_empty()
            && !self.silent
            && self.end.is_some_and(|end| end.max(self.not_before) <= now)
    }

    /// Moves what has arrived to `sink`, which takes at most `room` bytes; how many those were.
    pub(super) fn read(&mut self, now: Instant, room: usize, mut sink: impl FnMut(&[u8])) -> usize {
        let mut read = 0;
        while read < room {
            if self.current.is_empty() {
                match self.arrived(now) {
                    Some(frame) => self.current = frame,
                    None => break,
                }
            }
            let length = self.current.len().min(room - read);
            sink(&self.current[..length]);
            self.current.advance(length);
            read += length;
        }
        if self.silent_back {
            self.read_in_silence += read;
        } else {
            self.unacknowledged -= read;
        }
        read
    }

    fn arrived(&mut self, now: Instant) -> Option<Bytes> {
        if self.silent || now < self.not_before {
            return None;
        }
        let queued = self.queue.front().map(|(arrival, _)| *arrival);
        let held = (0..self.held.len()).min_by_key(|position| self.held[*position].until);
        if let Some(position) = held {
            let until = self.held[position].until;
            if until <= now && queued.is_none_or(|queued| until < queued) {
                return Some(self.held.remove(position).frame);
            }
        }
        if queued? > now {
            return None;
        }
        self.queue.pop_front().map(|(_, frame)| frame)
    }

    /// Nobody reads any more: what comes is of no interest.
    pub(super) fn discard(&mut self) {
        self.partial.clear();
        self.queue.clear();
        self.held.clear();
        self.current.clear();
        self.unacknowledged = 0;
        self.read_in_silence = 0;
        self.end = None;
    }

    /// Something was sent: in a silent cut, an acknowledgement is missing from now on.
    pub(super) fn expect_acknowledgement(&mut self, now: Instant) {
        if self.silent || self.silent_back {
            self.stuck_since.get_or_insert(now);
        }
    }

    /// When the sender gives up, as things are.
    pub(super) fn gives_up_at(&self) -> Option<Instant> {
        self.stuck_since.map(|since| since + GIVE_UP)
    }

    /// Says whether this direction is cut in silence (`forth`), and the other one (`back`).
    pub(super) fn set_silent(&mut self, forth: bool, back: bool, now: Instant, rng: &mut StdRng) {
        if self.silent && !forth {
            self.not_before = now + between(rng, (Duration::ZERO, MAX_RETRANSMISSION));
        }
        if self.silent_back && !back {
            self.unacknowledged -= std::mem::take(&mut self.read_in_silence);
        }
        (self.silent, self.silent_back) = (forth, back);
        if forth || back {
            if self.unacknowledged > 0 || self.end.is_some() {
                self.expect_acknowledgement(now);
            }
        } else {
            self.stuck_since = None;
        }
        self.wake();
    }

    /// Both ends look again.
    pub(super) fn wake(&mut self) {
        let waiting = [self.reader.take(), self.writer.take()];
        for waker in waiting.into_iter().flatten() {
            waker.wake();
        }
        self.armed = None;
    }
}

/// A time between two, both included.
pub(super) fn between(rng: &mut StdRng, (shortest, longest): (Duration, Duration)) -> Duration {
    if shortest == longest {
        return shortest;
    }
    let nanos = |duration: Duration| {
        u64::try_from(duration.as_nanos()).expect("a fault lasts less than 584 years")
    };
    Duration::from_nanos(rng.random_range(nanos(shortest)..=nanos(longest)))
}

/// Nothing is drawn where there is nothing to decide.
fn chance(rng: &mut StdRng, probability: f64) -> bool {
    probability > 0.0 && rng.random_bool(probability)
}
