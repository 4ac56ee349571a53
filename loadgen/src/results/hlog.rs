//! Latency histograms in files of the HdrHistogram log format, version 1.3.
//!
//! Latencies are in microseconds. Intervals count their start from the file's `StartTime`.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};

use super::directory::sync_directory;
use super::error::{Problem, ResultsError};
use super::table::{is_plain_name, lines, split_torn};
use super::utc;

/// The longest latency that [`latency_histogram`] tells apart, in microseconds: one hour, far
/// beyond every time-out, and beyond what an operation of an open loop waits for a connection
/// in a run of any sense. Longer ones count as this.
pub const MAX_LATENCY_US: u64 = 3_600 * 1_000_000;

/// Significant digits of a latency: errors stay below 0.1 %, which is less than two runs differ.
const DIGITS: u8 = 3;

/// A tag's ending for latencies that count from sending, not from the due moment.
pub const SERVICE_SUFFIX: &str = "-service";

/// The version in the first line.
const VERSION: &str = "1.3";
const VERSION_START: &str = "#[Histogram log format version ";

const LEGEND: &str =
    r#""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#;

/// An empty histogram of latencies in microseconds; record with `saturating_record`.
pub fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_LATENCY_US, DIGITS).expect("the bounds are in order")
}

/// Writes a file of histograms, line by line. [`HlogWriter::finish`] makes it durable.
#[derive(Debug)]
pub struct HlogWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl HlogWriter {
    /// Begins a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path, started_at: SystemTime) -> Result<Self, ResultsError> {
        let file = File::create(path).map_err(ResultsError::io("make", path))?;
        let mut writer = HlogWriter {
            path: path.to_owned(),
            file: BufWriter::new(file),
        };
        let since = started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = utc::rfc3339(started_at);
        let seconds = seconds(since);
        writer.put(format_args!(
            "#[Latencies in microseconds]\n\
             {VERSION_START}{VERSION}]\n\
             #[StartTime: {seconds} (seconds since epoch), {at}]\n\
             {LEGEND}\n"
        ))?;
        Ok(writer)
    }

    /// Writes the histogram of the interval that begins `start` after the file's start.
    /// `tag` is the operation, with [`SERVICE_SUFFIX`] for latencies from sending.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(
        &mut self,
        tag: &str,
        start: Duration,
        length: Duration,
        histogram: &Histogram<u64>,
    ) -> Result<(), ResultsError> {
        if !is_plain_name(tag) {
            return Err(ResultsError::Name(tag.to_owned()));
        }
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(histogram, &mut bytes)
            .map_err(io::Error::other)
            .map_err(ResultsError::io("write", &self.path))?;
        let (start, length) = (seconds(start), seconds(length));
        let (max, encoded) = (histogram.max(), STANDARD.encode(bytes));
        self.put(format_args!(
            "Tag={tag},{start},{length},{max}.000,{encoded}\n"
        ))
    }

    /// Writes what is left and waits until all is on the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<(), ResultsError> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .map_err(ResultsError::io("write", &self.path))?;
        self.path.parent().map_or(Ok(()), sync_directory)
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) -> Result<(), ResultsError> {
        self.file
            .write_fmt(text)
            .map_err(ResultsError::io("write", &self.path))
    }
}

fn seconds(duration: Duration) -> String {
    format!("{}.{:03}", duration.as_secs(), duration.subsec_millis())
}

/// What was read of a file.
#[derive(Clone, Debug)]
pub struct Hlog {
    /// When it was begun, since the epoch.
    pub start: Option<Duration>,
    /// The good lines, in order.
    pub intervals: Vec<HlogInterval>,
    /// What was left out.
    pub problems: Vec<Problem>,
}

/// One histogram.
#[derive(Clone, Debug)]
pub struct HlogInterval {
    /// The operation, with [`SERVICE_SUFFIX`] for latencies from sending.
    pub tag: String,
    /// The interval's start, counted from the file's.
    pub start: Duration,
    /// How long it was.
    pub length: Duration,
    /// Latencies in microseconds.
    pub histogram: Histogram<u64>,
}

impl Hlog {
    /// Reads a whole file. Bad lines and a half-written last one are left out and told.
    ///
    /// # Errors
    /// When it cannot be read or is of a later version.
    pub fn read(path: &Path) -> Result<Self, ResultsError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let file = format!("latency/{name}");
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(ResultsError::unreadable(
                    &file,
                    None,
                    "there is no such file",
                ));
            }
            Err(error) => return Err(ResultsError::io("read", path)(error)),
        };
        let (whole, torn) = split_torn(&bytes);
        let mut log = Hlog {
            start: None,
            intervals: Vec::new(),
            problems: Vec::new(),
        };
        let mut problem = |line: u64, reason: String| {
            log.problems.push(Problem {
                file: file.clone(),
                line: Some(line),
                reason,
            });
        };
        for (number, line) in (1..).zip(whole.split_inclusive(|byte| *byte == b'\n')) {
            if let Some(version) = line.strip_prefix(VERSION_START.as_bytes()) {
                let version = String::from_utf8_lossy(version);
                let version = version.trim_end().trim_end_matches(']');
                if !matches!(version, "1.0" | "1.1" | "1.2" | VERSION) {
                    return Err(ResultsError::unreadable(
                        &file,
                        Some(number),
                        format!(
                            "log format {version} is unknown: versions up to {VERSION} are known"
                        ),
                    ));
                }
            }
            // A line at a time, so that a bad one costs no others.
            for entry in IntervalLogIterator::new(line) {
                match entry {
                    Ok(LogEntry::StartTime(start)) => log.start = Some(start),
                    Ok(LogEntry::BaseTime(_)) => {}
                    Ok(LogEntry::Interval(interval)) => {
                        match decode(interval.encoded_histogram()) {
                            Ok(histogram) => log.intervals.push(HlogInterval {
                                tag: interval.tag().map_or("", |tag| tag.as_str()).to_owned(),
                                start: interval.start_timestamp(),
                                length: interval.duration(),
                                histogram,
                            }),
                            Err(reason) => problem(number, reason),
                        }
                    }
                    Err(_) => problem(number, "it is no line of a histogram log".to_owned()),
                }
            }
        }
        if torn > 0 {
            problem(
                lines(whole) + 1,
                "the last line is half-written: its writer was interrupted".to_owned(),
            );
        }
        Ok(log)
    }

    /// All histograms of one tag together; none when there is no such tag.
    pub fn merged(&self, tag: &str) -> Option<Histogram<u64>> {
        let mut of_tag = self.intervals.iter().filter(|i| i.tag == tag);
        let mut sum = of_tag.next()?.histogram.clone();
        for interval in of_tag {
            add(&mut sum, &interval.histogram);
        }
        Some(sum)
    }
}

/// Adds `more` to `sum`, whatever the bounds of the two are.
pub fn add(sum: &mut Histogram<u64>, more: &Histogram<u64>) {
    sum.auto(true);
    sum.add(more)
        .expect("a histogram that resizes takes every value");
}

fn decode(encoded: &str) -> Result<Histogram<u64>, String> {
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|error| format!("the histogram is no base64: {error}"))?;
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| format!("the histogram cannot be decoded: {error}"))
}
