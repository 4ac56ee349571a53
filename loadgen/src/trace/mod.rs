//! Recordings of chat traffic: who did what and when, to be replayed.
//!
//! A recording is a CSV file that any chat can be exported to:
//!
//! ```text
//! offset,user,operation,room,size
//! 0.000000,alice,send,lobby,120
//! 0.004210,bob,read,lobby,50
//! 0.250000,bob,inbox,,50
//! ```
//!
//! - `offset`: seconds from the beginning, with up to 9 decimals (written with 6, rounded down).
//! - `user`, `room`: names, any text. No room for an `inbox`; the one of a `create-room` may be
//!   left out, because it stands for a new room.
//! - `operation`: `send`, `read` (what came since the user's last read), `read-latest`, `inbox`,
//!   `join` or `create-room`.
//! - `size`: bytes of a send, messages of a page of the reads; where it is empty
//!   [`DEFAULT_SEND_BYTES`] and [`DEFAULT_PAGE`].
//!
//! Columns may stand in any order, others are passed over, and lines need not be in order of
//! time. [`Trace::read`] reads such a file; a [`Recording`] writes one from the threads of a load.

mod columns;
mod error;
mod merge;
mod parse;
mod record;
mod spool;

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

pub use error::{RecordError, TraceError};
pub use record::{Recording, RecordingPart, RecordingSummary};

use crate::plan::{Kind, Step};

/// Lines of a recording: in memory each takes 24 bytes, so that this many take 1.2 GB.
pub const MAX_LINES: u64 = 50_000_000;
/// Users of a recording, and rooms: each is a write before the load begins.
pub const MAX_NAMES: usize = 100_000;
/// Bytes of a user's or a room's name. A quote that was left open makes longer ones.
pub const MAX_NAME_BYTES: usize = 1024;
/// Seconds of a recording: a year. Moments of a calendar, as 1772368205, are above it.
pub const MAX_OFFSET_S: u64 = 366 * 24 * 3600;
/// Bytes of a message: what the interface takes (64 KiB) holds it with everything around it.
pub const MAX_SEND_BYTES: u32 = 60 << 10;
/// Bytes of a send whose size is empty.
pub const DEFAULT_SEND_BYTES: u32 = 128;
/// Messages of a page, at most, of a read or an inbox whose size is empty.
pub const DEFAULT_PAGE: u32 = 50;

/// A recording, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// What was done, in order of time; what is due at the same moment is in the file's order.
    pub steps: Vec<Step>,
    /// The users' names, in order of their first line.
    pub users: Vec<String>,
    /// The rooms' names, in order of their first line. Rooms that are only created are not
    /// among them.
    pub rooms: Vec<String>,
    /// Sends that were shorter than a message that carries its id
    /// ([`MIN_BYTES`](crate::body::MIN_BYTES)), and were made as long as one.
    pub raised: u64,
    /// XXH3 of the file's bytes.
    pub hash: u64,
}

impl Trace {
    /// Reads a recording.
    ///
    /// # Errors
    /// When the file cannot be read, with the first line that is wrong, or when it has no lines
    /// or too many.
    pub fn read(path: &Path) -> Result<Trace, TraceError> {
        let io = |source| TraceError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(io)?;
        refuse_half_written(path, &mut file)?;
        parse::parse(path, &mut file, MAX_LINES)
    }

    /// The rooms that each user sends to or reads, in ascending order: the user must be a member
    /// of them before the load begins. A `join` repeats one of them, or is its own.
    pub fn memberships(&self) -> Vec<Vec<u32>> {
        let mut rooms = vec![Vec::new(); self.users.len()];
        for (user, room) in self.first_visits() {
            rooms[user as usize].push(room);
        }
        for rooms in &mut rooms {
            rooms.sort_unstable();
        }
        rooms
    }

    /// Who creates each room: the first user to send to or read it; the first user of all when
    /// it is only joined.
    pub fn creators(&self) -> Vec<u32> {
        let mut creators = vec![None; self.rooms.len()];
        for (user, room) in self.first_visits() {
            creators[room as usize].get_or_insert(user);
        }
        creators
            .into_iter()
            .map(|creator| creator.unwrap_or(0))
            .collect()
    }

    /// Users with rooms that they send to or read: each pair once, in order of time.
    fn first_visits(&self) -> impl Iterator<Item = (u32, u32)> {
        let mut seen = HashSet::new();
        self.steps.iter().filter_map(move |step| {
            let visit = (step.user, step.room);
            let visits = matches!(step.kind, Kind::Send | Kind::Read);
            (visits && seen.insert(visit)).then_some(visit)
        })
    }
}

/// A writer that was interrupted leaves a line without an end, whose size may lack digits.
fn refuse_half_written(path: &Path, file: &mut File) -> Result<(), TraceError> {
    let io = |source| TraceError::Io {
        path: path.to_owned(),
        source,
    };
    let mut last = || {
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        file.rewind()?;
        Ok(last)
    };
    if last().map_err(io)? == [b'\n'] {
        return Ok(());
    }
    Err(TraceError::Line {
        path: path.to_owned(),
        line: parse::line_at(file, u64::MAX).map_err(io)?,
        column: None,
        reason: "the last line has no line break at its end, so that it may be half-written: \
                 end it, or take it out"
            .to_owned(),
    })
}
