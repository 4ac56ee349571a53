//! The statistics of what a report claims.
//!
//! The unit is the trial: one run of a configuration gives one number (a throughput, a
//! percentile). The thousands of operations in a run are no independent observations; they share
//! its cluster, its elections and its disk. All numbers are positive, their errors are factors
//! rather than sums, and so means, intervals and tests are those of the logarithms:
//!
//! - [`typical`]: the geometric mean over trials, with a 95 % interval;
//! - [`ratio`]: how many times more one configuration has than another, with Welch's interval;
//! - [`welch`]: whether two configurations differ;
//! - [`holm`]: the p-values of a whole table, so that a long table has no more false alarms than
//!   a short one;
//! - [`judge`]: the word that a reader gets.
//!
//! Student's distribution is computed in [`student`]. No data is rejected as an outlier anywhere.
//!
//! What the method assumes: the logarithms of trials are independent, and not too far from
//! normal. `simulation_tests.rs` measures what becomes of the intervals where they are not: those
//! over 3, 5 and 10 trials cover the truth in 94.0, 94.7 and 94.9 % of cases where trials are
//! log-normal, and in 92.8 to 95.0 % where they are normal, uniform or exponential. Of two modes, three
//! trials may see one only (75 %), and where one trial in ten is an outlier, most samples of few
//! trials have none, and their intervals know nothing of it (63, 46 and 65 %).

mod estimate;
mod significance;
mod verdict;

pub mod student;

#[cfg(test)]
mod simulation_tests;

pub use estimate::{CONFIDENCE, Estimate, Interval, MIN_TRIALS, ratio, typical};
pub use significance::{Welch, holm, welch};
pub use verdict::{ALPHA, Better, NOISE, Verdict, judge};
