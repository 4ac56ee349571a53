//! Reads the lines that a [`Writer`](crate::Writer) writes, fast.
//!
//! Nearly all lines of a history are plain: one object without spaces, known fields once each,
//! numbers, ASCII texts without escapes. They are read in one pass and without allocating. For
//! whatever else, [`parse_line`] decides what it says and whether it says anything: this reader
//! knows no errors, only lines that are not plain.

use xxhash_rust::xxh3::xxh3_128;

use crate::line::{Event, Fault, Line, parse_line};
use crate::op::{Completion, Consistency, Kind, Op};

/// An id's stand-in: its XXH3 hash of 128 bits. Among n ids, two differing ones have the same with
/// a probability below n²/2¹²⁹: 10⁻²⁴ for ten million.
pub(crate) type Id = u128;

pub(crate) fn id_of(text: &[u8]) -> Id {
    xxh3_128(text)
}

/// One value of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    /// 0 in a read of one room.
    pub(crate) room: u64,
    pub(crate) seq: u64,
    pub(crate) id: Id,
}

/// A line without texts. The values of a page are beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) index: Option<u64>,
    pub(crate) time_ns: u64,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Send {
        process: u64,
        room: u64,
        id: Id,
    },
    Page {
        process: u64,
        ask: Ask,
    },
    Complete {
        process: u64,
        kind: Kind,
        room: Option<u64>,
        id: Option<Id>,
        outcome: Outcome,
    },
    Fault(Fault),
    Member {
        room: u64,
        user: u64,
    },
    Digest {
        replica: u64,
        log_index: u64,
        value: Id,
    },
}

/// What a read or an inbox asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Of a read, else of an inbox.
    pub(crate) is_read: bool,
    /// The room, or the user.
    pub(crate) of: u64,
    pub(crate) after: u64,
    pub(crate) limit: u32,
    pub(crate) consistency: Consistency,
    pub(crate) replica: u64,
    pub(crate) min_index: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sent {
        seq: u64,
        log_index: u64,
    },
    /// The last `values` of the pool are its page.
    Page {
        values: usize,
        applied_index: u64,
        /// Of an inbox.
        cursor: u64,
    },
    Fail,
    Unknown,
}

/// Reads the plain line at the beginning of `bytes`: its entry, and how many bytes it takes with
/// its line end. None if it is not plain, or not whole. Its values are added to `pool`.
pub(crate) fn plain_line(bytes: &[u8], pool: &mut Vec<Value>) -> Option<(Entry, usize)> {
    let before = pool.len();
    let read = Scan { bytes, at: 0 }.line(pool);
    if read.is_none() {
        pool.truncate(before);
    }
    read
}

/// Reads any line, without its line end.
pub(crate) fn any_line(line: &[u8], pool: &mut Vec<Value>) -> Result<Entry, String> {
    parse_line(line).map(|line| without_texts(line, pool))
}

fn without_texts(line: Line, pool: &mut Vec<Value>) -> Entry {
    let what = match line.event {
        Event::Invoke { process, op } => match op {
            Op::Send { room, id } => What::Send {
                process,
                room,
                id: id_of(id.as_bytes()),
            },
            Op::Read {
                room,
                after,
                limit,
                consistency,
                replica,
                min_index,
            } => What::Page {
                process,
                ask: Ask {
                    is_read: true,
                    of: room,
                    after,
                    limit,
                    consistency,
                    replica,
                    min_index,
                },
            },
            Op::Inbox {
                user,
                after,
                limit,
                consistency,
                replica,
            } => What::Page {
                process,
                ask: Ask {
                    is_read: false,
                    of: user,
                    after,
                    limit,
                    consistency,
                    replica,
                    min_index: 0,
                },
            },
        },
        Event::Complete {
            process,
            kind,
            room,
            id,
            completion,
        } => What::Complete {
            process,
            kind,
            room,
            id: id.map(|id| id_of(id.as_bytes())),
            outcome: outcome(completion, pool),
        },
        Event::Nemesis(fault) => What::Fault(fault),
        Event::Member { room, user } => What::Member { room, user },
        Event::Digest {
            replica,
            log_index,
            value,
        } => What::Digest {
            replica,
            log_index,
            value: id_of(value.as_bytes()),
        },
    };
    Entry {
        index: line.index,
        time_ns: line.time_ns,
        what,
    }
}

fn outcome(completion: Completion, pool: &mut Vec<Value>) -> Outcome {
    let (values, applied_index, cursor) = match completion {
        Completion::Sent { seq, log_index, .. } => return Outcome::Sent { seq, log_index },
        Completion::Fail => return Outcome::Fail,
        Completion::Unknown => return Outcome::Unknown,
        Completion::Read {
            values,
            applied_index,
        } => {
            pool.extend(values.iter().map(|(seq, id)| Value {
                room: 0,
                seq: *seq,
                id: id_of(id.as_bytes()),
            }));
            (values.len(), applied_index, 0)
        }
        Completion::Inbox {
            values,
            applied_index,
            cursor,
        } => {
            pool.extend(values.iter().map(|(room, seq, id)| Value {
                room: *room,
                seq: *seq,
                id: id_of(id.as_bytes()),
            }));
            (values.len(), applied_index, cursor)
        }
    };
    Outcome::Page {
        values,
        applied_index,
        cursor,
    }
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What a plain line may say.
#[derive(Default)]
struct Fields {
    index: Option<u64>,
    process: Option<u64>,
    kind: Option<Type>,
    f: Option<Kind>,
    time_ns: Option<u64>,
    room: Option<u64>,
    user: Option<u64>,
    value: Option<Id>,
    seq: Option<u64>,
    log_index: Option<u64>,
    term: Option<u64>,
    after: Option<u64>,
    limit: Option<u64>,
    consistency: Option<Consistency>,
    replica: Option<u64>,
    min_index: Option<u64>,
    /// How many, and whether they name their rooms.
    values: Option<(usize, Option<bool>)>,
    applied_index: Option<u64>,
    cursor: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// Takes a field for the first time; a line that repeats one is not plain.
fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    match field.replace(value) {
        None => Some(()),
        Some(_) => None,
    }
}

impl<'a> Scan<'a> {
    fn line(mut self, pool: &mut Vec<Value>) -> Option<(Entry, usize)> {
        let mut fields = Fields::default();
        self.eat(b'{')?;
        loop {
            let key = self.text()?;
            self.eat(b':')?;
            match key {
                b"index" => once(&mut fields.index, self.number()?)?,
                b"process" => once(&mut fields.process, self.number()?)?,
                b"type" => {
                    let kind = match self.text()? {
                        b"invoke" => Type::Invoke,
                        b"ok" => Type::Ok,
                        b"fail" => Type::Fail,
                        b"info" => Type::Info,
                        _ => return None,
                    };
                    once(&mut fields.kind, kind)?;
                }
                b"f" => {
                    let f = match self.text()? {
                        b"send" => Kind::Send,
                        b"read" => Kind::Read,
                        b"inbox" => Kind::Inbox,
                        _ => return None,
                    };
                    once(&mut fields.f, f)?;
                }
                b"time_ns" => once(&mut fields.time_ns, self.number()?)?,
                b"room" => once(&mut fields.room, self.number()?)?,
                b"user" => once(&mut fields.user, self.number()?)?,
                b"value" => once(&mut fields.value, id_of(self.text()?))?,
                b"seq" => once(&mut fields.seq, self.number()?)?,
                b"log_index" => once(&mut fields.log_index, self.number()?)?,
                b"term" => once(&mut fields.term, self.number()?)?,
                b"after" => once(&mut fields.after, self.number()?)?,
                b"limit" => once(&mut fields.limit, self.number()?)?,
                b"consistency" => {
                    let consistency = match self.text()? {
                        b"linearizable" => Consistency::Linearizable,
                        b"lease" => Consistency::Lease,
                        b"local" => Consistency::Local,
                        _ => return None,
                    };
                    once(&mut fields.consistency, consistency)?;
                }
                b"replica" => once(&mut fields.replica, self.number()?)?,
                b"min_index" => once(&mut fields.min_index, self.number()?)?,
                b"values" => once(&mut fields.values, self.values(pool)?)?,
                b"applied_index" => once(&mut fields.applied_index, self.number()?)?,
                b"cursor" => once(&mut fields.cursor, self.number()?)?,
                _ => return None,
            }
            match self.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        self.eat(b'\n')?;
        let entry = fields.entry()?;
        Some((entry, self.at))
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    /// A number of at most 19 digits, which cannot overflow. What follows it is looked at next: a
    /// fraction or an exponent is not plain.
    fn number(&mut self) -> Option<u64> {
        let rest = &self.bytes[self.at..];
        let mut number = 0;
        let mut digits = 0;
        for byte in rest {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            digits += 1;
            if digits > 19 {
                return None;
            }
            number = number * 10 + u64::from(digit);
        }
        // JSON knows no leading zeros.
        if digits == 0 || (digits > 1 && rest[0] == b'0') {
            return None;
        }
        self.at += digits;
        Some(number)
    }

    /// An ASCII text without escapes.
    fn text(&mut self) -> Option<&'a [u8]> {
        self.eat(b'"')?;
        let rest = &self.bytes[self.at..];
        let end = rest
            .iter()
            .position(|&byte| byte == b'"' || byte == b'\\' || !(0x20..0x80).contains(&byte))?;
        if rest[end] != b'"' {
            return None;
        }
        self.at += end + 1;
        Some(&rest[..end])
    }

    fn values(&mut self, pool: &mut Vec<Value>) -> Option<(usize, Option<bool>)> {
        self.eat(b'[')?;
        let before = pool.len();
        if self.bytes.get(self.at) == Some(&b']') {
            self.at += 1;
            return Some((0, None));
        }
        let mut with_rooms = None;
        loop {
            self.eat(b'[')?;
            let first = self.number()?;
            self.eat(b',')?;
            let named = self.bytes.get(self.at) != Some(&b'"');
            if with_rooms
                .replace(named)
                .is_some_and(|others| others != named)
            {
                return None;
            }
            let (room, seq) = if named {
                let seq = self.number()?;
                self.eat(b',')?;
                (first, seq)
            } else {
                (0, first)
            };
            let id = id_of(self.text()?);
            self.eat(b']')?;
            pool.push(Value { room, seq, id });
            match self.next()? {
                b',' => {}
                b']' => break,
                _ => return None,
            }
        }
        Some((pool.len() - before, with_rooms))
    }
}

impl Fields {
    /// What the line says, if it says all that it must.
    fn entry(self) -> Option<Entry> {
        let (process, kind) = (self.process?, self.f?);
        if self.kind? == Type::Invoke && self.values.is_some() {
            // The pool must not keep them.
            return None;
        }
        let what = match (self.kind?, kind) {
            (Type::Invoke, Kind::Send) => What::Send {
                process,
                room: self.room?,
                id: self.value?,
            },
            (Type::Invoke, Kind::Read | Kind::Inbox) => What::Page {
                process,
                ask: Ask {
                    is_read: kind == Kind::Read,
                    of: match kind {
                        Kind::Inbox => self.user?,
                        Kind::Read | Kind::Send => self.room?,
                    },
                    after: self.after.unwrap_or(0),
                    limit: self
                        .limit
                        .and_then(|limit| u32::try_from(limit).ok())
                        .filter(|&limit| limit > 0)?,
                    consistency: self.consistency?,
                    replica: self.replica.unwrap_or(0),
                    min_index: match kind {
                        Kind::Read => self.min_index.unwrap_or(0),
                        Kind::Inbox | Kind::Send => 0,
                    },
                },
            },
            (done, kind) => What::Complete {
                process,
                kind,
                room: self.room,
                id: self.value,
                outcome: self.outcome(done, kind)?,
            },
        };
        Some(Entry {
            index: self.index,
            time_ns: self.time_ns?,
            what,
        })
    }

    fn outcome(&self, done: Type, kind: Kind) -> Option<Outcome> {
        // Values beside another outcome are no page: the pool must not keep them.
        match (done, kind) {
            (Type::Fail, _) if self.values.is_none() => Some(Outcome::Fail),
            (Type::Info, _) if self.values.is_none() => Some(Outcome::Unknown),
            (Type::Ok, Kind::Send) if self.values.is_none() => Some(Outcome::Sent {
                seq: self.seq?,
                log_index: self.log_index?,
            }),
            (Type::Ok, Kind::Read | Kind::Inbox) => {
                let (values, with_rooms) = self.values?;
                if with_rooms.is_some_and(|with_rooms| with_rooms != (kind == Kind::Inbox)) {
                    return None;
                }
                Some(Outcome::Page {
                    values,
                    applied_index: self.applied_index?,
                    cursor: match kind {
                        Kind::Inbox => self.cursor?,
                        Kind::Read | Kind::Send => 0,
                    },
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
