//! Reading histogram logs, ours and others'.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{DeserializeError, Deserializer};

use super::line::{Interval, Line};
use super::{Hlog, HlogInterval, HlogRest, VERSION};
use crate::results::error::{Problem, ResultsError};
use crate::results::table::{lines, split_torn};

/// Timestamps that are more than this before the `StartTime` count from it, in nanoseconds.
const YEAR: i128 = 365 * 24 * 3600 * 1_000_000_000;

/// The most that the counts of a histogram may take, in bytes. Five digits of an hour in nanoseconds
/// take less; a line of 60 bytes can ask for more.
const MAX_COUNTS_BYTES: usize = 32 << 20;

/// Where the size of its words stands in the first four bytes of an encoded histogram
/// (`AbstractHistogram` of the Java library, where the numbers below are from, too).
const WORD_SIZE: u32 = 0xf0;

impl Hlog {
    /// Reads a whole file. Bad lines and a half-written last one are left out and told.
    ///
    /// Timestamps are taken as the Java library's `HistogramLogReader` takes them: they count
    /// from the `BaseTime`; where there is none, from the `StartTime` if the first of them is
    /// more than a year before it, and else from the epoch. Where there is no `StartTime`, the
    /// first interval begins the file. An interval before the file's start counts as beginning
    /// with it. Only a file's first `StartTime` and `BaseTime` count, and none after the first
    /// interval; another one is told.
    ///
    /// # Errors
    /// When it cannot be read or is of a later version.
    pub fn read(path: &Path) -> Result<Self, ResultsError> {
        Hlog::read_named(path, &path.display().to_string())
    }

    /// The same; problems and errors call the file `name`.
    pub(in crate::results) fn read_named(path: &Path, name: &str) -> Result<Self, ResultsError> {
        let mut intervals = Vec::new();
        let rest = Hlog::for_each_named(path, name, |interval| intervals.push(interval))?;
        Ok(Hlog {
            start: rest.start,
            intervals,
            problems: rest.problems,
        })
    }

    /// Reads a file as [`Hlog::read`] does and gives each histogram to `each` when it is decoded,
    /// so that one is in memory at a time: those of an hour's seconds are gigabytes.
    ///
    /// # Errors
    /// As those of [`Hlog::read`]; `each` may have had some by then.
    pub fn for_each(path: &Path, each: impl FnMut(HlogInterval)) -> Result<HlogRest, ResultsError> {
        Hlog::for_each_named(path, &path.display().to_string(), each)
    }

    /// The same; problems and errors call the file `name`.
    pub(in crate::results) fn for_each_named(
        path: &Path,
        name: &str,
        mut each: impl FnMut(HlogInterval),
    ) -> Result<HlogRest, ResultsError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(ResultsError::unreadable(
                    name,
                    None,
                    "there is no such file",
                ));
            }
            Err(error) => return Err(ResultsError::io("read", path)(error)),
        };
        let (whole, torn) = split_torn(&bytes);
        let mut times = Times::default();
        let mut problems = Vec::new();
        let mut problem = |line: u64, reason: String| {
            problems.push(Problem {
                file: name.to_owned(),
                line: Some(line),
                reason,
            });
        };
        for (number, line) in (1..).zip(whole.split(|byte| *byte == b'\n')) {
            // What a comment says in another encoding is nothing to us.
            let line = String::from_utf8_lossy(line);
            let read = match Line::of(&line) {
                Ok(Line::Version(version)) if !is_known(version) => {
                    return Err(ResultsError::unreadable(
                        name,
                        Some(number),
                        format!(
                            "log format {version} is unknown: versions up to {VERSION} are known"
                        ),
                    ));
                }
                Ok(Line::Nothing | Line::Version(_)) => Ok(()),
                Ok(Line::StartTime(at)) => times.set_start(at),
                Ok(Line::BaseTime(at)) => times.set_base(at),
                Ok(Line::Interval(interval)) => times.interval(&interval).map(&mut each),
                Err(reason) => Err(reason),
            };
            if let Err(reason) = read {
                problem(number, reason);
            }
        }
        if torn > 0 {
            problem(
                lines(whole) + 1,
                "the last line is half-written: its writer was interrupted".to_owned(),
            );
        }
        Ok(HlogRest {
            start: times.start_of_file(),
            problems,
        })
    }
}

/// Whether a version, as `1.3` or `1.01`, is ours or an earlier one.
fn is_known(version: &str) -> bool {
    let parts = |version: &str| {
        let (major, minor) = version.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    let version = parts(version);
    version.is_some_and(|(major, _)| major == 1) && version <= parts(VERSION)
}

/// What the timestamps of a file count from, in nanoseconds since the epoch.
#[derive(Debug, Default)]
struct Times {
    start: Option<i128>,
    base: Option<i128>,
    /// Set with the first interval.
    first: Option<First>,
}

#[derive(Clone, Copy, Debug)]
struct First {
    base: i128,
    start: i128,
}

impl Times {
    fn set_start(&mut self, at: i128) -> Result<(), String> {
        Self::set(&mut self.start, self.first, at, "StartTime")
    }

    fn set_base(&mut self, at: i128) -> Result<(), String> {
        Self::set(&mut self.base, self.first, at, "BaseTime")
    }

    fn set(
        time: &mut Option<i128>,
        first: Option<First>,
        at: i128,
        name: &str,
    ) -> Result<(), String> {
        if time.is_some_and(|known| known != at) {
            return Err(format!("a second {name}: the first one counts"));
        }
        if time.is_none() && first.is_some() {
            return Err(format!("a {name} behind an interval counts for none"));
        }
        *time = Some(at);
        Ok(())
    }

    /// The line's histogram, with its place in time.
    fn interval(&mut self, line: &Interval<'_>) -> Result<HlogInterval, String> {
        let (start, base) = (self.start, self.base);
        // Also of a line whose histogram is bad: the others stand where they stand.
        let first = *self.first.get_or_insert_with(|| {
            let base = base.unwrap_or(match start {
                Some(start) if line.timestamp < start - YEAR => start,
                _ => 0,
            });
            First {
                base,
                start: start.unwrap_or(base + line.timestamp),
            }
        });
        let since = (line.timestamp + first.base - first.start).max(0);
        Ok(HlogInterval {
            tag: line.tag.to_owned(),
            start: duration(since)
                .ok_or_else(|| "its timestamp is centuries after the file's start".to_owned())?,
            length: Duration::from_nanos(line.length),
            histogram: decode(line.histogram)?,
        })
    }

    /// Since the epoch, if that is told.
    fn start_of_file(&self) -> Option<Duration> {
        let told = match (self.start, self.first) {
            (Some(start), _) => Some(start),
            (None, Some(first)) if self.base.is_some() || first.start > YEAR => Some(first.start),
            _ => None,
        };
        duration(told?)
    }
}

fn duration(nanos: i128) -> Option<Duration> {
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

fn decode(encoded: &str) -> Result<Histogram<u64>, String> {
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|error| format!("the histogram is no base64: {error}"))?;
    let read = Deserializer::new().deserialize(&mut bytes.as_slice());
    let histogram: Histogram<u64> =
        read.map_err(|error| match (&error, other_encoding(&bytes)) {
            (DeserializeError::InvalidCookie, Some(name)) => {
                format!("the histogram is encoded as {name}: V2 of whole numbers is read alone")
            }
            _ => format!("the histogram cannot be decoded: {error}"),
        })?;
    let counts = histogram.distinct_values().saturating_mul(size_of::<u64>());
    match counts > MAX_COUNTS_BYTES {
        true => Err(format!(
            "the histogram has room for {} MiB of counts, and {} MiB are read at most",
            counts >> 20,
            MAX_COUNTS_BYTES >> 20
        )),
        false => Ok(histogram),
    }
}

/// The encodings that others write and nobody reads here.
fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    let cookie = u32::from_be_bytes(*bytes.first_chunk()?);
    // `DoubleHistogram`.
    if matches!(cookie, 0x0c72_124e | 0x0c72_124f) {
        return Some("floating-point numbers");
    }
    match cookie & !WORD_SIZE {
        0x1c84_9308 | 0x1c84_9309 => Some("V0"),
        0x1c84_9301 | 0x1c84_9302 => Some("V1"),
        _ => None,
    }
}
