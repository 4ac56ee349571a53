//! Reading the log at the start: all of it is verified, a torn end is cut.

use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::files::Window;
use super::index::{Index, SegmentId, Stage};
use super::segment::{
    BATCH_HEADER_BYTES, BatchHeader, HEADER_START_BYTES, Header, Record, RecordHeader, file_name,
    parse_file_name,
};
use super::writer::Segment;
use super::{Durability, LogError};
use crate::env::{Disk, DiskFile};
use crate::known_bugs::{self, KnownBug};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
/// Zeros written at once, and the piece in which they are looked for, in bytes.
const ZEROS: [u8; 16 << 10] = [0; 16 << 10];

/// A log as it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) contents: Contents,
    pub(super) index: Index,
    pub(super) stage: Stage,
    /// The last segment, to go on in.
    pub(super) segment: Segment,
    pub(super) oldest: u64,
    pub(super) next_batch: u64,
    pub(super) torn: Option<(PathBuf, u64)>,
}

/// Reads the log in `dir`; none when there is no segment.
pub(super) fn recover(
    disk: &dyn Disk,
    dir: &Path,
    durability: Durability,
) -> Result<Option<Found>, LogError> {
    let names = disk.list(dir).map_err(LogError::io("cannot list", dir))?;
    let mut sequences: Vec<u64> = names
        .iter()
        .filter_map(|name| parse_file_name(name))
        .collect();
    sequences.sort_unstable();
    let Some(&newest) = sequences.last() else {
        return Ok(None);
    };
    let oldest = SegmentFile::open(disk, dir, newest)?.header.oldest;
    // What is older is about to be removed.
    sequences.retain(|sequence| *sequence >= oldest);
    for (expected, sequence) in (oldest..).zip(&sequences) {
        if expected != *sequence {
            return Err(LogError::Corrupt {
                path: dir.join(file_name(expected)),
                offset: 0,
                what: "the segment is missing".to_owned(),
            });
        }
    }

    let first = SegmentFile::open(disk, dir, oldest)?;
    let header = &first.header;
    let base = (header.first_index.saturating_sub(1), header.previous_term);
    let mut recovery = Recovery {
        contents: Contents::new(base, header.hard_state, header.configuration.clone()),
        index: Index::new(base.0),
        stage: Stage::new(first.id(), base.0),
        next_batch: header.first_batch,
    };
    let mut earlier: Option<(PathBuf, u64)> = None;
    for sequence in sequences {
        let segment = SegmentFile::open(disk, dir, sequence)?;
        recovery.check_header(&segment, earlier.as_ref())?;
        recovery.stage.next_segment(segment.id());
        let end = recovery.read_batches(&segment)?;
        if sequence == newest {
            let torn = settle_end(&segment, &end, recovery.next_batch, durability)?;
            if durability == Durability::Fsync {
                // Its name may not be durable yet.
                disk.sync_dir(dir)
                    .map_err(LogError::io("cannot sync", dir))?;
            }
            return Ok(Some(Found {
                torn: torn.then(|| (segment.path.clone(), end.offset)),
                segment: Segment::new(
                    segment.file,
                    segment.path,
                    &segment.header,
                    segment.header_bytes,
                    segment.length,
                    end.offset,
                ),
                contents: recovery.contents,
                index: recovery.index,
                stage: recovery.stage,
                oldest,
                next_batch: recovery.next_batch,
            }));
        }
        let rest = segment.look_at_rest(end.offset, recovery.next_batch)?;
        if rest.nonzero_end > end.offset {
            let what = "a bad batch with whole ones after it, in the next segment".to_owned();
            return Err(segment.corrupt(end.offset, what));
        }
        if durability == Durability::Fsync {
            // It was synced when the next one was begun, unless it was written without
            // syncing at all.
            segment
                .file
                .sync_data()
                .map_err(LogError::io("cannot sync", &segment.path))?;
        }
        earlier = Some((segment.path, end.offset));
    }
    unreachable!("the newest segment is among them")
}

/// A segment that is being read.
struct SegmentFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    length: u64,
    header: Header,
    header_bytes: u64,
}

impl SegmentFile {
    fn open(disk: &dyn Disk, dir: &Path, sequence: u64) -> Result<Self, LogError> {
        let path = dir.join(file_name(sequence));
        let file = disk
            .open(&path)
            .map_err(LogError::io("cannot open", &path))?;
        let length = file.len().map_err(LogError::io("cannot read", &path))?;
        let corrupt = |what: &str| LogError::Corrupt {
            path: path.clone(),
            offset: 0,
            what: what.to_owned(),
        };
        let too_short = || corrupt("the segment header is cut off");
        let mut window = Window::new(file.as_ref(), &path, length, HEADER_START_BYTES);
        let start = window.get(0, HEADER_START_BYTES)?.ok_or_else(too_short)?;
        let start = (*start).try_into().expect("it is as long as was asked for");
        let header_bytes = Header::length(start).map_err(corrupt)?;
        let bytes = window.get(0, header_bytes)?.ok_or_else(too_short)?;
        let header = Header::decode(&bytes).map_err(|what| corrupt(&what))?;
        if header.sequence != sequence {
            let what = format!("this is segment {}, under another name", header.sequence);
            return Err(corrupt(&what));
        }
        Ok(SegmentFile {
            file,
            path,
            length,
            header,
            header_bytes: header_bytes as u64,
        })
    }

    fn id(&self) -> SegmentId {
        SegmentId {
            sequence: self.header.sequence,
            salt: self.header.salt,
        }
    }

    fn corrupt(&self, offset: u64, what: String) -> LogError {
        LogError::Corrupt {
            path: self.path.clone(),
            offset,
            what,
        }
    }

    fn window(&self) -> Window<'_> {
        Window::new(self.file.as_ref(), &self.path, self.length, READ_BYTES)
    }

    /// Looks through what follows the last whole batch, byte by byte: a length there tells
    /// nothing.
    fn look_at_rest(&self, from: u64, next_batch: u64) -> Result<Rest, LogError> {
        let mut rest = Rest {
            nonzero_end: from,
            later_batch: None,
        };
        let mut window = self.window();
        let mut offset = from;
        while offset < self.length {
            let piece = usize::try_from(window.left(offset)).unwrap_or(usize::MAX);
            let piece = piece.min(ZEROS.len());
            // A header that begins in this piece may end in the next.
            let seen = usize::try_from(window.left(offset)).unwrap_or(usize::MAX);
            let seen = seen.min(piece + BATCH_HEADER_BYTES);
            let bytes = window.peek(offset, seen)?.expect("it is before the end");
            if bytes[..piece] != ZEROS[..piece] {
                let last = bytes[..piece].iter().rposition(|byte| *byte != 0);
                let last = last.expect("it is not all zeros");
                rest.nonzero_end = offset + last as u64 + 1;
                rest.later_batch = rest.later_batch.or_else(|| {
                    (0..=last)
                        .filter_map(|at| BatchHeader::parse(self.header.salt, &bytes[at..]))
                        .find(|header| header.number > next_batch)
                        .map(|header| header.number)
                });
            }
            offset += piece as u64;
        }
        Ok(rest)
    }
}

/// What follows the last whole batch of a segment.
struct Rest {
    /// After the last byte that is not zero.
    nonzero_end: u64,
    /// The number of a batch that was begun later than the one that should stand here.
    later_batch: Option<u64>,
}

/// Where the whole batches of a segment end.
struct End {
    offset: u64,
    /// Offset and length of the last one.
    last_batch: Option<(u64, usize)>,
}

struct Recovery {
    contents: Contents,
    index: Index,
    stage: Stage,
    next_batch: u64,
}

impl Recovery {
    /// Whether a segment continues what was read so far; `earlier` is where that ended.
    fn check_header(
        &self,
        segment: &SegmentFile,
        earlier: Option<&(PathBuf, u64)>,
    ) -> Result<(), LogError> {
        let header = &segment.header;
        if let Some((path, offset)) = earlier
            && header.first_batch > self.next_batch
        {
            return Err(LogError::Corrupt {
                path: path.clone(),
                offset: *offset,
                what: format!(
                    "batches {} to {} are missing",
                    self.next_batch,
                    header.first_batch - 1
                ),
            });
        }
        let (last_term, last_index) = self.contents.last;
        let continues = header.first_batch == self.next_batch
            && header.first_index == last_index + 1
            && header.previous_term == last_term
            && header.hard_state == self.contents.hard_state
            && header.configuration == *self.contents.configuration();
        if continues {
            Ok(())
        } else {
            let what = "the segment does not continue the one before".to_owned();
            Err(segment.corrupt(0, what))
        }
    }

    /// Takes in all whole batches of a segment.
    fn read_batches(&mut self, segment: &SegmentFile) -> Result<End, LogError> {
        let salt = segment.header.salt;
        let mut window = segment.window();
        let mut end = End {
            offset: segment.header_bytes,
            last_batch: None,
        };
        while let Some(bytes) = window.peek(end.offset, BATCH_HEADER_BYTES)? {
            let Some(header) = BatchHeader::parse(salt, bytes) else {
                break;
            };
            if header.number != self.next_batch {
                break;
            }
            let records_at = end.offset + BATCH_HEADER_BYTES as u64;
            let Some(records) = window.get(records_at, header.length)? else {
                break;
            };
            if !header.verifies(salt, &records) && !known_bugs::active(KnownBug::TornBatchAccepted)
            {
                break;
            }
            self.take_records(segment, records_at, records)?;
            let length = BATCH_HEADER_BYTES + header.length;
            end.last_batch = Some((end.offset, length));
            end.offset += length as u64;
            self.next_batch += 1;
            self.index.publish(&mut self.stage, end.offset);
        }
        Ok(end)
    }

    /// Takes in the records of a batch, whose checksum was right: what is wrong with them now
    /// was written so.
    fn take_records(
        &mut self,
        segment: &SegmentFile,
        mut offset: u64,
        mut records: bytes::Bytes,
    ) -> Result<(), LogError> {
        while !records.is_empty() {
            let cut_off = || segment.corrupt(offset, "a record is longer than its batch".into());
            if records.len() < RecordHeader::BYTES {
                return Err(cut_off());
            }
            let length = RecordHeader::parse(&records).record_bytes();
            if records.len() < length {
                return Err(cut_off());
            }
            let content = records.split_to(length).split_off(RecordHeader::BYTES);
            let record = Record::decode(content).map_err(|source| LogError::Undecodable {
                path: segment.path.clone(),
                offset,
                source,
            })?;
            match record {
                Record::HardState(hard_state) => self.contents.hard_state = hard_state,
                Record::Entry(entry) => {
                    self.contents
                        .push(&entry)
                        .map_err(|what| segment.corrupt(offset, what))?;
                    self.stage.entry(entry.index, offset);
                }
            }
            offset += length as u64;
        }
        Ok(())
    }
}

/// Makes the end of the last segment what it will be taken for: the last batch durable, and
/// zeros after it. Whether there was something to cut is the answer.
fn settle_end(
    segment: &SegmentFile,
    end: &End,
    next_batch: u64,
    durability: Durability,
) -> Result<bool, LogError> {
    let rest = segment.look_at_rest(end.offset, next_batch)?;
    if let Some(later) = rest.later_batch
        && !known_bugs::active(KnownBug::CorruptionTakenForTorn)
    {
        let what = format!("batch {next_batch} is bad, and batch {later} was written after it");
        return Err(segment.corrupt(end.offset, what));
    }
    let torn = rest.nonzero_end > end.offset;
    let cannot_write = || LogError::io("cannot write", &segment.path);
    let mut offset = end.offset;
    while offset < rest.nonzero_end {
        let length = usize::try_from(rest.nonzero_end - offset).unwrap_or(usize::MAX);
        let zeros = &ZEROS[..length.min(ZEROS.len())];
        segment
            .file
            .write_at(offset, zeros)
            .map_err(cannot_write())?;
        offset += zeros.len() as u64;
    }
    if durability == Durability::None {
        return Ok(torn);
    }
    if let Some((offset, length)) = end.last_batch
        && !known_bugs::active(KnownBug::PageCacheTrusted)
    {
        // Its sync may have failed, or the process ended before it: then these bytes are in
        // the page cache, and perhaps not on the disk though the cache takes them for clean.
        let mut last_batch = vec![0; length];
        segment
            .file
            .read_at(offset, &mut last_batch)
            .map_err(LogError::io("cannot read", &segment.path))?;
        segment
            .file
            .write_at(offset, &last_batch)
            .map_err(cannot_write())?;
    }
    segment
        .file
        .sync_data()
        .map_err(LogError::io("cannot sync", &segment.path))?;
    Ok(torn)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Log, LogOptions};
    use super::*;
    use crate::env::SimDisk;
    use crate::raft::{Append, Configuration, Entry, HardState, Payload};

    #[test]
    fn a_log_may_begin_after_the_first_entry() {
        let disk = Arc::new(SimDisk::new());
        let dir = Path::new("/log");
        disk.create_dir_all(dir).unwrap();
        let configuration = Configuration {
            voters: [(1, "here:1".to_owned())].into(),
            learners: [(4, "there:1".to_owned())].into(),
        };
        let hard_state = HardState {
            term: 5,
            vote: Some(4),
        };
        let header = Header {
            salt: 17,
            sequence: 7,
            oldest: 7,
            first_batch: 40,
            first_index: 101,
            previous_term: 3,
            hard_state,
            configuration: configuration.clone(),
        };
        let file = disk.create(&dir.join(file_name(7))).unwrap();
        file.allocate(8 << 10).unwrap();
        file.write_at(0, &header.encode()).unwrap();
        // A segment before the oldest was not removed in time.
        disk.create(&dir.join(file_name(5))).unwrap();

        let options = LogOptions {
            durability: Durability::Fsync,
            segment_bytes: 8 << 10,
            tail_bytes: 1 << 20,
            seed: 1,
            background_allocation: false,
        };
        let open = || Log::open(Arc::clone(&disk) as _, dir, None, options.clone()).unwrap();
        let (mut log, recovered) = open();
        let restored = recovered.restored;
        assert_eq!(restored.hard_state, hard_state);
        assert_eq!(restored.configuration, configuration);
        assert_eq!((restored.base, restored.last_index), ((100, 3), 100));
        assert!(restored.tail.is_empty() && restored.term_runs.is_empty());

        let entry = |index, term| Entry {
            index,
            term,
            payload: Payload::Command(vec![9; 1000].into()),
        };
        let mut batch = 0;
        let mut append = |entries: Vec<Entry>| {
            batch += 1;
            let append = Append {
                batch,
                hard_state: None,
                entries,
            };
            log.append(vec![append]).unwrap();
        };
        append((101..121).map(|index| entry(index, 4)).collect());
        append((101..103).map(|index| entry(index, 5)).collect());
        drop(log);
        let (log, recovered) = open();
        let restored = recovered.restored;
        assert_eq!(restored.base, (100, 3));
        assert_eq!(restored.term_runs, [(101, 5)]);
        assert_eq!(restored.tail, [entry(101, 5), entry(102, 5)]);
        let reader = log.reader();
        assert_eq!(reader.read(102, 102, 0).unwrap(), [entry(102, 5)]);
        for beyond in [100, 103] {
            let error = reader.read(beyond, 200, 0).unwrap_err();
            assert!(matches!(error, LogError::NotThere(index) if index == beyond));
        }
    }
}
