//! A history for the checkers of transactions.
//!
//! Elle (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental
//! Observations", VLDB 2020) finds anomalies in histories of transactions that append to lists
//! and read them whole. A room is such a list: each send becomes a transaction of one append,
//! each read of a room one of one read. The lines are JSON, one operation each, as `elle-cli` and
//! `adya` read them: `{"index":4,"type":"ok","process":3,"f":"txn","value":[["r",12,["a","b"]]],…}`.
//! `index` is the place of the line in the history that it was made from, from 0.
//!
//! A list-append history has no word for some of what a history says; that is left out:
//! - Sequence numbers, terms and log indexes: the order of a list is what the reads show.
//! - Reads that may be stale (`local`): they would count as violations of real time.
//! - Inboxes, digests, faults and members.
//! - A page that is full: it does not say where the list ends.
//! - A page that begins after a message that nobody had been told of when it was asked for. All
//!   others are completed by the messages before them, as acknowledgements and fresh reads had
//!   told them.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::MAX_LINE_BYTES;
use crate::error::HistoryError;
use crate::line::{Event, Line, parse_line};
use crate::op::{Completion, Op};

/// What was exported, and what could not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Appends, the failed and the unknown among them.
    pub appends: u64,
    /// Reads of whole lists.
    pub reads: u64,
    /// Reads left out as they may be stale.
    pub local_reads: u64,
    /// Pages left out as they do not tell the whole list.
    pub pages: u64,
    /// Inboxes left out.
    pub inboxes: u64,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} appends and {} reads are exported; left out are {} local reads, {} pages that are \
             not whole, {} inboxes",
            self.appends, self.reads, self.local_reads, self.pages, self.inboxes
        )
    }
}

/// Why a history cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The export cannot be written.
    #[error("cannot write the export: {0}")]
    Write(io::Error),
}

/// Writes the history in a file as [`elle`] does. A torn last line is passed over.
pub fn elle_file(path: &Path, out: impl Write) -> Result<Exported, ExportError> {
    let lines = read_lines(path)?;
    elle(lines, out).map_err(ExportError::Write)
}

fn read_lines(path: &Path) -> Result<Vec<Line>, HistoryError> {
    let unreadable = |error| HistoryError::Read {
        path: path.to_owned(),
        error,
    };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let (mut lines, mut bytes) = (Vec::new(), Vec::new());
    loop {
        bytes.clear();
        let mut line = file.by_ref().take(MAX_LINE_BYTES as u64 + 1);
        if line.read_until(b'\n', &mut bytes).map_err(unreadable)? == 0 {
            return Ok(lines);
        }
        let number = lines.len() + 1;
        let whole = bytes.pop_if(|last| *last == b'\n').is_some();
        if bytes.len() > MAX_LINE_BYTES {
            return Err(HistoryError::LineTooLong {
                path: path.to_owned(),
                line: number,
            });
        }
        match parse_line(&bytes) {
            Ok(line) => lines.push(line),
            Err(_) if !whole => return Ok(lines),
            Err(why) => {
                return Err(HistoryError::Malformed {
                    path: path.to_owned(),
                    line: number,
                    why,
                });
            }
        }
    }
}

/// Writes a history's lines as a list-append history, in the order of their times. Where two
/// times are equal, invocations come first: the operations count as concurrent.
///
/// Each operation becomes a process of its own, as the order within a process follows from that
/// of real time anyway. A send that is open at the end is unknown.
///
/// The whole history is kept in memory, and each read is written with its whole list: a long room
/// that is read often makes a long file.
pub fn elle(lines: impl IntoIterator<Item = Line>, out: impl Write) -> io::Result<Exported> {
    let operations = operations(lines);
    let mut moments: Vec<(u64, bool, usize)> = Vec::new();
    for (number, operation) in operations.iter().enumerate() {
        moments.push((operation.invoked_ns, false, number));
        if let Some(end) = &operation.end {
            moments.push((end.time_ns, true, number));
        }
    }
    moments.sort_unstable();
    let mut export = Export {
        out,
        rooms: HashMap::new(),
        asked: vec![false; operations.len()],
        exported: Exported::default(),
    };
    let last_ns = moments.last().map_or(0, |(time_ns, ..)| *time_ns);
    for (_, completes, number) in moments {
        let operation = &operations[number];
        match &operation.end {
            Some(end) if completes => export.complete(number, operation, end)?,
            _ => export.invoke(number, operation)?,
        }
    }
    for (number, operation) in operations.iter().enumerate() {
        if let (Op::Send { room, id }, None) = (&operation.op, &operation.end) {
            let append = json!(["append", room, id]);
            export.put("info", number, operation.index, last_ns, &append)?;
        }
    }
    Ok(export.exported)
}

/// An operation with what came of it.
struct Operation {
    op: Op,
    invoked_ns: u64,
    index: u64,
    end: Option<End>,
}

struct End {
    completion: Completion,
    time_ns: u64,
    index: u64,
}

/// Pairs each completion with the invocation of its process.
fn operations(lines: impl IntoIterator<Item = Line>) -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::new();
    let mut open: HashMap<u64, usize> = HashMap::new();
    for (index, line) in (0..).zip(lines) {
        let time_ns = line.time_ns;
        match line.event {
            Event::Invoke { process, op } => {
                open.insert(process, operations.len());
                operations.push(Operation {
                    op,
                    invoked_ns: time_ns,
                    index,
                    end: None,
                });
            }
            Event::Complete {
                process,
                completion,
                ..
            } => {
                if let Some(number) = open.remove(&process) {
                    operations[number].end = Some(End {
                        completion,
                        time_ns,
                        index,
                    });
                }
            }
            Event::Nemesis(_) | Event::Member { .. } | Event::Digest { .. } => {}
        }
    }
    operations
}

/// What is known of a room: its messages by seq.
#[derive(Default)]
struct Room {
    /// The messages from the first on, without a hole.
    list: Vec<String>,
    /// Those above a hole.
    above: HashMap<u64, String>,
}

impl Room {
    /// Somebody was told that this message stands here. The first to be told counts.
    fn tell(&mut self, seq: u64, id: &str) {
        if seq > self.list.len() as u64 {
            self.above.entry(seq).or_insert_with(|| id.to_owned());
        }
        while let Some(id) = self.above.remove(&(self.list.len() as u64 + 1)) {
            self.list.push(id);
        }
    }
}

struct Export<W> {
    out: W,
    rooms: HashMap<u64, Room>,
    /// The operations whose invocation was written.
    asked: Vec<bool>,
    exported: Exported,
}

impl<W: Write> Export<W> {
    fn invoke(&mut self, number: usize, operation: &Operation) -> io::Result<()> {
        let asks = match &operation.op {
            Op::Send { room, id } => json!(["append", room, id]),
            Op::Read { consistency, .. } if !consistency.is_fresh() => {
                self.exported.local_reads += 1;
                return Ok(());
            }
            Op::Read { room, after, .. } => {
                let known = self.rooms.get(room).map_or(0, |room| room.list.len());
                if *after > known as u64 {
                    self.exported.pages += 1;
                    return Ok(());
                }
                json!(["r", room, null])
            }
            Op::Inbox { .. } => {
                self.exported.inboxes += 1;
                return Ok(());
            }
        };
        self.asked[number] = true;
        let (index, time_ns) = (operation.index, operation.invoked_ns);
        self.put("invoke", number, index, time_ns, &asks)
    }

    fn complete(&mut self, number: usize, operation: &Operation, end: &End) -> io::Result<()> {
        let (kind, what) = match (&operation.op, &end.completion) {
            (Op::Send { room, id }, completion) => {
                self.exported.appends += 1;
                let kind = match completion {
                    Completion::Sent { seq, .. } => {
                        self.rooms.entry(*room).or_default().tell(*seq, id);
                        "ok"
                    }
                    Completion::Fail => "fail",
                    _ => "info",
                };
                (kind, json!(["append", room, id]))
            }
            (
                Op::Read {
                    room,
                    after,
                    limit,
                    consistency,
                    ..
                },
                Completion::Read { values, .. },
            ) if consistency.is_fresh() => {
                let known = self.rooms.entry(*room).or_default();
                let whole = (values.len() < *limit as usize && self.asked[number]).then(|| {
                    let before = known.list.iter().take(*after as usize);
                    let page = values.iter().map(|(_, id)| id);
                    json!(["r", room, before.chain(page).collect::<Vec<_>>()])
                });
                for (seq, id) in values {
                    known.tell(*seq, id);
                }
                match whole {
                    Some(whole) => {
                        self.exported.reads += 1;
                        ("ok", whole)
                    }
                    // It told nothing that can be said here: as if there had been no answer.
                    None if self.asked[number] => {
                        self.exported.pages += 1;
                        ("fail", json!(["r", room, null]))
                    }
                    None => return Ok(()),
                }
            }
            // A read without an answer has no effect.
            (Op::Read { room, .. }, _) if self.asked[number] => ("fail", json!(["r", room, null])),
            (Op::Read { .. } | Op::Inbox { .. }, _) => return Ok(()),
        };
        self.put(kind, number, end.index, end.time_ns, &what)
    }

    fn put(
        &mut self,
        kind: &str,
        process: usize,
        index: u64,
        time_ns: u64,
        what: &Value,
    ) -> io::Result<()> {
        let line = json!({
            "index": index,
            "type": kind,
            "process": process,
            "f": "txn",
            "value": [what],
            "time": time_ns,
        });
        writeln!(self.out, "{line}")
    }
}
