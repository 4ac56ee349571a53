//! How a history is checked.

use std::fmt;
use std::sync::atomic::AtomicBool;

/// How many violations are explained unless the caller says otherwise.
pub const DEFAULT_EXPLAINED: usize = 20;

/// How a history is checked.
#[derive(Clone, Copy)]
pub struct CheckOptions<'a> {
    /// At most so many violations are explained; all are counted.
    pub max_explained: usize,
    /// Is told how many bytes are read, every few megabytes.
    pub progress: Option<&'a (dyn Fn(u64) + Sync)>,
    /// Becomes true when the check is to end early.
    pub stop: Option<&'a AtomicBool>,
}

impl Default for CheckOptions<'_> {
    fn default() -> Self {
        CheckOptions {
            max_explained: DEFAULT_EXPLAINED,
            progress: None,
            stop: None,
        }
    }
}

impl fmt::Debug for CheckOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckOptions")
            .field("max_explained", &self.max_explained)
            .field("progress", &self.progress.is_some())
            .field("stop", &self.stop)
            .finish()
    }
}
