//! `telegraft bench`: the main job.

use crate::exit::{Exit, Failure};

/// Load fresh clusters of real processes, audit them, and report.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<Exit, Failure> {
    Err(Failure::failed("there is no load generator yet"))
}
