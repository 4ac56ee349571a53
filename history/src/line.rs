//! Reads one line of a history, whoever wrote it: any order of fields, any JSON.

use std::borrow::Cow;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

use crate::op::{Completion, Consistency, Kind, Op};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number as its writer counted, if it did.
    pub index: Option<u64>,
    /// When: nanoseconds of the recorder's monotonic clock.
    pub time_ns: u64,
    /// What.
    pub event: Event,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A process asks.
    Invoke {
        /// Who.
        process: u64,
        /// For what.
        op: Op,
    },
    /// A process is answered, or gives up.
    Complete {
        /// Who.
        process: u64,
        /// The kind of its operation.
        kind: Kind,
        /// The operation's room, if it is repeated.
        room: Option<u64>,
        /// The id that was sent, if it is repeated.
        id: Option<String>,
        /// What came of it.
        completion: Completion,
    },
    /// A fault begins or ends.
    Nemesis(Fault),
    /// A user is a member of a room.
    Member {
        /// The room.
        room: u64,
        /// The user.
        user: u64,
    },
    /// A replica's digest.
    Digest {
        /// The replica.
        replica: u64,
        /// The applied index that the digest is of.
        log_index: u64,
        /// The digest.
        value: String,
    },
}

/// A fault, or its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its kind: `kill`, `pause`, `cut`, `mend` …
    pub f: String,
    /// The replica, unless it is about several.
    pub replica: Option<u64>,
    /// More about it.
    pub detail: String,
}

/// A line's fields, all that any line may have. Others are passed over.
#[derive(Deserialize)]
struct Fields<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    process: Process<'a>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    f: Cow<'a, str>,
    time_ns: u64,
    room: Option<u64>,
    user: Option<u64>,
    value: Option<String>,
    seq: Option<u64>,
    log_index: Option<u64>,
    term: Option<u64>,
    #[serde(default, deserialize_with = "cursor")]
    after: Option<u64>,
    limit: Option<u32>,
    consistency: Option<Consistency>,
    replica: Option<u64>,
    min_index: Option<u64>,
    values: Option<Vec<Value>>,
    applied_index: Option<u64>,
    #[serde(default, deserialize_with = "cursor")]
    cursor: Option<u64>,
    detail: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a process is a number or a name")]
enum Process<'a> {
    Number(u64),
    #[serde(borrow)]
    Name(Cow<'a, str>),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a value is [seq, id] or [room, seq, id]")]
enum Value {
    OfRoom(u64, String),
    OfInbox(u64, u64, String),
}

/// A log index as a number, or as a string of its decimal digits.
fn cursor<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a cursor is a log index")]
    enum Cursor {
        Number(u64),
        Text(String),
    }
    match Option::<Cursor>::deserialize(from)? {
        None => Ok(None),
        Some(Cursor::Number(index)) => Ok(Some(index)),
        Some(Cursor::Text(text)) => match text.parse() {
            Ok(index) => Ok(Some(index)),
            Err(_) => Err(D::Error::custom(format!(
                "the cursor {text:?} is no log index"
            ))),
        },
    }
}

/// Reads one line, without its line end. An error says what is wrong with it.
pub fn parse_line(line: &[u8]) -> Result<Line, String> {
    let fields: Fields<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let (index, time_ns) = (fields.index, fields.time_ns);
    let event = match fields.process {
        Process::Number(process) => of_process(process, fields)?,
        Process::Name(ref name) => match (&**name, &*fields.kind, &*fields.f) {
            ("nemesis", _, f) => Event::Nemesis(Fault {
                f: f.to_owned(),
                replica: fields.replica,
                detail: fields.detail.unwrap_or_default(),
            }),
            ("setup", "ok", "member") => Event::Member {
                room: needed(fields.room, "room")?,
                user: needed(fields.user, "user")?,
            },
            ("observer", "ok", "digest") => Event::Digest {
                replica: needed(fields.replica, "replica")?,
                log_index: needed(fields.log_index, "log_index")?,
                value: needed(fields.value, "value")?,
            },
            (name, kind, f) => {
                return Err(format!("process {name:?} tells {kind:?} {f:?}: not known"));
            }
        },
    };
    Ok(Line {
        index,
        time_ns,
        event,
    })
}

fn of_process(process: u64, fields: Fields<'_>) -> Result<Event, String> {
    let kind = match &*fields.f {
        "send" => Kind::Send,
        "read" => Kind::Read,
        "inbox" => Kind::Inbox,
        other => return Err(format!("no operation is called {other:?}")),
    };
    let completion = match &*fields.kind {
        "invoke" => {
            let op = op(kind, fields)?;
            return Ok(Event::Invoke { process, op });
        }
        "fail" => Completion::Fail,
        "info" => Completion::Unknown,
        "ok" => match kind {
            Kind::Send => Completion::Sent {
                seq: needed(fields.seq, "seq")?,
                log_index: needed(fields.log_index, "log_index")?,
                term: fields.term.unwrap_or(0),
            },
            Kind::Read => Completion::Read {
                values: needed(fields.values, "values")?
                    .into_iter()
                    .map(|value| match value {
                        Value::OfRoom(seq, id) => Ok((seq, id)),
                        Value::OfInbox(..) => Err("a read's values are [seq, id]".to_owned()),
                    })
                    .collect::<Result<_, _>>()?,
                applied_index: needed(fields.applied_index, "applied_index")?,
            },
            Kind::Inbox => Completion::Inbox {
                values: needed(fields.values, "values")?
                    .into_iter()
                    .map(|value| match value {
                        Value::OfInbox(room, seq, id) => Ok((room, seq, id)),
                        Value::OfRoom(..) => Err("an inbox's are [room, seq, id]".to_owned()),
                    })
                    .collect::<Result<_, _>>()?,
                applied_index: needed(fields.applied_index, "applied_index")?,
                cursor: needed(fields.cursor, "cursor")?,
            },
        },
        other => return Err(format!("the type {other:?} is not known")),
    };
    Ok(Event::Complete {
        process,
        kind,
        room: fields.room,
        id: fields.value,
        completion,
    })
}

fn op(kind: Kind, fields: Fields<'_>) -> Result<Op, String> {
    if kind == Kind::Send {
        return Ok(Op::Send {
            room: needed(fields.room, "room")?,
            id: needed(fields.value, "value")?,
        });
    }
    let after = fields.after.unwrap_or(0);
    let limit = needed(fields.limit, "limit")?;
    if limit == 0 {
        return Err("a limit is at least 1".to_owned());
    }
    let consistency = needed(fields.consistency, "consistency")?;
    let replica = fields.replica.unwrap_or(0);
    Ok(match kind {
        Kind::Inbox => Op::Inbox {
            user: needed(fields.user, "user")?,
            after,
            limit,
            consistency,
            replica,
        },
        Kind::Send | Kind::Read => Op::Read {
            room: needed(fields.room, "room")?,
            after,
            limit,
            consistency,
            replica,
            min_index: fields.min_index.unwrap_or(0),
        },
    })
}

fn needed<T>(field: Option<T>, name: &str) -> Result<T, String> {
    field.ok_or_else(|| format!("{name:?} is missing"))
}
