//! The log writer: the one actor that blocks, in fdatasync, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;

use super::mailbox::{Input, Lanes};
use super::metrics::Metrics;
use super::state::{Fatal, Shared};
use crate::env::{BlockingActor, BoxFuture, Clock, Observer};
use crate::log::{DirectoryLock, Log, LogError};
use crate::raft::{Append, Completion};
use crate::time::Time;

/// Appends that may wait for the writer in its channel; what does not fit waits with the
/// consensus actor. Their bytes are bounded by what may be open on a leader and by the
/// leader's window on a follower: the core takes nothing more while the disk hangs.
pub(crate) const QUEUE_CAPACITY: usize = 1024;

/// An append on its way to the disk.
#[derive(Debug)]
pub(crate) struct Queued {
    /// What to write; none to try again what waits for space.
    pub(crate) append: Option<Append>,
    /// When it was handed over.
    pub(crate) at: Time,
}

/// The log writer.
#[derive(Debug)]
pub(crate) struct LogWriter {
    pub(crate) log: Log,
    pub(crate) queue: mpsc::Receiver<Queued>,
    pub(crate) lanes: Lanes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) fatal: Fatal,
    /// The data directory is ours for as long as its log may be written.
    pub(crate) _lock: DirectoryLock,
}

/// What one write and one sync are for.
struct Gathered {
    appends: Vec<Append>,
    /// When each was handed over.
    times: Vec<Time>,
}

impl LogWriter {
    /// `first` and all that has queued behind it.
    fn gather(&mut self, first: Queued) -> Gathered {
        let mut appends = Vec::new();
        let mut times = Vec::new();
        let mut next = Some(first);
        while let Some(Queued { append, at }) = next {
            if let Some(append) = append {
                appends.push(append);
                times.push(at);
            }
            next = self.queue.try_recv().ok();
        }
        Gathered { appends, times }
    }

    /// One write and one sync.
    fn write(&mut self, gathered: Gathered) -> Result<Completion, LogError> {
        let Gathered { appends, times } = gathered;
        let before = self.log.written();
        let started = self.clock.now();
        if let Some(observer) = &self.observer {
            observer.writing(&appends);
        }
        let completion = self.log.append(appends)?;
        if let Some(observer) = &self.observer {
            observer.durable(&completion);
        }
        let done = self.clock.now();
        self.metrics
            .log_synced(done.since(started), before, self.log.written());
        for at in times {
            self.metrics.log_write.observe(done.since(at).as_secs_f64());
        }
        let full = self.log.out_of_space();
        match (self.shared.disk_full.swap(full, Ordering::Relaxed), full) {
            (false, true) => tracing::warn!("the log's disk is full: entries wait for room"),
            (true, false) => tracing::warn!("the log's disk has room again"),
            _ => {}
        }
        Ok(completion)
    }

    fn give_up(&self, error: &LogError) {
        self.fatal
            .raise(format!("the log cannot be written any more: {error}"));
    }
}

/// A node must not go on without its log writer: nothing would ever be durable again.
impl Drop for LogWriter {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.fatal.raise("the log writer has panicked".to_owned());
        }
    }
}

impl BlockingActor for LogWriter {
    fn run(mut self: Box<Self>) {
        while let Some(first) = self.queue.blocking_recv() {
            let gathered = self.gather(first);
            match self.write(gathered) {
                Ok(completion) => {
                    let completed = Input::Completed(completion);
                    if self.lanes.completions.blocking_send(completed).is_err() {
                        return;
                    }
                }
                Err(error) => return self.give_up(&error),
            }
        }
    }

    fn run_stepped(
        mut self: Box<Self>,
        mut latency: Box<dyn FnMut() -> Duration + Send>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            while let Some(first) = self.queue.recv().await {
                // What comes while it takes its time waits for the next one.
                let gathered = self.gather(first);
                tokio::time::sleep(latency()).await;
                match self.write(gathered) {
                    Ok(completion) => {
                        let completed = Input::Completed(completion);
                        if self.lanes.completions.send(completed).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => return self.give_up(&error),
                }
            }
        })
    }
}
