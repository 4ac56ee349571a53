//! Reads the lines that a [`Writer`](crate::Writer) writes, fast.
//!
//! Nearly all lines of a history are plain: one object without spaces, known fields once each,
//! numbers, ASCII texts without escapes. They are read in one pass and without allocating. For
//! whatever else, [`any_line`](crate::entry::any_line) decides what it says and whether it says anything: this reader
//! knows no errors, only lines that are not plain.

use crate::entry::{Ask, Entry, Id, Outcome, Value, What, id_of};
use crate::op::{Consistency, Kind};

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
