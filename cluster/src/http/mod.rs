//! The chat's HTTP interface, version 1.
//!
//! | file | subject |
//! |---|---|
//! | `api.rs` | bodies and header names, for clients too |
//! | `backend.rs` | what the server needs of the thing behind it |
//! | `connections.rs` | accepting, bounds, timeouts, stopping |
//! | `io.rs` | a client's socket |
//! | `handler.rs` | a request's way: check, ask the backend or forward, answer |
//! | `request.rs` | paths, parameters and headers, checked |
//! | `body.rs` | bodies, read within bounds and checked |
//! | `answer.rs` | answers as bytes |
//! | `problem.rs` | every kind of error, with its status |
//! | `forward.rs` | requests passed on to the leader |
//! | `process.rs` | what the process has used, for `/metrics` |
//! | `null.rs` | the null system: the same server with nothing behind it |
//!
//! A connection carries one request at a time and is a task of its own, so what is open is
//! bounded by the number of connections.

mod answer;
pub mod api;
mod backend;
mod body;
mod connections;
mod forward;
mod handler;
mod io;
mod null;
mod problem;
mod process;
mod request;

pub use backend::{
    Backend, Consistency, LeaderInfo, MemberStatus, NodeStatus, PeerStatus, Refusal,
};
pub use null::Null;

use std::future::Future;
use std::io::Result;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

/// A page without a `limit` has at most so many items.
pub const DEFAULT_LIMIT: usize = 100;
/// The highest `limit`, in items. A page is in memory as a whole.
pub const MAX_LIMIT: usize = 1000;
/// A request's body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 << 10;
/// A request's path and query, in bytes; all that mean something are far shorter.
pub const MAX_URI_BYTES: usize = 4 << 10;
/// A request's head, in bytes; also how much is read at once.
pub const MAX_HEAD_BYTES: usize = 16 << 10;

/// The server's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// How long the backend may take for a request, unless the client asks for less. Longer
    /// than a failover, so that most requests outlive one.
    pub deadline: Duration,
    /// How long a request's head may take, from its first byte.
    pub head_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// How long a connection may do nothing, and how long its client may take to read an answer.
    pub idle_timeout: Duration,
    /// The same when there are nearly as many connections as there may be: those that are used
    /// stay, and make room for each other.
    pub crowded_idle_timeout: Duration,
    /// How many connections there may be; the next is told 503 and closed. It is lowered to
    /// what the process's limit of descriptors leaves. Ten thousand that do nothing fit.
    pub max_connections: usize,
    /// How long connecting to the leader may take, when a request is forwarded.
    pub connect_timeout: Duration,
    /// How long stopping may take: a bit longer than `deadline`, so that what is open is answered.
    pub drain_timeout: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        HttpOptions {
            deadline: Duration::from_secs(5),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            crowded_idle_timeout: Duration::from_secs(2),
            max_connections: 16 << 10,
            connect_timeout: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(6),
        }
    }
}

/// Serves `backend` to clients until `shutdown` completes and what is open is answered.
///
/// # Errors
/// None today: a listener that cannot accept is waited for.
pub async fn serve<B: Backend>(
    listener: TcpListener,
    backend: Arc<B>,
    options: HttpOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    connections::serve(listener, backend, options, shutdown).await
}
