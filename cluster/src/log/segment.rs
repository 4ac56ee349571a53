//! The form of a segment file: its header, batches and records. The picture is in the
//! [module's](super) description.

use bytes::Bytes;

use crate::codec::{self, DecodeError, Reader};
use crate::raft::{Configuration, Entry, HardState, LogIndex, Term};

/// Records of one batch, in bytes, one record at least: what recovery holds in memory, and
/// far more than is worth one sync.
pub(super) const MAX_BATCH_BYTES: usize = 4 << 20;
/// The end of a segment that only terms and votes go into, in bytes: 1,200 of them. Elections
/// are rare while the disk is full, for its leader goes on leading.
pub(super) const RESERVE_BYTES: u64 = 64 << 10;
/// Small segments (in tests) reserve this part of themselves.
const RESERVE_PART: u64 = 8;
/// The longest header that is believed, in bytes: a thousand members.
const MAX_HEADER_BYTES: u32 = 1 << 20;
/// Headers are as long as a multiple of this, in bytes.
const HEADER_UNIT: usize = 512;

const SEGMENT_MAGIC: &[u8; 8] = b"TGRAFLOG";
const VERSION: u32 = 1;
/// Where a segment header's checksum stands, and where what it covers begins.
const HEADER_CRC: usize = 12;
const HEADER_BODY: usize = 16;

const BATCH_MAGIC: [u8; 4] = [0xb7, 0x1e, 0x5a, 0xf6];
/// Bytes of a batch before its records.
pub(super) const BATCH_HEADER_BYTES: usize = 24;
/// Bytes of a record before its kind.
const RECORD_HEADER_BYTES: usize = 8;
const KIND_HARD_STATE: u8 = 1;
const KIND_ENTRY: u8 = 2;
/// Bytes of a term-and-vote record.
pub(super) const HARD_STATE_BYTES: usize = RECORD_HEADER_BYTES + 1 + 16;

/// Bytes of an entry's record.
pub(super) fn entry_record_bytes(entry: &Entry) -> usize {
    RECORD_HEADER_BYTES + 1 + entry.encoded_len()
}

/// How much of a segment of `segment_bytes` is for terms and votes only.
pub(super) fn reserve_bytes(segment_bytes: u64) -> u64 {
    RESERVE_BYTES.min(segment_bytes / RESERVE_PART)
}

/// The name of a segment's file.
pub(super) fn file_name(sequence: u64) -> String {
    format!("{sequence:010}.log")
}

/// The sequence number of the segment with this file name; none for another file.
pub(super) fn parse_file_name(name: &str) -> Option<u64> {
    let sequence = name.strip_suffix(".log")?.parse().ok()?;
    (file_name(sequence) == name).then_some(sequence)
}

fn checksum(salt: u32, parts: &[&[u8]]) -> u32 {
    parts
        .iter()
        .fold(salt, |crc, part| crc32c::crc32c_append(crc, part))
}

/// What a segment opens with: all that recovery would otherwise need the segments before for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Starts the checksums of this segment.
    pub(super) salt: u32,
    /// 1, 2, 3…: its place among the segments.
    pub(super) sequence: u64,
    /// The oldest segment that belongs to the log: from it on, none may be missing.
    pub(super) oldest: u64,
    /// The number of the batch that comes next.
    pub(super) first_batch: u64,
    /// The index of the entry that comes next, unless it supersedes.
    pub(super) first_index: LogIndex,
    /// The term of the entry before it.
    pub(super) previous_term: Term,
    /// The term and vote so far.
    pub(super) hard_state: HardState,
    /// The configuration in force so far.
    pub(super) configuration: Configuration,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_UNIT);
        out.extend_from_slice(SEGMENT_MAGIC);
        out.resize(HEADER_BODY, 0);
        codec::put_u32(&mut out, VERSION);
        codec::put_u32(&mut out, self.salt);
        for field in [
            self.sequence,
            self.oldest,
            self.first_batch,
            self.first_index,
            self.previous_term,
            self.hard_state.term,
            self.hard_state.vote.unwrap_or(0),
        ] {
            codec::put_u64(&mut out, field);
        }
        self.configuration.encode(&mut out);
        out.resize(out.len().next_multiple_of(HEADER_UNIT), 0);
        let length = u32::try_from(out.len()).expect("a configuration is small");
        out[8..HEADER_CRC].copy_from_slice(&length.to_le_bytes());
        let crc = checksum(length, &[&out[HEADER_BODY..]]);
        out[HEADER_CRC..HEADER_BODY].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// How long the header is that starts with `bytes`, to be read whole.
    pub(super) fn length(bytes: &[u8; HEADER_BODY]) -> Result<usize, &'static str> {
        if bytes[..8] != SEGMENT_MAGIC[..] {
            return Err("this is no log segment");
        }
        let length = u32_at(bytes, 8);
        if length > MAX_HEADER_BYTES || !(length as usize).is_multiple_of(HEADER_UNIT) {
            return Err("the segment header has an impossible length");
        }
        Ok(length as usize)
    }

    /// Takes a whole header apart.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let length = u32::try_from(bytes.len()).map_err(|_| "the segment header is too long")?;
        if bytes.len() < HEADER_BODY
            || checksum(length, &[&bytes[HEADER_BODY..]]) != u32_at(bytes, HEADER_CRC)
        {
            return Err("the segment header's checksum is wrong".to_owned());
        }
        let body = Bytes::copy_from_slice(&bytes[HEADER_BODY..]);
        Self::decode_body(&mut Reader::new(body))
            .map_err(|error| format!("the segment header is unreadable: {error}"))
    }

    fn decode_body(reader: &mut Reader) -> Result<Self, DecodeError> {
        let version = reader.u32("log version")?;
        if version != VERSION {
            return Err(DecodeError::Invalid {
                field: "log version",
                value: u64::from(version),
            });
        }
        Ok(Header {
            salt: reader.u32("salt")?,
            sequence: reader.u64("segment sequence number")?,
            oldest: reader.u64("oldest segment")?,
            first_batch: reader.u64("first batch")?,
            first_index: reader.u64("first index")?,
            previous_term: reader.u64("previous term")?,
            hard_state: decode_hard_state(reader)?,
            configuration: Configuration::decode(reader)?,
        })
    }
}

/// Bytes at the start of a segment that [`Header::length`] wants.
pub(super) const HEADER_START_BYTES: usize = HEADER_BODY;

fn decode_hard_state(reader: &mut Reader) -> Result<HardState, DecodeError> {
    let term = reader.u64("term")?;
    let vote = reader.u64("vote")?;
    Ok(HardState {
        term,
        vote: (vote != 0).then_some(vote),
    })
}

/// Encodes one batch into a buffer that is used again and again.
#[derive(Debug, Default)]
pub(super) struct BatchBuffer {
    bytes: Vec<u8>,
    salt: u32,
}

impl BatchBuffer {
    /// Begins a batch for the segment with this salt.
    pub(super) fn begin(&mut self, salt: u32) {
        self.salt = salt;
        self.bytes.clear();
        self.bytes.resize(BATCH_HEADER_BYTES, 0);
    }

    /// Bytes so far, its header included: where in the batch the next record will stand.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn put_hard_state(&mut self, hard_state: HardState) {
        let start = self.begin_record(KIND_HARD_STATE);
        codec::put_u64(&mut self.bytes, hard_state.term);
        codec::put_u64(&mut self.bytes, hard_state.vote.unwrap_or(0));
        self.end_record(start);
    }

    pub(super) fn put_entry(&mut self, entry: &Entry) {
        let start = self.begin_record(KIND_ENTRY);
        entry.encode(&mut self.bytes);
        self.end_record(start);
    }

    fn begin_record(&mut self, kind: u8) -> usize {
        let start = self.bytes.len();
        self.bytes.resize(start + RECORD_HEADER_BYTES, 0);
        self.bytes.push(kind);
        start
    }

    fn end_record(&mut self, start: usize) {
        let length = self.bytes.len() - start - RECORD_HEADER_BYTES;
        let length = i32::try_from(length).expect("an entry is below 2 GiB");
        let length = length.to_le_bytes();
        let crc = checksum(
            self.salt,
            &[&length, &self.bytes[start + RECORD_HEADER_BYTES..]],
        );
        self.bytes[start..start + 4].copy_from_slice(&length);
        self.bytes[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Ends the batch: all bytes of it.
    pub(super) fn finish(&mut self, number: u64) -> &[u8] {
        let (header, records) = self.bytes.split_at_mut(BATCH_HEADER_BYTES);
        let length = i32::try_from(records.len()).expect("a batch is below 2 GiB");
        header[..4].copy_from_slice(&BATCH_MAGIC);
        header[8..16].copy_from_slice(&number.to_le_bytes());
        header[16..20].copy_from_slice(&length.to_le_bytes());
        header[20..24].copy_from_slice(&checksum(self.salt, &[records]).to_le_bytes());
        let crc = checksum(self.salt, &[&header[8..]]);
        header[4..8].copy_from_slice(&crc.to_le_bytes());
        &self.bytes
    }
}

/// A batch's header whose own checksum is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchHeader {
    pub(super) number: u64,
    /// Bytes of its records.
    pub(super) length: usize,
    crc: u32,
}

impl BatchHeader {
    /// The batch header that `bytes` begin with, if they do and it is whole.
    pub(super) fn parse(salt: u32, bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..BATCH_HEADER_BYTES)?;
        if bytes[..4] != BATCH_MAGIC || checksum(salt, &[&bytes[8..]]) != u32_at(bytes, 4) {
            return None;
        }
        Some(BatchHeader {
            number: u64_at(bytes, 8),
            length: u32_at(bytes, 16) as usize,
            crc: u32_at(bytes, 20),
        })
    }

    /// Whether these are its records, whole.
    pub(super) fn verifies(&self, salt: u32, records: &[u8]) -> bool {
        checksum(salt, &[records]) == self.crc
    }
}

/// Whether a batch seems to begin here, whole or not.
pub(super) fn starts_batch(bytes: &[u8]) -> bool {
    bytes.starts_with(&BATCH_MAGIC)
}

/// What is in front of a record's kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordHeader {
    /// Bytes of kind and body.
    length: usize,
    crc: u32,
}

impl RecordHeader {
    pub(super) const BYTES: usize = RECORD_HEADER_BYTES;

    /// # Panics
    /// With less than [`Self::BYTES`].
    pub(super) fn parse(bytes: &[u8]) -> Self {
        RecordHeader {
            length: u32_at(bytes, 0) as usize,
            crc: u32_at(bytes, 4),
        }
    }

    /// Bytes of the whole record.
    pub(super) fn record_bytes(&self) -> usize {
        RECORD_HEADER_BYTES + self.length
    }

    /// Whether this is its kind and body, whole.
    pub(super) fn verifies(&self, salt: u32, content: &[u8]) -> bool {
        let length = u32::try_from(self.length).expect("it was one");
        checksum(salt, &[&length.to_le_bytes(), content]) == self.crc
    }
}

/// A record's content.
#[derive(Debug)]
pub(super) enum Record {
    HardState(HardState),
    Entry(Entry),
}

impl Record {
    /// Takes a record's kind and body apart.
    pub(super) fn decode(content: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(content);
        let record = match reader.u8("record kind")? {
            KIND_HARD_STATE => Record::HardState(decode_hard_state(&mut reader)?),
            KIND_ENTRY => Record::Entry(Entry::decode(&mut reader)?),
            other => {
                return Err(DecodeError::Invalid {
                    field: "record kind",
                    value: u64::from(other),
                });
            }
        };
        reader.finish()?;
        Ok(record)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
