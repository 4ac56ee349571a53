//! What a row of the CSV files is.

mod cluster;
mod event;
mod interval;
mod run;
mod stage;

pub use cluster::{ClusterRef, ClusterRow};
pub use event::EventRow;
pub use interval::{IntervalRef, IntervalRow};
pub use run::{LatencyUs, RunRow};
pub use stage::StageRow;
