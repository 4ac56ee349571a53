//! Why a history cannot be judged.

use std::io;
use std::path::PathBuf;

use crate::MAX_LINE_BYTES;

/// Why a history cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It cannot be opened or read.
    #[error("cannot read {}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A line says nothing, or something that contradicts how histories are recorded.
    #[error("{}: line {line}: {why}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A line has no end.
    #[error("{}: line {line} has more than {MAX_LINE_BYTES} bytes", .path.display())]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}
