//! What a request asks for by its path, parameters and headers, checked.

use std::time::Duration;

use hyper::header::{CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue};

use super::api::{FORWARD_HEADER, FORWARDED_HEADER, IDEMPOTENCY_HEADER, TIMEOUT_HEADER};
use super::backend::Consistency;
use super::body::check_name;
use super::problem::{self, Failure, shown};
use super::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::chat::{Page, Query, SessionKey};

/// Ids are below this: every JSON reader holds them exactly.
pub(super) const ID_BOUND: u64 = 1 << 53;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Sessions,
    Users,
    Rooms,
    Members { room_id: u64 },
    Member { room_id: u64, user_id: u64 },
    Messages { room_id: u64 },
    Inbox { user_id: u64 },
    Status,
    Digest,
    Healthz,
    Readyz,
    Metrics,
}

impl Target {
    pub(super) fn of(path: &str) -> Result<Target, Failure> {
        let not_found = || Failure::new(problem::NOT_FOUND, format!("no path {}", shown(path)));
        let mut parts = path.strip_prefix('/').ok_or_else(not_found)?.split('/');
        let mut next = || parts.next();
        let named = [next(), next(), next(), next(), next(), next()];
        Ok(match named.map(|part| part.unwrap_or("\0")) {
            ["v1", "sessions", "\0", ..] => Target::Sessions,
            ["v1", "users", "\0", ..] => Target::Users,
            ["v1", "rooms", "\0", ..] => Target::Rooms,
            ["v1", "rooms", room, "members", "\0", ..] => Target::Members {
                room_id: id("the room's id", room)?,
            },
            ["v1", "rooms", room, "members", user, "\0"] => Target::Member {
                room_id: id("the room's id", room)?,
                user_id: id("the user's id", user)?,
            },
            ["v1", "rooms", room, "messages", "\0", ..] => Target::Messages {
                room_id: id("the room's id", room)?,
            },
            ["v1", "users", user, "inbox", "\0", ..] => Target::Inbox {
                user_id: id("the user's id", user)?,
            },
            ["v1", "status", "\0", ..] => Target::Status,
            ["v1", "digest", "\0", ..] => Target::Digest,
            ["healthz", "\0", ..] => Target::Healthz,
            ["readyz", "\0", ..] => Target::Readyz,
            ["metrics", "\0", ..] => Target::Metrics,
            _ => return Err(not_found()),
        })
    }

    /// The methods that it takes, as `Allow` lists them.
    pub(super) fn allow(self) -> &'static str {
        match self {
            Target::Sessions => "POST",
            Target::Member { .. } => "PUT",
            Target::Users | Target::Rooms | Target::Messages { .. } => "GET, HEAD, POST",
            Target::Members { .. }
            | Target::Inbox { .. }
            | Target::Status
            | Target::Digest
            | Target::Healthz
            | Target::Readyz
            | Target::Metrics => "GET, HEAD",
        }
    }

    /// The query parameters that a GET of it takes.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Target::Users | Target::Rooms => &["name", "consistency", "min_index"],
            Target::Members { .. } | Target::Inbox { .. } => {
                &["after", "limit", "consistency", "min_index"]
            }
            Target::Messages { .. } => &["after", "before", "limit", "consistency", "min_index"],
            Target::Digest => &["index"],
            _ => &[],
        }
    }
}

/// A whole number below 2^53.
fn id(what: &str, text: &str) -> Result<u64, Failure> {
    digits(text).filter(|id| *id < ID_BOUND).ok_or_else(|| {
        Failure::bad_request(format!(
            "{what} is {}: it must be a whole number below 2^53",
            shown(text)
        ))
    })
}

fn digits(text: &str) -> Option<u64> {
    // `parse` takes a sign, too.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// The query parameters, all that there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters {
    name: Option<String>,
    after: Option<u64>,
    before: Option<u64>,
    limit: Option<u64>,
    pub(super) min_index: Option<u64>,
    pub(super) index: Option<u64>,
    pub(super) consistency: Option<Consistency>,
}

impl Parameters {
    /// Those of a GET of `target`.
    pub(super) fn of(target: Target, query: Option<&str>) -> Result<Parameters, Failure> {
        Parameters::parse(query, target.parameters())
    }

    /// A write takes none.
    pub(super) fn none(query: Option<&str>) -> Result<(), Failure> {
        Parameters::parse(query, &[]).map(|_| ())
    }

    fn parse(query: Option<&str>, allowed: &[&str]) -> Result<Parameters, Failure> {
        let mut given = Parameters::default();
        let Some(query) = query.filter(|query| !query.is_empty()) else {
            return Ok(given);
        };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !allowed.contains(&name) {
                let known = match allowed {
                    [] => "none is taken here".to_owned(),
                    names => format!("{} are taken here", names.join(", ")),
                };
                return Err(Failure::bad_request(format!(
                    "unknown query parameter {}: {known}",
                    shown(name)
                )));
            }
            let number = || id(name, value).map(Some);
            let again = match name {
                "name" => given.name.replace(text("name", value)?).is_some(),
                "after" => std::mem::replace(&mut given.after, number()?).is_some(),
                "before" => std::mem::replace(&mut given.before, number()?).is_some(),
                "limit" => std::mem::replace(&mut given.limit, number()?).is_some(),
                "min_index" => std::mem::replace(&mut given.min_index, number()?).is_some(),
                "index" => std::mem::replace(&mut given.index, number()?).is_some(),
                _ => given.consistency.replace(consistency(value)?).is_some(),
            };
            if again {
                return Err(Failure::bad_request(format!(
                    "the query parameter {name} is given twice"
                )));
            }
        }
        Ok(given)
    }

    fn limit(&self) -> Result<usize, Failure> {
        let limit = match self.limit {
            None => return Ok(DEFAULT_LIMIT),
            Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        if (1..=MAX_LIMIT).contains(&limit) {
            Ok(limit)
        } else {
            Err(Failure::bad_request(format!(
                "limit is {limit}: it must be between 1 and {MAX_LIMIT}"
            )))
        }
    }

    /// The name that is looked for.
    fn name(&self) -> Result<String, Failure> {
        let name = self.name.clone().ok_or_else(|| {
            Failure::bad_request("the query parameter name is missing: it says who is looked for")
        })?;
        check_name(&name)?;
        Ok(name)
    }

    /// What a GET of `target` reads from the chat; none where it reads something else.
    pub(super) fn query(&self, target: Target) -> Result<Option<Query>, Failure> {
        let limit = self.limit()?;
        Ok(Some(match target {
            Target::Users => Query::UserNamed { name: self.name()? },
            Target::Rooms => Query::RoomNamed { name: self.name()? },
            Target::Members { room_id } => Query::Members {
                room_id,
                after: self.after.unwrap_or(0),
                limit,
            },
            Target::Messages { room_id } => Query::Messages {
                room_id,
                page: match (self.after, self.before) {
                    (None, None) => Page::Latest,
                    (Some(seq), None) => Page::After(seq),
                    (None, Some(seq)) => Page::Before(seq),
                    (Some(_), Some(_)) => {
                        return Err(Failure::bad_request(
                            "after and before exclude each other: a page has one of them or none",
                        ));
                    }
                },
                limit,
            },
            Target::Inbox { user_id } => Query::Inbox {
                user_id,
                after: self.after.unwrap_or(0),
                limit,
            },
            _ => return Ok(None),
        }))
    }
}

/// Any text, percent-encoded; a `+` is a space, as forms and most programs write it.
fn text(what: &str, encoded: &str) -> Result<String, Failure> {
    let wrong = |why| Failure::bad_request(format!("{what} is {}: {why}", shown(encoded)));
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |at: usize| char::from(*rest.get(at)?).to_digit(16);
                let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                    return Err(wrong("two hexadecimal digits must follow each %"));
                };
                rest = &rest[2..];
                u8::try_from(high << 4 | low).expect("two hexadecimal digits are a byte")
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong("decoded, it must be UTF-8"))
}

fn consistency(text: &str) -> Result<Consistency, Failure> {
    match text {
        "linearizable" => Ok(Consistency::Linearizable),
        "lease" => Ok(Consistency::Lease),
        "local" => Ok(Consistency::Local),
        other => Err(Failure::bad_request(format!(
            "consistency is {}: it must be linearizable, lease or local",
            shown(other)
        ))),
    }
}

/// What the headers say.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    pub(super) key: Option<SessionKey>,
    /// A replica has forwarded it already.
    pub(super) forwarded: bool,
    /// The client wants to be told of the leader, not forwarded to it.
    pub(super) never_forward: bool,
    /// The client's own deadline.
    pub(super) timeout: Option<Duration>,
    content_type: Option<HeaderValue>,
}

impl Marks {
    pub(super) fn of(headers: &HeaderMap) -> Result<Marks, Failure> {
        let mut marks = Marks::default();
        for (name, value) in headers {
            let again = match name.as_str() {
                IDEMPOTENCY_HEADER => marks.key.replace(session_key(value)?).is_some(),
                TIMEOUT_HEADER => marks.timeout.replace(milliseconds(value)?).is_some(),
                FORWARDED_HEADER => {
                    marks.forwarded = true;
                    false
                }
                FORWARD_HEADER => {
                    if value != "never" {
                        return Err(Failure::bad_request(format!(
                            "{FORWARD_HEADER} is {}: it takes `never` only",
                            shown(&String::from_utf8_lossy(value.as_bytes()))
                        )));
                    }
                    marks.never_forward = true;
                    false
                }
                _ if name == CONTENT_TYPE => marks.content_type.replace(value.clone()).is_some(),
                _ => false,
            };
            if again {
                return Err(Failure::bad_request(format!(
                    "the header {name} is given twice"
                )));
            }
        }
        Ok(marks)
    }

    fn require_json(&self) -> Result<(), Failure> {
        let Some(value) = &self.content_type else {
            return Err(Failure::new(
                problem::UNSUPPORTED_MEDIA_TYPE,
                "there is no content-type",
            ));
        };
        let text = value.to_str().unwrap_or_default();
        let media_type = text.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/json") {
            Ok(())
        } else {
            Err(Failure::new(
                problem::UNSUPPORTED_MEDIA_TYPE,
                format!("the content-type is {}", shown(text)),
            ))
        }
    }
}

/// `<session_id>/<sequence>`.
fn session_key(value: &HeaderValue) -> Result<SessionKey, Failure> {
    value
        .to_str()
        .ok()
        .and_then(|text| text.split_once('/'))
        .and_then(|(session, sequence)| {
            let bounded = |text| digits(text).filter(|id| *id < ID_BOUND);
            Some(SessionKey {
                session_id: bounded(session)?,
                sequence: bounded(sequence)?,
            })
        })
        .ok_or_else(|| {
            Failure::bad_request(format!(
                "{IDEMPOTENCY_HEADER} is {}: it must be <session_id>/<sequence>, whole numbers \
                 below 2^53",
                shown(&String::from_utf8_lossy(value.as_bytes()))
            ))
        })
}

fn milliseconds(value: &HeaderValue) -> Result<Duration, Failure> {
    value
        .to_str()
        .ok()
        .and_then(digits)
        .filter(|ms| (1..ID_BOUND).contains(ms))
        .map(Duration::from_millis)
        .ok_or_else(|| {
            Failure::bad_request(format!(
                "{TIMEOUT_HEADER} is {}: it must be a whole number of milliseconds from 1",
                shown(&String::from_utf8_lossy(value.as_bytes()))
            ))
        })
}

/// Whether `target` takes a JSON body; refuses one of another type.
pub(super) fn check_media_type(target: Target, marks: &Marks) -> Result<(), Failure> {
    match target {
        Target::Sessions | Target::Member { .. } => Ok(()),
        _ => marks.require_json(),
    }
}

/// Whether the client waits for `100 Continue` before it sends the body.
pub(super) fn expects_continue(headers: &HeaderMap) -> bool {
    headers.contains_key(EXPECT)
}
