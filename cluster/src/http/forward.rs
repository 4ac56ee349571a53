//! Passing a write on to the leader: one hop, and never twice.
//!
//! A request of which nothing was sent may be tried on another connection. As soon as a byte of
//! it may have left, the leader may have proposed it, and a broken link means 504.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::answer::Reply;
use super::api::{FORWARDED_HEADER, IDEMPOTENCY_HEADER, TIMEOUT_HEADER};
use super::handler::LEADER;
use super::problem::{self, Failure, seconds};
use crate::known_bugs::{self, KnownBug};

/// How much longer than the leader's own deadline its answer is waited for.
const MARGIN: Duration = Duration::from_secs(1);
/// Unused connections that are kept. As many are open as requests are being forwarded.
const MAX_UNUSED: usize = 256;
/// How long an unused connection is kept: well below the time after which the leader closes it,
/// since a request that meets the closing is lost.
const MAX_UNUSED_TIME: Duration = Duration::from_secs(10);
/// A leader's answer to a write, in bytes: a few numbers, or a problem.
const MAX_ANSWER_BYTES: usize = 64 << 10;

const FORWARDED: HeaderName = HeaderName::from_static(FORWARDED_HEADER);

type Link = SendRequest<Full<Bytes>>;

/// Connections to the leader.
#[derive(Debug)]
pub(super) struct Forwarder {
    connect_timeout: Duration,
    unused: Mutex<Unused>,
}

/// Connections that wait for the next request, the last used last.
#[derive(Debug, Default)]
struct Unused {
    leader: String,
    links: VecDeque<(Instant, Link)>,
}

impl Forwarder {
    pub(super) fn new(connect_timeout: Duration) -> Self {
        Forwarder {
            connect_timeout,
            unused: Mutex::default(),
        }
    }

    /// Sends the request to the leader at `url` and gives its answer.
    pub(super) async fn forward(
        &self,
        url: &str,
        head: &Parts,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Reply, Failure> {
        let waiting = deadline + MARGIN;
        let Some(address) = url.strip_prefix("http://") else {
            return Err(unreachable(url, "its address is not http://"));
        };
        let host = HeaderValue::try_from(address)
            .map_err(|_| unreachable(url, "its address is no URL"))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = hyper::Uri::from(
            head.uri
                .path_and_query()
                .cloned()
                .unwrap_or_else(|| hyper::http::uri::PathAndQuery::from_static("/")),
        );
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.insert(FORWARDED, HeaderValue::from_static("1"));
        for name in [CONTENT_TYPE.as_str(), IDEMPOTENCY_HEADER, TIMEOUT_HEADER] {
            if let Some(value) = head.headers.get(name) {
                headers.insert(HeaderName::from_static(name), value.clone());
            }
        }
        timeout(waiting, self.exchange(url, address, request))
            .await
            .unwrap_or_else(|_| {
                Err(Failure::new(
                    problem::UNANSWERED,
                    format!(
                        "the leader at {url} did not answer within {}",
                        seconds(waiting)
                    ),
                ))
            })
    }

    async fn exchange(
        &self,
        url: &str,
        address: &str,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Reply, Failure> {
        let lost = |error: hyper::Error| {
            Failure::new(
                problem::UNANSWERED,
                format!("the connection to the leader at {url} broke: {error}"),
            )
        };
        let mut again = known_bugs::active(KnownBug::ForwardResent).then(|| {
            let mut copy = request.clone();
            copy.headers_mut().remove(IDEMPOTENCY_HEADER);
            copy
        });
        let (link, answer) = loop {
            let (mut link, fresh) = match self.take(url).await {
                Some(link) => (link, false),
                None => (self.connect(url, address).await?, true),
            };
            match link.try_send_request(request).await {
                Ok(answer) => break (link, answer),
                Err(mut error) => match error.take_message() {
                    // Given back unsent: the connection had closed already.
                    Some(unsent) if !fresh => request = unsent,
                    Some(_) => return Err(unreachable(url, "it closes the connection")),
                    None => match again.take() {
                        Some(copy) => request = copy,
                        None => return Err(lost(error.into_error())),
                    },
                },
            }
        };
        let (mut parts, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| {
                Failure::new(
                    problem::UNANSWERED,
                    format!("the leader at {url} broke off its answer: {error}"),
                )
            })?
            .to_bytes();
        if !link.is_closed() {
            self.give_back(url, link);
        }
        let mut reply = Response::new(Full::new(body));
        *reply.status_mut() = parts.status;
        for name in [CONTENT_TYPE, RETRY_AFTER, LEADER] {
            if let Some(value) = parts.headers.remove(&name) {
                reply.headers_mut().insert(name, value);
            }
        }
        Ok(reply)
    }

    async fn connect(&self, url: &str, address: &str) -> Result<Link, Failure> {
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(stream)
        };
        let stream = timeout(self.connect_timeout, connecting)
            .await
            .map_err(|_| unreachable(url, "it does not accept connections in time"))?
            .map_err(|error| unreachable(url, &error.to_string()))?;
        let (link, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(url, &error.to_string()))?;
        // It ends with the link, or when the leader closes it; who uses it is told.
        tokio::spawn(connection);
        Ok(link)
    }

    async fn take(&self, leader: &str) -> Option<Link> {
        loop {
            let mut link = {
                let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
                if unused.leader != leader {
                    return None;
                }
                let (since, link) = unused.links.pop_back()?;
                if since.elapsed() > MAX_UNUSED_TIME {
                    // All others are older.
                    unused.links.clear();
                    return None;
                }
                link
            };
            if link.ready().await.is_ok() {
                return Some(link);
            }
        }
    }

    fn give_back(&self, leader: &str, link: Link) {
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        if unused.leader != leader {
            leader.clone_into(&mut unused.leader);
            unused.links.clear();
        }
        let now = Instant::now();
        while unused.links.len() >= MAX_UNUSED
            || unused
                .links
                .front()
                .is_some_and(|(since, _)| now.duration_since(*since) > MAX_UNUSED_TIME)
        {
            unused.links.pop_front();
        }
        unused.links.push_back((now, link));
    }
}

fn unreachable(url: &str, why: &str) -> Failure {
    Failure::new(
        problem::LEADER_UNREACHABLE,
        format!("the leader at {url} cannot be reached: {why}"),
    )
}
