//! Exit codes: scripts rely on them.

use std::process::ExitCode;

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It did what it was asked.
    Done = 0,
    /// It could not.
    Failed = 1,
    /// It was asked for something that makes no sense. (clap's own code for this is the same.)
    Usage = 2,
    /// The cluster broke a promise.
    Inconsistent = 3,
    /// A workload's SLO was missed.
    SloMissed = 99,
    /// A signal ended it; what it had by then is kept.
    Interrupted = 105,
}

impl Exit {
    /// This, of a command that has `reported` what it did: what was found counts for more than a
    /// report that could not be written.
    pub(crate) fn unless_unreported(self, reported: Result<(), Failure>) -> Result<Exit, Failure> {
        match (reported, self) {
            (Err(failure), Exit::Done) => Err(failure),
            (Err(failure), exit) => {
                eprintln!("telegraft: {}", failure.text);
                Ok(exit)
            }
            (Ok(()), exit) => Ok(exit),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why the command ended badly, for stderr.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) text: String,
}

impl Failure {
    /// It could not be done.
    pub(crate) fn failed(why: impl ToString) -> Self {
        Failure {
            exit: Exit::Failed,
            text: why.to_string(),
        }
    }

    /// The arguments make no sense.
    pub(crate) fn usage(why: impl ToString) -> Self {
        Failure {
            exit: Exit::Usage,
            text: why.to_string(),
        }
    }
}
