//! Holds a task still while its process stands still.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::node::SimNode;
use crate::env::BoxFuture;

/// A future that is polled only while its process runs, and that gives its output out only
/// then: the process may have been stopped inside the very poll that made the output.
pub(super) struct Gate<'a, T> {
    node: SimNode,
    /// Its place among the tasks that wait for the process to go on.
    key: u64,
    future: BoxFuture<'a, T>,
    output: Option<T>,
}

impl<'a, T> Gate<'a, T> {
    pub(super) fn new(node: SimNode, future: BoxFuture<'a, T>) -> Self {
        Gate {
            key: node.next_key(),
            node,
            future,
            output: None,
        }
    }
}

impl<T> Gate<'_, T> {
    pub(super) fn key(&self) -> u64 {
        self.key
    }
}

impl<T> Unpin for Gate<'_, T> {}

impl<T> Future for Gate<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        if this.node.park(this.key, context.waker()) {
            return Poll::Pending;
        }
        if this.output.is_none() {
            match this.future.as_mut().poll(context) {
                Poll::Ready(output) => this.output = Some(output),
                Poll::Pending => return Poll::Pending,
            }
        }
        if this.node.park(this.key, context.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(this.output.take().expect("it was just there"))
    }
}

impl<T> Drop for Gate<'_, T> {
    fn drop(&mut self) {
        self.node.unpark(self.key);
    }
}
