//! `telegraft null`: the HTTP server with nothing behind it, which is the ceiling that a cluster
//! is compared with.

use std::net::SocketAddr;

use crate::exit::{Exit, Failure};
use crate::runtime;
use crate::tracing_setup;

const EXAMPLE: &str = "\
Example:
  telegraft null --listen 127.0.0.1:8351";

/// Serve the HTTP interface with nothing behind it.
#[derive(Debug, clap::Args)]
#[command(hide = true, after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Where clients reach it.
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// End when standard input does.
    #[arg(long, hide = true)]
    exit_with_parent: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    tracing_setup::init("info")?;
    if args.exit_with_parent {
        runtime::exit_with_parent()?;
    }
    Err(Failure::failed(format!(
        "there is nothing to listen with on {} yet",
        args.listen
    )))
}
