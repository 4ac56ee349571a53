//! The Raft core: a pure state machine.

mod io;
mod message;
mod types;

pub use io::{
    Append, Committed, Completion, Config, Effects, Fetch, PeerProgress, ProposeRefusal,
    ReadContext, ReadMode, ReadRefusal, Restored, Role, Status,
};
pub use message::{AppendResult, Body, Envelope, Message};
pub use types::{Configuration, Entry, HardState, LogIndex, NodeId, Payload, Term};

use crate::time::Time;
use bytes::Bytes;

/// One replica's consensus. Skeleton of the interface.
#[derive(Debug)]
pub struct Raft {}

#[allow(unused_variables, reason = "skeleton")]
#[allow(clippy::todo, clippy::unused_self, reason = "skeleton")]
impl Raft {
    /// A replica as its log left it.
    pub fn new(config: Config, restored: Restored, seed: u64, now: Time) -> Self {
        todo!()
    }
    /// Takes in a message.
    pub fn step(&mut self, now: Time, from: NodeId, message: Message) {
        todo!()
    }
    /// Appends a command, if this replica leads; where it will stand is the answer.
    pub fn propose(
        &mut self,
        now: Time,
        command: Bytes,
    ) -> Result<(Term, LogIndex), ProposeRefusal> {
        todo!()
    }
    /// Asks for a read index; the answer comes in [`Effects::reads`], at once or later.
    pub fn read(&mut self, now: Time, context: ReadContext, mode: ReadMode) {
        todo!()
    }
    /// The log has become durable up to here.
    pub fn log_completed(&mut self, now: Time, completion: Completion) {
        todo!()
    }
    /// Answers a [`Fetch`]; empty `entries` tell that the log could not be read now.
    pub fn entries_fetched(
        &mut self,
        now: Time,
        peer: NodeId,
        first: LogIndex,
        entries: Vec<Entry>,
    ) {
        todo!()
    }
    /// A frame for this peer was dropped, or its connection broke.
    pub fn peer_unreachable(&mut self, now: Time, peer: NodeId) {
        todo!()
    }
    /// Hands leadership over (thesis §3.10).
    pub fn transfer_leadership(&mut self, now: Time, to: NodeId) -> bool {
        todo!()
    }
    /// The time has come (or it has not, which is fine).
    pub fn handle_timeout(&mut self, now: Time) {
        todo!()
    }
    /// When to call [`Raft::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Time {
        todo!()
    }
    /// What is to be done since the last call.
    pub fn take_effects(&mut self, now: Time) -> Effects {
        todo!()
    }
    /// A look inside.
    pub fn status(&self) -> Status {
        todo!()
    }
}
