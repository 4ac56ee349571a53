//! What can be wrong with recordings.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::MAX_LINES;

/// Why a recording could not be read.
#[derive(Debug)]
pub enum TraceError {
    /// The operating system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line is wrong.
    Line {
        /// The file.
        path: PathBuf,
        /// The line that it begins at, from 1.
        line: u64,
        /// The column, when it is one.
        column: Option<&'static str>,
        /// What is wrong, and what is allowed.
        reason: String,
    },
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TraceError::Io { path, source } => {
                write!(f, "cannot read {}: {source}", path.display())
            }
            TraceError::Line {
                path,
                line,
                column,
                reason,
            } => {
                write!(f, "{}:{line}: ", path.display())?;
                if let Some(column) = column {
                    write!(f, "column {column}: ")?;
                }
                f.write_str(reason)
            }
        }
    }
}

impl std::error::Error for TraceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TraceError::Io { source, .. } => Some(source),
            TraceError::Line { .. } => None,
        }
    }
}

/// Why a load could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The disk was slower than the load for too long.
    #[error(
        "{lost} of {steps} operations were not recorded, because the disk was slower than the \
         load; a recording with holes is none, so {} was not written",
        path.display()
    )]
    Lost {
        /// The recording.
        path: PathBuf,
        /// How many are missing.
        lost: u64,
        /// How many there were.
        steps: u64,
    },
    /// More than can be read again.
    #[error("more than {MAX_LINES} operations were to be recorded in {}", path.display())]
    TooMany {
        /// The recording.
        path: PathBuf,
    },
    /// Nothing was recorded, and a recording without lines could not be read again.
    #[error("no operation was recorded, so {} was not written", path.display())]
    Nothing {
        /// The recording.
        path: PathBuf,
    },
}

impl RecordError {
    pub(super) fn io<'a>(
        action: &'static str,
        path: &'a std::path::Path,
    ) -> impl FnOnce(io::Error) -> RecordError + 'a {
        move |source| RecordError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
