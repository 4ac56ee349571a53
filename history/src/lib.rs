//! Histories of operations.

mod check;
mod error;
mod explain;
mod fast;
mod feed;
mod found;
mod inboxes;
mod line;
mod load;
mod log_order;
mod memory;
mod op;
mod options;
mod pages;
mod places;
mod rule;
mod store;
mod svg;
mod sweep;
mod unplaced;
mod verdict;
mod verdict_text;
mod writer;

pub use check::{check, check_bytes, check_file};
pub use error::HistoryError;
pub use line::{Event, Fault, Line, parse_line};
pub use memory::History;
pub use op::{Completion, Consistency, Kind, Op};
pub use options::{CheckOptions, DEFAULT_EXPLAINED};
pub use rule::Rule;
pub use svg::timeline_svg;
pub use sweep::RESTARTS;
pub use verdict::{Excerpt, Operations, Percentiles, Staleness, Verdict, Violation};
pub use writer::Writer;

/// The longest line that is read, in bytes: a page of more than a hundred thousand messages.
pub const MAX_LINE_BYTES: usize = 16 << 20;
