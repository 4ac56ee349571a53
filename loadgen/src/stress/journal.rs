//! The history, as it is written while the run goes on.
//!
//! The time of a line is taken while the file is held, so lines and times have one order. An
//! operation's interval is wider for it by the wait for the file, never narrower: its beginning is
//! written before the request leaves, its end after the answer is there.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use telegraft_history::{Completion, Op, Writer};

use crate::engine::Stop;

/// What is written at once, in bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// The history's file.
#[derive(Debug)]
pub(super) struct Journal {
    began: Instant,
    file: Mutex<Lines>,
    processes: AtomicU64,
    /// Ends the run when the file cannot be written.
    stop: Stop,
}

#[derive(Debug)]
struct Lines {
    writer: Writer<BufWriter<File>>,
    failed: Option<io::Error>,
}

impl Journal {
    /// Begins one.
    pub(super) fn create(path: &Path, stop: Stop) -> io::Result<Self> {
        let file = BufWriter::with_capacity(BUFFER_BYTES, File::create_new(path)?);
        Ok(Journal {
            began: Instant::now(),
            file: Mutex::new(Lines {
                writer: Writer::new(file),
                failed: None,
            }),
            processes: AtomicU64::new(0),
            stop,
        })
    }

    /// A process number that nobody has had.
    pub(super) fn process(&self) -> u64 {
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    /// An operation begins.
    pub(super) fn invoke(&self, process: u64, op: &Op) {
        self.write(|writer, now| writer.invoke(now, process, op));
    }

    /// It has an outcome.
    pub(super) fn complete(&self, process: u64, op: &Op, completion: &Completion) {
        self.write(|writer, now| writer.complete(now, process, op, completion));
    }

    /// A fault begins or ends.
    pub(super) fn nemesis(&self, what: &str, replica: Option<u64>, detail: &str) {
        self.write(|writer, now| writer.nemesis(now, what, replica, detail));
    }

    /// A user is a member of a room before the load begins.
    pub(super) fn member(&self, room: u64, user: u64) {
        self.write(|writer, now| writer.member(now, room, user));
    }

    /// The digest of a replica.
    pub(super) fn digest(&self, replica: u64, index: u64, digest: &str) {
        self.write(|writer, now| writer.digest(now, replica, index, digest));
    }

    /// Hands what is buffered to the system, so that no crash of this process costs more than a
    /// second of it.
    pub(super) fn flush(&self) {
        self.write(|writer, _| writer.get_mut().flush());
    }

    /// Everything is on the disk.
    ///
    /// # Errors
    /// The first that there was.
    pub(super) fn finish(&self) -> io::Result<()> {
        self.flush();
        let mut lines = self.lines();
        match lines.failed.take() {
            Some(error) => Err(error),
            None => lines.writer.get_mut().get_ref().sync_all(),
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: impl FnOnce(&mut Writer<BufWriter<File>>, u64) -> io::Result<()>) {
        let mut lines = self.lines();
        if lines.failed.is_some() {
            return;
        }
        let now = u64::try_from(self.began.elapsed().as_nanos()).expect("runs are bounded");
        if let Err(error) = line(&mut lines.writer, now) {
            lines.failed = Some(error);
            self.stop.stop();
        }
    }
}
