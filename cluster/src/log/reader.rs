//! Reading entries back, beside the writer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::LogError;
use super::files::Window;
use super::index::{Index, Place, SPACING_BYTES};
use super::segment::{self, BATCH_HEADER_BYTES, BatchHeader, Record, RecordHeader, starts_batch};
use crate::env::{Disk, DiskFile};
use crate::known_bugs::{self, KnownBug};
use crate::raft::{Entry, LogIndex};

/// Files kept open between reads. A log of any length must not use up the file descriptors.
const OPEN_FILES: usize = 32;
/// Bytes read at once, at least: a place in the index, the entry wanted, and some.
const MIN_READ_BYTES: usize = 2 * SPACING_BYTES as usize;
/// Bytes read at once, at most (but for an entry that is larger).
const MAX_READ_BYTES: usize = 1 << 20;

/// The reading side; cheap to clone, usable from any thread that may block.
#[derive(Clone, Debug)]
pub struct LogReader {
    pub(super) shared: Arc<Shared>,
}

/// What the writer and its readers share.
#[derive(Debug)]
pub(super) struct Shared {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Held for a look or for a batch's worth of additions, never over I/O.
    index: RwLock<Index>,
    /// The files read last, the last one first.
    files: Mutex<Vec<(u64, Arc<dyn DiskFile>)>>,
}

impl Shared {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: &Path, index: Index) -> Self {
        Shared {
            disk,
            dir: dir.to_owned(),
            index: RwLock::new(index),
            files: Mutex::default(),
        }
    }

    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().expect("no holder of this lock panics")
    }

    pub(super) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().expect("no holder of this lock panics")
    }

    fn file(&self, sequence: u64, path: &Path) -> Result<Arc<dyn DiskFile>, LogError> {
        let mut files = self.files.lock().expect("no holder of this lock panics");
        let position = files.iter().position(|(open, _)| *open == sequence);
        let (_, file) = match position {
            Some(position) => files.remove(position),
            None => {
                let file = self
                    .disk
                    .open(path)
                    .map_err(LogError::io("cannot open", path))?;
                (sequence, Arc::from(file))
            }
        };
        files.insert(0, (sequence, Arc::clone(&file)));
        files.truncate(OPEN_FILES);
        Ok(file)
    }
}

impl LogReader {
    /// Entries from `first` to at most `last`, as many as fit into `max_bytes` encoded bytes
    /// and one at least, or fewer. Each one's checksum is verified. They were all in the log
    /// at one moment during the call.
    ///
    /// # Errors
    /// [`LogError::NotThere`] when `first` is not durable (yet), about to be superseded, or no
    /// longer kept; [`LogError::Corrupt`] when its bytes are not what was written.
    pub fn read(
        &self,
        first: LogIndex,
        last: LogIndex,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, LogError> {
        let mut walk = Walk {
            next: first,
            last,
            bytes_left: max_bytes,
            entries: Vec::new(),
            full: false,
        };
        let mut epoch = None;
        while walk.next <= last && !walk.full {
            // (The guard must not live on through the read.)
            let place = self.shared.index().find(walk.next);
            let Some(place) = place else {
                if walk.entries.is_empty() {
                    return Err(LogError::NotThere(first));
                }
                break;
            };
            // After a supersession, what follows may not be what followed these.
            if *epoch.get_or_insert(place.epoch) != place.epoch && !walk.entries.is_empty() {
                break;
            }
            epoch = Some(place.epoch);
            let path = self
                .shared
                .dir
                .join(segment::file_name(place.segment.sequence));
            let file = self.shared.file(place.segment.sequence, &path)?;
            walk.go(file.as_ref(), &path, &place)?;
        }
        Ok(walk.entries)
    }
}

/// A read on its way.
struct Walk {
    /// The entry that is wanted next.
    next: LogIndex,
    last: LogIndex,
    bytes_left: usize,
    entries: Vec<Entry>,
    /// No more fits.
    full: bool,
}

impl Walk {
    /// Walks from a place as far as its segment goes.
    fn go(&mut self, file: &dyn DiskFile, path: &Path, place: &Place) -> Result<(), LogError> {
        let corrupt = |offset: u64, what: String| LogError::Corrupt {
            path: path.to_owned(),
            offset,
            what,
        };
        let salt = place.segment.salt;
        let unit = self
            .bytes_left
            .saturating_add(MIN_READ_BYTES)
            .min(MAX_READ_BYTES);
        let mut window = Window::new(file, path, place.end, unit);
        let mut offset = place.offset;
        let mut expected = place.index;
        let last = self.last.min(place.until);
        while expected <= last {
            let too_short = || corrupt(offset, format!("entry {expected} is cut off"));
            let start = window.peek(offset, RecordHeader::BYTES)?;
            let start = start.ok_or_else(too_short)?;
            if starts_batch(start) {
                let header = window.peek(offset, BATCH_HEADER_BYTES)?;
                if BatchHeader::parse(salt, header.ok_or_else(too_short)?).is_none() {
                    let what = format!("the batch before entry {expected} has a bad header");
                    return Err(corrupt(offset, what));
                }
                offset += BATCH_HEADER_BYTES as u64;
                continue;
            }
            let header = RecordHeader::parse(start);
            let record = window.get(offset, header.record_bytes())?;
            let content = record.ok_or_else(too_short)?.split_off(RecordHeader::BYTES);
            if !header.verifies(salt, &content)
                && !known_bugs::active(KnownBug::RecordChecksumIgnored)
            {
                let what = format!("the checksum of entry {expected} is wrong");
                return Err(corrupt(offset, what));
            }
            let record = Record::decode(content).map_err(|source| LogError::Undecodable {
                path: path.to_owned(),
                offset,
                source,
            })?;
            if let Record::Entry(entry) = record {
                if entry.index != expected {
                    let what = format!("entry {} stands where {expected} should", entry.index);
                    return Err(corrupt(offset, what));
                }
                if expected == self.next && !self.take(entry) {
                    return Ok(());
                }
                expected += 1;
            }
            offset += header.record_bytes() as u64;
        }
        Ok(())
    }

    /// Takes one more entry, if it fits.
    fn take(&mut self, entry: Entry) -> bool {
        match self.bytes_left.checked_sub(entry.encoded_len()) {
            Some(left) => self.bytes_left = left,
            None if self.entries.is_empty() => self.full = true,
            None => {
                self.full = true;
                return false;
            }
        }
        self.next += 1;
        self.entries.push(entry);
        !self.full
    }
}
