//! `telegraft null`: the HTTP server with nothing behind it, which is the ceiling that a cluster
//! is compared with.

use std::net::SocketAddr;
use std::sync::Arc;

use telegraft_cluster::http::{self, HttpOptions, Null};
use tokio::net::TcpListener;

use crate::exit::{Exit, Failure};
use crate::runtime::{self, Interrupts};
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
    if !args.listen.ip().is_loopback() {
        let text = format!("--listen {} is no loopback address", args.listen);
        return Err(Failure::usage(text));
    }
    runtime::node()?.block_on(serve(args.listen))
}

async fn serve(address: SocketAddr) -> Result<Exit, Failure> {
    let mut interrupts = Interrupts::new()?;
    let cannot = |error: std::io::Error| {
        Failure::failed(format!("cannot listen for clients on {address}: {error}"))
    };
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let url = format!("http://{}", listener.local_addr().map_err(cannot)?);
    let shutdown = async move { interrupts.next().await };
    http::serve(
        listener,
        Arc::new(Null::new(url)),
        HttpOptions::default(),
        shutdown,
    )
    .await
    .map_err(|error| Failure::failed(format!("the HTTP server: {error}")))?;
    Ok(Exit::Done)
}
