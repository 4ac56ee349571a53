//! Ending a load early.

use std::pin::pin;
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Ends a load early.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// When it was stopped: for all threads the same moment.
    at: OnceLock<Instant>,
    waiters: Notify,
}

impl Stop {
    /// No client begins another operation.
    pub fn stop(&self) {
        self.0.at.get_or_init(Instant::now);
        self.0.waiters.notify_waiters();
    }

    /// Whether it is stopped.
    pub fn is_stopped(&self) -> bool {
        self.at().is_some()
    }

    /// When it was stopped.
    pub fn at(&self) -> Option<Instant> {
        self.0.at.get().copied()
    }

    /// The output of `work`, which looks at this and ends early by itself when `interrupt`
    /// completes before.
    pub async fn on<T>(
        &self,
        interrupt: impl Future<Output = ()>,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        tokio::select! {
            output = &mut work => return output,
            () = interrupt => self.stop(),
        }
        work.await
    }

    /// Completes once it is stopped.
    pub async fn stopped(&self) {
        let mut notified = pin!(self.0.waiters.notified());
        // Registered before looking, so that no stop falls between.
        notified.as_mut().enable();
        if !self.is_stopped() {
            notified.await;
        }
    }
}
