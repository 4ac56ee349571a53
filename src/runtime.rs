//! The tokio runtime of each subcommand, and the signals that end it.

use std::io::{self, Read};

use telegraft_loadgen::bench::BenchError;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};

/// Threads of a launcher, which waits most of the time. (A benchmark's clients have threads of
/// their own.)
const LAUNCHER_THREADS: usize = 1;

/// A replica's runtime, or the null system's: one thread for actors, links and HTTP. (The log
/// writer has one of its own, and so has whatever else blocks.) The actors hand each other
/// small things all the time: between threads each hand-over is a wake-up, on one thread they
/// gather until their receiver's turn, so its batches are larger. On two cores, three replicas
/// take a third more messages so than with two threads each.
pub(crate) fn node() -> Result<Runtime, Failure> {
    built(Builder::new_current_thread().enable_all().build())
}

/// A launcher's runtime.
pub(crate) fn launcher() -> Result<Runtime, Failure> {
    build(LAUNCHER_THREADS)
}

/// A stress run's runtime: clients, the links between replicas and who looks on are its tasks, and
/// none is to wait for the other's work.
pub(crate) fn stress() -> Result<Runtime, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    build(threads.max(2))
}

fn build(threads: usize) -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    built(builder.worker_threads(threads).enable_all().build())
}

fn built(runtime: io::Result<Runtime>) -> Result<Runtime, Failure> {
    runtime.map_err(|error| Failure::failed(format!("cannot start the runtime: {error}")))
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

/// Completes when the user asks to end: whoever asks twice does not want to wait, and the process
/// ends. (Its replicas go with it.) Inside a runtime.
pub(crate) fn interrupt() -> Result<impl Future<Output = ()> + Send, Failure> {
    let mut interrupts = Interrupts::new()?;
    Ok(async move {
        interrupts.next().await;
        tokio::spawn(async move {
            interrupts.next().await;
            std::process::exit(Exit::Interrupted as i32);
        });
    })
}

/// How a job's error ends the command.
pub(crate) fn failure(error: BenchError) -> Failure {
    match error {
        BenchError::Suite(_)
        | BenchError::Trace(_)
        | BenchError::Faults(_)
        | BenchError::Search(_)
        | BenchError::Record { .. } => Failure::usage(error),
        _ => Failure::failed(error),
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
