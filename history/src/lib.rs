//! Histories of operations.

mod error;
mod line;
mod memory;
mod op;
mod options;
mod rule;
mod verdict;
mod writer;

pub use error::HistoryError;
pub use line::{Event, Fault, Line, parse_line};
pub use memory::History;
pub use op::{Completion, Consistency, Kind, Op};
pub use options::{CheckOptions, DEFAULT_EXPLAINED};
pub use rule::Rule;
pub use verdict::{Excerpt, Operations, Percentiles, Staleness, Verdict, Violation};
pub use writer::Writer;

/// The longest line that is read, in bytes: a page of more than a hundred thousand messages.
pub const MAX_LINE_BYTES: usize = 16 << 20;
