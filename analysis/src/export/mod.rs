//! What others' tools read: percentile distributions for HdrHistogram's plotter, and JSON.
//!
//! | file | what |
//! |---|---|
//! | `distribution.rs` | latencies by percentile, in the text format of HdrHistogram |
//! | `percentiles.rs` | that of result directories, and of any HdrHistogram log |
//! | `json.rs` | everything that is reported, as one JSON document |

mod distribution;
mod json;
mod percentiles;

pub use json::json;
pub use percentiles::{
    Exported, FileNames, LogTag, OfLog, hdr_percentiles, hdr_percentiles_of_log,
};
