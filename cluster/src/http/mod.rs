//! The chat's HTTP interface, version 1.

pub mod api;
mod backend;

pub use backend::{
    Backend, Consistency, LeaderInfo, MemberStatus, NodeStatus, PeerStatus, Refusal,
};

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;

/// The server's bounds.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpOptions {}

/// Serves `backend` to clients until `shutdown` completes and what is open is answered.
///
/// # Errors
/// The listener's.
#[allow(
    unused_variables,
    clippy::todo,
    clippy::unused_async,
    reason = "skeleton"
)]
pub async fn serve<B: Backend>(
    listener: TcpListener,
    backend: Arc<B>,
    options: HttpOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    todo!()
}
