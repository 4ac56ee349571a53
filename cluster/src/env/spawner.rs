//! Starting things, passed in.

use std::fmt::Debug;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::transport::BoxFuture;

/// A piece of work that blocks its thread.
pub type BlockingWork = Box<dyn FnOnce() + Send>;

/// The log writer, which can be driven in two ways.
pub trait BlockingActor: Send {
    /// Runs until there is nothing more to come, blocking the thread.
    fn run(self: Box<Self>);
    /// Runs as a task; each piece of work takes as long as `latency` says.
    fn run_stepped(
        self: Box<Self>,
        latency: Box<dyn FnMut() -> Duration + Send>,
    ) -> BoxFuture<'static, ()>;
}

/// Starts actors.
pub trait Spawner: Debug + Send + Sync {
    /// Starts an actor as a task.
    fn spawn(&self, actor: BoxFuture<'static, ()>) -> JoinHandle<()>;
    /// Starts an actor that blocks: on a thread of its own, or stepped.
    ///
    /// # Errors
    /// The system's, when no thread can be had.
    fn spawn_blocking_actor(
        &self,
        name: &str,
        actor: Box<dyn BlockingActor>,
    ) -> std::io::Result<()>;
    /// Runs work that blocks without holding up the actors.
    fn run_blocking(&self, work: BlockingWork);
}

/// tokio's tasks and the system's threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadSpawner;

impl Spawner for ThreadSpawner {
    fn spawn(&self, actor: BoxFuture<'static, ()>) -> JoinHandle<()> {
        tokio::spawn(actor)
    }

    fn spawn_blocking_actor(
        &self,
        name: &str,
        actor: Box<dyn BlockingActor>,
    ) -> std::io::Result<()> {
        // Nobody joins this thread: a hanging fdatasync must not hold up a shutdown.
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || actor.run())
            .map(drop)
    }

    fn run_blocking(&self, work: BlockingWork) {
        drop(tokio::task::spawn_blocking(work));
    }
}
