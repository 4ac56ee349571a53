//! Analysis of result files: what a run of the load generator has left becomes a report.
//!
//! Nothing but the files of a result directory counts (`telegraft_loadgen::results` says what
//! is in them), so that a report can be made again, anywhere, from results that were kept.
//!
//! The way of a report: `read` reads the files and notes what is wrong with them (`latencies`,
//! `cluster` and `timeline` are what is kept of the large ones), `data` holds what was read of
//! all directories (`circumstances` says which were made alike, `completeness` which runs have lost
//! rows, `stress` what the verdicts of stress runs say), `shards` puts shares of one run together, `summary` brings the trials of one
//! configuration together, `plots` draws, [`report`] writes it down. [`stats`] is what may be said
//! about numbers over trials, [`compare`] says it about pairs of configurations. [`export`] and
//! [`write_up`] hand results to others' tools and texts.

mod alike;
mod circumstances;
mod cluster;
pub mod compare;
mod completeness;
mod data;
pub mod export;
mod latencies;
mod number;
mod plots;
mod read;
pub mod report;
mod shards;
pub mod stats;
mod stress;
mod summary;
mod timeline;
pub mod write_up;

use std::path::PathBuf;

use telegraft_loadgen::results::ResultsError;

/// Why there is no report.
///
/// A file that is missing or bad is no reason: the report says what it lacks.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// There is no such directory, there is no result in it, or the report cannot be written into
    /// it.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// A file that should be an HdrHistogram log holds no histogram.
    #[error("{}: it holds no histogram{reason}", path.display())]
    NoHistogram {
        /// The file.
        path: PathBuf,
        /// What is wrong with its first bad line, in parentheses; empty where there is none.
        reason: String,
    },
}
