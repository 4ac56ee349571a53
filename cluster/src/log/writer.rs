//! Appending to the log.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::allocate::{Allocator, is_out_of_space};
use super::contents::Contents;
use super::index::{Index, SegmentId, Stage};
use super::reader::Shared;
use super::recovery::{self, Found};
use super::segment::{
    BATCH_HEADER_BYTES, BatchBuffer, HARD_STATE_BYTES, Header, MAX_BATCH_BYTES, entry_record_bytes,
    file_name, reserve_bytes,
};
use super::{Durability, LogError, LogOptions, LogReader, Recovered};
use crate::env::{Disk, DiskFile};
use crate::known_bugs::{self, KnownBug};
use crate::raft::{Append, Completion, Configuration, Entry, HardState, LogIndex, Restored, Term};

/// The largest segment, in bytes: offsets in the index have 32 bits.
const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// The next segment is made ahead once this part of the current one is used.
const AHEAD_PART: u64 = 2;

/// The segment that is written.
#[derive(Debug)]
pub(super) struct Segment {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    id: SegmentId,
    header_bytes: u64,
    length: u64,
    /// Where the next batch goes.
    end: u64,
}

impl Segment {
    pub(super) fn new(
        file: Box<dyn DiskFile>,
        path: PathBuf,
        header: &Header,
        header_bytes: u64,
        length: u64,
        end: u64,
    ) -> Self {
        let id = SegmentId {
            sequence: header.sequence,
            salt: header.salt,
        };
        Segment {
            file,
            path,
            id,
            header_bytes,
            length,
            end,
        }
    }
}

/// The entries of an append that are not written yet.
#[derive(Debug)]
struct Waiting {
    batch: u64,
    entries: std::vec::IntoIter<Entry>,
}

/// What has been written since the log was opened: its batches. What preparing a segment
/// takes is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes of batches, all that is in them.
    pub bytes: u64,
    /// How often they were synced (fdatasync).
    pub syncs: u64,
}

/// The writing side. It blocks; one thread owns it.
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: LogOptions,
    shared: Arc<Shared>,
    allocator: Allocator,
    segment: Segment,
    oldest: u64,
    next_batch: u64,
    /// What is written and synced.
    contents: Contents,
    stage: Stage,
    buffer: BatchBuffer,
    /// Entries that are not written, in order. Between calls there are some only while the
    /// disk is full; the core's bound on what is open bounds them.
    waiting: VecDeque<Waiting>,
    /// The newest term and vote, if they are not written, and the first append that waits for
    /// them.
    waiting_hard_state: Option<(u64, HardState)>,
    /// Term and index of the last entry of the last append whose entries are all written: the
    /// disk may become full in the middle of the next one.
    whole: (Term, LogIndex),
    /// The last append that was handed over.
    accepted: u64,
    out_of_space: bool,
    written: Written,
    poisoned: Option<String>,
}

impl Log {
    /// Opens the log in `dir`, recovering what is there. An empty directory becomes a new log
    /// whose first segment header carries `bootstrap`; without one it is an error.
    ///
    /// # Errors
    /// [`LogError::Missing`] without a log or `bootstrap`; [`LogError::Corrupt`] when bytes
    /// that were durable once are not what was written; or the disk said no.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        bootstrap: Option<&Configuration>,
        options: LogOptions,
    ) -> Result<(Log, Recovered), LogError> {
        let options = LogOptions {
            segment_bytes: options.segment_bytes.min(MAX_SEGMENT_BYTES),
            ..options
        };
        disk.create_dir_all(dir)
            .map_err(LogError::io("cannot create", dir))?;
        let mut allocator = Allocator::new(
            Arc::clone(&disk),
            dir,
            options.segment_bytes,
            options.durability == Durability::Fsync,
            options.background_allocation,
        );
        allocator.discard()?;
        let found = recovery::recover(disk.as_ref(), dir, options.durability)?;
        let restarted = found.is_some();
        let found = match (found, bootstrap) {
            (Some(found), _) => found,
            (None, Some(configuration)) => {
                create(&disk, dir, configuration, &options, &mut allocator)?
            }
            (None, None) => return Err(LogError::Missing(dir.to_owned())),
        };
        let tail_first = found.index.newest(options.tail_bytes as u64);
        let log = Log {
            shared: Arc::new(Shared::new(Arc::clone(&disk), dir, found.index)),
            disk,
            dir: dir.to_owned(),
            options,
            allocator,
            segment: found.segment,
            oldest: found.oldest,
            next_batch: found.next_batch,
            whole: found.contents.last,
            contents: found.contents,
            stage: found.stage,
            buffer: BatchBuffer::default(),
            waiting: VecDeque::new(),
            waiting_hard_state: None,
            accepted: 0,
            out_of_space: false,
            written: Written::default(),
            poisoned: None,
        };
        let last_index = log.contents.last.1;
        let mut tail = Vec::new();
        let mut next = tail_first.unwrap_or(last_index + 1);
        while next <= last_index {
            let entries = log
                .reader()
                .read(next, last_index, log.options.tail_bytes)?;
            next += entries.len() as u64;
            tail.extend(entries);
        }
        let restored = Restored {
            hard_state: log.contents.hard_state,
            configuration: log.contents.configuration().clone(),
            base: log.contents.base,
            term_runs: log.contents.runs.clone(),
            last_index,
            tail,
            restarted,
        };
        let torn = found.torn;
        Ok((log, Recovered { restored, torn }))
    }

    /// Writes all of `appends` (and what waits from before) as one batch, syncs it once, and
    /// says what is durable. With an empty vector it tries again what waits for space.
    ///
    /// # Errors
    /// A failed write or sync: the log is poisoned, every later call fails too, and the
    /// process must stop.
    ///
    /// # Panics
    /// When the appends do not continue those before, or their entries the log.
    pub fn append(&mut self, appends: Vec<Append>) -> Result<Completion, LogError> {
        if let Some(reason) = &self.poisoned {
            return Err(LogError::Poisoned(reason.clone()));
        }
        for append in appends {
            self.accept(append);
        }
        match self.write_waiting() {
            Ok(()) => Ok(self.completion()),
            Err(error) => {
                // Nobody knows what is on the disk now, and a second sync would not tell:
                // the page cache takes what it could not write for clean.
                self.poisoned = Some(error.to_string());
                Err(error)
            }
        }
    }

    /// Whether entries wait because no segment could be allocated (the disk is full).
    pub fn out_of_space(&self) -> bool {
        self.out_of_space
    }

    /// What has been written since this was opened.
    pub fn written(&self) -> Written {
        self.written
    }

    /// A reader over what is durable.
    pub fn reader(&self) -> LogReader {
        LogReader {
            shared: Arc::clone(&self.shared),
        }
    }

    fn accept(&mut self, append: Append) {
        let Append {
            batch,
            hard_state,
            entries,
        } = append;
        assert!(
            batch > self.accepted,
            "append {batch} after {}",
            self.accepted
        );
        self.accepted = batch;
        if let Some(hard_state) = hard_state {
            let first = self.waiting_hard_state.map_or(batch, |(first, _)| first);
            self.waiting_hard_state = Some((first, hard_state));
        }
        if let Some(first) = entries.first() {
            if first.index <= self.contents.last.1 {
                self.shared.index_mut().clip(first.index - 1);
            }
            self.waiting.push_back(Waiting {
                batch,
                entries: entries.into_iter(),
            });
        }
    }

    fn completion(&self) -> Completion {
        Completion {
            entries_through: match self.waiting.front() {
                Some(waiting) => waiting.batch - 1,
                None => self.accepted,
            },
            hard_state_through: match self.waiting_hard_state {
                Some((first, _)) => first - 1,
                None => self.accepted,
            },
            last: self.whole,
        }
    }

    /// Writes what waits, as far as there is space.
    fn write_waiting(&mut self) -> Result<(), LogError> {
        while !self.waiting.is_empty() || self.waiting_hard_state.is_some() {
            let (entries, bytes) = self.next_batch_size();
            let reserve = reserve_bytes(self.segment.length);
            let room = (self.segment.length - self.segment.end).saturating_sub(reserve);
            if bytes > room && !self.next_segment(bytes)? {
                self.out_of_space = true;
                let hard_state_fits = self.segment.end
                    + (BATCH_HEADER_BYTES + HARD_STATE_BYTES) as u64
                    <= self.segment.length;
                if self.waiting_hard_state.is_some() && hard_state_fits {
                    self.write_batch(0)?;
                }
                return Ok(());
            }
            self.write_batch(entries)?;
        }
        self.out_of_space = false;
        if self.segment.end > self.segment.length / AHEAD_PART {
            self.allocator.prepare_ahead();
        }
        Ok(())
    }

    /// How many entries the next batch takes, and its bytes.
    fn next_batch_size(&self) -> (usize, u64) {
        let mut bytes = BATCH_HEADER_BYTES;
        if self.waiting_hard_state.is_some() {
            bytes += HARD_STATE_BYTES;
        }
        let most = MAX_BATCH_BYTES.min(self.usual_room());
        let mut count = 0;
        for entry in self.waiting.iter().flat_map(|w| w.entries.as_slice()) {
            let entry_bytes = entry_record_bytes(entry);
            if count > 0 && bytes + entry_bytes > most {
                break;
            }
            bytes += entry_bytes;
            count += 1;
        }
        (count, bytes as u64)
    }

    /// Bytes for entries in a segment of the usual size.
    fn usual_room(&self) -> usize {
        let length = self.options.segment_bytes;
        let room = length.saturating_sub(reserve_bytes(length) + self.segment.header_bytes);
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// Writes one batch of the waiting term and vote and this many waiting entries, and syncs.
    fn write_batch(&mut self, entries: usize) -> Result<(), LogError> {
        self.buffer.begin(self.segment.id.salt);
        if let Some((_, hard_state)) = self.waiting_hard_state.take()
            && !known_bugs::active(KnownBug::HardStateNotWritten)
        {
            self.buffer.put_hard_state(hard_state);
            self.contents.hard_state = hard_state;
        }
        for _ in 0..entries {
            let entry = self.next_entry();
            let offset = self.segment.end + self.buffer.len() as u64;
            self.stage.entry(entry.index, offset);
            self.buffer.put_entry(&entry);
            if let Err(what) = self.contents.push(&entry) {
                panic!("the core appends to its own log: {what}");
            }
        }
        let bytes = self.buffer.finish(self.next_batch);
        let Segment {
            file, path, end, ..
        } = &mut self.segment;
        file.write_at(*end, bytes)
            .map_err(LogError::io("cannot write", path))?;
        if self.options.durability == Durability::Fsync
            && !known_bugs::active(KnownBug::SyncSkipped)
        {
            let mut synced = file.sync_data();
            if synced.is_err() && known_bugs::active(KnownBug::FailedSyncRetried) {
                synced = file.sync_data();
            }
            synced.map_err(LogError::io("cannot sync", path))?;
            self.written.syncs += 1;
        }
        self.written.bytes += bytes.len() as u64;
        *end += bytes.len() as u64;
        self.next_batch += 1;

        let mut index = self.shared.index_mut();
        index.publish(&mut self.stage, self.segment.end);
        // What still waits supersedes as much as what is written.
        for waiting in &self.waiting {
            if let Some(first) = waiting.entries.as_slice().first() {
                index.clip(first.index - 1);
            }
        }
        Ok(())
    }

    /// Takes the next of the waiting entries.
    fn next_entry(&mut self) -> Entry {
        let waiting = self.waiting.front_mut().expect("the entries were counted");
        let entry = waiting.entries.next().expect("what is empty is removed");
        if waiting.entries.as_slice().is_empty() {
            self.waiting.pop_front();
            self.whole = (entry.term, entry.index);
        }
        entry
    }

    /// The header of a segment that begins here.
    fn header(&self) -> Header {
        header(
            self.segment.id.sequence + 1,
            self.oldest,
            self.next_batch,
            &self.contents,
            self.options.seed,
        )
    }

    /// Goes on in a new segment with room for a batch of `bytes`; false when the disk is full.
    fn next_segment(&mut self, bytes: u64) -> Result<bool, LogError> {
        let header = self.header();
        let made = make_segment(
            &self.disk,
            &self.dir,
            &header,
            bytes,
            &self.options,
            &mut self.allocator,
        )?;
        let Some(segment) = made else {
            return Ok(false);
        };
        self.stage.next_segment(segment.id);
        self.segment = segment;
        Ok(true)
    }
}

fn header(sequence: u64, oldest: u64, first_batch: u64, contents: &Contents, seed: u64) -> Header {
    /// Spreads sequence numbers over all seeds: no two segments have the same salt.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut rng = StdRng::seed_from_u64(seed.wrapping_add(sequence.wrapping_mul(SPREAD)));
    let (previous_term, last_index) = contents.last;
    Header {
        salt: rng.random(),
        sequence,
        oldest,
        first_batch,
        first_index: last_index + 1,
        previous_term,
        hard_state: if known_bugs::active(KnownBug::SegmentHeaderWithoutVote) {
            HardState::default()
        } else {
            contents.hard_state
        },
        configuration: contents.configuration().clone(),
    }
}

/// Makes the first segment of a new log.
fn create(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    configuration: &Configuration,
    options: &LogOptions,
    allocator: &mut Allocator,
) -> Result<Found, LogError> {
    let contents = Contents::new((0, 0), HardState::default(), configuration.clone());
    let header = header(1, 1, 1, &contents, options.seed);
    let segment = make_segment(disk, dir, &header, 0, options, allocator)?.ok_or_else(|| {
        LogError::io("cannot allocate a segment in", dir)(std::io::ErrorKind::StorageFull.into())
    })?;
    let first: LogIndex = 0;
    Ok(Found {
        contents,
        index: Index::new(first),
        stage: Stage::new(segment.id, first),
        segment,
        oldest: 1,
        next_batch: 1,
        torn: None,
    })
}

/// Makes a segment with room for a first batch of `bytes`; none when the disk is full. It has
/// its name only once its header is durable.
fn make_segment(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    header: &Header,
    bytes: u64,
    options: &LogOptions,
    allocator: &mut Allocator,
) -> Result<Option<Segment>, LogError> {
    let encoded = header.encode();
    let end = encoded.len() as u64;
    // The reserve is a part of the whole, so this is a little more than needed.
    let needed = end + bytes + reserve_bytes(2 * (end + bytes));
    let Some(file) = allocator.take(needed.max(options.segment_bytes))? else {
        return Ok(None);
    };
    let path = dir.join(file_name(header.sequence));
    let sync = options.durability == Durability::Fsync;
    file.write_at(0, &encoded)
        .map_err(LogError::io("cannot write", allocator.path()))?;
    if sync {
        file.sync_data()
            .map_err(LogError::io("cannot sync", allocator.path()))?;
    }
    match disk.rename(allocator.path(), &path) {
        Err(error) if is_out_of_space(&error) => {
            // The directory would have had to grow.
            allocator.discard()?;
            return Ok(None);
        }
        renamed => renamed.map_err(LogError::io("cannot rename to", &path))?,
    }
    if sync && !known_bugs::active(KnownBug::SegmentNameNotSynced) {
        disk.sync_dir(dir)
            .map_err(LogError::io("cannot sync", dir))?;
    }
    let length = file.len().map_err(LogError::io("cannot read", &path))?;
    Ok(Some(Segment::new(file, path, header, end, length, end)))
}
