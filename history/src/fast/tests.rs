//! The plain reader agrees with the one that reads anything.
