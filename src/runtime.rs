//! The tokio runtime of each subcommand, and the signals that end it.

use std::io::{self, Read};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};

/// Threads that run a replica's actors, its links and its HTTP server. The log writer has one of
/// its own. Replicas on one machine share its cores, so more would only take turns.
const NODE_THREADS: usize = 2;
/// Threads of a launcher, which waits most of the time. (A benchmark's clients have threads of
/// their own.)
const LAUNCHER_THREADS: usize = 1;

/// A replica's runtime.
pub(crate) fn node() -> Result<Runtime, Failure> {
    build(NODE_THREADS)
}

/// A launcher's runtime.
pub(crate) fn launcher() -> Result<Runtime, Failure> {
    build(LAUNCHER_THREADS)
}

fn build(threads: usize) -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the runtime: {error}")))
}

/// SIGINT and SIGTERM, from its making on.
#[derive(Debug)]
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Takes the signals over from the system, which would end the process. Inside a runtime.
    pub(crate) fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::failed(format!("cannot take signals: {error}")))
        };
        Ok(Interrupts {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next of them.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ends this process as soon as its standard input does, which is a pipe that its launcher
/// holds and never writes to: the kernel closes it however the launcher ends.
pub(crate) fn exit_with_parent() -> Result<(), Failure> {
    let watch = || {
        let mut stdin = io::stdin().lock();
        let mut bytes = [0; 64];
        loop {
            match stdin.read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        eprintln!("telegraft: the launcher is gone, and so is this replica");
        // At once: there is nobody left to stop for, and the log survives a kill -9.
        std::process::exit(Exit::Failed as i32);
    };
    std::thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(watch)
        .map(drop)
        .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))
}
