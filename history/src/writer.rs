//! Writes histories.

use std::io::{self, Write};

use crate::op::{Completion, Op};

/// Writes a history's lines and numbers them. It is not buffered: give it a `BufWriter` for a file.
///
/// The invocation is written before the request leaves, the completion after the answer came. The
/// calls of several threads may come a little out of the order of their times.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    index: u64,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// A history without lines yet.
    pub fn new(out: W) -> Self {
        Writer {
            out,
            index: 0,
            line: Vec::new(),
        }
    }

    /// The lines written so far.
    pub fn lines(&self) -> u64 {
        self.index
    }

    /// A process asks.
    pub fn invoke(&mut self, time_ns: u64, process: u64, op: &Op) -> io::Result<()> {
        self.begin();
        self.number("process", process);
        self.text("type", "invoke");
        self.text("f", op.kind().name());
        match op {
            Op::Send { room, id } => {
                self.number("room", *room);
                self.text("value", id);
            }
            Op::Read {
                room,
                after,
                limit,
                consistency,
                replica,
                min_index,
            } => {
                self.number("room", *room);
                self.number("after", *after);
                self.number("limit", (*limit).into());
                self.text("consistency", consistency.name());
                self.number("replica", *replica);
                if *min_index > 0 {
                    self.number("min_index", *min_index);
                }
            }
            Op::Inbox {
                user,
                after,
                limit,
                consistency,
                replica,
            } => {
                self.number("user", *user);
                self.number("after", *after);
                self.number("limit", (*limit).into());
                self.text("consistency", consistency.name());
                self.number("replica", *replica);
            }
        }
        self.end(time_ns)
    }

    /// The process that asked for `op` is answered, or gives up.
    ///
    /// # Panics
    ///
    /// If the answer is one to another kind of operation.
    pub fn complete(
        &mut self,
        time_ns: u64,
        process: u64,
        op: &Op,
        completion: &Completion,
    ) -> io::Result<()> {
        self.begin();
        self.number("process", process);
        self.text(
            "type",
            match completion {
                Completion::Fail => "fail",
                Completion::Unknown => "info",
                Completion::Sent { .. } | Completion::Read { .. } | Completion::Inbox { .. } => {
                    "ok"
                }
            },
        );
        self.text("f", op.kind().name());
        match op {
            Op::Send { room, id } => {
                self.number("room", *room);
                self.text("value", id);
            }
            Op::Read { room, .. } => self.number("room", *room),
            Op::Inbox { user, .. } => self.number("user", *user),
        }
        match (op, completion) {
            (_, Completion::Fail | Completion::Unknown) => {}
            (
                Op::Send { .. },
                Completion::Sent {
                    seq,
                    log_index,
                    term,
                },
            ) => {
                self.number("seq", *seq);
                self.number("log_index", *log_index);
                self.number("term", *term);
            }
            (
                Op::Read { .. },
                Completion::Read {
                    values,
                    applied_index,
                },
            ) => {
                self.key("values");
                self.list(values, |line, (seq, id)| {
                    put_number(line, *seq);
                    line.push(b',');
                    put_text(line, id);
                });
                self.number("applied_index", *applied_index);
            }
            (
                Op::Inbox { .. },
                Completion::Inbox {
                    values,
                    applied_index,
                    cursor,
                },
            ) => {
                self.key("values");
                self.list(values, |line, (room, seq, id)| {
                    put_number(line, *room);
                    line.push(b',');
                    put_number(line, *seq);
                    line.push(b',');
                    put_text(line, id);
                });
                self.number("applied_index", *applied_index);
                self.number("cursor", *cursor);
            }
            (op, completion) => panic!("{completion:?} is no answer to {op:?}"),
        }
        self.end(time_ns)
    }

    /// A fault begins or ends, on a replica or everywhere.
    pub fn nemesis(
        &mut self,
        time_ns: u64,
        f: &str,
        replica: Option<u64>,
        detail: &str,
    ) -> io::Result<()> {
        self.begin();
        self.text("process", "nemesis");
        self.text("type", "info");
        self.text("f", f);
        if let Some(replica) = replica {
            self.number("replica", replica);
        }
        if !detail.is_empty() {
            self.text("detail", detail);
        }
        self.end(time_ns)
    }

    /// A user is a member of a room: told before its inbox is read.
    pub fn member(&mut self, time_ns: u64, room: u64, user: u64) -> io::Result<()> {
        self.begin();
        self.text("process", "setup");
        self.text("type", "ok");
        self.text("f", "member");
        self.number("room", room);
        self.number("user", user);
        self.end(time_ns)
    }

    /// A replica's digest at an applied index.
    pub fn digest(
        &mut self,
        time_ns: u64,
        replica: u64,
        log_index: u64,
        digest: &str,
    ) -> io::Result<()> {
        self.begin();
        self.text("process", "observer");
        self.text("type", "ok");
        self.text("f", "digest");
        self.number("replica", replica);
        self.number("log_index", log_index);
        self.text("value", digest);
        self.end(time_ns)
    }

    /// Flushes, and gives back what it wrote to.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    /// What it writes to.
    pub fn get_ref(&self) -> &W {
        &self.out
    }

    fn begin(&mut self) {
        self.line.clear();
        self.line.extend_from_slice(b"{\"index\":");
        put_number(&mut self.line, self.index);
    }

    fn key(&mut self, key: &str) {
        self.line.extend_from_slice(b",\"");
        self.line.extend_from_slice(key.as_bytes());
        self.line.extend_from_slice(b"\":");
    }

    fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        put_number(&mut self.line, number);
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        put_text(&mut self.line, text);
    }

    fn list<T>(&mut self, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
        self.line.push(b'[');
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                self.line.push(b',');
            }
            self.line.push(b'[');
            put(&mut self.line, item);
            self.line.push(b']');
        }
        self.line.push(b']');
    }

    fn end(&mut self, time_ns: u64) -> io::Result<()> {
        self.number("time_ns", time_ns);
        self.line.extend_from_slice(b"}\n");
        self.out.write_all(&self.line)?;
        self.index += 1;
        Ok(())
    }
}

fn put_number(line: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut from = digits.len();
    loop {
        from -= 1;
        // A digit is below 10.
        digits[from] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[from..]);
}

/// As a JSON string.
fn put_text(line: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        line.push(b'"');
        line.extend_from_slice(text.as_bytes());
        line.push(b'"');
    } else {
        serde_json::to_writer(line, text).expect("a string has a JSON form");
    }
}
