//! The CSV files: appended to run by run, read row by row.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::SCHEMA_VERSION;
use super::directory::ResultDir;
use super::error::{Problem, ResultsError};

/// A row of a CSV file.
pub trait Row: Serialize + DeserializeOwned {
    /// The file's name.
    const FILE: &'static str;
    /// The columns, in the order in which they are written.
    const COLUMNS: &'static [&'static str];
    /// Of these, the ones that a file may lack.
    const OPTIONAL: &'static [&'static str];

    /// # Errors
    /// What no writer of ours would have written, though its type allows it.
    fn check(&self) -> Result<(), String>;
}

/// What was read of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<T> {
    /// The good rows, with the line that each begins at.
    pub rows: Vec<(u64, T)>,
    /// What was left out.
    pub problems: Vec<Problem>,
}

/// Whether `name` may stand in a file's name.
pub(super) fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

pub(super) fn plain_name(column: &str, name: &str) -> Result<(), String> {
    if is_plain_name(name) {
        Ok(())
    } else {
        Err(format!(
            "{column} {name:?} has characters other than letters, digits, '.', '_' and '-'"
        ))
    }
}

pub(super) fn finite(column: &str, value: Option<f64>) -> Result<(), String> {
    match value {
        Some(value) if !(value.is_finite() && value >= 0.0) => {
            Err(format!("{column} {value} is no measurement"))
        }
        _ => Ok(()),
    }
}

/// Appends rows and waits until they are on the disk. A half-written last line, which a crash
/// leaves, is cut first.
pub(super) fn append<T: Row>(directory: &Path, rows: &[T]) -> Result<(), ResultsError> {
    let path = directory.join(T::FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(ResultsError::io("open", &path))?;
    let mut there = Vec::new();
    file.read_to_end(&mut there)
        .map_err(ResultsError::io("read", &path))?;
    let whole = there.iter().rposition(|byte| *byte == b'\n');
    let whole = whole.map_or(0, |at| at + 1);

    let header = T::COLUMNS.join(",");
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    if whole == 0 {
        writer
            .write_record(T::COLUMNS)
            .expect("a vector takes every byte");
    } else if first_line(&there) != header.as_bytes() {
        return Err(ResultsError::unreadable(
            T::FILE,
            Some(1),
            "it has other columns than this program writes: begin another result directory",
        ));
    }
    for row in rows {
        writer.serialize(row).map_err(|error| {
            ResultsError::unreadable(T::FILE, None, format!("a row cannot be written: {error}"))
        })?;
    }
    let bytes = writer.into_inner().expect("a vector takes every byte");

    let put = |file: &mut File| {
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::Start(whole as u64))?;
        file.write_all(&bytes)?;
        file.sync_all()
    };
    put(&mut file).map_err(ResultsError::io("write", &path))
}

/// Leaves out the rows of the runs that `keep` refuses, and a half-written last line. Nothing
/// happens when there is no such file; one without a whole line is removed.
pub(super) fn retain<T: Row>(
    directory: &ResultDir,
    keep: impl Fn(&str) -> bool,
) -> Result<(), ResultsError> {
    let path = directory.path().join(T::FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ResultsError::io("read", &path)(error)),
    };
    let (whole, _) = split_torn(&bytes);
    if whole.is_empty() {
        return std::fs::remove_file(&path).map_err(ResultsError::io("remove", &path));
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(whole);
    let mut numbers = LineNumbers::of(whole);
    let mut unreadable = |error: csv::Error| {
        let line = error.position().map(|at| numbers.at(at));
        ResultsError::unreadable(T::FILE, line, error.to_string())
    };
    let headers = reader.byte_headers().map_err(&mut unreadable)?.clone();
    let Some(column) = headers.iter().position(|header| header == b"run_id") else {
        let reason = "there is no column run_id";
        return Err(ResultsError::unreadable(T::FILE, Some(1), reason));
    };
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(Vec::new());
    let written = "a vector takes every byte";
    writer.write_byte_record(&headers).expect(written);
    for record in reader.byte_records() {
        let record = record.map_err(&mut unreadable)?;
        let run = record
            .get(column)
            .and_then(|run| std::str::from_utf8(run).ok());
        if run.is_some_and(&keep) {
            writer.write_byte_record(&record).expect(written);
        }
    }
    directory.write(T::FILE, &writer.into_inner().expect(written))
}

/// Reads a whole file. Bad rows and a half-written last line are left out and told; columns
/// that are not ours are passed over.
pub(super) fn read<T: Row>(directory: &Path) -> Result<Rows<T>, ResultsError> {
    let path = directory.join(T::FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(ResultsError::unreadable(
                T::FILE,
                None,
                "there is no such file",
            ));
        }
        Err(error) => return Err(ResultsError::io("read", &path)(error)),
    };
    let (whole, torn) = split_torn(&bytes);

    let mut problems = Vec::new();
    let mut rows = Vec::new();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(whole);
    let headers = match reader.headers() {
        Ok(headers) => headers.clone(),
        Err(error) => {
            return Err(ResultsError::unreadable(
                T::FILE,
                Some(1),
                error.to_string(),
            ));
        }
    };
    if let Some(lacking) = T::COLUMNS
        .iter()
        .find(|column| !T::OPTIONAL.contains(column) && !headers.iter().any(|h| h == **column))
    {
        let reason = format!("there is no column {lacking}");
        return Err(ResultsError::unreadable(T::FILE, Some(1), reason));
    }

    let mut numbers = LineNumbers::of(whole);
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                let line = record.position().map_or(0, |at| numbers.at(at));
                match row(&headers, &record, line) {
                    Ok(row) => rows.push((line, row)),
                    Err(RowError::Newer(error)) => return Err(error),
                    Err(RowError::Bad(reason)) => problems.push(Problem {
                        file: T::FILE.to_owned(),
                        line: Some(line),
                        reason,
                    }),
                }
            }
            // Bytes that are no text; the reader goes on behind them.
            Err(error) => problems.push(Problem {
                file: T::FILE.to_owned(),
                line: error.position().map(|at| numbers.at(at)),
                reason: "it is not UTF-8 text".to_owned(),
            }),
        }
    }
    if torn > 0 {
        problems.push(Problem {
            file: T::FILE.to_owned(),
            line: Some(lines(whole) + 1),
            reason: "the last line is half-written: its writer was interrupted".to_owned(),
        });
    }
    Ok(Rows { rows, problems })
}

pub(super) enum RowError {
    Newer(ResultsError),
    Bad(String),
}

pub(super) fn row<T: Row>(
    headers: &csv::StringRecord,
    record: &csv::StringRecord,
    line: u64,
) -> Result<T, RowError> {
    // First of all, because a newer row need not look like ours otherwise.
    let version = headers.iter().position(|h| h == "schema_version");
    let version = version.and_then(|at| record.get(at)).unwrap_or_default();
    if version
        .parse::<u64>()
        .is_ok_and(|v| v > u64::from(SCHEMA_VERSION))
    {
        return Err(RowError::Newer(ResultsError::Newer {
            file: T::FILE.to_owned(),
            line,
            found: version.to_owned(),
        }));
    }
    if record.len() != headers.len() {
        return Err(RowError::Bad(format!(
            "it has {} fields, and the head of the file has {}",
            record.len(),
            headers.len()
        )));
    }
    let row: T = record.deserialize(Some(headers)).map_err(|error| {
        let csv::ErrorKind::Deserialize { err, .. } = error.kind() else {
            return RowError::Bad(error.to_string());
        };
        let column = err
            .field()
            .and_then(|field| headers.get(usize::try_from(field).ok()?));
        RowError::Bad(match column {
            Some(column) => format!("column {column}: {}", err.kind()),
            None => err.kind().to_string(),
        })
    })?;
    row.check().map_err(RowError::Bad)?;
    Ok(row)
}

/// From places in a file to the lines there. The csv crate's own numbers are those of the lines
/// before where `\r\n` ends them: to it a record begins behind the `\r`.
struct LineNumbers<'a> {
    bytes: &'a [u8],
    /// Lines that end before `counted`.
    ended: u64,
    counted: usize,
}

impl<'a> LineNumbers<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        LineNumbers {
            bytes,
            ended: 0,
            counted: 0,
        }
    }

    /// The line in which the record at `place` begins, which is not before the last one asked for.
    fn at(&mut self, place: &csv::Position) -> u64 {
        let place = usize::try_from(place.byte()).unwrap_or(usize::MAX);
        let rest = self.bytes.get(place..).unwrap_or_default();
        // The end of the line before, and empty lines.
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let start = self.bytes.len() - rest.len() + blank.count();
        self.ended += lines(self.bytes.get(self.counted..start).unwrap_or_default());
        self.counted = self.counted.max(start);
        self.ended + 1
    }
}

/// The whole lines of a file, and how many bytes of a half-written one follow.
pub(super) fn split_torn(bytes: &[u8]) -> (&[u8], usize) {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    let whole = &bytes[..end.map_or(0, |at| at + 1)];
    (whole, bytes.len() - whole.len())
}

/// Without what ends it.
fn first_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.split(|byte| *byte == b'\n').next();
    let line = line.unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

pub(super) fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
