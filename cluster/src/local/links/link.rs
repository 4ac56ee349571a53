//! The way from one replica to another: what is wrong with it, its dice, and its counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{LinkCounts, LinkCut, LinkFault};
use crate::raft::NodeId;

/// What has happened on all links.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) frames: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) duplicated: AtomicU64,
    pub(super) reordered: AtomicU64,
    pub(super) delayed: AtomicU64,
    pub(super) throttled: AtomicU64,
    pub(super) dropped_by_cuts: AtomicU64,
    pub(super) broken: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> LinkCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LinkCounts {
            frames: read(&self.frames),
            lost: read(&self.lost),
            duplicated: read(&self.duplicated),
            reordered: read(&self.reordered),
            delayed: read(&self.delayed),
            throttled: read(&self.throttled),
            dropped_by_cuts: read(&self.dropped_by_cuts),
            broken: read(&self.broken),
        }
    }
}

/// Counts `more` of what `counter` counts.
pub(super) fn count(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

/// What the dice say of one frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) lost: bool,
    pub(super) duplicated: bool,
    /// For the frame and for its copy.
    pub(super) ways: [Way; 2],
}

/// How a frame or its copy goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    /// Which part of the jitter it takes, from 0 to 1.
    pub(super) jitter: f64,
    /// Whether the next one overtakes it.
    pub(super) overtaken: bool,
}

/// The way from one replica to another, over all connections.
#[derive(Debug)]
pub(super) struct Link {
    fault: watch::Sender<LinkFault>,
    dice: Mutex<StdRng>,
    pub(super) counters: Arc<Counters>,
}

impl Link {
    pub(super) fn new(seed: u64, from: NodeId, to: NodeId, counters: Arc<Counters>) -> Self {
        // Two odd numbers far apart: links between few replicas get seeds of their own.
        let mixed = seed
            ^ from.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ to.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        Link {
            fault: watch::Sender::new(LinkFault::default()),
            dice: Mutex::new(StdRng::seed_from_u64(mixed)),
            counters,
        }
    }

    pub(super) fn set(&self, fault: LinkFault) {
        self.fault.send_replace(fault);
    }

    /// The fault, and to be told of its changes.
    pub(super) fn watch(&self) -> watch::Receiver<LinkFault> {
        self.fault.subscribe()
    }

    /// Casts the dice for the next frame: as often for each, so that what befalls the n-th one
    /// does not hang on what befell the ones before.
    pub(super) fn cast(&self, fault: &LinkFault) -> Fate {
        let mut dice = self.dice.lock().expect("no holder of this lock panics");
        let mut way = || Way {
            jitter: dice.random(),
            overtaken: dice.random::<f64>() < fault.reorder,
        };
        let ways = [way(), way()];
        Fate {
            lost: dice.random::<f64>() < fault.loss,
            duplicated: dice.random::<f64>() < fault.duplicate,
            ways,
        }
    }

    /// Waits until connections on this link are broken.
    pub(super) async fn until_reset(&self) {
        self.until(|fault| fault.cut == Some(LinkCut::Reset)).await;
    }

    /// Waits until what is said is heard or refused.
    pub(super) async fn until_not_silent(&self) {
        self.until(|fault| fault.cut != Some(LinkCut::Silent)).await;
    }

    async fn until(&self, holds: impl FnMut(&LinkFault) -> bool) {
        let mut fault = self.watch();
        // It cannot end: its sender is here.
        let _ = fault.wait_for(holds).await;
    }

    /// Takes a hello or welcome along this link: waits as long as it takes.
    pub(super) async fn pass(&self) {
        let mut faults = self.watch();
        let came = Instant::now();
        let jitter = self.cast(&LinkFault::default()).ways[0].jitter;
        loop {
            let fault = *faults.borrow_and_update();
            if fault.cut != Some(LinkCut::Silent) {
                let due = came + fault.delay + fault.jitter.mul_f64(jitter);
                if Instant::now() >= due {
                    return;
                }
                tokio::select! {
                    () = sleep_until(due) => {}
                    _ = faults.changed() => {}
                }
            } else {
                let _ = faults.changed().await;
            }
        }
    }
}
