//! A request's way: it is checked, the backend answers it or it is forwarded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderName, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};

use super::answer::{self, Reply};
use super::api::{DigestAnswer, LEADER_HEADER};
use super::backend::{Backend, Refusal};
use super::body;
use super::forward::Forwarder;
use super::problem::{self, Failure};
use super::process;
use super::request::{self, Marks, Parameters, Target};
use super::{HttpOptions, MAX_URI_BYTES};
use crate::chat::DigestAt;

pub(super) const LEADER: HeaderName = HeaderName::from_static(LEADER_HEADER);

/// What all connections share.
pub(super) struct Handler<B> {
    pub(super) backend: Arc<B>,
    pub(super) options: HttpOptions,
    pub(super) counters: Counters,
    /// Whether the server stops: then every answer is its connection's last.
    pub(super) draining: AtomicBool,
    forwarder: Forwarder,
}

/// The server's own metrics.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Answers by the first digit of their status.
    answers: [AtomicU64; 6],
    /// Connections that are open.
    pub(super) open: AtomicU64,
    /// Connections that were taken in, ever.
    pub(super) accepted: AtomicU64,
    /// Connections that were turned away.
    pub(super) refused: AtomicU64,
    /// Connections that were closed because nothing (or no whole request) came.
    pub(super) timed_out: AtomicU64,
}

impl Counters {
    fn text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(1024);
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, &AtomicU64)]| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in samples {
                let suffix = if kind == "counter" { "_total" } else { "" };
                let value = value.load(Ordering::Relaxed);
                let _ = writeln!(text, "{name}{suffix}{labels} {value}");
            }
        };
        let answers: Vec<_> = (2..self.answers.len())
            .map(|class| (format!("{{status=\"{class}xx\"}}"), &self.answers[class]))
            .collect();
        family(
            "telegraft_http_answers",
            "counter",
            "Answers, by status.",
            &answers,
        );
        for (name, kind, help, value) in [
            (
                "telegraft_http_connections",
                "gauge",
                "Open connections.",
                &self.open,
            ),
            (
                "telegraft_http_connections_refused",
                "counter",
                "Connections turned away because there were too many.",
                &self.refused,
            ),
            (
                "telegraft_http_connections_timed_out",
                "counter",
                "Connections closed because no request came.",
                &self.timed_out,
            ),
        ] {
            family(name, kind, help, &[(String::new(), value)]);
        }
        text
    }
}

impl<B: Backend> Handler<B> {
    pub(super) fn new(backend: Arc<B>, options: HttpOptions) -> Self {
        Handler {
            backend,
            options,
            counters: Counters::default(),
            draining: AtomicBool::new(false),
            forwarder: Forwarder::new(options.connect_timeout),
        }
    }

    /// Answers a request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Reply {
        let expects_continue = request::expects_continue(request.headers());
        let (head, mut incoming) = request.into_parts();
        let mut last = false;
        let mut reply = match self.carry_out(&head, &mut incoming).await {
            Ok(reply) => reply,
            Err(failure) => {
                last = !body::drain(expects_continue, &mut incoming).await;
                failure.into_response()
            }
        };
        let class = usize::from(reply.status().as_u16() / 100);
        self.counters.answers[class].fetch_add(1, Ordering::Relaxed);
        // A forwarded answer has the leader's own word.
        if !reply.headers().contains_key(LEADER)
            && let Some(url) = self.leader_url()
        {
            reply.headers_mut().insert(LEADER, url);
        }
        if last || self.draining.load(Ordering::Relaxed) {
            reply
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }

    /// The leader's URL as a header, if it is known.
    pub(super) fn leader_url(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.backend.leader()?.url?).ok()
    }

    async fn carry_out(
        &self,
        head: &hyper::http::request::Parts,
        incoming: &mut Incoming,
    ) -> Result<Reply, Failure> {
        let length = head
            .uri
            .path_and_query()
            .map_or(0, |all| all.as_str().len());
        if length > MAX_URI_BYTES {
            return Err(Failure::new(
                problem::URI_TOO_LONG,
                format!("path and query have {length} bytes: {MAX_URI_BYTES} are allowed"),
            ));
        }
        let target = Target::of(head.uri.path())?;
        let query = head.uri.query();
        let allow = target.allow();
        if !allow
            .split(", ")
            .any(|method| method == head.method.as_str())
        {
            return Err(Failure::method_not_allowed(&head.method, allow));
        }
        let reads = matches!(head.method, Method::GET | Method::HEAD);
        if reads {
            let parameters = Parameters::of(target, query)?;
            let marks = Marks::of(&head.headers)?;
            return self.read(target, parameters, &marks).await;
        }
        Parameters::none(query)?;
        let marks = Marks::of(&head.headers)?;
        request::check_media_type(target, &marks)?;
        let bytes = body::read(incoming, self.options.body_timeout).await?;
        self.write(target, head, &marks, bytes).await
    }

    fn deadline(&self, marks: &Marks) -> Duration {
        marks
            .timeout
            .map_or(self.options.deadline, |own| own.min(self.options.deadline))
    }

    async fn read(
        &self,
        target: Target,
        parameters: Parameters,
        marks: &Marks,
    ) -> Result<Reply, Failure> {
        if let Some(query) = parameters.query(target)? {
            let (answer, applied_index) = self
                .backend
                .read(
                    query,
                    parameters.consistency.unwrap_or_default(),
                    parameters.min_index.unwrap_or(0),
                    self.deadline(marks),
                )
                .await?;
            return Ok(answer::found(&answer?, applied_index));
        }
        match target {
            Target::Status => Ok(answer::json(200, &self.backend.status().await?)),
            Target::Digest => match self.backend.digest(parameters.index).await? {
                (index, DigestAt::Known(digest)) => Ok(answer::json(
                    200,
                    &DigestAnswer {
                        index,
                        digest: digest.to_string(),
                    },
                )),
                (index, DigestAt::NotYet) => Err(Failure::new(
                    problem::NOT_YET_APPLIED,
                    format!("index {index} is not applied here yet"),
                )),
                (index, DigestAt::Forgotten { oldest }) => {
                    Err(problem::digest_forgotten(index, oldest))
                }
            },
            Target::Readyz => match self.backend.ready() {
                Ok(()) => Ok(answer::well()),
                Err(why) => Err(Failure::new(problem::NOT_READY, why)),
            },
            Target::Metrics => Ok(answer::metrics(
                self.backend.metrics(),
                &[self.counters.text(), process::text()].concat(),
            )),
            // The process lives, and that is all that is asked.
            _ => Ok(answer::well()),
        }
    }

    async fn write(
        &self,
        target: Target,
        head: &hyper::http::request::Parts,
        marks: &Marks,
        bytes: Bytes,
    ) -> Result<Reply, Failure> {
        let action = body::action(target, &bytes)?;
        let deadline = self.deadline(marks);
        if self.backend.leads() {
            match self.backend.write(action, marks.key, deadline).await {
                Ok(outcome) => return answer::outcome(outcome),
                // It has just lost its leadership, and nothing was proposed.
                Err(Refusal::NotLeader) => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
        if marks.forwarded {
            return Err(Failure::not_leader(
                "the request was forwarded to this replica, which does not lead",
            ));
        }
        let Some(leader) = self.backend.leader() else {
            return Err(Refusal::NoLeader.into());
        };
        let Some(url) = leader.url else {
            return Err(Failure::no_leader("the leader's address is not known yet"));
        };
        if marks.never_forward {
            return redirect(&url, &head.uri);
        }
        self.forwarder.forward(&url, head, bytes, deadline).await
    }
}

/// Names the leader instead of forwarding.
fn redirect(leader: &str, uri: &hyper::Uri) -> Result<Reply, Failure> {
    let path = uri.path_and_query().map_or("/", |all| all.as_str());
    let location = HeaderValue::try_from(format!("{leader}{path}"))
        .map_err(|_| Failure::no_leader("the leader's address is no URL"))?;
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    reply.headers_mut().insert(LOCATION, location);
    Ok(reply)
}
