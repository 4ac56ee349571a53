//! What a row of the CSV files is.

mod cluster;
mod interval;
mod run;

pub use cluster::ClusterRow;
pub use interval::IntervalRow;
pub use run::{LatencyUs, RunRow};
