//! The files of a result directory: what a row is, how it is written and read.
//!
//! The formats are the interface to the analysis, which needs these files alone.
//! `results/README.md` tells people what each file is for.

mod directory;
mod environment;
mod error;
mod hlog;
mod lines;
mod rows;
mod stream;
mod table;
pub mod utc;

pub use directory::ResultDir;
pub use environment::{BuildInfo, Environment, SyncTimes};
pub use error::{Problem, ResultsError};
pub use hlog::{
    Hlog, HlogInterval, HlogRest, HlogWriter, MAX_LATENCY_US, SERVICE_SUFFIX, add,
    latency_histogram,
};
pub use rows::{
    ClusterRef, ClusterRow, EventRow, IntervalRef, IntervalRow, LatencyUs, RunRow, StageRow,
};
pub use stream::{Fields, Scan};
pub use table::{Row, Rows};

/// The version of every file's format here; a reader refuses newer ones.
pub const SCHEMA_VERSION: u32 = 1;
