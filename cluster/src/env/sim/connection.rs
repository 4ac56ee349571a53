//! A simulated connection: two pipes, and what each end knows of its state.

use std::io;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::network::LinkFaults;
use super::pipe::{Fate, PIPE_BYTES, Pipe, between};
use crate::raft::NodeId;

/// An end of a connection: the dialer's or the listener's.
pub(super) type Side = usize;
/// Who has opened the connection.
pub(super) const DIALER: Side = 0;
/// Who has accepted it.
pub(super) const LISTENER: Side = 1;

/// What an end knows.
#[derive(Debug, Default)]
struct End {
    /// Its stream was dropped.
    gone: bool,
    /// Why nothing passes any more, as far as it knows.
    error: Option<io::ErrorKind>,
}

/// How far a read or a write has come.
#[derive(Debug)]
pub(super) enum Step {
    /// It is done, with so many bytes.
    Done(io::Result<usize>),
    /// Nothing can be done before this, or before the waker is woken.
    Wait(Option<Instant>),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// What each side writes.
    pipes: [Pipe; 2],
    ends: [End; 2],
    /// Whether it was counted as broken.
    counted: bool,
}

/// How frames of one direction travel, and who decides.
pub(super) struct Travel<'a> {
    pub(super) sent: Instant,
    pub(super) latency: (Duration, Duration),
    pub(super) faults: &'a LinkFaults,
    pub(super) rng: &'a mut StdRng,
}

impl Connection {
    pub(super) fn new(dialer: NodeId, listener: NodeId, now: Instant) -> Self {
        Connection {
            pipes: [
                Pipe::new(dialer, listener, now),
                Pipe::new(listener, dialer, now),
            ],
            ends: Default::default(),
            counted: false,
        }
    }

    /// Who speaks and who listens on what `side` writes.
    pub(super) fn link(&self, side: Side) -> (NodeId, NodeId) {
        (self.pipes[side].from, self.pipes[side].to)
    }

    /// Whether both ends have dropped their streams.
    pub(super) fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.gone)
    }

    /// Whether it has broken since this was last asked.
    pub(super) fn has_newly_broken(&mut self) -> bool {
        let broken = self.ends.iter().any(|end| end.error.is_some());
        broken && !std::mem::replace(&mut self.counted, broken)
    }

    /// Reads what has arrived at `side`.
    pub(super) fn read(
        &mut self,
        side: Side,
        now: Instant,
        buffer: &mut ReadBuf<'_>,
        waker: &Waker,
    ) -> Step {
        self.expire(now);
        if let Some(kind) = self.ends[side].error {
            return Step::Done(Err(kind.into()));
        }
        let gives_up = self.pipes[side].gives_up_at();
        let pipe = &mut self.pipes[1 - side];
        let room = buffer.remaining();
        let was_full = pipe.is_full();
        let read = pipe.read(now, room, |bytes| buffer.put_slice(bytes));
        if was_full
            && !pipe.is_full()
            && let Some(writer) = pipe.writer.take()
        {
            writer.wake();
        }
        if read > 0 || room == 0 || pipe.has_ended(now) {
            return Step::Done(Ok(read));
        }
        pipe.reader = Some(waker.clone());
        pipe.armed = earlier(pipe.next_arrival(), gives_up);
        Step::Wait(pipe.armed)
    }

    /// Takes in what `side` writes; `told` hears what becomes of each frame.
    pub(super) fn write(
        &mut self,
        side: Side,
        now: Instant,
        bytes: &[u8],
        travel: &mut Travel<'_>,
        waker: &Waker,
        mut told: impl FnMut(&Bytes, Fate),
    ) -> Step {
        self.expire(now);
        if let Some(kind) = self.ends[side].error {
            return Step::Done(Err(kind.into()));
        }
        let far = 1 - side;
        if self.pipes[side].end.is_some() || self.pipes[far].has_ended(now) && self.ends[far].gone {
            return Step::Done(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let silent = self.pipes[side].silent || self.pipes[side].silent_back;
        if self.ends[far].error.is_some() && !silent {
            // The other one has given up long ago, and says so now.
            self.ends[side].error = Some(io::ErrorKind::ConnectionReset);
            return Step::Done(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let nobody_reads = self.ends[far].gone || self.ends[far].error.is_some();
        let pipe = &mut self.pipes[side];
        if pipe.is_full() {
            pipe.writer = Some(waker.clone());
            return Step::Wait(pipe.gives_up_at());
        }
        let taken = &bytes[..bytes.len().min(PIPE_BYTES)];
        pipe.take_in(taken);
        while let Some(frame) = pipe.next_frame() {
            let fate = pipe.send(
                frame.clone(),
                travel.sent,
                travel.latency,
                travel.faults,
                travel.rng,
            );
            told(&frame, fate);
        }
        pipe.expect_acknowledgement(now);
        if nobody_reads {
            pipe.discard();
        }
        self.rouse(far);
        if silent {
            self.rouse(side);
        }
        Step::Done(Ok(taken.len()))
    }

    /// Has `side` read again, when what it waits for comes sooner than it thought.
    fn rouse(&mut self, side: Side) {
        let gives_up = self.pipes[side].gives_up_at();
        let pipe = &mut self.pipes[1 - side];
        let Some(next) = earlier(pipe.next_arrival(), gives_up) else {
            return;
        };
        if pipe.armed.is_none_or(|armed| next < armed)
            && let Some(reader) = pipe.reader.take()
        {
            reader.wake();
        }
    }

    /// `side` says nothing more.
    pub(super) fn finish(&mut self, side: Side, now: Instant, arrival: Instant) {
        self.expire(now);
        if self.ends[side].error.is_none() {
            self.pipes[side].finish(arrival);
            self.pipes[side].expect_acknowledgement(now);
            self.rouse(1 - side);
        }
    }

    /// `side` has dropped its stream.
    pub(super) fn leave(&mut self, side: Side, now: Instant, arrival: Instant) {
        self.finish(side, now, arrival);
        self.ends[side].gone = true;
        self.pipes[1 - side].discard();
        self.pipes[1 - side].wake();
    }

    /// Both ends are told at once that it is over.
    pub(super) fn break_now(&mut self, kind: io::ErrorKind) {
        for end in &mut self.ends {
            end.error.get_or_insert(kind);
        }
        for pipe in &mut self.pipes {
            pipe.discard();
            pipe.wake();
        }
    }

    /// Says which sides' writing is cut in silence.
    pub(super) fn set_silent(&mut self, silent: [bool; 2], now: Instant, rng: &mut StdRng) {
        self.expire(now);
        for side in [DIALER, LISTENER] {
            self.pipes[side].set_silent(silent[side], silent[1 - side], now, rng);
        }
    }

    /// Whether a side has given up since this was last asked, however long ago.
    fn expire(&mut self, now: Instant) {
        for side in [DIALER, LISTENER] {
            let pipe = &mut self.pipes[side];
            if self.ends[side].error.is_some()
                || pipe.gives_up_at().is_none_or(|deadline| now < deadline)
            {
                continue;
            }
            self.ends[side].error = Some(io::ErrorKind::TimedOut);
            pipe.discard();
            pipe.wake();
            // The other one hears of it if this direction passes. If not, it goes on
            // waiting for what never comes.
            if !pipe.silent {
                self.ends[1 - side]
                    .error
                    .get_or_insert(io::ErrorKind::ConnectionReset);
            }
            self.pipes[1 - side].discard();
            self.pipes[1 - side].wake();
        }
    }
}

/// When the end of a stream arrives that is closed at `sent`.
pub(super) fn arrival_of_end(
    sent: Instant,
    latency: (Duration, Duration),
    rng: &mut StdRng,
) -> Instant {
    sent + between(rng, latency)
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
