//! A client's socket, which notes when bytes come and go.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::header::HeaderValue;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::backend::Backend;
use super::connections::Connection;
use super::problem::{self, Failure};

pub(super) struct ClientIo<B: Backend> {
    socket: TokioIo<TcpStream>,
    connection: Arc<Connection<B>>,
    /// What is sent instead of hyper's own answer, as far as it is not sent yet.
    instead: Option<Bytes>,
}

impl<B: Backend> ClientIo<B> {
    pub(super) fn new(socket: TcpStream, connection: Arc<Connection<B>>) -> Self {
        ClientIo {
            socket: TokioIo::new(socket),
            connection,
            instead: None,
        }
    }
}

impl<B: Backend> Read for ClientIo<B> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        self.connection.received();
        Poll::Ready(Ok(()))
    }
}

impl<B: Backend> Write for ClientIo<B> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.instead.is_none()
            && let Some(failure) = unreadable(bytes)
        {
            this.instead = Some(refusal(&failure, this.connection.leader_url()).into());
        }
        let Some(instead) = &mut this.instead else {
            return Pin::new(&mut this.socket).poll_write(context, bytes);
        };
        while instead.has_remaining() {
            let sent = ready!(Pin::new(&mut this.socket).poll_write(context, instead))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            instead.advance(sent);
        }
        this.instead = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(context))?;
        self.connection.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

/// What hyper answers when it cannot read a request's head has no body. (Every error of ours has
/// one.) That is recognised here, so that these errors are problem documents too.
fn unreadable(bytes: &[u8]) -> Option<Failure> {
    let status = bytes.strip_prefix(b"HTTP/1.1 4")?;
    let text = std::str::from_utf8(status).ok()?;
    let (head, rest) = text.split_once("\r\n\r\n")?;
    if !rest.is_empty() || !head.contains("\r\ncontent-length: 0") {
        return None;
    }
    Some(match head.get(..2) {
        Some("31") => Failure::new(
            problem::HEADERS_TOO_LARGE,
            format!(
                "a request's head has {} bytes and 100 fields at most",
                super::MAX_HEAD_BYTES
            ),
        ),
        Some("14") => Failure::new(
            problem::URI_TOO_LONG,
            format!("path and query have {} bytes at most", super::MAX_URI_BYTES),
        ),
        _ => Failure::bad_request("this is not a request of HTTP/1.1"),
    })
}

/// A whole answer, for a connection that is closed after it.
pub(super) fn refusal(failure: &Failure, leader: Option<HeaderValue>) -> Vec<u8> {
    let (status, body) = failure.document();
    let mut bytes = format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\
         content-length: {}\r\n",
        hyper::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default(),
        body.len()
    )
    .into_bytes();
    if status == 503 {
        bytes.extend_from_slice(b"retry-after: 1\r\n");
    }
    if let Some(leader) = leader {
        bytes.extend_from_slice(super::api::LEADER_HEADER.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(leader.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes
}
