//! Analysis of result files.
