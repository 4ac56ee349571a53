//! The `telegraft` command.

fn main() {}
