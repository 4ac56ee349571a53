//! One connection through a proxy.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until, timeout};

use super::link::Link;
use super::queue::{Next, Queue};
use crate::node::wire::{self, MAX_FRAME_BYTES, MAX_HANDSHAKE_BYTES};

/// How long a replica may take to take bytes: longer than its dialer waits for that.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pieces of memory that a dialer is read into, in bytes.
const READ_BYTES: usize = 128 << 10;
/// A piece with less room than this is followed by a new one, in bytes.
const MIN_READ_BYTES: usize = 8 << 10;
/// What a dialer may say before it is welcome, in bytes: nothing, by the protocol.
const MAX_EARLY_BYTES: usize = MAX_FRAME_BYTES;

/// The two links of a connection: what its dialer says goes along `there`, what the other one
/// answers along `back`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ways<'a> {
    pub(super) there: &'a Link,
    pub(super) back: &'a Link,
}

/// Reads a whole frame of the handshake.
pub(super) async fn read_handshake(
    stream: &mut TcpStream,
    input: &mut BytesMut,
) -> io::Result<BytesMut> {
    let (mut read, _) = stream.split();
    read_raw(&mut read, input).await
}

async fn read_raw(read: &mut ReadHalf<'_>, input: &mut BytesMut) -> io::Result<BytesMut> {
    loop {
        if let Some(frame) = wire::take_raw_frame(input, MAX_HANDSHAKE_BYTES).map_err(invalid)? {
            return Ok(frame);
        }
        if read.read_buf(input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn invalid(error: wire::WireError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Takes `hello` to the replica and its answer to the dialer. What the dialer says too early is
/// in `input` afterwards.
///
/// # Errors
/// A connection broke, the dialer's while it waited too.
pub(super) async fn shake_hands(
    ways: Ways<'_>,
    dialer: &mut TcpStream,
    replica: &mut TcpStream,
    hello: &[u8],
    input: &mut BytesMut,
) -> io::Result<()> {
    let (mut dialer_read, mut dialer_write) = dialer.split();
    let (mut replica_read, mut replica_write) = replica.split();
    let shaking = async {
        replica_write.write_all(hello).await?;
        let welcome = read_raw(&mut replica_read, &mut BytesMut::new()).await?;
        ways.back.pass().await;
        dialer_write.write_all(&welcome).await
    };
    tokio::select! {
        shaken = shaking => shaken,
        gone = wait_for_end(&mut dialer_read, input) => Err(gone),
    }
}

/// Waits until nothing more can be read, or far too much is.
pub(super) async fn wait_for_end(read: &mut ReadHalf<'_>, input: &mut BytesMut) -> io::Error {
    while input.len() <= MAX_EARLY_BYTES {
        match read.read_buf(input).await {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
    invalid(wire::WireError::TooLong(input.len()))
}

/// Takes the dialer's frames to the replica until one of them is gone. (When the dialer is,
/// what it has said still arrives.)
///
/// # Errors
/// A connection broke, or what is said are no frames.
pub(super) async fn forward(
    ways: Ways<'_>,
    dialer: &mut TcpStream,
    replica: &mut TcpStream,
    input: &mut BytesMut,
    queue: &mut Queue,
) -> io::Result<()> {
    let (mut dialer_read, _) = dialer.split();
    let (mut replica_read, mut replica_write) = replica.split();
    let replica_ends = async {
        // It says nothing more: whatever comes is an end.
        let _ = replica_read.read(&mut [0; 1]).await;
        ways.back.until_not_silent().await;
    };
    let forwarded = tokio::select! {
        biased;
        forwarded = forward_frames(ways.there, &mut dialer_read, &mut replica_write, input, queue) => {
            forwarded
        }
        () = replica_ends => return Ok(()),
    };
    if forwarded.is_err() {
        // It is the replica that is gone, maybe: that does not get through a cut.
        unheard(ways.back, &mut dialer_read).await;
    }
    forwarded
}

/// Waits, as long as nothing gets back along the link, and the dialer is there.
pub(super) async fn unheard(back: &Link, dialer: &mut ReadHalf<'_>) {
    let mut vanishes = BytesMut::new();
    let swallow = async {
        while matches!(dialer.read_buf(&mut vanishes).await, Ok(1..)) {
            vanishes.clear();
        }
    };
    tokio::select! {
        () = back.until_not_silent() => {}
        () = swallow => {}
    }
}

async fn forward_frames(
    link: &Link,
    dialer: &mut ReadHalf<'_>,
    replica: &mut WriteHalf<'_>,
    input: &mut BytesMut,
    queue: &mut Queue,
) -> io::Result<()> {
    let mut faults = link.watch();
    let mut out = BytesMut::new();
    let mut ended = false;
    loop {
        let fault = *faults.borrow_and_update();
        let now = Instant::now();
        while queue.has_room() {
            let Some(frame) = wire::take_raw_frame(input, MAX_FRAME_BYTES).map_err(invalid)? else {
                break;
            };
            queue.push(frame, now, &fault, link);
        }
        let next = queue.take_due(now, &fault, link, &mut out);
        if !out.is_empty() {
            timeout(WRITE_TIMEOUT, replica.write_all(&out)).await??;
            out.clear();
            continue;
        }
        if next == Next::Now {
            continue;
        }
        if ended && queue.is_empty() {
            // That it is gone does not get through a cut either.
            link.until_not_silent().await;
            return Ok(());
        }
        let due = match next {
            Next::At(due) => Some(due),
            Next::Now | Next::Nothing => None,
        };
        if input.capacity() - input.len() < MIN_READ_BYTES {
            input.reserve(READ_BYTES);
        }
        tokio::select! {
            changed = faults.changed() => {
                changed.expect("the link outlives its connections");
            }
            () = sleep_until(due.unwrap_or(now)), if due.is_some() => {}
            read = dialer.read_buf(input), if !ended && queue.has_room() => {
                ended = read? == 0;
            }
        }
    }
}
