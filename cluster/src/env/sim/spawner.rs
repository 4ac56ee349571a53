//! Starts the actors of a simulated process.

use std::io;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::gate::Gate;
use super::node::SimNode;
use crate::env::{BlockingActor, BlockingWork, BoxFuture, Spawner};
use crate::time::Time;

/// Runs everything of one process on the simulator's thread; the process can be stopped and
/// ended as a whole.
#[derive(Clone, Debug)]
pub struct SimSpawner(SimNode);

impl SimSpawner {
    /// A process of its own, whose writes to the log take a time between the two latencies.
    pub fn new(seed: u64, write_latency: (Duration, Duration)) -> Self {
        let node = SimNode::new(seed, Time::ZERO);
        node.set_write_latency(write_latency);
        SimSpawner(node)
    }

    pub(super) fn of(node: SimNode) -> Self {
        SimSpawner(node)
    }

    /// The process is gone, between two steps.
    pub fn crash(&self) {
        self.0.crash();
    }
}

impl Spawner for SimSpawner {
    fn spawn(&self, actor: BoxFuture<'static, ()>) -> JoinHandle<()> {
        let handle = tokio::spawn(Gate::new(self.0.clone(), actor));
        self.0.own(handle.abort_handle());
        handle
    }

    fn spawn_blocking_actor(&self, _name: &str, actor: Box<dyn BlockingActor>) -> io::Result<()> {
        let node = self.0.clone();
        let latency = Box::new(move || node.draw_write_latency());
        drop(self.spawn(actor.run_stepped(latency)));
        Ok(())
    }

    fn run_blocking(&self, work: BlockingWork) {
        work();
    }
}
