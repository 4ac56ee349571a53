//! The consensus actor's mailbox: lanes with priority, or one plain queue to compare with.

use std::task::Poll;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::Mailbox as Kind;
use super::applier::ReadReply;
use crate::chat::{Outcome, Query};
use crate::http::Refusal;
use crate::log::LogError;
use crate::raft::{Completion, Entry, LogIndex, Message, NodeId, ReadMode, Status};
use crate::time::Time;

/// Completions that may wait. The writer has one write open at a time and waits for room, so
/// this only smooths the hand-over.
const COMPLETIONS_CAPACITY: usize = 64;

/// Peer messages that may wait; more are dropped (Raft sends again). A peer has at most
/// its window of entry frames open and a heartbeat each interval, so a full lane means that
/// this process was stopped for long.
const PEERS_CAPACITY: usize = 512;

/// Client requests that may wait; more are refused with 503.
const CLIENTS_CAPACITY: usize = 4096;

/// Client requests taken at one wake-up: what one AppendEntries carries comfortably, and
/// short enough (below a millisecond) for heartbeats never to be late behind it.
const CLIENTS_PER_WAKEUP: usize = 1024;

/// Answers a write.
pub(crate) type WriteReply = oneshot::Sender<Result<Outcome, Refusal>>;

/// Anything that the consensus actor is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// The log has become durable up to here.
    Completed(Completion),
    /// A peer says something.
    Peer { from: NodeId, message: Message },
    /// The connection to a peer broke.
    Unreachable(NodeId),
    /// Entries for a follower far behind, from the log.
    Fetched {
        peer: NodeId,
        first: LogIndex,
        entries: Result<Vec<Entry>, LogError>,
    },
    /// A client wants something.
    Client(ClientInput),
}

/// What clients want.
#[derive(Debug)]
pub(crate) enum ClientInput {
    /// A command for the log.
    Write {
        command: Bytes,
        reply: WriteReply,
        /// When it was put into the mailbox.
        queued_at: Time,
    },
    /// A read that needs a read index.
    Read {
        query: Query,
        min_index: LogIndex,
        mode: ReadMode,
        reply: ReadReply,
    },
    /// A look inside.
    Status(oneshot::Sender<Status>),
}

/// The sending sides, one for each lane (all the same queue when there is only one).
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    pub(crate) completions: mpsc::Sender<Input>,
    pub(crate) peers: mpsc::Sender<Input>,
    pub(crate) clients: mpsc::Sender<Input>,
}

/// The receiving side.
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// In order of priority, each with how much of it is taken at one wake-up.
    lanes: Vec<(mpsc::Receiver<Input>, usize)>,
    /// Whether the timer comes before clients' requests.
    pub(crate) prioritised: bool,
}

/// A mailbox and its lanes.
pub(crate) fn mailbox(kind: Kind) -> (Lanes, Mailbox) {
    match kind {
        Kind::Lanes => {
            let (completions, completions_rx) = mpsc::channel(COMPLETIONS_CAPACITY);
            let (peers, peers_rx) = mpsc::channel(PEERS_CAPACITY);
            let (clients, clients_rx) = mpsc::channel(CLIENTS_CAPACITY);
            let lanes = Lanes {
                completions,
                peers,
                clients,
            };
            let mailbox = Mailbox {
                lanes: vec![
                    (completions_rx, COMPLETIONS_CAPACITY),
                    (peers_rx, PEERS_CAPACITY),
                    (clients_rx, CLIENTS_PER_WAKEUP),
                ],
                prioritised: true,
            };
            (lanes, mailbox)
        }
        Kind::Fifo => {
            let capacity = COMPLETIONS_CAPACITY + PEERS_CAPACITY + CLIENTS_CAPACITY;
            let (all, all_rx) = mpsc::channel(capacity);
            let lanes = Lanes {
                completions: all.clone(),
                peers: all.clone(),
                clients: all,
            };
            let mailbox = Mailbox {
                lanes: vec![(all_rx, CLIENTS_PER_WAKEUP)],
                prioritised: false,
            };
            (lanes, mailbox)
        }
    }
}

impl Mailbox {
    /// Waits until something is there, and takes what has queued in each lane, the most
    /// urgent lane first. Nothing is lost when the future is dropped.
    pub(crate) async fn receive(&mut self, inputs: &mut Vec<Input>) {
        std::future::poll_fn(|context| {
            for (lane, bound) in &mut self.lanes {
                // Ready with nothing means closed: the node is going down.
                let _ = lane.poll_recv_many(context, inputs, *bound);
            }
            if inputs.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}
