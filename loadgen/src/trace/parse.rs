//! From the bytes of a recording to its steps.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use csv::ByteRecord;
use xxhash_rust::xxh3::Xxh3;

use super::columns::{self, COLUMNS};
use super::{DEFAULT_PAGE, DEFAULT_SEND_BYTES, MAX_NAME_BYTES, MAX_NAMES, Trace, TraceError};
use crate::body::MIN_BYTES;
use crate::plan::{Kind, NO_ROOM, Step};

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 1 << 16;

/// A column that is wrong, and what is wrong with it.
type Wrong = (Option<&'static str>, String);

/// Why a file is no recording.
enum Trouble {
    Io(io::Error),
    /// The line that begins at a byte.
    Line(u64, Wrong),
}

impl From<csv::Error> for Trouble {
    fn from(error: csv::Error) -> Self {
        let byte = error.position().map_or(0, csv::Position::byte);
        let reason = match error.into_kind() {
            csv::ErrorKind::Io(source) => return Trouble::Io(source),
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => format!("it has {len} fields, and the head of the file has {expected_len}"),
            _ => "it is no CSV".to_owned(),
        };
        Trouble::Line(byte, (None, reason))
    }
}

/// Reads at most `max_lines` lines of a file that is at its beginning; `path` is for errors.
pub(super) fn parse(
    path: &Path,
    file: &mut (impl Read + Seek),
    max_lines: u64,
) -> Result<Trace, TraceError> {
    let io = |source| TraceError::Io {
        path: path.to_owned(),
        source,
    };
    match steps(&mut *file, max_lines) {
        Ok(trace) => Ok(trace),
        Err(Trouble::Io(source)) => Err(io(source)),
        Err(Trouble::Line(byte, (column, reason))) => Err(TraceError::Line {
            path: path.to_owned(),
            line: line_at(file, byte).map_err(io)?,
            column,
            reason,
        }),
    }
}

/// The line that begins at a byte, or behind the line breaks that are there. (The CSV reader's
/// own count stands before blank lines, and before the second half of a `\r\n`.)
pub(super) fn line_at(file: &mut (impl Read + Seek), byte: u64) -> io::Result<u64> {
    file.rewind()?;
    let mut line = 1;
    for (at, there) in (0..).zip(BufReader::with_capacity(BUFFER_BYTES, file).bytes()) {
        match there? {
            b'\n' => line += 1,
            b'\r' => {}
            _ if at >= byte => break,
            _ => {}
        }
    }
    Ok(line)
}

fn steps(file: impl Read, max_lines: u64) -> Result<Trace, Trouble> {
    let mut reader = csv::ReaderBuilder::new()
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(Hashing {
            inner: file,
            hash: Xxh3::new(),
            tail: [0; 3],
        });
    let mut lines = Lines::new(reader.byte_headers()?).map_err(|wrong| Trouble::Line(0, wrong))?;

    let mut steps = Vec::new();
    let mut record = ByteRecord::new();
    // A line whose last field has a line break at its end.
    let mut open = None;
    while reader.read_byte_record(&mut record)? {
        let byte = record.position().map_or(0, csv::Position::byte);
        if steps.len() as u64 == max_lines {
            let reason = format!("a recording has at most {max_lines} lines");
            return Err(Trouble::Line(byte, (None, reason)));
        }
        let step = lines.step(&record);
        steps.push(step.map_err(|wrong| Trouble::Line(byte, wrong))?);
        let last = record.iter().next_back();
        open = last.is_some_and(|it| it.ends_with(b"\n")).then_some(byte);
    }
    if steps.is_empty() {
        let reason = "there are no lines below the head of the file".to_owned();
        return Err(Trouble::Line(0, (None, reason)));
    }
    let read = reader.into_inner();
    // The end of the file ends a quoted field, too, and the file's last line break is in it.
    let closed = read.tail.ends_with(b"\"\n") || read.tail == *b"\"\r\n";
    if let Some(byte) = open.filter(|_| !closed) {
        let reason = "a quote is left open up to the end of the file".to_owned();
        return Err(Trouble::Line(byte, (None, reason)));
    }

    if !steps.is_sorted_by_key(|step: &Step| step.due_ns) {
        steps.sort_by_key(|step| step.due_ns);
    }
    steps.shrink_to_fit();
    Ok(Trace {
        steps,
        users: lines.users.names,
        rooms: lines.rooms.names,
        raised: lines.raised,
        hash: read.hash.digest(),
    })
}

/// What the lines have named so far, and where they have what.
struct Lines {
    /// The places of [`COLUMNS`].
    places: [usize; 5],
    users: Names,
    rooms: Names,
    raised: u64,
}

impl Lines {
    fn new(headers: &ByteRecord) -> Result<Self, Wrong> {
        let mut places = [0; 5];
        for (place, column) in places.iter_mut().zip(COLUMNS) {
            let mut there = headers.iter().enumerate();
            let mut there = there
                .by_ref()
                .filter(|(_, head)| *head == column.as_bytes());
            let Some((first, _)) = there.next() else {
                let columns = COLUMNS.join(", ");
                let reason = format!("there is no column {column}: the head names {columns}");
                return Err((None, reason));
            };
            if there.next().is_some() {
                return Err((None, format!("there are two columns {column}")));
            }
            *place = first;
        }
        Ok(Lines {
            places,
            users: Names::default(),
            rooms: Names::default(),
            raised: 0,
        })
    }

    fn step(&mut self, record: &ByteRecord) -> Result<Step, Wrong> {
        let [offset, user, operation, room, size] = self.places.map(|place| {
            record
                .get(place)
                .expect("every record is as long as the head")
        });
        let in_column = |column| move |reason| (Some(column), reason);
        let due_ns = columns::offset(offset).map_err(in_column("offset"))?;
        let (kind, latest) = columns::operation(operation).map_err(in_column("operation"))?;
        if user.is_empty() {
            let reason = "it is empty: every operation is some user's".to_owned();
            return Err((Some("user"), reason));
        }
        let user = self.users.number(user).map_err(in_column("user"))?;
        let room = match kind {
            Kind::Inbox | Kind::CreateRoom => NO_ROOM,
            Kind::Send | Kind::Read | Kind::Join if room.is_empty() => {
                let name = String::from_utf8_lossy(operation);
                return Err((Some("room"), format!("it is empty: a {name} has a room")));
            }
            Kind::Send | Kind::Read | Kind::Join => {
                self.rooms.number(room).map_err(in_column("room"))?
            }
        };
        let mut size = match (kind, size) {
            (Kind::Send, b"") => DEFAULT_SEND_BYTES,
            (Kind::Read | Kind::Inbox, b"") => DEFAULT_PAGE,
            _ => columns::size(kind, size).map_err(in_column("size"))?,
        };
        let least = u32::try_from(MIN_BYTES).expect("an id is short");
        if kind == Kind::Send && size < least {
            size = least;
            self.raised += 1;
        }
        Ok(Step {
            due_ns,
            kind,
            user,
            room,
            size,
            latest,
        })
    }
}

/// Names, numbered in order of their first line.
#[derive(Default)]
struct Names {
    numbers: HashMap<Box<[u8]>, u32>,
    names: Vec<String>,
}

impl Names {
    fn number(&mut self, name: &[u8]) -> Result<u32, String> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(format!(
                "it has {} bytes, and a name has at most {MAX_NAME_BYTES} (is a quote left open?)",
                name.len()
            ));
        }
        let text = std::str::from_utf8(name)
            .map_err(|_| format!("{:?} is not UTF-8 text", String::from_utf8_lossy(name)))?;
        if self.names.len() == MAX_NAMES {
            return Err(format!("there are more than {MAX_NAMES} of them"));
        }
        let number = u32::try_from(self.names.len()).expect("the bound fits");
        self.names.push(text.to_owned());
        self.numbers.insert(name.into(), number);
        Ok(number)
    }
}

/// Hashes what is read.
struct Hashing<R> {
    inner: R,
    hash: Xxh3,
    /// The last bytes.
    tail: [u8; 3],
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        for byte in &buffer[read.saturating_sub(3)..read] {
            self.tail = [self.tail[1], self.tail[2], *byte];
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, max_lines: u64) -> Result<Trace, TraceError> {
        let mut file = io::Cursor::new(text);
        parse(Path::new("chat.csv"), &mut file, max_lines)
    }

    #[test]
    fn a_recording_has_so_many_lines_and_no_more() {
        let text = "offset,user,operation,room,size\n0,a,inbox,,\n1,b,inbox,,\n";
        assert_eq!(parsed(text, 2).expect("two lines").steps.len(), 2);
        let error = parsed(text, 1).expect_err("two lines");
        assert_eq!(
            error.to_string(),
            "chat.csv:3: a recording has at most 1 lines"
        );
    }

    #[test]
    fn names_are_bounded() {
        let mut names = Names::default();
        for number in 0..MAX_NAMES {
            names
                .number(format!("user-{number}").as_bytes())
                .expect("a name");
        }
        assert_eq!(names.number(b"user-7"), Ok(7));
        let more = names.number(b"one more").expect_err("too many");
        assert_eq!(more, "there are more than 100000 of them");
    }
}
