//! Random draws for the load: which room, which user, which size, when.
//!
//! Everything follows from a seed and a counter alone ([`Draws`]), so the n-th operation of a run
//! is the same whoever does it, whenever, and whatever was drawn for the ones before it. Every
//! distribution takes a fixed number of draws, or (where no fixed number is exact) hardly ever
//! one more. `tests/draws.rs` holds each to its definition, and shows that the same test rejects
//! a slightly wrong one.

pub mod fit;

mod draws;
mod pick;
mod recency;
mod sizes;

pub use draws::Draws;
pub use pick::{Hot, Weighted, Zipf};
pub use recency::Recency;
pub use sizes::Sizes;
