//! One request, and its retries: with the same key, so that a write happens once however often
//! it is sent, and always with an end.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Body, Method, Url, redirect, retry};
use telegraft_cluster::http::api::{IDEMPOTENCY_HEADER, Problem};
use tokio::time::{Instant, sleep, timeout_at};

use crate::routes::{Place, Routes};

/// An operation has an outcome by then, be it that nobody knows. Longer than an election and
/// a server's own deadline together.
pub const OPERATION_DEADLINE: Duration = Duration::from_secs(10);
/// One try. Longer than a server's own deadline, whose answer tells more than none; shorter
/// than the operation's, so that a replica that hangs leaves time for another.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(6);
/// A connection on this machine or its network stands long before.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause before the first retry; it doubles from retry to retry. Short, because how soon
/// a cluster serves again is among the things that are measured: `Retry-After` speaks to
/// clients that have other things to do.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The longest pause: many clients of a cluster without a leader are no load to it.
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

const IDEMPOTENCY: HeaderName = HeaderName::from_static(IDEMPOTENCY_HEADER);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What went wrong with one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// No connection: the request was not sent.
    Refused,
    /// The connection broke.
    Reset,
    /// No answer in time.
    Timeout,
    /// An answer that is not what it should be.
    Malformed,
    /// An answer that contradicts what the same client was told before.
    Wrong,
    /// A status that tells of an error.
    Status(u16),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Refused => f.write_str("refused"),
            Trouble::Reset => f.write_str("reset"),
            Trouble::Timeout => f.write_str("timeout"),
            Trouble::Malformed => f.write_str("malformed"),
            Trouble::Wrong => f.write_str("wrong"),
            Trouble::Status(status) => write!(f, "{status}"),
        }
    }
}

impl Trouble {
    /// Whether a write may have been proposed all the same.
    fn may_have_happened(self) -> bool {
        match self {
            Trouble::Refused => false,
            Trouble::Reset | Trouble::Timeout | Trouble::Malformed | Trouble::Wrong => true,
            // 409 is the answer to a key whose outcome was forgotten, 410 to one whose session
            // was: neither tells what came of an earlier try, which is counted by itself.
            Trouble::Status(status) => status >= 500 && status != 503,
        }
    }

    /// Whether another try may end otherwise.
    fn is_passing(self) -> bool {
        match self {
            Trouble::Refused | Trouble::Reset | Trouble::Timeout => true,
            Trouble::Malformed | Trouble::Wrong => false,
            Trouble::Status(status) => status >= 500,
        }
    }
}

/// Why an operation has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What the last try ended with.
    pub trouble: Trouble,
    /// Whether a write may have happened all the same.
    pub maybe: bool,
    /// What the server said, if it said something.
    pub detail: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.trouble)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// How often one operation was tried, and what went wrong meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Requests sent.
    pub attempts: u64,
    /// What went wrong, one for each try that failed.
    pub troubles: Vec<Trouble>,
}

impl Tries {
    /// Begins another operation.
    pub fn clear(&mut self) {
        self.attempts = 0;
        self.troubles.clear();
    }
}

/// The connections of one runtime thread: keep-alive, and nothing done behind the caller's back.
///
/// # Errors
/// When the client cannot be made.
pub fn connections() -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(usize::MAX)
        .pool_idle_timeout(None)
        .build()
        .map_err(|error| format!("cannot make an HTTP client: {error}"))
}

/// A request that can be sent again.
#[derive(Debug)]
pub struct Request<U> {
    /// `GET`, `POST` or `PUT`.
    pub method: Method,
    /// Its URL on a replica.
    pub url: U,
    /// JSON, of a write.
    pub body: Option<Bytes>,
    /// `<session>/<sequence>`, of a write that must happen once.
    pub key: Option<HeaderValue>,
}

impl<U> Request<U> {
    /// A read.
    pub fn get(url: U) -> Self {
        Request {
            method: Method::GET,
            url,
            body: None,
            key: None,
        }
    }
}

/// The key of a write.
pub fn key(session: u64, sequence: u64) -> HeaderValue {
    HeaderValue::try_from(format!("{session}/{sequence}")).expect("digits and a slash are visible")
}

/// How long an operation and each of its tries may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The operation, with all its tries.
    pub operation: Duration,
    /// One try.
    pub attempt: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            operation: OPERATION_DEADLINE,
            attempt: ATTEMPT_TIMEOUT,
        }
    }
}

/// One client's way to the replicas.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The thread's connections.
    pub http: reqwest::Client,
    /// The replicas.
    pub routes: Arc<Routes>,
    /// Which client this is.
    pub client: usize,
    /// Operations so far.
    pub operations: u64,
    /// How long they may take.
    pub limits: Limits,
}

impl Caller {
    /// A client with nothing behind it.
    pub fn new(http: reqwest::Client, routes: Arc<Routes>, client: usize) -> Self {
        Caller {
            http,
            routes,
            client,
            operations: 0,
            limits: Limits::default(),
        }
    }

    /// Sends `request` until it has an answer, cannot have one or the deadline is over. The
    /// body of the answer, whole.
    ///
    /// # Errors
    /// When there is none; `tries` has every reason.
    pub async fn call<U: Fn(&Routes, Place) -> Url>(
        &mut self,
        request: &Request<U>,
        tries: &mut Tries,
    ) -> Result<Bytes, Failed> {
        let deadline = Instant::now() + self.limits.operation;
        let mut place = self.routes.first(self.client, self.operations);
        self.operations += 1;
        let mut maybe = false;
        let mut pause = FIRST_PAUSE;
        loop {
            let (failed, speaks) = match self.tried(request, place, deadline, tries).await {
                Ok(body) => return Ok(body),
                Err(failed) => failed,
            };
            maybe |= failed.maybe;
            if !failed.trouble.is_passing() || Instant::now() + pause >= deadline {
                return Err(Failed { maybe, ..failed });
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            place = self.routes.after_failure(place, speaks);
        }
    }

    /// Sends `request` once, to the replica at `place`. The body of the answer, whole.
    ///
    /// # Errors
    /// When there is none within the limit of one try; `tries` has the reason.
    pub async fn once<U: Fn(&Routes, Place) -> Url>(
        &self,
        request: &Request<U>,
        place: Place,
        tries: &mut Tries,
    ) -> Result<Bytes, Failed> {
        let deadline = Instant::now() + self.limits.operation;
        let answer = self.tried(request, place, deadline, tries).await;
        answer.map_err(|(failed, _)| failed)
    }

    /// One try; when it fails, also whether the replica speaks and names a leader.
    async fn tried<U: Fn(&Routes, Place) -> Url>(
        &self,
        request: &Request<U>,
        place: Place,
        deadline: Instant,
        tries: &mut Tries,
    ) -> Result<Bytes, (Failed, bool)> {
        tries.attempts += 1;
        let until = deadline.min(Instant::now() + self.limits.attempt);
        let attempt = timeout_at(until, self.attempt(request, place)).await;
        let (trouble, speaks, body) = match attempt {
            Ok(Ok(answer)) => match answer.trouble {
                None => return Ok(answer.body),
                Some(trouble) => (trouble, answer.names_leader, answer.body),
            },
            Ok(Err(trouble)) => (trouble, false, Bytes::new()),
            Err(_) => (Trouble::Timeout, false, Bytes::new()),
        };
        tries.troubles.push(trouble);
        let failed = Failed {
            trouble,
            maybe: trouble.may_have_happened(),
            detail: detail(&body),
        };
        Err((failed, speaks))
    }

    async fn attempt<U: Fn(&Routes, Place) -> Url>(
        &self,
        request: &Request<U>,
        place: Place,
    ) -> Result<Answer, Trouble> {
        let url = (request.url)(&self.routes, place);
        let mut sent = reqwest::Request::new(request.method.clone(), url);
        if let Some(body) = &request.body {
            sent.headers_mut().insert(CONTENT_TYPE, JSON);
            *sent.body_mut() = Some(Body::from(body.clone()));
        }
        if let Some(key) = &request.key {
            sent.headers_mut().insert(IDEMPOTENCY, key.clone());
        }
        let response = self.http.execute(sent).await.map_err(|error| {
            if error.is_connect() {
                Trouble::Refused
            } else {
                Trouble::Reset
            }
        })?;
        let status = response.status();
        self.routes.learn(place, response.headers());
        let names_leader = Routes::names_leader(response.headers());
        let body = response.bytes().await.map_err(|_| Trouble::Reset)?;
        Ok(Answer {
            trouble: (!status.is_success()).then_some(Trouble::Status(status.as_u16())),
            names_leader,
            body,
        })
    }
}

struct Answer {
    trouble: Option<Trouble>,
    names_leader: bool,
    body: Bytes,
}

/// What lies at the bottom of an error, as `Connection refused (os error 111)`: what is above it
/// says only that a request failed.
pub fn cause(error: &reqwest::Error) -> String {
    if error.is_status() {
        return error.to_string();
    }
    let mut cause: &dyn Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

/// What a problem document says.
fn detail(body: &[u8]) -> String {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => problem.detail,
        Err(_) => String::new(),
    }
}
