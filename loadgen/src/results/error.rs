//! What can be wrong with result files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::SCHEMA_VERSION;

/// Why a result file could not be written, or not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as `write`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is of a later version of this program.
    #[error("{file}:{line}: {}", newer(found))]
    Newer {
        /// The file's name in its directory.
        file: String,
        /// The line, from 1.
        line: u64,
        /// Its version.
        found: String,
    },
    /// It is not what it should be, as a whole.
    #[error("{0}")]
    Unreadable(Problem),
    /// A name that stands for a file has characters that do not belong into one.
    #[error("{0:?} is no name for a run: letters, digits, '.', '_' and '-' are")]
    Name(String),
}

/// Why what a later version of this program wrote is not read.
pub(super) fn newer(found: &str) -> String {
    format!(
        "this is format version {found}, and this program knows versions up to \
         {SCHEMA_VERSION}: a later telegraft wrote it"
    )
}

impl ResultsError {
    pub(super) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> ResultsError + 'a {
        move |source| ResultsError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn unreadable(file: &str, line: Option<u64>, reason: impl Into<String>) -> Self {
        ResultsError::Unreadable(Problem {
            file: file.to_owned(),
            line,
            reason: reason.into(),
        })
    }
}

/// Something in a result file that was left out, and why. What is around it was still read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file's name in its result directory.
    pub file: String,
    /// The line, from 1; none when it is the whole file.
    pub line: Option<u64>,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}
