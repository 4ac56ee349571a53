//! Analysis of result files: what a run of the load generator has left becomes a report.
//!
//! Nothing but the files of a result directory counts (`telegraft_loadgen::results` says what
//! is in them), so that a report can be made again, anywhere, from results that were kept.
//!
//! The way of a report: `read` reads the files and notes what is wrong with them, `data` holds
//! what was read of all directories, `shards` puts shares of one run together, `summary` brings the trials of one configuration together, [`report`] writes it down.

mod data;
#[allow(dead_code, reason = "its users come next")]
mod number;
mod read;
pub mod report;
mod shards;
mod summary;

use telegraft_loadgen::results::ResultsError;

/// Why there is no report.
///
/// A file that is missing or bad is no reason: the report says what it lacks.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// There is no such directory, or the report cannot be written into it.
    #[error(transparent)]
    Results(#[from] ResultsError),
}
