//! Latency histograms in files of the HdrHistogram log format, version 1.3.
//!
//! Latencies are in microseconds. Intervals count their start from the file's `StartTime`.
//! `read.rs` reads these files and those of other tools, in which a value is whatever they say.

mod line;
mod read;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};

use super::directory::sync_directory;
use super::error::{Problem, ResultsError};
use super::table::is_plain_name;
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
    /// When it was begun, since the epoch: its `StartTime`, or else when the first interval
    /// began, if the file tells that of the epoch.
    pub start: Option<Duration>,
    /// The good lines, in order.
    pub intervals: Vec<HlogInterval>,
    /// What was left out.
    pub problems: Vec<Problem>,
}

/// What was read of a file beside its histograms.
#[derive(Clone, Debug)]
pub struct HlogRest {
    /// As [`Hlog::start`].
    pub start: Option<Duration>,
    /// What was left out.
    pub problems: Vec<Problem>,
}

/// One histogram.
#[derive(Clone, Debug)]
pub struct HlogInterval {
    /// The operation, with [`SERVICE_SUFFIX`] for latencies from sending; empty where the line
    /// has none.
    pub tag: String,
    /// The interval's start, counted from the file's (from the first interval where it tells
    /// none).
    pub start: Duration,
    /// How long it was.
    pub length: Duration,
    /// Latencies in microseconds, in files of this program.
    pub histogram: Histogram<u64>,
}

impl Hlog {
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
