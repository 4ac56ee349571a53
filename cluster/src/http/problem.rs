//! What can go wrong, and the problem document (RFC 9457) that tells the client.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER};

use super::answer;
use super::api::Problem;
use super::backend::Refusal;
use crate::chat::{QueryError, WriteError};
use crate::raft::LogIndex;

/// A kind of problem: its status, its stable name, and what it means in words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    status: u16,
    name: &'static str,
    title: &'static str,
}

const fn kind(status: u16, name: &'static str, title: &'static str) -> Kind {
    Kind {
        status,
        name,
        title,
    }
}

/// What every `type` begins with.
const TYPE_PREFIX: &str = "urn:telegraft:problem:";

/// Seconds after which to try again, with every 503: about what an election takes.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

pub(super) const BAD_REQUEST: Kind = kind(400, "bad-request", "The request makes no sense");
const NOT_A_MEMBER: Kind = kind(403, "not-a-member", "The author is no member of the room");
pub(super) const NOT_FOUND: Kind = kind(404, "not-found", "There is nothing at this path");
const NO_SUCH_USER: Kind = kind(404, "no-such-user", "There is no such user");
const NO_SUCH_ROOM: Kind = kind(404, "no-such-room", "There is no such room");
const METHOD_NOT_ALLOWED: Kind = kind(
    405,
    "method-not-allowed",
    "This path does not take this method",
);
pub(super) const REQUEST_TIMEOUT: Kind = kind(
    408,
    "request-timeout",
    "The request did not arrive in time; nothing was done",
);
const NAME_TAKEN: Kind = kind(409, "name-taken", "That name is taken");
const OUTCOME_UNKNOWN: Kind = kind(
    409,
    "outcome-unknown",
    "The sequence number is below the session's window; nothing was done now",
);
const SESSION_EXPIRED: Kind = kind(
    410,
    "session-expired",
    "The session is unknown or has expired; nothing was done",
);
pub(super) const DIGEST_FORGOTTEN: Kind = kind(
    410,
    "digest-forgotten",
    "The digest at that index is not kept any more",
);
pub(super) const BODY_TOO_LARGE: Kind = kind(413, "body-too-large", "The body is too large");
pub(super) const URI_TOO_LONG: Kind = kind(414, "uri-too-long", "The request's URI is too long");
pub(super) const UNSUPPORTED_MEDIA_TYPE: Kind = kind(
    415,
    "unsupported-media-type",
    "The body must be application/json",
);
const KEY_REUSED: Kind = kind(
    422,
    "key-reused",
    "That idempotency key was used for another request",
);
pub(super) const NOT_YET_APPLIED: Kind =
    kind(425, "not-yet-applied", "That index is not applied here yet");
pub(super) const HEADERS_TOO_LARGE: Kind = kind(
    431,
    "headers-too-large",
    "The request's head is too large, or has too many fields",
);
const STORAGE: Kind = kind(500, "storage", "Stored messages cannot be read");
const NO_LEADER: Kind = kind(503, "no-leader", "No leader is known; nothing was done");
const NOT_LEADER: Kind = kind(
    503,
    "not-leader",
    "This replica does not lead; nothing was done",
);
pub(super) const LEADER_UNREACHABLE: Kind = kind(
    503,
    "leader-unreachable",
    "The leader cannot be reached from here; nothing was done",
);
const OVERLOADED: Kind = kind(
    503,
    "overloaded",
    "There is too much to do; nothing was done",
);
const DISK_FULL: Kind = kind(503, "disk-full", "The log's disk is full; nothing was done");
const DEADLINE_EXCEEDED: Kind = kind(
    503,
    "deadline-exceeded",
    "There was no answer in time; nothing was done",
);
const DIVERGED: Kind = kind(
    503,
    "diverged",
    "This replica's state differs from its leader's; it does not serve",
);
const STOPPING: Kind = kind(
    503,
    "stopping",
    "This replica is stopping; nothing was done",
);
pub(super) const NOT_READY: Kind = kind(503, "not-ready", "This replica does not serve yet");
pub(super) const UNANSWERED: Kind = kind(
    504,
    "unanswered",
    "Nobody knows whether it happens; a retry with the same idempotency key finds out",
);

/// A problem, with what was wrong this time.
#[derive(Debug)]
pub(super) struct Failure {
    kind: Kind,
    detail: Cow<'static, str>,
    allow: Option<&'static str>,
}

impl Failure {
    pub(super) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Failure {
            kind,
            detail: detail.into(),
            allow: None,
        }
    }

    pub(super) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Failure::new(BAD_REQUEST, detail)
    }

    pub(super) fn method_not_allowed(method: &hyper::Method, allow: &'static str) -> Self {
        Failure {
            kind: METHOD_NOT_ALLOWED,
            detail: format!("{} is not taken here; {allow} is", shown(method.as_str())).into(),
            allow: Some(allow),
        }
    }

    pub(super) fn no_leader(detail: &'static str) -> Self {
        Failure::new(NO_LEADER, detail)
    }

    pub(super) fn not_leader(detail: &'static str) -> Self {
        Failure::new(NOT_LEADER, detail)
    }

    pub(super) fn overloaded(detail: &'static str) -> Self {
        Failure::new(OVERLOADED, detail)
    }

    /// The document's status and bytes.
    pub(super) fn document(&self) -> (u16, Vec<u8>) {
        let problem = Problem {
            kind: format!("{TYPE_PREFIX}{}", self.kind.name),
            title: self.kind.title.to_owned(),
            status: self.kind.status,
            detail: self.detail.clone().into_owned(),
            first_seq: None,
        };
        (self.kind.status, answer::to_json(&problem))
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let (status, body) = self.document();
        let mut response = answer::with_body(status, answer::PROBLEM_JSON, body);
        if status == 503 {
            response
                .headers_mut()
                .insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if let Some(allow) = self.allow {
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotLeader => Failure::not_leader("this replica does not lead"),
            Refusal::NoLeader => Failure::no_leader("an election may be under way"),
            Refusal::Overloaded(why) => Failure::overloaded(why),
            Refusal::DiskFull => Failure::new(DISK_FULL, "the log cannot take another segment"),
            Refusal::Unknown => Failure::new(
                UNANSWERED,
                "it was proposed, and no answer came before the deadline or a change of leader",
            ),
            Refusal::DeadlineExceeded => Failure::new(
                DEADLINE_EXCEEDED,
                "the deadline passed before this could be answered",
            ),
            Refusal::Diverged { index } => Failure::new(
                DIVERGED,
                format!("the state differs from the leader's from index {index}"),
            ),
            Refusal::Stopping => Failure::new(STOPPING, "ask another replica"),
            Refusal::Storage(what) => Failure::new(STORAGE, what),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let kind = match error {
            WriteError::NameTaken => NAME_TAKEN,
            WriteError::NoSuchUser(_) => NO_SUCH_USER,
            WriteError::NoSuchRoom(_) => NO_SUCH_ROOM,
            WriteError::NotMember { .. } => NOT_A_MEMBER,
            WriteError::SessionExpired(_) => SESSION_EXPIRED,
            WriteError::OutcomeUnknown(_) => OUTCOME_UNKNOWN,
            WriteError::KeyReused => KEY_REUSED,
        };
        Failure::new(kind, error.to_string())
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let kind = match error {
            QueryError::NoSuchUser(_) | QueryError::NoUserNamed => NO_SUCH_USER,
            QueryError::NoSuchRoom(_) | QueryError::NoRoomNamed => NO_SUCH_ROOM,
        };
        Failure::new(kind, error.to_string())
    }
}

/// The digest at `index` is not kept; `oldest` is.
pub(super) fn digest_forgotten(index: LogIndex, oldest: LogIndex) -> Failure {
    Failure::new(
        DIGEST_FORGOTTEN,
        format!("the digest at index {index} is forgotten; the oldest kept is at {oldest}"),
    )
}

/// Part of a client's text as a detail may quote it: in quotes, escaped, and not too long.
pub(super) fn shown(text: &str) -> String {
    /// Characters; enough to recognise one's own input.
    const MAX_SHOWN: usize = 64;
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A time as a detail may name it.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
