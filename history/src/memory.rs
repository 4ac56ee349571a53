//! Histories in memory, for simulators and tests.

use crate::op::{Completion, Op};
use crate::writer::Writer;

/// A history that is recorded in memory, as the lines that a [`Writer`] writes.
#[derive(Debug)]
pub struct History {
    writer: Writer<Vec<u8>>,
}

impl Default for History {
    fn default() -> Self {
        History::new()
    }
}

const NO_ERROR: &str = "memory takes every line";

impl History {
    /// A history without lines yet.
    pub fn new() -> Self {
        History {
            writer: Writer::new(Vec::new()),
        }
    }

    /// A process asks; see [`Writer::invoke`].
    pub fn invoke(&mut self, time_ns: u64, process: u64, op: &Op) {
        self.writer.invoke(time_ns, process, op).expect(NO_ERROR);
    }

    /// A process is answered, or gives up; see [`Writer::complete`].
    pub fn complete(&mut self, time_ns: u64, process: u64, op: &Op, completion: &Completion) {
        self.writer
            .complete(time_ns, process, op, completion)
            .expect(NO_ERROR);
    }

    /// A fault begins or ends; see [`Writer::nemesis`].
    pub fn nemesis(&mut self, time_ns: u64, f: &str, replica: Option<u64>, detail: &str) {
        self.writer
            .nemesis(time_ns, f, replica, detail)
            .expect(NO_ERROR);
    }

    /// A user is a member of a room; see [`Writer::member`].
    pub fn member(&mut self, time_ns: u64, room: u64, user: u64) {
        self.writer.member(time_ns, room, user).expect(NO_ERROR);
    }

    /// A replica's digest; see [`Writer::digest`].
    pub fn digest(&mut self, time_ns: u64, replica: u64, log_index: u64, digest: &str) {
        self.writer
            .digest(time_ns, replica, log_index, digest)
            .expect(NO_ERROR);
    }

    /// The lines, as in a file.
    pub fn as_bytes(&self) -> &[u8] {
        self.writer.get_ref()
    }

    /// The lines written so far.
    pub fn lines(&self) -> u64 {
        self.writer.lines()
    }
}
