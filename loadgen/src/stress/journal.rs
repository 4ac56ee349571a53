//! The history, as it is written while the run goes on.
//!
//! The time of a line is taken while the file is held, so lines and times have one order. An
//! operation's interval is wider for it by the wait for the file, never narrower: its beginning is
//! written before the request leaves, its end after the answer is there.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use telegraft_history::{Completion, Op, Writer};

use crate::engine::Stop;

/// What is written at once, in bytes.
const BUFFER_BYTES: usize = 256 << 10;
/// How long a line may wait for more: what a crash of this process costs.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

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
    /// None once it is finished, or has failed.
    writer: Option<Writer<Buffer>>,
    failed: Option<io::Error>,
}

/// Gathers lines, but not for long.
#[derive(Debug)]
struct Buffer {
    file: BufWriter<File>,
    flushed: Instant,
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        if self.flushed.elapsed() >= LONGEST_WAIT {
            self.flush()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        self.file.flush()
    }
}

impl Journal {
    /// Begins one.
    pub(super) fn create(path: &Path, stop: Stop) -> io::Result<Self> {
        let began = Instant::now();
        let buffer = Buffer {
            file: BufWriter::with_capacity(BUFFER_BYTES, File::create_new(path)?),
            flushed: began,
        };
        Ok(Journal {
            began,
            file: Mutex::new(Lines {
                writer: Some(Writer::new(buffer)),
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

    /// Everything is on the disk, and nothing more is written.
    ///
    /// # Errors
    /// The first that there was.
    pub(super) fn finish(&self) -> io::Result<()> {
        let mut lines = self.lines();
        if let Some(error) = lines.failed.take() {
            return Err(error);
        }
        match lines.writer.take() {
            Some(writer) => writer.finish()?.file.get_ref().sync_all(),
            None => Ok(()),
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: impl FnOnce(&mut Writer<Buffer>, u64) -> io::Result<()>) {
        let mut lines = self.lines();
        let now = u64::try_from(self.began.elapsed().as_nanos()).expect("runs are bounded");
        let Some(writer) = &mut lines.writer else {
            return;
        };
        if let Err(error) = line(writer, now) {
            lines.failed = Some(error);
            lines.writer = None;
            self.stop.stop();
        }
    }
}
