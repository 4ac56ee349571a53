//! Simulated connections as a node sees them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

use super::connection::{Side, Step};
use super::network::{Dialed, SimNetwork};
use crate::env::{BoxFuture, Listener, Stream, Transport};
use crate::raft::NodeId;

/// How often connecting is tried again when nobody answers.
const CONNECT_AGAIN: Duration = Duration::from_secs(1);

/// One end of a simulated connection.
#[derive(Debug)]
pub struct SimStream {
    network: SimNetwork,
    id: u64,
    side: Side,
    /// What a waiting read, and a waiting write, is woken by.
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl SimStream {
    pub(super) fn new(network: SimNetwork, id: u64, side: Side) -> Self {
        SimStream {
            network,
            id,
            side,
            read_timer: None,
            write_timer: None,
        }
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.network.end(self.id, self.side, true);
    }
}

/// Waits for `deadline`; ready when it is there.
fn wait(
    timer: &mut Option<Pin<Box<Sleep>>>,
    deadline: Option<Instant>,
    context: &mut Context<'_>,
) -> Poll<()> {
    let Some(deadline) = deadline else {
        *timer = None;
        return Poll::Pending;
    };
    let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
    if timer.deadline() != deadline {
        timer.as_mut().reset(deadline);
    }
    timer.as_mut().poll(context)
}

impl AsyncRead for SimStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match this
                .network
                .read(this.id, this.side, buffer, context.waker())
            {
                Step::Done(result) => return Poll::Ready(result.map(drop)),
                Step::Wait(deadline) => match wait(&mut this.read_timer, deadline, context) {
                    Poll::Ready(()) => {}
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            match this
                .network
                .write(this.id, this.side, bytes, context.waker())
            {
                Step::Done(result) => return Poll::Ready(result),
                Step::Wait(deadline) => match wait(&mut this.write_timer, deadline, context) {
                    Poll::Ready(()) => {}
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.network.end(self.id, self.side, false);
        Poll::Ready(Ok(()))
    }
}

/// Opens simulated connections for one node.
#[derive(Clone, Debug)]
pub struct SimTransport {
    node: NodeId,
    network: SimNetwork,
}

impl SimTransport {
    pub(super) fn new(node: NodeId, network: SimNetwork) -> Self {
        SimTransport { node, network }
    }
}

impl Transport for SimTransport {
    fn connect(&self, address: String) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            loop {
                // There and back.
                let round_trip = self.network.packet_time() + self.network.packet_time();
                tokio::time::sleep(round_trip).await;
                match self.network.dial(self.node, &address) {
                    Dialed::Open(ours, theirs, listener) => {
                        let refused = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
                        listener.try_send(theirs).map_err(refused)?;
                        return Ok(Box::new(ours) as Box<dyn Stream>);
                    }
                    Dialed::Silence => tokio::time::sleep(CONNECT_AGAIN).await,
                    Dialed::Refused(kind) => return Err(kind.into()),
                }
            }
        })
    }
}

/// Takes simulated connections in.
#[derive(Debug)]
pub struct SimListener(tokio::sync::Mutex<mpsc::Receiver<SimStream>>);

impl SimListener {
    pub(super) fn new(receiver: mpsc::Receiver<SimStream>) -> Self {
        SimListener(tokio::sync::Mutex::new(receiver))
    }
}

impl Listener for SimListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            match self.0.lock().await.recv().await {
                Some(stream) => Ok(Box::new(stream) as Box<dyn Stream>),
                // Another incarnation listens here now.
                None => std::future::pending().await,
            }
        })
    }
}
